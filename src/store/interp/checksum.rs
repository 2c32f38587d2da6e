//! Checksums that the `Checksum` op answers: xxHash32, xxHash64 and CRC-32C.

use bytes::Bytes;

use crate::wire::denc::Encoder;

/// A count and one sum for each chunk, little-endian. `None`: no such kind, or an initial value of the wrong size.
pub(super) fn of_chunks(kind: u8, init: &[u8], data: &[u8], chunk: usize) -> Option<Bytes> {
    let mut e = Encoder::new();
    e.u32(data.chunks(chunk).count() as u32);
    match kind {
        0 => {
            let seed = u32::from_le_bytes(init.try_into().ok()?);
            data.chunks(chunk).for_each(|part| {
                e.u32(xxhash32(seed, part));
            });
        }
        1 => {
            let seed = u64::from_le_bytes(init.try_into().ok()?);
            data.chunks(chunk).for_each(|part| {
                e.u64(xxhash64(seed, part));
            });
        }
        2 => {
            let seed = u32::from_le_bytes(init.try_into().ok()?);
            data.chunks(chunk).for_each(|part| {
                e.u32(ceph_crc32c(seed, part));
            });
        }
        _ => return None,
    }
    Some(e.finish())
}

/// CRC-32C as Ceph computes it: neither the initial nor the final value is inverted.
pub fn ceph_crc32c(seed: u32, data: &[u8]) -> u32 {
    !crate::crc::append(!seed, data)
}

/// xxHash32, from its published specification.
fn xxhash32(seed: u32, data: &[u8]) -> u32 {
    const P1: u32 = 0x9e37_79b1;
    const P2: u32 = 0x85eb_ca77;
    const P3: u32 = 0xc2b2_ae3d;
    const P4: u32 = 0x27d4_eb2f;
    const P5: u32 = 0x1656_67b1;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |acc, &byte| (acc << 8) | u32::from(byte));
    let round =
        |acc: u32, lane: u32| acc.wrapping_add(lane.wrapping_mul(P2)).rotate_left(13).wrapping_mul(P1);
    let mut rest = data;
    let mut acc = if data.len() >= 16 {
        let mut lanes =
            [seed.wrapping_add(P1).wrapping_add(P2), seed.wrapping_add(P2), seed, seed.wrapping_sub(P1)];
        while rest.len() >= 16 {
            for (index, lane) in lanes.iter_mut().enumerate() {
                *lane = round(*lane, word(&rest[index * 4..index * 4 + 4]));
            }
            rest = &rest[16..];
        }
        let [a, b, c, d] = lanes;
        let (a, b) = (a.rotate_left(1), b.rotate_left(7));
        a.wrapping_add(b).wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18))
    } else {
        seed.wrapping_add(P5)
    };
    acc = acc.wrapping_add(data.len() as u32);
    while rest.len() >= 4 {
        acc = acc.wrapping_add(word(&rest[..4]).wrapping_mul(P3)).rotate_left(17).wrapping_mul(P4);
        rest = &rest[4..];
    }
    for &byte in rest {
        acc = acc.wrapping_add(u32::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    acc = (acc ^ (acc >> 15)).wrapping_mul(P2);
    acc = (acc ^ (acc >> 13)).wrapping_mul(P3);
    acc ^ (acc >> 16)
}

/// xxHash64, from its published specification.
fn xxhash64(seed: u64, data: &[u8]) -> u64 {
    const P1: u64 = 0x9e37_79b1_85eb_ca87;
    const P2: u64 = 0xc2b2_ae3d_27d4_eb4f;
    const P3: u64 = 0x1656_67b1_9e37_79f9;
    const P4: u64 = 0x85eb_ca77_c2b2_ae63;
    const P5: u64 = 0x27d4_eb2f_1656_67c5;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |acc, &byte| (acc << 8) | u64::from(byte));
    let round =
        |acc: u64, lane: u64| acc.wrapping_add(lane.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1);
    let mut rest = data;
    let mut acc = if data.len() >= 32 {
        let mut lanes =
            [seed.wrapping_add(P1).wrapping_add(P2), seed.wrapping_add(P2), seed, seed.wrapping_sub(P1)];
        while rest.len() >= 32 {
            for (index, lane) in lanes.iter_mut().enumerate() {
                *lane = round(*lane, word(&rest[index * 8..index * 8 + 8]));
            }
            rest = &rest[32..];
        }
        let [a, b, c, d] = lanes;
        let (x, y) = (a.rotate_left(1), b.rotate_left(7));
        let mut acc = x.wrapping_add(y).wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18));
        for lane in lanes {
            acc = (acc ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4);
        }
        acc
    } else {
        seed.wrapping_add(P5)
    };
    acc = acc.wrapping_add(data.len() as u64);
    while rest.len() >= 8 {
        acc = (acc ^ round(0, word(&rest[..8]))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        rest = &rest[8..];
    }
    if rest.len() >= 4 {
        acc = (acc ^ word(&rest[..4]).wrapping_mul(P1)).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        rest = &rest[4..];
    }
    for &byte in rest {
        acc = (acc ^ u64::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    acc = (acc ^ (acc >> 33)).wrapping_mul(P2);
    acc = (acc ^ (acc >> 29)).wrapping_mul(P3);
    acc ^ (acc >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that `rados_checksum` of Ceph 16.2.15 answers for these inputs.
    #[test]
    fn sums_are_cephs() {
        let long: Vec<u8> = (0..100u8).collect();
        for (data, x32, x64, crc) in SUMS {
            let data = if *data == "LONG" { &long[..] } else { data.as_bytes() };
            assert_eq!(xxhash32(7, data), *x32);
            assert_eq!(xxhash64(7, data), *x64);
            assert_eq!(ceph_crc32c(7, data), *crc);
        }
    }

    const SUMS: &[(&str, u32, u64, u32)] = &[
        ("a", 0xda82c2a8, 0xdc6349d489e0f965, 0x4767748a),
        ("hello world", 0xcabf9745, 0xe3188f1f1023e4d0, 0x89248f06),
        ("LONG", 0xaa1c3769, 0x80653e7e9b887cdd, 0xb2175552),
    ];
}
