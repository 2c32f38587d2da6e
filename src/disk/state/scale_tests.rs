//! A large image, and little memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{DiskState, Pressure, RecordAt};
use crate::disk::checkpoint::{Replay, RootBlob};
use crate::disk::pages::memory::MemoryObjects;
use crate::disk::testing::{Chance, block_on};
use crate::disk::{Lba, Loc, Lsn, MapExtent, REGION_BLOCKS, SegmentSeq, WriterEpoch};

const LIMIT: usize = 4 << 20;
const REGIONS: u64 = 160;
/// Segments of a full image of 16 TiB.
const SEGMENTS: u64 = 2_100_000;

async fn checkpoint(state: &Arc<DiskState>) -> RootBlob {
    let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
    let root = frozen.write().await.unwrap();
    frozen.published();
    root
}

/// 4096 blocks of a region at random places of one segment.
fn record(chance: &mut Chance, region: u64, lsn: u64) -> (RecordAt, Vec<MapExtent>) {
    let segment = SegmentSeq(1 + chance.below(SEGMENTS));
    let mut slots: Vec<u32> = (0..REGION_BLOCKS as u32).collect();
    for i in (1..slots.len()).rev() {
        slots.swap(i, chance.below(i as u64 + 1) as usize);
    }
    let extent = |(i, slot): (u64, &u32)| {
        let loc = Some(Loc { segment, unit: 8 + slot * 100 });
        MapExtent { lba: Lba(region * REGION_BLOCKS + i), blocks: 1, loc }
    };
    let extents = (0..).zip(&slots).map(extent).collect();
    (RecordAt { lsn: Lsn(lsn), segment, bytes: 4096 * 4112 + 64, payload: None }, extents)
}

#[test]
fn an_image_of_16_tib_in_little_memory() {
    block_on(async {
        let objects = Arc::new(MemoryObjects::default());
        let state = DiskState::new_on(objects.clone(), 16 << 40, LIMIT);
        state.set_epoch(WriterEpoch(1));
        let mut chance = Chance::new(5);
        let mut written = Vec::new();
        for lsn in 1..=REGIONS {
            let region = chance.below((16 << 40) / 4096 / REGION_BLOCKS);
            let (at, extents) = record(&mut chance, region, lsn);
            state.apply_data(at, &extents).await.unwrap();
            written.push((region, extents));
            if state.pressure() >= Pressure::Checkpoint {
                checkpoint(&state).await;
            }
            assert!(state.memory_bytes() <= LIMIT, "{} bytes", state.memory_bytes());
        }
        checkpoint(&state).await;

        // Nothing changed: nothing is written. One block changed: its page, those above it, and as much of the
        // segment table.
        let before = objects.bytes_written.load(Relaxed);
        checkpoint(&state).await;
        assert_eq!(objects.bytes_written.load(Relaxed), before);
        let at =
            RecordAt { lsn: Lsn(REGIONS + 1), segment: SegmentSeq(SEGMENTS + 2), bytes: 4176, payload: None };
        let loc = Some(Loc { segment: at.segment, unit: 8 });
        let (region, extents) = written.first_mut().unwrap();
        extents[7] = MapExtent { lba: Lba(*region * REGION_BLOCKS + 7), blocks: 1, loc };
        state.apply_data(at, &extents[7..8]).await.unwrap();
        let root = checkpoint(&state).await;
        let bytes = objects.bytes_written.load(Relaxed) - before;
        assert!(bytes < 90_000, "{bytes} bytes for one block");

        // Opening reads the two top pages.
        let reads = objects.reads.load(Relaxed);
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        assert_eq!(objects.reads.load(Relaxed) - reads, 2);
        // Later regions have hidden earlier ones of the same number.
        let last: std::collections::BTreeMap<_, _> = written.into_iter().collect();
        for round in 0..2 {
            for (region, extents) in &last {
                let reads = objects.reads.load(Relaxed);
                let mut found = Vec::new();
                state.map().lookup(Lba(region * REGION_BLOCKS), REGION_BLOCKS, &mut found).await.unwrap();
                let mut at = 0;
                for run in found {
                    for i in 0..run.blocks {
                        assert_eq!(run.loc.map(|loc| loc.nth(i)), extents[at].loc);
                        at += 1;
                    }
                }
                // Inner pages stay, so a region that is not in memory costs one read.
                let reads = objects.reads.load(Relaxed) - reads;
                assert!(round == 0 || reads <= 1, "{reads} reads");
                assert!(state.memory_bytes() <= LIMIT);
            }
        }
    });
}

/// Discarding all of a large image costs next to nothing, and its space comes back all the same.
#[test]
fn a_large_discard_is_cheap() {
    block_on(async {
        let objects = Arc::new(MemoryObjects::default());
        let state = DiskState::new_on(objects.clone(), 64 << 40, LIMIT);
        state.set_epoch(WriterEpoch(1));
        let mut chance = Chance::new(6);
        for lsn in 1..=100 {
            let (at, extents) = record(&mut chance, lsn * 20_000, lsn);
            state.apply_data(at, &extents).await.unwrap();
            if state.pressure() >= Pressure::Checkpoint {
                checkpoint(&state).await;
            }
        }
        let root = checkpoint(&state).await;
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        state.set_epoch(WriterEpoch(2));
        let blocks = (64u64 << 40) / 4096;
        let holes: Vec<MapExtent> = (0..8)
            .map(|i| MapExtent { lba: Lba(i * (blocks / 8)), blocks: (blocks / 8) as u32, loc: None })
            .collect();
        let reads = objects.reads.load(Relaxed);
        let at = RecordAt { lsn: Lsn(1000), segment: SegmentSeq(SEGMENTS + 5), bytes: 128, payload: None };
        state.apply_data(at, &holes).await.unwrap();
        let reads = objects.reads.load(Relaxed) - reads;
        assert!(reads < 40, "{reads} reads");
        assert_eq!(state.used_bytes(), 0);
        // A crash in the middle of the counting loses nothing of it.
        assert!(state.reap(50).await.unwrap());
        assert!(state.totals().live > 0);
        let root = checkpoint(&state).await;
        assert!(!root.dropped.is_empty());
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        while state.reap(50).await.unwrap() {}
        assert_eq!(state.totals().live, 0);
        assert_eq!(state.totals().segments, 101);
    });
}
