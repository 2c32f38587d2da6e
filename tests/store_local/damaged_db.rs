//! A damaged database: what is read is what was written, or an error that says so.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use logrbd::store::local::{LocalOptions, LocalStore};
use logrbd::store::{Op, Request, Store, StoreError, StoreResult};
use rusqlite::{Connection, OpenFlags};

use crate::damage::{flip, read, target, write};
use crate::r#gen::Rng;
use crate::model::open;

/// The store's own way to its database; there once a store of format 2 was opened in this process.
const SUMS: &CStr = c"logrbd-pages";
const NO_SUMS: &CStr = c"unix";

fn connect_by(path: &Path, vfs: &CStr) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    Connection::open_with_flags_and_vfs(path.join("store.db"), flags, vfs).unwrap()
}

pub fn connect(path: &Path) -> Connection {
    connect_by(path, SUMS)
}

/// Moves all into the main file.
fn settle(db: &Connection) {
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}

fn try_open(path: &Path) -> StoreResult<Arc<LocalStore>> {
    LocalStore::open(path, "client.test", LocalOptions { readers: 1, ..LocalOptions::default() })
}

/// Ends a client, with all its connections.
async fn close(store: Arc<LocalStore>) {
    store.shutdown().await;
    drop(store);
}

/// A store as older versions made it: its database has no sums of pages.
fn make_format_1(path: &Path) {
    std::fs::create_dir(path).unwrap();
    let marker = "logrbd-store format 1\nfsid 6d6f6465-6c00-4000-8000-000000000001\n";
    std::fs::write(path.join("logrbd-store"), marker).unwrap();
}

/// Puts a database in its place, without a log.
fn restore(path: &Path, bytes: &[u8]) {
    for name in ["store.db-wal", "store.db-shm", "store.db-end"] {
        let _ = std::fs::remove_file(path.join(name));
    }
    std::fs::write(path.join("store.db"), bytes).unwrap();
}

type Objects = Vec<(String, Bytes)>;

async fn fill(store: &dyn Store, rng: &mut Rng) -> Objects {
    let mut objects = Vec::new();
    for index in 0..40 {
        let length = if index % 4 == 0 { 300_000 } else { 1 + rng.below(12_000) as usize };
        let (oid, data) = (format!("o{index}"), rng.bytes(length));
        write(store, &oid, data.clone()).await;
        objects.push((oid, data));
    }
    objects
}

#[derive(Default, Debug)]
struct Found {
    right: u32,
    errors: u32,
    missing: u32,
    refused: u32,
}

impl Found {
    async fn read_all(&mut self, store: &dyn Store, objects: &Objects) {
        for (oid, data) in objects {
            match read(store, oid, 0, 0).await {
                Ok(got) if got == *data => self.right += 1,
                Ok(got) => panic!("{oid} gave {} wrong bytes of {}", got.len(), data.len()),
                Err(StoreError::Corrupt { .. } | StoreError::Io { .. }) => self.errors += 1,
                Err(StoreError::Op(_) | StoreError::NoPool) => self.missing += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

async fn flip_bits_of_a_closed_database(rng: &mut Rng, path: &Path, vfs: &CStr) -> Found {
    let store = open(path);
    let objects = fill(&*store, rng).await;
    let db = connect_by(path, vfs);
    close(store).await;
    settle(&db);
    drop(db);
    let sound = std::fs::read(path.join("store.db")).unwrap();
    let mut found = Found::default();
    for _ in 0..60 {
        let mut damaged = sound.clone();
        for _ in 0..1 + rng.below(20) {
            let at = rng.below(damaged.len() as u64) as usize;
            damaged[at] ^= 1 << rng.below(8);
        }
        restore(path, &damaged);
        let Ok(store) = try_open(path) else {
            found.refused += 1;
            continue;
        };
        found.read_all(&*store, &objects).await;
        close(store).await;
    }
    eprintln!("{found:?}");
    assert!(found.right > 0 && found.errors > 0);
    found
}

#[tokio::test]
async fn flipped_bits_in_the_database_are_errors() {
    let mut rng = Rng::from_env("flipped_bits_in_the_database_are_errors");
    let folder = tempfile::tempdir().unwrap();
    let found = flip_bits_of_a_closed_database(&mut rng, &folder.path().join("store"), SUMS).await;
    assert_eq!(found.missing, 0);
}

#[tokio::test]
async fn flipped_bits_in_a_database_without_page_sums_never_give_wrong_bytes() {
    let rng = Rng::from_env("flipped_bits_in_a_database_without_page_sums_never_give_wrong_bytes");
    // With this seed the start of an extent became NULL, where nothing looked for it: the object read as zeroes.
    for mut rng in [Rng::with_seed(470_574_930), rng] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        make_format_1(&path);
        flip_bits_of_a_closed_database(&mut rng, &path, NO_SUMS).await;
    }
}

#[tokio::test]
async fn flipped_bits_in_the_log_are_errors() {
    let mut rng = Rng::from_env("flipped_bits_in_the_log_are_errors");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let objects = fill(&*store, &mut rng).await;
    let log = path.join("store.db-wal");
    let length = std::fs::metadata(&log).unwrap().len();
    let mut found = Found::default();
    for _ in 0..60 {
        let flips: Vec<(u64, u64)> =
            (0..1 + rng.below(20)).map(|_| (rng.below(length), rng.below(8))).collect();
        flips.iter().for_each(|(at, bit)| flip(&log, *at, *bit));
        // The first is open, so the second does not recover the log, and finds its pages by the index in memory.
        match try_open(&path) {
            Ok(second) => {
                found.read_all(&*second, &objects).await;
                close(second).await;
            }
            Err(_) => found.refused += 1,
        }
        flips.iter().for_each(|(at, bit)| flip(&log, *at, *bit));
    }
    eprintln!("{found:?}");
    assert!(found.right > 0 && found.errors > 0);
    assert_eq!(found.missing, 0);

    // Nor does a checkpoint take damaged pages over, and the log that stays is not taken for torn.
    let needle = &objects[1].1[objects[1].1.len() / 2..][..16];
    flip_all(&log, needle);
    close(store).await;
    assert!(matches!(try_open(&path).map(|_| ()), Err(StoreError::Corrupt { .. })));
}

/// Copies what a power loss or a kill would leave at this moment.
fn crashed(path: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for folder in ["", "clients", "data"] {
        std::fs::create_dir(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(path.join(folder)).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_file() && entry.file_name() != "store.db-shm" {
                std::fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
}

/// Nothing that was acknowledged goes with the damaged end of a log.
#[tokio::test]
async fn a_log_that_was_cut_off_or_damaged_is_not_taken_for_torn() {
    let mut rng = Rng::from_env("a_log_that_was_cut_off_or_damaged_is_not_taken_for_torn");
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let store = open(&path);
    let mut objects = Vec::new();
    for index in 0..12 {
        let (oid, data) = (format!("o{index}"), rng.bytes(3000));
        write(&*store, &oid, data.clone()).await;
        objects.push((oid, data));
        if index == 5 {
            // The log begins anew, over its old frames.
            let db = connect(&path);
            db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        }
    }
    let db = connect(&path);
    let frames: u64 = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).unwrap();
    drop(db);
    let log = copy.join("store.db-wal");
    let cut = |size: u64| std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(size).unwrap();
    let place = |frame: u64| 32 + frame * 4120;
    let is_whole = async |store: StoreResult<Arc<LocalStore>>| {
        let store = store.unwrap();
        let mut found = Found::default();
        found.read_all(&*store, &objects).await;
        close(store).await;
        assert_eq!((found.errors, found.missing), (0, 0));
    };
    crashed(&path, &copy);
    is_whole(try_open(&copy)).await;

    let damages: Vec<u64> = (0..frames).chain((0..30).map(|_| rng.below(frames))).collect();
    for (index, frame) in damages.into_iter().enumerate() {
        crashed(&path, &copy);
        match index as u64 >= frames {
            true => flip(&log, place(frame) + rng.below(4120), rng.below(8)),
            false => cut(place(frame) + rng.below(2) * rng.below(4120)),
        }
        let opened = try_open(&copy).map(|_| ());
        let what = format!("{index}: frame {frame} of {frames}");
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{what}: {opened:?}");
        // Without knowing the end, damage is found where a later commit stands: before the last one.
        std::fs::remove_file(copy.join("store.db-end")).unwrap();
        if let Ok(store) = try_open(&copy) {
            assert!((index as u64) < frames || frame + 8 > frames, "{what}");
            close(store).await;
        }
    }
    for bit in [0, 100, 32 * 8 - 1] {
        crashed(&path, &copy);
        flip(&copy.join("store.db-end"), bit / 8, bit % 8);
        is_whole(try_open(&copy)).await;
    }
    for (name, size) in [("store.db-wal", 0), ("store.db-wal", 20), ("store.db", 0), ("store.db", 4095)] {
        crashed(&path, &copy);
        std::fs::OpenOptions::new().write(true).open(copy.join(name)).unwrap().set_len(size).unwrap();
        assert!(matches!(try_open(&copy).map(|_| ()), Err(StoreError::Corrupt { .. })), "{name} {size}");
        crashed(&path, &copy);
        std::fs::remove_file(copy.join(name)).unwrap();
        assert!(matches!(try_open(&copy).map(|_| ()), Err(StoreError::Corrupt { .. })), "{name} gone");
    }
    // A closed store has no log, and knows of none.
    let db = connect(&path);
    close(store).await;
    // The last connection, so it removes the log.
    settle(&db);
    drop(db);
    assert!(!path.join("store.db-wal").exists());
    is_whole(try_open(&path)).await;
    crashed(&path, &copy);
    is_whole(try_open(&copy)).await;
}

/// Changes a bit of each place that has `needle`; again: changes it back.
fn flip_all(file: &Path, needle: &[u8]) {
    let bytes = std::fs::read(file).unwrap();
    let places = |bytes: &[u8], needle: &[u8]| -> Vec<u64> {
        let found = bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
        found.map(|(at, _)| at as u64).collect()
    };
    let mut other = needle.to_vec();
    other[0] ^= 1;
    let mut all = places(&bytes, needle);
    all.extend(places(&bytes, &other));
    assert!(!all.is_empty());
    all.iter().for_each(|at| flip(file, *at, 0));
}

/// What no longer has its name is damaged, and not missing.
#[tokio::test]
async fn a_name_that_is_damaged_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    for oid in ["the object's name", "other"] {
        let ops = vec![
            Op::WriteFull { data: Bytes::from_static(b"data") },
            Op::SetXattr { name: "the xattr's name".into(), value: Bytes::from_static(b"x") },
            Op::OmapSet { pairs: [(Bytes::from_static(b"the key"), Bytes::from_static(b"value"))].into() },
        ];
        store.operate(Request::new(target(oid), ops)).await.unwrap().ok().unwrap();
    }
    let reads = [
        ("the object's name", Op::Read { offset: 0, length: 0 }),
        ("other", Op::GetXattr { name: "the xattr's name".into() }),
        ("other", Op::OmapGetValsByKeys { keys: vec![Bytes::from_static(b"the key")] }),
        ("other", Op::OmapGetKeys { after: Bytes::new(), max: 10 }),
    ];
    let needles: [&[u8]; 4] = [b"the object's name", b"the xattr's name", b"the key", b"the key"];
    for file in ["store.db-wal", "store.db"] {
        let file = path.join(file);
        for ((oid, op), needle) in reads.iter().zip(needles) {
            flip_all(&file, needle);
            // It has no page in its cache, and uses the log as it is.
            let second = try_open(&path);
            let got = match &second {
                Ok(second) => second.operate(Request::new(target(oid), vec![op.clone()])).await.map(|_| ()),
                Err(error) => Err(error.clone()),
            };
            assert!(matches!(got, Err(StoreError::Corrupt { .. })), "{file:?}: {op:?}: {got:?}");
            flip_all(&file, needle);
            if let Ok(second) = second {
                second.operate(Request::new(target(oid), vec![op.clone()])).await.unwrap().ok().unwrap();
                close(second).await;
            }
        }
        settle(&connect(&path));
    }
    close(store).await;
}

#[tokio::test]
async fn rows_that_are_changed_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut rng = Rng::with_seed(7);
    let store = open(&path);
    let data: Vec<Bytes> = (0..3).map(|_| rng.bytes(12_000)).collect();
    let large = rng.bytes(2_600_000);
    for (index, data) in data.iter().enumerate() {
        let (oid, half) = (format!("o{index}"), data.len() / 2);
        // Two extents with nothing between them, of one length.
        let ops = vec![
            Op::Write { offset: 0, data: data.slice(..half) },
            Op::Write { offset: half as u64, data: data.slice(half..) },
            Op::SetXattr { name: "x".into(), value: Bytes::from(format!("x{index}")) },
            Op::SetXattr { name: "y".into(), value: Bytes::from(format!("y{index}")) },
            Op::OmapSet { pairs: [(Bytes::from_static(b"k"), data.slice(..10))].into() },
        ];
        store.operate(Request::new(target(&oid), ops)).await.unwrap().ok().unwrap();
    }
    write(&*store, "large", large).await;
    let db = connect(&path);
    close(store).await;
    settle(&db);
    drop(db);
    let sound = std::fs::read(path.join("store.db")).unwrap();
    let all = ["o0", "o1", "o2", "large"];
    let one = "object = (SELECT id FROM object WHERE oid = 'o1')";
    for (sql, read_as) in [
        ("UPDATE extent SET start = 100000 WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET start = 3000 WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET start = -1 WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET start = 'x' WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET start = start + 12000 WHERE {}", "o1"),
        ("UPDATE extent SET length = 10 WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET length = 7000 WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET object = object + 100 WHERE {}", "o1"),
        ("DELETE FROM extent WHERE {} AND start = 0", "o1"),
        ("DELETE FROM extent WHERE {}", "o1"),
        ("UPDATE extent SET object = -object; UPDATE extent SET object = 3 + object WHERE object > -3", "o1"),
        ("UPDATE extent SET sum = sum + 1 WHERE {} AND start = 0", "o1"),
        ("UPDATE extent SET payload = zeroblob(6000) WHERE {} AND start = 0", "o1"),
        ("UPDATE object SET size = 100 WHERE oid = 'o1'", "o1"),
        ("UPDATE object SET size = 100000 WHERE oid = 'o1'", "o1"),
        ("UPDATE object SET extent_bytes = 0, extent_sums = 0 WHERE oid = 'o1'", "o1"),
        ("UPDATE object SET id = 100 WHERE oid = 'o1'", "o1"),
        ("UPDATE object SET version = 77 WHERE oid = 'o1'", "o1"),
        ("UPDATE extent SET file_offset = file_offset + 4096 WHERE start = 0 AND file NOT NULL", "large"),
        ("UPDATE extent SET skip = 4096 WHERE start = 0 AND file NOT NULL", "large"),
        ("UPDATE extent SET start = start + 1000000 WHERE start > 0 AND file NOT NULL", "large"),
    ] {
        let db = connect(&path);
        db.execute_batch(&sql.replace("{}", one)).unwrap();
        drop(db);
        let store = open(&path);
        for oid in all {
            let got = read(&*store, oid, 0, 0).await;
            let is_wanted = match (&got, oid == read_as) {
                (Err(StoreError::Corrupt { .. }), true) | (Ok(_), false) => true,
                // The two that were swapped.
                (Err(StoreError::Corrupt { .. }), false) => sql.contains("-object"),
                _ => false,
            };
            assert!(is_wanted, "{sql}: {oid}: {:?}", got.map(|data| data.len()));
        }
        close(store).await;
        restore(&path, &sound);
    }
    for sql in [
        "UPDATE xattr SET value = CAST('x0' AS BLOB) WHERE {} AND name = 'x'",
        "DELETE FROM xattr WHERE {} AND name = 'y'; UPDATE xattr SET name = 'y' WHERE {} AND name = 'x'",
        "UPDATE xattr SET object = -object; UPDATE xattr SET object = 3 + object WHERE object IN (-1, -2)",
        "UPDATE omap SET value = CAST('v' AS BLOB) WHERE {}",
        "UPDATE omap SET object = -object; UPDATE omap SET object = 3 + object WHERE object IN (-1, -2)",
    ] {
        let db = connect(&path);
        db.execute_batch(&sql.replace("{}", one)).unwrap();
        drop(db);
        let store = open(&path);
        let op = match sql.contains("omap") {
            true => Op::OmapGetValsByKeys { keys: vec![Bytes::from_static(b"k")] },
            false if sql.contains("'y'") => Op::GetXattr { name: "y".into() },
            false => Op::GetXattr { name: "x".into() },
        };
        let got = store.operate(Request::new(target("o1"), vec![op])).await;
        assert!(matches!(got, Err(StoreError::Corrupt { .. })), "{sql}: {got:?}");
        close(store).await;
        restore(&path, &sound);
    }
}

/// A transaction that outgrows the cache writes pages to the log early, changes them, and reads them there again.
#[tokio::test]
async fn a_transaction_larger_than_the_cache_reads_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    write(&*store, "o", Bytes::from_static(b"o")).await;
    for ends in ["COMMIT", "ROLLBACK", "ROLLBACK TO s; COMMIT", "COMMIT"] {
        let db = connect(&path);
        db.pragma_update(None, "cache_size", 10).unwrap();
        db.execute_batch("BEGIN; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v BLOB)").unwrap();
        for round in 0..4 {
            if round == 2 {
                db.execute_batch("SAVEPOINT s").unwrap();
            }
            for id in 0..200 {
                db.execute("INSERT OR REPLACE INTO t VALUES (?1, randomblob(1500))", [id]).unwrap();
            }
            db.query_row("SELECT sum(length(v)) FROM t", [], |row| row.get::<_, i64>(0)).unwrap();
        }
        db.execute_batch(ends).unwrap();
        let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok");
        // Others read it too, and the log goes on.
        write(&*store, "o", Bytes::from(ends)).await;
        assert_eq!(read(&*store, "o", 0, 0).await.unwrap(), ends);
    }
    close(store).await;
    let store = open(&path);
    assert_eq!(read(&*store, "o", 0, 0).await.unwrap(), "COMMIT");
    close(store).await;
}
