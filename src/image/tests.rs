//! Images on the model store: names, hand-over of the lock, several openers, snapshots, removal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::directory::{self, DIRECTORY, header_object, id_object};
use super::pool::set;
use super::*;
use crate::disk::DiffRun;
use crate::env::{Env, TokioEnv};
use crate::errno::Errno;
use crate::store::Store;
use crate::store::model::{ModelCluster, ModelStore};

const MIB: u64 = 1 << 20;

async fn pool_of(client: Arc<dyn Store>) -> Pool {
    let id = client.pool_lookup("rbd").await.unwrap();
    Pool::new(client, id, "")
}

fn env() -> Arc<dyn Env> {
    TokioEnv::current()
}

async fn make(pool: &Pool, name: &str, size: u64) -> ImageResult<String> {
    let params = CreateParams::from_options(pool, &no_conf(), &ImageOptions::default()).await?;
    create(pool, name, size, &params, env().as_ref()).await
}

async fn open_with(pool: &Pool, name: &str, options: OpenOptions) -> ImageResult<Arc<Image>> {
    Image::open(pool.clone(), Which::Name(name), options, no_conf(), env()).await
}

async fn open(pool: &Pool, name: &str) -> Arc<Image> {
    open_with(pool, name, OpenOptions::default()).await.unwrap()
}

async fn read(image: &Arc<Image>, offset: u64, length: u64) -> Vec<u8> {
    let mut data = vec![0xee; length as usize];
    let read = image.read(offset, length, &mut data).await.unwrap();
    data.truncate(read as usize);
    data
}

async fn drop_image(pool: &Pool, name: &str) -> ImageResult<()> {
    remove(pool, name, env(), no_progress()).await
}

fn errno<T>(result: ImageResult<T>) -> Errno {
    result.err().map(|error| error.errno()).expect("an error")
}

async fn names(pool: &Pool) -> Vec<String> {
    list(pool).await.unwrap().into_iter().map(|(name, _)| name).collect()
}

/// All objects of the pool but the directory.
async fn objects(pool: &Pool) -> Vec<String> {
    let cursor = crate::store::ListCursor::begin();
    let (found, _) = pool.store.list(pool.id, None, cursor, 10_000).await.unwrap();
    let mut names: Vec<String> =
        found.iter().map(|entry| entry.oid.to_string()).filter(|name| name != DIRECTORY).collect();
    names.sort();
    names
}

#[tokio::test]
async fn names_come_and_go() {
    let cluster = ModelCluster::new();
    let pool = pool_of(cluster.client()).await;
    assert!(names(&pool).await.is_empty());
    assert_eq!(errno(open_with(&pool, "a", OpenOptions::default()).await), Errno::ENOENT);
    let id = make(&pool, "a", MIB).await.unwrap();
    assert_eq!(id.len(), 13);
    assert_eq!(errno(make(&pool, "a", MIB).await), Errno::EEXIST);
    assert_eq!(errno(make(&pool, "", MIB).await), Errno::EINVAL);
    make(&pool, "b", MIB).await.unwrap();
    assert_eq!(names(&pool).await, ["a", "b"]);
    assert_eq!(errno(rename(&pool, "a", "b").await), Errno::EEXIST);
    assert_eq!(errno(rename(&pool, "x", "y").await), Errno::ENOENT);
    rename(&pool, "a", "c").await.unwrap();
    assert_eq!(names(&pool).await, ["b", "c"]);
    assert_eq!(errno(open_with(&pool, "a", OpenOptions::default()).await), Errno::ENOENT);
    let by_id = Image::open(pool.clone(), Which::Id(&id), OpenOptions::default(), no_conf(), env());
    let image = by_id.await.unwrap();
    assert_eq!((image.name().await.unwrap().as_str(), image.id()), ("c", id.as_str()));
    assert_eq!(errno(drop_image(&pool, "c").await), Errno::EBUSY);
    rename(&pool, "c", "d").await.unwrap();
    assert_eq!(image.name().await.unwrap(), "d");
    image.close().await.unwrap();
    drop_image(&pool, "d").await.unwrap();
    drop_image(&pool, "b").await.unwrap();
    assert_eq!(errno(drop_image(&pool, "b").await), Errno::ENOENT);
    assert_eq!(objects(&pool).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_image_of_ceph_s_own_keeps_its_name() {
    let pool = pool_of(ModelCluster::new().client()).await;
    pool.run_creating("rbd_directory", vec![set("name_native", &b"1234"[..])]).await.unwrap();
    assert_eq!(errno(make(&pool, "native", MIB).await), Errno::EEXIST);
    make(&pool, "other", MIB).await.unwrap();
    assert_eq!(errno(rename(&pool, "other", "native").await), Errno::EEXIST);
}

#[tokio::test]
async fn what_was_written_is_there_again() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", 10 * MIB).await.unwrap();
    let image = open(&pool, "a").await;
    assert!(!image.is_lock_owner());
    assert_eq!(image.write(5, &[b"hel", b"lo"]).await.unwrap(), 5);
    assert!(image.is_lock_owner());
    assert_eq!(read(&image, 4, 7).await, b"\0hello\0");
    // Past the end: shortened, or refused.
    assert_eq!(image.write(10 * MIB - 2, &[b"abcdef"]).await.unwrap(), 2);
    assert_eq!(errno(image.write(10 * MIB, &[b"a"]).await), Errno::EINVAL);
    assert_eq!(image.write(20 * MIB, &[]).await.unwrap(), 0);
    assert_eq!(read(&image, 10 * MIB - 2, 10).await, b"ab");
    image.close().await.unwrap();
    let image = open(&pool, "a").await;
    assert_eq!(read(&image, 4, 7).await, b"\0hello\0");
    assert!(!image.is_lock_owner(), "reading takes no lock");
    image.close().await.unwrap();
    assert_eq!(errno(image.write(0, &[b"x"]).await), Errno::ESHUTDOWN);
}

#[tokio::test]
async fn read_only_openers_change_nothing() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", MIB).await.unwrap();
    let options = OpenOptions { read_only: true, snapshot: None };
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
async fn snapshots_by_librbd_s_rules() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", 8 * MIB).await.unwrap();
    let image = open(&pool, "a").await;
    image.write(0, &[b"one"]).await.unwrap();
    image.snap_create("s1").await.unwrap();
    let first = image.snapshot("s1").await.unwrap();
    assert_eq!(errno(image.snap_create("s1").await), Errno::EEXIST);
    image.write(0, &[b"two"]).await.unwrap();
    image.snap_create("s2").await.unwrap();
    image.snap_protect("s1", true).await.unwrap();
    assert_eq!(errno(image.snap_protect("s1", true).await), Errno::EBUSY);
    assert_eq!(errno(image.snap_remove("s1", false).await), Errno::EBUSY);
    assert_eq!(errno(image.snap_rename("s1", "s2").await), Errno::EEXIST);
    assert_eq!(errno(image.snap_rename("s9", "s3").await), Errno::ENOENT);
    image.snap_rename("s1", "s3").await.unwrap();
    assert_eq!(image.snapshot("s3").await.unwrap().id, first.id);
    image.snap_protect("s3", false).await.unwrap();
    assert_eq!(errno(image.snap_protect("s3", false).await), Errno::EINVAL);
    assert_eq!(errno(image.set_snap_limit(Some(1)).await), Errno::ERANGE);
    image.set_snap_limit(Some(2)).await.unwrap();
    assert_eq!(errno(image.snap_create("s4").await), Errno::EDQUOT);
    image.set_snap_limit(None).await.unwrap();

    let options = OpenOptions { read_only: false, snapshot: Some("s3".into()) };
    let old = open_with(&pool, "a", options).await.unwrap();
    assert_eq!(read(&old, 0, 3).await, b"one");
    assert_eq!(errno(old.write(0, &[b"x"]).await), Errno::EROFS);
    assert_eq!(errno(old.select(Some("zz")).await), Errno::ENOENT);
    old.select(Some("s2")).await.unwrap();
    assert_eq!(read(&old, 0, 3).await, b"two");
    old.close().await.unwrap();

    image.write(0, &[b"now"]).await.unwrap();
    image.snap_rollback("s3", no_progress()).await.unwrap();
    assert_eq!(read(&image, 0, 3).await, b"one");
    image.close().await.unwrap();
    assert_eq!(errno(drop_image(&pool, "a").await), Errno::ENOTEMPTY);
    let image = open(&pool, "a").await;
    image.snap_remove("s2", false).await.unwrap();
    image.snap_remove_id(first.id, false).await.unwrap();
    assert!(image.snapshots().await.unwrap().is_empty());
    image.close().await.unwrap();
    drop_image(&pool, "a").await.unwrap();
    assert_eq!(objects(&pool).await, Vec::<String>::new());
}

#[tokio::test]
async fn discards_and_compares_as_librbd() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", 8 * MIB).await.unwrap();
    let image = open(&pool, "a").await;
    image.write(0, &[&vec![b'x'; MIB as usize]]).await.unwrap();
    assert_eq!(image.discard(1000, 200_000).await.unwrap(), 200_000);
    let data = read(&image, 0, MIB).await;
    let hole = data.iter().position(|b| *b == 0).unwrap()..data.iter().rposition(|b| *b == 0).unwrap() + 1;
    assert_eq!(hole, 65536..196_608);
    assert!(data[hole].iter().all(|b| *b == 0));
    image.write_zeroes(100, 1000).await.unwrap();
    assert_eq!(read(&image, 99, 1002).await.iter().filter(|b| **b == b'x').count(), 2);
    assert_eq!(errno(image.write_same(0, 100, b"abc").await), Errno::EINVAL);
    assert_eq!(errno(image.write_same(0, 100, b"").await), Errno::EINVAL);
    assert_eq!(image.write_same(8 * MIB - 4, 6, b"abc").await.unwrap(), 4);
    assert_eq!(read(&image, 8 * MIB - 4, 6).await, b"abca");
    let matched = image.compare_and_write(8 * MIB - 4, b"abca", b"defg").await.unwrap();
    assert_eq!(matched, CompareOutcome::Written(4));
    let differs = image.compare_and_write(8 * MIB - 4, b"dexg", b"zzzz").await.unwrap();
    assert_eq!(differs, CompareOutcome::Mismatch(4 * MIB + 2));
    let far = image.compare_and_write(4 * MIB + 512, b"abcd", b"efgh").await.unwrap();
    assert_eq!(far, CompareOutcome::Mismatch(4 * MIB), "counted from the object's start, as in librbd");
    let across = image.compare_and_write(4 * MIB + 510, b"abcd", b"efgh").await;
    assert_eq!(errno(across), Errno::EINVAL);
    image.close().await.unwrap();
}

#[tokio::test]
async fn diffs_in_objects() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", 20 * MIB).await.unwrap();
    let image = open(&pool, "a").await;
    image.write(3 * MIB, &[&vec![1; 2 * MIB as usize]]).await.unwrap();
    let runs = |from: Option<&'static str>, whole: bool| {
        let image = image.clone();
        async move {
            let mut found = Vec::new();
            let each = |run: DiffRun| {
                found.push((run.offset, run.length, run.exists));
                Ok(())
            };
            image.diff(from, 0, 100 * MIB, whole, each).await.unwrap();
            found
        }
    };
    assert_eq!(runs(None, false).await, [(3 * MIB, MIB, true), (4 * MIB, MIB, true)]);
    assert_eq!(runs(None, true).await, [(0, 4 * MIB, true), (4 * MIB, 4 * MIB, true)]);
    image.snap_create("s").await.unwrap();
    assert_eq!(runs(Some("s"), false).await, []);
    image.write(0, &[&[2; 4096]]).await.unwrap();
    image.discard(4 * MIB, 4 * MIB).await.unwrap();
    assert_eq!(runs(Some("s"), false).await, [(0, 4096, true), (4 * MIB, MIB, false)]);
    assert_eq!(runs(Some("s"), true).await, [(0, 4 * MIB, true), (4 * MIB, 4 * MIB, false)]);
    assert_eq!(errno(image.diff(Some("zz"), 0, 1, false, |_| Ok(())).await), Errno::ENOENT);
    assert_eq!(errno(image.diff(None, 20 * MIB, 1, false, |_| Ok(())).await), Errno::EINVAL);
    let stopped = image.diff(None, 0, MIB, false, |_| Err(Errno::EPERM)).await;
    assert_eq!(errno(stopped), Errno::EPERM);
    image.close().await.unwrap();
}

#[tokio::test]
async fn metadata_and_options_of_one_image() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", MIB).await.unwrap();
    let image = open(&pool, "a").await;
    assert_eq!(errno(image.metadata_get("k").await), Errno::ENOENT);
    image.metadata_set("k", b"v").await.unwrap();
    image.metadata_set("", b"x").await.unwrap();
    image.metadata_set("k2", b"").await.unwrap();
    assert_eq!(&image.metadata_get("k").await.unwrap()[..], b"v");
    let keys: Vec<_> = image.metadata_list("", 0).await.unwrap().into_iter().map(|(k, _)| k).collect();
    assert_eq!(keys, ["k", "k2"]);
    assert_eq!(image.metadata_list("k", 5).await.unwrap()[0].0, "k2");
    assert_eq!(errno(image.metadata_remove("zz").await), Errno::ENOENT);
    image.metadata_remove("k").await.unwrap();
    assert_eq!(errno(image.metadata_get("k").await), Errno::ENOENT);
    assert_eq!(errno(image.metadata_set("conf_nonsense", b"1").await), Errno::EINVAL);
    assert_eq!(errno(image.metadata_set("conf_rbd_cache", b"maybe").await), Errno::EINVAL);
    assert_eq!(
        errno(image.metadata_set("conf_rbd_discard_granularity_bytes", b"10000").await),
        Errno::EINVAL
    );
    image.metadata_set("conf_rbd_skip_partial_discard", b"false").await.unwrap();
    image.write(0, &[&[7; 8192]]).await.unwrap();
    image.discard(100, 5000).await.unwrap();
    assert_eq!(read(&image, 99, 5002).await.iter().filter(|b| **b == 7).count(), 2);
    let (value, source) = image.layers().await.unwrap().get("rbd_skip_partial_discard").unwrap();
    assert_eq!((value.as_str(), source), ("false", Source::Image));
    image.close().await.unwrap();
}

#[tokio::test]
async fn features_switch_by_librbd_s_rules() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", MIB).await.unwrap();
    let image = open(&pool, "a").await;
    assert_eq!(image.header().await.unwrap().features, 61);
    for (bits, on) in [(8, true), (16, true), (4, false), (1, false), (32, true), (0, true), (4096, true)] {
        assert_eq!(errno(image.update_features(bits, on).await), Errno::EINVAL, "{bits} {on}");
    }
    image.update_features(32, false).await.unwrap();
    image.update_features(8, false).await.unwrap();
    assert_eq!(image.header().await.unwrap().features, 5);
    image.close().await.unwrap();
}

#[tokio::test]
async fn copies_have_data_metadata_and_snapshots() {
    let pool = pool_of(ModelCluster::new().client()).await;
    make(&pool, "a", 8 * MIB).await.unwrap();
    let image = open(&pool, "a").await;
    image.metadata_set("k", b"v").await.unwrap();
    image.write(4 * MIB - 2, &[b"old!"]).await.unwrap();
    image.snap_create("s").await.unwrap();
    image.snap_protect("s", true).await.unwrap();
    image.write(4 * MIB - 2, &[b"new!"]).await.unwrap();
    image.resize(9 * MIB, false, no_progress()).await.unwrap();
    let (options, conf) = (ImageOptions::default(), no_conf());
    let to = |name| Destination { pool: &pool, name, options: &options, conf: &conf };
    assert_eq!(errno(image.copy(to("a"), no_progress()).await), Errno::EEXIST);
    image.copy(to("flat"), no_progress()).await.unwrap();
    image.deep_copy(to("deep"), no_progress()).await.unwrap();
    image.close().await.unwrap();
    let flat = open(&pool, "flat").await;
    assert_eq!(flat.size().await.unwrap(), 9 * MIB);
    assert_eq!(read(&flat, 4 * MIB - 3, 6).await, b"\0new!\0");
    assert_eq!(&flat.metadata_get("k").await.unwrap()[..], b"v");
    assert!(flat.snapshots().await.unwrap().is_empty());
    flat.close().await.unwrap();
    let deep = open(&pool, "deep").await;
    assert_eq!(read(&deep, 4 * MIB - 3, 6).await, b"\0new!\0");
    let snap = deep.snapshot("s").await.unwrap();
    assert_eq!((snap.size_bytes, snap.protected), (8 * MIB, true));
    deep.select(Some("s")).await.unwrap();
    assert_eq!(read(&deep, 4 * MIB - 3, 6).await, b"\0old!\0");
    deep.close().await.unwrap();
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

/// A removal that was cut short after each of its steps: it can be finished, and the name can be used again.
#[tokio::test]
async fn a_removal_that_was_cut_short() {
    for steps in 0..4 {
        let pool = pool_of(ModelCluster::new().client()).await;
        let id = make(&pool, "a", MIB).await.unwrap();
        let cut = async |steps: usize| {
            if steps >= 1 {
                super::header::set_removing(&pool, &id, true).await.unwrap();
            }
            if steps >= 2 {
                directory::begin_removal(&pool, "a", &id).await.unwrap();
            }
            if steps >= 3 {
                directory::unclaim(&pool, "a", &id).await.unwrap();
            }
        };
        cut(steps).await;
        if steps > 0 {
            assert_eq!(errno(open_with(&pool, "a", OpenOptions::default()).await), Errno::ENOENT);
        }
        drop_image(&pool, "a").await.unwrap();
        assert!(names(&pool).await.is_empty(), "after {steps} steps");
        assert_eq!(objects(&pool).await, Vec::<String>::new(), "after {steps} steps");

        let id = make(&pool, "a", MIB).await.unwrap();
        cut(steps.min(1)).await;
        let _ = id;
        if steps > 0 {
            let again = make(&pool, "a", MIB).await;
            assert!(again.is_ok() || again.is_err_and(|error| error.errno() == Errno::EEXIST));
        }
    }
}

/// A creation or a rename that was cut short.
#[tokio::test]
async fn names_that_were_cut_short() {
    let pool = pool_of(ModelCluster::new().client()).await;
    let id = make(&pool, "a", MIB).await.unwrap();
    // Creation: claimed, not listed.
    let unlisted = vec![super::pool::unset(&["name_a", &format!("id_{id}")])];
    pool.run(DIRECTORY, unlisted).await.unwrap();
    open(&pool, "a").await.close().await.unwrap();
    assert_eq!(errno(make(&pool, "a", MIB).await), Errno::EEXIST);
    assert_eq!(names(&pool).await, ["a"], "the next creation has put it right");
    // Rename: the new name is claimed, the directory has the old one.
    directory::claim(&pool, "b", &id).await.unwrap();
    assert_eq!(errno(open_with(&pool, "b", OpenOptions::default()).await), Errno::ENOENT);
    open(&pool, "a").await.close().await.unwrap();
    make(&pool, "b", MIB).await.unwrap();
    assert_eq!(names(&pool).await, ["a", "b"]);
    // Rename: the directory has the new one, the old one is still claimed.
    directory::claim(&pool, "c", &id).await.unwrap();
    directory::relist(&pool, "a", "c", &id).await.unwrap();
    assert_eq!(errno(open_with(&pool, "a", OpenOptions::default()).await), Errno::ENOENT);
    open(&pool, "c").await.close().await.unwrap();
    assert_eq!(errno(drop_image(&pool, "a").await), Errno::ENOENT);
    assert!(!pool.exists(&id_object("a")).await.unwrap(), "the stale claim is gone");
    drop_image(&pool, "c").await.unwrap();
    assert!(!pool.exists(&header_object(&id)).await.unwrap());
}

#[tokio::test]
async fn namespaces_and_pool_metadata() {
    let pool = pool_of(ModelCluster::new().client()).await;
    pool_meta::namespace_create(&pool, "n1").await.unwrap();
    assert_eq!(errno(pool_meta::namespace_create(&pool, "n1").await), Errno::EEXIST);
    assert_eq!(errno(pool_meta::namespace_create(&pool, "").await), Errno::EINVAL);
    assert!(pool_meta::namespace_exists(&pool, "n1").await.unwrap());
    assert!(!pool_meta::namespace_exists(&pool, "zz").await.unwrap());
    let inside = Pool { namespace: "n1".into(), ..pool.clone() };
    let nowhere = Pool { namespace: "zz".into(), ..pool.clone() };
    make(&inside, "a", MIB).await.unwrap();
    assert_eq!(errno(make(&nowhere, "a", MIB).await), Errno::ENOENT);
    assert!(names(&pool).await.is_empty());
    assert_eq!(errno(pool_meta::namespace_remove(&pool, "n1").await), Errno::EBUSY);
    assert_eq!(errno(pool_meta::namespace_remove(&pool, "zz").await), Errno::ENOENT);
    drop_image(&inside, "a").await.unwrap();
    pool_meta::namespace_remove(&pool, "n1").await.unwrap();
    assert!(pool_meta::namespace_list(&pool).await.unwrap().is_empty());

    assert_eq!(errno(pool_meta::metadata_get(&pool, "k").await), Errno::ENOENT);
    pool_meta::metadata_set(&pool, "k", b"v").await.unwrap();
    pool_meta::metadata_set(&pool, "conf_rbd_default_order", b"23").await.unwrap_err();
    pool_meta::metadata_set(&pool, "conf_rbd_cache", b"false").await.unwrap();
    assert_eq!(errno(pool_meta::metadata_set(&pool, "conf_rbd_cache", b"maybe").await), Errno::EINVAL);
    assert_eq!(pool_meta::metadata_list(&pool, "", 10).await.unwrap().len(), 2);
    assert_eq!(errno(pool_meta::metadata_remove(&pool, "zz").await), Errno::ENOENT);
    pool_meta::metadata_remove(&pool, "k").await.unwrap();
    pool_meta::init(&pool, false).await.unwrap();
    pool_meta::init(&pool, true).await.unwrap();
    assert_eq!(pool.store.application_list(pool.id).await.unwrap(), ["rbd"]);
    make(&pool, "a", MIB).await.unwrap();
    let stats = pool_stats(&pool, &no_conf(), env()).await.unwrap();
    assert_eq!((stats.images, stats.provisioned_bytes, stats.snapshots), (1, MIB, 0));
}
