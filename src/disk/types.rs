//! The disk's units: block addresses, LSNs, epochs, segment numbers and places in the log.

/// Bytes of a block, the unit of the map.
pub const BLOCK_BYTES: u64 = 4096;
/// Bytes that a block takes in a segment: its data and a 16-byte trailer with its LBA and CRC32C.
pub const SLOT_BYTES: u64 = BLOCK_BYTES + 16;
/// Places in a segment are counted in units of this many bytes.
pub const UNIT_BYTES: u64 = 16;
/// Units of a slot.
pub const SLOT_UNITS: u32 = (SLOT_BYTES / UNIT_BYTES) as u32;
/// Blocks of a map region: 16 MiB of the image.
pub const REGION_BLOCKS: u64 = 4096;

/// A block's address in the image: byte offset / 4096.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Lba(pub u64);

/// A log sequence number: one a record, never reused, ordered as the writes are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Lsn(pub u64);

/// A writer's epoch: one for each take-over of the image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct WriterEpoch(pub u32);

/// A segment's number; without gaps from the oldest segment that replay may need to the newest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct SegmentSeq(pub u64);

/// A snapshot's number within its image; ascending, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct SnapshotId(pub u64);

/// The number of a change in the local log (docs/disk.md, "The local log"): ascending through the life of an image,
/// whichever log it is in. 0: none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct LocalSeq(pub u64);

/// Where a block's slot begins in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Loc {
    pub segment: SegmentSeq,
    /// Byte offset in the segment / 16.
    pub unit: u32,
}

impl Loc {
    /// The place of the `n`th slot after this one in the same run.
    pub fn nth(self, n: u32) -> Loc {
        Loc { segment: self.segment, unit: self.unit + n * SLOT_UNITS }
    }

    pub fn byte_offset(self) -> u64 {
        u64::from(self.unit) * UNIT_BYTES
    }
}
