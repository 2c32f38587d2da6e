//! OSD maps, their increments, and CRUSH maps. What is accepted must also map, in bounded time and memory.

use super::twice;
use crate::osd::OsdMap;
use crate::osd::crush::CrushMap;
use crate::wire::types::Pgid;

/// All rules, with some of the devices out.
pub fn crush_map(data: &[u8]) -> bool {
    let Ok(map) = CrushMap::decode(data) else { return false };
    let weights: Vec<u32> = (0..40u32).map(|n| [0x1_0000, 0, 0x8000, 0x1_0000][n as usize % 4]).collect();
    for (rule, size) in [(0, 3), (1, 4), (2, 8), (3, 1)] {
        if let Ok(found) = map.map(rule, 7 + rule, size, &weights, 0) {
            assert!(found.len() <= size);
        }
    }
    map.common_ancestor(1, &[("host".to_owned(), "host0".to_owned())]);
    true
}

pub fn osd_map(data: &[u8]) -> bool {
    twice(data, seal, |bytes| {
        let Ok(map) = OsdMap::decode(bytes) else { return false };
        look(&map);
        true
    })
}

/// On a map that is there, as long as its epoch.
pub fn osd_map_increment(data: &[u8]) -> bool {
    let (first, rest) = data.split_at(data.len().min(4));
    let length = first.try_into().map_or(0, u32::from_le_bytes) as usize;
    let (full, increment) = rest.split_at(length.min(rest.len()));
    let mut sealed = full.to_vec();
    seal(&mut sealed);
    let Ok(map) = OsdMap::decode(&sealed) else { return false };
    look(&map);
    twice(increment, seal, |bytes| {
        let Ok(next) = map.next(bytes) else { return false };
        assert_eq!(next.epoch(), map.epoch() + 1);
        look(&next);
        true
    })
}

fn look(map: &OsdMap) {
    for &pool in map.pools().keys().take(3) {
        for seed in [0, 5, 1 << 20, u32::MAX] {
            let mapped = map.pg_to_up_acting(Pgid { pool, seed });
            assert_eq!(map.pg_to_up_acting(Pgid { pool, seed }), mapped);
            map.osd_addrs(mapped.acting_primary);
        }
        map.object_to_raw_pg(pool, b"", b"n", b"object");
    }
}

/// Puts the lengths of a map's outer section and the checksum behind its two inner sections right.
fn seal(bytes: &mut [u8]) {
    if bytes.len() < 6 {
        return;
    }
    let length = (bytes.len() - 6) as u32;
    bytes[2..6].copy_from_slice(&length.to_le_bytes());
    let inner = |at: usize| {
        let length = bytes.get(at + 2..at + 6)?.try_into().map(u32::from_le_bytes).ok()?;
        at.checked_add(6)?.checked_add(length as usize)
    };
    let Some(at) = inner(6).and_then(inner).filter(|at| at + 4 <= bytes.len()) else { return };
    let checksum = !crate::crc::append(crate::crc::crc32c(&bytes[..at]), &bytes[at + 4..]);
    bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
}
