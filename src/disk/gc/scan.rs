//! Goes through the whole segment table without filling the page cache with it.

use super::victims::{Best, Candidate, Limits, Space};
use crate::disk::pages::{FANOUT, Page, PageKey, Tree};
use crate::disk::segments::PAGE_SEGMENTS;
use crate::disk::state::DiskState;
use crate::disk::{DiskError, SegmentInfo, SegmentSeq};

/// What a scan found.
pub(crate) struct Scan {
    pub space: Space,
    pub best: Best,
    /// The oldest of those that are not in payloads and could be moved there.
    pub appended: Vec<Candidate>,
}

impl DiskState {
    /// Calls `each` for every segment of the table, ascending. The table may change meanwhile: an entry is given as
    /// it is when the scan comes by.
    pub async fn each_segment(
        &self,
        mut each: impl FnMut(SegmentSeq, &SegmentInfo),
    ) -> Result<(), DiskError> {
        let mut stack = vec![PageKey::top(Tree::Segments)];
        while let Some(key) = stack.pop() {
            if key.level > 0 {
                let _pins = self.pages.pin(key, false).await?;
                let core = self.pages.lock();
                let there = |child: &PageKey| {
                    core.cache.contains(*child) || core.cache.entry(*child).flatten().is_some()
                };
                stack.extend((0..FANOUT).rev().map(|slot| key.child(slot)).filter(there));
                continue;
            }
            let page = self.segment_page(key).await?;
            if let Some(Page::Segments(page)) = page {
                for (slot, info) in page.iter() {
                    each(SegmentSeq(key.index * PAGE_SEGMENTS + slot as u64), &info);
                }
            }
        }
        Ok(())
    }

    /// A leaf of the table, read past the cache if it is not there.
    async fn segment_page(&self, key: PageKey) -> Result<Option<Page>, DiskError> {
        let (parent, _) = key.parent().unwrap_or((key, 0));
        let stored = {
            let _pins = self.pages.pin(parent, false).await?;
            let core = self.pages.lock();
            if let Some(page) = core.cache.peek(key) {
                return Ok(Some(page.clone()));
            }
            core.cache.entry(key).flatten()
        };
        let Some(stored) = stored else { return Ok(None) };
        match self.pages.fetch(key, stored.page).await {
            Ok(page) => Ok(Some(page)),
            Err(_) => {
                // It may have been replaced by a checkpoint meanwhile; what the tree has now must be readable.
                let _pins = self.pages.pin(key, false).await?;
                Ok(self.pages.lock().cache.peek(key).cloned())
            }
        }
    }

    /// Finds the best `most` segments to clean, and all dead ones that were not known.
    pub(crate) async fn scan(&self, limits: Limits, most: usize) -> Result<Scan, DiskError> {
        let mut space = Space::default();
        let mut best = Best::new(most);
        let (mut dead, mut appended) = (Vec::new(), Vec::new());
        let mut payloads = self.payloads.look();
        self.each_segment(|seq, info| {
            if info.payload {
                payloads.found(seq);
            } else if appended.len() < most && limits.movable(seq, info) {
                appended.push(Candidate { seq, info: *info, score: 0.0 });
            }
            if limits.eligible(seq, info) {
                space.add(info);
            }
            if let Some(candidate) = limits.candidate(seq, info) {
                best.offer(candidate);
            }
            if info.live == 0 {
                dead.push(seq);
            }
        })
        .await?;
        self.payloads.forget(&payloads);
        for seq in dead {
            self.note_if_dead(seq).await?;
        }
        Ok(Scan { space, best, appended })
    }
}
