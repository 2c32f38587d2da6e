//! Reads of bytes that never change: rows that were read once say where they lie, so one `pread` is all it takes.
//!
//! A place in a data file that a row has named is never written again (docs/local-store.md), so what is remembered
//! of an object leads to the bytes that it had then, or to a hole, a missing file, a shorter file.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::files::FileId;
use super::schema::Db;
use super::view::{ObjectRow, Place, extents_of_range};
use super::{Shared, clients, now_ns, vfs};
use crate::store::fixed::{Fixed, FixedRead, FixedReads, HelperJob};
use crate::store::{StoreResult, Target, fixed};
use crate::sync::Mutex;

/// Pieces of objects that are remembered: 32 bytes each.
const MAX_PIECES: usize = 64 << 10;
/// Objects that are remembered: some hundred bytes each.
const MAX_OBJECTS: usize = 8 << 10;

/// A run of an object's bytes in a data file.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    length: u64,
    file: FileId,
    file_offset: u64,
}

/// What lies in data files of an object, ascending, as of a version of the database.
struct Pieces {
    version: i64,
    list: Vec<Piece>,
}

#[derive(Default)]
struct Known {
    objects: HashMap<Target, Arc<Pieces>>,
    pieces: usize,
}

/// A connection for looking, and what it saw.
struct Glance {
    db: Db,
    /// The version of the database in which this client was found not to be fenced.
    admitted: Option<i64>,
    /// The head of SQLite's index of the log, and a version that is not older.
    head: Option<vfs::LogHead>,
    version: Option<i64>,
}

pub(super) struct FixedState {
    /// `None` after the end.
    glance: Mutex<Option<Glance>>,
    known: Mutex<Known>,
    /// Reads without waiting that found nothing in memory, one after the other.
    misses: AtomicU32,
}

/// After so many misses only one read in so many still tries without waiting: a try that misses costs as much as half
/// of a read, because it already asks the disk.
const MISSES: u32 = 8;
const TRY_ONE_IN: u32 = 16;
/// What is read where neighbours will be wanted: a disk gives so much in the time of a block or two.
const AROUND: u64 = 16 << 10;

impl FixedState {
    pub fn new(db: Db) -> FixedState {
        FixedState {
            glance: Mutex::new(Some(Glance { db, admitted: None, head: None, version: None })),
            known: Mutex::default(),
            misses: AtomicU32::new(0),
        }
    }

    /// Closes the connection: the store's files are as after any other end.
    pub fn close(&self) {
        self.glance.lock().take();
    }
}

impl Glance {
    /// SQLite's own counter: another number after each commit of another connection, of any process. All commits are
    /// of other connections, because this one only looks. SQLite is asked when the head of its index of the log, which
    /// each commit changes before it returns, is another one than when it was asked before.
    fn version(&mut self) -> Option<i64> {
        // Before SQLite is asked: a commit in between makes the head another one than the one that is remembered.
        let head = self.version.and_then(|_| vfs::log_head(&self.db.conn));
        if head.is_some() && head == self.head {
            return self.version;
        }
        let mut statement = self.db.conn.prepare_cached("PRAGMA data_version").ok()?;
        self.version = statement.query_row([], |row| row.get(0)).ok();
        self.head = head;
        self.version
    }
}

impl Known {
    fn remove(&mut self, target: &Target) {
        if let Some(old) = self.objects.remove(target) {
            self.pieces -= old.list.len();
        }
    }

    fn insert(&mut self, target: &Target, pieces: Arc<Pieces>) {
        self.remove(target);
        if pieces.list.len() > MAX_PIECES {
            return;
        }
        while self.pieces + pieces.list.len() > MAX_PIECES || self.objects.len() >= MAX_OBJECTS {
            let Some(victim) = self.objects.keys().next().cloned() else { break };
            self.remove(&victim);
        }
        self.pieces += pieces.list.len();
        self.objects.insert(target.clone(), pieces);
    }
}

impl Pieces {
    /// Calls `each(piece, from, to)` for the parts of `start..end`; false if some of it is not there.
    fn cover(&self, start: u64, end: u64, mut each: impl FnMut(&Piece, u64, u64) -> bool) -> Option<bool> {
        let first = self.list.partition_point(|piece| piece.start + piece.length <= start);
        let mut at = start;
        for piece in &self.list[first..] {
            if at >= end {
                break;
            }
            if piece.start > at {
                return None;
            }
            let to = end.min(piece.start + piece.length);
            if !each(piece, at, to) {
                return Some(false);
            }
            at = to;
        }
        (at >= end).then_some(true)
    }

    fn covers(&self, start: u64, end: u64) -> bool {
        self.cover(start, end, |_, _, _| true) == Some(true)
    }
}

/// A file that was read from, as of a version of the database, and which read it was.
struct Unproved {
    index: usize,
    version: i64,
    file: FileId,
    open: Arc<File>,
}

impl Shared {
    /// Reads, but does not yet say that the files were still what they were.
    fn read_unproved(&self, read: &mut FixedRead<'_>, index: usize, files: &mut Vec<Unproved>) -> Fixed {
        let (offset, end) = (read.offset, read.offset + read.out.len() as u64);
        let may_wait = fixed::is_helper();
        let mut pieces = self.remembered(read.target);
        if !pieces.as_ref().is_some_and(|pieces| pieces.covers(offset, end)) {
            if !may_wait {
                return Fixed::Busy;
            }
            match self.look(read.target, pieces.take()) {
                Some(found) if found.covers(offset, end) => pieces = Some(found),
                Some(_) | None => return Fixed::Unknown,
            }
        }
        let Some(pieces) = pieces else { return Fixed::Unknown };
        if !may_wait {
            let misses = self.fixed.misses.load(Ordering::Relaxed);
            if misses >= MISSES && !misses.is_multiple_of(TRY_ONE_IN) {
                self.fixed.misses.store(misses.wrapping_add(1).max(MISSES), Ordering::Relaxed);
                return Fixed::Busy;
            }
        }
        let mut outcome = Fixed::Read;
        pieces.cover(offset, end, |piece, from, to| {
            let part = &mut read.out[(from - offset) as usize..(to - offset) as usize];
            let at = piece.file_offset + (from - piece.start);
            outcome = match self.files.read_unproved(piece.file, at, part, may_wait) {
                Ok(Some(open)) => {
                    files.push(Unproved { index, version: pieces.version, file: piece.file, open });
                    Fixed::Read
                }
                Ok(None) => Fixed::Busy,
                Err(_) => Fixed::Unknown,
            };
            outcome == Fixed::Read
        });
        if !may_wait {
            match outcome {
                Fixed::Read => self.fixed.misses.store(0, Ordering::Relaxed),
                Fixed::Busy | Fixed::Unknown => {
                    self.fixed.misses.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        outcome
    }

    fn remembered(&self, target: &Target) -> Option<Arc<Pieces>> {
        self.fixed.known.lock().objects.get(target).cloned()
    }

    /// Reads the rows of an object, unless they are what `old` was made of.
    fn look(&self, target: &Target, old: Option<Arc<Pieces>>) -> Option<Arc<Pieces>> {
        let mut glance = self.fixed.glance.lock();
        let glance = glance.as_mut()?;
        // Before the rows: a commit in between makes them newer than they say, and they are read again.
        let version = glance.version()?;
        if old.is_some_and(|old| old.version == version) {
            return None;
        }
        let list = self.snapshot_once(&glance.db, &|db| load(db, target)).ok()?;
        let pieces = Arc::new(Pieces { version, list });
        self.fixed.known.lock().insert(target, pieces.clone());
        Some(pieces)
    }
}

/// Where an object's data lies, as far as it is in files; neighbours joined.
fn load(db: &Db, target: &Target) -> StoreResult<Vec<Piece>> {
    let Some(row) = ObjectRow::load(db, target)? else { return Ok(vec![]) };
    let mut list: Vec<Piece> = Vec::new();
    for extent in extents_of_range(db, target, &row, 0, row.state.size)? {
        let Place::File { file, file_offset, skip, .. } = extent.place else { continue };
        let file_offset = file_offset + skip;
        match list.last_mut() {
            Some(last)
                if last.start + last.length == extent.start
                    && last.file == file
                    && last.file_offset + last.length == file_offset =>
            {
                last.length += extent.length;
            }
            Some(_) | None => {
                list.push(Piece { start: extent.start, length: extent.length, file, file_offset });
            }
        }
    }
    list.shrink_to_fit();
    Ok(list)
}

impl FixedReads for Arc<Shared> {
    fn mark(&self) -> Option<u64> {
        if self.shut.load(Ordering::Acquire) {
            return None;
        }
        let mut glance = self.fixed.glance.lock();
        let glance = glance.as_mut()?;
        let version = glance.version()?;
        if glance.admitted != Some(version) {
            if clients::is_fenced(&glance.db, self, now_ns()).ok()? {
                return None;
            }
            // The list may be newer than the version, never older.
            glance.admitted = Some(version);
        }
        Some(version as u64)
    }

    fn read(&self, target: &Target, offset: u64, out: &mut [u8]) -> Fixed {
        let mut read = [FixedRead { target, offset, out, outcome: Fixed::Unknown }];
        self.read_many(&mut read);
        read[0].outcome
    }

    fn read_many(&self, reads: &mut [FixedRead<'_>]) {
        let mut unproved = Vec::with_capacity(reads.len());
        for (index, read) in reads.iter_mut().enumerate() {
            read.outcome = self.read_unproved(read, index, &mut unproved);
            if read.outcome == Fixed::Unknown {
                self.forget(read.target);
            }
        }
        // A file gets another number before it gets other content. What rows name keeps its number: if nothing was
        // committed since the rows were read, all is well. Else what still has its number had it when it was read.
        let version = self.fixed.glance.lock().as_mut().and_then(Glance::version);
        let mut proved = None;
        for Unproved { index, version: named, file, open } in unproved {
            let read = &mut reads[index];
            if read.outcome != Fixed::Read || Some(named) == version || proved == Some(file) {
                continue;
            }
            if self.files.is_named(file, &open) {
                proved = Some(file);
            } else {
                read.outcome = Fixed::Unknown;
                self.forget(read.target);
            }
        }
    }

    fn start(&self, target: &Target, offset: u64, length: u64, around: bool) -> bool {
        let end = offset + length;
        let Some(pieces) = self.remembered(target) else { return false };
        pieces.cover(offset, end, |piece, from, to| {
            let (mut at, mut length) = (piece.file_offset + (from - piece.start), to - from);
            if around {
                let end = (at + length).next_multiple_of(AROUND);
                at -= at % AROUND;
                length = end - at;
            }
            self.files.start(piece.file, at, length)
        }) == Some(true)
    }

    fn forget(&self, target: &Target) {
        self.fixed.known.lock().remove(target);
    }

    fn help(&self, job: HelperJob, started: bool) -> Result<(), HelperJob> {
        self.helpers.submit(job, started)
    }
}
