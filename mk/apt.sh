# Sourced: what setup.sh and qemu/guest/build need of apt.

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null || [ -t 0 ] && command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "this needs root: $*" >&2
        return 1
    fi
}

apt_update() {
    echo "setup: apt-get update"
    as_root timeout 600 apt-get -q -o DPkg::Lock::Timeout=300 update >"$1" 2>&1 || {
        # one broken source among several is not our business, as long as the packages are found
        tail -5 "$1"
    }
}
