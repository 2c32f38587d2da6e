//! The map of a large image that was written at random: its pages are the engine's own, opening reads little, a lookup costs one read,
//! memory stays below its limit, a checkpoint costs what was changed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;

use super::pages::memory::MemoryObjects;
use super::pages::{MapObjects, PageRef};
use super::synthetic::Synthetic;
use super::testing::{Chance, block_on};
use super::*;
use crate::store::BoxFuture;

/// A synthetic map, and what is written after it.
struct Objects {
    map: Synthetic,
    new: MemoryObjects,
    reads: AtomicU64,
    /// Whose memory is looked at with each request, and the most that was seen.
    watched: OnceLock<Weak<DiskState>>,
    most_memory: AtomicUsize,
}

impl Objects {
    fn new(map: Synthetic) -> Arc<Objects> {
        Arc::new(Objects {
            map,
            new: MemoryObjects::default(),
            reads: AtomicU64::new(0),
            watched: OnceLock::new(),
            most_memory: AtomicUsize::new(0),
        })
    }

    fn watch(&self) {
        if let Some(state) = self.watched.get().and_then(Weak::upgrade) {
            self.most_memory.fetch_max(state.memory_bytes(), Relaxed);
        }
    }

    /// (objects, bytes)
    fn written(&self) -> (usize, u64) {
        (self.new.objects.lock().len(), self.new.bytes_written.load(Relaxed))
    }
}

impl MapObjects for Objects {
    fn read(&self, page: PageRef) -> BoxFuture<Result<Bytes, DiskError>> {
        self.reads.fetch_add(1, Relaxed);
        self.watch();
        match self.map.read(page.object, u64::from(page.offset), u64::from(page.length)) {
            Some(bytes) => Box::pin(async move { Ok(bytes) }),
            None => self.new.read(page),
        }
    }

    fn write(&self, number: MapObjectNumber, data: Bytes) -> BoxFuture<Result<(), DiskError>> {
        self.watch();
        self.new.write(number, data)
    }

    fn remove(&self, number: MapObjectNumber) -> BoxFuture<Result<bool, DiskError>> {
        self.new.remove(number)
    }

    fn read_all(&self, number: MapObjectNumber) -> BoxFuture<Result<Bytes, DiskError>> {
        match self.map.read(number, 0, 1 << 28) {
            Some(bytes) => Box::pin(async move { Ok(bytes) }),
            None => self.new.read_all(number),
        }
    }

    fn name(&self, number: MapObjectNumber) -> String {
        self.new.name(number)
    }
}

/// Byte for byte, in the order in which the log has the blocks, which is no order of the map's.
#[test]
fn synthetic_pages_are_those_of_a_checkpoint() {
    block_on(async {
        let map = Synthetic::new(64 << 20, 1 << 20, 3);
        let blocks = map.size_bytes() / BLOCK_BYTES;
        let mut log: BTreeMap<SegmentSeq, Vec<MapExtent>> = BTreeMap::new();
        for lba in 0..blocks {
            let loc = map.place(lba);
            log.entry(loc.segment).or_default().push(MapExtent { lba: Lba(lba), blocks: 1, loc: Some(loc) });
        }
        assert_eq!(log.len() as u64, map.segments());
        let places: std::collections::BTreeSet<_> = log.values().flatten().map(|extent| extent.loc).collect();
        assert_eq!(places.len() as u64, blocks, "no place is used twice");
        let objects = Arc::new(MemoryObjects::default());
        let state = DiskState::new_on(objects.clone(), map.size_bytes(), 64 << 20);
        state.set_epoch(WriterEpoch(1));
        for (segment, extents) in log {
            let at = RecordAt { lsn: Lsn(segment.0), segment, bytes: 1 << 20, payload: None };
            state.apply_data(at, &extents).await.unwrap();
        }
        let mut frozen = state.freeze(map.root().replay).unwrap().unwrap();
        let root = frozen.write().await.unwrap();
        frozen.published();
        let synthetic = map.root();
        assert_eq!((root.tops[0], root.lsn, root.used_blocks), (synthetic.tops[0], synthetic.lsn, blocks));
        assert_eq!(root.totals.live, synthetic.totals.live);
        // All of the map; the segment table comes after it, and knows of the dead blocks that were not written here.
        let top = root.tops[0].unwrap().page;
        let end = (top.offset + top.length) as usize;
        assert_eq!(map.objects().collect::<Vec<_>>(), [top.object]);
        let written = objects.objects.lock()[&top.object].clone();
        let made = map.read(top.object, 0, u64::MAX).unwrap();
        assert!(end > 50_000, "{end} bytes");
        assert!(written[..end] == made[..end]);
        assert_eq!(written.len(), made.len());
        // Any part of it is the same.
        for (offset, length) in [(0, 1), (31, 70_000), (end as u64 - 5, 5), (made.len() as u64 - 1, 10)] {
            let part = &made[offset as usize..made.len().min((offset + length) as usize)];
            assert_eq!(map.read(top.object, offset, length).unwrap(), part);
        }
        // The segment table's pages too can be read, and agree with the map.
        let state = DiskState::open_on(Objects::new(map), &synthetic, 64 << 20, false).await.unwrap();
        let mut live = 0;
        state.each_segment(|_, info| live += u64::from(info.live)).await.unwrap();
        assert_eq!(live, blocks);
    });
}

/// An eighth of 16 TiB, and of the default limit of its map.
const SIZE: u64 = 2 << 40;
const LIMIT: usize = 32 << 20;

async fn check_lookup(state: &DiskState, map: &Synthetic, lba: u64) {
    let mut found = Vec::new();
    state.map().lookup(Lba(lba), 1, &mut found).await.unwrap();
    assert_eq!(found, [MapExtent { lba: Lba(lba), blocks: 1, loc: Some(map.place(lba)) }]);
}

#[test]
fn a_lookup_costs_one_read() {
    block_on(async {
        let objects = Objects::new(Synthetic::new(SIZE, DEFAULT_SEGMENT_BYTES, 1));
        let root = objects.map.root();
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        assert_eq!(objects.reads.swap(0, Relaxed), 2);
        state.warm().await.unwrap();
        // What lies together is read together: 512 pages over regions, of 6 KB each.
        let warming = objects.reads.swap(0, Relaxed);
        assert!(warming < 16, "{warming} reads");
        let mut chance = Chance::new(1);
        let (mut most, mut memory) = (0, 0);
        for _ in 0..3 * LIMIT / 21_000 / 2 {
            let lba = chance.below(SIZE / BLOCK_BYTES);
            check_lookup(&state, &objects.map, lba).await;
            most = most.max(objects.reads.swap(0, Relaxed));
            memory = memory.max(state.memory_bytes());
        }
        assert_eq!(most, 1);
        assert!(memory <= LIMIT && memory > LIMIT / 10 * 9, "{memory} bytes");
    });
}

#[test]
fn a_checkpoint_costs_what_was_changed() {
    block_on(async {
        let objects = Objects::new(Synthetic::new(SIZE, DEFAULT_SEGMENT_BYTES, 1));
        let root = objects.map.root();
        let state = DiskState::open_on(objects.clone(), &root, 2 * LIMIT, false).await.unwrap();
        let mut chance = Chance::new(2);
        let regions = objects.map.regions();
        for (n, changed) in [1, 10, 100, 300].into_iter().enumerate() {
            // Neighbours, so that what is above them and beside them is the same for all.
            let base = chance.below(regions - changed);
            let at = RecordAt {
                lsn: Lsn(root.lsn.0 + 1 + n as u64),
                segment: SegmentSeq(objects.map.segments() + 1 + n as u64),
                bytes: 1 << 20,
                payload: None,
            };
            let extents: Vec<_> = (0..changed)
                .map(|i| {
                    let loc = Loc { segment: at.segment, unit: 8 }.nth(i as u32);
                    MapExtent { lba: Lba((base + i) * REGION_BLOCKS + 9), blocks: 1, loc: Some(loc) }
                })
                .collect();
            state.apply_data(at, &extents).await.unwrap();
            let before = objects.written();
            let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
            frozen.write().await.unwrap();
            frozen.published();
            let (count, bytes) = objects.written();
            let (count, bytes) = (count - before.0, bytes - before.1);
            // A region has 19.5 KB and, where its block lay, a page of the segment table up to 18.5 KB; above them
            // inner pages: up to 3 of the map's and 2 of the table's of 6 KB, and those with few children.
            let most = changed * (19_500 + 18_600) + 6 * 6300 + 4 * 100;
            assert!(bytes >= changed * 19_000 && bytes <= most, "{changed} regions: {bytes} bytes");
            assert!(count as u64 <= bytes / (4 << 20) + 1, "{changed} regions: {count} objects");
        }
    });
}

/// Records that change hundreds of pages each, while clean ones take all the memory there is, and checkpoints of them.
#[test]
fn changes_and_checkpoints_keep_within_the_memory() {
    block_on(async {
        const CHANGED: u64 = 300;
        let objects = Objects::new(Synthetic::new(SIZE, DEFAULT_SEGMENT_BYTES, 1));
        let root = objects.map.root();
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        let mut chance = Chance::new(3);
        while state.memory_bytes() < LIMIT / 20 * 19 {
            check_lookup(&state, &objects.map, chance.below(SIZE / BLOCK_BYTES)).await;
        }
        objects.watched.set(Arc::downgrade(&state)).unwrap();
        let step = objects.map.regions() / CHANGED;
        let record = |n: u64| {
            let at = RecordAt {
                lsn: Lsn(root.lsn.0 + 1 + n),
                segment: SegmentSeq(objects.map.segments() + 1 + n),
                bytes: 4 << 20,
                payload: None,
            };
            let extent = |i| {
                let loc = Loc { segment: at.segment, unit: 8 }.nth(i as u32);
                MapExtent { lba: Lba(i * step * REGION_BLOCKS + n), blocks: 1, loc: Some(loc) }
            };
            (at, (0..CHANGED).map(extent).collect::<Vec<_>>())
        };
        let (at, extents) = record(0);
        assert_eq!(state.pressure_before(extents.iter().copied()), Pressure::None);
        state.apply_data(at, &extents).await.unwrap();
        // Less than half of the memory is changed. The next record changes the same regions, and other segments' entries.
        assert_eq!(state.pressure(), Pressure::None);
        let (at, extents) = record(1);
        assert_eq!(state.pressure_before(extents.iter().copied()), Pressure::Checkpoint);
        // So would one that makes holes, in other regions.
        let hole = |extent: &MapExtent| {
            let lba = Lba(extent.lba.0 + step / 2 * REGION_BLOCKS);
            MapExtent { lba, loc: None, ..*extent }
        };
        assert_eq!(state.pressure_before(extents.iter().map(hole)), Pressure::Checkpoint);
        assert_eq!(state.pressure_before(std::iter::empty()), Pressure::None);
        let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
        assert!(frozen.changed_pages() > 600, "{}", frozen.changed_pages());
        // They are changed again before they are encoded: the old versions go one by one.
        state.apply_data(at, &extents).await.unwrap();
        let copies = state.memory_bytes();
        frozen.write().await.unwrap();
        let written = state.memory_bytes();
        assert!(written + CHANGED as usize * 19_000 < copies, "{written} of {copies} bytes");
        frozen.published();
        let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
        frozen.write().await.unwrap();
        frozen.published();
        // Sixteen pages are loaded at once.
        let most = objects.most_memory.load(Relaxed);
        assert!(most > LIMIT / 10 * 9 && most < LIMIT + 16 * 25_000, "{most}");
    });
}
