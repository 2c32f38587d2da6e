//! What differs between two maps, at the granularity of blocks.
//!
//! Subtrees that both maps share are skipped by their references, so the cost follows the difference. Two blocks are
//! equal when they are at the same place in the log: what a snapshot pins is never moved by garbage collection, so
//! between two snapshots, or a snapshot and the head, a block has another place only if it was written.

use super::map::MAX_BLOCKS;
use super::pages::{Core, FANOUT, Page, PageKey, PageRef, Tree};
use super::{DiskError, ExtentMap, Lba, Loc, REGION_BLOCKS};

/// A run of blocks that differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiffExtent {
    pub lba: Lba,
    pub blocks: u64,
    /// False: a hole in the newer map.
    pub exists: bool,
}

/// Finds the blocks of `lba..lba + blocks` that differ between `from` (`None`: the empty map) and `to`, ascending,
/// adjacent runs of one kind joined. With no `from` these are the blocks in use.
///
/// A head that changes meanwhile is seen as it is when the walk passes by.
pub async fn diff(
    from: Option<&ExtentMap>,
    to: &ExtentMap,
    lba: Lba,
    blocks: u64,
) -> Result<Vec<DiffExtent>, DiskError> {
    let end = lba.0.saturating_add(blocks).min(MAX_BLOCKS);
    let mut found = Vec::new();
    let mut stack = vec![PageKey::top(Tree::Map)];
    while let Some(key) = stack.pop() {
        let _new = to.pages().pin(key, false).await?;
        let _old = match from {
            Some(from) => Some(from.pages().pin(key, false).await?),
            None => None,
        };
        if key.level == 0 {
            let (new, old) = (runs(Some(to), key), runs(from, key));
            compare(&new, &old, key.index * REGION_BLOCKS, (lba.0, end), &mut found);
            continue;
        }
        // Last first, so that the first is looked at next.
        for child in (0..FANOUT).rev().map(|slot| key.child(slot)) {
            let (low, high) = child.leaves();
            if high * REGION_BLOCKS <= lba.0 || low * REGION_BLOCKS >= end {
                continue;
            }
            let new = State::of(&to.pages().lock(), child);
            let old = from.map_or(State::Nowhere, |from| State::of(&from.pages().lock(), child));
            let same = match (new, old) {
                (State::Nowhere, State::Nowhere) => true,
                (State::Stored(new), State::Stored(old)) => new == old,
                _ => false,
            };
            if !same {
                stack.push(child);
            }
        }
    }
    Ok(found)
}

/// A page as far as its parent, which is pinned, and the cache know it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Nowhere,
    Stored(PageRef),
    Changed,
}

impl State {
    fn of(core: &Core, key: PageKey) -> State {
        if core.cache.is_changed(key) || core.cache.is_writing(key) {
            return State::Changed;
        }
        match core.cache.entry(key).flatten() {
            Some(child) => State::Stored(child.page),
            None => State::Nowhere,
        }
    }
}

/// First block in the region, blocks, place of the first.
type Run = (u32, u32, Option<Loc>);

/// The places of a region that is in memory, if there is one.
fn runs(map: Option<&ExtentMap>, leaf: PageKey) -> Vec<Run> {
    let mut runs = Vec::new();
    if let Some(map) = map
        && let Some(Page::Region(region)) = map.pages().lock().cache.peek(leaf)
    {
        region.runs(0, REGION_BLOCKS as u32, |first, blocks, loc| runs.push((first, blocks, loc)));
    }
    if runs.is_empty() {
        runs.push((0, REGION_BLOCKS as u32, None));
    }
    runs
}

/// Appends the blocks of one region that differ within `first..end`.
fn compare(new: &[Run], old: &[Run], base: u64, (first, end): (u64, u64), found: &mut Vec<DiffExtent>) {
    let (mut new, mut old) = (new.iter().peekable(), old.iter().peekable());
    while let (Some(&&(new_at, new_blocks, new_loc)), Some(&&(old_at, old_blocks, old_loc))) =
        (new.peek(), old.peek())
    {
        let from = new_at.max(old_at);
        let to = (new_at + new_blocks).min(old_at + old_blocks);
        // Places within a run advance alike in both, so the first block decides for all.
        let place = |at: u32, loc: Option<Loc>| loc.map(|loc| loc.nth(from - at));
        if place(new_at, new_loc) != place(old_at, old_loc) {
            let (low, high) = ((base + u64::from(from)).max(first), (base + u64::from(to)).min(end));
            if low < high {
                push(found, DiffExtent { lba: Lba(low), blocks: high - low, exists: new_loc.is_some() });
            }
        }
        if to == new_at + new_blocks {
            new.next();
        }
        if to == old_at + old_blocks {
            old.next();
        }
    }
}

fn push(found: &mut Vec<DiffExtent>, extent: DiffExtent) {
    match found.last_mut() {
        Some(last) if last.exists == extent.exists && last.lba.0 + last.blocks == extent.lba.0 => {
            last.blocks += extent.blocks;
        }
        Some(_) | None => found.push(extent),
    }
}
