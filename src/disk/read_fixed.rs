//! The short way of reads: bytes of segments past the store's order of commits, where a store has that (`Store::fixed`).

use std::cell::RefCell;

use super::log::verify_slot;
use super::map::ExtentMap;
use super::read::Run;
use super::shared::Shared;
use super::{Lba, SLOT_BYTES, SegmentSeq};
use crate::store::{Fixed, FixedRead, FixedReads, Target};

/// The most that is read at once by the short way: each thread that reads has a buffer of that size.
pub(super) const FIXED_BLOCKS: u32 = 64;

/// The name of the segment that was asked for last: runs of one segment come in a row.
#[derive(Default)]
struct NameOfLast(Option<(SegmentSeq, Target)>);

impl NameOfLast {
    fn of(&mut self, shared: &Shared, map: &ExtentMap, run: Run) -> Option<&Target> {
        let segment = run.loc.segment;
        if self.0.as_ref().is_none_or(|(last, _)| *last != segment) {
            self.0 = None;
        }
        if self.0.is_none() {
            self.0 = Some((segment, shared.object_of(map, run.loc)?));
        }
        self.0.as_ref().map(|(_, target)| target)
    }
}

thread_local! {
    static SLOTS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads runs by the short way, and gives back in `rest` those that it could not read. Segments are what it is made for: a place
/// in the log that a map names has had one content and never gets another one. Blocks that do not prove to be what they should
/// are left to an op list.
pub(super) fn read_fixed(
    shared: &Shared,
    map: &ExtentMap,
    fixed: &dyn FixedReads,
    mut runs: &[Run],
    keep: bool,
    put: &mut dyn FnMut(u64, &[u8]),
    rest: &mut Vec<Run>,
) {
    SLOTS.with_borrow_mut(|slots| {
        while !runs.is_empty() {
            // As many as one buffer takes.
            let mut bytes = 0;
            let now = runs.iter().take_while(|run| {
                bytes += run.bytes();
                bytes <= u64::from(FIXED_BLOCKS) * SLOT_BYTES
            });
            let now = now.count().max(1);
            let length: u64 = runs[..now].iter().map(Run::bytes).sum();
            if slots.len() < length as usize {
                slots.resize(length as usize, 0);
            }
            read_fixed_part(shared, map, fixed, &runs[..now], keep, &mut slots[..length as usize], put, rest);
            runs = &runs[now..];
        }
    });
}

#[allow(clippy::too_many_arguments)]
fn read_fixed_part(
    shared: &Shared,
    map: &ExtentMap,
    fixed: &dyn FixedReads,
    runs: &[Run],
    keep: bool,
    mut buffer: &mut [u8],
    put: &mut dyn FnMut(u64, &[u8]),
    rest: &mut Vec<Run>,
) {
    // Sorted by their places, so runs of one segment come in a row.
    let mut targets: Vec<(SegmentSeq, Target)> = Vec::new();
    for run in runs {
        if targets.last().is_none_or(|(last, _)| *last != run.loc.segment) {
            match shared.object_of(map, run.loc) {
                Some(target) => targets.push((run.loc.segment, target)),
                // Reading it by an op list tells of it.
                None => return rest.extend_from_slice(runs),
            }
        }
    }
    let mut names = targets.iter().peekable();
    let mut reads = Vec::with_capacity(runs.len());
    for run in runs {
        while names.peek().is_some_and(|(segment, _)| *segment != run.loc.segment) {
            names.next();
        }
        let Some((_, target)) = names.peek() else { return rest.extend_from_slice(runs) };
        let (out, after) = std::mem::take(&mut buffer).split_at_mut(run.bytes() as usize);
        buffer = after;
        let offset = shared.offset_of(run.loc).0;
        reads.push(FixedRead { target, offset, out, outcome: Fixed::Unknown });
    }
    fixed.read_many(&mut reads);
    for (run, read) in runs.iter().zip(&reads) {
        let good = read.outcome == Fixed::Read
            && (0..).zip(read.out.chunks(SLOT_BYTES as usize)).all(|(i, slot)| {
                let block = run.lba + u64::from(i);
                let Ok(data) = verify_slot(slot, Lba(block)) else {
                    fixed.forget(read.target);
                    return false;
                };
                if keep {
                    shared.cache.insert(run.loc.nth(i), block, data);
                }
                put(block, data);
                true
            });
        if !good {
            rest.push(*run);
        }
    }
}

/// Lets the store load runs, which are sorted by their places. True if it knows all of them.
pub(super) fn start(
    shared: &Shared,
    map: &ExtentMap,
    fixed: &dyn FixedReads,
    runs: &[Run],
    around: bool,
) -> bool {
    let mut names = NameOfLast::default();
    let mut known = true;
    for run in runs {
        known &= names
            .of(shared, map, *run)
            .is_some_and(|target| fixed.start(target, shared.offset_of(run.loc).0, run.bytes(), around));
    }
    known
}
