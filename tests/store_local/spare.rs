//! Dead data files are filled anew, and what is read stays right.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use logrbd::store::Store;

use crate::damage::{read, write};
use crate::model::open;

/// What a file is whatever its name: inode and birth, because inodes are used again too.
type Identity = (u64, Option<SystemTime>);

/// Identity and path of each data file.
fn files(store: &Path) -> Vec<(Identity, String)> {
    let folders = std::fs::read_dir(store.join("data")).unwrap().flatten();
    folders
        .flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten())
        .filter_map(|file| {
            let meta = file.metadata().ok()?; // it may have gone meanwhile
            Some(((meta.ino(), meta.created().ok()), file.path().display().to_string()))
        })
        .collect()
}

#[tokio::test]
async fn overwriting_large_objects_goes_round() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let other = open(&path);
    let data = |n: usize| Bytes::from(vec![n as u8 ^ (n >> 8) as u8; (2 << 20) - (n % 3) * 70_000]);
    let mut seen: HashMap<Identity, String> = HashMap::new();
    let mut reused = 0;
    let mut now = [0; 3];
    // The files are renamed beside the work, so how soon one comes back is a matter of chance.
    for n in 0..400 {
        write(&*store, &format!("o{}", n % 3), data(n)).await;
        now[n % 3] = n;
        for (object, &n) in now.iter().enumerate().take(n + 1) {
            let reader = if n % 2 == 0 { &store } else { &other };
            assert!(read(&**reader, &format!("o{object}"), 0, 0).await.unwrap() == data(n), "{n}");
        }
        for (identity, path) in files(&path) {
            reused += usize::from(seen.insert(identity, path.clone()).is_some_and(|old| old != path));
        }
        if reused > 20 {
            break;
        }
    }
    assert!(reused > 20, "{reused}");
    store.shutdown().await;
    other.shutdown().await;
    assert_eq!(files(&path).len(), 3, "no spare one is left behind");
    let store = open(&path);
    for (object, &n) in now.iter().enumerate() {
        assert!(read(&*store, &format!("o{object}"), 0, 0).await.unwrap() == data(n));
    }
    store.shutdown().await;
}
