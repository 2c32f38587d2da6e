//! The segment table: what is known of each segment of the log.

mod codec;

use super::pages::{PageKey, Tree};
use super::{Lsn, SegmentSeq};

/// Segments of a page of the table.
pub(crate) const PAGE_SEGMENTS: u64 = 512;

/// One segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SegmentInfo {
    /// LSN of its first record.
    pub birth: Lsn,
    /// The greatest LSN at which one of its blocks died in the head; `birth` before that. When no block is live,
    /// this is the LSN at which the segment died.
    pub changed: Lsn,
    /// Mean birth LSN of its data: GC copies keep the age of their source.
    pub age: Lsn,
    /// Blocks written to it.
    pub blocks: u32,
    /// Blocks that the head's map points to.
    pub live: u32,
    /// Bytes of its records.
    pub bytes: u32,
    /// They are in a payload.
    pub payload: bool,
}

impl SegmentInfo {
    /// Bytes that it takes in an erasure-coded pool.
    pub fn payload_bytes(&self) -> u64 {
        if self.payload { u64::from(self.bytes) } else { 0 }
    }
}

/// 512 neighbouring entries of the table.
#[derive(Clone, Debug)]
pub(crate) struct SegmentPage {
    entries: Box<[Option<SegmentInfo>]>,
    used: u32,
    live: u64,
}

impl SegmentPage {
    pub fn new() -> SegmentPage {
        SegmentPage { entries: vec![None; PAGE_SEGMENTS as usize].into_boxed_slice(), used: 0, live: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Live blocks of all its segments.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of memory beside the struct itself.
    pub fn memory(&self) -> usize {
        self.entries.len() * size_of::<Option<SegmentInfo>>()
    }

    pub fn get(&self, slot: usize) -> Option<SegmentInfo> {
        self.entries[slot]
    }

    pub fn set(&mut self, slot: usize, info: Option<SegmentInfo>) {
        let old = std::mem::replace(&mut self.entries[slot], info);
        self.used = self.used + u32::from(info.is_some()) - u32::from(old.is_some());
        let live = |info: Option<SegmentInfo>| info.map_or(0, |info| u64::from(info.live));
        self.live = self.live + live(info) - live(old);
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, SegmentInfo)> + '_ {
        self.entries.iter().enumerate().filter_map(|(slot, info)| info.map(|info| (slot, info)))
    }
}

pub(crate) fn leaf_of(seq: SegmentSeq) -> (PageKey, usize) {
    let key = PageKey { tree: Tree::Segments, level: 0, index: seq.0 / PAGE_SEGMENTS };
    (key, (seq.0 % PAGE_SEGMENTS) as usize)
}

/// Sums over the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SegmentTotals {
    pub segments: u64,
    pub live: u64,
    pub blocks: u64,
    pub bytes: u64,
    /// Of them, those in payloads.
    pub payload_bytes: u64,
}
