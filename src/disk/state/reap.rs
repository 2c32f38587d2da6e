//! Counts what discards cut off: the places under dropped subtrees die, their pages are released.
//!
//! A dropped subtree is part of each checkpoint until it was looked at, so its pages stay and nothing is lost by a
//! crash. Until then its blocks count as live, which keeps segments longer than needed, never shorter.

use std::collections::BTreeMap;

use super::{DiskState, MAX_DROPPED, REAP_PER_RECORD, table};
use crate::disk::pages::{Dropped, Page};
use crate::disk::{DiskError, SegmentSeq};

impl DiskState {
    /// Looks at up to `max_pages` pages that discards cut off; true if there are more. Called by the task that
    /// applies records, between two records; worth calling when it has nothing else to do.
    pub async fn reap(&self, max_pages: usize) -> Result<bool, DiskError> {
        if let Some(error) = self.meta.lock().failed.clone() {
            return Err(error);
        }
        if self.read_only {
            self.pages.lock().dropped.clear();
            return Ok(false);
        }
        for _ in 0..max_pages {
            let Some(dropped) = self.pages.lock().dropped.pop_back() else { return Ok(false) };
            if let Err(error) = self.reap_page(dropped).await {
                self.meta.lock().failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(!self.pages.lock().dropped.is_empty())
    }

    /// Whether there is anything to `reap`.
    pub fn has_dropped(&self) -> bool {
        !self.pages.lock().dropped.is_empty()
    }

    /// The share of one record.
    pub(super) async fn reap_some(&self) -> Result<(), DiskError> {
        let mut more = self.reap(REAP_PER_RECORD).await?;
        while more && self.pages.lock().dropped.len() > MAX_DROPPED {
            more = self.reap(REAP_PER_RECORD).await?;
        }
        Ok(())
    }

    async fn reap_page(&self, dropped: Dropped) -> Result<(), DiskError> {
        match self.pages.fetch(dropped.key, dropped.page).await? {
            Page::Region(region) => {
                let mut changes: BTreeMap<SegmentSeq, table::Change> = BTreeMap::new();
                for piece in region.pieces() {
                    changes.entry(piece.loc().segment).or_default().lost += u32::from(piece.blocks);
                }
                self.change_segments(dropped.lsn, changes).await?;
            }
            Page::Inner(inner) => {
                // The newest is looked at first, so that the list does not grow with the width of the tree.
                let mut core = self.pages.lock();
                for (slot, child) in inner.children.iter().enumerate() {
                    if let Some(child) = child {
                        let key = dropped.key.child(slot);
                        core.dropped.push_back(Dropped { key, page: child.page, lsn: dropped.lsn });
                    }
                }
            }
            Page::Segments(_) => {}
        }
        self.pages.lock().released.push(dropped.page);
        Ok(())
    }
}
