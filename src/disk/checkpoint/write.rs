//! Freezes the state between two records and writes the changed pages into new map objects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::{Object, Replay, RootBlob};
use crate::disk::DiskError;
use crate::disk::names::MapObjectNumber;
use crate::disk::pages::codec::encode;
use crate::disk::pages::{Child, FrozenPage, Inner, MapObjects, Page, PageKey, PageRef, Tree};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::state::DiskState;
use crate::store::BoxFuture;

/// A map object is closed when it is this long. Small enough that cleaning one is little work.
pub(crate) const OBJECT_BYTES: usize = 4 << 20;
/// Map objects being written at once; with the one that is being filled they take as many times `OBJECT_BYTES` and one of the
/// map's memory.
const WRITES_AT_ONCE: usize = 2;
/// No page is encoded longer than this: a region of single blocks that cannot be packed.
const LONGEST_PAGE: usize = 66 << 10;

/// The state between two records, on its way to the store. If it is dropped before `published`, its pages count as
/// changed again.
pub struct Frozen {
    state: Arc<DiskState>,
    pages: Vec<FrozenPage>,
    /// Stored versions that the trees let go before this checkpoint, or got back (rollback).
    released: Vec<PageRef>,
    regained: Vec<PageRef>,
    /// New versions of the pages: set by `write`.
    stored: BTreeMap<PageKey, Option<Child>>,
    root: RootBlob,
    /// Objects that `write` wrote, and their bytes.
    written: Vec<(MapObjectNumber, u32)>,
    done: bool,
}

impl DiskState {
    /// Freezes the state as it is after the last record applied; `replay` is where the record after it begins.
    /// Memory only, in time proportional to the number of changed pages. `None` while a checkpoint is under way.
    /// Called by the task that applies records.
    pub fn freeze(self: &Arc<Self>, replay: Replay) -> Result<Option<Frozen>, DiskError> {
        // Locks are taken in this order wherever both are held.
        let mut core = self.pages.lock();
        let mut meta = self.meta.lock();
        if let Some(error) = &meta.failed {
            return Err(error.clone());
        }
        if meta.checkpointing {
            return Ok(None);
        }
        meta.checkpointing = true;
        meta.checkpoint += 1;
        let root = RootBlob {
            epoch: meta.epoch,
            checkpoint: meta.checkpoint,
            lsn: meta.lsn,
            replay,
            size_bytes: meta.size_bytes,
            used_blocks: core.used_blocks,
            local: meta.local,
            totals: core.totals,
            last_object: meta.last_object,
            tops: [Tree::Map, Tree::Segments].map(|tree| core.cache.entry(PageKey::top(tree)).flatten()),
            objects: meta.objects.clone(),
            dropped: core.dropped.iter().copied().collect(),
            payloads: self.payloads.list(),
        };
        Ok(Some(Frozen {
            state: self.clone(),
            pages: core.cache.freeze(),
            released: std::mem::take(&mut core.released),
            regained: std::mem::take(&mut core.regained),
            stored: BTreeMap::new(),
            root,
            written: Vec::new(),
            done: false,
        }))
    }
}

impl Frozen {
    /// Number of changed pages, all of which will be written.
    pub fn changed_pages(&self) -> usize {
        self.pages.len()
    }

    /// Writes the pages. When it returns, all that the root refers to is durable. After an error nothing was
    /// changed that any root reaches, and the checkpoint is given up by dropping it.
    pub async fn write(&mut self) -> Result<RootBlob, DiskError> {
        let mut writer = Writer {
            objects: self.state.pages.objects().clone(),
            state: self.state.clone(),
            buffer: Vec::new(),
            number: None,
            // What is encoded is shorter.
            expected: self.pages.iter().flat_map(|frozen| &frozen.page).map(Page::memory).sum(),
            in_flight: VecDeque::new(),
            written: Vec::new(),
        };
        let result = self.write_pages(&mut writer).await;
        self.written = std::mem::take(&mut writer.written);
        drop(writer);
        if let Err(error) = result {
            // No root names them, so they go at once: the store may be full.
            for (number, bytes) in std::mem::take(&mut self.written) {
                if self.state.pages.objects().remove(number).await.is_err() {
                    self.written.push((number, bytes));
                }
            }
            return Err(error);
        }
        for &(number, bytes) in &self.written {
            let born = self.root.checkpoint;
            self.root.objects.insert(number, Object { born, died: 0, bytes, live: 0 });
            self.root.last_object = self.root.last_object.max(number.0 as u32);
        }
        self.account()?;
        Ok(self.root.clone())
    }

    /// Lower levels first, so that each inner page can name its children's new places.
    async fn write_pages(&mut self, writer: &mut Writer) -> Result<(), DiskError> {
        let mut updates: BTreeMap<PageKey, Vec<(usize, Option<Child>)>> = BTreeMap::new();
        for frozen in &mut self.pages {
            let key = frozen.key;
            let Some(kept) = frozen.page.take() else { continue };
            let mut page = kept.clone();
            if let (Page::Inner(inner), Some(updates)) = (&mut page, updates.remove(&key)) {
                let inner = Arc::<Inner>::make_mut(inner);
                for (slot, child) in updates {
                    inner.children[slot] = child;
                }
            }
            let new = if page.is_empty() {
                None
            } else {
                let count = match &page {
                    Page::Inner(inner) => inner.children.iter().flatten().map(|child| child.count).sum(),
                    Page::Region(region) => u64::from(region.mapped()),
                    Page::Segments(page) => page.live(),
                };
                Some(Child { page: writer.put(key, &page).await?, count })
            };
            drop(page);
            self.state.pages.lock().cache.encoded(key, frozen.ticket, kept);
            match key.parent() {
                Some((parent, slot)) => updates.entry(parent).or_default().push((slot, new)),
                None => self.root.tops[key.tree as usize] = new,
            }
            self.stored.insert(key, new);
        }
        debug_assert!(updates.is_empty(), "the parent of a changed page is changed");
        writer.end().await
    }

    /// Brings the table of map objects up to date with what this checkpoint reaches.
    fn account(&mut self) -> Result<(), DiskError> {
        let objects = &mut self.root.objects;
        let unknown = |page: &PageRef| DiskError::Invalid {
            detail: format!("page {page:?} does not agree with the table of map objects"),
        };
        let gained = self.stored.values().flatten().map(|child| child.page);
        for page in gained.chain(self.regained.iter().copied()) {
            let object = objects.get_mut(&page.object).ok_or_else(|| unknown(&page))?;
            object.live = object.live.checked_add(page.length).ok_or_else(|| unknown(&page))?;
            object.died = 0;
        }
        let lost = self.pages.iter().filter_map(|frozen| frozen.old).map(|child| child.page);
        for page in lost.chain(self.released.iter().copied()) {
            let object = objects.get_mut(&page.object).ok_or_else(|| unknown(&page))?;
            object.live = object.live.checked_sub(page.length).ok_or_else(|| unknown(&page))?;
            if object.live == 0 {
                object.died = self.root.checkpoint;
            }
        }
        Ok(())
    }

    /// To be called when the root that `write` returned was published: the pages are clean now.
    pub fn published(mut self) -> Arc<DiskState> {
        self.done = true;
        let state = self.state.clone();
        let pages: Vec<_> = self.pages.drain(..).map(|frozen| (frozen.key, frozen.ticket)).collect();
        let mut core = state.pages.lock();
        for (key, ticket) in pages {
            let new = self.stored.get(&key).copied().flatten();
            if core.cache.finish(key, ticket, false) {
                // A parent that did not change since then is stored with this entry.
                core.cache.set_entry(key, new, false);
            } else {
                // Dropped meanwhile: the next checkpoint does not reach it.
                core.released.extend(new.map(|child| child.page));
            }
        }
        core.cache.finished();
        drop(core);
        let mut meta = state.meta.lock();
        meta.checkpointing = false;
        meta.objects = std::mem::take(&mut self.root.objects);
        meta.published = Some((self.root.lsn, self.root.replay.segment));
        meta.published_checkpoint = self.root.checkpoint;
        drop(meta);
        state.count_tables();
        state
    }

    /// The checkpoint failed, or it is not known whether its root was published. Its pages count as changed, and
    /// what it wrote belongs to it alone: dead from the next checkpoint on.
    fn undo(&mut self) {
        let mut core = self.state.pages.lock();
        for frozen in self.pages.drain(..) {
            if !core.cache.finish(frozen.key, frozen.ticket, true) {
                // Dropped meanwhile, and its old version was left to this checkpoint to release.
                core.released.extend(frozen.old.map(|child| child.page));
            }
        }
        core.released.append(&mut self.released);
        core.regained.append(&mut self.regained);
        core.cache.finished();
        drop(core);
        let mut meta = self.state.meta.lock();
        meta.checkpointing = false;
        for (number, bytes) in self.written.drain(..) {
            let born = self.root.checkpoint;
            meta.objects.insert(number, Object { born, died: born + 1, bytes, live: 0 });
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if !self.done {
            self.undo();
        }
    }
}

/// Packs pages into objects and writes them.
struct Writer {
    objects: Arc<dyn MapObjects>,
    state: Arc<DiskState>,
    buffer: Vec<u8>,
    number: Option<MapObjectNumber>,
    /// Bytes that may follow.
    expected: usize,
    /// Writes that were begun, and their bytes.
    in_flight: VecDeque<(usize, BoxFuture<Result<(), DiskError>>)>,
    written: Vec<(MapObjectNumber, u32)>,
}

impl Writer {
    async fn put(&mut self, key: PageKey, page: &Page) -> Result<PageRef, DiskError> {
        let object = match self.number {
            Some(number) => number,
            None => {
                let number = self.state.next_object()?;
                self.number = Some(number);
                // At once: a buffer that grows is there twice while it moves.
                self.buffer.reserve_exact(self.expected.min(OBJECT_BYTES + LONGEST_PAGE));
                self.count();
                number
            }
        };
        let offset = self.buffer.len() as u32;
        let length = encode(key, page, &mut self.buffer);
        self.expected = self.expected.saturating_sub(page.memory());
        if self.buffer.len() >= OBJECT_BYTES {
            self.close().await?;
        }
        Ok(PageRef { object, offset, length })
    }

    /// Starts to write the object that was filled.
    async fn close(&mut self) -> Result<(), DiskError> {
        if let Some(number) = self.number.take() {
            let data = Bytes::from(std::mem::take(&mut self.buffer));
            self.written.push((number, data.len() as u32));
            if self.in_flight.len() >= WRITES_AT_ONCE
                && let Some((_, write)) = self.in_flight.pop_front()
            {
                write.await?;
            }
            self.in_flight.push_back((data.len(), self.objects.write(number, data)));
            self.count();
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// What is encoded counts as the map's memory.
    fn count(&self) {
        let in_flight: usize = self.in_flight.iter().map(|(bytes, _)| bytes).sum();
        self.state.pages.lock().cache.set_encoded(self.buffer.capacity() + in_flight);
    }

    async fn end(&mut self) -> Result<(), DiskError> {
        self.close().await?;
        for (_, write) in std::mem::take(&mut self.in_flight) {
            if broken(Sabotage::CheckpointBeforePages) {
                continue;
            }
            write.await?;
        }
        self.count();
        Ok(())
    }
}

impl DiskState {
    /// A number for a map object that was never used.
    fn next_object(&self) -> Result<MapObjectNumber, DiskError> {
        let mut meta = self.meta.lock();
        meta.last_object = meta.last_object.checked_add(1).ok_or_else(|| DiskError::Failed {
            reason: "out of map object numbers; open the image again".into(),
        })?;
        Ok(MapObjectNumber(u64::from(meta.epoch.0) << 32 | u64::from(meta.last_object)))
    }
}
