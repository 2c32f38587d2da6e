//! The extent map: from block addresses to places in the log.
//!
//! A tree of pages (see `pages`) whose leaves are regions of 4096 blocks. Lookups may come from any task at any
//! time. Changes come from one task at a time, the one that applies records in LSN order; it normally goes through
//! [`super::DiskState`], which keeps the segments' live counts as well.

pub(crate) mod change;
mod codec;
mod packed;
mod region;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use region::Region;

use super::pages::{Core, Found, MapObjects, Page, PageKey, Pages, StoreObjects, Tree};
use super::payload::PayloadEpochs;
use super::{DiskError, DiskNames, Lba, Loc, Lsn, REGION_BLOCKS, SLOT_UNITS, SnapshotRoot};
use crate::store::Store;

/// Blocks that the map can address: 2^64 bytes.
pub const MAX_BLOCKS: u64 = REGION_BLOCKS << (8 * Tree::Map.top_level() as u64);

/// A run of blocks: block `lba + i` is at `loc.nth(i)`, or nowhere (a hole, reads as zeros).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapExtent {
    pub lba: Lba,
    pub blocks: u32,
    pub loc: Option<Loc>,
}

impl MapExtent {
    /// Whether `next` goes on where this run ends, in the image and in the log.
    pub fn joins(&self, next: &MapExtent) -> bool {
        self.lba.0 + u64::from(self.blocks) == next.lba.0
            && match (self.loc, next.loc) {
                (None, None) => true,
                (Some(loc), Some(next)) => {
                    loc.segment == next.segment
                        && u64::from(loc.unit) + u64::from(self.blocks) * u64::from(SLOT_UNITS)
                            == u64::from(next.unit)
                }
                (None, Some(_)) | (Some(_), None) => false,
            }
            && self.blocks.checked_add(next.blocks).is_some()
    }

    /// Adds a run to a list of neighbouring runs, joining it with the last if possible. `from`: runs before this
    /// position are left alone.
    pub fn push_to(self, out: &mut Vec<MapExtent>, from: usize) {
        if out.len() > from
            && let Some(last) = out.last_mut()
            && last.joins(&self)
        {
            last.blocks += self.blocks;
        } else {
            out.push(self);
        }
    }
}

pub(crate) fn leaf_of(lba: u64) -> PageKey {
    PageKey { tree: Tree::Map, level: 0, index: lba / REGION_BLOCKS }
}

/// The map of an image's head or of a snapshot; a cheap handle.
#[derive(Clone)]
pub struct ExtentMap {
    pages: Arc<Pages>,
    payloads: Arc<PayloadEpochs>,
}

impl ExtentMap {
    pub(crate) fn new(pages: Arc<Pages>, payloads: Arc<PayloadEpochs>) -> ExtentMap {
        ExtentMap { pages, payloads }
    }

    /// Who wrote the payloads that this map names.
    pub(crate) fn payloads(&self) -> &PayloadEpochs {
        &self.payloads
    }

    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// The map of a snapshot. Reads one page; the rest is loaded when it is needed.
    pub async fn open_snapshot(
        store: Arc<dyn Store>,
        names: DiskNames,
        snapshot: &SnapshotRoot,
        limit_bytes: usize,
    ) -> Result<ExtentMap, DiskError> {
        ExtentMap::open_on(Arc::new(StoreObjects::new(store, names)), snapshot, limit_bytes).await
    }

    pub(crate) async fn open_on(
        objects: Arc<dyn MapObjects>,
        snapshot: &SnapshotRoot,
        limit_bytes: usize,
    ) -> Result<ExtentMap, DiskError> {
        let pages = Pages::open(objects, limit_bytes, [snapshot.map, None]).await?;
        pages.lock().used_blocks = snapshot.map.map_or(0, |child| child.count);
        Ok(ExtentMap { pages, payloads: Arc::default() })
    }

    /// Looks up `blocks` blocks from `lba` on without I/O and appends their runs to `out`, in order and without
    /// gaps, joined where they are neighbours in the log. False if a page is not in memory; `out` is then as before.
    pub fn try_lookup(&self, lba: Lba, blocks: u64, out: &mut Vec<MapExtent>) -> bool {
        let from = out.len();
        let mut at = lba.0;
        let done =
            advance(&mut self.pages.lock(), &mut at, lba.0.saturating_add(blocks), from, out).is_none();
        if !done {
            out.truncate(from);
        }
        done
    }

    /// As `try_lookup`, and loads what is missing: one store read for each region that is not in memory, if the
    /// inner pages over it are. On an error `out` is as before.
    ///
    /// A map object that does not exist is `DiskError::Store` with ENOENT. To a reader beside a writer it says that
    /// its root is out of date; to a writer, that the image is damaged.
    pub async fn lookup(&self, lba: Lba, blocks: u64, out: &mut Vec<MapExtent>) -> Result<(), DiskError> {
        let from = out.len();
        let end = lba.0.saturating_add(blocks);
        let mut at = lba.0;
        let mut missing = advance(&mut self.pages.lock(), &mut at, end, from, out);
        while let Some(leaf) = missing {
            match self.pages.pin(leaf, false).await {
                Ok(_pins) => missing = advance(&mut self.pages.lock(), &mut at, end, from, out),
                Err(error) => {
                    out.truncate(from);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Number of mapped blocks.
    pub fn used_blocks(&self) -> u64 {
        self.pages.lock().used_blocks
    }

    /// Block `lba + i` is at `loc.nth(i)` from now on. What was there before is appended to `displaced`.
    pub async fn insert(
        &self,
        lba: Lba,
        blocks: u32,
        loc: Loc,
        displaced: &mut Vec<(Loc, u32)>,
    ) -> Result<(), DiskError> {
        check(lba, u64::from(blocks))?;
        if blocks == 0 {
            return Ok(());
        }
        let _pins = self.pages.pin_all(change::leaves(lba, u64::from(blocks)), true).await?;
        change::set(&mut self.pages.lock(), MapExtent { lba, blocks, loc: Some(loc) }, displaced);
        Ok(())
    }

    /// Makes a hole, at a cost that does not depend on its size: whole subtrees are cut off, and only the places in
    /// those pages that are in memory are appended to `displaced`. The others follow later (`DiskState::reap`).
    pub async fn remove(
        &self,
        lsn: Lsn,
        lba: Lba,
        blocks: u64,
        displaced: &mut Vec<(Loc, u32)>,
    ) -> Result<(), DiskError> {
        let blocks = blocks.min(MAX_BLOCKS.saturating_sub(lba.0));
        if blocks == 0 {
            return Ok(());
        }
        let _pins = self.pages.pin_all(change::edges(lba, blocks), false).await?;
        change::remove(&mut self.pages.lock(), lsn, lba, blocks, displaced);
        Ok(())
    }

    /// As `remove`, for all blocks from `blocks` on.
    pub async fn truncate(
        &self,
        lsn: Lsn,
        blocks: u64,
        displaced: &mut Vec<(Loc, u32)>,
    ) -> Result<(), DiskError> {
        self.remove(lsn, Lba(blocks), u64::MAX, displaced).await
    }

    /// Moves those blocks to `new.nth(i)` that are still at `expected.nth(i)`; appends what they left to `moved`.
    pub async fn replace_if(
        &self,
        lba: Lba,
        blocks: u32,
        expected: Loc,
        new: Loc,
        moved: &mut Vec<(Loc, u32)>,
    ) -> Result<(), DiskError> {
        check(lba, u64::from(blocks))?;
        if blocks == 0 {
            return Ok(());
        }
        let _pins = self.pages.pin_all(change::leaves(lba, u64::from(blocks)), true).await?;
        change::replace_if(&mut self.pages.lock(), lba, blocks, expected, new, moved);
        Ok(())
    }
}

pub(crate) fn check(lba: Lba, blocks: u64) -> Result<(), DiskError> {
    match lba.0.checked_add(blocks) {
        Some(end) if end <= MAX_BLOCKS => Ok(()),
        _ => Err(DiskError::Invalid { detail: format!("blocks {}+{blocks} are outside of any map", lba.0) }),
    }
}

/// Looks up from `at` on as far as pages are in memory; returns the leaf that is missing.
pub(crate) fn advance(
    core: &mut Core,
    at: &mut u64,
    end: u64,
    from: usize,
    out: &mut Vec<MapExtent>,
) -> Option<PageKey> {
    while *at < end {
        let hole_end = if *at >= MAX_BLOCKS {
            end
        } else {
            let leaf = leaf_of(*at);
            match core.cache.find(leaf) {
                Found::InMemory => {
                    let base = leaf.index * REGION_BLOCKS;
                    let until = end.min(base + REGION_BLOCKS);
                    if let Some(Page::Region(region)) = core.cache.peek(leaf) {
                        region.runs((*at - base) as u32, (until - *at) as u32, |first, blocks, loc| {
                            MapExtent { lba: Lba(base + u64::from(first)), blocks, loc }.push_to(out, from);
                        });
                    }
                    *at = until;
                    continue;
                }
                Found::Stored(..) => return Some(leaf),
                Found::Nowhere(page) => end.min(page.leaves().1 * REGION_BLOCKS),
            }
        };
        while *at < hole_end {
            let blocks = (hole_end - *at).min(u64::from(u32::MAX)) as u32;
            MapExtent { lba: Lba(*at), blocks, loc: None }.push_to(out, from);
            *at += u64::from(blocks);
        }
    }
    None
}
