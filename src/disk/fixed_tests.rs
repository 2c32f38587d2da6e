//! The short way of reads on a real local store: what rots under it, and what is removed and made again.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::api_tests::{formatted, open, options, read};
use super::log::slot_data;
use super::testing::block_on;
use super::*;
use crate::errno::Errno;
use crate::store::fixed::waiting;
use crate::store::local::{LocalOptions, LocalStore};
use crate::store::{Fixed, Op, Request, Store, Target};

const BLOCKS: u64 = 256;

fn client(folder: &Path) -> Arc<dyn Store> {
    LocalStore::open(&folder.join("store"), "test", LocalOptions::default()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for client in std::fs::read_dir(folder.join("store/data")).unwrap() {
        for file in std::fs::read_dir(client.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found
}

/// Begins with its number, so that it is found where it lies.
fn block(n: u64) -> Vec<u8> {
    let mut data = format!("<the content of block {n:08}>").into_bytes();
    data.extend((data.len() as u64..4096).map(|i| (n * 31 + i * 7 + i / 256) as u8));
    data
}

/// Changes one byte of a block's data, wherever it lies.
fn damage(folder: &Path, wanted: &[u8]) {
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(64).position(|window| window == &wanted[..64]) {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[bytes[at + 10] ^ 1], at as u64 + 10).unwrap();
            return;
        }
    }
    panic!("the block is in no file");
}

#[test]
fn a_block_that_rots_under_the_short_way_is_an_error_and_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let store = client(folder.path());
        let names = formatted(&store, BLOCKS * 4096).await;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        for n in 0..BLOCKS {
            disk.write(n * 4096, &[&block(n)]).await.unwrap();
        }
        disk.flush().await.unwrap();
        disk.release().await.unwrap();
        let other = client(folder.path());
        let reader = open(&other, &names, options()).await;
        let whole: Vec<u8> = (0..BLOCKS).flat_map(block).collect();
        assert!(read(&reader, 0, BLOCKS * 4096).await == whole);
        // Which rows there are is learnt where one may wait.
        let fixed = reader.fixed().unwrap().clone();
        let segment = names.segment(SegmentSeq(1));
        let mut slot = vec![0; SLOT_BYTES as usize * 8];
        assert_eq!(waiting(|| fixed.read(&segment, 128 + 64, &mut slot)), Fixed::Read);
        assert_eq!(slot_data(&slot[..SLOT_BYTES as usize]), block(0));
        let at_once = |n: u64| {
            let mut found = vec![0; 4096];
            matches!(reader.try_read(n * 4096, 4096, &mut found), Ok(Tried::Done)).then_some(found)
        };
        assert!(at_once(7) == Some(block(7)), "it is in the page cache");
        damage(folder.path(), &block(7));
        assert!(at_once(7) == Some(block(7)), "the cache has it");
        reader.invalidate_cache().await.unwrap();
        for _ in 0..3 {
            assert!(at_once(7).is_none(), "what does not prove to be right is not given");
            let error = reader.read(7 * 4096, 4096, &mut vec![0; 4096]).await.unwrap_err();
            assert_eq!(Errno::from(&error), Errno::EIO, "{error}");
            assert_eq!(read(&reader, 8 * 4096, 4096).await, block(8));
        }
    });
}

/// Removed and made again, as an orphan's number is: old bytes or none, never a mixture, and the new ones after `forget`.
#[test]
fn an_object_that_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let (store, other) = (client(folder.path()), client(folder.path()));
        let pool = store.pool_lookup("rbd").await.unwrap();
        let target = Target::new(pool, "", "object");
        let fixed = store.fixed().unwrap();
        let write = |data: Vec<u8>| Request::new(target.clone(), vec![Op::WriteFull { data: data.into() }]);
        let old = vec![1u8; 2 << 20];
        other.operate(write(old.clone())).await.unwrap().ok().unwrap();
        let mut found = vec![0; 300_000];
        assert_eq!(waiting(|| fixed.read(&target, 1000, &mut found)), Fixed::Read);
        assert!(found.iter().all(|byte| *byte == 1));
        let before = fixed.mark().unwrap();
        assert_eq!(fixed.mark(), Some(before), "nothing was committed");
        other.operate(Request::new(target.clone(), vec![Op::Remove])).await.unwrap().ok().unwrap();
        assert_ne!(fixed.mark().unwrap(), before, "another client's commit shows as soon as it is told of");
        other.operate(write(vec![2u8; 2 << 20])).await.unwrap().ok().unwrap();
        if waiting(|| fixed.read(&target, 1000, &mut found)) == Fixed::Read {
            // The place is never used again: the old bytes, or what a hole reads as.
            assert!(found.iter().all(|byte| *byte != 2));
        }
        fixed.forget(&target);
        assert_eq!(waiting(|| fixed.read(&target, 1000, &mut found)), Fixed::Read);
        assert!(found.iter().all(|byte| *byte == 2));
        // Past the end, and where nothing was written.
        assert_eq!(waiting(|| fixed.read(&target, (2 << 20) - 10, &mut found)), Fixed::Unknown);
        let before = fixed.mark();
        other.blocklist_add(&store.addrs(), 3600).await.unwrap();
        assert!(before.is_some());
        assert_eq!(fixed.mark(), None, "a fenced client is not admitted");
        store.shutdown().await;
        assert_eq!(fixed.mark(), None);
        let (sender, done) = std::sync::mpsc::channel();
        assert!(
            fixed.help(Box::new(move || sender.send(()).unwrap()), false).is_err(),
            "no threads any more"
        );
        assert!(done.recv().is_err());
    });
}
