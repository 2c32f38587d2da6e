#!/bin/bash
# Everything that must hold before a change goes in. Each step runs even if one before it failed; the end says which did.
set -uo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
failed=() lines=()
logs=${BUILD:-build}/check # what each step printed
mkdir -p "$logs"

whole=4800 # seconds for everything
pid=
stop() { # timeout passes it on to all that the step started
    [ -z "$pid" ] || kill "$pid"
    echo "check: stopped"
    exit 130
}
trap stop INT TERM

step() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2 begin=$SECONDS status=0
    shift 2
    [ $limit -lt $((whole - SECONDS)) ] || limit=$((whole - SECONDS))
    [ $limit -gt 0 ] || limit=1
    echo "== $name: $*"
    exec {out}> >(tee "$logs/$name.log")
    local tee=$!
    timeout -k 10 "$limit" "$@" >&$out 2>&1 {out}>&- &
    pid=$!
    wait $pid || status=$?
    pid=
    exec {out}>&-
    timeout 10 tail --pid=$tee -f /dev/null # till tee has written all; what holds its pipe open longer is a leftover
    [ $status -eq 0 ] || failed+=("$name")
    [ $status -ne 124 ] || echo "== $name: not done after $limit s"
    lines+=("$(printf '%-14s %4d s  %s' "$name" $((SECONDS - begin)) "$([ $status -eq 0 ] && echo ok || echo "FAILED ($status)")")")
    return $status
}

step setup 1800 mk/setup.sh check || { echo "check: no set-up, nothing else can run"; exit 1; }
step format 60 cargo fmt --check
step clippy 1200 cargo clippy -q --all-targets -- -D warnings
if cargo nextest --version >/dev/null 2>&1; then
    step tests 1800 cargo nextest run --no-fail-fast --status-level fail
else
    step tests 1800 cargo test -q --no-fail-fast
fi
if step libs 1200 make -s libs; then
    step capi 1200 capi-tests/run
    step python 420 capi-tests/python/run
    step crash 1500 capi-tests/crash/run
    step crash-cluster 900 capi-tests/crash/run --cluster
    step erasure 300 capi-tests/ec/run
    step faults 900 capi-tests/faults/run
    step qemu 1500 qemu/run
    step qemu-cluster 1500 qemu/run --store cluster
    step faults-cluster 1800 capi-tests/faults-cluster/run handshake osd-killed mon-leader pg-split cut-from-all full-freed bite
fi

echo
for name in "${failed[@]}"; do # again at the end, where it is seen
    echo "== failed: $name"
    grep -aiE -A25 'fail|panicked|differ|error' "$logs/$name.log" | head -150
done
echo
printf '%s\n' "${lines[@]}"
[ ${#failed[@]} -eq 0 ] || { echo "check: failed: ${failed[*]}"; exit 1; }
echo "check: all passed in $SECONDS s"
