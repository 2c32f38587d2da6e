//! Rollback: the head's map becomes that of a snapshot.
//!
//! The cost follows the difference of the two maps: subtrees that they share are skipped by their references.

use std::collections::BTreeMap;

use super::{DiskState, RecordAt, table};
use crate::disk::checkpoint::SnapshotRoot;
use crate::disk::map::Region;
use crate::disk::pages::{Child, FANOUT, Page, PageKey, PageRef, Tree};
use crate::disk::{DiskError, Loc, SegmentSeq};

/// What differs between the head and the snapshot.
#[derive(Default)]
struct Difference {
    changes: BTreeMap<SegmentSeq, table::Change>,
    /// Stored pages that only the head has, or only the snapshot.
    head_only: Vec<PageRef>,
    snapshot_only: Vec<PageRef>,
}

impl Difference {
    fn count(&mut self, head: Option<&Region>, snapshot: Option<&Region>) {
        let mut held: BTreeMap<Loc, (u32, u32)> = BTreeMap::new();
        let blocks = |region: Option<&Region>| {
            let pieces = region.map(Region::pieces).unwrap_or_default();
            pieces.into_iter().flat_map(|piece| (0..u32::from(piece.blocks)).map(move |i| piece.loc().nth(i)))
        };
        for loc in blocks(head) {
            held.entry(loc).or_default().0 += 1;
        }
        for loc in blocks(snapshot) {
            held.entry(loc).or_default().1 += 1;
        }
        for (loc, (head, snapshot)) in held {
            if head != snapshot {
                let change = self.changes.entry(loc.segment).or_default();
                change.lost += head.saturating_sub(snapshot);
                change.gained += snapshot.saturating_sub(head);
            }
        }
    }
}

impl DiskState {
    /// Applies a Rollback record: map and size become those of the snapshot, whose root must still be whole.
    /// No checkpoint may be under way.
    pub async fn apply_rollback(&self, at: RecordAt, snapshot: &SnapshotRoot) -> Result<(), DiskError> {
        self.begin(at)?;
        let result = self.rollback(at, snapshot).await;
        self.end(at, result).await
    }

    async fn rollback(&self, at: RecordAt, snapshot: &SnapshotRoot) -> Result<(), DiskError> {
        if self.meta.lock().checkpointing {
            return Err(DiskError::Invalid { detail: "rollback during a checkpoint".into() });
        }
        // What was cut off from the head may be part of the snapshot: it must be counted only once.
        while self.reap(64).await? {}
        let mut difference = Difference::default();
        self.compare(&mut difference, snapshot.map).await?;
        let top = PageKey::top(Tree::Map);
        let page = match snapshot.map {
            Some(child) => self.pages.fetch(top, child.page).await?,
            None => Page::empty(top),
        };
        {
            let mut core = self.pages.lock();
            core.cache.remove_where(|key| key.tree == Tree::Map);
            core.cache.insert(top, page);
            core.cache.set_entry(top, snapshot.map, false);
            core.used_blocks = snapshot.map.map_or(0, |child| child.count);
            core.released.append(&mut difference.head_only);
            core.regained.append(&mut difference.snapshot_only);
        }
        difference.changes.entry(at.segment).or_default().record = Some(at);
        self.change_segments(at.lsn, difference.changes).await?;
        self.meta.lock().size_bytes = snapshot.size_bytes;
        Ok(())
    }

    /// Walks both trees where they differ. The stack holds pages to compare: key, whether the head has it, and the
    /// snapshot's version.
    async fn compare(&self, difference: &mut Difference, snapshot: Option<Child>) -> Result<(), DiskError> {
        let mut stack = vec![(PageKey::top(Tree::Map), snapshot)];
        while let Some((key, theirs)) = stack.pop() {
            // The head's page is pinned with its ancestors, so its entry and content are those of now.
            let pins = self.pages.pin(key, false).await?;
            let (stored, changed, ours) = {
                let core = self.pages.lock();
                let stored = core.cache.entry(key).flatten();
                (stored, core.cache.is_changed(key), core.cache.peek(key).cloned())
            };
            if !changed && stored.map(|child| child.page) == theirs.map(|child| child.page) {
                continue;
            }
            let theirs_page = match theirs {
                Some(child) => Some(self.pages.fetch(key, child.page).await?),
                None => None,
            };
            let (stored, theirs) = (stored.map(|child| child.page), theirs.map(|child| child.page));
            if stored != theirs {
                difference.head_only.extend(stored);
                difference.snapshot_only.extend(theirs);
            }
            if key.level > 0 {
                for slot in 0..FANOUT {
                    let child = key.child(slot);
                    let theirs = match &theirs_page {
                        Some(Page::Inner(inner)) => inner.children[slot],
                        Some(Page::Region(_) | Page::Segments(_)) | None => None,
                    };
                    let core = self.pages.lock();
                    let ours = core.cache.contains(child)
                        || (ours.is_some() && core.cache.entry(child).flatten().is_some());
                    if ours || theirs.is_some() {
                        stack.push((child, theirs));
                    }
                }
            } else {
                let region = |page: Option<&Page>| match page {
                    Some(Page::Region(region)) => Some(region.clone()),
                    Some(Page::Inner(_) | Page::Segments(_)) | None => None,
                };
                difference.count(region(ours.as_ref()).as_deref(), region(theirs_page.as_ref()).as_deref());
            }
            drop(pins);
        }
        Ok(())
    }
}
