//! Several openers of one image: the lock, notifications, the dead.

use std::sync::{OnceLock, Weak};

use super::*;
use crate::image::lock::LOCK_NAME;
use crate::store::faulty::{Fault, FaultyStore};

#[tokio::test]
async fn read_only_openers_change_nothing() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", MIB).await.unwrap();
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let image = open_with(&pool, "a", options).await.unwrap();
    assert!(image.watchers().await.unwrap().is_empty());
    assert_eq!(errno(image.write(0, &[b"x"]).await), Errno::EROFS);
    assert_eq!(errno(image.write(2 * MIB, &[b"x"]).await), Errno::EINVAL);
    assert_eq!(errno(image.discard(0, 1).await), Errno::EROFS);
    assert_eq!(errno(image.resize(5, true, no_progress()).await), Errno::EROFS);
    assert_eq!(errno(image.snap_create("s").await), Errno::EROFS);
    assert_eq!(errno(image.metadata_set("k", b"v").await), Errno::EROFS);
    assert_eq!(errno(image.acquire_lock().await), Errno::EINVAL);
    image.flush().await.unwrap();
    image.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_moves_and_nothing_is_lost() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_of(cluster.client()).await, pool_of(cluster.client()).await);
    make(&one, "a", 10 * MIB).await.unwrap();
    let (first, second) = (open(&one, "a").await, open(&two, "a").await);
    first.write(0, &[b"first"]).await.unwrap();
    assert_eq!(first.watchers().await.unwrap().len(), 2);
    second.write(5, &[b"second"]).await.unwrap();
    assert!(second.is_lock_owner());
    assert!(!first.is_lock_owner());
    // The first one's write was flushed when it let go, though nobody had asked for a flush.
    assert_eq!(read(&second, 0, 11).await, b"firstsecond");
    first.write(11, &[b"third"]).await.unwrap();
    assert_eq!(read(&first, 0, 16).await, b"firstsecondthird");
    first.close().await.unwrap();
    second.close().await.unwrap();
    drop_image(&one, "a").await.unwrap();
}

/// Two openers that take the lock from each other all the time: both get on, and no write is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_make_progress() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_of(cluster.client()).await, pool_of(cluster.client()).await);
    make(&one, "a", 10 * MIB).await.unwrap();
    let (first, second) = (open(&one, "a").await, open(&two, "a").await);
    let work = |image: Arc<Image>, base: u64| async move {
        for n in 0..40u64 {
            let stamp = [base as u8 + 1 + n as u8; 512];
            image.write((base + n) * 512, &[&stamp]).await.unwrap();
        }
    };
    let tasks = [
        tokio::spawn(work(first.clone(), 0)),
        tokio::spawn(work(second.clone(), 100)),
        tokio::spawn(work(first.clone(), 50)),
    ];
    for task in tasks {
        task.await.unwrap();
    }
    first.close().await.unwrap();
    for base in [0u64, 50, 100] {
        for n in 0..40 {
            let found = read(&second, (base + n) * 512, 512).await;
            assert_eq!(found, [base as u8 + 1 + n as u8; 512], "block {}", base + n);
        }
    }
    second.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_was_taken_by_hand_stays() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_of(cluster.client()).await, pool_of(cluster.client()).await);
    make(&one, "a", MIB).await.unwrap();
    let (first, second) = (open(&one, "a").await, open(&two, "a").await);
    assert_eq!(errno(first.lock_owners().await), Errno::ENOENT);
    first.acquire_lock().await.unwrap();
    assert_eq!(first.lock_owners().await.unwrap().len(), 1);
    assert_eq!(errno(second.write(0, &[b"x"]).await), Errno::EROFS);
    // What needs the lock but does not write, the owner does for others.
    second.snap_create("s").await.unwrap();
    assert_eq!(errno(second.snap_create("s").await), Errno::EEXIST);
    second.resize(2 * MIB, false, no_progress()).await.unwrap();
    assert_eq!(first.size().await.unwrap(), 2 * MIB);
    assert_eq!(errno(second.snap_rollback("s", no_progress()).await), Errno::EROFS);
    second.snap_remove("s", false).await.unwrap();
    assert!(first.snapshots().await.unwrap().is_empty());
    assert!(first.is_lock_owner());
    first.write(0, &[b"mine"]).await.unwrap();
    first.release_lock().await.unwrap();
    assert_eq!(errno(first.release_lock().await), Errno::EINVAL);
    assert_eq!(errno(first.write(0, &[b"x"]).await), Errno::EROFS);
    second.write(4, &[b"yours"]).await.unwrap();
    assert_eq!(read(&second, 0, 9).await, b"mineyours");
    first.close().await.unwrap();
    second.close().await.unwrap();
}

/// A client that vanished without a word: fenced, its lock broken, what it had flushed kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_owner_is_fenced() {
    let cluster = ModelCluster::new();
    let dead: Arc<ModelStore> = Arc::new(cluster.model_client());
    let one = pool_of(dead.clone()).await;
    let two = pool_of(cluster.client()).await;
    make(&one, "a", MIB).await.unwrap();
    let first = open(&one, "a").await;
    first.write(0, &[b"flushed"]).await.unwrap();
    first.flush().await.unwrap();
    first.write(100, &[b"not flushed"]).await.unwrap();
    // Its watch is gone, its lock is not; and it does not know.
    let cookie = first.watch_cookie().unwrap();
    dead.unwatch(crate::store::WatchCookie(cookie)).await.unwrap();
    let second = open(&two, "a").await;
    second.write(7, &[b" kept"]).await.unwrap();
    assert_eq!(read(&second, 0, 12).await, b"flushed kept");
    assert!(first.write(0, &[b"zombie"]).await.is_err() || first.flush().await.is_err());
    assert_eq!(read(&second, 0, 12).await, b"flushed kept");
    assert!(first.close().await.is_err(), "its unflushed write is lost, and it is told");
    second.close().await.unwrap();
    let second = open(&two, "a").await;
    assert_eq!(read(&second, 0, 12).await, b"flushed kept");
    second.close().await.unwrap();
}

/// The lock names a watch that is lost before the gate is open: it is taken anew, with the name of the new watch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_is_lost_while_the_lock_is_taken() {
    let cluster = ModelCluster::new();
    let image_cell: Arc<OnceLock<Weak<Image>>> = Arc::default();
    let of_store = image_cell.clone();
    let mut lost = false;
    let store = FaultyStore::new(cluster.client(), env(), move |_| {
        let image = of_store.get().and_then(Weak::upgrade);
        lost = lost || image.is_some_and(|image| image.lose_watch_while_opening());
        Fault::None
    });
    let pool = pool_of(store).await;
    make(&pool, "a", MIB).await.unwrap();
    let image = open(&pool, "a").await;
    let first_watch = image.watch_cookie().unwrap();
    image_cell.set(Arc::downgrade(&image)).unwrap();
    let named_rightly = async {
        loop {
            image.write(0, &[b"data"]).await.unwrap();
            let watch = image.watch_cookie().map(|cookie| format!("auto {cookie}"));
            let info = cls_lock::info(&pool, &header_object(image.id()), LOCK_NAME).await.unwrap();
            if watch.is_some() && info.lockers.first().map(|locker| locker.cookie.clone()) == watch {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), named_rightly).await.expect("in time");
    assert_ne!(image.watch_cookie(), Some(first_watch), "it was lost");
    image.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_see_resizes_and_snapshots() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_of(cluster.client()).await, pool_of(cluster.client()).await);
    make(&one, "a", MIB).await.unwrap();
    let (writer, reader) = (open(&one, "a").await, open(&two, "a").await);
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let handle = reader.add_update_callback(Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    writer.resize(4 * MIB, true, no_progress()).await.unwrap();
    // The notification was acknowledged before `resize` ended.
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert_eq!(reader.size().await.unwrap(), 4 * MIB);
    assert_eq!(errno(writer.resize(MIB, false, no_progress()).await), Errno::EINVAL);
    writer.write(3 * MIB, &[b"new"]).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(read(&reader, 3 * MIB, 3).await, b"new");
    writer.snap_create("s").await.unwrap();
    assert_eq!(reader.snapshot("s").await.unwrap().size_bytes, 4 * MIB);
    assert!(reader.remove_update_callback(handle));
    assert!(!reader.remove_update_callback(handle));
    writer.close().await.unwrap();
    reader.close().await.unwrap();
}

#[tokio::test]
async fn advisory_locks() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_of(cluster.client()).await, pool_of(cluster.client()).await);
    make(&one, "a", MIB).await.unwrap();
    let (first, second) = (open(&one, "a").await, open(&two, "a").await);
    first.advisory_lock(LockType::Exclusive, "ck", "").await.unwrap();
    assert_eq!(errno(first.advisory_lock(LockType::Exclusive, "ck", "").await), Errno::EEXIST);
    assert_eq!(errno(second.advisory_lock(LockType::Shared, "ck", "tag").await), Errno::EBUSY);
    let info = second.lockers().await.unwrap();
    assert!(info.exclusive);
    assert_eq!(info.lockers[0].cookie, "ck");
    assert_eq!(errno(second.break_advisory_lock("bogus", "ck").await), Errno::EINVAL);
    assert_eq!(errno(second.break_advisory_lock("client.1", "ck").await), Errno::ENOENT);
    first.advisory_unlock("ck").await.unwrap();
    assert_eq!(errno(first.advisory_unlock("ck").await), Errno::ENOENT);
    first.advisory_lock(LockType::Shared, "x", "tag").await.unwrap();
    second.advisory_lock(LockType::Shared, "x", "tag").await.unwrap();
    assert_eq!(first.lockers().await.unwrap().lockers.len(), 2);
    first.close().await.unwrap();
    second.close().await.unwrap();
    assert_eq!(errno(drop_image(&one, "a").await), Errno::EBUSY);
}

/// Snapshots and resizes amid writes that wait for a lock which is just being handed over: nobody waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_during_hand_overs_ends() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_of(cluster.client()).await, pool_of(cluster.client()).await);
    make(&one, "a", 10 * MIB).await.unwrap();
    let (first, second) = (open(&one, "a").await, open(&two, "a").await);
    let mut tasks = Vec::new();
    for image in [&first, &second] {
        for lane in 0..3u64 {
            let image = image.clone();
            tasks.push(tokio::spawn(async move {
                for n in 0..30 {
                    let _ticket = image.ticket();
                    image.write(lane * MIB + n * 4096, &[&[1; 4096]]).await.unwrap();
                }
            }));
        }
        let image = image.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..10u64 {
                let name = format!("{}-{n}", image.pool().store.instance_id());
                image.snap_create(&name).await.unwrap();
                image.resize((10 + n % 2) * MIB, true, no_progress()).await.unwrap();
                image.snap_remove(&name, false).await.unwrap();
            }
        }));
    }
    for task in tasks {
        tokio::time::timeout(std::time::Duration::from_secs(20), task).await.expect("in time").unwrap();
    }
    first.close().await.unwrap();
    second.close().await.unwrap();
}

/// A client whose store cannot say that nothing has changed: a reader asks for the log's end at each read.
async fn pool_without_marks(cluster: &ModelCluster) -> Pool {
    pool_of(FaultyStore::new(cluster.client(), env(), |_| Fault::None)).await
}

/// Two such clients, and an image that both have open.
async fn two_openers(cluster: &ModelCluster) -> ([Pool; 2], [Arc<Image>; 2]) {
    let (one, two) = (pool_without_marks(cluster).await, pool_without_marks(cluster).await);
    make(&one, "a", MIB).await.unwrap();
    let images = [open(&one, "a").await, open(&two, "a").await];
    ([one, two], images)
}

/// Reads until this opener has the lock, or is sure not to get it soon.
async fn read_much(image: &Arc<Image>, expect: &[u8]) -> bool {
    for _ in 0..200 {
        assert_eq!(read(image, 0, expect.len() as u64).await, expect);
        if image.is_lock_owner() {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_much_takes_a_free_lock_and_gives_it_up() {
    let cluster = ModelCluster::new();
    let ([one, two], [first, second]) = two_openers(&cluster).await;
    let read_only =
        open_with(&two, "a", OpenOptions { read_only: true, ..OpenOptions::default() }).await.unwrap();
    assert!(!read_much(&read_only, &[0; 5]).await);
    for _ in 0..7 {
        read(&second, 0, 5).await;
    }
    assert_eq!(errno(first.lock_owners().await), Errno::ENOENT, "a few reads take no lock");
    assert!(read_much(&second, &[0; 5]).await);
    // Whoever writes gets it at once, and the reader sees what is written.
    first.write(0, &[b"first"]).await.unwrap();
    assert!(first.is_lock_owner() && !second.is_lock_owner());
    first.flush().await.unwrap();
    assert!(!read_much(&second, b"first").await, "a living owner is not asked for it");
    assert!(!read_much(&read_only, b"first").await);
    assert!(first.is_lock_owner());
    first.close().await.unwrap();
    assert_eq!(read(&second, 0, 5).await, b"first");
    second.write(0, &[b"again"]).await.unwrap();
    second.close().await.unwrap();
    assert_eq!(read(&read_only, 0, 5).await, b"again");
    read_only.close().await.unwrap();
    drop_image(&one, "a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_advisory_lock_finds_no_reader_in_its_way() {
    let cluster = ModelCluster::new();
    let (_pools, [first, second]) = two_openers(&cluster).await;
    assert!(read_much(&second, &[0; 5]).await);
    first.advisory_lock(LockType::Exclusive, "ck", "").await.unwrap();
    assert!(!second.is_lock_owner());
    assert!(!read_much(&second, &[0; 5]).await);
    assert_eq!(errno(second.advisory_lock(LockType::Exclusive, "ck", "").await), Errno::EBUSY);
    first.advisory_unlock("ck").await.unwrap();
    second.write(0, &[b"x"]).await.unwrap();
    assert_eq!(errno(first.advisory_lock(LockType::Exclusive, "ck", "").await), Errno::EBUSY, "a writer's");
    // Whoever manages the lock by hand does not get it for reads.
    second.acquire_lock().await.unwrap();
    second.release_lock().await.unwrap();
    assert!(!read_much(&second, b"x").await);
    first.close().await.unwrap();
    second.close().await.unwrap();
}

/// Readers beside a writer that come and go with the lock: nobody reads anything older than what was flushed before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_what_was_flushed_whoever_has_the_lock() {
    let cluster = ModelCluster::new();
    let (one, two) = (pool_without_marks(&cluster).await, pool_without_marks(&cluster).await);
    make(&one, "a", MIB).await.unwrap();
    let reader = open(&two, "a").await;
    let flushed = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (reader, flushed) = (reader.clone(), flushed.clone());
            tokio::spawn(async move {
                loop {
                    let least = flushed.load(Ordering::SeqCst);
                    let found = read(&reader, 0, 8).await;
                    let found = u64::from_le_bytes(found.try_into().unwrap()) as usize;
                    assert!(found >= least, "{found}, and {least} had been flushed");
                    if found == 60 {
                        return;
                    }
                    // What is in memory is read without waiting: others must get on, too.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 0..6u64 {
        let writer = open(&one, "a").await;
        for n in 1..=10 {
            let value = round * 10 + n;
            writer.write(0, &[&value.to_le_bytes()]).await.unwrap();
            writer.flush().await.unwrap();
            flushed.store(value as usize, Ordering::SeqCst);
        }
        writer.close().await.unwrap();
        // The readers end with the last round, and may not want the lock any more.
        let owns = async {
            while round < 5 && !reader.is_lock_owner() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), owns)
            .await
            .expect("readers take a free lock");
    }
    for task in readers {
        tokio::time::timeout(std::time::Duration::from_secs(60), task).await.expect("in time").unwrap();
    }
    reader.close().await.unwrap();
}
