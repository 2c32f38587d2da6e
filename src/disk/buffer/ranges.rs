//! An ordered map of block ranges, each with a run of slots or a hole. Later insertions replace earlier ones.

use std::collections::BTreeMap;

/// What a range of blocks is: `slot` is that of its first block; `None`: a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub blocks: u64,
    pub slot: Option<u32>,
}

impl Run {
    /// What is left of the run when its first `n` blocks are cut off.
    fn after(self, n: u64) -> Run {
        Run { blocks: self.blocks - n, slot: self.slot.map(|slot| slot + n as u32) }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    runs: BTreeMap<u64, Run>,
    holes: usize,
}

impl Ranges {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, Run)> + '_ {
        self.runs.iter().map(|(&start, &run)| (start, run))
    }

    /// Number of ranges that are holes.
    pub fn holes(&self) -> usize {
        self.holes
    }

    /// Sets a range. Holes that touch are joined, and runs whose slots follow each other.
    pub fn insert(&mut self, start: u64, run: Run) {
        debug_assert!(run.blocks > 0);
        let end = start + run.blocks;
        self.clear(start, end);
        let mut start = start;
        let mut run = run;
        if let Some((&before, &left)) = self.runs.range(..start).next_back()
            && before + left.blocks == start
            && joins(left, run)
        {
            self.remove_at(before);
            start = before;
            run = Run { blocks: left.blocks + run.blocks, slot: left.slot };
        }
        if let Some(&right) = self.runs.get(&end)
            && joins(run, right)
        {
            self.remove_at(end);
            run.blocks += right.blocks;
        }
        self.add(start, run);
    }

    /// Whether any block of `start..end` is in a range.
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.runs.range(..end).next_back().is_some_and(|(&at, run)| at + run.blocks > start)
    }

    /// The run from `block` on: its first block is `block`.
    pub fn get(&self, block: u64) -> Option<Run> {
        let (&start, &run) = self.runs.range(..=block).next_back()?;
        (start + run.blocks > block).then(|| run.after(block - start))
    }

    /// Calls `covered(start, run)` for what is known of `start..end`, and `missing(start, end)` for the rest, both
    /// in order.
    pub fn walk(
        &self,
        start: u64,
        end: u64,
        mut covered: impl FnMut(u64, Run),
        mut missing: impl FnMut(u64, u64),
    ) {
        let mut at = start;
        if let Some(run) = self.get(start) {
            let blocks = run.blocks.min(end - start);
            covered(start, Run { blocks, ..run });
            at += blocks;
        }
        if at < end {
            for (&from, &run) in self.runs.range(at..end) {
                if from > at {
                    missing(at, from);
                }
                let blocks = run.blocks.min(end - from);
                covered(from, Run { blocks, ..run });
                at = from + blocks;
            }
        }
        if at < end {
            missing(at, end);
        }
    }

    fn clear(&mut self, start: u64, end: u64) {
        if let Some((&before, &run)) = self.runs.range(..start).next_back()
            && before + run.blocks > start
        {
            self.remove_at(before);
            self.add(before, Run { blocks: start - before, ..run });
            self.add(start, run.after(start - before));
        }
        while let Some((&at, &run)) = self.runs.range(start..end).next() {
            self.remove_at(at);
            if at + run.blocks > end {
                self.add(end, run.after(end - at));
                break;
            }
        }
    }

    fn add(&mut self, start: u64, run: Run) {
        self.holes += usize::from(run.slot.is_none());
        self.runs.insert(start, run);
    }

    fn remove_at(&mut self, start: u64) {
        if let Some(run) = self.runs.remove(&start) {
            self.holes -= usize::from(run.slot.is_none());
        }
    }
}

/// Whether `right`, which begins where `left` ends, goes on with it. Runs stay below 2^32 blocks, the most that
/// an extent can say.
fn joins(left: Run, right: Run) -> bool {
    left.blocks + right.blocks <= u64::from(u32::MAX)
        && match (left.slot, right.slot) {
            (None, None) => true,
            (Some(slot), Some(next)) => u64::from(slot) + left.blocks == u64::from(next),
            (None, Some(_)) | (Some(_), None) => false,
        }
}
