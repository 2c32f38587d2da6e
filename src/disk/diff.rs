//! What differs between two maps, at the granularity of blocks.
//!
//! Subtrees that both maps share are skipped by their references, so the cost follows the difference. Two blocks are
//! equal when they are at the same place in the log, or when garbage collection has moved one of them and their slots'
//! trailers are the same (see `copies`).

use super::copies::{Copies, Moved};
use super::map::MAX_BLOCKS;
use super::pages::{Core, FANOUT, Page, PageKey, PageRef, Tree};
use super::shared::Shared;
use super::{BLOCK_BYTES, DiffRun, DiskError, DiskResult, ExtentMap, Lba, Loc, REGION_BLOCKS};

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
pub(crate) async fn diff(
    shared: &Shared,
    from: Option<&ExtentMap>,
    to: &ExtentMap,
    lba: Lba,
    blocks: u64,
) -> Result<Vec<DiffExtent>, DiskError> {
    let Some(older) = from else {
        // Nothing can be equal.
        return diff_places(None, to, lba, blocks).await;
    };
    let mut walk = Walk::new(from, to, lba, blocks);
    let mut copies = Copies::new(shared, to, older);
    let mut found = Vec::new();
    let mut retried = None;
    while let Some((leaf, moved)) = walk.next().await? {
        match copies.written(moved).await {
            Ok(written) => written.iter().for_each(|run| push(&mut found, run)),
            // A segment was deleted after the walk came by: GC has moved what lived in it once more. If that is not
            // it, the second look finds the same.
            Err(error) if error.is_not_found() && retried.as_ref() != Some(&error.to_string()) => {
                retried = Some(error.to_string());
                walk.again(leaf);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The difference of two maps in a range of bytes.
pub(super) async fn diff_bytes(
    shared: &Shared,
    from: Option<&ExtentMap>,
    to: &ExtentMap,
    offset: u64,
    length: u64,
) -> DiskResult<Vec<DiffRun>> {
    let end = offset + length;
    let first = offset / BLOCK_BYTES;
    let found = diff(shared, from, to, Lba(first), end.div_ceil(BLOCK_BYTES) - first).await?;
    let run = |extent: &DiffExtent| {
        let low = (extent.lba.0 * BLOCK_BYTES).max(offset);
        let high = ((extent.lba.0 + extent.blocks) * BLOCK_BYTES).min(end);
        DiffRun { offset: low, length: high - low, exists: extent.exists }
    };
    Ok(found.iter().map(run).collect())
}

/// As `diff`, by the places alone: what garbage collection has moved differs.
pub(crate) async fn diff_places(
    from: Option<&ExtentMap>,
    to: &ExtentMap,
    lba: Lba,
    blocks: u64,
) -> Result<Vec<DiffExtent>, DiskError> {
    let mut walk = Walk::new(from, to, lba, blocks);
    let mut found = Vec::new();
    while let Some((_, moved)) = walk.next().await? {
        moved.iter().for_each(|run| push(&mut found, run));
    }
    Ok(found)
}

/// Goes through two maps, leaf by leaf.
struct Walk<'a> {
    from: Option<&'a ExtentMap>,
    to: &'a ExtentMap,
    range: (u64, u64),
    stack: Vec<PageKey>,
}

impl<'a> Walk<'a> {
    fn new(from: Option<&'a ExtentMap>, to: &'a ExtentMap, lba: Lba, blocks: u64) -> Walk<'a> {
        let range = (lba.0, lba.0.saturating_add(blocks).min(MAX_BLOCKS));
        Walk { from, to, range, stack: vec![PageKey::top(Tree::Map)] }
    }

    /// What has another place in the next leaf that differs.
    async fn next(&mut self) -> Result<Option<(PageKey, Vec<Moved>)>, DiskError> {
        while let Some(key) = self.stack.pop() {
            let _new = self.to.pages().pin(key, false).await?;
            let _old = match self.from {
                Some(from) => Some(from.pages().pin(key, false).await?),
                None => None,
            };
            if key.level == 0 {
                let (new, old) = (runs(Some(self.to), key), runs(self.from, key));
                return Ok(Some((key, compare(&new, &old, key.index * REGION_BLOCKS, self.range))));
            }
            // Last first, so that the first is looked at next.
            for child in (0..FANOUT).rev().map(|slot| key.child(slot)) {
                let (low, high) = child.leaves();
                if high * REGION_BLOCKS <= self.range.0 || low * REGION_BLOCKS >= self.range.1 {
                    continue;
                }
                let new = State::of(&self.to.pages().lock(), child);
                let old = self.from.map_or(State::Nowhere, |from| State::of(&from.pages().lock(), child));
                let same = match (new, old) {
                    (State::Nowhere, State::Nowhere) => true,
                    (State::Stored(new), State::Stored(old)) => new == old,
                    _ => false,
                };
                if !same {
                    self.stack.push(child);
                }
            }
        }
        Ok(None)
    }

    /// `leaf` is looked at again.
    fn again(&mut self, leaf: PageKey) {
        self.stack.push(leaf);
    }
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

/// The blocks of one region that are in different places, within `first..end`.
fn compare(new: &[Run], old: &[Run], base: u64, (first, end): (u64, u64)) -> Vec<Moved> {
    let mut found = Vec::new();
    let (mut new, mut old) = (new.iter().peekable(), old.iter().peekable());
    while let (Some(&&(new_at, new_blocks, new_loc)), Some(&&(old_at, old_blocks, old_loc))) =
        (new.peek(), old.peek())
    {
        let from = new_at.max(old_at);
        let to = (new_at + new_blocks).min(old_at + old_blocks);
        let (low, high) = ((base + u64::from(from)).max(first), (base + u64::from(to)).min(end));
        // Places within a run advance alike in both, so the first block decides for all.
        let place = |at: u32, loc: Option<Loc>| loc.map(|loc| loc.nth((low - base) as u32 - at));
        if low < high && place(new_at, new_loc) != place(old_at, old_loc) {
            found.push(Moved {
                lba: Lba(low),
                blocks: high - low,
                new: place(new_at, new_loc),
                old: place(old_at, old_loc),
            });
        }
        if to == new_at + new_blocks {
            new.next();
        }
        if to == old_at + old_blocks {
            old.next();
        }
    }
    found
}

fn push(found: &mut Vec<DiffExtent>, run: &Moved) {
    let exists = run.new.is_some();
    match found.last_mut() {
        Some(last) if last.exists == exists && last.lba.0 + last.blocks == run.lba.0 => {
            last.blocks += run.blocks;
        }
        Some(_) | None => found.push(DiffExtent { lba: run.lba, blocks: run.blocks, exists }),
    }
}
