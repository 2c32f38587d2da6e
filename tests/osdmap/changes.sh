#!/bin/bash
# Changes a cluster of three OSDs in every way that its OSD map shows, and leaves a copy of the monitor's store.
# usage: changes.sh FOLDER      CEPH_CONF and CLUSTER_DIR are set (`cluster run --osds 3 -- changes.sh FOLDER`)
set -euo pipefail
out=$1
unset CEPH_ARGS
# One client for a whole list of commands: each line is one.
many() {
    ceph --connect-timeout 30 >"$out/answers" 2>&1
    cat "$out/answers" >>"$out/log"
    ! grep -E '^Error|^Invalid|no valid command' "$out/answers" || exit 1
}

many <<'END'
osd pool create a 16
osd pool create b 12 12
osd erasure-code-profile set two k=2 m=1 crush-failure-domain=osd
osd pool create e 8 8 erasure two
osd pool set e allow_ec_overwrites true
osd pool application enable a rbd
osd pool application set a rbd key value
osd pool set a pg_num 32
osd pool set b pg_num 8
osd pool set-quota a max_bytes 1000000000
osd pool set-quota a max_objects 1000
osd pool set a nodelete true
osd pool set a compression_mode aggressive
osd pool set a csum_min_block 8192
osd pool set e fast_read true
osd pool mksnap b one
osd pool mksnap b two
osd pool rmsnap b one
END
{
    rbd create --size 8M a/image
    for n in 1 2 3; do rbd snap create a/image@$n; done
    rbd snap rm a/image@2
} >>"$out/log" 2>&1
pool=$(ceph osd lspools -f json | grep -o '"poolnum":[0-9]*,"poolname":"a"' | grep -o '[0-9]*')
pgid=$pool.5
many <<END
osd pool rename b c
osd pool create gone 4
osd pool delete gone gone --yes-i-really-really-mean-it
osd out 1
osd reweight 2 0.7
osd in 1
osd reweight 2 1
osd primary-affinity 0 0.3
osd down 2
osd set-require-min-compat-client luminous
osd pg-upmap-items $pgid 0 1
osd pg-upmap $pgid 2 1 0
osd rm-pg-upmap-items $pgid
osd pg-temp $pgid 1 0 2
osd primary-temp $pgid 2
osd rm-pg-upmap $pgid
osd blocklist add 10.0.0.1:0/77
osd blocklist add 10.0.0.2
osd blocklist rm 10.0.0.1:0/77
osd set noout
osd set pause
osd unset pause
osd set-nearfull-ratio 0.8
osd set-full-ratio 0.97
osd pool create cache 8
osd tier add a cache --force-nonempty
osd tier cache-mode cache writeback
osd tier set-overlay a cache
osd pool set cache hit_set_type bloom
osd pool set cache target_max_bytes 1000000
osd crush weight-set create-compat
osd crush weight-set reweight-compat osd.1 0.4
osd crush weight-set create a flat
osd crush weight-set reweight a osd.0 0.2
osd crush rm-device-class osd.0
osd crush set-device-class fast osd.0
osd crush rule create-replicated other default osd fast
osd pool set c crush_rule other
osd crush tunables hammer
osd crush reweight osd.2 0.5
osd setmaxosd 7
osd new $(cat /proc/sys/kernel/random/uuid)
osd destroy 3 --force
osd purge 3 --force
osd setmaxosd 4
osd erasure-code-profile set other k=2 m=1
osd erasure-code-profile rm other
osd tier remove-overlay a
osd tier cache-mode cache proxy
osd pool set c size 2
osd pool set a nodelete false
osd require-osd-release pacific
END

last=$(ceph osd dump -f json | sed 's/.*"epoch":\([0-9]*\),.*/\1/')
echo "$last" >"$out/last"
# What is under way in the store is in its log, which is copied too.
cp -r "$CLUSTER_DIR"/mon.a/store.db "$out/store"
ceph osd getmap -o "$out/newest" >>"$out/log" 2>&1
for e in $(seq 1 "$last"); do
    ceph-kvstore-tool rocksdb "$out/store" get osdmap "$e" out "$out/inc.$e" >>"$out/tool" 2>&1 || true
    ceph-kvstore-tool rocksdb "$out/store" get osdmap "full_$e" out "$out/full.$e" >>"$out/tool" 2>&1 || true
done
ls "$out" | grep -c '^inc'
