//! Maps that real monitors made: each epoch's increment on the map before must give the map that the monitors have, and
//! groups must be where osdmaptool has them in every epoch.

use std::collections::BTreeSet;
use std::path::Path;

use logrbd::osd::OsdMap;
use logrbd::wire::types::Pgid;

use super::osdmaptool::Mapping;
use super::tools::{path, run};

/// Runs `changes.sh` on a cluster of its own and goes through all epochs.
#[test]
fn increments_lead_from_one_full_map_to_the_next() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let (cluster, changes) = (root.join("capi-tests/cluster/cluster"), root.join("tests/osdmap/changes.sh"));
    let out = folder.path().to_str().unwrap();
    let program = cluster.to_str().unwrap();
    let quick = "[mon] paxos_propose_interval = 0.05";
    run(program, &["run", "--osds", "3", "--conf", quick, "--", changes.to_str().unwrap(), out]);

    let read = |name: String| std::fs::read(folder.path().join(name)).ok();
    let last: u32 = String::from_utf8(read("last".to_owned()).unwrap()).unwrap().trim().parse().unwrap();
    let (mut map, mut steps, mut groups) = (OsdMap::default(), 0, 0);
    let mut changed = BTreeSet::new();
    for epoch in 1..=last {
        let full = read(format!("full.{epoch}")).map(|bytes| OsdMap::decode(&bytes).unwrap());
        let Some(bytes) = read(format!("inc.{epoch}")) else {
            map = full.expect("an increment or a full map of each epoch");
            continue;
        };
        let next = map.next(&bytes).unwrap_or_else(|error| panic!("increment to {epoch}: {error}"));
        if let Some(full) = &full {
            assert_eq!(next.differences(full), Vec::<&str>::new(), "epoch {epoch}: {next:?}\n{full:?}");
            changed.extend(full.differences(&map));
            steps += 1;
            groups += compare(&path(folder.path(), &format!("full.{epoch}")), &next, epoch);
        }
        map = next;
    }
    println!("{steps} increments give the monitors' maps; {groups} groups are where osdmaptool has them");
    // Else the changes would leave out what they are there for.
    for field in
        ["pools", "pool_names", "osds", "overlay", "crush", "erasure_code_profiles", "blocklist", "flags"]
    {
        assert!(changed.contains(field), "{field} never changed: {changed:?}");
    }
    for field in ["new_removed_snaps", "full_ratio", "nearfull_ratio", "require_min_compat_client"] {
        assert!(changed.contains(field), "{field} never changed: {changed:?}");
    }
}

/// Mappings of a map that increments made (some of them kept from epochs before) and of the tool.
fn compare(file: &str, map: &OsdMap, epoch: u32) -> usize {
    // So that later epochs have something to keep.
    let count = |pool: i64| map.pools()[&pool].pg_num;
    for &pool in map.pools().keys() {
        (0..count(pool)).for_each(|seed| drop(map.pg_to_up_acting(Pgid { pool, seed })));
    }
    let mut compared = 0;
    for line in run("osdmaptool", &[file, "--test-map-pgs-dump-all"]).lines() {
        let Some(theirs) = Mapping::parse(line) else { continue };
        theirs.compare(map, &format!("epoch {epoch}: {line}"));
        compared += 1;
    }
    assert_eq!(
        compared,
        map.pools().keys().map(|&pool| count(pool) as usize).sum::<usize>(),
        "epoch {epoch}"
    );
    compared
}
