//! The disk end to end on the model store.

use std::sync::Arc;
use std::time::Duration;

use super::sim::executor::Sim;
use super::testing::block_on;
use super::*;
use crate::env::{Env, TokioEnv};
use crate::store::faulty::{Call, Fault, FaultyStore};
use crate::store::model::ModelCluster;
use crate::store::{PoolId, Store};

pub(super) async fn pool(store: &Arc<dyn Store>) -> PoolId {
    match store.pool_lookup("rbd").await {
        Ok(pool) => pool,
        Err(_) => store.pool_create("rbd", None).await.unwrap(),
    }
}

pub(super) async fn formatted(store: &Arc<dyn Store>, size_bytes: u64) -> DiskNames {
    let names = DiskNames::new(pool(store).await, "", "abc", None);
    let params = FormatParams { segment_bytes: 1 << 20, ..FormatParams::new(size_bytes, [7; 16]) };
    Disk::format(store, &names, &params).await.unwrap();
    names
}

pub(super) fn options() -> DiskOptions {
    let cache = CacheOptions { writethrough_until_flush: false, ..CacheOptions::default() };
    // Bursts are small here.
    DiskOptions { cache, payload_share: 8, ..DiskOptions::default() }
}

pub(super) async fn open(store: &Arc<dyn Store>, names: &DiskNames, options: DiskOptions) -> Arc<Disk> {
    Disk::open(store.clone(), names.clone(), options, TokioEnv::current()).await.unwrap()
}

pub(super) async fn read(disk: &Disk, offset: u64, length: u64) -> Vec<u8> {
    let mut out = vec![0xee; length as usize];
    disk.read(offset, length, &mut out).await.unwrap();
    out
}

#[test]
fn write_read_flush_reopen() {
    block_on(async {
        let cluster = ModelCluster::new();
        let store = cluster.client();
        let names = formatted(&store, 64 << 20).await;
        let disk = open(&store, &names, options()).await;
        assert_eq!(read(&disk, 0, 10000).await, vec![0; 10000]);
        assert!(matches!(disk.write(0, &[b"x"]).await, Err(DiskError::ReadOnly)));
        disk.acquire().await.unwrap();
        disk.write(4096, &[&[1; 4096], &[2; 4096]]).await.unwrap();
        disk.write(5000, &[b"hello"]).await.unwrap();
        disk.discard(8192 + 10, 100).await.unwrap();
        let mut wanted = vec![0; 4096];
        wanted.extend([1; 4096]);
        wanted.extend([2; 4096]);
        wanted[5000..5005].copy_from_slice(b"hello");
        wanted[8202..8302].fill(0);
        assert_eq!(read(&disk, 0, 12288).await, wanted);
        disk.flush().await.unwrap();
        assert_eq!(read(&disk, 0, 12288).await, wanted);

        let reader = open(&cluster.client(), &names, options()).await;
        assert_eq!(read(&reader, 1, 12287).await, wanted[1..]);
        disk.write(1 << 20, &[&[3; 100]]).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(read(&reader, 1 << 20, 101).await, [&[3; 100][..], &[0]].concat());
        disk.resize(1 << 19).await.unwrap();
        reader.refresh().await.unwrap();
        assert_eq!(reader.size_bytes(), 1 << 19);
        // Dropped without a close: what was flushed is there.
        drop(disk);

        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        assert_eq!(read(&disk, 0, 12288).await, wanted);
        disk.resize(2 << 20).await.unwrap();
        assert_eq!(read(&disk, 1 << 20, 4096).await, vec![0; 4096]);
        disk.close().await.unwrap();
        assert!(matches!(disk.flush().await, Err(DiskError::Closed)));
        let disk = open(&store, &names, options()).await;
        assert_eq!(disk.stats().replayed_records, 0);
        assert_eq!(disk.size_bytes(), 2 << 20);
        assert_eq!(read(&disk, 0, 12288).await, wanted);
        assert_eq!(read(&reader, 0, 12288).await, wanted);
        drop(disk);
        Disk::remove(&store, &names, &|_, _| ()).await.unwrap();
        let (left, _) = store.list(names.pool, None, crate::store::ListCursor::begin(), 100).await.unwrap();
        assert_eq!(left, vec![]);
    });
}

/// Whoever knows that it was fenced is given neither its cache nor what it could not write, also where all of it is in memory.
#[test]
fn a_fenced_writer_reads_nothing() {
    block_on(async {
        let cluster = ModelCluster::new();
        let store = cluster.client();
        let names = formatted(&store, 16 << 20).await;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        disk.write(0, &[&[1; 8192]]).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(read(&disk, 0, 8192).await, [1; 8192]);
        cluster.client().blocklist_add(&store.addrs(), 60).await.unwrap();
        disk.write(0, &[&[2; 4096]]).await.unwrap();
        assert!(disk.flush().await.unwrap_err().is_fence());
        for offset in [0, 4096] {
            let mut buffer = vec![0; 4096];
            assert!(disk.read(offset, 4096, &mut buffer).await.unwrap_err().is_fence());
            assert!(disk.try_read(offset, 4096, &mut buffer).is_err_and(|error| error.is_fence()));
            assert_eq!(buffer, [0; 4096]);
        }
    });
}

#[test]
fn snapshots() {
    block_on(async {
        let store = ModelCluster::new().client();
        let names = formatted(&store, 16 << 20).await;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        disk.write(0, &[&[1; 8192]]).await.unwrap();
        let one = disk.snap_create("one").await.unwrap();
        disk.write(4096, &[&[2; 8192]]).await.unwrap();
        disk.resize(8 << 20).await.unwrap();
        let two = disk.snap_create("two").await.unwrap();
        assert_eq!((one.size_bytes, two.size_bytes), (16 << 20, 8 << 20));
        assert_eq!(disk.snap_list().await.unwrap(), vec![one.clone(), two.clone()]);
        let view = |id| {
            let (store, names) = (store.clone(), names.clone());
            async move { Disk::open_snapshot(store, names, id, options(), TokioEnv::current()).await }
        };
        let at_one = view(one.id).await.unwrap();
        assert_eq!(at_one.size_bytes(), 16 << 20);
        assert_eq!(read(&at_one, 0, 12288).await, [[1; 8192].as_slice(), &[0; 4096]].concat());
        disk.rollback(one.id, &|_, _| ()).await.unwrap();
        assert_eq!(disk.size_bytes(), 16 << 20);
        assert_eq!(read(&disk, 0, 12288).await, [[1; 8192].as_slice(), &[0; 4096]].concat());
        disk.snap_rename(two.id, "zwei").await.unwrap();
        disk.snap_protect(two.id, true).await.unwrap();
        disk.snap_remove(one.id).await.unwrap();
        let left = disk.snap_list().await.unwrap();
        assert_eq!(left, vec![SnapInfo { name: "zwei".into(), protected: true, ..two.clone() }]);
        assert!(matches!(view(one.id).await, Err(DiskError::NoSnapshot)));
        disk.close().await.unwrap();
        let disk = open(&store, &names, options()).await;
        assert_eq!(read(&disk, 0, 12288).await, [[1; 8192].as_slice(), &[0; 4096]].concat());
        let at_two = view(two.id).await.unwrap();
        assert_eq!(read(&at_two, 0, 12288).await, [[1; 4096].as_slice(), &[2; 8192]].concat());
    });
}

/// A disk that writes through to a store which takes so long for each op list.
struct Slow {
    cluster: ModelCluster,
    store: Arc<dyn Store>,
    names: DiskNames,
    disk: Arc<Disk>,
}

impl Slow {
    async fn new(env: Arc<dyn Env>, pause: Duration) -> Slow {
        let cluster = ModelCluster::with_env(env.clone());
        let slow = move |_: &Call<'_>| Fault::Delay { before: pause, after: Duration::ZERO };
        let store: Arc<dyn Store> = FaultyStore::new(cluster.client(), env.clone(), slow);
        let names = formatted(&store, 16 << 20).await;
        let through =
            DiskOptions { cache: CacheOptions { enabled: false, ..CacheOptions::default() }, ..options() };
        let disk = Disk::open(store.clone(), names.clone(), through, env).await.unwrap();
        disk.acquire().await.unwrap();
        Slow { cluster, store, names, disk }
    }
}

/// Sixteen writers that wait for each write of theirs share its append with most of the others: none has one by itself while the
/// others are on their way back.
#[test]
fn those_who_wait_together_are_written_together() {
    let sim = Sim::new(5);
    let host = sim.group();
    let appends = sim.run(async move {
        let env: Arc<dyn Env> = host.clone();
        let Slow { disk, .. } = Slow::new(env.clone(), Duration::from_millis(5)).await;
        let (ended, mut all) = tokio::sync::mpsc::unbounded_channel();
        for writer in 0..16u64 {
            let (disk, ended, env) = (disk.clone(), ended.clone(), env.clone());
            host.spawn(Box::pin(async move {
                for n in 0..50 {
                    env.sleep(Duration::from_micros(10 * ((writer + n) % 16))).await;
                    disk.write((writer * 64 + n) * 4096, &[&[7; 4096]]).await.unwrap();
                }
                ended.send(()).unwrap();
            }));
        }
        drop(ended);
        while all.recv().await.is_some() {}
        disk.stats().appends
    });
    assert!((50..75).contains(&appends), "{appends} appends for 50 times 16 writes");
}

/// Crowds that do not come back are not expected for long: a program that writes one block after each burst loses no more than a few
/// moments.
#[test]
fn those_who_do_not_come_back_are_not_waited_for() {
    let sim = Sim::new(6);
    let host = sim.group();
    let (first, last) = sim.run(async move {
        let env: Arc<dyn Env> = host.clone();
        let Slow { disk, .. } = Slow::new(env.clone(), Duration::from_micros(800)).await;
        // How long 100 single writes take, each after a burst of 16, in two runs.
        let mut took = Vec::new();
        for _ in 0..2 {
            let mut alone = Duration::ZERO;
            for _ in 0..100 {
                let (ended, mut all) = tokio::sync::mpsc::unbounded_channel();
                for writer in 0..16u64 {
                    let (disk, ended) = (disk.clone(), ended.clone());
                    host.spawn(Box::pin(async move {
                        disk.write(writer * 4096, &[&[7; 4096]]).await.unwrap();
                        ended.send(()).unwrap();
                    }));
                }
                drop(ended);
                while all.recv().await.is_some() {}
                let before = env.now();
                disk.write(1 << 20, &[&[8; 4096]]).await.unwrap();
                alone += env.now() - before;
            }
            took.push(alone);
        }
        (took[0], took[1])
    });
    assert!(first > Duration::from_millis(80) && first < Duration::from_millis(92), "{first:?}");
    assert!(last < Duration::from_millis(82), "{last:?}");
}

/// A write-through write that is accepted at once is acknowledged when the store has it and not before, and told when it never will.
#[test]
fn what_is_accepted_is_acknowledged_when_it_is_durable() {
    let sim = Sim::new(7);
    let host = sim.group();
    sim.run(async move {
        let env: Arc<dyn Env> = host.clone();
        let pause = Duration::from_millis(3);
        let Slow { cluster, store, names, disk } = Slow::new(env.clone(), pause).await;
        assert!(disk.try_write(0, &[&[1; 4096]]).is_none(), "not without waiting");
        assert!(disk.try_write_through(512, &[&[1; 4096]]).is_none(), "parts of blocks");
        let size = disk.size_bytes();
        assert!(disk.try_write_through(size, &[&[1; 4096]]).unwrap().is_err(), "past the end");
        let begin = |block: u64| {
            let (tell, told) = tokio::sync::oneshot::channel();
            let accepted = disk.try_write_through(block * 4096, &[&[9; 4096]]).unwrap().unwrap();
            let env = env.clone();
            accepted.then(Box::new(move |durable| tell.send((durable, env.now())).unwrap()));
            told
        };
        let before = env.now();
        let told: Vec<_> = (0..4).map(begin).collect();
        assert_eq!(read(&disk, 0, 16384).await, [9; 16384], "read before it is durable");
        for told in told {
            let (durable, at) = told.await.unwrap();
            durable.unwrap();
            assert!(at >= before + pause);
        }
        // A reader beside it finds what was acknowledged.
        let reader = Disk::open(cluster.client(), names.clone(), options(), env.clone()).await.unwrap();
        assert_eq!(read(&reader, 0, 16384).await, [9; 16384]);
        // Fenced while it waits, and after that.
        let told = begin(5);
        cluster.client().blocklist_add(&store.addrs(), 60).await.unwrap();
        assert!(told.await.unwrap().0.unwrap_err().is_fence());
        assert!(disk.try_write_through(0, &[&[1; 4096]]).unwrap().is_err());
        reader.refresh().await.unwrap();
        assert_eq!(read(&reader, 5 * 4096, 4096).await, [0; 4096]);
        // Those that write back do not.
        let disk = Disk::open(cluster.client(), names, options(), env.clone()).await.unwrap();
        disk.acquire().await.unwrap();
        assert!(disk.try_write_through(0, &[&[1; 4096]]).is_none());
    });
}
