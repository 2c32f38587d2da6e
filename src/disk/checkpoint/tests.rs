//! What a checkpoint leaves behind in memory and in its table, where the model tests would see it only by chance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Replay, RootBlob};
use crate::disk::names::MapObjectNumber;
use crate::disk::pages::memory::MemoryObjects;
use crate::disk::pages::{FANOUT, Page, PageKey, Tree, fetch};
use crate::disk::state::{DiskState, RecordAt};
use crate::disk::testing::block_on;
use crate::disk::{
    BLOCK_BYTES, Lba, Loc, Lsn, MapExtent, REGION_BLOCKS, SLOT_UNITS, SegmentSeq, WriterEpoch,
};

const LIMIT: usize = 32 << 20;
/// Regions under one inner page.
const WIDTH: u64 = FANOUT as u64;

struct World {
    objects: Arc<MemoryObjects>,
    state: Arc<DiskState>,
    lsn: u64,
}

impl World {
    fn new() -> World {
        let objects = Arc::new(MemoryObjects::default());
        let state = DiskState::new_on(objects.clone(), 16 << 40, LIMIT);
        state.set_epoch(WriterEpoch(1));
        World { objects, state, lsn: 0 }
    }

    fn next(&mut self) -> RecordAt {
        self.lsn += 1;
        RecordAt { lsn: Lsn(self.lsn), segment: SegmentSeq(self.lsn), bytes: 100_000, payload: None }
    }

    /// A record that writes `blocks` blocks at the start of a region.
    async fn write(&mut self, region: u64, blocks: u32) {
        let at = self.next();
        let loc = Some(Loc { segment: at.segment, unit: 8 });
        let extent = MapExtent { lba: Lba(region * REGION_BLOCKS), blocks, loc };
        self.state.apply_data(at, &[extent]).await.unwrap();
    }

    async fn discard(&mut self, first_region: u64, regions: u64) {
        let at = self.next();
        let (lba, blocks) = (Lba(first_region * REGION_BLOCKS), (regions * REGION_BLOCKS) as u32);
        self.state.apply_data(at, &[MapExtent { lba, blocks, loc: None }]).await.unwrap();
    }

    async fn checkpoint(&self) -> RootBlob {
        let mut frozen = self.state.freeze(Replay::default()).unwrap().unwrap();
        let root = frozen.write().await.unwrap();
        frozen.published();
        self.check(&root).await;
        root
    }

    /// Nothing but what the root says is in memory.
    async fn reopen(&mut self, root: &RootBlob) {
        self.state = DiskState::open_on(self.objects.clone(), root, LIMIT, false).await.unwrap();
        self.state.set_epoch(WriterEpoch(root.epoch.0 + 1));
    }

    /// All that the root reaches is there, its table of map objects says how much, and the sums agree.
    async fn check(&self, root: &RootBlob) {
        let mut live: BTreeMap<MapObjectNumber, u32> = root.objects.keys().map(|&n| (n, 0)).collect();
        let mut mapped: BTreeMap<SegmentSeq, u32> = BTreeMap::new();
        let mut counted: BTreeMap<SegmentSeq, u32> = BTreeMap::new();
        let mut stack = Vec::new();
        for tree in [Tree::Map, Tree::Segments] {
            stack.extend(root.tops[tree as usize].map(|child| (PageKey::top(tree), child.page)));
        }
        stack.extend(root.dropped.iter().map(|dropped| (dropped.key, dropped.page)));
        while let Some((key, place)) = stack.pop() {
            *live.get_mut(&place.object).expect("object is in the table") += place.length;
            match fetch(&*self.objects, key, place).await.unwrap() {
                Page::Inner(inner) => stack.extend(
                    (0..FANOUT)
                        .filter_map(|slot| inner.children[slot].map(|child| (key.child(slot), child.page))),
                ),
                Page::Region(region) => {
                    for piece in region.pieces() {
                        *mapped.entry(piece.loc().segment).or_default() += u32::from(piece.blocks);
                    }
                }
                Page::Segments(page) => {
                    let first = key.index * crate::disk::segments::PAGE_SEGMENTS;
                    let entries = page.iter().filter(|(_, info)| info.live > 0);
                    counted.extend(entries.map(|(slot, info)| (SegmentSeq(first + slot as u64), info.live)));
                }
            }
        }
        assert_eq!(mapped, counted);
        for (number, object) in &root.objects {
            assert_eq!(object.live, live[number], "{number:?}");
        }
    }
}

/// A rollback right after a discard that cut off more than a record's share of counting: each block is counted once.
#[test]
fn what_a_discard_cut_off_is_counted_before_a_rollback() {
    block_on(async {
        let mut world = World::new();
        for region in 0..40 {
            world.write(region, 20).await;
        }
        let root = world.checkpoint().await;
        let snapshot = root.snapshot();
        world.reopen(&root).await;
        world.discard(0, WIDTH).await;
        assert!(world.state.has_dropped());
        assert_eq!(world.state.used_bytes(), 0);
        let at = world.next();
        world.state.apply_rollback(at, &snapshot).await.unwrap();
        assert!(!world.state.has_dropped());
        assert_eq!(world.state.used_bytes(), 40 * 20 * BLOCK_BYTES);
        assert_eq!(world.state.totals().live, 40 * 20);
        let root = world.checkpoint().await;
        assert_eq!(root.used_blocks, 40 * 20);
        // The same with blocks that were written meanwhile, and after a crash.
        world.reopen(&root).await;
        world.discard(0, WIDTH).await;
        world.write(3, 5).await;
        let root = world.checkpoint().await;
        world.reopen(&root).await;
        let at = world.next();
        world.state.apply_rollback(at, &snapshot).await.unwrap();
        assert_eq!(world.state.totals().live, 40 * 20);
        world.checkpoint().await;
    });
}

/// After a publication nothing counts as changed, and the next one writes a changed page and those above it alone.
#[test]
fn after_a_publication_no_parent_counts_as_changed() {
    block_on(async {
        let mut world = World::new();
        for region in 0..3 * WIDTH {
            world.write(region, 2).await;
        }
        world.checkpoint().await;
        let before = world.objects.bytes_written.load(Relaxed);
        let frozen = world.state.freeze(Replay::default()).unwrap().unwrap();
        assert_eq!(frozen.changed_pages(), 0);
        drop(frozen);
        world.checkpoint().await;
        assert_eq!(world.objects.bytes_written.load(Relaxed), before);
        // One region and its segment's entry, the entry of the segment that lost blocks, and the pages above.
        world.write(WIDTH + 7, 2).await;
        let frozen = world.state.freeze(Replay::default()).unwrap().unwrap();
        let levels = usize::from(Tree::Map.top_level()) + usize::from(Tree::Segments.top_level());
        assert!(frozen.changed_pages() <= levels + 3, "{} pages", frozen.changed_pages());
    });
}

/// What changes while a checkpoint is written belongs to the next one, with all pages above it; what is cut off
/// meanwhile is not reached by the next one although the published one does.
#[test]
fn changes_during_a_publication_are_part_of_the_next() {
    block_on(async {
        let mut world = World::new();
        for region in 0..2 * WIDTH {
            world.write(region, 2).await;
        }
        let mut frozen = world.state.freeze(Replay::default()).unwrap().unwrap();
        let root = frozen.write().await.unwrap();
        world.write(5, 1).await;
        world.discard(WIDTH, WIDTH).await;
        frozen.published();
        world.check(&root).await;
        let root = world.checkpoint().await;
        assert_eq!(root.used_blocks, 2 * WIDTH);
        world.reopen(&root).await;
        let mut found = Vec::new();
        world.state.map().lookup(Lba(5 * REGION_BLOCKS), 2, &mut found).await.unwrap();
        assert_eq!(found[0].loc.unwrap().segment, SegmentSeq(2 * WIDTH + 1));
        assert_eq!(found[1].loc.unwrap(), Loc { segment: SegmentSeq(6), unit: 8 + SLOT_UNITS });
    });
}

/// Inner pages come in few reads, and then a region that is not in memory costs one.
#[test]
fn a_warm_map_looks_up_with_one_read() {
    block_on(async {
        let mut world = World::new();
        let regions: Vec<u64> = (0..200).map(|i| i * (WIDTH * 5 + 3)).collect();
        for &region in &regions {
            world.write(region, 2).await;
        }
        let root = world.checkpoint().await;
        world.reopen(&root).await;
        let reads = || world.objects.reads.load(Relaxed);
        let before = reads();
        world.state.warm().await.unwrap();
        assert!(reads() - before <= 20, "{} reads", reads() - before);
        for &region in &regions {
            let before = reads();
            let mut found = Vec::new();
            world.state.map().lookup(Lba(region * REGION_BLOCKS), 1, &mut found).await.unwrap();
            assert!(found[0].loc.is_some());
            assert_eq!(reads() - before, 1);
        }
        // A small limit keeps the inner pages from taking more than half of it.
        let small = DiskState::open_on(world.objects.clone(), &root, 200 << 10, true).await.unwrap();
        small.warm().await.unwrap();
        assert!(small.memory_bytes() <= 100 << 10, "{}", small.memory_bytes());
    });
}
