//! A closed record: its bytes, where they go, and what they hold.

use std::sync::Arc;

use bytes::Bytes;

use super::{BufferPool, Place, Ranges, Run};
use crate::aligned::AlignedVec;
use crate::crc::{Sum, crc32c};
use crate::disk::log::{
    Extent, ExtentKind, RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEGMENT_HEADER_BYTES, SLOT_SUM,
    SegmentHeader, slot_data,
};
use crate::disk::{
    BLOCK_BYTES, Lba, Loc, LocalSeq, Lsn, MAX_SIZE_BYTES, RecordAt, SLOT_BYTES, UNIT_BYTES, WriterEpoch,
};
use crate::store::{Op, Summed};

/// What a writer's records have in common.
#[derive(Clone, Debug)]
pub(crate) struct RecordSpec {
    pub uuid: [u8; 16],
    pub epoch: WriterEpoch,
    pub segment_bytes: u32,
    /// The durable LSN when the record is made.
    pub durable: Lsn,
    /// The newest change of the local log that is in this record or before it; 0: none since the writer began.
    pub local: LocalSeq,
    /// The record is a segment of its own, whose bytes go into a payload.
    pub payload: bool,
}

/// A record that is on its way to the store or waits to be applied. It does not change any more.
#[derive(Debug)]
pub(crate) struct Record {
    pub lsn: Lsn,
    pub kind: RecordKind,
    pub place: Place,
    /// As in [`RecordSpec`].
    pub local: LocalSeq,
    /// Room in the dirty budget that is given back when the record is applied, in blocks.
    pub permits: u32,
    /// What is stored: with the segment's header before it, if the record creates the segment.
    pub bytes: Bytes,
    /// Blocks and holes for readers that look in the buffer.
    pub ranges: Ranges,
    /// What is applied to the map, in order.
    pub extents: Vec<(Extent, Option<Loc>)>,
    /// `bytes` is a whole segment, and goes into its payload.
    pub payload: bool,
    /// CRC32C of `bytes`, made of the sums of its parts: as it was when each was sealed. A store need not sum it up again, and finds out
    /// what has changed in memory since. `None`: slots that were only copied.
    pub sum: Option<u32>,
    /// Where slots begin in `bytes`.
    slots_at: usize,
}

impl Record {
    /// Offset in the segment at which `bytes` is written.
    pub fn write_offset(&self) -> u64 {
        if self.place.creates_segment() { 0 } else { self.place.offset }
    }

    /// What puts it in its place.
    pub fn write(&self) -> Summed {
        Summed { op: Op::Write { offset: self.write_offset(), data: self.bytes.clone() }, sum: self.sum }
    }

    /// Where the next record of the segment goes.
    pub fn end(&self) -> u64 {
        self.write_offset() + self.bytes.len() as u64
    }

    /// The stub of the segment whose payload this record's bytes are.
    pub fn stub(&self) -> Bytes {
        let header = SegmentHeader::decode(&self.bytes).expect("a payload begins with its segment's header");
        let mut raw = [0; SEGMENT_HEADER_BYTES];
        SegmentHeader { payload: Some(self.bytes.len() as u32), ..header }.encode(&mut raw);
        Bytes::copy_from_slice(&raw)
    }

    /// As what it is applied when `epoch` wrote it.
    pub fn at(&self, epoch: WriterEpoch) -> RecordAt {
        RecordAt {
            lsn: self.lsn,
            segment: self.place.segment,
            bytes: self.bytes.len() as u32,
            payload: self.payload.then_some(epoch),
        }
    }

    /// Whether the log only grows by this so that more can be deleted: holes, and blocks that are moved together. What has
    /// no data of the image's user in it is small.
    pub fn makes_room(&self) -> bool {
        match self.kind {
            RecordKind::Data => self.extents.iter().all(|(_, loc)| loc.is_none()),
            RecordKind::Gc
            | RecordKind::EpochStart { .. }
            | RecordKind::Resize { .. }
            | RecordKind::SnapCreate { .. }
            | RecordKind::Rollback { .. } => true,
        }
    }

    pub fn has_holes(&self) -> bool {
        self.extents.iter().any(|(_, loc)| loc.is_none())
    }

    pub fn slot(&self, slot: u32) -> &[u8] {
        let at = self.slots_at + slot as usize * SLOT_BYTES as usize;
        slot_data(&self.bytes[at..at + SLOT_BYTES as usize])
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn from_batch(
        spec: &RecordSpec,
        pool: &Arc<BufferPool>,
        lsn: Lsn,
        place: Place,
        permits: u32,
        buffer: AlignedVec,
        ranges: Ranges,
        slots: u32,
        slot_runs: &[(u64, u32)],
    ) -> Record {
        let mut extents = Vec::with_capacity(slot_runs.len() + ranges.holes());
        for &(lba, blocks) in slot_runs {
            extents.push(Extent { lba: Lba(lba), blocks, kind: ExtentKind::Data, source: None });
        }
        // After the data: where a block was written and then punched, the hole is what counts. A block that was
        // punched and written again is no hole in `ranges`.
        for (lba, run) in ranges.iter().filter(|(_, run)| run.slot.is_none()) {
            let blocks = run.blocks as u32;
            extents.push(Extent { lba: Lba(lba), blocks, kind: ExtentKind::Hole, source: None });
        }
        Record::finish(spec, pool, lsn, RecordKind::Data, place, permits, buffer, ranges, slots, extents)
    }

    /// A record without data.
    pub fn without_data(
        spec: &RecordSpec,
        pool: &Arc<BufferPool>,
        lsn: Lsn,
        kind: RecordKind,
        place: Place,
    ) -> Record {
        let mut ranges = Ranges::default();
        if let RecordKind::Resize { size_bytes } = kind {
            // What is cut off reads as zeroes, also after the image has grown again.
            let first = size_bytes.div_ceil(BLOCK_BYTES);
            let last = MAX_SIZE_BYTES / BLOCK_BYTES;
            if first < last {
                ranges.insert(first, Run { blocks: last - first, slot: None });
            }
        }
        let mut buffer = AlignedVec::with_capacity(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES);
        buffer.resize(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES, 0);
        Record::finish(spec, pool, lsn, kind, place, 0, buffer, ranges, 0, Vec::new())
    }

    /// A Gc record of whole slots; `slots` are those of the extents, in order. Readers never look in it: a copy is
    /// equal to its source, and may be older than what the map has.
    pub fn gc(
        spec: &RecordSpec,
        pool: &Arc<BufferPool>,
        lsn: Lsn,
        place: Place,
        extents: Vec<Extent>,
        slots: &[Bytes],
    ) -> Record {
        let data: usize = slots.iter().map(Bytes::len).sum();
        let index = extents.len() * RecordKind::Gc.extent_bytes();
        let room = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + data + index;
        let mut buffer = pool.take(room, place.first_stored());
        buffer.resize(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES, 0);
        slots.iter().for_each(|run| buffer.extend_from_slice(run));
        let count = (buffer.len() - SEGMENT_HEADER_BYTES - RECORD_HEADER_BYTES) / SLOT_BYTES as usize;
        let ranges = Ranges::default();
        Record::finish(spec, pool, lsn, RecordKind::Gc, place, 0, buffer, ranges, count as u32, extents)
    }

    /// Completes the buffer, in which the slots are, with index and headers.
    #[allow(clippy::too_many_arguments)]
    fn finish(
        spec: &RecordSpec,
        pool: &Arc<BufferPool>,
        lsn: Lsn,
        kind: RecordKind,
        place: Place,
        permits: u32,
        mut buffer: AlignedVec,
        ranges: Ranges,
        slots: u32,
        extents: Vec<Extent>,
    ) -> Record {
        let index = buffer.len();
        let mut raw = Vec::with_capacity(extents.len() * kind.extent_bytes());
        extents.iter().for_each(|extent| extent.encode(&mut raw));
        buffer.extend_from_slice(&raw);
        let header = RecordHeader {
            kind,
            lsn,
            epoch: spec.epoch,
            extents: extents.len() as u32,
            slots,
            durable: spec.durable,
            extents_crc: crc32c(&buffer[index..]),
            local: spec.local,
        };
        header.encode(&mut buffer[SEGMENT_HEADER_BYTES..]);
        if place.creates_segment() {
            // The batch before this one has the LSN before; only an EpochStart jumps, and says from where.
            let prev_lsn = match kind {
                RecordKind::EpochStart { last } => last,
                RecordKind::Data
                | RecordKind::Resize { .. }
                | RecordKind::SnapCreate { .. }
                | RecordKind::Gc
                | RecordKind::Rollback { .. } => Lsn(lsn.0 - 1),
            };
            let segment = SegmentHeader {
                uuid: spec.uuid,
                seq: place.segment,
                epoch: spec.epoch,
                segment_bytes: spec.segment_bytes,
                prev_lsn,
                payload: None,
            };
            let mut raw = [0; SEGMENT_HEADER_BYTES];
            segment.encode(&mut raw);
            buffer[..SEGMENT_HEADER_BYTES].copy_from_slice(&raw);
        }
        let lead = place.first_stored();
        // Slots of a Gc record were checked when they were read, which is not here.
        let sum = (kind != RecordKind::Gc).then(|| {
            let head = Sum::of(&buffer[lead..SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES]);
            let index = Sum { crc: header.extents_crc, bytes: raw.len() as u64 };
            head.then(SLOT_SUM.times(u64::from(slots))).then(index).crc
        });
        debug_assert!(sum.is_none_or(|sum| sum == crc32c(&buffer[lead..])), "a slot is not sealed");
        debug_assert!(!spec.payload || place.creates_segment());
        let base = if spec.payload { u64::from(spec.segment_bytes) } else { 0 };
        let first = ((base + place.offset + RECORD_HEADER_BYTES as u64) / UNIT_BYTES) as u32;
        let mut slot = 0;
        let extents = extents
            .into_iter()
            .map(|extent| {
                let loc = match extent.kind {
                    ExtentKind::Hole => None,
                    ExtentKind::Data => {
                        let loc = Loc { segment: place.segment, unit: first }.nth(slot);
                        slot += extent.blocks;
                        Some(loc)
                    }
                };
                (extent, loc)
            })
            .collect();
        let bytes = pool.freeze(buffer).slice(lead..);
        let slots_at = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES - lead;
        let (local, payload) = (spec.local, spec.payload);
        Record { lsn, kind, place, local, permits, bytes, ranges, extents, payload, sum, slots_at }
    }
}
