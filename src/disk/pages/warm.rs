//! Loads the inner pages of both trees after an open, so that a lookup that misses costs one store read and not one
//! for each level. A checkpoint writes inner pages next to each other, those of lower levels first, so they come in few
//! reads, and the upper ones with the top page.

use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::{Child, Page, PageKey, PageRef, Pages, Tree, all, codec, decode};
use crate::disk::DiskError;

/// Pages no further apart than this are read together.
const GAP_BYTES: u32 = 16 << 10;
/// A read is no longer than this.
const RUN_BYTES: u32 = 1 << 20;
const READS_AT_ONCE: usize = 8;
/// What is read before a top page: in an image of 16 TiB that was written as a whole, all levels but the last over the
/// leaves; in a small one all.
const BEFORE_TOP: u32 = 128 << 10;

type Wanted = (PageKey, PageRef);

/// A read of several pages that is under way. Whoever needs one of them waits until this is dropped.
struct Coming<'a> {
    pages: &'a Pages,
    run: &'a [Wanted],
    _over: watch::Sender<()>,
}

impl<'a> Coming<'a> {
    fn new(pages: &'a Pages, run: &'a [Wanted]) -> Coming<'a> {
        let (sender, receiver) = watch::channel(());
        let mut core = pages.core.lock();
        core.coming.extend(run.iter().map(|(key, _)| (*key, receiver.clone())));
        drop(core);
        Coming { pages, run, _over: sender }
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut core = self.pages.core.lock();
        for (key, _) in self.run {
            core.coming.remove(key);
        }
    }
}

/// There is one at a time.
struct Warming<'a>(&'a Pages);

impl Drop for Warming<'_> {
    fn drop(&mut self) {
        self.0.warming.store(false, Ordering::Relaxed);
    }
}

impl Pages {
    /// Loads inner pages level by level, as long as pages take no more than half of the limit. Does nothing where that is
    /// under way already.
    pub async fn warm(&self) -> Result<(), DiskError> {
        if self.warming.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let _warming = Warming(self);
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

    /// Loads a top page, which is not yet anybody's, and what inner pages lie right before it.
    pub(super) async fn load_top(&self, tree: Tree, top: Child) -> Result<(), DiskError> {
        let (key, place) = (PageKey::top(tree), top.page);
        let before = place.offset.min(BEFORE_TOP);
        let begin = place.offset - before;
        let read = PageRef { offset: begin, length: before + place.length, ..place };
        let bytes = self.objects.read(read).await?;
        let page = decode(&*self.objects, key, place, bytes.get(before as usize..).unwrap_or(&[]))?;
        {
            let mut core = self.core.lock();
            core.cache.remove(key);
            core.cache.insert(key, page);
            core.cache.set_entry(key, Some(top), false);
        }
        let mut parents = vec![key];
        for _ in 1..tree.top_level() {
            let (children, missing) = self.children(&parents);
            for (key, page) in missing {
                let from = page.offset.checked_sub(begin).filter(|_| page.object == place.object);
                let raw =
                    from.and_then(|from| bytes.get(from as usize..from as usize + page.length as usize));
                // One that is damaged fails when it is needed.
                if let Some(Ok(page)) = raw.map(|raw| codec::decode_page(key, page.length, raw)) {
                    self.core.lock().cache.insert(key, page);
                }
            }
            parents = children;
        }
        self.core.lock().cache.evict();
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
        let coming = Coming::new(self, &run);
        let bytes = self.objects.read(PageRef { object, offset, length }).await?;
        for &(key, page) in &run {
            let from = (page.offset - offset) as usize;
            let raw = bytes.get(from..from + page.length as usize).unwrap_or(&[]);
            let loaded = decode(&*self.objects, key, page, raw)?;
            let mut core = self.core.lock();
            // The tree may have changed meanwhile.
            let current = core.cache.entry(key).flatten().is_some_and(|child| child.page == page);
            if current && !core.cache.contains(key) {
                core.cache.insert(key, loaded);
            }
        }
        drop(coming);
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
