//! The log-structured disk's bytes: segments, records, slots, pages, roots, header entries.

use bytes::Bytes;

use super::{same, seal_at, seal_end, twice};
use crate::disk::checkpoint::{RootBlob, SnapshotRoot};
use crate::disk::header::{Format, Snapshot};
use crate::disk::log::{
    Index, RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEGMENT_HEADER_BYTES, SegmentHeader, record_bytes,
    slot_data, u32_at, u64_at, verify_slot,
};
use crate::disk::pages::{Page, codec};
use crate::disk::{Lba, Loc, REGION_BLOCKS, SLOT_BYTES, SegmentSeq, map::Region};

/// The header of a segment.
pub fn disk_segment(data: &[u8]) -> bool {
    twice(
        data,
        |bytes| seal_at(bytes, SEGMENT_HEADER_BYTES - 4),
        |bytes| {
            let Ok(header) = SegmentHeader::decode(bytes) else { return false };
            let mut out = [0; SEGMENT_HEADER_BYTES];
            header.encode(&mut out);
            assert_eq!(out, bytes[..SEGMENT_HEADER_BYTES]);
            true
        },
    )
}

/// A record's header with its extents right behind it (in the log the slots are between them).
pub fn disk_record(data: &[u8]) -> bool {
    twice(data, seal_record, |bytes| {
        let Ok(header) = RecordHeader::decode(bytes) else { return false };
        let mut out = [0; RECORD_HEADER_BYTES];
        header.encode(&mut out);
        assert_eq!(out, bytes[..RECORD_HEADER_BYTES]);
        let (segment, offset) = (SegmentSeq(7), SEGMENT_HEADER_BYTES as u64);
        let raw = &bytes[RECORD_HEADER_BYTES..];
        let Ok(index) = Index::decode(&header, segment, offset, raw) else { return false };
        let mut again = Vec::new();
        for (extent, loc) in &index.extents {
            extent.encode(&mut again);
            if let Some(loc) = loc {
                // What the map will point to lies within the record's slots.
                assert_eq!(loc.segment, segment);
                let first = offset + RECORD_HEADER_BYTES as u64;
                let end = loc.byte_offset() + u64::from(extent.blocks) * SLOT_BYTES;
                assert!(loc.byte_offset() >= first && end <= offset + header.index_offset(), "{extent:?}");
            }
        }
        assert_eq!(again, raw[..header.index_bytes() as usize]);
        true
    })
}

/// Puts a record's length and checksums right; the extents are as many as there are.
fn seal_record(bytes: &mut [u8]) {
    if bytes.len() < RECORD_HEADER_BYTES {
        return;
    }
    let (header, index) = bytes.split_at_mut(RECORD_HEADER_BYTES);
    let kind = if header[5] == 5 { RecordKind::Gc } else { RecordKind::Data };
    let extents = (index.len() / kind.extent_bytes()) as u32;
    header[20..24].copy_from_slice(&extents.to_le_bytes());
    let length = record_bytes(kind, u32_at(header, 24), extents) as u32;
    header[28..32].copy_from_slice(&length.to_le_bytes());
    let crc = crate::crc::crc32c(&index[..extents as usize * kind.extent_bytes()]);
    header[56..60].copy_from_slice(&crc.to_le_bytes());
    seal_at(header, 60);
}

/// A block's slot.
pub fn disk_slot(data: &[u8]) -> bool {
    const SLOT: usize = SLOT_BYTES as usize;
    twice(
        data,
        |bytes| seal_at(bytes, SLOT - 4),
        |bytes| {
            let lba = if bytes.len() >= SLOT { Lba(u64_at(bytes, SLOT - 16)) } else { Lba(0) };
            assert!(verify_slot(bytes, Lba(lba.0 ^ 1)).is_err(), "a slot of another block");
            let Ok(block) = verify_slot(bytes, lba) else { return false };
            assert_eq!(block, slot_data(bytes));
            true
        },
    )
}

/// A page of the map or of the segment table.
pub fn disk_page(data: &[u8]) -> bool {
    let seal = |bytes: &mut [u8]| {
        if bytes.len() >= codec::HEADER_BYTES && bytes.len() <= codec::MAX_PAGE_BYTES as usize {
            let length = bytes.len() as u32;
            bytes[16..20].copy_from_slice(&length.to_le_bytes());
            let crc = crate::crc::append(crate::crc::crc32c(&bytes[..28]), &bytes[32..]);
            bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        }
    };
    twice(data, seal, |bytes| {
        let Ok((header, page)) = codec::decode(bytes) else { return false };
        assert!(codec::decode_page(header.key, header.length, bytes).is_ok());
        let mut out = Vec::new();
        let length = codec::encode(header.key, &page, &mut out);
        assert_eq!(out.len(), length as usize);
        let again = match codec::decode_page(header.key, length, &out) {
            Ok(again) => again,
            Err(error) => panic!("{:?} was accepted; encoded anew it is refused: {error:?}", header.key),
        };
        match (&page, &again) {
            // A region may be stored in several ways; what it says of each block is the same.
            (Page::Region(first), Page::Region(second)) => {
                assert_eq!(first.mapped(), second.mapped());
                assert!(places(first) == places(second), "{first:?} became {second:?}");
            }
            (Page::Inner(_), Page::Inner(_)) | (Page::Segments(_), Page::Segments(_)) => {
                assert_eq!(out, bytes[..header.length as usize]);
            }
            (_, again) => panic!("{:?} became another kind: {again:?}", header.key),
        }
        true
    })
}

/// The place of each block, and nothing else of how the region holds it.
fn places(region: &Region) -> Vec<Option<Loc>> {
    let mut places = Vec::new();
    region.runs(0, REGION_BLOCKS as u32, |first, blocks, loc| {
        assert_eq!(first as usize, places.len());
        places.extend((0..blocks).map(|i| loc.map(|loc| loc.nth(i))));
    });
    assert_eq!(places.iter().flatten().count(), region.mapped() as usize);
    places
}

/// The root of a checkpoint.
pub fn disk_root(data: &[u8]) -> bool {
    twice(data, seal_framed, |bytes| {
        let Ok(root) = RootBlob::decode(bytes, "fuzz") else { return false };
        same(&root, RootBlob::decode(&root.encode(), "fuzz"));
        let short = root.snapshot();
        same(&short, SnapshotRoot::decode(&short.encode(), "fuzz"));
        true
    })
}

/// A snapshot's entry in the header, and the root in it.
pub fn disk_snapshot(data: &[u8]) -> bool {
    let root = twice(data, seal_framed, |bytes| {
        let Ok(root) = SnapshotRoot::decode(bytes, "fuzz") else { return false };
        same(&root, SnapshotRoot::decode(&root.encode(), "fuzz"));
        assert_eq!(root.encode(), bytes);
        true
    });
    let entry = twice(data, seal_end, |bytes| {
        let Ok(entry) = Snapshot::decode("fuzz", &Bytes::copy_from_slice(bytes)) else { return false };
        same(&entry, Snapshot::decode("fuzz", &entry.encode()));
        assert_eq!(entry.encode(), bytes);
        true
    });
    root || entry
}

/// The format entry of the header.
pub fn disk_format(data: &[u8]) -> bool {
    twice(data, seal_end, |bytes| {
        let Ok(format) = Format::decode("fuzz", bytes) else { return false };
        assert_eq!(format.encode(), bytes);
        true
    })
}

/// Length of the whole at byte 8, CRC at the end.
fn seal_framed(bytes: &mut [u8]) {
    if bytes.len() >= 16 {
        let length = bytes.len() as u32;
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        seal_end(bytes);
    }
}
