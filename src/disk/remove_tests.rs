//! Removing an image leaves nothing behind, whenever it or a writer before it was cut off, and asks only for objects
//! that the image may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::api_tests::{formatted, open, options};
use super::remove::by_tables;
use super::shared::run;
use super::testing::block_on;
use super::*;
use crate::env::TokioEnv;
use crate::errno::Errno;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::model::ModelCluster;
use crate::store::{ListCursor, Op, Store, StoreError, Target};

async fn objects(store: &Arc<dyn Store>, names: &DiskNames) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = ListCursor::begin();
    while cursor != ListCursor::End {
        let (entries, next) = store.list(names.pool, None, cursor, 1000).await.unwrap();
        found.extend(entries.into_iter().map(|entry| entry.oid.to_string()));
        cursor = next;
    }
    found.sort();
    found
}

/// An image that was written by a writer that closed it, and by one that died with a tail of log, an orphan past the
/// log's end and a checkpoint that it had not published.
fn crashed() -> (ModelCluster, Arc<dyn Store>, DiskNames) {
    block_on(async {
        let cluster = ModelCluster::new();
        let store = cluster.client();
        let names = formatted(&store, 64 << 20).await;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        for block in 0..600 {
            disk.write(block * 4096, &[&[1; 4096]]).await.unwrap();
        }
        disk.close().await.unwrap();
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        for block in 0..600 {
            disk.write(block * 8192, &[&[2; 4096]]).await.unwrap();
        }
        disk.flush().await.unwrap();
        let epoch = u64::from(disk.epoch().0);
        drop(disk);
        let last =
            objects(&store, &names).await.into_iter().rfind(|name| name.starts_with("lsvd_data")).unwrap();
        let last = u64::from_str_radix(last.rsplit('.').next().unwrap(), 16).unwrap();
        let orphan = names.segment(SegmentSeq(last + u64::from(super::replay::MAX_IN_FLIGHT)));
        // The numbers of a checkpoint that failed and was cleaned up, then one that was cut off.
        let cut_off = [3, 20, 21].map(|counter| names.map_object(MapObjectNumber(epoch << 32 | counter)));
        for target in cut_off.iter().chain([&orphan]) {
            run(&store, target, vec![Op::WriteFull { data: bytes::Bytes::from_static(b"x") }]).await.unwrap();
        }
        (cluster, store, names)
    })
}

#[test]
fn tables_and_probes_find_all_objects() {
    let (_cluster, store, names) = crashed();
    block_on(async {
        let before = objects(&store, &names).await;
        assert!(before.iter().filter(|name| name.starts_with("lsvd_data")).count() > 5, "{before:?}");
        let (calls, last) = (AtomicU64::new(0), AtomicU64::new(0));
        let progress = |done: u64, total: u64| {
            assert!(done >= last.load(Relaxed) && done <= total && total > 0);
            last.store(done, Relaxed);
            calls.fetch_add(1, Relaxed);
        };
        by_tables(&store, &names, &progress).await.unwrap();
        assert!(calls.load(Relaxed) >= 3);
        assert_eq!(objects(&store, &names).await, ["lsvd_header.abc"]);
    });
}

/// What else is in the pool costs nothing.
#[test]
fn the_work_follows_the_image() {
    let (cluster, store, names) = crashed();
    block_on(async {
        for n in 0..3000 {
            let other = Target::new(names.pool, "", format!("lsvd_data.other.{n:016x}"));
            run(&store, &other, vec![Op::Create { exclusive: true }]).await.unwrap();
        }
        let client = FaultyStore::new(cluster.client(), TokioEnv::current(), |_| Fault::None);
        let dynamic: Arc<dyn Store> = client.clone();
        by_tables(&dynamic, &names, &|_, _| ()).await.unwrap();
        assert!(client.calls() < 400, "{} requests", client.calls());
        assert_eq!(objects(&store, &names).await.len(), 3001);
    });
}

/// A remover that dies before any of its requests, and another one that finishes.
#[test]
fn nothing_is_left_whenever_it_is_cut_off() {
    let mut requests = 0;
    loop {
        let (cluster, store, names) = crashed();
        let done = block_on(async {
            let policy = move |call: &crate::store::faulty::Call<'_>| {
                if call.number < requests { Fault::None } else { Fault::ErrorBefore(StoreError::ShutDown) }
            };
            let client: Arc<dyn Store> = FaultyStore::new(cluster.client(), TokioEnv::current(), policy);
            let cut_off = Disk::remove(&client, &names, &|_, _| ()).await;
            if cut_off.is_err() {
                let again = Disk::remove(&store, &names, &|_, _| ()).await;
                assert!(
                    again.is_ok() || again.as_ref().is_err_and(|e| e.store_errno() == Some(Errno::ENOENT))
                );
            }
            assert_eq!(objects(&store, &names).await, Vec::<String>::new(), "cut off after {requests}");
            cut_off.is_ok()
        });
        if done {
            break;
        }
        requests += if requests < 40 { 1 } else { 7 };
    }
    assert!(requests > 40);
}
