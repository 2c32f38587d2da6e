//! Maps made by hand: what Pacific's tools cannot be asked, and what must be refused. tests/osdmap compares with the tools.

use std::sync::Arc;

use super::sample::{self, Increment, Map};
use super::{MapError, NO_OSD, OsdMap, pool_flag};
use crate::osd::crush::sample::hosts;
use crate::wire::types::{EntityAddr, Pgid};

fn pgid(seed: u32) -> Pgid {
    Pgid { pool: 1, seed }
}

fn decode(map: &Map) -> OsdMap {
    OsdMap::decode(&map.encode()).unwrap()
}

/// Pool 1 is replicated, pool 2 erasure-coded; twelve OSDs on four hosts.
fn map() -> Map {
    sample::map(hosts(4, 3, 5, 5).encode())
}

#[test]
fn a_primary_that_is_mapped_changes_places_with_the_first() {
    let before = decode(&map()).pg_to_up_acting(pgid(3));
    let mut changed = map();
    changed.upmap_primaries.insert(pgid(3), before.up[2]);
    let after = decode(&changed).pg_to_up_acting(pgid(3));
    assert_eq!(after.up, [before.up[2], before.up[1], before.up[0]]);
    assert_eq!(after.acting_primary, before.up[2]);
    // One that is out, or does not serve the group, changes nothing.
    changed.weights[before.up[2] as usize] = 0;
    assert_ne!(decode(&changed).pg_to_up_acting(pgid(3)).up[0], before.up[2]);
    let mut other = map();
    other.upmap_primaries.insert(pgid(3), (0..12).find(|osd| !before.up.contains(osd)).unwrap());
    assert_eq!(decode(&other).pg_to_up_acting(pgid(3)), before);
}

#[test]
fn exceptions_of_optimized_erasure_pools_are_in_the_order_of_primaries() {
    let mut map = map();
    let pool = map.pools.get_mut(&2).unwrap();
    pool.flags |= pool_flag::EC_OPTIMIZATIONS;
    // Of four shards, the second and third never are primary: the list begins with the first and the last.
    pool.nonprimary_shards = Some(0b0110);
    let group = Pgid { pool: 2, seed: 1 };
    map.temp.insert(group, vec![0, 3, 6, 9]);
    let mapped = decode(&map).pg_to_up_acting(group);
    assert_eq!((mapped.acting.as_slice(), mapped.acting_primary), (&[0, 6, 9, 3][..], 0));
    // The first is down: the primary is the next one of the list, which is the last shard.
    map.states[0] = 1;
    let mapped = decode(&map).pg_to_up_acting(group);
    assert_eq!((mapped.acting.as_slice(), mapped.acting_primary), (&[NO_OSD, 6, 9, 3][..], 3));
}

#[test]
fn mappings_are_kept_until_something_moves_them() {
    let first = decode(&map());
    let known = first.pg_to_up_acting(pgid(5));
    assert!(Arc::ptr_eq(&known, &first.pg_to_up_acting(pgid(5))));
    // A seed that is not folded yet means the same group.
    assert!(Arc::ptr_eq(&known, &first.pg_to_up_acting(pgid(5 + 64))));
    let quiet = first.next(&Increment::to(2).encode()).unwrap();
    assert!(Arc::ptr_eq(&known, &quiet.pg_to_up_acting(pgid(5))));
    let mut moved = Increment::to(3);
    moved.temp.push((pgid(5), vec![1, 2]));
    let moved = quiet.next(&moved.encode()).unwrap();
    assert_eq!(moved.pg_to_up_acting(pgid(5)).acting, [1, 2]);
    let mut down = Increment::to(4);
    down.states.push((known.up[0], 0));
    let down = moved.next(&down.encode()).unwrap();
    assert!(!down.pg_to_up_acting(pgid(5)).up.contains(&known.up[0]));
    // The earlier epochs say what they said.
    assert_eq!(first.pg_to_up_acting(pgid(5)), known);
}

#[test]
fn an_increment_must_fit() {
    let first = decode(&map());
    assert_eq!(first.next(&Increment::to(3).encode()), Err(MapError::Epoch { have: 1, found: 3 }));
    let mut other = Increment::to(2);
    other.fsid = [9; 16];
    assert_eq!(first.next(&other.encode()), Err(MapError::Fsid));
    let mut bytes = Increment::to(2).encode();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(first.next(&bytes), Err(MapError::Checksum { .. })));
    let mut far = Increment::to(2);
    far.states.push((12, 1));
    assert!(matches!(first.next(&far.encode()), Err(MapError::Invalid(_))));
    // In place, an error changes nothing.
    let mut map = first.clone();
    assert!(map.apply(&far.encode()).is_err());
    assert_eq!(map, first);
    assert_eq!(map.apply(&Increment::to(2).encode()), Ok(()));
    assert_eq!(map.differences(&first), ["epoch", "blocklist"]);
    assert!(map.is_blocklisted(&EntityAddr::msgr2("10.0.0.1:0".parse().unwrap(), 2)));
}

#[test]
fn numbers_alone_take_no_memory() {
    let mut huge = Increment::to(2);
    huge.max_osd = i32::MAX;
    assert!(matches!(decode(&map()).next(&huge.encode()), Err(MapError::Invalid(_))));
    let mut many = map();
    many.pools.get_mut(&1).unwrap().pg_num = u32::MAX;
    many.pools.get_mut(&1).unwrap().pgp_num = u32::MAX;
    // Such a pool is mapped, but its groups are not kept.
    assert_eq!(decode(&many).pg_to_up_acting(pgid(u32::MAX - 7)).up.len(), 3);
    let valid = map().encode();
    for at in 0..200 {
        let mut bytes = valid.clone();
        bytes.splice(at..at + 4, [0xff; 4]);
        assert_eq!(OsdMap::decode(&bytes).is_ok(), bytes == valid, "at {at}");
    }
    assert!(matches!(OsdMap::decode(&[6, 0, 1, 2, 3]), Err(MapError::Unsupported(_))));
    assert!(OsdMap::decode(&[]).is_err());
}

#[test]
fn nobody_serves_what_is_not_there() {
    let map = OsdMap::default();
    assert_eq!(
        (map.pg_to_up_acting(pgid(1)).acting_primary, map.object_to_raw_pg(1, b"", b"", b"a")),
        (-1, None)
    );
    assert_eq!(decode(&self::map()).pg_to_up_acting(Pgid { pool: 9, seed: 0 }).up_primary, -1);
}

#[test]
fn keys_and_namespaces_count() {
    let map = decode(&map());
    let seed =
        |key: &[u8], namespace: &[u8], oid: &[u8]| map.object_to_raw_pg(1, key, namespace, oid).unwrap().seed;
    assert_eq!(seed(b"", b"", b"foo"), 0x7fc1_f406);
    assert_eq!(seed(b"foo", b"", b"bar"), 0x7fc1_f406);
    assert_eq!(seed(b"", b"ns1", b"foo"), 0xf456_9544);
    assert_eq!(map.raw_pg_to_pg(pgid(0x7fc1_f406)), Some(pgid(0x06)));
}
