//! Regions against a plain array, and their decoders against any bytes.

use proptest::prelude::*;

use super::Region;
use crate::disk::pages::{Page, PageKey, Tree, codec};
use crate::disk::testing::{Chance, with_seeds};
use crate::disk::{Loc, SLOT_UNITS, SegmentSeq};

const KEY: PageKey = PageKey { tree: Tree::Map, level: 0, index: 77 };

fn random_loc(chance: &mut Chance, span: u64) -> Loc {
    Loc { segment: SegmentSeq(1_000_000 + chance.below(span)), unit: 4 + chance.below(2000) as u32 * 257 }
}

fn check(region: &Region, model: &[Option<Loc>]) {
    let mut at = 0;
    let mut last: Option<(u32, Option<Loc>)> = None;
    region.runs(0, 4096, |first, blocks, loc| {
        assert_eq!(first, at);
        for i in 0..blocks {
            assert_eq!(model[(first + i) as usize], loc.map(|loc| loc.nth(i)), "block {}", first + i);
        }
        if let Some((blocks, last)) = last {
            let joined = last.map(|last| last.nth(blocks)) == loc;
            assert!(!joined, "runs before block {first} were not joined");
        }
        last = Some((blocks, loc));
        at += blocks;
    });
    assert_eq!(at, 4096);
    assert_eq!(region.mapped() as usize, model.iter().flatten().count());
}

fn roundtrip(region: &Region) -> Region {
    let mut bytes = Vec::new();
    let length = codec::encode(KEY, &Page::Region(region.clone().into()), &mut bytes);
    assert_eq!(length as usize, bytes.len());
    match codec::decode_page(KEY, length, &bytes).unwrap() {
        Page::Region(region) => Region::clone(&region),
        other => panic!("{other:?}"),
    }
}

#[test]
fn region_agrees_with_an_array() {
    with_seeds(60, |chance| {
        let mut region = Region::new();
        let mut model = vec![None; 4096];
        // Spans from the least width to one that cannot be packed.
        let span = 1 << [1, 9, 13, 21, 30, 37, 48][chance.below(7) as usize];
        let longest = [1, 3, 40, 3000][chance.below(4) as usize];
        for step in 0..6000 {
            let first = chance.below(4096);
            let blocks = 1 + chance.below(longest.min(4096 - first));
            let loc = (!chance.one_in(6)).then(|| random_loc(chance, span));
            region.set(first as u32, blocks as u32, loc);
            for i in 0..blocks {
                model[(first + i) as usize] = loc.map(|loc| loc.nth(i as u32));
            }
            if step % 500 == 0 {
                check(&region, &model);
                region = roundtrip(&region);
                check(&region, &model);
            }
        }
        region.set(0, 4096, None);
        assert_eq!(region.mapped(), 0);
        assert_eq!(region.pieces(), []);
    });
}

/// The promise of docs/disk.md: 1.25 GiB for each TiB that is written at random.
#[test]
fn a_region_written_at_random_takes_41_bits_a_block() {
    let mut chance = Chance::new(1);
    let mut region = Region::new();
    // Segments of a full image of 16 TiB, 70 % used.
    for block in 0..4096 {
        region.set(block, 1, Some(random_loc(&mut chance, 3_000_000)));
    }
    let mut bytes = Vec::new();
    let length = codec::encode(KEY, &Page::Region(region.clone().into()), &mut bytes);
    assert!(length <= 41 * 512 + 64, "{length}");
    assert!(region.memory() <= 41 * 512 + 64);
    // And of 32 GiB.
    let mut region = Region::new();
    for block in 0..4096 {
        region.set(block, 1, Some(random_loc(&mut chance, 6000)));
    }
    let mut bytes = Vec::new();
    assert!(codec::encode(KEY, &Page::Region(region.into()), &mut bytes) <= 4 * 4096 + 64);
}

#[test]
fn a_page_of_another_place_is_found_out() {
    let mut region = Region::new();
    region.set(5, 9, Some(Loc { segment: SegmentSeq(3), unit: 4 }));
    let mut bytes = Vec::new();
    let length = codec::encode(KEY, &Page::Region(region.into()), &mut bytes);
    assert!(codec::decode_page(KEY, length, &bytes).is_ok());
    assert!(codec::decode_page(PageKey { index: 78, ..KEY }, length, &bytes).is_err());
    assert!(codec::decode_page(KEY, length + 1, &bytes).is_err());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1 << bit;
            assert!(codec::decode_page(KEY, length, &wrong).is_err(), "bit {bit} of byte {at}");
        }
        assert!(codec::decode_page(KEY, length, &bytes[..at]).is_err());
    }
}

/// Puts the right checksum on any bytes, so that the decoders behind it see them.
fn seal(bytes: &mut [u8]) {
    if bytes.len() >= codec::HEADER_BYTES {
        let length = bytes.len() as u32;
        bytes[16..20].copy_from_slice(&length.to_le_bytes());
        let crc = crate::crc::append(crate::crc::crc32c(&bytes[..28]), &bytes[32..]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Such a place was accepted in a packed region, but not in the list of pieces that the region was then stored as.
#[test]
fn a_place_past_the_last_unit_is_refused() {
    let body = |unit: u64| {
        let (base, width, unit_bits) = ([0; 8], 57, 32);
        let mut body = [&base[..], &[width, unit_bits, 0, 0, 0, 0, 0, 0], &vec![0; 4096 / 8 * 57]].concat();
        body[16..24].copy_from_slice(&(unit + 1).to_le_bytes());
        body
    };
    let last = u64::from(u32::MAX - SLOT_UNITS);
    let region = Region::decode_packed(&body(last), 1).unwrap();
    assert_eq!(roundtrip(&region).mapped(), 1);
    assert!(Region::decode_packed(&body(last + 1), 1).is_err());
}

proptest! {
    #[test]
    fn any_bytes_give_a_page_or_an_error(
        kind in 0u8..5,
        level in 0u8..6,
        tree in 0u8..3,
        count in prop_oneof![0u32..600, any::<u32>()],
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..2000),
            // Lengths that fit packed entries.
            (20usize..60, any::<[u8; 8]>(), 0u8..64).prop_map(|(width, base, unit_bits)| {
                let mut body = base.to_vec();
                body.extend([width as u8, unit_bits, 0, 0, 0, 0, 0, 0]);
                body.extend(std::iter::repeat_n(base[0], 512 * width));
                body
            }),
        ],
    ) {
        let mut bytes = b"LSVP\x01".to_vec();
        bytes.extend([tree, level, kind]);
        bytes.extend([0; 12]);
        bytes.extend(count.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(body);
        seal(&mut bytes);
        if let Ok((header, page)) = codec::decode(&bytes) {
            // What was decoded can be used and stored again.
            if let Page::Region(region) = &page {
                region.runs(0, 4096, |_, blocks, loc| {
                    if let Some(loc) = loc {
                        let _ = loc.nth(blocks - 1);
                    }
                });
            }
            let mut again = Vec::new();
            codec::encode(header.key, &page, &mut again);
            prop_assert!(codec::decode(&again).is_ok());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = codec::decode(&bytes);
    }
}
