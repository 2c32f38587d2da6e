#!/bin/bash
# Installs the Debian packages that `make demo` or `make check` needs and that are missing. Says what it installs.
# usage: setup.sh demo|check      Does nothing, and does not touch apt, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. mk/apt.sh
mkdir -p build
log=build/setup.log

packages="gcc g++ libc6-dev make python3 qemu-system-x86 qemu-utils qemu-block-extra busybox-static cpio e2fsprogs util-linux"
if [ "${1:-check}" = check ]; then
    packages+=" fio libnbd-bin sqlite3 libfuse3-dev pkg-config librados-dev librbd-dev python3-rados python3-rbd ceph-common ceph-mon ceph-mgr ceph-osd"
fi
# QEMU and its rbd driver come from one build: a driver of another version is not loaded.
qemu="qemu-system-x86 qemu-utils qemu-block-extra"

cargo_is_there() {
    command -v cargo >/dev/null || {
        echo "setup: there is no cargo. Install Rust 1.90 or newer, with rustfmt and clippy: https://rustup.rs"
        exit 1
    }
}

# Nothing, and status 0, for a package that is not there.
version_of() { { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true; } | sed -n 's/^installed //p'; }

missing() {
    local p
    for p in $packages; do
        [ -n "$(version_of "$p")" ] || echo "$p"
    done
}

one_qemu() { [ "$(for p in $qemu; do version_of "$p"; done | sort -u | wc -l)" = 1 ]; }

cargo_is_there
need=$(missing)
if [ -z "$need" ] && one_qemu; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian; please install yourself what these packages hold:" $need
    exit 1
fi

apt_update "$log"
# The version that apt itself would take for the driver; qemu-utils may be there from another suite, in a newer one.
wanted=$(apt-cache policy qemu-block-extra | sed -n 's/^ *Candidate: //p')
names=()
for p in $(missing); do
    [[ " $qemu " == *" $p "* ]] || names+=("$p")
done
if [ -n "$(for p in $qemu; do [ "$(version_of "$p")" = "$wanted" ] || echo "$p"; done)" ]; then
    for p in $qemu; do
        names+=("$p=$wanted")
        have=$(version_of "$p")
        if [ -n "$have" ] && dpkg --compare-versions "$have" gt "$wanted"; then
            echo "setup: $p goes back from $have to $wanted, the version of qemu-block-extra"
        fi
    done
fi
echo "setup: installing ${names[*]}"
as_root env DEBIAN_FRONTEND=noninteractive timeout 1500 apt-get install -q -y --no-install-recommends --allow-downgrades \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${names[@]}" >"$log" 2>&1 || {
    tail -20 "$log"
    echo "setup: apt-get failed; the whole of it is in $log"
    exit 1
}
grep -E '^[0-9]+ upgraded' "$log" | sed 's/^/setup: /' || true
need=$(missing)
[ -z "$need" ] || { echo "setup: still missing:" $need; exit 1; }
