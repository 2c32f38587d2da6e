//! A full disk: the writer gets ENOSPC, what was acknowledged stays, and it works again when there is room.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use logrbd::store::{Op, OpOut, PoolId, Request, Store, StoreError, Target};

use crate::model::open;

/// A small file system of its own; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Mount> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Mount(folder)),
            Ok(output) => {
                eprintln!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                eprintln!("skipped: no mount: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

async fn fill(length: usize) {
    let Some(mount) = Mount::new("24m") else { return };
    let store = open(&mount.path().join("store"));
    let request = |oid: &str, op: Op| Request::new(Target::new(PoolId(1), "", oid), vec![op]);
    let data = |n: usize| Bytes::from(vec![n as u8; length]);
    let mut written = 0;
    let error = loop {
        match store.operate(request(&format!("o{written}"), Op::WriteFull { data: data(written) })).await {
            Ok(reply) => assert_eq!(reply.result, 0),
            Err(error) => break error,
        }
        written += 1;
    };
    assert_eq!(error, StoreError::NoSpace);
    assert!(written > 0);
    eprintln!("{written} objects of {length} bytes");
    for n in 0..written {
        let read = store.operate(request(&format!("o{n}"), Op::Read { offset: 0, length: 0 })).await.unwrap();
        assert!(read.ops[0].out == OpOut::Data(data(n)), "object {n}");
    }
    let stat = store.operate(request(&format!("o{written}"), Op::Stat)).await.unwrap();
    assert_eq!(stat.result, -libc::ENOENT, "the list that failed had no effect");
    // Room again.
    let removed = written.div_ceil(2);
    for n in 0..removed {
        store.operate(request(&format!("o{n}"), Op::Remove)).await.unwrap().ok().unwrap();
    }
    let mut again = 0;
    for n in 0..removed.div_ceil(2) {
        let mut tries = 0;
        // Freed files go on a helper thread, shortly after the removal was answered.
        while store.operate(request(&format!("n{n}"), Op::WriteFull { data: data(n) })).await.is_err() {
            tries += 1;
            assert!(tries < 200, "there is room");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        again += 1;
    }
    assert!(again > 0);
    store.shutdown().await;
    let store = open(&mount.path().join("store"));
    for n in removed..written {
        let read = store.operate(request(&format!("o{n}"), Op::Read { offset: 0, length: 0 })).await.unwrap();
        assert!(read.ops[0].out == OpOut::Data(data(n)), "object {n}");
    }
    store.shutdown().await;
}

#[tokio::test]
async fn large_objects_fill_the_disk() {
    fill(2 << 20).await;
}

#[tokio::test]
async fn middling_objects_fill_the_disk() {
    fill(100_000).await;
}

#[tokio::test]
async fn small_objects_fill_the_disk() {
    fill(10_000).await;
}
