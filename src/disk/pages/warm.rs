//! Loads the inner pages of both trees after an open, so that a lookup that misses costs one store read and not one
//! for each level. A checkpoint writes inner pages next to each other, so they come in few reads.

use std::sync::Arc;

use super::{Page, PageKey, PageRef, Pages, Tree, all, codec};
use crate::disk::DiskError;

/// Pages no further apart than this are read together.
const GAP_BYTES: u32 = 16 << 10;
/// A read is no longer than this.
const RUN_BYTES: u32 = 1 << 20;
const READS_AT_ONCE: usize = 4;

type Wanted = (PageKey, PageRef);

impl Pages {
    /// Loads inner pages level by level, as long as pages take no more than half of the limit.
    pub async fn warm(self: &Arc<Self>) -> Result<(), DiskError> {
        for tree in [Tree::Map, Tree::Segments] {
            let mut parents = vec![PageKey::top(tree)];
            for _ in 1..tree.top_level() {
                let (children, missing) = self.children(&parents);
                all(runs(missing).into_iter().map(|run| self.load_run(run)), READS_AT_ONCE).await?;
                parents = children;
            }
        }
        Ok(())
    }

    /// The stored children of these pages, and those of them that are not in memory and for which there is room.
    fn children(&self, parents: &[PageKey]) -> (Vec<PageKey>, Vec<Wanted>) {
        let core = self.core.lock();
        let mut children = Vec::new();
        let mut missing = Vec::new();
        let mut room = (core.cache.limit() / 2).saturating_sub(core.cache.bytes());
        for parent in parents {
            let Some(Page::Inner(inner)) = core.cache.peek(*parent) else { continue };
            for (slot, child) in inner.children.iter().enumerate() {
                let Some(child) = child else { continue };
                let key = parent.child(slot);
                children.push(key);
                if !core.cache.contains(key) {
                    match room.checked_sub(Page::empty(key).memory()) {
                        Some(left) => room = left,
                        None => return (children, missing),
                    }
                    missing.push((key, child.page));
                }
            }
        }
        (children, missing)
    }

    /// Reads pages that lie together.
    async fn load_run(&self, run: Vec<Wanted>) -> Result<(), DiskError> {
        let (Some((_, first)), Some((_, last))) = (run.first(), run.last()) else { return Ok(()) };
        let (object, offset) = (first.object, first.offset);
        let length = last.offset + last.length - offset;
        let bytes = self.objects.read(PageRef { object, offset, length }).await?;
        for (key, page) in run {
            let from = (page.offset - offset) as usize;
            let raw = bytes.get(from..from + page.length as usize).unwrap_or(&[]);
            let loaded = codec::decode_page(key, page.length, raw).map_err(|bad| DiskError::Corrupt {
                object: self.objects.name(object),
                offset: u64::from(page.offset) + bad.offset as u64,
                detail: bad.detail,
            })?;
            let mut core = self.core.lock();
            // The tree may have changed meanwhile.
            let current = core.cache.entry(key).flatten().is_some_and(|child| child.page == page);
            if current && !core.cache.contains(key) {
                core.cache.insert(key, loaded);
            }
        }
        self.core.lock().cache.evict();
        Ok(())
    }
}

/// Groups pages that are close to each other.
fn runs(mut pages: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    pages.sort_unstable_by_key(|(_, page)| (page.object, page.offset));
    let mut runs: Vec<Vec<Wanted>> = Vec::new();
    for (key, page) in pages {
        let joins = runs.last().is_some_and(|run| {
            let (first, last) = (run[0].1, run[run.len() - 1].1);
            let end = last.offset.saturating_add(last.length);
            last.object == page.object
                && page.offset <= end.saturating_add(GAP_BYTES)
                && page.offset.saturating_add(page.length) - first.offset <= RUN_BYTES
        });
        match runs.last_mut() {
            Some(run) if joins => run.push((key, page)),
            Some(_) | None => runs.push(vec![(key, page)]),
        }
    }
    runs
}
