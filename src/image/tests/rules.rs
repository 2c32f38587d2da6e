//! librbd's rules for data, snapshots, features, metadata and copies.

use super::*;

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

    let options = OpenOptions { snapshot: Some("s3".into()), ..OpenOptions::default() };
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
