//! What an open reads of the inner pages, and who waits for whom.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::memory::MemoryObjects;
use super::{FANOUT, MapObjects, PageKey, PageRef, Tree};
use crate::disk::checkpoint::{Replay, RootBlob};
use crate::disk::state::{DiskState, RecordAt};
use crate::disk::testing::block_on;
use crate::disk::{
    DiskError, Lba, Loc, Lsn, MapExtent, MapObjectNumber, REGION_BLOCKS, SegmentSeq, WriterEpoch,
};
use crate::store::BoxFuture;

const LIMIT: usize = 32 << 20;

type Gate = Arc<Semaphore>;

/// A checkpoint of an image with two blocks in each of these regions.
async fn image(objects: &Arc<MemoryObjects>, regions: &[u64]) -> RootBlob {
    let state = DiskState::new_on(objects.clone(), 16 << 40, LIMIT);
    state.set_epoch(WriterEpoch(1));
    for (lsn, region) in (1..).zip(regions) {
        let at = RecordAt { lsn: Lsn(lsn), segment: SegmentSeq(lsn), bytes: 8352, payload: None };
        let loc = Some(Loc { segment: at.segment, unit: 8 });
        let extent = MapExtent { lba: Lba(region * REGION_BLOCKS), blocks: 2, loc };
        state.apply_data(at, &[extent]).await.unwrap();
    }
    let mut frozen = state.freeze(Replay::default()).unwrap().unwrap();
    let root = frozen.write().await.unwrap();
    frozen.published();
    root
}

async fn lookup(state: &DiskState, region: u64) {
    let mut found = Vec::new();
    state.map().lookup(Lba(region * REGION_BLOCKS), 1, &mut found).await.unwrap();
    assert!(found[0].loc.is_some());
}

/// Two reads for the top pages, and those bring what is between them and the leaves.
#[test]
fn opening_a_small_image_brings_its_inner_pages() {
    block_on(async {
        let objects = Arc::new(MemoryObjects::default());
        let root = image(&objects, &[0, 3, 300]).await;
        let before = objects.reads.load(Relaxed);
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        assert_eq!(objects.reads.swap(0, Relaxed) - before, 2);
        state.warm().await.unwrap();
        assert_eq!(objects.reads.load(Relaxed), 0, "nothing was left to be loaded");
        lookup(&state, 300).await;
        assert_eq!(objects.reads.load(Relaxed), 1);
        // There is little room: the pages over the leaves are left out, not those at the top.
        let few = 2 * LIMIT_OF_TWO_PAGES;
        let state = DiskState::open_on(objects.clone(), &root, few, false).await.unwrap();
        assert!(state.memory_bytes() <= few);
        lookup(&state, 300).await;
    });
}

/// Room for the two top pages and one more.
const LIMIT_OF_TWO_PAGES: usize = 3 * 9000;

/// Reads wait until they are let through.
struct Gated {
    objects: Arc<MemoryObjects>,
    gate: Gate,
}

impl MapObjects for Gated {
    fn read(&self, page: PageRef) -> BoxFuture<Result<Bytes, DiskError>> {
        let read = self.objects.read(page);
        let gate = self.gate.clone();
        Box::pin(async move {
            let _pass = gate.acquire().await.unwrap();
            read.await
        })
    }

    fn write(&self, number: MapObjectNumber, data: Bytes) -> BoxFuture<Result<(), DiskError>> {
        self.objects.write(number, data)
    }

    fn remove(&self, number: MapObjectNumber) -> BoxFuture<Result<bool, DiskError>> {
        self.objects.remove(number)
    }

    fn read_all(&self, number: MapObjectNumber) -> BoxFuture<Result<Bytes, DiskError>> {
        self.objects.read_all(number)
    }

    fn name(&self, number: MapObjectNumber) -> String {
        self.objects.name(number)
    }
}

/// Regions with a page over them each: more such pages than come with the top page.
fn many() -> Vec<u64> {
    (0..3000).map(|n| n * FANOUT as u64).collect()
}

/// An image of them, opened, the loading of its inner pages begun but not answered.
struct HalfLoaded {
    objects: Arc<MemoryObjects>,
    root: RootBlob,
    state: Arc<DiskState>,
    gate: Gate,
    loading: JoinHandle<()>,
}

async fn half_loaded() -> HalfLoaded {
    let objects = Arc::new(MemoryObjects::default());
    let root = image(&objects, &many()).await;
    let gate = Arc::new(Semaphore::new(100));
    let gated = Arc::new(Gated { objects: objects.clone(), gate: gate.clone() });
    let state = DiskState::open_on(gated, &root, LIMIT, false).await.unwrap();
    assert_eq!(gate.forget_permits(100), 100);
    objects.reads.store(0, Relaxed);
    let loader = state.clone();
    let loading = tokio::spawn(async move { loader.warm().await.unwrap() });
    while state.pages.lock().coming.is_empty() {
        tokio::task::yield_now().await;
    }
    HalfLoaded { objects, root, state, gate, loading }
}

/// Whoever needs a page that a longer read is about to bring waits for that.
#[test]
fn lookups_wait_for_what_is_being_loaded() {
    block_on(async {
        let HalfLoaded { objects, root, state, gate, loading } = half_loaded().await;
        let begun = objects.reads.load(Relaxed);
        assert!((1..8).contains(&begun), "{begun}");
        let needed = PageKey { tree: Tree::Map, level: 1, index: 0 };
        assert!(state.pages.lock().coming.contains_key(&needed));
        let waiting = (0..3).map(|n| {
            let state = state.clone();
            tokio::spawn(async move { lookup(&state, n * FANOUT as u64).await })
        });
        let waiting: Vec<_> = waiting.collect();
        state.warm().await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(objects.reads.load(Relaxed), begun, "they wait, and a second loading is none");
        gate.add_permits(100);
        for lookup in waiting {
            lookup.await.unwrap();
        }
        loading.await.unwrap();
        assert!(state.pages.lock().coming.is_empty());
        let all = objects.reads.load(Relaxed);
        let state = DiskState::open_on(objects.clone(), &root, LIMIT, false).await.unwrap();
        objects.reads.store(0, Relaxed);
        state.warm().await.unwrap();
        assert_eq!(all, objects.reads.load(Relaxed) + 3, "one for each region");
    });
}

/// A read that is given up leaves nobody waiting.
#[test]
fn a_loading_that_is_given_up_stops_nobody() {
    block_on(async {
        let HalfLoaded { objects, state, gate, loading, .. } = half_loaded().await;
        let waiting = tokio::spawn({
            let state = state.clone();
            async move { lookup(&state, 0).await }
        });
        tokio::task::yield_now().await;
        loading.abort();
        assert!(loading.await.is_err());
        assert!(state.pages.lock().coming.is_empty());
        gate.add_permits(100);
        waiting.await.unwrap();
        // It can be begun again.
        state.warm().await.unwrap();
        objects.reads.store(0, Relaxed);
        lookup(&state, 700 * FANOUT as u64).await;
        assert_eq!(objects.reads.load(Relaxed), 1);
    });
}
