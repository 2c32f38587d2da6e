//! The segments without a live block that are known and wait to be deleted, with the bytes that they hold in all.

use std::collections::BTreeMap;
use std::ops::RangeTo;

use crate::disk::segments::SegmentInfo;
use crate::disk::{Lsn, SegmentSeq};

/// A segment without a live block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dead {
    pub born: Lsn,
    pub died: Lsn,
    pub bytes: u32,
}

impl Dead {
    pub fn new(info: &SegmentInfo) -> Dead {
        Dead { born: info.birth, died: info.changed, bytes: info.bytes }
    }
}

/// Few, unless snapshots pin what was overwritten; so its memory counts as the map's.
#[derive(Default)]
pub(crate) struct DeadSegments {
    segments: BTreeMap<SegmentSeq, Dead>,
    bytes: u64,
}

impl DeadSegments {
    pub fn insert(&mut self, seq: SegmentSeq, dead: Dead) {
        let old = self.segments.insert(seq, dead);
        self.bytes = self.bytes + u64::from(dead.bytes) - old.map_or(0, |old| u64::from(old.bytes));
    }

    pub fn remove(&mut self, seq: &SegmentSeq) {
        if let Some(old) = self.segments.remove(seq) {
            self.bytes -= u64::from(old.bytes);
        }
    }

    pub fn contains_key(&self, seq: &SegmentSeq) -> bool {
        self.segments.contains_key(seq)
    }

    pub fn range(&self, range: RangeTo<SegmentSeq>) -> impl Iterator<Item = (&SegmentSeq, &Dead)> {
        self.segments.range(range)
    }

    /// Bytes of their records.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of memory, with what the tree needs for an entry.
    pub fn memory(&self) -> usize {
        self.segments.len() * 2 * size_of::<(SegmentSeq, Dead)>()
    }
}
