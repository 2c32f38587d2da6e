//! Pools, applications, listings and usage.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::files::FileId;
use super::schema::Db;
use super::writer::Transaction;
use crate::errno::Errno;
use crate::store::{ListCursor, ListEntry, PoolId, StoreError, StoreResult};

fn op(errno: Errno) -> StoreError {
    StoreError::Op(errno)
}

pub(super) fn pool_list(db: &Db) -> StoreResult<Vec<(PoolId, String)>> {
    db.conn
        .prepare_cached("SELECT id, name FROM pool ORDER BY id")
        .and_then(|mut s| s.query_map([], |row| Ok((PoolId(row.get(0)?), row.get(1)?)))?.collect())
        .map_err(|error| db.error(error))
}

pub(super) fn pool_lookup(db: &Db, name: &str) -> StoreResult<PoolId> {
    let id: Option<i64> = db
        .conn
        .prepare_cached("SELECT id FROM pool WHERE name = ?1")
        .and_then(|mut s| s.query_row([name], |row| row.get(0)).optional())
        .map_err(|error| db.error(error))?;
    id.map(PoolId).ok_or(StoreError::NoPool)
}

pub(super) fn pool_name(db: &Db, pool: PoolId) -> StoreResult<String> {
    let name: Option<String> = db
        .conn
        .prepare_cached("SELECT name FROM pool WHERE id = ?1")
        .and_then(|mut s| s.query_row([pool.0], |row| row.get(0)).optional())
        .map_err(|error| db.error(error))?;
    name.ok_or(StoreError::NoPool)
}

pub(super) fn pool_create(
    tx: &mut Transaction<'_>,
    name: &str,
    crush_rule: Option<u8>,
) -> StoreResult<PoolId> {
    if name.is_empty() {
        return Err(op(Errno::EINVAL));
    }
    // There is one rule, number 0.
    if crush_rule.is_some_and(|rule| rule != 0) {
        return Err(op(Errno::ENOENT));
    }
    if pool_lookup(tx.db, name).is_ok() {
        return Err(op(Errno::EEXIST));
    }
    tx.execute("INSERT INTO pool (name) VALUES (?1)", params![name])?;
    Ok(PoolId(tx.db.conn.last_insert_rowid()))
}

pub(super) fn pool_delete(tx: &mut Transaction<'_>, name: &str) -> StoreResult<()> {
    let pool = pool_lookup(tx.db, name)?.0;
    let files: rusqlite::Result<Vec<i64>> = tx
        .db
        .conn
        .prepare_cached(
            "SELECT file FROM extent JOIN object ON object.id = extent.object
                 WHERE pool = ?1 AND file IS NOT NULL
             UNION SELECT tail_file FROM object WHERE pool = ?1 AND tail_file IS NOT NULL",
        )
        .and_then(|mut s| s.query_map([pool], |row| row.get(0))?.collect());
    for file in files.map_err(|error| tx.db.error(error))? {
        tx.add_garbage_file(FileId(file))?;
    }
    let watched: rusqlite::Result<Vec<i64>> = tx
        .db
        .conn
        .prepare_cached("SELECT DISTINCT object FROM watch JOIN object ON object.id = object WHERE pool = ?1")
        .and_then(|mut s| s.query_map([pool], |row| row.get(0))?.collect());
    for object in watched.map_err(|error| tx.db.error(error))? {
        tx.drop_watches(object)?;
    }
    for sql in [
        "DELETE FROM extent WHERE object IN (SELECT id FROM object WHERE pool = ?1)",
        "DELETE FROM xattr WHERE object IN (SELECT id FROM object WHERE pool = ?1)",
        "DELETE FROM omap WHERE object IN (SELECT id FROM object WHERE pool = ?1)",
        "DELETE FROM object WHERE pool = ?1",
        "DELETE FROM application_metadata WHERE pool = ?1",
        "DELETE FROM application WHERE pool = ?1",
        "DELETE FROM pool WHERE id = ?1",
    ] {
        tx.execute(sql, params![pool])?;
    }
    Ok(())
}

/// (bytes, objects) of a pool.
pub(super) fn pool_usage(db: &Db, pool: PoolId) -> StoreResult<(u64, u64)> {
    pool_name(db, pool)?;
    let usage: (i64, i64) = db
        .conn
        .prepare_cached("SELECT coalesce(sum(size), 0), count(*) FROM object WHERE pool = ?1")
        .and_then(|mut s| s.query_row([pool.0], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(|error| db.error(error))?;
    Ok((usage.0 as u64, usage.1 as u64))
}

pub(super) fn object_count(db: &Db) -> StoreResult<u64> {
    let count: rusqlite::Result<i64> = db
        .conn
        .prepare_cached("SELECT count(*) FROM object")
        .and_then(|mut s| s.query_row([], |row| row.get(0)));
    count.map(|count| count as u64).map_err(|error| db.error(error))
}

pub(super) fn applications(db: &Db, pool: PoolId) -> StoreResult<Vec<String>> {
    pool_name(db, pool)?;
    db.conn
        .prepare_cached("SELECT app FROM application WHERE pool = ?1 ORDER BY app")
        .and_then(|mut s| s.query_map([pool.0], |row| row.get(0))?.collect())
        .map_err(|error| db.error(error))
}

pub(super) fn application_enable(
    tx: &mut Transaction<'_>,
    pool: PoolId,
    app: &str,
    force: bool,
) -> StoreResult<()> {
    if app.is_empty() {
        return Err(op(Errno::EINVAL));
    }
    let enabled = applications(tx.db, pool)?;
    if !enabled.is_empty() && !enabled.iter().any(|name| name == app) && !force {
        return Err(op(Errno::EPERM));
    }
    tx.execute("INSERT OR IGNORE INTO application VALUES (?1, ?2)", params![pool.0, app])?;
    Ok(())
}

fn check_application(db: &Db, pool: PoolId, app: &str) -> StoreResult<()> {
    if applications(db, pool)?.iter().any(|name| name == app) { Ok(()) } else { Err(op(Errno::ENOENT)) }
}

pub(super) fn application_metadata(db: &Db, pool: PoolId, app: &str) -> StoreResult<Vec<(String, String)>> {
    check_application(db, pool, app)?;
    db.conn
        .prepare_cached(
            "SELECT key, value FROM application_metadata WHERE pool = ?1 AND app = ?2 ORDER BY key",
        )
        .and_then(|mut s| s.query_map(params![pool.0, app], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(|error| db.error(error))
}

pub(super) fn application_metadata_set(
    tx: &mut Transaction<'_>,
    pool: PoolId,
    app: &str,
    key: &str,
    value: Option<&str>,
) -> StoreResult<()> {
    check_application(tx.db, pool, app)?;
    match value {
        Some(value) => tx.execute(
            "INSERT OR REPLACE INTO application_metadata VALUES (?1, ?2, ?3, ?4)",
            params![pool.0, app, key, value],
        )?,
        None => tx.execute(
            "DELETE FROM application_metadata WHERE pool = ?1 AND app = ?2 AND key = ?3",
            params![pool.0, app, key],
        )?,
    };
    Ok(())
}

/// One page of a listing, in the order of reversed hashes.
pub(super) fn list(
    db: &Db,
    pool: PoolId,
    namespace: Option<&str>,
    cursor: ListCursor,
    max: usize,
) -> StoreResult<(Vec<ListEntry>, ListCursor)> {
    pool_name(db, pool)?;
    let ListCursor::At { hash_reversed, namespace: from, key, oid } = cursor else {
        return Ok((vec![], ListCursor::End));
    };
    type Row = (u32, String, String, String);
    let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows: Vec<Row> = db
        .conn
        .prepare_cached(
            "SELECT hash, namespace, key, oid FROM object
             WHERE pool = ?1 AND (hash, namespace, key, oid) >= (?2, ?3, ?4, ?5)
                 AND (?6 IS NULL OR namespace = ?6)
             ORDER BY hash, namespace, key, oid LIMIT ?7",
        )
        .and_then(|mut s| {
            let bounds = params![pool.0, hash_reversed, &*from, &*key, &*oid, namespace, limit];
            s.query_map(bounds, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?.collect()
        })
        .map_err(|error| db.error(error))?;
    let next = if rows.len() > max { rows.pop() } else { None };
    let next = next.map_or(ListCursor::End, |(hash_reversed, namespace, key, oid)| ListCursor::At {
        hash_reversed,
        namespace: namespace.into(),
        key: key.into(),
        oid: oid.into(),
    });
    let entry = |(hash, namespace, key, oid): Row| ListEntry {
        namespace: Arc::from(namespace),
        oid: Arc::from(oid),
        key: Arc::from(key),
        hash: hash.reverse_bits(),
    };
    Ok((rows.into_iter().map(entry).collect(), next))
}
