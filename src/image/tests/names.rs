//! Names of images: they come and go, and survive what crashes leave behind.

use super::*;

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

/// A removal that was cut short after each of its steps: it can be finished, and the name can be used again.
#[tokio::test]
async fn a_removal_that_was_cut_short() {
    for steps in 0..4 {
        let pool = pool_of(ModelCluster::new().client()).await;
        let id = make(&pool, "a", MIB).await.unwrap();
        let cut = async |steps: usize| {
            if steps >= 1 {
                crate::image::header::set_removing(&pool, &id, true).await.unwrap();
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
    let unlisted = vec![crate::image::pool::unset(&["name_a", &format!("id_{id}")])];
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

/// Objects of an image that never came to be are cleared away by a later creation.
#[tokio::test]
async fn what_a_creation_left_behind() {
    let pool = pool_of(ModelCluster::new().client()).await;
    let id = make(&pool, "ghost", MIB).await.unwrap();
    let long_ago = env().unix_time_ns() / 1_000_000_000 - 4000;
    directory::unclaim(&pool, "ghost", &id).await.unwrap();
    pool.run(DIRECTORY, vec![crate::image::pool::unset(&["name_ghost", &format!("id_{id}")])]).await.unwrap();
    directory::begin_creation(&pool, "ghost", &id, long_ago).await.unwrap();
    // One that has just begun is left alone.
    let young = make(&pool, "young", MIB).await.unwrap();
    directory::unclaim(&pool, "young", &young).await.unwrap();
    pool.run(DIRECTORY, vec![crate::image::pool::unset(&["name_young", &format!("id_{young}")])])
        .await
        .unwrap();
    directory::begin_creation(&pool, "young", &young, long_ago + 3900).await.unwrap();
    make(&pool, "a", MIB).await.unwrap();
    assert!(!pool.exists(&header_object(&id)).await.unwrap());
    assert!(pool.exists(&header_object(&young)).await.unwrap());
    let left = directory::creations(&pool).await.unwrap();
    assert_eq!(left.iter().map(|(id, ..)| id).collect::<Vec<_>>(), [&young]);
    assert!(make(&pool, "ghost", MIB).await.is_ok());
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
