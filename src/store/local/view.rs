//! Reading an object: rows of the database and blocks of data files, all checked.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, params};

use super::files::{BLOCK, FileId, Files};
use super::schema::{Db, Sum};
use crate::store::interp::{ObjectState, ObjectView, OmapPage};
use crate::store::{StoreError, StoreResult, Target};
use crate::wire::hash;

/// A row of table `object`.
#[derive(Clone, Debug)]
pub(super) struct ObjectRow {
    pub id: i64,
    pub state: ObjectState,
    /// Bytes that lie in rows of table `extent`.
    pub inline_bytes: u64,
    /// Lengths and checksums of all its extents, added up: shows that a gap is one, and no extent was lost.
    pub extent_bytes: u64,
    pub extent_sums: i64,
    /// The data file to which more of this object may be appended, and where.
    pub tail_file: Option<FileId>,
    pub tail_end: u64,
    pub header: Bytes,
}

/// The hash under which an object is kept: listings are in its order.
pub(super) fn reversed_hash(target: &Target) -> i64 {
    i64::from(hash::placement_hash(&target.namespace, &target.key, &target.oid).reverse_bits())
}

/// How errors name an object.
pub(super) fn object_name(target: &Target) -> String {
    match (&*target.namespace, &*target.key) {
        ("", "") => format!("object {}/{}", target.pool.0, target.oid),
        ("", key) => format!("object {}/{} (key {key})", target.pool.0, target.oid),
        (namespace, "") => format!("object {}/{namespace}/{}", target.pool.0, target.oid),
        (namespace, key) => format!("object {}/{namespace}/{} (key {key})", target.pool.0, target.oid),
    }
}

impl ObjectRow {
    pub fn sum(&self, target: &Target) -> i64 {
        Sum::of_object(self.id)
            .int(target.pool.0)
            .bytes(target.namespace.as_bytes())
            .bytes(target.key.as_bytes())
            .bytes(target.oid.as_bytes())
            .int(self.state.size as i64)
            .int(self.state.mtime_ns as i64)
            .int(self.state.version as i64)
            .int(self.inline_bytes as i64)
            .int(self.extent_bytes as i64)
            .int(self.extent_sums)
            .int(self.tail_file.map_or(-1, |file| file.0))
            .int(self.tail_end as i64)
            .bytes(&self.header)
            .value()
    }

    pub fn load(db: &Db, target: &Target) -> StoreResult<Option<ObjectRow>> {
        let found = db
            .conn
            .prepare_cached(
                "SELECT id, size, mtime, version, inline_bytes, tail_file, tail_end, header, sum, extent_bytes,
                     extent_sums FROM object
                 WHERE pool = ?1 AND hash = ?2 AND namespace = ?3 AND key = ?4 AND oid = ?5",
            )
            .and_then(|mut statement| {
                let name = params![
                    target.pool.0,
                    reversed_hash(target),
                    &*target.namespace,
                    &*target.key,
                    &*target.oid
                ];
                statement.query_row(name, ObjectRow::from_row).optional()
            })
            .map_err(|error| row_error(db, target, error))?;
        match found {
            Some((row, sum)) if row.sum(target) != sum => {
                Err(corrupt(target, "its row in store.db does not match its checksum".into()))
            }
            Some((row, _)) => Ok(Some(row)),
            None => Ok(None),
        }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<(ObjectRow, i64)> {
        let state = ObjectState {
            size: row.get::<_, i64>(1)? as u64,
            mtime_ns: row.get::<_, i64>(2)? as u64,
            version: row.get::<_, i64>(3)? as u64,
        };
        let object = ObjectRow {
            id: row.get(0)?,
            state,
            inline_bytes: row.get::<_, i64>(4)? as u64,
            extent_bytes: row.get::<_, i64>(9)? as u64,
            extent_sums: row.get(10)?,
            tail_file: row.get::<_, Option<i64>>(5)?.map(FileId),
            tail_end: row.get::<_, i64>(6)? as u64,
            header: row.get::<_, Vec<u8>>(7)?.into(),
        };
        Ok((object, row.get(8)?))
    }
}

/// A value of the wrong type in a row is damage, not a mistake of ours.
pub(super) fn row_error(db: &Db, target: &Target, error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::InvalidColumnType(..) => corrupt(target, format!("in store.db: {error}")),
        error => db.error(error),
    }
}

pub(super) fn corrupt(target: &Target, detail: String) -> StoreError {
    StoreError::Corrupt { object: object_name(target), detail: detail.into() }
}

/// A row of table `extent`: a written range of an object.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub start: u64,
    pub length: u64,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The bytes themselves.
    Inline(Bytes),
    /// `stored` bytes at `file_offset`, of which the first `skip` are not the extent's; `sums` has each block's CRC.
    File { file: FileId, file_offset: u64, skip: u64, stored: u64, sums: Bytes },
}

impl Extent {
    pub fn end(&self) -> u64 {
        self.start + self.length
    }

    pub fn sum(&self, object: i64) -> i64 {
        let sum = Sum::of_object(object).int(self.start as i64).int(self.length as i64);
        match &self.place {
            Place::Inline(data) => sum.bytes(data).value(),
            Place::File { file, file_offset, skip, stored, sums } => sum
                .int(file.0)
                .int(*file_offset as i64)
                .int(*skip as i64)
                .int(*stored as i64)
                .bytes(sums)
                .value(),
        }
    }

    /// The extents that touch `from..to`, in order; checked.
    pub fn load(db: &Db, target: &Target, object: i64, from: u64, to: u64) -> StoreResult<Vec<Extent>> {
        let to = to.min(i64::MAX as u64) as i64;
        let sql = "SELECT start, length, sum, file, file_offset, skip, stored, payload FROM extent
                   WHERE object = ?1 AND start < ?3 AND start >= coalesce(
                       (SELECT max(start) FROM extent WHERE object = ?1 AND start <= ?2), 0)
                   ORDER BY start";
        let mut extents = Extent::select(db, target, object, sql, params![object, from as i64, to])?;
        extents.retain(|extent| extent.end() > from);
        Ok(extents)
    }

    /// All extents, in order, whatever their rows have for a start. They are those that the object's row counts, or it is damage.
    fn load_all(db: &Db, target: &Target, row: &ObjectRow) -> StoreResult<Vec<Extent>> {
        let sql = "SELECT start, length, sum, file, file_offset, skip, stored, payload FROM extent
                   WHERE object = ?1 ORDER BY start";
        let extents = Extent::select(db, target, row.id, sql, params![row.id])?;
        let found: u64 = extents.iter().map(|extent| extent.length).sum();
        let sums: i64 = extents.iter().map(|extent| extent.sum(row.id)).sum();
        if (found, sums) != (row.extent_bytes, row.extent_sums) {
            let detail = format!("store.db has extents of {found} of its {} bytes", row.extent_bytes);
            return Err(corrupt(target, detail));
        }
        Ok(extents)
    }

    /// Each row is checked, and that none begins before the end of the one before.
    fn select(
        db: &Db,
        target: &Target,
        object: i64,
        sql: &str,
        bound: &[&dyn rusqlite::ToSql],
    ) -> StoreResult<Vec<Extent>> {
        let mut statement = db.conn.prepare_cached(sql).map_err(|error| db.error(error))?;
        let mut extents: Vec<Extent> = Vec::new();
        let mut read = || -> rusqlite::Result<Option<(u64, &str)>> {
            let mut rows = statement.query(bound)?;
            while let Some(row) = rows.next()? {
                let (start, length) = (row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64);
                let payload = Bytes::copy_from_slice(row.get_ref(7)?.as_blob()?);
                let place = match row.get::<_, Option<i64>>(3)? {
                    None => Place::Inline(payload),
                    Some(file) => Place::File {
                        file: FileId(file),
                        file_offset: row.get::<_, i64>(4)? as u64,
                        skip: row.get::<_, i64>(5)? as u64,
                        stored: row.get::<_, i64>(6)? as u64,
                        sums: payload,
                    },
                };
                let extent = Extent { start, length, place };
                if extent.sum(object) != row.get::<_, i64>(2)? {
                    return Ok(Some((start, "does not match its checksum")));
                }
                if extents.last().is_some_and(|before| before.end() > start) {
                    return Ok(Some((start, "is not the only one there")));
                }
                extents.push(extent);
            }
            Ok(None)
        };
        match read() {
            Ok(None) => Ok(extents),
            Ok(Some((start, what))) => {
                Err(corrupt(target, format!("offset {start}: its extent in store.db {what}")))
            }
            Err(error) => Err(row_error(db, target, error)),
        }
    }

    /// Copies the part of the extent that lies in `out`, which begins at object offset `from`.
    fn read_into(&self, files: &Files, from: u64, out: &mut [u8]) -> Result<(), super::files::Unreadable> {
        let begin = self.start.max(from);
        let end = self.end().min(from + out.len() as u64);
        let out = &mut out[(begin - from) as usize..(end - from) as usize];
        match &self.place {
            Place::Inline(data) => {
                out.copy_from_slice(&data[(begin - self.start) as usize..(end - self.start) as usize]);
            }
            Place::File { file, file_offset, skip, stored, sums } => {
                let (first, last) = (skip + begin - self.start, skip + end - self.start);
                let blocks = first / BLOCK..last.div_ceil(BLOCK);
                let lead = (first - blocks.start * BLOCK) as usize;
                let data = files.read_blocks(*file, *file_offset, *stored, sums, blocks)?;
                out.copy_from_slice(&data[lead..lead + out.len()]);
            }
        }
        Ok(())
    }
}

/// The extents that touch `from..to`. A gap is believed only if all extents of the object are there and sound: a damaged start can
/// put one where nothing looks for it.
pub(super) fn extents_of_range(
    db: &Db,
    target: &Target,
    row: &ObjectRow,
    from: u64,
    to: u64,
) -> StoreResult<Vec<Extent>> {
    let mut extents = Extent::load(db, target, row.id, from, to)?;
    // They do not overlap.
    let covered: u64 = extents.iter().map(|extent| extent.end().min(to) - extent.start.max(from)).sum();
    if covered < to - from {
        extents = Extent::load_all(db, target, row)?;
        extents.retain(|extent| extent.end() > from && extent.start < to);
    }
    Ok(extents)
}

/// Reads `from..to` of an object; gaps are zeros.
pub(super) fn read_range(
    db: &Db,
    files: &Files,
    target: &Target,
    row: &ObjectRow,
    from: u64,
    to: u64,
) -> StoreResult<Vec<u8>> {
    let mut data = vec![0; (to - from) as usize];
    for extent in extents_of_range(db, target, row, from, to)? {
        if let Err(unreadable) = extent.read_into(files, from, &mut data) {
            let object = object_name(target);
            let detail = format!("offset {}: {}", extent.start.max(from), unreadable.detail);
            return Err(match unreadable.error {
                Some(_) => StoreError::Io { object, detail },
                None => StoreError::Corrupt { object, detail: detail.into() },
            });
        }
    }
    Ok(data)
}

/// One object as the interpreter sees it, in the transaction that `db` is in.
pub(super) struct View<'a> {
    pub db: &'a Db,
    pub files: &'a Files,
    pub target: &'a Target,
    pub row: Option<ObjectRow>,
    /// Whether a client is there, given the timeout of its watch.
    pub is_watching: &'a dyn Fn(u64, u32) -> bool,
}

impl View<'_> {
    fn id(&self) -> i64 {
        self.row.as_ref().map_or(-1, |row| row.id)
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        row_error(self.db, self.target, error)
    }

    fn check(&self, what: &str, key: &[u8], value: &[u8], sum: i64) -> StoreResult<()> {
        if Sum::of_object(self.id()).bytes(key).bytes(value).value() == sum {
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        Err(corrupt(self.target, format!("{what} {key:?} in store.db does not match its checksum")))
    }
}

impl ObjectView for View<'_> {
    fn state(&mut self) -> StoreResult<Option<ObjectState>> {
        Ok(self.row.as_ref().map(|row| row.state))
    }

    fn read(&mut self, offset: u64, length: u64) -> StoreResult<Bytes> {
        let Some(row) = &self.row else { return Ok(Bytes::new()) };
        Ok(read_range(self.db, self.files, self.target, row, offset, offset + length)?.into())
    }

    fn allocated(&mut self, offset: u64, length: u64) -> StoreResult<Vec<(u64, u64)>> {
        let Some(row) = &self.row else { return Ok(vec![]) };
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for extent in extents_of_range(self.db, self.target, row, offset, offset + length)? {
            let (start, end) = (extent.start.max(offset), extent.end().min(offset + length));
            match ranges.last_mut() {
                Some((from, length)) if *from + *length == start => *length = end - *from,
                _ => ranges.push((start, end - start)),
            }
        }
        Ok(ranges)
    }

    fn xattr(&mut self, name: &str) -> StoreResult<Option<Bytes>> {
        let found: Option<(Vec<u8>, i64)> = self
            .db
            .conn
            .prepare_cached("SELECT value, sum FROM xattr WHERE object = ?1 AND name = ?2")
            .and_then(|mut s| {
                s.query_row(params![self.id(), name], |r| Ok((r.get(0)?, r.get(1)?))).optional()
            })
            .map_err(|error| self.error(error))?;
        let Some((value, sum)) = found else { return Ok(None) };
        self.check("xattr", name.as_bytes(), &value, sum)?;
        Ok(Some(value.into()))
    }

    fn xattrs(&mut self) -> StoreResult<Vec<(String, Bytes)>> {
        let rows: Vec<(String, Vec<u8>, i64)> = self
            .db
            .conn
            .prepare_cached("SELECT name, value, sum FROM xattr WHERE object = ?1 ORDER BY name")
            .and_then(|mut s| s.query_map([self.id()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
            .map_err(|error| self.error(error))?;
        let mut xattrs = Vec::with_capacity(rows.len());
        for (name, value, sum) in rows {
            self.check("xattr", name.as_bytes(), &value, sum)?;
            xattrs.push((name, value.into()));
        }
        Ok(xattrs)
    }

    fn omap_header(&mut self) -> StoreResult<Bytes> {
        Ok(self.row.as_ref().map(|row| row.header.clone()).unwrap_or_default())
    }

    fn omap_value(&mut self, key: &Bytes) -> StoreResult<Option<Bytes>> {
        let found: Option<(Vec<u8>, i64)> = self
            .db
            .conn
            .prepare_cached("SELECT value, sum FROM omap WHERE object = ?1 AND key = ?2")
            .and_then(|mut s| {
                s.query_row(params![self.id(), &key[..]], |r| Ok((r.get(0)?, r.get(1)?))).optional()
            })
            .map_err(|error| self.error(error))?;
        let Some((value, sum)) = found else { return Ok(None) };
        self.check("omap key", key, &value, sum)?;
        Ok(Some(value.into()))
    }

    fn omap_page(&mut self, after: &Bytes, prefix: &Bytes, max: u64) -> StoreResult<OmapPage> {
        let sql = if prefix > after {
            "SELECT key, value, sum FROM omap WHERE object = ?1 AND key >= ?2 ORDER BY key LIMIT ?3"
        } else {
            "SELECT key, value, sum FROM omap WHERE object = ?1 AND key > ?2 ORDER BY key LIMIT ?3"
        };
        let from = prefix.max(after);
        type Found = Vec<(Vec<u8>, Vec<u8>, i64)>;
        let rows: Found = self
            .db
            .conn
            .prepare_cached(sql)
            .and_then(|mut s| {
                let bound = params![self.id(), &from[..], max as i64 + 1];
                s.query_map(bound, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect()
            })
            .map_err(|error| self.error(error))?;
        let mut pairs = Vec::with_capacity(rows.len());
        for (key, value, sum) in rows {
            if !key.starts_with(prefix) {
                break;
            }
            if pairs.len() as u64 == max {
                return Ok((pairs, true));
            }
            self.check("omap key", &key, &value, sum)?;
            pairs.push((key.into(), value.into()));
        }
        Ok((pairs, false))
    }

    fn watchers(&mut self) -> StoreResult<Vec<(String, u64, u64, u32)>> {
        let rows: Vec<(String, i64, i64, u32)> = self
            .db
            .conn
            .prepare_cached(
                "SELECT address, watch.gid, cookie, timeout_s FROM watch JOIN client USING (gid)
                 WHERE object = ?1 ORDER BY watch.gid, cookie",
            )
            .and_then(|mut s| {
                s.query_map([self.id()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?.collect()
            })
            .map_err(|error| self.error(error))?;
        let alive = rows.into_iter().filter(|(_, gid, _, timeout)| (self.is_watching)(*gid as u64, *timeout));
        Ok(alive
            .map(|(address, gid, cookie, timeout)| (address, gid as u64, cookie as u64, timeout))
            .collect())
    }
}
