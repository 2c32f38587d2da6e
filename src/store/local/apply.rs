//! Carrying out an op list's changes in the writer's transaction.
//!
//! Data goes either into rows (small pieces) or into data files, always at places that no committed row names. So
//! until the commit nothing that could be read has changed, and the caller syncs the files before it commits.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use rusqlite::{ToSql, params};

use super::files::{BLOCK, Dirty, FileId, Files, block_sums};
use super::pack::{Packer, Room};
use super::schema::{Db, Sum};
use super::view::{Extent, ObjectRow, Place, reversed_hash, row_error};
use crate::store::interp::{Mutation, ObjectState};
use crate::store::{StoreResult, Target};

/// Pieces up to this size lie in rows.
const INLINE: usize = 16 << 10;
/// When an object has more than this in rows, they are packed into its data file, beside the commits.
pub(super) const INLINE_TOTAL: u64 = 256 << 10;
/// When it has more than this, because that was too slow or did not work, they are packed in the commit.
const INLINE_MAX: u64 = 4 * INLINE_TOTAL;
/// Room for runs of rows that do not follow each other: each begins with a block.
const MORE_RUNS: u64 = 4;
/// The longest extent in a data file: bounds what one row's checksums take.
const MAX_EXTENT: usize = 1 << 20;
/// A data file that has grown to this gets no more data, so that it can go when its data is dead.
const MAX_FILE: u64 = 256 << 20;

/// Data that was written to a file of its own, and synced, ahead of the transaction.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub file: FileId,
    pub sums: Bytes,
}

/// A freed range of a data file; `length` 0: the whole file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Garbage {
    /// The row that remembers it until it is freed.
    pub row: i64,
    pub file: FileId,
    pub start: u64,
    pub length: u64,
}

/// One list's changes to one object.
pub(super) struct Apply<'a> {
    db: &'a Db,
    files: &'a Files,
    packer: &'a Packer,
    target: &'a Target,
    dirty: &'a mut Dirty,
    /// By index of the op.
    staged: &'a HashMap<usize, Staged>,
    row: Option<ObjectRow>,
    /// No extent of the object ends after this.
    end: u64,
    used: HashSet<FileId>,
    /// Ranges that rows named and perhaps no longer do.
    freed: Vec<(FileId, u64, u64)>,
    pub garbage: Vec<Garbage>,
    /// Objects whose row went; their watches go too.
    pub removed: Vec<i64>,
    /// Set aside for the object's rows.
    pub room: Option<Room>,
}

impl<'a> Apply<'a> {
    pub fn new(
        db: &'a Db,
        files: &'a Files,
        packer: &'a Packer,
        target: &'a Target,
        dirty: &'a mut Dirty,
        staged: &'a HashMap<usize, Staged>,
        row: Option<ObjectRow>,
    ) -> Apply<'a> {
        let (used, freed, garbage, removed) = (HashSet::new(), vec![], vec![], vec![]);
        let end = row.as_ref().map_or(0, |row| row.state.size);
        Apply {
            db,
            files,
            packer,
            target,
            dirty,
            staged,
            row,
            end,
            used,
            freed,
            garbage,
            removed,
            room: None,
        }
    }

    /// Staged files that the changes named, if only for a moment: what is dead of them is garbage by now.
    pub fn used_files(&mut self) -> HashSet<FileId> {
        std::mem::take(&mut self.used)
    }

    fn execute(&self, sql: &str, values: &[&dyn ToSql]) -> StoreResult<usize> {
        let done = self.db.conn.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
        done.map_err(|error| row_error(self.db, self.target, error))
    }

    /// Carries out all changes. `after` `None`: the object does not exist afterwards.
    pub fn run(&mut self, mutations: Vec<Mutation>, after: Option<ObjectState>) -> StoreResult<()> {
        for mutation in mutations {
            self.apply(mutation)?;
        }
        if let Some(after) = after {
            let mut row = self.row()?;
            row.state = after;
            self.row = Some(row);
            self.pack()?;
            self.drop_unused_tail()?;
            self.save()?;
        }
        self.collect()
    }

    /// The object's row, made if need be.
    fn row(&mut self) -> StoreResult<ObjectRow> {
        if let Some(row) = &self.row {
            return Ok(row.clone());
        }
        let target = self.target;
        self.execute(
            "INSERT INTO object (pool, hash, namespace, key, oid, size, mtime, version, inline_bytes, extent_bytes,
                 extent_sums, tail_end, header, sum) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, 0, 0, x'', 0)",
            params![target.pool.0, reversed_hash(target), &*target.namespace, &*target.key, &*target.oid],
        )?;
        let row = ObjectRow {
            id: self.db.conn.last_insert_rowid(),
            state: ObjectState { size: 0, mtime_ns: 0, version: 0 },
            inline_bytes: 0,
            extent_bytes: 0,
            extent_sums: 0,
            tail_file: None,
            tail_end: 0,
            header: Bytes::new(),
        };
        self.row = Some(row.clone());
        self.end = 0;
        Ok(row)
    }

    pub fn save(&mut self) -> StoreResult<()> {
        let row = self.row()?;
        self.execute(
            "UPDATE object SET size = ?2, mtime = ?3, version = ?4, inline_bytes = ?5, tail_file = ?6,
                 tail_end = ?7, header = ?8, sum = ?9, extent_bytes = ?10, extent_sums = ?11 WHERE id = ?1",
            params![
                row.id,
                row.state.size as i64,
                row.state.mtime_ns as i64,
                row.state.version as i64,
                row.inline_bytes as i64,
                row.tail_file.map(|file| file.0),
                row.tail_end as i64,
                &row.header[..],
                row.sum(self.target),
                row.extent_bytes as i64,
                row.extent_sums
            ],
        )?;
        Ok(())
    }

    fn apply(&mut self, mutation: Mutation) -> StoreResult<()> {
        if mutation == Mutation::Remove {
            return self.remove();
        }
        let id = self.row()?.id;
        match mutation {
            Mutation::Create | Mutation::Remove => {}
            Mutation::Write { offset, data, op } => self.write(id, offset, &data, op)?,
            Mutation::Zero { offset, length } => self.punch(id, offset, offset + length)?,
            Mutation::Truncate { size } => self.punch(id, size, u64::MAX)?,
            Mutation::SetXattr { name, value } => {
                let sum = Sum::of_object(id).bytes(name.as_bytes()).bytes(&value).value();
                let sql = "INSERT OR REPLACE INTO xattr (object, name, value, sum) VALUES (?1, ?2, ?3, ?4)";
                self.execute(sql, params![id, name, &value[..], sum])?;
            }
            Mutation::RmXattr { name } => {
                self.execute("DELETE FROM xattr WHERE object = ?1 AND name = ?2", params![id, name])?;
            }
            Mutation::OmapHeader { data } => self.set_header(data),
            Mutation::OmapSet { pairs } => {
                let sql = "INSERT OR REPLACE INTO omap (object, key, value, sum) VALUES (?1, ?2, ?3, ?4)";
                for (key, value) in pairs {
                    let sum = Sum::of_object(id).bytes(&key).bytes(&value).value();
                    self.execute(sql, params![id, &key[..], &value[..], sum])?;
                }
            }
            Mutation::OmapRmKeys { keys } => {
                for key in keys {
                    self.execute("DELETE FROM omap WHERE object = ?1 AND key = ?2", params![id, &key[..]])?;
                }
            }
            Mutation::OmapRmRange { begin, end } => {
                let sql = "DELETE FROM omap WHERE object = ?1 AND key >= ?2 AND key < ?3";
                self.execute(sql, params![id, &begin[..], &end[..]])?;
            }
            Mutation::OmapClear => {
                self.execute("DELETE FROM omap WHERE object = ?1", params![id])?;
                self.set_header(Bytes::new());
            }
        }
        Ok(())
    }

    fn set_header(&mut self, header: Bytes) {
        if let Some(row) = &mut self.row {
            row.header = header;
        }
    }

    fn remove(&mut self) -> StoreResult<()> {
        let Some(row) = self.row.clone() else { return Ok(()) };
        self.punch(row.id, 0, u64::MAX)?;
        if let Some(tail) = row.tail_file {
            self.freed.push((tail, 0, 0));
        }
        for sql in [
            "DELETE FROM xattr WHERE object = ?1",
            "DELETE FROM omap WHERE object = ?1",
            "DELETE FROM object WHERE id = ?1",
        ] {
            self.execute(sql, params![row.id])?;
        }
        self.removed.push(row.id);
        self.row = None;
        Ok(())
    }

    fn write(&mut self, id: i64, offset: u64, data: &Bytes, op: usize) -> StoreResult<()> {
        self.punch(id, offset, offset + data.len() as u64)?;
        if let Some(staged) = self.staged.get(&op) {
            let Staged { file, sums } = staged.clone();
            self.used.insert(file);
            return self.name_file_data(id, offset, data.len(), file, 0, &sums);
        }
        if data.len() <= INLINE {
            let extent =
                Extent { start: offset, length: data.len() as u64, place: Place::Inline(data.clone()) };
            return self.insert(id, &extent);
        }
        self.write_to_tail(id, offset, data)
    }

    /// Takes `length` bytes at the end of the object's data file, or of a new one.
    fn take_tail(&mut self, length: u64) -> StoreResult<(FileId, u64)> {
        let row = self.row()?;
        let usable = |file: &FileId| row.tail_end < MAX_FILE && !self.dirty.broken.contains(file);
        let (file, at) = match row.tail_file.filter(usable) {
            Some(file) => (file, row.tail_end),
            None => (self.files.create(self.dirty)?, 0),
        };
        if let Some(old) = row.tail_file.filter(|old| *old != file) {
            self.freed.push((old, 0, 0));
        }
        if let Some(row) = &mut self.row {
            row.tail_file = Some(file);
            row.tail_end = (at + length).next_multiple_of(BLOCK);
        }
        Ok((file, at))
    }

    /// Appends data to the object's data file and names it.
    fn write_to_tail(&mut self, id: i64, offset: u64, data: &[u8]) -> StoreResult<()> {
        let (file, at) = self.take_tail(data.len() as u64)?;
        self.files.write(file, at, data, self.dirty)?;
        self.name_file_data(id, offset, data.len(), file, at, &block_sums(data))
    }

    /// Inserts extents for `length` bytes at `file_offset`, with the CRCs of all their blocks.
    fn name_file_data(
        &mut self,
        id: i64,
        offset: u64,
        length: usize,
        file: FileId,
        file_offset: u64,
        sums: &[u8],
    ) -> StoreResult<()> {
        let sums_of_extent = MAX_EXTENT / BLOCK as usize * 4;
        for (index, sums) in sums.chunks(sums_of_extent).enumerate() {
            let done = index * MAX_EXTENT;
            let stored = (length - done).min(MAX_EXTENT) as u64;
            let place = Place::File {
                file,
                file_offset: file_offset + done as u64,
                skip: 0,
                stored,
                sums: Bytes::copy_from_slice(sums),
            };
            self.insert(id, &Extent { start: offset + done as u64, length: stored, place })?;
        }
        Ok(())
    }

    fn insert(&mut self, id: i64, extent: &Extent) -> StoreResult<()> {
        let sql = "INSERT INTO extent (object, start, length, sum, file, file_offset, skip, stored, payload)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let (start, length, sum) = (extent.start as i64, extent.length as i64, extent.sum(id));
        if let Some(row) = &mut self.row {
            row.extent_bytes += extent.length;
            row.extent_sums += sum;
        }
        self.end = self.end.max(extent.end());
        match &extent.place {
            Place::Inline(data) => {
                let none = None::<i64>;
                self.execute(sql, params![id, start, length, sum, none, none, none, none, &data[..]])?;
                if let Some(row) = &mut self.row {
                    row.inline_bytes += extent.length;
                }
            }
            Place::File { file, file_offset, skip, stored, sums } => {
                let (at, skip, stored) = (*file_offset as i64, *skip as i64, *stored as i64);
                self.execute(sql, params![id, start, length, sum, file.0, at, skip, stored, &sums[..]])?;
            }
        }
        Ok(())
    }

    /// Frees `from..to` of the object; what straddles an end keeps its part outside.
    fn punch(&mut self, id: i64, from: u64, to: u64) -> StoreResult<()> {
        if from >= to.min(self.end) {
            return Ok(());
        }
        for extent in Extent::load(self.db, self.target, id, from, to)? {
            self.execute(
                "DELETE FROM extent WHERE object = ?1 AND start = ?2",
                params![id, extent.start as i64],
            )?;
            if let Some(row) = &mut self.row {
                row.extent_bytes = row.extent_bytes.saturating_sub(extent.length);
                row.extent_sums -= extent.sum(id);
            }
            match &extent.place {
                Place::Inline(_) => {
                    if let Some(row) = &mut self.row {
                        row.inline_bytes = row.inline_bytes.saturating_sub(extent.length);
                    }
                }
                Place::File { file, file_offset, stored, .. } => {
                    self.freed.push((*file, *file_offset, *stored));
                }
            }
            if extent.start < from {
                self.insert(id, &cut(&extent, extent.start, from))?;
            }
            if extent.end() > to {
                self.insert(id, &cut(&extent, to, extent.end()))?;
            }
        }
        Ok(())
    }

    /// Sees to it that the object's rows move into its data file when they have become many.
    fn pack(&mut self) -> StoreResult<()> {
        let row = self.row()?;
        if row.inline_bytes > INLINE_MAX {
            return self.pack_now(&row);
        }
        if self.packer.wants(row.id, row.inline_bytes) {
            let bytes = row.inline_bytes.next_multiple_of(BLOCK) + MORE_RUNS * BLOCK;
            let (file, at) = self.take_tail(bytes)?;
            let (target, object, inline_bytes) = (self.target.clone(), row.id, row.inline_bytes);
            self.room = Some(Room { target, object, inline_bytes, file, at, bytes });
        }
        Ok(())
    }

    fn pack_now(&mut self, row: &ObjectRow) -> StoreResult<()> {
        // Runs of neighbours, with the data.
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for extent in Extent::load(self.db, self.target, row.id, 0, u64::MAX)? {
            let Place::Inline(data) = &extent.place else { continue };
            match runs.last_mut() {
                Some((from, run)) if *from + run.len() as u64 == extent.start => run.extend_from_slice(data),
                Some(_) | None => runs.push((extent.start, data.to_vec())),
            }
            self.forget_rows(extent.length, extent.sum(row.id));
        }
        for (from, data) in runs {
            self.delete_rows(row.id, from, data.len() as u64)?;
            self.write_to_tail(row.id, from, &data)?;
        }
        Ok(())
    }

    /// Names a copy of the rows of `start..start + length` in their place. `row_sums`: theirs, added up; `sums`: the CRCs of the copy's
    /// blocks.
    pub fn move_rows(
        &mut self,
        start: u64,
        length: u64,
        row_sums: i64,
        file: FileId,
        at: u64,
        sums: &[u8],
    ) -> StoreResult<()> {
        let id = self.row()?.id;
        self.forget_rows(length, row_sums);
        self.delete_rows(id, start, length)?;
        self.name_file_data(id, start, length as usize, file, at, sums)
    }

    /// What the object's row counts of rows that go.
    fn forget_rows(&mut self, bytes: u64, sums: i64) {
        if let Some(row) = &mut self.row {
            row.extent_bytes = row.extent_bytes.saturating_sub(bytes);
            row.extent_sums -= sums;
            row.inline_bytes = row.inline_bytes.saturating_sub(bytes);
        }
    }

    fn delete_rows(&self, id: i64, start: u64, length: u64) -> StoreResult<()> {
        let sql = "DELETE FROM extent WHERE object = ?1 AND start >= ?2 AND start < ?3";
        self.execute(sql, params![id, start as i64, (start + length) as i64]).map(drop)
    }

    /// Gives up a data file of which nothing is left: an object that is emptied and filled anew gets a new one.
    fn drop_unused_tail(&mut self) -> StoreResult<()> {
        let Some(tail) = self.row.as_ref().and_then(|row| row.tail_file) else { return Ok(()) };
        if self.freed.iter().any(|(file, _, _)| *file == tail)
            && !self.is_named(tail)?
            && let Some(row) = &mut self.row
        {
            (row.tail_file, row.tail_end) = (None, 0);
        }
        Ok(())
    }

    /// Whether any extent lies in the file.
    fn is_named(&self, file: FileId) -> StoreResult<bool> {
        let found = self
            .db
            .conn
            .prepare_cached("SELECT 1 FROM extent WHERE file = ?1 LIMIT 1")
            .and_then(|mut statement| statement.exists([file.0]));
        found.map_err(|error| self.db.error(error))
    }

    /// Whether an object appends to the file.
    fn is_tail(&self, file: FileId) -> StoreResult<bool> {
        let found = self
            .db
            .conn
            .prepare_cached("SELECT 1 FROM object WHERE tail_file = ?1 LIMIT 1")
            .and_then(|mut statement| statement.exists([file.0]));
        found.map_err(|error| self.db.error(error))
    }

    /// Turns what is freed and named by no row any more into garbage, which is given back after the commit.
    fn collect(&mut self) -> StoreResult<()> {
        let mut freed = std::mem::take(&mut self.freed);
        freed.sort_unstable();
        freed.dedup();
        let mut whole: Option<FileId> = None;
        for (file, start, length) in freed {
            if whole == Some(file) {
                continue;
            }
            if !self.is_named(file)? && !self.is_tail(file)? {
                whole = Some(file);
                self.add_garbage(file, 0, 0)?;
            } else if length > 0 {
                for (start, end) in
                    self.unnamed_parts(file, start, (start + length).next_multiple_of(BLOCK))?
                {
                    self.add_garbage(file, start, end - start)?;
                }
            }
        }
        Ok(())
    }

    /// The blocks of `start..end` in which no extent lies.
    fn unnamed_parts(&self, file: FileId, start: u64, end: u64) -> StoreResult<Vec<(u64, u64)>> {
        let sql = "SELECT file_offset, file_offset + stored FROM extent
                   WHERE file = ?1 AND file_offset > ?2 AND file_offset < ?3 ORDER BY file_offset";
        let lowest = start as i64 - MAX_EXTENT as i64;
        let named: Vec<(i64, i64)> = self
            .db
            .conn
            .prepare_cached(sql)
            .and_then(|mut statement| {
                let bounds = params![file.0, lowest, end as i64];
                statement.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .map_err(|error| self.db.error(error))?;
        let (mut parts, mut at) = (Vec::new(), start);
        for (from, to) in named {
            if from as u64 > at {
                parts.push((at, from as u64));
            }
            at = at.max((to as u64).next_multiple_of(BLOCK));
        }
        if at < end {
            parts.push((at, end));
        }
        Ok(parts)
    }

    fn add_garbage(&mut self, file: FileId, start: u64, length: u64) -> StoreResult<()> {
        self.execute(
            "INSERT INTO garbage (file, start, length) VALUES (?1, ?2, ?3)",
            params![file.0, start as i64, length as i64],
        )?;
        let row = self.db.conn.last_insert_rowid();
        self.garbage.push(Garbage { row, file, start, length });
        Ok(())
    }
}

/// The part `from..to` of an extent; whole blocks are kept so that their CRCs stay good.
fn cut(extent: &Extent, from: u64, to: u64) -> Extent {
    let place = match &extent.place {
        Place::Inline(data) => {
            Place::Inline(data.slice((from - extent.start) as usize..(to - extent.start) as usize))
        }
        Place::File { file, file_offset, skip, stored, sums } => {
            let (first, last) = (skip + from - extent.start, skip + to - extent.start);
            let begin = first / BLOCK;
            let end = last.div_ceil(BLOCK);
            Place::File {
                file: *file,
                file_offset: file_offset + begin * BLOCK,
                skip: first - begin * BLOCK,
                stored: (end * BLOCK).min(*stored) - begin * BLOCK,
                sums: sums.slice(begin as usize * 4..end as usize * 4),
            }
        }
    };
    Extent { start: from, length: to - from, place }
}
