//! Changes of the map, on pages that are pinned in memory.

use std::sync::Arc;

use super::{MapExtent, Region, leaf_of};
use crate::disk::pages::{Core, Dropped, FANOUT, Page, PageKey, Tree};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{Lba, Loc, Lsn, REGION_BLOCKS};

/// The leaves that hold these blocks.
pub(crate) fn leaves(lba: Lba, blocks: u64) -> impl Iterator<Item = PageKey> {
    let last = lba.0 + blocks - 1;
    (lba.0 / REGION_BLOCKS..=last / REGION_BLOCKS).map(|index| PageKey { tree: Tree::Map, level: 0, index })
}

/// The leaves at both ends: with their ancestors, all pages that `remove` needs.
pub(crate) fn edges(lba: Lba, blocks: u64) -> impl Iterator<Item = PageKey> {
    let first = leaf_of(lba.0);
    let last = leaf_of(lba.0 + blocks - 1);
    std::iter::once(first).chain((last != first).then_some(last))
}

/// Sets a run; its leaves are pinned.
pub(crate) fn set(core: &mut Core, extent: MapExtent, displaced: &mut Vec<(Loc, u32)>) {
    let (mut at, end) = (extent.lba.0, extent.lba.0 + u64::from(extent.blocks));
    while at < end {
        let leaf = leaf_of(at);
        let base = leaf.index * REGION_BLOCKS;
        let until = end.min(base + REGION_BLOCKS);
        let loc = extent.loc.map(|loc| loc.nth((at - extent.lba.0) as u32));
        set_in_leaf(core, leaf, (at - base) as u32, (until - at) as u32, loc, displaced);
        at = until;
    }
}

fn set_in_leaf(
    core: &mut Core,
    leaf: PageKey,
    first: u32,
    blocks: u32,
    loc: Option<Loc>,
    displaced: &mut Vec<(Loc, u32)>,
) {
    let (before, after) = core.cache.change(leaf, |page| {
        let Page::Region(region) = page else { return (0, 0) };
        let before = region.mapped();
        region.runs(first, blocks, |_, blocks, old| displaced.extend(old.map(|old| (old, blocks))));
        Arc::<Region>::make_mut(region).set(first, blocks, loc);
        (before, region.mapped())
    });
    core.used_blocks = core.used_blocks + u64::from(after) - u64::from(before);
}

/// Moves blocks that are still where they are expected; their leaves are pinned.
pub(crate) fn replace_if(
    core: &mut Core,
    lba: Lba,
    blocks: u32,
    expected: Loc,
    new: Loc,
    moved: &mut Vec<(Loc, u32)>,
) {
    let mut runs = Vec::new();
    let mut at = lba.0;
    let missing = super::advance(core, &mut at, lba.0 + u64::from(blocks), 0, &mut runs);
    debug_assert!(missing.is_none(), "leaves are pinned");
    for run in runs {
        // Places within a run advance as those expected do, so its first block decides for all.
        let offset = (run.lba.0 - lba.0) as u32;
        let late = broken(Sabotage::GcMovesOverwritten) && run.loc.is_some();
        if run.loc == Some(expected.nth(offset)) || late {
            set(core, MapExtent { loc: Some(new.nth(offset)), ..run }, moved);
        }
    }
}

/// Makes a hole; the leaves at its edges are pinned with their ancestors, as far as they exist.
pub(crate) fn remove(core: &mut Core, lsn: Lsn, lba: Lba, blocks: u64, displaced: &mut Vec<(Loc, u32)>) {
    let mut hole = Hole { lsn, first: lba.0, end: lba.0 + blocks, cut: false, displaced };
    hole.within(core, PageKey::top(Tree::Map));
    if hole.cut {
        // Pages in memory under an unchanged inner page that was cut off.
        let (first, end) = (hole.first, hole.end);
        core.cache.remove_where(|key| {
            let (low, high) = key.leaves();
            key.tree == Tree::Map
                && !key.is_top()
                && first <= low * REGION_BLOCKS
                && high * REGION_BLOCKS <= end
        });
    }
}

struct Hole<'a> {
    lsn: Lsn,
    first: u64,
    end: u64,
    cut: bool,
    displaced: &'a mut Vec<(Loc, u32)>,
}

impl Hole<'_> {
    /// Removes what is in the hole from an inner page that reaches out of it.
    fn within(&mut self, core: &mut Core, inner: PageKey) {
        for slot in 0..FANOUT {
            let key = inner.child(slot);
            let (low, high) = key.leaves();
            let (low, high) = (low * REGION_BLOCKS, high * REGION_BLOCKS);
            if high <= self.first || low >= self.end {
                continue;
            }
            let stored = core.cache.entry(key).flatten().is_some();
            let in_memory = core.cache.contains(key);
            if self.first <= low && high <= self.end {
                if stored || in_memory {
                    self.drop_tree(core, key);
                    // Also where the entry is empty: a running checkpoint may be about to fill it.
                    core.cache.set_entry(key, None, true);
                }
            } else if !in_memory {
                debug_assert!(!stored, "the edges of a hole are pinned");
            } else if key.level > 0 {
                self.within(core, key);
            } else {
                let (first, end) = (self.first.max(low), self.end.min(high));
                let mut mapped = false;
                if let Some(Page::Region(region)) = core.cache.peek(key) {
                    region.runs((first - low) as u32, (end - first) as u32, |_, _, loc| {
                        mapped |= loc.is_some()
                    });
                }
                if mapped {
                    set_in_leaf(core, key, (first - low) as u32, (end - first) as u32, None, self.displaced);
                }
            }
        }
    }

    /// Forgets a page and all below it. Their stored versions are released, or kept as `Dropped` to be looked at
    /// later. The caller clears the parent's entry.
    fn drop_tree(&mut self, core: &mut Core, key: PageKey) {
        let stored = core.cache.entry(key).flatten();
        let held = core.cache.is_changed(key) || core.cache.is_writing(key);
        // What the running checkpoint replaces, it releases itself.
        let release = if core.cache.is_writing(key) { None } else { stored.map(|child| child.page) };
        match core.cache.peek(key).cloned() {
            Some(Page::Region(region)) => {
                core.used_blocks -= u64::from(region.mapped());
                self.displaced
                    .extend(region.pieces().iter().map(|piece| (piece.loc(), u32::from(piece.blocks))));
                core.released.extend(release);
            }
            Some(Page::Inner(_)) if held => {
                for slot in 0..FANOUT {
                    let child = key.child(slot);
                    if core.cache.contains(child) || core.cache.entry(child).flatten().is_some() {
                        self.drop_tree(core, child);
                    }
                }
                core.released.extend(release);
            }
            Some(Page::Inner(_) | Page::Segments(_)) | None => {
                if let Some(child) = stored {
                    core.used_blocks -= child.count;
                    core.dropped.push_back(Dropped { key, page: child.page, lsn: self.lsn });
                    self.cut = true;
                }
            }
        }
        core.cache.remove(key);
    }
}
