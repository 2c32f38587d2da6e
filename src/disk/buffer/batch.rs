//! The open batch: accepted writes, in the form in which they will be stored.

use std::time::Duration;

use super::{BufferPool, Pieces, Ranges, Record, RecordSpec, Run};
use crate::aligned::AlignedVec;
use crate::disk::log::{
    RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES, record_bytes, seal_slot, slot_data,
};
use crate::disk::{BLOCK_BYTES, Lba, Lsn, SLOT_BYTES, SegmentSeq};

const SLOT: usize = SLOT_BYTES as usize;
const BLOCK: usize = BLOCK_BYTES as usize;
/// Where slots begin in a batch's buffer. The room for a segment header is there whether it is used or not.
const SLOTS_AT: usize = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES;

/// Where a record goes in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub segment: SegmentSeq,
    /// Byte offset of the record; the first one of a segment comes after the segment's header and creates it.
    pub offset: u64,
}

impl Place {
    pub fn creates_segment(self) -> bool {
        self.offset == SEGMENT_HEADER_BYTES as u64
    }

    /// Where what is stored begins in a buffer with room for a segment header and a record.
    pub fn first_stored(self) -> usize {
        if self.creates_segment() { 0 } else { SEGMENT_HEADER_BYTES }
    }
}

/// Writes that will become one record.
pub(crate) struct Batch {
    pub lsn: Lsn,
    pub place: Place,
    /// When the first data came.
    pub opened: Duration,
    /// Room in the dirty budget that its data takes, in blocks.
    pub permits: u32,
    buffer: AlignedVec,
    ranges: Ranges,
    /// (first LBA, blocks) of the slots, in their order.
    slot_runs: Vec<(u64, u32)>,
    slots: u32,
    capacity: u64,
}

impl Batch {
    /// An empty batch whose record may have `capacity` bytes.
    pub fn new(pool: &BufferPool, lsn: Lsn, place: Place, capacity: u64, opened: Duration) -> Batch {
        let room = SEGMENT_HEADER_BYTES + capacity as usize;
        let mut buffer = pool.take(room, place.first_stored());
        buffer.resize(SLOTS_AT, 0);
        Batch {
            lsn,
            place,
            opened,
            permits: 0,
            buffer,
            ranges: Ranges::default(),
            slot_runs: Vec::new(),
            slots: 0,
            capacity,
        }
    }

    pub fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether it has a whole segment for itself and nothing in it yet: there is no place with more room.
    pub fn is_whole_segment(&self) -> bool {
        self.is_empty() && self.place.creates_segment()
    }

    /// Bytes of its record as it is now, extents aside.
    pub fn bytes(&self) -> u64 {
        record_bytes(RecordKind::Data, self.slots, 0)
    }

    /// How many of `blocks` more blocks are sure to fit.
    pub fn room_for(&self, blocks: u64) -> u64 {
        // Each write may split a hole in two and begin a run of slots in every block.
        let extents = self.slot_runs.len() + self.ranges.holes() + 2;
        let used = record_bytes(RecordKind::Data, self.slots, extents as u32);
        let left = self.capacity.saturating_sub(used);
        blocks.min(left / (SLOT_BYTES + 2 * 16))
    }

    /// Data of a block's slot.
    pub fn slot(&self, slot: u32) -> &[u8] {
        let at = SLOTS_AT + slot as usize * SLOT;
        slot_data(&self.buffer[at..at + SLOT])
    }

    /// Writes whole blocks, which must fit (`room_for`); how many of them took a new slot.
    pub fn put(&mut self, lba: u64, blocks: u64, data: &mut Pieces) -> u64 {
        if !self.ranges.overlaps(lba, lba + blocks) {
            for block in lba..lba + blocks {
                self.push_slot(block, data);
            }
            let slot = self.slots;
            self.slots += blocks as u32;
            self.add_run(lba, blocks as u32, slot);
            return blocks;
        }
        let mut fresh = 0;
        for block in lba..lba + blocks {
            match self.ranges.get(block) {
                // The block is in this batch already: a record holds a block's newest state only.
                Some(Run { slot: Some(slot), .. }) => {
                    let at = SLOTS_AT + slot as usize * SLOT;
                    data.copy_to(&mut self.buffer[at..at + BLOCK]);
                    seal_slot(&mut self.buffer[at..at + SLOT], Lba(block), self.lsn);
                }
                Some(Run { slot: None, .. }) | None => {
                    self.push_slot(block, data);
                    let slot = self.slots;
                    self.slots += 1;
                    self.add_run(block, 1, slot);
                    fresh += 1;
                }
            }
        }
        fresh
    }

    /// Makes a hole; the range must be below 2^32 blocks, and `room_for(1)` must be 1.
    pub fn punch(&mut self, lba: u64, blocks: u64) {
        self.ranges.insert(lba, Run { blocks, slot: None });
    }

    /// Closes the batch: its record, ready to be stored.
    pub fn close(self, spec: &RecordSpec, pool: &std::sync::Arc<BufferPool>) -> Record {
        Record::from_batch(
            spec,
            pool,
            self.lsn,
            self.place,
            self.permits,
            self.buffer,
            self.ranges,
            self.slots,
            &self.slot_runs,
        )
    }

    fn push_slot(&mut self, lba: u64, data: &mut Pieces) {
        let at = self.buffer.len();
        let buffer = &mut self.buffer;
        data.take(BLOCK, |part| buffer.extend_from_slice(part));
        buffer.extend_from_slice(&[0; SLOT - BLOCK]);
        seal_slot(&mut buffer[at..], Lba(lba), self.lsn);
    }

    fn add_run(&mut self, lba: u64, blocks: u32, slot: u32) {
        self.ranges.insert(lba, Run { blocks: u64::from(blocks), slot: Some(slot) });
        match self.slot_runs.last_mut() {
            Some((start, run)) if *start + u64::from(*run) == lba => *run += blocks,
            Some(_) | None => self.slot_runs.push((lba, blocks)),
        }
    }
}
