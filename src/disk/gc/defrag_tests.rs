//! Defragmentation under a real writer on the model store: what is read in many pieces comes into one, and nothing else
//! changes.

use std::sync::Arc;

use super::tests::{SEGMENT, World, content, options};
use super::*;
use crate::disk::testing::{Chance, block_on, with_seeds};
use crate::disk::writer::Writer;
use crate::disk::*;
use crate::env::TokioEnv;
use crate::store::{Op, Request};

const BLOCKS: usize = 2048;
const RANGE: usize = 256;

/// An image each of whose blocks was written at random.
async fn scattered(chance: &mut Chance, options: DiskOptions) -> World {
    let mut world = World::with_segments(BLOCKS, 2 * SEGMENT, options).await;
    write_all(&mut world, chance, 0..BLOCKS).await;
    world
}

async fn write_all(world: &mut World, chance: &mut Chance, blocks: std::ops::Range<usize>) {
    let mut order: Vec<usize> = blocks.collect();
    for i in (1..order.len()).rev() {
        order.swap(i, chance.below(i as u64 + 1) as usize);
    }
    for block in order {
        world.write(block).await;
    }
    world.writer().checkpoint().await.unwrap();
}

/// Reads ranges as a whole, so often.
async fn read(world: &World, ranges: std::ops::Range<usize>, times: u32) {
    let mut data = vec![0; RANGE * BLOCK_BYTES as usize];
    for range in (0..times).flat_map(|_| ranges.clone()) {
        world.disk.read((range * data.len()) as u64, data.len() as u64, &mut data).await.unwrap();
    }
}

/// Copies until nothing is queued; the blocks that were copied.
async fn copy(world: &World, log: &(impl GcLog + Sync)) -> u64 {
    let writer = world.writer();
    let defrag = Defrag::new(writer.shared.clone(), writer.head.state.clone());
    let mut copied = 0;
    while writer.fragments().due(std::time::Duration::MAX).is_some() {
        copied += defrag.step(log, writer.fragments(), &|| true).await.unwrap();
    }
    copied
}

async fn runs(world: &World, first: usize, blocks: usize) -> Vec<MapExtent> {
    let mut found = Vec::new();
    let map = world.writer().head.state.map();
    map.lookup(Lba(first as u64), blocks as u64, &mut found).await.unwrap();
    found
}

/// The place of each block.
fn blocks_of(runs: &[MapExtent]) -> Vec<Option<Loc>> {
    let places = |run: &MapExtent| (0..run.blocks).map(|n| run.loc.map(|loc| loc.nth(n))).collect::<Vec<_>>();
    runs.iter().flat_map(places).collect()
}

#[test]
fn what_is_read_in_order_comes_into_one_piece() {
    with_seeds(4, |chance| {
        block_on(async {
            let mut world = scattered(chance, options(false)).await;
            world.discard(3 * RANGE + 40, 7).await;
            world.writer().checkpoint().await.unwrap();
            assert!(runs(&world, 2 * RANGE, 2 * RANGE).await.len() > 300);
            read(&world, 2..4, 1).await;
            assert_eq!(copy(&world, &world.writer()).await, 0, "read once");
            read(&world, 2..4, 1).await;
            assert_eq!(copy(&world, &world.writer()).await, 2 * RANGE as u64 - 7);
            let one = runs(&world, 2 * RANGE, RANGE).await;
            assert_eq!(one.len(), 1, "{one:?}");
            let two = runs(&world, 3 * RANGE, RANGE).await;
            assert_eq!(two.len(), 3, "a hole between two: {two:?}");
            // They follow each other in one segment, the hole takes no room.
            let place = |extent: &MapExtent| extent.loc.unwrap();
            assert_eq!(place(&two[0]), place(&one[0]).nth(RANGE as u32));
            assert_eq!(place(&two[2]), place(&two[0]).nth(40));
            assert!(runs(&world, 4 * RANGE, RANGE).await.len() > 100, "what was not read stays");
            World::check(&world.disk, &world.blocks).await;
            // It is in order now, however often it is read.
            read(&world, 2..4, 5).await;
            assert_eq!(copy(&world, &world.writer()).await, 0);
            for close in [false, true] {
                world.reopen(close).await;
                World::check(&world.disk, &world.blocks).await;
                assert_eq!(runs(&world, 2 * RANGE, RANGE).await, one);
            }
        });
    });
}

#[test]
fn nothing_is_counted_when_it_is_off() {
    block_on(async {
        let options = DiskOptions { defrag_reads: 0, ..options(false) };
        let world = scattered(&mut Chance::new(1), options).await;
        read(&world, 0..8, 5).await;
        assert_eq!(copy(&world, &world.writer()).await, 0);
    });
    block_on(async {
        let options = DiskOptions { defrag_reads: 1, ..options(false) };
        let world = scattered(&mut Chance::new(1), options).await;
        read(&world, 7..8, 1).await;
        assert_eq!(copy(&world, &world.writer()).await, RANGE as u64);
    });
}

/// Writes and discards that are applied between a copy's reading and its record.
struct Late<'a> {
    writer: Arc<Writer>,
    disk: &'a Disk,
    blocks: &'a [u32],
}

impl GcLog for Late<'_> {
    fn newest_segment(&self) -> SegmentSeq {
        self.writer.newest_segment()
    }

    async fn append_gc(&self, batch: GcBatch) -> DiskResult<()> {
        for (block, &version) in self.blocks.iter().enumerate() {
            let offset = block as u64 * BLOCK_BYTES;
            match version {
                u32::MAX => {}
                0 => self.disk.discard(offset, BLOCK_BYTES).await?,
                version => self.disk.write(offset, &[&content(block, version)]).await?,
            }
        }
        self.writer.checkpoint().await?;
        self.writer.append_gc(batch).await
    }

    async fn snapshots(&self) -> DiskResult<Vec<Lsn>> {
        self.writer.snapshots().await
    }
}

#[test]
fn what_is_written_during_the_copy_is_kept() {
    with_seeds(4, |chance| {
        block_on(async {
            let mut world = scattered(chance, options(false)).await;
            read(&world, 1..2, 2).await;
            let mut late = vec![u32::MAX; BLOCKS];
            for n in 0..150 {
                let block = RANGE + chance.below(RANGE as u64) as usize;
                late[block] = if n % 8 == 0 { 0 } else { 1_000_000 + n };
            }
            let log = Late { writer: world.writer(), disk: &world.disk, blocks: &late };
            assert_eq!(copy(&world, &log).await, RANGE as u64);
            drop(log);
            for (block, &version) in late.iter().enumerate().filter(|(_, version)| **version != u32::MAX) {
                world.blocks[block] = version;
            }
            World::check(&world.disk, &world.blocks).await;
            for close in [false, true] {
                world.reopen(close).await;
                World::check(&world.disk, &world.blocks).await;
            }
        });
    });
}

#[test]
fn what_a_snapshot_pins_is_left_alone() {
    with_seeds(3, |chance| {
        block_on(async {
            let mut world = scattered(chance, options(false)).await;
            let snapshot = world.disk.snap_create("s").await.unwrap();
            let frozen = world.blocks.clone();
            let (before, places) = (world.segment_bytes().await, runs(&world, 0, BLOCKS).await);
            read(&world, 0..8, 4).await;
            assert_eq!(copy(&world, &world.writer()).await, 0);
            assert_eq!(world.segment_bytes().await, before);
            assert_eq!(runs(&world, 0, BLOCKS).await, places);
            // What is in a segment that is younger moves, for it was not written together.
            for block in 5 * RANGE..BLOCKS {
                world.write(block).await;
            }
            world.writer().checkpoint().await.unwrap();
            for n in 0..60 {
                world.write(n * 37 % RANGE).await;
                for other in 0..10 {
                    world.write(5 * RANGE + n * 10 + other).await;
                }
            }
            world.writer().checkpoint().await.unwrap();
            let before = world.segment_bytes().await;
            read(&world, 0..1, 2).await;
            assert_eq!(copy(&world, &world.writer()).await, 60);
            assert!(world.segment_bytes().await <= before + 60 * (SLOT_BYTES + 32) + 256);
            let moved: Vec<usize> = (0..60).map(|n| n * 37 % RANGE).collect();
            let now = blocks_of(&runs(&world, 0, RANGE).await);
            let then = blocks_of(&places);
            assert!((0..RANGE).all(|block| (now[block] == then[block]) != moved.contains(&block)));
            World::check(&world.disk, &world.blocks).await;
            let (store, names) = (world.store.clone(), world.names.clone());
            let env = TokioEnv::current();
            let view = Disk::open_snapshot(store, names, snapshot.id, options(false), env).await.unwrap();
            World::check(&view, &frozen).await;
            let runs =
                world.disk.diff(Some(snapshot.id), None, 0, BLOCKS as u64 * BLOCK_BYTES).await.unwrap();
            let differ: u64 = runs.iter().map(|run| run.length / BLOCK_BYTES).sum();
            assert_eq!(differ, 60 + 3 * RANGE as u64);
            // Without the snapshot all of it is.
            world.disk.snap_remove(snapshot.id).await.unwrap();
            read(&world, 0..5, 2).await;
            assert_eq!(copy(&world, &world.writer()).await, 5 * RANGE as u64);
            World::check(&world.disk, &world.blocks).await;
        });
    });
}

/// A slot that is damaged stays where it is, and reading it says so; what else is in the range moves.
#[test]
fn a_damaged_slot_stays_where_it_is() {
    block_on(async {
        let world = scattered(&mut Chance::new(5), options(false)).await;
        let loc = runs(&world, 300, 1).await[0].loc.unwrap();
        let target = world.names.segment(loc.segment);
        let spoil = Op::Write { offset: loc.byte_offset() + 7, data: bytes::Bytes::from_static(b"?") };
        world.store.operate(Request::new(target, vec![spoil])).await.unwrap();
        world.writer().fragments().put_back(1);
        assert_eq!(copy(&world, &world.writer()).await, RANGE as u64 - 1);
        assert_eq!(runs(&world, 300, 1).await[0].loc, Some(loc));
        assert_eq!(runs(&world, RANGE, RANGE).await.len(), 3);
        let mut data = vec![0; 4096];
        let error = world.disk.read(300 * BLOCK_BYTES, 4096, &mut data).await.unwrap_err();
        assert!(matches!(error, DiskError::Corrupt { .. }), "{error}");
        for block in (RANGE..2 * RANGE).filter(|&block| block != 300) {
            world.disk.read(block as u64 * BLOCK_BYTES, 4096, &mut data).await.unwrap();
            assert!(data[..] == content(block, world.blocks[block])[..], "block {block}");
        }
    });
}

/// Something more urgent comes: what was taken waits again.
#[test]
fn what_is_interrupted_is_done_later() {
    block_on(async {
        let world = scattered(&mut Chance::new(6), options(false)).await;
        read(&world, 0..4, 2).await;
        let writer = world.writer();
        let defrag = Defrag::new(writer.shared.clone(), writer.head.state.clone());
        let before = runs(&world, 0, 4 * RANGE).await;
        for patience in [0, 1, 3] {
            let asked = std::sync::atomic::AtomicU32::new(0);
            let go_on = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < patience;
            assert_eq!(defrag.step(&writer, writer.fragments(), &go_on).await.unwrap(), 0);
            assert_eq!(runs(&world, 0, 4 * RANGE).await, before);
        }
        assert_eq!(copy(&world, &writer).await, 4 * RANGE as u64);
        World::check(&world.disk, &world.blocks).await;
    });
}
