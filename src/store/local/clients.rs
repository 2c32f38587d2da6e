//! Clients in the database: their rows, fencing, and sweeping up after those that died.

use std::path::Path;

use rusqlite::params;

use super::Shared;
use super::apply::Garbage;
use super::events::{EVENT_LOST, insert_event};
use super::files::FileId;
use super::folder::{is_alive, remove_presence};
use super::schema::Db;
use super::writer::Transaction;
use crate::errno::Errno;
use crate::store::blocklist::{DEFAULT_EXPIRE_S, Fenced};
use crate::store::{StoreError, StoreResult};

/// A new client's number: never given twice.
pub(super) fn register(db: &Db, name: &str) -> StoreResult<u64> {
    let insert = || -> rusqlite::Result<i64> {
        db.conn.execute_batch("BEGIN IMMEDIATE")?;
        db.conn.execute(
            "INSERT INTO client (address, name, pid) VALUES ('', ?1, ?2)",
            params![name, std::process::id()],
        )?;
        let gid = db.conn.last_insert_rowid();
        db.conn
            .execute("UPDATE client SET address = ?2 WHERE gid = ?1", params![gid, address(gid as u64)])?;
        db.conn.execute_batch("COMMIT")?;
        Ok(gid)
    };
    insert().map(|gid| gid as u64).map_err(|error| {
        if !db.conn.is_autocommit() {
            // The first error is the one to tell.
            let _ = db.conn.execute_batch("ROLLBACK");
        }
        db.error(error)
    })
}

/// A client's address, in the form that Ceph prints.
pub(super) fn address(gid: u64) -> String {
    format!("127.0.0.1:0/{gid}")
}

/// Clients whose process is gone. The caller holds the folder's lock, so that none is just being born.
pub(super) fn dead(db: &Db, clients: &Path) -> StoreResult<Vec<u64>> {
    let all: rusqlite::Result<Vec<i64>> = db
        .conn
        .prepare_cached("SELECT gid FROM client")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect());
    let all = all.map_err(|error| db.error(error))?;
    Ok(all.into_iter().map(|gid| gid as u64).filter(|gid| !is_alive(clients, *gid)).collect())
}

/// All garbage that was left: freeing it twice does no harm, because no place is ever used again.
pub(super) fn leftover_garbage(db: &Db) -> StoreResult<Vec<Garbage>> {
    db.conn
        .prepare_cached("SELECT id, file, start, length FROM garbage ORDER BY id LIMIT 100000")
        .and_then(|mut statement| {
            let garbage = statement.query_map([], |row| {
                Ok(Garbage {
                    row: row.get(0)?,
                    file: FileId(row.get(1)?),
                    start: row.get::<_, i64>(2)? as u64,
                    length: row.get::<_, i64>(3)? as u64,
                })
            })?;
            garbage.collect()
        })
        .map_err(|error| db.error(error))
}

/// Removes the data files of a dead client that no row names: it died before the commit that would have.
/// No commit can name them any more, as only their maker would have.
pub(super) fn remove_orphans(db: &Db, shared: &Shared, gid: u64) -> StoreResult<()> {
    let folder = shared.folder.join("data").join(format!("{gid:08x}"));
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(counter) = name.to_str().and_then(|name| u32::from_str_radix(name, 16).ok()) else {
            continue;
        };
        let file = FileId(((gid << 32) | u64::from(counter)) as i64);
        let named = db
            .conn
            .prepare_cached(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM extent WHERE file = ?1)
                 OR EXISTS (SELECT 1 FROM object WHERE tail_file = ?1)",
            )
            .and_then(|mut statement| statement.exists([file.0]))
            .map_err(|error| db.error(error))?;
        if !named {
            shared.files.free(file, 0, 0);
        }
    }
    // Fails if files are left, which is what it should do.
    let _ = std::fs::remove_dir(&folder);
    Ok(())
}

/// Forgets a client: its watches, its mail, its name.
pub(super) fn forget(tx: &mut Transaction<'_>, gid: u64) -> StoreResult<()> {
    for sql in [
        "DELETE FROM watch WHERE gid = ?1",
        "DELETE FROM event WHERE gid = ?1",
        "DELETE FROM client WHERE gid = ?1",
    ] {
        tx.execute(sql, params![gid as i64])?;
    }
    if gid != tx.shared.gid {
        remove_presence(&tx.shared.clients(), gid);
    }
    Ok(())
}

type Entries = Vec<(String, i64)>;

fn blocklist(db: &Db) -> StoreResult<Entries> {
    db.conn
        .prepare_cached("SELECT address, until FROM blocklist")
        .and_then(|mut s| s.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(|error| db.error(error))
}

/// The entries in force: address and until when, in nanoseconds since 1970.
pub(super) fn blocklist_entries(db: &Db, now_ns: u64) -> StoreResult<Vec<(String, u64)>> {
    let all = blocklist(db)?.into_iter().map(|(address, until)| (address, until as u64));
    Ok(all.filter(|(_, until)| *until > now_ns).collect())
}

/// Whether this client is fenced, in the transaction that `db` is in.
pub(super) fn is_fenced(db: &Db, shared: &Shared, now_ns: u64) -> StoreResult<bool> {
    let entries = blocklist_entries(db, now_ns)?;
    Ok(entries.iter().any(|(entry, _)| Fenced::parse(entry).is_ok_and(|entry| entry.covers(&shared.fenced))))
}

/// Fences an address: from this commit on no list of its clients succeeds, and their watches end.
pub(super) fn fence(tx: &mut Transaction<'_>, address: &str, expire_s: u32) -> StoreResult<()> {
    let entry = Fenced::parse(address)?;
    let expire_s = if expire_s == 0 { DEFAULT_EXPIRE_S } else { expire_s };
    let until = tx.now_ns.saturating_add(u64::from(expire_s) * 1_000_000_000) as i64;
    tx.execute("DELETE FROM blocklist WHERE until <= ?1", params![tx.now_ns as i64])?;
    tx.execute("INSERT OR REPLACE INTO blocklist VALUES (?1, ?2)", params![entry.to_string(), until])?;
    let watches: Vec<(i64, i64, String)> = tx
        .db
        .conn
        .prepare_cached("SELECT watch.gid, cookie, address FROM watch JOIN client USING (gid)")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(|error| tx.db.error(error))?;
    for (gid, cookie, address) in watches {
        if Fenced::parse(&address).is_ok_and(|client| entry.covers(&client)) {
            let errno = Errno::ESHUTDOWN.0.to_le_bytes();
            insert_event(tx, gid as u64, EVENT_LOST, cookie as u64, 0, &errno)?;
            tx.execute("DELETE FROM watch WHERE gid = ?1 AND cookie = ?2", params![gid, cookie])?;
        }
    }
    Ok(())
}

/// Ends the fencing of an address; ENOENT if it is not fenced.
pub(super) fn unfence(tx: &mut Transaction<'_>, address: &str) -> StoreResult<()> {
    let entry = Fenced::parse(address)?;
    match tx.execute("DELETE FROM blocklist WHERE address = ?1", params![entry.to_string()])? {
        0 => Err(StoreError::Op(Errno::ENOENT)),
        _ => Ok(()),
    }
}
