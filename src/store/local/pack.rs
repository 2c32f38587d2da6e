//! Packing: rows of an object that have become many move into its data file, beside the commits.
//!
//! 1. The commit after which an object has more than `INLINE_TOTAL` bytes in rows sets room in its data file aside: nobody else writes
//!    there (`tail_end` is past it).
//! 2. A reader copies the rows into that room and syncs the file.
//! 3. A later commit names the copies in place of the rows, if these are still the same: it compares their number, lengths and
//!    checksums. What has changed meanwhile stays in rows.
//!
//! From 2 to 3 the packer holds the file (flock, shared), so that nobody gives its number to other data: see [`Files::hold`]. If any
//! of this fails, or a crash comes, the room is lost until the file goes, and the rows stay what counts.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use rusqlite::params;
use rustix::fs::{FlockOperation, flock};

use super::Shared;
use super::apply::{Apply, INLINE_TOTAL};
use super::files::{BLOCK, FileId, Files, block_sums};
use super::queue::Call;
use super::schema::Db;
use super::threads::Job;
use super::view::{Extent, ObjectRow, Place};
use super::writer::Transaction;
use crate::store::{StoreResult, Target};
use crate::sync::Mutex;

/// Room in a data file for an object's rows.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub target: Target,
    pub object: i64,
    pub inline_bytes: u64,
    pub file: FileId,
    pub at: u64,
    pub bytes: u64,
}

/// Which objects are being packed.
#[derive(Default)]
pub(super) struct Packer {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: HashSet<i64>,
    /// Objects that could not be packed, and how many bytes in rows they may have before that is tried again.
    later: HashMap<i64, u64>,
}

impl Packer {
    /// Whether an object with so many bytes in rows is to be packed.
    pub fn wants(&self, object: i64, inline_bytes: u64) -> bool {
        let state = self.state.lock();
        inline_bytes > INLINE_TOTAL
            && !state.under_way.contains(&object)
            && state.later.get(&object).is_none_or(|bytes| inline_bytes > *bytes)
    }

    fn begin(&self, object: i64) -> bool {
        self.state.lock().under_way.insert(object)
    }

    fn end(&self, room: &Room, packed: bool) {
        let mut state = self.state.lock();
        state.under_way.remove(&room.object);
        if packed {
            state.later.remove(&room.object);
            return;
        }
        if state.later.len() >= 1024 {
            state.later.clear();
        }
        state.later.insert(room.object, room.inline_bytes + INLINE_TOTAL);
    }
}

/// Rows whose bytes follow each other, and their copy.
struct Run {
    start: u64,
    length: u64,
    rows: i64,
    /// Of the rows, added up.
    sums: i64,
    at: u64,
    copied: Vec<u8>,
}

impl Shared {
    /// Copies what the room is for, beside the work; the commit that set it aside is durable.
    pub(super) fn pack_later(self: &Arc<Shared>, room: Room) {
        if !self.packer.begin(room.object) {
            return;
        }
        let shared = self.clone();
        let job: Job = Box::new(move |db| {
            let runs = shared.snapshot(db, &|db| read(db, &room));
            let copied = runs.ok().filter(|runs| !runs.is_empty()).and_then(|mut runs| {
                let file = hold(&shared.files, room.file)?;
                let written = runs.iter_mut().try_for_each(|run| {
                    let data = std::mem::take(&mut run.copied);
                    run.copied = block_sums(&data);
                    file.write_all_at(&data, run.at)
                });
                // If the disk could not take it, the writer is to hear of it: it appends to the file as well.
                let synced = written.and_then(|()| file.sync_data()).is_ok();
                Some(Swap {
                    shared: shared.clone(),
                    room: room.clone(),
                    runs,
                    synced,
                    packed: false,
                    _held: file,
                })
            });
            match copied {
                Some(swap) => shared.queue.call_with_others(Box::new(swap)),
                None => shared.packer.end(&room, false),
            }
        });
        // After the shutdown rows stay rows.
        let _ = self.pool.submit(job);
    }
}

/// The object's rows, as far as there is room for them.
fn read(db: &Db, room: &Room) -> StoreResult<Vec<Run>> {
    let Some(row) = ObjectRow::load(db, &room.target)?.filter(|row| row.id == room.object) else {
        return Ok(vec![]);
    };
    let mut runs: Vec<Run> = Vec::new();
    for extent in Extent::load(db, &room.target, row.id, 0, u64::MAX)? {
        let Place::Inline(data) = &extent.place else { continue };
        match runs.last_mut() {
            Some(run) if run.start + run.length == extent.start => {
                run.length += extent.length;
                run.rows += 1;
                run.sums += extent.sum(row.id);
                run.copied.extend_from_slice(data);
            }
            Some(_) | None => runs.push(Run {
                start: extent.start,
                length: extent.length,
                rows: 1,
                sums: extent.sum(row.id),
                at: 0,
                copied: data.to_vec(),
            }),
        }
    }
    let mut at = room.at;
    runs.retain_mut(|run| {
        run.at = at;
        let end = at + run.length.next_multiple_of(BLOCK);
        let fits = end <= room.at + room.bytes;
        if fits {
            at = end;
        }
        fits
    });
    Ok(runs)
}

/// The file, as long as it has this number, locked so that it keeps it. `None`: it is gone, or about to be.
fn hold(files: &Files, id: FileId) -> Option<File> {
    let path = files.path(id);
    let file = OpenOptions::new().write(true).open(&path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockShared).ok()?;
    let (held, named) = (file.metadata().ok()?, std::fs::symlink_metadata(&path).ok()?);
    (held.ino() == named.ino() && held.nlink() == 1).then_some(file)
}

/// Names the copies in place of the rows.
struct Swap {
    shared: Arc<Shared>,
    room: Room,
    runs: Vec<Run>,
    synced: bool,
    packed: bool,
    _held: File,
}

impl Call for Swap {
    fn when_fenced(&self) -> bool {
        false
    }

    fn run(&mut self, tx: &mut Transaction<'_>) -> StoreResult<()> {
        self.packed = false;
        if !self.synced {
            tx.dirty.broken.insert(self.room.file);
            return Ok(());
        }
        let (db, target) = (tx.db, &self.room.target);
        let Some(row) = ObjectRow::load(db, target)? else { return Ok(()) };
        // As long as it is the object's, the file is nobody's garbage.
        if row.id != self.room.object || row.tail_file != Some(self.room.file) {
            return Ok(());
        }
        let staged = HashMap::new();
        let mut apply =
            Apply::new(db, &tx.shared.files, &tx.shared.packer, target, tx.dirty, &staged, Some(row));
        for run in &self.runs {
            if is_as_read(db, self.room.object, run)? {
                apply.move_rows(run.start, run.length, run.sums, self.room.file, run.at, &run.copied)?;
                self.packed = true;
            }
        }
        if self.packed { apply.save() } else { Ok(()) }
    }

    fn done(&mut self, result: StoreResult<()>) {
        self.shared.packer.end(&self.room, result.is_ok() && self.packed);
    }
}

/// Whether the rows are those that were copied: none has come, gone or changed.
fn is_as_read(db: &Db, object: i64, run: &Run) -> StoreResult<bool> {
    let sql = "SELECT count(*), coalesce(sum(length), 0), coalesce(sum(sum), 0), count(file) FROM extent
               WHERE object = ?1 AND start >= ?2 AND start < ?3";
    let bounds = params![object, run.start as i64, (run.start + run.length) as i64];
    let found: rusqlite::Result<(i64, i64, i64, i64)> =
        db.conn.prepare_cached(sql).and_then(|mut statement| {
            statement.query_row(bounds, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        });
    let found = found.map_err(|error| db.error(error))?;
    Ok(found == (run.rows, run.length as i64, run.sums, 0))
}
