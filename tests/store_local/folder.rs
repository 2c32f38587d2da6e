//! What is opened, made or refused; and that refusing leaves no trace.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use logrbd::errno::Errno;
use logrbd::store::local::{LocalOptions, LocalStore};
use logrbd::store::{Store, StoreError};

use crate::model::open;

fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&path).unwrap_or_default(),
            )
        })
        .collect()
}

fn refused(path: &Path) -> String {
    let before = contents(path);
    let error = LocalStore::open(path, "client.test", LocalOptions::default()).err().expect("refused");
    assert_eq!(contents(path), before, "left as it was");
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_new_folder_is_private_and_has_pool_rbd() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("store");
    let store = open(&path);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let pool = store.pool_lookup("rbd").await.unwrap();
    assert_eq!(store.application_list(pool).await.unwrap(), vec!["rbd".to_owned()]);
    let fsid = store.fsid();
    store.shutdown().await;
    let store = open(&path);
    assert_eq!(store.fsid(), fsid);
    // Parents are not made.
    let missing = LocalStore::open(&parent.path().join("a/b"), "client.test", LocalOptions::default());
    assert_eq!(missing.err(), Some(StoreError::Op(Errno::ENOENT)));
    store.shutdown().await;
}

#[test]
fn what_is_not_ours_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "Dear Ada").unwrap();
    assert!(refused(folder.path()).contains("not empty"));

    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("logrbd-store");
    std::fs::write(&marker, "logrbd-store format 3\nfsid 6d6f6465-6c00-4000-8000-000000000001\n").unwrap();
    assert!(refused(folder.path()).contains("newer"));
    let no_sum = "logrbd-store format 2\nfsid 6d6f6465-6c00-4000-8000-000000000001\n";
    for damaged in ["garbage", no_sum] {
        std::fs::write(&marker, damaged).unwrap();
        assert!(refused(folder.path()).contains("damaged"));
    }

    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = LocalStore::open(&file, "client.test", LocalOptions::default()).err();
    assert!(matches!(error, Some(StoreError::Refused { .. })), "{error:?}");
}

#[tokio::test]
async fn every_flipped_bit_of_the_marker_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    open(&path).shutdown().await;
    let marker = path.join("logrbd-store");
    let sound = std::fs::read(&marker).unwrap();
    for bit in 0..sound.len() * 8 {
        let mut damaged = sound.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&marker, &damaged).unwrap();
        refused(&path);
    }
    // The format that has no checksums, with all else as it was.
    std::fs::write(&marker, String::from_utf8(sound).unwrap().replace("format 2", "format 1")).unwrap();
    assert!(refused(&path).contains("damaged"));
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    open(&path).shutdown().await;
    let db = crate::damaged_db::connect(&path);
    db.pragma_update(None, "user_version", 2).unwrap();
    drop(db);
    let error = LocalStore::open(&path, "client.test", LocalOptions::default()).err();
    assert!(matches!(error, Some(StoreError::Refused { .. })), "{error:?}");
}

#[tokio::test]
async fn a_deep_path_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(120)).join("y".repeat(120));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let store = open(&path);
    store.watch_flush().await.unwrap();
    store.shutdown().await;
}
