//! The log's codecs: what was encoded is decoded, and any bytes give a value or an error.

use proptest::prelude::*;

use super::*;
use crate::disk::{Lba, Loc, LocalSeq, Lsn, SLOT_BYTES, SegmentSeq, WriterEpoch};

fn kind() -> impl Strategy<Value = RecordKind> {
    prop_oneof![
        Just(RecordKind::Data),
        any::<u64>().prop_map(|lsn| RecordKind::EpochStart { last: Lsn(lsn) }),
        (0u64..1 << 48).prop_map(|size_bytes| RecordKind::Resize { size_bytes }),
        any::<u64>().prop_map(|snapshot| RecordKind::SnapCreate { snapshot }),
        Just(RecordKind::Gc),
        any::<u64>().prop_map(|snapshot| RecordKind::Rollback { snapshot }),
    ]
}

fn extents(gc: bool) -> impl Strategy<Value = Vec<Extent>> {
    let one = (0u64..1 << 35, 1u32..5000, any::<bool>(), any::<u64>(), 0u32..1 << 20).prop_map(
        move |(lba, blocks, hole, segment, unit)| Extent {
            lba: Lba(lba),
            blocks,
            kind: if hole && !gc { ExtentKind::Hole } else { ExtentKind::Data },
            source: gc.then_some(Loc { segment: SegmentSeq(segment), unit }),
        },
    );
    prop::collection::vec(one, 0..20)
}

proptest! {
    #[test]
    fn segment_header_round_trip(uuid: [u8; 16], seq: u64, epoch: u32, segment_bytes: u32, lsn: u64, flip in 0usize..512) {
        let header = SegmentHeader {
            uuid,
            seq: SegmentSeq(seq),
            epoch: WriterEpoch(epoch),
            segment_bytes,
            prev_lsn: Lsn(lsn),
            payload: Some(epoch | 64).filter(|_| seq % 2 == 1),
        };
        let mut raw = [0; SEGMENT_HEADER_BYTES];
        header.encode(&mut raw);
        prop_assert_eq!(SegmentHeader::decode(&raw).unwrap(), header);
        raw[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(SegmentHeader::decode(&raw).is_err());
    }

    #[test]
    fn record_round_trip(
        kind in kind(), lsn in 1u64.., epoch: u32, data in extents(false), gc in extents(true),
        offset in 4u64..1 << 20, flip: u32,
    ) {
        let extents = match kind {
            RecordKind::Data => data,
            RecordKind::Gc => gc,
            _ => Vec::new(),
        };
        let slots = extents.iter().filter(|e| e.kind == ExtentKind::Data).map(|e| e.blocks).sum();
        let mut index = Vec::new();
        extents.iter().for_each(|extent| extent.encode(&mut index));
        let header = RecordHeader {
            kind,
            lsn: Lsn(lsn),
            epoch: WriterEpoch(epoch),
            extents: extents.len() as u32,
            slots,
            durable: Lsn(lsn - 1),
            extents_crc: crate::crc::crc32c(&index),
            local: LocalSeq(0),
        };
        prop_assert_eq!(header.length(), header.index_offset() + index.len() as u64);
        let mut raw = [0; RECORD_HEADER_BYTES];
        header.encode(&mut raw);
        prop_assert_eq!(RecordHeader::decode(&raw).unwrap(), header);
        let decoded = Index::decode(&header, SegmentSeq(7), offset * 16, &index).unwrap();
        let mut slot = 0;
        for ((extent, loc), wanted) in decoded.extents.iter().zip(&extents) {
            prop_assert_eq!(extent, wanted);
            let place = (extent.kind == ExtentKind::Data).then(|| {
                let loc = Loc { segment: SegmentSeq(7), unit: offset as u32 + 4 }.nth(slot);
                slot += extent.blocks;
                loc
            });
            prop_assert_eq!(loc, &place);
        }
        let bit = flip as usize % (RECORD_HEADER_BYTES * 8);
        raw[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(RecordHeader::decode(&raw).is_err());
        if !index.is_empty() {
            let bit = flip as usize % (index.len() * 8);
            index[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Index::decode(&header, SegmentSeq(7), offset * 16, &index).is_err());
        }
    }

    /// Arbitrary bytes, and arbitrary bytes behind a good magic and checksum.
    #[test]
    fn decoding_is_total(mut raw in prop::collection::vec(any::<u8>(), 0..200), good: bool, offset: u64) {
        if good && raw.len() >= 64 {
            raw[..4].copy_from_slice(b"LSVR");
            raw[4] = 1;
            raw[5] %= 8;
            raw[6..8].fill(0);
            raw[40..48].fill(0);
            raw[20..24].copy_from_slice(&2u32.to_le_bytes());
            let slots = u32::from(raw[24]) % 3;
            raw[24..28].copy_from_slice(&slots.to_le_bytes());
            let crc = crate::crc::crc32c(&raw[..60]);
            raw[60..64].copy_from_slice(&crc.to_le_bytes());
        }
        let _ = SegmentHeader::decode(&raw);
        if let Ok(mut header) = RecordHeader::decode(&raw) {
            let index = &raw[64.min(raw.len())..];
            header.extents_crc = crate::crc::crc32c(&index[..(header.index_bytes() as usize).min(index.len())]);
            let _ = Index::decode(&header, SegmentSeq(1), offset, index);
        }
        let _ = verify_slot(&raw, Lba(3));
    }

    #[test]
    fn index_of_any_bytes(raw in prop::collection::vec(any::<u8>(), 0..320), gc: bool, slots in 0u32..4) {
        let kind = if gc { RecordKind::Gc } else { RecordKind::Data };
        let extents = (raw.len() / kind.extent_bytes()) as u32;
        let bytes = extents as usize * kind.extent_bytes();
        let header = RecordHeader {
            kind,
            lsn: Lsn(2),
            epoch: WriterEpoch(1),
            extents,
            slots,
            durable: Lsn(1),
            extents_crc: crate::crc::crc32c(&raw[..bytes]),
            local: LocalSeq(0),
        };
        let _ = Index::decode(&header, SegmentSeq(1), 64, &raw);
    }
}

#[test]
fn slots() {
    let mut slot = vec![7; 4112];
    seal_slot(&mut slot, Lba(9), Lsn(1 << 33 | 5));
    assert_eq!(verify_slot(&slot, Lba(9)).unwrap(), &[7; 4096][..]);
    assert!(verify_slot(&slot, Lba(8)).is_err());
    assert!(verify_slot(&slot[..4111], Lba(9)).is_err());
    for at in [0, 4095, 4096, 4104, 4108, 4111] {
        slot[at] ^= 1;
        assert_eq!(verify_slot(&slot, Lba(9)).unwrap_err(), FormatError::Checksum { what: "block" });
        slot[at] ^= 1;
    }
}

#[test]
fn a_whole_slot_has_one_sum_and_no_other() {
    let mut slot: Vec<u8> = (0..SLOT_BYTES as usize).map(|n| ((n * 31) >> 3) as u8).collect();
    for birth in [1, 77] {
        slot[9] ^= birth as u8;
        seal_slot(&mut slot, Lba(5), Lsn(birth));
        let sum = crate::crc::Sum::of(&slot);
        assert_eq!(sum, SLOT_SUM);
        assert_eq!(verify_summed(&slot, Lba(5), sum.crc).unwrap(), &slot[..4096]);
        assert!(
            verify_summed(&slot, Lba(6), sum.crc).is_err()
                && verify_summed(&slot[1..], Lba(5), sum.crc).is_err()
        );
        for at in (0..slot.len()).step_by(61).chain(4096..slot.len()) {
            slot[at] ^= 0x20;
            let wrong = crate::crc::crc32c(&slot);
            assert!(
                verify_slot(&slot, Lba(5)).is_err() && verify_summed(&slot, Lba(5), wrong).is_err(),
                "{at}"
            );
            slot[at] ^= 0x20;
        }
    }
}
