//! Copy-on-write page trees of an image under one memory limit: finding, loading and changing pages.
//!
//! Two trees (map, segment table) share one cache and one lock. The lock is never held over I/O. Pages are changed
//! by one task at a time (the one that applies records); readers may come from anywhere.

mod cache;
pub(crate) mod codec;
#[cfg(test)]
pub(crate) mod memory;
mod objects;
mod page;
#[cfg(test)]
mod tests;
mod together;
mod warm;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::sync::Mutex;
use tokio::sync::watch;

pub(crate) use cache::{Cache, Found, FrozenPage, Keeper};
pub(crate) use objects::{MapObjects, StoreObjects};
pub(crate) use page::{Child, FANOUT, Inner, Page, PageKey, PageRef, Tree};

use crate::disk::segments::SegmentTotals;
use crate::disk::{DiskError, Lsn};
use cache::{KeyHasher, Pin};
pub(crate) use together::all;

/// Loads of different pages that may share a stripe wait for each other; loads of one page always do.
const STRIPES: usize = 64;
/// Pages loaded at once for one record.
const LOADS_AT_ONCE: usize = 16;

/// A subtree that a discard or truncate cut off, whose places are still to be counted as dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dropped {
    pub key: PageKey,
    pub page: PageRef,
    /// When it was cut off.
    pub lsn: Lsn,
}

/// What the lock protects.
pub(crate) struct Core {
    pub cache: Cache,
    /// Mapped blocks of the head.
    pub used_blocks: u64,
    pub totals: SegmentTotals,
    /// Stored pages that the trees have let go since the last freeze.
    pub released: Vec<PageRef>,
    /// Stored pages that a rollback took back.
    pub regained: Vec<PageRef>,
    pub dropped: VecDeque<Dropped>,
    /// Pages that a read of several pages will bring; it is over when the sender is gone.
    coming: HashMap<PageKey, watch::Receiver<()>>,
}

pub(crate) struct Pages {
    core: Mutex<Core>,
    objects: Arc<dyn MapObjects>,
    warming: AtomicBool,
    stripes: Vec<tokio::sync::Mutex<()>>,
}

/// Keeps pages in memory while it lives.
pub(crate) struct Pins {
    pages: Arc<Pages>,
    pins: Vec<Pin>,
}

impl Pins {
    fn replace(&mut self, pins: Vec<Pin>) {
        let old = std::mem::replace(&mut self.pins, pins);
        if !old.is_empty() {
            let mut core = self.pages.core.lock();
            old.into_iter().for_each(|pin| core.cache.unpin(pin));
            // A page was loaded; a record may need thousands.
            core.cache.evict();
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut core = self.pages.core.lock();
        for pin in self.pins.drain(..) {
            core.cache.unpin(pin);
        }
        core.cache.evict();
    }
}

impl Pages {
    /// Empty trees.
    pub fn new(objects: Arc<dyn MapObjects>, limit_bytes: usize) -> Arc<Pages> {
        let mut cache = Cache::new(limit_bytes);
        for tree in [Tree::Map, Tree::Segments] {
            cache.insert(PageKey::top(tree), Page::empty(PageKey::top(tree)));
        }
        let core = Core {
            cache,
            used_blocks: 0,
            totals: SegmentTotals::default(),
            released: Vec::new(),
            regained: Vec::new(),
            dropped: VecDeque::new(),
            coming: HashMap::new(),
        };
        let stripes = (0..STRIPES).map(|_| tokio::sync::Mutex::new(())).collect();
        Arc::new(Pages { core: Mutex::new(core), objects, warming: AtomicBool::new(false), stripes })
    }

    /// Trees with these stored top pages. Reads only them, and what lies before each of them.
    pub async fn open(
        objects: Arc<dyn MapObjects>,
        limit_bytes: usize,
        tops: [Option<Child>; 2],
    ) -> Result<Arc<Pages>, DiskError> {
        let pages = Pages::new(objects, limit_bytes);
        for (tree, top) in [Tree::Map, Tree::Segments].into_iter().zip(tops) {
            if let Some(child) = top {
                pages.load_top(tree, child).await?;
            }
        }
        Ok(pages)
    }

    pub fn lock(&self) -> crate::sync::MutexGuard<'_, Core> {
        self.core.lock()
    }

    pub fn objects(&self) -> &Arc<dyn MapObjects> {
        &self.objects
    }

    /// Reads and checks a stored page, past the cache.
    pub async fn fetch(&self, key: PageKey, page: PageRef) -> Result<Page, DiskError> {
        fetch(&*self.objects, key, page).await
    }

    /// Makes a page and its ancestors stay in memory, loading what is missing. Where there is no such page, an
    /// empty one is made if `create`, else as much of the path is pinned as there is.
    pub async fn pin(self: &Arc<Self>, key: PageKey, create: bool) -> Result<Pins, DiskError> {
        let mut pins = Pins { pages: self.clone(), pins: Vec::new() };
        loop {
            // What was pinned stays so while the next page is loaded.
            let mut path = Vec::with_capacity(8);
            let missing = pin_path(&mut self.core.lock().cache, key, create, &mut path);
            pins.replace(path);
            match missing {
                Some((missing, page)) => self.load(missing, page).await?,
                None => return Ok(pins),
            }
        }
    }

    /// Pins many pages, loading several at once. Only for the task that also freezes.
    pub async fn pin_all(
        self: &Arc<Self>,
        keys: impl IntoIterator<Item = PageKey>,
        create: bool,
    ) -> Result<Vec<Pins>, DiskError> {
        let mut ready = Pins { pages: self.clone(), pins: Vec::new() };
        let mut missing = Vec::new();
        {
            let mut core = self.core.lock();
            for key in keys {
                if core.cache.is_changed(key) {
                    // Its ancestors are changed too, and stay until the next freeze.
                    ready.pins.extend(core.cache.pin(key));
                } else if pin_path(&mut core.cache, key, create, &mut ready.pins).is_some() {
                    missing.push(key);
                }
            }
        }
        let mut pins = all(missing.into_iter().map(|key| self.pin(key, create)), LOADS_AT_ONCE).await?;
        pins.push(ready);
        Ok(pins)
    }

    /// Brings a stored page into memory, unless someone else did or its parent names another one by now.
    async fn load(&self, key: PageKey, page: PageRef) -> Result<(), DiskError> {
        let hash = std::hash::BuildHasherDefault::<KeyHasher>::default().hash_one(key);
        let _alone = self.stripes[hash as usize % STRIPES].lock().await;
        let wanted = |core: &Core| {
            !core.cache.contains(key)
                && core.cache.entry(key).flatten().is_some_and(|child| child.page == page)
        };
        let coming = {
            let core = self.core.lock();
            if !wanted(&core) {
                return Ok(());
            }
            core.coming.get(&key).cloned()
        };
        if let Some(mut coming) = coming {
            // Nothing is ever sent: this ends when that read does.
            let _ = coming.changed().await;
            if !wanted(&self.core.lock()) {
                return Ok(());
            }
        }
        let fetched = self.fetch(key, page).await;
        let mut core = self.core.lock();
        if wanted(&core) {
            // Nothing is evicted before the caller has pinned it: `Pins` does so when it goes.
            core.cache.insert(key, fetched?);
        }
        Ok(())
    }
}

/// Pins what is in memory of the path from the top to `key`; returns the first page that must be loaded.
fn pin_path(
    cache: &mut Cache,
    key: PageKey,
    create: bool,
    pins: &mut Vec<Pin>,
) -> Option<(PageKey, PageRef)> {
    for level in (key.level..=key.tree.top_level()).rev() {
        let at = key.ancestor(level);
        match cache.find(at) {
            Found::InMemory => {}
            Found::Stored(missing, page) => return Some((missing, page)),
            Found::Nowhere(_) if create => cache.insert(at, Page::empty(at)),
            Found::Nowhere(_) => return None,
        }
        pins.extend(cache.pin(at));
    }
    None
}

/// Reads and checks a stored page.
pub(crate) async fn fetch(objects: &dyn MapObjects, key: PageKey, page: PageRef) -> Result<Page, DiskError> {
    let bytes = objects.read(page).await?;
    decode(objects, key, page, &bytes)
}

/// Checks the bytes of a stored page.
fn decode(objects: &dyn MapObjects, key: PageKey, page: PageRef, bytes: &[u8]) -> Result<Page, DiskError> {
    codec::decode_page(key, page.length, bytes).map_err(|bad| DiskError::Corrupt {
        object: objects.name(page.object),
        offset: u64::from(page.offset) + bad.offset as u64,
        detail: bad.detail,
    })
}
