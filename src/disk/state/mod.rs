//! The state that records build up: map, segment table, size. Applies records and freezes for checkpoints.
//!
//! Rules for callers:
//! - `apply_*` are called by one task, strictly in LSN order, in replay as well as in normal work;
//! - `freeze` is called by that task between two records;
//! - an error of `apply_*` is final: the state is half changed, takes no more records and refuses to be frozen.
//!   Lookups go on working;
//! - lookups, `segments_deleted` and `clean_map` may be called from any task at any time.

mod correct;
mod dead;
mod reap;
mod rollback;
#[cfg(test)]
mod scale_tests;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::sync::Mutex;

use super::checkpoint::{Object, RootBlob};
use super::map::{self, ExtentMap, MapExtent, change};
use super::names::MapObjectNumber;
use super::pages::{Core, Keeper, MapObjects, PageKey, Pages, StoreObjects};
use super::payload::PayloadEpochs;
use super::sabotage::{Sabotage, broken};
use super::segments::{PAGE_SEGMENTS, SegmentInfo, SegmentTotals, leaf_of};
use super::{
    BLOCK_BYTES, DiskError, DiskNames, Lba, Loc, LocalSeq, Lsn, REGION_BLOCKS, SegmentSeq, WriterEpoch,
};
use crate::store::Store;
pub(crate) use correct::{Corrections, Sums};
use dead::DeadSegments;

/// Cut-off pages looked at after each record while there are any.
const REAP_PER_RECORD: usize = 2;
/// Memory of an entry in the table of map objects, with what the tree needs for it.
const OBJECT_MEMORY: usize = 2 * size_of::<(MapObjectNumber, Object)>();
/// Memory of a page of the segment table.
const TABLE_PAGE_BYTES: usize = 21 << 10;
/// See `has_room_for`. In the simulation so little that the limit alone counts.
const LEAST_ROOM: usize = if cfg!(test) { 64 << 10 } else { 32 << 20 };
/// More cut-off subtrees than this are looked at at once, so that the root stays small.
pub(crate) const MAX_DROPPED: usize = 1024;

/// The record that is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordAt {
    pub lsn: Lsn,
    /// The segment that holds the record.
    pub segment: SegmentSeq,
    /// Bytes of the record.
    pub bytes: u32,
    /// It is in a payload of this epoch's.
    pub payload: Option<WriterEpoch>,
}

/// A move of a `Gc` record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GcMove {
    pub lba: Lba,
    pub blocks: u32,
    pub from: Loc,
    pub to: Loc,
}

/// How much of the map's memory cannot be given back without a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pressure {
    None,
    /// A checkpoint should be begun.
    Checkpoint,
    /// No more records should be applied before a checkpoint has ended.
    Stop,
}

/// What is not kept in pages.
pub(crate) struct Meta {
    pub lsn: Lsn,
    pub size_bytes: u64,
    /// The records so far have all changes of the local log up to this one.
    pub local: LocalSeq,
    pub epoch: WriterEpoch,
    /// Number of the last checkpoint begun (published or not).
    pub checkpoint: u64,
    /// Whether one is being written.
    pub checkpointing: bool,
    /// Counter of the last map object of this epoch.
    pub last_object: u32,
    pub objects: BTreeMap<MapObjectNumber, Object>,
    /// Segments without a live block that are known. A scan of the table finds all.
    pub dead: DeadSegments,
    /// Bytes of dead segments that snapshots pinned when it was last asked what may be deleted.
    pub pinned_bytes: u64,
    /// Published checkpoint: its LSN and the segment of its replay position.
    pub published: Option<(Lsn, SegmentSeq)>,
    pub published_checkpoint: u64,
    pub failed: Option<DiskError>,
}

/// Map, segment table and size of an image's head.
pub struct DiskState {
    pub(crate) pages: Arc<Pages>,
    pub(crate) meta: Mutex<Meta>,
    /// A reader needs no segment table.
    read_only: bool,
    /// Who wrote the payloads that the map names.
    pub(crate) payloads: Arc<PayloadEpochs>,
    /// How often `has_room_for` was asked.
    #[cfg(test)]
    pub(crate) looks: std::sync::atomic::AtomicU64,
}

impl DiskState {
    /// The state of a new image, before any record.
    pub fn new(
        store: Arc<dyn Store>,
        names: DiskNames,
        size_bytes: u64,
        limit_bytes: usize,
    ) -> Arc<DiskState> {
        DiskState::new_on(Arc::new(StoreObjects::new(store, names)), size_bytes, limit_bytes)
    }

    pub(crate) fn new_on(
        objects: Arc<dyn MapObjects>,
        size_bytes: u64,
        limit_bytes: usize,
    ) -> Arc<DiskState> {
        let meta = Meta {
            lsn: Lsn(0),
            size_bytes,
            local: LocalSeq(0),
            epoch: WriterEpoch(0),
            checkpoint: 0,
            checkpointing: false,
            last_object: 0,
            objects: BTreeMap::new(),
            dead: DeadSegments::default(),
            pinned_bytes: 0,
            published: None,
            published_checkpoint: 0,
            failed: None,
        };
        Arc::new(DiskState {
            pages: Pages::new(objects, limit_bytes),
            meta: Mutex::new(meta),
            read_only: false,
            payloads: Arc::default(),
            #[cfg(test)]
            looks: Default::default(),
        })
    }

    /// The state of a checkpoint. Reads two pages at most; the rest of the map is loaded when it is needed.
    pub async fn open(
        store: Arc<dyn Store>,
        names: DiskNames,
        root: &RootBlob,
        limit_bytes: usize,
    ) -> Result<Arc<DiskState>, DiskError> {
        DiskState::open_on(Arc::new(StoreObjects::new(store, names)), root, limit_bytes, false).await
    }

    /// As `open`, for a reader: records are applied to the map alone, and it is never frozen.
    pub async fn open_reader(
        store: Arc<dyn Store>,
        names: DiskNames,
        root: &RootBlob,
        limit_bytes: usize,
    ) -> Result<Arc<DiskState>, DiskError> {
        DiskState::open_on(Arc::new(StoreObjects::new(store, names)), root, limit_bytes, true).await
    }

    pub(crate) async fn open_on(
        objects: Arc<dyn MapObjects>,
        root: &RootBlob,
        limit_bytes: usize,
        read_only: bool,
    ) -> Result<Arc<DiskState>, DiskError> {
        let pages = Pages::open(objects, limit_bytes, root.tops).await?;
        {
            let mut core = pages.lock();
            core.used_blocks = root.used_blocks;
            core.totals = root.totals;
            core.dropped = root.dropped.iter().copied().collect();
        }
        let meta = Meta {
            lsn: root.lsn,
            size_bytes: root.size_bytes,
            local: root.local,
            epoch: root.epoch,
            checkpoint: root.checkpoint,
            checkpointing: false,
            last_object: root.last_object,
            objects: root.objects.clone(),
            dead: DeadSegments::default(),
            pinned_bytes: 0,
            published: Some((root.lsn, root.replay.segment)),
            published_checkpoint: root.checkpoint,
            failed: None,
        };
        let payloads = PayloadEpochs::new(root.payloads.clone());
        let state = DiskState {
            pages,
            meta: Mutex::new(meta),
            read_only,
            payloads,
            #[cfg(test)]
            looks: Default::default(),
        };
        state.count_tables();
        Ok(Arc::new(state))
    }

    /// The epoch of the writer that owns this state from now on: map objects get its numbers.
    pub fn set_epoch(&self, epoch: WriterEpoch) {
        let mut meta = self.meta.lock();
        if meta.epoch != epoch {
            meta.epoch = epoch;
            meta.last_object = 0;
        }
    }

    /// The record that is applied next says that the image then has all changes of the local log up to `local`.
    pub(crate) fn reach_local(&self, local: LocalSeq) {
        let mut meta = self.meta.lock();
        meta.local = meta.local.max(local);
    }

    /// All changes of the local log up to this one are in the records so far.
    pub(crate) fn local(&self) -> LocalSeq {
        self.meta.lock().local
    }

    pub fn map(&self) -> ExtentMap {
        ExtentMap::new(self.pages.clone(), self.payloads.clone())
    }

    /// LSN of the last record applied.
    pub fn lsn(&self) -> Lsn {
        self.meta.lock().lsn
    }

    pub fn size_bytes(&self) -> u64 {
        self.meta.lock().size_bytes
    }

    /// Bytes of blocks that have data.
    pub fn used_bytes(&self) -> u64 {
        self.pages.lock().used_blocks * BLOCK_BYTES
    }

    pub fn totals(&self) -> SegmentTotals {
        self.pages.lock().totals
    }

    /// Bytes of dead segments that the next deletion may remove: not those that a snapshot pinned at the last one.
    pub fn deletable_bytes(&self) -> u64 {
        let meta = self.meta.lock();
        meta.dead.bytes().saturating_sub(meta.pinned_bytes)
    }

    /// Bytes of segments that are known to be dead and wait to be deleted.
    pub fn dead_bytes(&self) -> u64 {
        self.meta.lock().dead.bytes()
    }

    /// The segment in which replay begins; those before it get no more records.
    pub fn published_segment(&self) -> SegmentSeq {
        self.meta.lock().published.map_or(SegmentSeq(0), |(_, segment)| segment)
    }

    /// Bytes that the pages and the tables beside them take in memory.
    pub fn memory_bytes(&self) -> usize {
        let core = self.pages.lock();
        core.cache.bytes() + core.cache.beside()
    }

    /// Bytes of the root that the next checkpoint publishes, as far as they grow with the image.
    pub fn root_bytes(&self) -> usize {
        let dropped = self.pages.lock().dropped.len();
        super::checkpoint::root_bytes(self.meta.lock().objects.len(), dropped, self.payloads.len())
    }

    /// The tables that grow with the image and are not kept in pages leave the pages less room.
    pub(crate) fn count_tables(&self) {
        let beside = {
            let meta = self.meta.lock();
            meta.dead.memory() + meta.objects.len() * OBJECT_MEMORY
        };
        self.pages.lock().cache.set_beside(beside);
    }

    /// Loads the inner pages of the map, so that a lookup costs one store read at most. Reads what lies together at
    /// once; does nothing beyond half of the memory limit.
    pub async fn warm(&self) -> Result<(), DiskError> {
        self.pages.warm().await
    }

    pub fn set_memory_limit(&self, bytes: usize) {
        self.pages.lock().cache.set_limit(bytes);
    }

    /// Changed pages stay in memory, so a checkpoint must come before they take all of it.
    pub fn pressure(&self) -> Pressure {
        self.pressure_before(std::iter::empty())
    }

    /// As `pressure`, before a record of these extents is applied: one of 8 MiB may change two thousand regions, and as
    /// many pages of the segment table.
    pub fn pressure_before(&self, extents: impl Iterator<Item = MapExtent>) -> Pressure {
        let core = self.pages.lock();
        let (held, limit) = (core.cache.held(Keeper::Writer), core.cache.limit());
        // However large it is: what was changed before it has some room.
        let need = self.cost_of_changes(&core, extents, Keeper::Writer).min(limit / 2);
        if held + need >= limit / 10 * 9 {
            Pressure::Stop
        } else if held + need / 2 >= limit / 2 {
            Pressure::Checkpoint
        } else {
            Pressure::None
        }
    }

    /// Whether who opens the image after a crash can keep all of these changes beside what is in no checkpoint yet: a
    /// reader takes none. A limit that is smaller than what a few records need is not kept so strictly.
    pub fn has_room_for(&self, extents: impl Iterator<Item = MapExtent>) -> bool {
        #[cfg(test)]
        self.looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let core = self.pages.lock();
        let room = (core.cache.limit() / 10 * 9).max(LEAST_ROOM);
        core.cache.held(Keeper::Successor) + self.cost_of_changes(&core, extents, Keeper::Successor) < room
    }

    /// Bytes more that this keeper has to keep when these extents are applied, at most about.
    fn cost_of_changes(
        &self,
        core: &Core,
        extents: impl Iterator<Item = MapExtent>,
        keeper: Keeper,
    ) -> usize {
        let (mut need, mut blocks, mut last) = (0, 0, None);
        let mut change = |leaf: PageKey, new: bool| {
            let parent = leaf.ancestor(1);
            if last.is_none_or(|last: PageKey| last.ancestor(1) != parent) {
                need += core.cache.cost_of_change(parent, new, keeper);
            }
            if last != Some(leaf) {
                need += core.cache.cost_of_change(leaf, new, keeper);
            }
            last = Some(leaf);
        };
        for extent in extents.filter(|extent| extent.blocks > 0) {
            let count = u64::from(extent.blocks);
            match extent.loc {
                Some(_) => {
                    change::leaves(extent.lba, count).for_each(|leaf| change(leaf, true));
                    blocks += count;
                }
                // The pages at its edges. What lies between them is counted as dead later, a few pages with each record.
                None => {
                    change::edges(extent.lba, count).for_each(|leaf| change(leaf, false));
                    blocks += count.min(2 * REGION_BLOCKS);
                }
            }
        }
        // A page of the segment table for each block that dies, if there are so many that are not held already.
        let newest = self.meta.lock().published.map_or(0, |(_, segment)| segment.0);
        let pages = (newest / PAGE_SEGMENTS + 1).saturating_sub(core.cache.held_table_leaves(keeper) as u64);
        need + pages.min(blocks).min(core.totals.segments) as usize * TABLE_PAGE_BYTES
    }

    /// Applies a Data record: runs of data (in slots of this record) and holes.
    pub async fn apply_data(&self, at: RecordAt, extents: &[MapExtent]) -> Result<(), DiskError> {
        self.begin(at)?;
        let result = self.data(at, extents).await;
        self.end(at, result).await
    }

    /// Applies a Gc record: blocks move that are still at their source.
    pub async fn apply_gc(&self, at: RecordAt, moves: &[GcMove]) -> Result<(), DiskError> {
        self.begin(at)?;
        let result = self.gc(at, moves).await;
        self.end(at, result).await
    }

    /// Applies a Resize record. What is past the new end becomes a hole; a partial last block is the caller's care.
    pub async fn apply_resize(&self, at: RecordAt, size_bytes: u64) -> Result<(), DiskError> {
        self.begin(at)?;
        let result = self.resize(at, size_bytes).await;
        self.end(at, result).await
    }

    /// Applies a record that changes nothing here (EpochStart, SnapCreate).
    pub async fn apply_other(&self, at: RecordAt) -> Result<(), DiskError> {
        self.begin(at)?;
        let result = self.count(at, &[], &[]).await;
        self.end(at, result).await
    }

    fn begin(&self, at: RecordAt) -> Result<(), DiskError> {
        let meta = self.meta.lock();
        if let Some(error) = &meta.failed {
            return Err(error.clone());
        }
        if at.lsn <= meta.lsn {
            let detail = format!("record {} was applied after {}", at.lsn.0, meta.lsn.0);
            return Err(DiskError::Invalid { detail });
        }
        // Before the map names a place there.
        if let Some(epoch) = at.payload {
            self.payloads.note(at.segment, epoch);
        }
        Ok(())
    }

    async fn end(&self, at: RecordAt, result: Result<(), DiskError>) -> Result<(), DiskError> {
        let result = match result {
            Ok(()) => {
                self.meta.lock().lsn = at.lsn;
                self.count_tables();
                self.reap_some().await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            self.meta.lock().failed = Some(error.clone());
        }
        result
    }

    async fn data(&self, at: RecordAt, extents: &[MapExtent]) -> Result<(), DiskError> {
        for extent in extents {
            map::check(extent.lba, u64::from(extent.blocks))?;
        }
        let extents = || extents.iter().filter(|extent| extent.blocks > 0);
        let data = extents().filter(|extent| extent.loc.is_some());
        let data = data.flat_map(|extent| change::leaves(extent.lba, u64::from(extent.blocks)));
        let holes = extents().filter(|extent| extent.loc.is_none());
        let holes = holes.flat_map(|extent| change::edges(extent.lba, u64::from(extent.blocks)));
        let _data = self.pages.pin_all(unique(data), true).await?;
        let _holes = self.pages.pin_all(unique(holes), false).await?;
        let mut displaced = Vec::new();
        let mut gained = Vec::new();
        {
            let mut core = self.pages.lock();
            for extent in extents() {
                match extent.loc {
                    Some(loc) => {
                        change::set(&mut core, *extent, &mut displaced);
                        gained.push((loc, extent.blocks, at.lsn));
                    }
                    None => {
                        let blocks = u64::from(extent.blocks);
                        change::remove(&mut core, at.lsn, extent.lba, blocks, &mut displaced);
                    }
                }
                // While a checkpoint is written, what is changed is there twice.
                core.cache.evict();
            }
        }
        let written = gained.iter().map(|&(_, blocks, _)| (blocks, at.lsn)).collect::<Vec<_>>();
        let live: Vec<_> = gained.into_iter().map(|(loc, blocks, _)| (loc, blocks)).collect();
        self.count_changes(at, &written, &live, &displaced).await
    }

    async fn gc(&self, at: RecordAt, moves: &[GcMove]) -> Result<(), DiskError> {
        for moved in moves {
            map::check(moved.lba, u64::from(moved.blocks))?;
        }
        let moves = || moves.iter().filter(|moved| moved.blocks > 0);
        let leaves = moves().flat_map(|moved| change::leaves(moved.lba, u64::from(moved.blocks)));
        let _leaves = self.pages.pin_all(unique(leaves), true).await?;
        let _sources =
            self.pages.pin_all(unique(moves().map(|moved| leaf_of(moved.from.segment).0)), true).await?;
        let mut displaced = Vec::new();
        let mut live = Vec::new();
        let mut written = Vec::new();
        {
            let mut core = self.pages.lock();
            for moved in moves() {
                let from = displaced.len();
                change::replace_if(&mut core, moved.lba, moved.blocks, moved.from, moved.to, &mut displaced);
                let blocks = displaced[from..].iter().map(|&(_, blocks): &(Loc, u32)| blocks).sum();
                if blocks > 0 {
                    live.push((moved.to, blocks));
                }
                // The copy is as old as its source.
                let age = table::get(&mut core, moved.from.segment).map_or(at.lsn, |info| info.age);
                written.push((moved.blocks, age));
                core.cache.evict();
            }
        }
        self.count_changes(at, &written, &live, &displaced).await
    }

    async fn resize(&self, at: RecordAt, size_bytes: u64) -> Result<(), DiskError> {
        let mut displaced = Vec::new();
        let first = size_bytes.div_ceil(BLOCK_BYTES);
        if !broken(Sabotage::ResizeKeepsCutOff) {
            self.map().truncate(at.lsn, first, &mut displaced).await?;
        }
        self.count(at, &[], &displaced).await?;
        self.meta.lock().size_bytes = size_bytes;
        Ok(())
    }

    async fn count(
        &self,
        at: RecordAt,
        live: &[(Loc, u32)],
        displaced: &[(Loc, u32)],
    ) -> Result<(), DiskError> {
        self.count_changes(at, &[], live, displaced).await
    }

    /// Brings the segment table up to date with a record: its own slots (blocks and the LSN that tells their age),
    /// the places that became live, the places that died.
    async fn count_changes(
        &self,
        at: RecordAt,
        written: &[(u32, Lsn)],
        live: &[(Loc, u32)],
        displaced: &[(Loc, u32)],
    ) -> Result<(), DiskError> {
        let mut changes: BTreeMap<SegmentSeq, table::Change> = BTreeMap::new();
        let own = changes.entry(at.segment).or_default();
        own.record = Some(at);
        own.written.extend_from_slice(written);
        for &(loc, blocks) in live {
            changes.entry(loc.segment).or_default().gained += blocks;
        }
        for &(loc, blocks) in displaced {
            changes.entry(loc.segment).or_default().lost += blocks;
        }
        self.change_segments(at.lsn, changes).await
    }
}

fn unique(keys: impl Iterator<Item = PageKey>) -> BTreeSet<PageKey> {
    keys.collect()
}
