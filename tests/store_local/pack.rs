//! Rows of an object that have become many move into its data file beside the commits, and what is read stays right.

use std::path::Path;

use logrbd::store::local::LocalStore;
use logrbd::store::{Op, Request, Store};
use rusqlite::{Connection, OpenFlags};

use crate::damage::{read, target};
use crate::r#gen::Rng;
use crate::model::open;

async fn run(store: &LocalStore, oid: &str, op: Op) {
    store.operate(Request::new(target(oid), vec![op])).await.unwrap().ok().unwrap();
}

/// Bytes of extents in rows, and in data files.
fn where_data_is(store: &Path) -> (i64, i64) {
    let db = Connection::open_with_flags(store.join("store.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT coalesce(sum(length) FILTER (WHERE file IS NULL), 0), coalesce(sum(length) FILTER (WHERE file IS NOT NULL), 0)
               FROM extent";
    db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn appended_rows_move_into_the_data_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let other = open(&path);
    let mut rng = Rng::with_seed(7);
    let mut all = Vec::new();
    // The copying goes on beside the appends, so how soon it is done is a matter of chance.
    let packed = loop {
        let data = rng.bytes(4192);
        all.extend_from_slice(&data);
        run(&store, "log", Op::Append { data }).await;
        if all.len() % (4192 * 40) == 0 {
            let (rows, files) = where_data_is(&path);
            assert_eq!((rows + files) as usize, all.len());
            if files > 800 << 10 && rows < 512 << 10 {
                break files;
            }
            assert!(all.len() < 64 << 20, "{rows} bytes stay in rows, {files} are packed");
        }
    };
    assert!(packed > 0);
    assert!(read(&*store, "log", 0, 0).await.unwrap() == all);
    assert!(read(&*other, "log", 0, 0).await.unwrap() == all);
    store.shutdown().await;
    other.shutdown().await;
    let store = open(&path);
    assert!(read(&*store, "log", 0, 0).await.unwrap() == all);
    store.shutdown().await;
}

/// Two clients change the same objects, whose rows both pack: each change is there, whatever was being copied.
#[tokio::test]
async fn changes_beside_packing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let stores = [open(&path), open(&path)];
    let mut rng = Rng::from_env("changes_beside_packing");
    let mut objects = vec![Vec::new(); 3];
    let mut most_packed = 0;
    for n in 0..2500 {
        let at = rng.below(3) as usize;
        let (oid, model) = (format!("o{at}"), &mut objects[at]);
        let store = &stores[rng.below(8) as usize / 7];
        match rng.below(400) {
            0 => {
                run(store, &oid, Op::Create { exclusive: false }).await;
                run(store, &oid, Op::Remove).await;
                model.clear();
            }
            1 => {
                run(store, &oid, Op::Create { exclusive: false }).await;
                run(store, &oid, Op::Truncate { size: 0 }).await;
                model.clear();
            }
            2..10 => {
                let length = 17_000 + rng.below(40_000) as usize;
                let data = rng.bytes(length);
                model.extend_from_slice(&data);
                run(store, &oid, Op::Append { data }).await;
            }
            10..40 if !model.is_empty() => {
                let offset = rng.below(model.len() as u64);
                let length = 1 + rng.below(9000) as usize;
                let data = rng.bytes(length);
                let end = offset as usize + data.len();
                model.resize(model.len().max(end), 0);
                model[offset as usize..end].copy_from_slice(&data);
                run(store, &oid, Op::Write { offset, data }).await;
            }
            _ => {
                let length = 3000 + rng.below(3000) as usize;
                let data = rng.bytes(length);
                model.extend_from_slice(&data);
                run(store, &oid, Op::Append { data }).await;
            }
        }
        if n % 25 == 0 && !model.is_empty() {
            assert!(read(&*stores[n / 25 % 2], &oid, 0, 0).await.unwrap() == *model, "{oid} after {n}");
            most_packed = most_packed.max(where_data_is(&path).1);
        }
    }
    for store in &stores {
        store.shutdown().await;
    }
    let store = open(&path);
    for (at, model) in objects.iter().enumerate().filter(|(_, model)| !model.is_empty()) {
        assert!(read(&*store, &format!("o{at}"), 0, 0).await.unwrap() == *model, "o{at}");
    }
    // At its end a run may just have removed what was packed.
    assert!(most_packed > 0, "nothing was ever packed");
    store.shutdown().await;
}
