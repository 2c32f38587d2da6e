//! The SQLite side: connections, schema, row checksums, and how SQLite's failures become ours.
//!
//! Every row that holds user data carries a CRC-32C of its fields (`sum`), so that a flipped bit in the database is
//! found when the row is read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::vfs;
use crate::errno::Errno;
use crate::store::{StoreError, StoreResult};

/// `PRAGMA user_version` of the schema below.
pub(super) const SCHEMA_VERSION: i64 = 1;

/// Tables; docs/local-store.md describes every column.
pub(super) const SCHEMA: &str = "
CREATE TABLE pool (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, version_floor INTEGER NOT NULL DEFAULT 0);
CREATE TABLE application (
    pool INTEGER NOT NULL, app TEXT NOT NULL, PRIMARY KEY (pool, app)) WITHOUT ROWID;
CREATE TABLE application_metadata (
    pool INTEGER NOT NULL, app TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (pool, app, key)) WITHOUT ROWID;
CREATE TABLE object (
    id INTEGER PRIMARY KEY, pool INTEGER NOT NULL, hash INTEGER NOT NULL, namespace TEXT NOT NULL,
    key TEXT NOT NULL, oid TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    version INTEGER NOT NULL, inline_bytes INTEGER NOT NULL, extent_bytes INTEGER NOT NULL,
    extent_sums INTEGER NOT NULL, tail_file INTEGER, tail_end INTEGER NOT NULL,
    header BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE UNIQUE INDEX object_name ON object (pool, hash, namespace, key, oid);
CREATE INDEX object_tail ON object (tail_file) WHERE tail_file IS NOT NULL;
CREATE TABLE extent (
    object INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL, sum INTEGER NOT NULL,
    file INTEGER, file_offset INTEGER, skip INTEGER, stored INTEGER, payload BLOB NOT NULL,
    PRIMARY KEY (object, start)) WITHOUT ROWID;
CREATE INDEX extent_file ON extent (file, file_offset) WHERE file IS NOT NULL;
CREATE TABLE xattr (
    object INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (object, name)) WITHOUT ROWID;
CREATE TABLE omap (
    object INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (object, key)) WITHOUT ROWID;
CREATE TABLE garbage (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE TABLE client (
    gid INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, name TEXT NOT NULL, pid INTEGER NOT NULL);
CREATE TABLE blocklist (address TEXT PRIMARY KEY, until INTEGER NOT NULL);
CREATE TABLE watch (
    object INTEGER NOT NULL, gid INTEGER NOT NULL, cookie INTEGER NOT NULL, timeout_s INTEGER NOT NULL,
    PRIMARY KEY (object, gid, cookie)) WITHOUT ROWID;
CREATE INDEX watch_client ON watch (gid, cookie);
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, gid INTEGER NOT NULL, kind INTEGER NOT NULL, cookie INTEGER NOT NULL,
    notify_id INTEGER NOT NULL, sender INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE INDEX event_client ON event (gid, id);
INSERT INTO sqlite_sequence (name, seq) VALUES ('client', 4100);
INSERT INTO pool (name) VALUES ('rbd');
INSERT INTO application (pool, app) SELECT id, 'rbd' FROM pool;
PRAGMA user_version = 1;
";

/// A connection to the store's database.
pub(super) struct Db {
    pub conn: Connection,
    path: PathBuf,
}

impl Db {
    /// `sums`: each page has a checksum ([`super::vfs`]).
    pub fn open(path: &Path, sums: bool) -> StoreResult<Db> {
        let failed = |error| db_error(path, error);
        let no_sums = || {
            let (object, detail) = (path.display().to_string(), "page checksums cannot be had".to_owned());
            Err(StoreError::Io { object, detail })
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        vfs::listen();
        vfs::watch_making();
        vfs::making_errno();
        let conn = if sums {
            if !vfs::register() {
                return no_sums();
            }
            let conn = Connection::open_with_flags_and_vfs(path, flags, vfs::NAME).map_err(failed)?;
            if !vfs::reserve(&conn) {
                return no_sums();
            }
            conn
        } else {
            Connection::open_with_flags(path, flags).map_err(failed)?
        };
        conn.busy_timeout(Duration::from_secs(60)).map_err(failed)?;
        conn.pragma_update(None, "page_size", vfs::PAGE as i64).map_err(failed)?;
        conn.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        conn.pragma_update(None, "synchronous", "full").map_err(failed)?;
        conn.pragma_update(None, "wal_autocheckpoint", 4000).map_err(failed)?;
        conn.pragma_update(None, "journal_size_limit", 64 << 20).map_err(failed)?;
        conn.pragma_update(None, "cache_size", -16384).map_err(failed)?;
        // A transaction is written when it commits, all of it at once (`vfs::log`).
        conn.pragma_update(None, "cache_spill", false).map_err(failed)?;
        // Checks of pages as they are read: damage shows as an error and not as odd content.
        conn.pragma_update(None, "cell_size_check", true).map_err(failed)?;
        conn.set_prepared_statement_cache_capacity(128);
        Ok(Db { conn, path: path.to_owned() })
    }

    /// Turns SQLite's error into ours.
    pub fn error(&self, error: rusqlite::Error) -> StoreError {
        db_error(&self.path, error)
    }
}

pub(super) fn db_error(path: &Path, error: rusqlite::Error) -> StoreError {
    let object = path.display().to_string();
    match error.sqlite_error().map(|e| (e.code, e.extended_code)) {
        Some((ErrorCode::DiskFull, _)) => StoreError::NoSpace,
        // The WAL's index could not grow.
        Some((_, code @ rusqlite::ffi::SQLITE_IOERR_SHMSIZE)) => match vfs::io_errno(code) {
            None | Some(Errno::ENOSPC | Errno::EDQUOT) => StoreError::NoSpace,
            Some(errno) => StoreError::Io { object, detail: format!("its index cannot grow: {errno}") },
        },
        // A file of SQLite's (its log, its index) could not be made.
        Some((ErrorCode::CannotOpen, _)) => match vfs::making_errno() {
            Some(Errno::ENOSPC | Errno::EDQUOT) => StoreError::NoSpace,
            Some(errno) => StoreError::Io { object, detail: format!("{error}: {errno}") },
            None => StoreError::Io { object, detail: error.to_string() },
        },
        Some((_, rusqlite::ffi::SQLITE_IOERR_DATA)) => {
            StoreError::Corrupt { object, detail: "the checksum of a page does not match".into() }
        }
        Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => {
            StoreError::Corrupt { object, detail: error.to_string().into() }
        }
        // A file could not be cut to a length or synced.
        Some((ErrorCode::SystemIoFailure, code)) => match vfs::io_errno(code) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => StoreError::NoSpace,
            Some(errno) => StoreError::Io { object, detail: format!("{error} ({code}): {errno}") },
            None => StoreError::Io { object, detail: format!("{error} ({code})") },
        },
        _ => StoreError::Io { object, detail: error.to_string() },
    }
}

/// A CRC of a row's fields; each goes in with its length.
pub(super) struct Sum(u32);

impl Sum {
    pub fn of_object(id: i64) -> Sum {
        Sum(0).int(id)
    }

    pub fn int(self, value: i64) -> Sum {
        Sum(crate::crc::append(self.0, &value.to_le_bytes()))
    }

    pub fn bytes(self, value: &[u8]) -> Sum {
        let sum = self.int(value.len() as i64);
        Sum(crate::crc::append(sum.0, value))
    }

    pub fn value(self) -> i64 {
        i64::from(self.0)
    }
}
