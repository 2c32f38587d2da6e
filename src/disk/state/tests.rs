//! Map, segment table, checkpoints, snapshots and deletion together, against a plain model, with tiny memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{DiskState, GcMove, RecordAt};
use crate::disk::checkpoint::{Frozen, Replay, RootBlob, SnapshotPin, SnapshotRoot};
use crate::disk::diff::{DiffExtent, diff_places};
use crate::disk::map::ExtentMap;
use crate::disk::names::MapObjectNumber;
use crate::disk::pages::memory::MemoryObjects;
use crate::disk::pages::{Child, FANOUT, Keeper, MapObjects, Page, PageKey, Tree, fetch};
use crate::disk::testing::{Chance, block_on, with_seeds};
use crate::disk::{BLOCK_BYTES, Lba, Loc, Lsn, MapExtent, SLOT_UNITS, SegmentSeq, WriterEpoch};

const LIMIT: usize = 200 << 10;
/// 64 TiB.
const BLOCKS: u64 = 1 << 34;

#[derive(Clone, Default)]
struct Model {
    map: BTreeMap<u64, Loc>,
    size_bytes: u64,
    lsn: u64,
}

impl Model {
    fn segments(&self) -> BTreeMap<SegmentSeq, u32> {
        let mut live = BTreeMap::new();
        for loc in self.map.values() {
            *live.entry(loc.segment).or_default() += 1;
        }
        live
    }

    fn runs(&self, first: u64, end: u64) -> Vec<MapExtent> {
        let mut runs = Vec::new();
        let mut at = first;
        let hole = |from: u64, to: u64, runs: &mut Vec<MapExtent>| {
            let mut from = from;
            while from < to {
                let blocks = (to - from).min(u64::from(u32::MAX)) as u32;
                MapExtent { lba: Lba(from), blocks, loc: None }.push_to(runs, 0);
                from += u64::from(blocks);
            }
        };
        for (&lba, &loc) in self.map.range(first..end) {
            hole(at, lba, &mut runs);
            MapExtent { lba: Lba(lba), blocks: 1, loc: Some(loc) }.push_to(&mut runs, 0);
            at = lba + 1;
        }
        hole(at, end, &mut runs);
        runs
    }
}

struct Snapshot {
    root: SnapshotRoot,
    model: Model,
}

struct Running {
    frozen: Frozen,
    model: Model,
    written: Option<RootBlob>,
}

struct World {
    objects: Arc<MemoryObjects>,
    state: Arc<DiskState>,
    model: Model,
    /// The last published root and the state it stands for.
    published: (RootBlob, Model),
    running: Option<Running>,
    snapshots: Vec<Snapshot>,
    segment: u64,
    unit: u32,
    epoch: u32,
}

impl World {
    async fn new() -> World {
        let objects = Arc::new(MemoryObjects::default());
        let state = DiskState::new_on(objects.clone(), BLOCKS * BLOCK_BYTES, LIMIT);
        state.set_epoch(WriterEpoch(1));
        let model = Model { size_bytes: BLOCKS * BLOCK_BYTES, ..Model::default() };
        let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
        let root = frozen.write().await.unwrap();
        frozen.published();
        let published = (root, model.clone());
        World {
            objects,
            state,
            model,
            published,
            running: None,
            snapshots: Vec::new(),
            segment: 1,
            unit: 4,
            epoch: 1,
        }
    }

    fn lba(&self, chance: &mut Chance) -> u64 {
        // Around the borders of regions and inner pages, and in a dense corner.
        let base = [0, 0, 0, 4096, 1 << 20, 1 << 28, (1 << 34) - 3000][chance.below(7) as usize];
        (base + chance.below(6000)).saturating_sub(if base > 0 { 3000 } else { 0 }).min(BLOCKS - 1)
    }

    fn record(&mut self, chance: &mut Chance, slots: u32) -> (RecordAt, Loc) {
        if self.unit > 60_000 || chance.one_in(10) {
            self.segment += 1;
            self.unit = 4;
        }
        self.model.lsn += 1;
        let loc = Loc { segment: SegmentSeq(self.segment), unit: self.unit + 4 };
        self.unit += 8 + slots * SLOT_UNITS;
        let at = RecordAt {
            lsn: Lsn(self.model.lsn),
            segment: loc.segment,
            bytes: 64 + slots * 4112,
            payload: None,
        };
        (at, loc)
    }

    async fn data(&mut self, chance: &mut Chance) {
        let mut extents = Vec::new();
        let mut taken = BTreeSet::new();
        let mut slots = 0;
        let count = 1 + chance.below(12);
        for _ in 0..count {
            let lba = self.lba(chance);
            let hole = chance.one_in(4);
            let blocks = match chance.below(8) {
                0 if hole => chance.below(1 << 31),
                1 if hole => 4096 * (1 + chance.below(600)),
                2 => 1 + chance.below(500),
                _ => 1 + chance.below(8),
            };
            let blocks = blocks.min(BLOCKS - lba) as u32;
            let end = lba + u64::from(blocks);
            let overlaps = taken.iter().any(|&(from, to): &(u64, u64)| lba < to && from < end);
            if overlaps || blocks == 0 {
                continue;
            }
            taken.insert((lba, end));
            extents.push((lba, blocks, hole, slots));
            slots += if hole { 0 } else { blocks };
        }
        let (at, loc) = self.record(chance, slots);
        let mut given = Vec::new();
        for (lba, blocks, hole, slot) in extents {
            let loc = (!hole).then(|| loc.nth(slot));
            given.push(MapExtent { lba: Lba(lba), blocks, loc });
            let end = lba + u64::from(blocks);
            let old: Vec<u64> = self.model.map.range(lba..end).map(|(&lba, _)| lba).collect();
            for lba in old {
                self.model.map.remove(&lba);
            }
            if let Some(loc) = loc {
                self.model.map.extend((0..blocks).map(|i| (lba + u64::from(i), loc.nth(i))));
            }
        }
        given.sort_by_key(|extent| extent.lba);
        self.state.apply_data(at, &given).await.unwrap();
    }

    async fn gc(&mut self, chance: &mut Chance) {
        // Runs of the map as it is, some of them spoilt as if a newer write had come between.
        let lba = self.lba(chance);
        let runs = self.model.runs(lba, (lba + 3000).min(BLOCKS));
        let mut moves = Vec::new();
        let mut slots = 0;
        for run in runs.into_iter().filter(|run| run.loc.is_some()).take(20) {
            let mut from = run.loc.unwrap();
            if chance.one_in(5) {
                from.unit += SLOT_UNITS;
            }
            moves.push((run.lba, run.blocks, from, slots));
            slots += run.blocks;
        }
        let (at, to) = self.record(chance, slots);
        let moves: Vec<GcMove> = moves
            .into_iter()
            .map(|(lba, blocks, from, slot)| GcMove { lba, blocks, from, to: to.nth(slot) })
            .collect();
        for moved in &moves {
            for i in 0..moved.blocks {
                let lba = moved.lba.0 + u64::from(i);
                if self.model.map.get(&lba) == Some(&moved.from.nth(i)) {
                    self.model.map.insert(lba, moved.to.nth(i));
                }
            }
        }
        self.state.apply_gc(at, &moves).await.unwrap();
    }

    async fn resize(&mut self, chance: &mut Chance) {
        let blocks = if chance.one_in(2) { BLOCKS } else { self.lba(chance) };
        let size_bytes = blocks * BLOCK_BYTES;
        let (at, _) = self.record(chance, 0);
        self.model.map.split_off(&blocks);
        self.model.size_bytes = size_bytes;
        self.state.apply_resize(at, size_bytes).await.unwrap();
    }

    async fn checkpoint(&mut self, chance: &mut Chance) {
        match self.running.take() {
            None => {
                if chance.one_in(2) {
                    self.state.clean_map().await.unwrap();
                }
                let replay = Replay { segment: SegmentSeq(self.segment), offset: self.unit * 16 };
                let frozen = self.state.freeze(replay).unwrap().unwrap();
                assert!(self.state.freeze(replay).unwrap().is_none());
                self.running = Some(Running { frozen, model: self.model.clone(), written: None });
            }
            Some(mut running) if running.written.is_none() => {
                if chance.one_in(4) {
                    *self.objects.writes_left.lock() = Some(0);
                }
                let result = running.frozen.write().await;
                *self.objects.writes_left.lock() = None;
                // After a failure the frozen state goes out of scope.
                if let Ok(root) = result {
                    running.written = Some(root);
                    self.running = Some(running);
                }
            }
            Some(running) => {
                let root = running.written.unwrap();
                if chance.one_in(5) {
                    // The publication failed.
                    return;
                }
                let root = RootBlob::decode(&root.encode(), "header").unwrap();
                self.check_root(&root).await;
                if chance.one_in(3) {
                    let snapshot = root.snapshot();
                    assert_eq!(SnapshotRoot::decode(&snapshot.encode(), "header"), Ok(snapshot));
                    self.snapshots.push(Snapshot { root: snapshot, model: running.model.clone() });
                }
                self.published = (root, running.model);
                running.frozen.published();
                self.delete().await;
            }
        }
    }

    /// All that the root names can be read, and its table of objects is right.
    async fn check_root(&self, root: &RootBlob) {
        let mut live: BTreeMap<MapObjectNumber, u32> = root.objects.keys().map(|&n| (n, 0)).collect();
        let mut stack: Vec<(PageKey, Child)> = Vec::new();
        for tree in [Tree::Map, Tree::Segments] {
            stack.extend(root.tops[tree as usize].map(|child| (PageKey::top(tree), child)));
        }
        let dropped = root.dropped.iter();
        stack.extend(dropped.map(|dropped| (dropped.key, Child { page: dropped.page, count: u64::MAX })));
        while let Some((key, child)) = stack.pop() {
            let page = fetch(&*self.objects, key, child.page).await.unwrap();
            *live.get_mut(&child.page.object).expect("object is in the table") += child.page.length;
            let count = match &page {
                Page::Inner(inner) => {
                    for slot in 0..FANOUT {
                        stack.extend(inner.children[slot].map(|child| (key.child(slot), child)));
                    }
                    inner.children.iter().flatten().map(|child| child.count).sum()
                }
                Page::Region(region) => u64::from(region.mapped()),
                Page::Segments(page) => page.live(),
            };
            assert!(child.count == u64::MAX || child.count == count, "{key:?}");
        }
        for (number, object) in &root.objects {
            assert_eq!(object.live, live[number], "{number:?} {object:?}");
        }
    }

    /// Deletes what may be deleted, after a look at who would miss it.
    async fn delete(&mut self) {
        let pins: Vec<SnapshotPin> = self
            .snapshots
            .iter()
            .map(|snapshot| SnapshotPin { lsn: snapshot.root.lsn, checkpoint: snapshot.root.checkpoint })
            .collect();
        let deletable = self.state.deletable(&pins);
        let models = self.snapshots.iter().map(|snapshot| &snapshot.model);
        for model in models.chain([&self.model, &self.published.1]) {
            let live = model.segments();
            for segment in &deletable.segments {
                assert!(!live.contains_key(segment), "{segment:?} is needed at {}", model.lsn);
            }
        }
        for segment in &deletable.segments {
            assert!(*segment < self.published.0.replay.segment);
        }
        self.state.segments_deleted(&deletable.segments).await.unwrap();
        self.state.delete_objects(&*self.objects, &deletable.objects).await.unwrap();
    }

    async fn rollback(&mut self, chance: &mut Chance) {
        if self.snapshots.is_empty() || self.running.is_some() {
            return;
        }
        let (at, _) = self.record(chance, 0);
        let snapshot = &self.snapshots[chance.below(self.snapshots.len() as u64) as usize];
        let lsn = self.model.lsn;
        self.model = Model { lsn, ..snapshot.model.clone() };
        self.state.apply_rollback(at, &snapshot.root).await.unwrap();
    }

    /// Loses all that was not published.
    async fn crash(&mut self) {
        self.running = None;
        self.epoch += 1;
        let (root, model) = self.published.clone();
        self.state = DiskState::open_on(self.objects.clone(), &root, LIMIT, false).await.unwrap();
        self.state.set_epoch(WriterEpoch(self.epoch));
        self.state.remove_orphans(&root).await.unwrap();
        for number in self.objects.objects.lock().keys() {
            assert!(root.objects.contains_key(number), "{number:?} was left behind");
        }
        // LSNs and segments go on, as after an EpochStart record.
        let lsn = self.model.lsn;
        self.model = Model { lsn, ..model };
        self.segment += 1;
        self.unit = 4;
        let (at, _) =
            (RecordAt { lsn: Lsn(lsn + 1), segment: SegmentSeq(self.segment), bytes: 64, payload: None }, ());
        self.model.lsn += 1;
        self.state.apply_other(at).await.unwrap();
        assert_eq!(self.state.size_bytes(), self.model.size_bytes);
    }

    async fn check_part(&self, chance: &mut Chance) {
        let lba = self.lba(chance);
        let end = (lba + 1 + chance.below(5000)).min(BLOCKS);
        let expected = self.model.runs(lba, end);
        let mut found = Vec::new();
        if self.state.map().try_lookup(Lba(lba), end - lba, &mut found) {
            assert_eq!(found, expected);
        } else {
            assert!(found.is_empty());
            self.state.map().lookup(Lba(lba), end - lba, &mut found).await.unwrap();
            assert_eq!(found, expected);
        }
    }

    async fn check_map(map: &ExtentMap, model: &Model) {
        let mut found = Vec::new();
        map.lookup(Lba(0), BLOCKS, &mut found).await.unwrap();
        // Holes longer than a run can be are cut somewhere.
        let mut at = 0;
        for run in &found {
            assert_eq!(run.lba.0, at);
            at += u64::from(run.blocks);
        }
        assert_eq!(at, BLOCKS);
        let data =
            |runs: Vec<MapExtent>| runs.into_iter().filter(|run| run.loc.is_some()).collect::<Vec<_>>();
        let (found, expected) = (data(found), data(model.runs(0, BLOCKS)));
        if let Some((found, expected)) =
            found.iter().zip(&expected).find(|(found, expected)| found != expected)
        {
            panic!("the map says {found:?}, the model {expected:?}");
        }
        assert_eq!(found.len(), expected.len());
        assert_eq!(map.used_blocks(), model.map.len() as u64);
    }

    async fn check_all(&self) {
        Self::check_map(&self.state.map(), &self.model).await;
        for snapshot in &self.snapshots {
            let map = ExtentMap::open_on(self.objects.clone(), &snapshot.root, LIMIT).await.unwrap();
            Self::check_map(&map, &snapshot.model).await;
        }
        self.check_diffs().await;
        while self.state.reap(10).await.unwrap() {}
        let live = self.model.segments();
        let mut total = 0;
        for seq in (0..=self.segment).map(SegmentSeq) {
            let expected = live.get(&seq).copied().unwrap_or(0);
            let found = self.state.segment(seq).await.unwrap().map_or(0, |info| info.live);
            assert_eq!(found, expected, "live blocks of {seq:?}");
            total += u64::from(found);
        }
        assert_eq!(self.state.totals().live, total);
        assert_eq!(self.state.used_bytes(), total * BLOCK_BYTES);
    }

    /// From nothing and from each snapshot to the head and to the snapshot after it.
    async fn check_diffs(&self) {
        let head = self.state.map();
        let mut maps: Vec<(ExtentMap, &Model)> = Vec::new();
        for snapshot in &self.snapshots {
            let map = ExtentMap::open_on(self.objects.clone(), &snapshot.root, LIMIT).await.unwrap();
            maps.push((map, &snapshot.model));
        }
        maps.push((head, &self.model));
        let empty = Model::default();
        for (i, (to, newer)) in maps.iter().enumerate() {
            for from in [None, i.checked_sub(1), Some(0)] {
                let from = from.map(|i| &maps[i]);
                let older = from.map_or(&empty, |from| from.1);
                // An odd range, to cut runs at both ends.
                let (first, end) = (5, BLOCKS - 7);
                let found = diff_places(from.map(|from| &from.0), to, Lba(first), end - first).await.unwrap();
                let mut expected: Vec<DiffExtent> = Vec::new();
                let lbas: BTreeSet<u64> = older.map.keys().chain(newer.map.keys()).copied().collect();
                for &lba in lbas.range(first..end) {
                    if older.map.get(&lba) != newer.map.get(&lba) {
                        let exists = newer.map.contains_key(&lba);
                        match expected.last_mut() {
                            Some(last) if last.exists == exists && last.lba.0 + last.blocks == lba => {
                                last.blocks += 1
                            }
                            _ => expected.push(DiffExtent { lba: Lba(lba), blocks: 1, exists }),
                        }
                    }
                }
                assert_eq!(found, expected);
            }
        }
    }

    fn check_memory(&self) {
        let core = self.state.pages.lock();
        let most = LIMIT.max(core.cache.held(Keeper::Writer)) + 2 * 9000;
        assert!(core.cache.bytes() <= most, "{} bytes of {most}", core.cache.bytes());
        assert!(core.cache.is_counted());
    }
}

async fn run(chance: &mut Chance) {
    let mut world = World::new().await;
    for step in 0..250 {
        match chance.below(40) {
            0..18 => world.data(chance).await,
            18..22 => world.gc(chance).await,
            22..32 => world.checkpoint(chance).await,
            32 => world.resize(chance).await,
            33 if chance.one_in(2) => world.crash().await,
            34 => world.rollback(chance).await,
            35 if !world.snapshots.is_empty() => {
                let at = chance.below(world.snapshots.len() as u64);
                world.snapshots.remove(at as usize);
            }
            _ => world.check_part(chance).await,
        }
        world.check_memory();
        if step % 50 == 49 {
            world.check_all().await;
        }
    }
    world.crash().await;
    world.check_all().await;
    // With nothing else pinned, a few checkpoints leave what one root reaches and no more.
    world.snapshots.clear();
    for _ in 0..3 {
        let frozen = world.state.freeze(Replay { segment: SegmentSeq(world.segment), offset: 0 }).unwrap();
        let mut frozen = frozen.unwrap();
        world.published = (frozen.write().await.unwrap(), world.model.clone());
        frozen.published();
        world.delete().await;
    }
    let live = world.model.segments();
    for seq in (1..world.segment).map(SegmentSeq) {
        let info = world.state.segment(seq).await.unwrap();
        let known = world.state.meta.lock().dead.contains_key(&seq);
        assert!(live.contains_key(&seq) || info.is_none() || !known, "{seq:?} is dead and was kept");
    }
    let root = &world.published.0;
    for number in world.objects.objects.lock().keys() {
        assert!(root.objects.get(number).is_some_and(|object| object.live > 0), "{number:?} was kept");
    }
}

#[test]
fn state_agrees_with_a_model() {
    with_seeds(25, |chance| block_on(run(chance)));
}

/// A read of a map object that has gone wrong names object and offset, and the rest can be read.
#[test]
fn a_corrupt_page_is_named() {
    block_on(async {
        let objects = Arc::new(MemoryObjects::default());
        let state = DiskState::new_on(objects.clone(), 1 << 40, 1 << 20);
        state.set_epoch(WriterEpoch(1));
        for region in 0..4u64 {
            let loc = Some(Loc { segment: SegmentSeq(region + 1), unit: 8 });
            let at = RecordAt {
                lsn: Lsn(region + 1),
                segment: SegmentSeq(region + 1),
                bytes: 5000,
                payload: None,
            };
            state.apply_data(at, &[MapExtent { lba: Lba(region * 4096), blocks: 1, loc }]).await.unwrap();
        }
        let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
        let root = frozen.write().await.unwrap();
        frozen.published();
        let (number, data) = objects.objects.lock().first_key_value().map(|(n, d)| (*n, d.clone())).unwrap();
        // Pages of regions come first; the second begins after the first.
        let second = u32::from_le_bytes(data[16..20].try_into().unwrap()) as usize;
        let mut wrong = data.to_vec();
        wrong[second + 40] ^= 1;
        objects.objects.lock().insert(number, wrong.into());
        let state = DiskState::open_on(objects.clone(), &root, 1 << 20, false).await.unwrap();
        let mut out = Vec::new();
        match state.map().lookup(Lba(4096), 1, &mut out).await {
            Err(crate::disk::DiskError::Corrupt { object, offset, .. }) => {
                assert_eq!(object, objects.name(number));
                assert_eq!(offset, second as u64 + 28);
            }
            other => panic!("{other:?}"),
        }
        assert!(out.is_empty());
        for region in [0, 2, 3] {
            out.clear();
            state.map().lookup(Lba(region * 4096), 1, &mut out).await.unwrap();
            assert_eq!(out[0].loc.unwrap().segment, SegmentSeq(region + 1));
        }
    });
}
