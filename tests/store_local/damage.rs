//! Damaged files: EIO that names the object, the rest readable, and never wrong bytes.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use logrbd::store::{Op, OpOut, PoolId, Request, Store, StoreError, StoreResult, Target};

use crate::r#gen::Rng;
use crate::model::open;

pub fn target(oid: &str) -> Target {
    Target::new(PoolId(1), "", oid)
}

pub async fn read(store: &dyn Store, oid: &str, offset: u64, length: u64) -> StoreResult<Bytes> {
    let reply = store.operate(Request::new(target(oid), vec![Op::Read { offset, length }])).await?.ok()?;
    match reply.ops.into_iter().next().map(|op| op.out) {
        Some(OpOut::Data(data)) => Ok(data),
        out => panic!("{out:?}"),
    }
}

pub async fn write(store: &dyn Store, oid: &str, data: Bytes) {
    store.operate(Request::new(target(oid), vec![Op::WriteFull { data }])).await.unwrap().ok().unwrap();
}

fn data_files(path: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(path.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let files =
        folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.collect()
}

pub fn flip(path: &Path, offset: u64, bit: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
}

#[tokio::test]
async fn a_damaged_data_file_is_an_error_there_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut rng = Rng::with_seed(1);
    let (large, other) = (rng.bytes(2 << 20), rng.bytes(100_000));
    let store = open(&path);
    write(&*store, "large", large.clone()).await;
    write(&*store, "small", Bytes::from_static(b"small")).await;
    store.shutdown().await;
    let file = data_files(&path).pop().unwrap();
    flip(&file, 1_000_000, 3);

    let store = open(&path);
    let error = read(&*store, "large", 999_000, 2000).await.unwrap_err();
    let StoreError::Corrupt { object, detail } = &error else { panic!("{error:?}") };
    assert_eq!(object, "object 1/large");
    assert!(detail.starts_with("offset 999000: data/"), "{detail}");
    let block = 1_000_000 / 4096 * 4096;
    assert_eq!(read(&*store, "large", 0, block).await.unwrap(), large.slice(..block as usize));
    let rest = block as usize + 4096;
    assert_eq!(read(&*store, "large", rest as u64, 0).await.unwrap(), large.slice(rest..));
    assert_eq!(read(&*store, "small", 0, 0).await.unwrap(), "small");
    // Writes elsewhere and over the damage go on.
    write(&*store, "other", other.clone()).await;
    let op = Op::Write { offset: block, data: large.slice(block as usize..rest) };
    store.operate(Request::new(target("large"), vec![op])).await.unwrap().ok().unwrap();
    assert_eq!(read(&*store, "large", 0, 0).await.unwrap(), large);
    store.shutdown().await;

    // Cut short, then gone.
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(500_000).unwrap();
    let store = open(&path);
    assert_eq!(read(&*store, "large", 0, 490_000).await.unwrap(), large.slice(..490_000));
    assert!(matches!(read(&*store, "large", 600_000, 10).await, Err(StoreError::Corrupt { .. })));
    store.shutdown().await;
    std::fs::remove_file(&file).unwrap();
    let store = open(&path);
    assert!(matches!(read(&*store, "large", 0, 10).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(read(&*store, "other", 0, 0).await.unwrap(), other);
    // It can still be removed and made anew.
    store.operate(Request::new(target("large"), vec![Op::Remove])).await.unwrap().ok().unwrap();
    write(&*store, "large", other.clone()).await;
    assert_eq!(read(&*store, "large", 0, 0).await.unwrap(), other);
    store.shutdown().await;
}
