//! Replay stays bounded although checkpoints are slow or fail: writers wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use super::api_tests::{formatted, open, options};
use super::*;
use crate::env::TokioEnv;
use crate::errno::Errno;
use crate::store::faulty::{Call, Fault, FaultyStore};
use crate::store::model::ModelCluster;
use crate::store::{Op, Store, StoreError};

const LIMIT: u64 = 1 << 20;
const DIRTY: u64 = 512 << 10;
const SEGMENT: u64 = 1 << 20;
const BLOCKS: u64 = 6000;

fn bounded() -> DiskOptions {
    let cache = CacheOptions { max_dirty_bytes: DIRTY, ..options().cache };
    DiskOptions { cache, checkpoint_log_bytes: LIMIT, gc: false, ..options() }
}

/// Writes of map objects; the rest of a checkpoint is small.
fn is_checkpoint(call: &Call<'_>) -> bool {
    call.request.target.oid.starts_with("lsvd_map.")
        && call.request.ops.iter().any(|(op, _)| matches!(op, Op::WriteFull { .. }))
}

async fn write_all(disk: Arc<Disk>) {
    for n in 0..BLOCKS {
        disk.write(n * 7919 % 16384 * BLOCK_BYTES, &[&[n as u8; 4096]]).await.unwrap();
    }
    disk.flush().await.unwrap();
}

/// On a clock that stands still while anything is to be done.
fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(test);
}

/// What the next opener has to replay, if the writer stops here.
async fn replayed(cluster: &ModelCluster, names: &DiskNames) -> u64 {
    let disk = open(&cluster.client(), names, bounded()).await;
    disk.acquire().await.unwrap();
    disk.stats().replayed_bytes
}

#[test]
fn slow_checkpoints_make_writers_wait() {
    run(async {
        let cluster = ModelCluster::new();
        let names = formatted(&cluster.client(), 64 << 20).await;
        let hour = Duration::from_secs(3600);
        let slow = move |call: &Call<'_>| match is_checkpoint(call) {
            true => Fault::Delay { before: hour, after: Duration::ZERO },
            false => Fault::None,
        };
        let store: Arc<dyn Store> = FaultyStore::new(cluster.client(), TokioEnv::current(), slow);
        let disk = open(&store, &names, bounded()).await;
        disk.acquire().await.unwrap();
        let work = tokio::spawn(write_all(disk.clone()));
        // The first checkpoint is not there yet: the writer has done what it may and waits.
        tokio::time::sleep(hour / 2).await;
        assert!(!work.is_finished());
        let stats = disk.stats();
        assert!(stats.checkpoint_lsn == 0 && stats.log_bytes >= 2 * LIMIT, "{stats:?}");
        assert!(stats.log_bytes <= 2 * LIMIT + DIRTY + SEGMENT, "{stats:?}");
        // It goes on with each checkpoint, to the end.
        work.await.unwrap();
        assert!(disk.stats().log_bytes > BLOCKS * SLOT_BYTES);
        assert!(disk.stats().replay_bytes <= 2 * LIMIT + DIRTY + SEGMENT);
        drop(disk);
        let replayed = replayed(&cluster, &names).await;
        assert!(replayed <= 2 * LIMIT + DIRTY + SEGMENT, "{replayed} bytes");
    });
}

#[test]
fn failing_checkpoints_make_writers_wait_and_are_tried_again() {
    run(async {
        let cluster = ModelCluster::new();
        let names = formatted(&cluster.client(), 64 << 20).await;
        let full = Arc::new(AtomicBool::new(true));
        let fails = full.clone();
        let policy = move |call: &Call<'_>| match is_checkpoint(call) && fails.load(SeqCst) {
            true => Fault::ErrorBefore(StoreError::Op(Errno::ENOSPC)),
            false => Fault::None,
        };
        let store: Arc<dyn Store> = FaultyStore::new(cluster.client(), TokioEnv::current(), policy);
        let disk = open(&store, &names, bounded()).await;
        disk.acquire().await.unwrap();
        let work = tokio::spawn(write_all(disk.clone()));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(!work.is_finished());
        let stats = disk.stats();
        assert!(stats.log_bytes <= 4 * LIMIT + DIRTY + SEGMENT, "{stats:?}");
        full.store(false, SeqCst);
        // By itself, without another request.
        tokio::time::timeout(Duration::from_secs(600), work).await.expect("it goes on").unwrap();
        assert!(disk.stats().checkpoint_lsn > 0);
        disk.close().await.unwrap();
        assert!(replayed(&cluster, &names).await <= SEGMENT);
    });
}

/// With less memory than the dead writer had: the replay takes checkpoints, and whoever comes after a second crash goes on
/// from the last of them.
#[test]
fn a_replay_with_little_memory_takes_checkpoints() {
    run(async {
        const ROOM: u64 = 256 << 10;
        let cluster = ModelCluster::new();
        let names = formatted(&cluster.client(), 4 << 30).await;
        let roomy = DiskOptions { checkpoint_log_bytes: 1 << 30, ..bounded() };
        let tight = DiskOptions { map_memory_bytes: ROOM, ..roomy.clone() };
        // Has replayed nothing when it becomes the writer.
        let early = open(&cluster.client(), &names, tight.clone()).await;
        let disk = open(&cluster.client(), &names, roomy.clone()).await;
        disk.acquire().await.unwrap();
        let place = |n: u64| n * 7919 % (1 << 20) * BLOCK_BYTES;
        for n in 0..BLOCKS {
            disk.write(place(n), &[&[n as u8; 4096]]).await.unwrap();
        }
        disk.flush().await.unwrap();
        assert_eq!(disk.stats().checkpoint_lsn, 0);
        drop(disk);
        // The first one dies at once. What the second has replayed as a reader is too much, and published first of all.
        let [mut first, mut second] = [DiskStats::default(), DiskStats::default()];
        for (replayed, early) in [(&mut first, Some(early)), (&mut second, None)] {
            let disk = match early {
                Some(disk) => disk,
                None => open(&cluster.client(), &names, tight.clone()).await,
            };
            disk.acquire().await.unwrap();
            *replayed = disk.stats();
            let mut data = vec![0; 4096];
            for n in (0..BLOCKS).step_by(97) {
                disk.read(place(n), 4096, &mut data).await.unwrap();
                assert!(data == [n as u8; 4096], "write {n}");
            }
        }
        assert!(first.checkpoints > 3 && first.replayed_bytes > BLOCKS * SLOT_BYTES, "{first:?}");
        assert!(second.replayed_bytes < first.replayed_bytes / 2, "{second:?}");
        assert!(second.checkpoint_lsn >= first.checkpoint_lsn);
    });
}

/// What an opener has replayed as a reader it does not replay again as the writer, also what a living writer has added
/// meanwhile; unless a newer root has been published since, whose map it must have.
#[test]
fn a_take_over_goes_on_with_what_the_reader_has() {
    run(async {
        let cluster = ModelCluster::new();
        let names = formatted(&cluster.client(), 64 << 20).await;
        let many = DiskOptions { checkpoint_log_bytes: 1 << 30, ..bounded() };
        let reads = Arc::new(AtomicU64::new(0));
        let counted = reads.clone();
        let policy = move |call: &Call<'_>| {
            let log = call.request.target.oid.starts_with("lsvd_data.");
            // Those of headers begin at 0.
            let of_records = |op: &Op| matches!(op, Op::Read { offset, .. } if *offset > 0);
            if log && call.request.ops.iter().any(|(op, _)| of_records(op)) {
                counted.fetch_add(1, SeqCst);
            }
            Fault::None
        };
        for newer_root in [false, true] {
            let old = open(&cluster.client(), &names, many.clone()).await;
            old.acquire().await.unwrap();
            let before = old.stats().applied_lsn;
            write_all(old.clone()).await;
            let store: Arc<dyn Store> =
                FaultyStore::new(cluster.client(), TokioEnv::current(), policy.clone());
            let disk = open(&store, &names, many.clone()).await;
            let as_reader = reads.swap(0, SeqCst);
            assert!(as_reader > 10, "{as_reader}");
            for n in 0..3 {
                old.write(n * BLOCK_BYTES, &[&[0xee; 4096]]).await.unwrap();
                old.flush().await.unwrap();
            }
            if newer_root {
                old.release().await.unwrap();
            }
            disk.acquire().await.unwrap();
            let (as_writer, stats) = (reads.swap(0, SeqCst), disk.stats());
            let replayed = if newer_root { 0 } else { old.stats().applied_lsn - before };
            assert!(as_writer < as_reader / 4, "{as_writer} and {as_reader} reads");
            assert!(stats.replayed_records >= replayed.min(1000), "{stats:?}, {replayed}");
            assert!(newer_root || stats.replay_bytes > BLOCKS * SLOT_BYTES, "{stats:?}");
            assert!(old.write(0, &[&[1; 4096]]).await.is_err() || old.flush().await.is_err());
            let mut data = vec![0; 4096];
            for n in 0..BLOCKS {
                let block = n * 7919 % 16384;
                disk.read(block * BLOCK_BYTES, 4096, &mut data).await.unwrap();
                let last = if block < 3 { 0xee } else { n as u8 };
                assert!(data == [last; 4096], "block {block}");
            }
            disk.write(0, &[&[2; 4096]]).await.unwrap();
            disk.close().await.unwrap();
        }
    });
}
