//! The writer thread: takes what waits, runs it in one transaction, makes it durable, and only then answers.
//!
//! Order of a commit: data files are written and synced, then their folders; then SQLite commits (WAL,
//! synchronous=FULL: the commit returns when the WAL is on disk). The answer is sent after that: what was answered
//! survives a crash, and a crash before the commit leaves the state from before it.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use rusqlite::params;
use rustix::fs::{FlockOperation, flock};

use super::Shared;
use super::apply::{Apply, Garbage};
use super::events::{EVENT_LOST, insert_event};
use super::files::{Dirty, io_error};
use super::folder::release_reserve;
use super::pack::Room;
use super::queue::{Item, List};
use super::schema::Db;
use super::view::{ObjectRow, View};
use crate::errno::Errno;
use crate::store::interp::{self, Caller, ObjectState};
use crate::store::{Op, Reply, SnapId, StoreError, StoreResult, Target};

/// The transaction that is open, for [`super::queue::Call`]s.
pub(super) struct Transaction<'a> {
    pub db: &'a Db,
    pub shared: &'a Shared,
    pub now_ns: u64,
    /// Clients that have events to fetch after the commit.
    pub wake: &'a mut BTreeSet<u64>,
    pub dirty: &'a mut Dirty,
    garbage: &'a mut Vec<Garbage>,
    rooms: &'a mut Vec<Room>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    db: Db,
    /// Serialises the writers of all processes: SQLite's own waiting polls.
    turn: File,
    dirty: Dirty,
}

/// What one item came to inside of a transaction that committed.
type ItemResult = StoreResult<Option<Reply>>;

/// A transaction that is durable, and what follows from it.
#[derive(Default)]
struct Committed {
    results: Vec<ItemResult>,
    wake: BTreeSet<u64>,
    garbage: Vec<Garbage>,
    rooms: Vec<Room>,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, db: Db) -> StoreResult<Writer> {
        let path = shared.folder.join("writer.lock");
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create(true).truncate(false), 0o600);
        let turn = options.open(&path).map_err(|error| io_error(&path, "create", &error))?;
        Ok(Writer { shared, db, turn, dirty: Dirty::default() })
    }

    pub fn run(mut self) {
        let shared = self.shared.clone();
        loop {
            let mut batch = shared.queue.next_batch();
            if !batch.items.is_empty() || !batch.cleaned.is_empty() {
                match self.commit(&mut batch.items, &batch.cleaned) {
                    Ok(results) => self.finish(batch.items, results),
                    // One item's trouble (no room, say) must not be the others': each on its own, in order. Rows
                    // of garbage that were to go stay: freeing twice does no harm.
                    Err(error) => {
                        if error == StoreError::NoSpace {
                            shared.files.drop_spares();
                        }
                        for item in batch.items {
                            let mut alone = vec![item];
                            let result = self.commit_alone(&mut alone);
                            self.finish(alone, vec![result]);
                        }
                    }
                }
            }
            if batch.last {
                return;
            }
        }
    }

    /// One item in a transaction of its own; where there is no room, once more after making some.
    fn commit_alone(&mut self, item: &mut [Item]) -> ItemResult {
        let once = |writer: &mut Writer, item: &mut [Item]| {
            writer.commit(item, &[]).and_then(|mut results| results.pop().unwrap_or(Ok(None)))
        };
        let mut result = once(self, item);
        if result != Err(StoreError::NoSpace) {
            return result;
        }
        // Gives back what the log takes.
        let checkpoint = |writer: &Writer| {
            // A failure leaves things as they are.
            let _ = writer.db.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        };
        checkpoint(self);
        result = once(self, item);
        if result == Err(StoreError::NoSpace) && frees_space(&item[0]) && release_reserve(&self.shared.folder)
        {
            result = once(self, item);
            checkpoint(self);
        }
        result
    }

    /// One transaction. `Err`: nothing of it happened.
    fn commit(&mut self, items: &mut [Item], cleaned: &[i64]) -> StoreResult<Vec<ItemResult>> {
        let path = || self.shared.folder.join("writer.lock");
        flock(&self.turn, FlockOperation::LockExclusive)
            .map_err(|error| io_error(&path(), "lock", &error.into()))?;
        let result = self.transact(items, cleaned);
        if result.is_err() && !self.db.conn.is_autocommit() {
            // If this fails too, SQLite rolls back when the next transaction begins or the connection closes.
            let _ = self.db.conn.execute_batch("ROLLBACK");
        }
        let _ = flock(&self.turn, FlockOperation::Unlock);
        let Committed { results, wake, garbage, rooms } = result?;
        for gid in wake {
            self.shared.wake(gid);
        }
        if !garbage.is_empty() {
            self.shared.clean_later(garbage);
        }
        for room in rooms {
            self.shared.pack_later(room);
        }
        Ok(results)
    }

    fn transact(&mut self, items: &mut [Item], cleaned: &[i64]) -> StoreResult<Committed> {
        let db = &self.db;
        let sql = |text: &str| {
            let done = db.conn.prepare_cached(text).and_then(|mut statement| statement.execute([]));
            done.map(|_| ()).map_err(|error| db.error(error))
        };
        sql("BEGIN IMMEDIATE")?;
        let now_ns = super::now_ns();
        let fenced = super::clients::is_fenced(db, &self.shared, now_ns)?;
        let mut done = Committed::default();
        for row in cleaned {
            let deleted = db
                .conn
                .prepare_cached("DELETE FROM garbage WHERE id = ?1")
                .and_then(|mut statement| statement.execute([row]));
            deleted.map_err(|error| db.error(error))?;
        }
        // One by itself is the transaction: SQLite then keeps no copies for going back within it.
        let alone = items.len() == 1 && cleaned.is_empty();
        for item in items.iter_mut() {
            if !alone {
                sql("SAVEPOINT item")?;
            }
            let (mut wake, mut garbage, mut rooms) = (BTreeSet::new(), Vec::new(), Vec::new());
            let mut tx = Transaction {
                db,
                shared: &self.shared,
                now_ns,
                wake: &mut wake,
                dirty: &mut self.dirty,
                garbage: &mut garbage,
                rooms: &mut rooms,
            };
            let result = match item {
                Item::List(_) if fenced => Err(StoreError::Blocklisted),
                Item::Call(call) if fenced && !call.when_fenced() => Err(StoreError::Blocklisted),
                Item::List(list) => tx.operate(list).map(Some),
                Item::Call(call) => call.run(&mut tx).map(|()| None),
            };
            if let Err(error) = &result {
                // SQLite may have ended the whole transaction by itself (a full disk). Also, without room, each
                // item is to be tried alone, in order.
                if db.conn.is_autocommit() || *error == StoreError::NoSpace {
                    return Err(error.clone());
                }
                if alone {
                    sql("ROLLBACK")?;
                    return Ok(Committed { results: vec![result], ..Committed::default() });
                }
                sql("ROLLBACK TO item")?;
            } else {
                done.wake.append(&mut wake);
                done.garbage.append(&mut garbage);
                done.rooms.append(&mut rooms);
            }
            if !alone {
                sql("RELEASE item")?;
            }
            done.results.push(result);
        }
        self.shared.files.sync(&mut self.dirty)?;
        sql("COMMIT")?;
        Ok(done)
    }

    /// The transaction is over: tells those who wait.
    fn finish(&mut self, items: Vec<Item>, results: Vec<ItemResult>) {
        for (item, result) in items.into_iter().zip(results) {
            if let Err(error) = &result {
                super::log_failure(error);
            }
            match item {
                Item::List(mut list) => {
                    let committed = matches!(&result, Ok(Some(reply)) if reply.result >= 0);
                    for staged in list.staged.values() {
                        if !committed || !list.used.contains(&staged.file) {
                            self.shared.files.free(staged.file, 0, 0);
                        }
                    }
                    self.shared.queue.write_done(&list.request.target);
                    if let Some(reply) = list.reply.take() {
                        reply.give(result.map(Option::unwrap_or_default));
                    }
                }
                Item::Call(mut call) => call.done(result.map(|_| ())),
            }
        }
    }
}

impl Transaction<'_> {
    fn operate(&mut self, list: &mut List) -> StoreResult<Reply> {
        let request = &list.request;
        let target = &request.target;
        check_snapshots(list)?;
        let floor = pool_floor(self.db, target)?;
        let row = ObjectRow::load(self.db, target)?;
        let caller = Caller { gid: self.shared.gid, addr: self.shared.addr, now_ns: self.now_ns };
        let watching = |gid, timeout_s| self.shared.is_watching(gid, timeout_s);
        let mut view =
            View { db: self.db, files: &self.shared.files, target, row: row.clone(), is_watching: &watching };
        let mut outcome = interp::execute(request, &mut view, &caller)?;
        if !outcome.modified {
            return Ok(outcome.into_reply(0));
        }
        let version = row.as_ref().map_or(0, |row| row.state.version).max(floor) + 1;
        let mtime_ns = request.mtime_ns.unwrap_or(self.now_ns);
        let after = outcome.size_after.map(|size| ObjectState { size, mtime_ns, version });
        let (files, packer) = (&self.shared.files, &self.shared.packer);
        let mut apply = Apply::new(self.db, files, packer, target, self.dirty, &list.staged, row);
        apply.run(std::mem::take(&mut outcome.mutations), after)?;
        list.used = apply.used_files();
        self.garbage.append(&mut apply.garbage);
        self.rooms.extend(apply.room.take());
        let removed = std::mem::take(&mut apply.removed);
        for object in removed {
            self.drop_watches(object)?;
        }
        if after.is_none() {
            self.raise_floor(target, version)?;
        }
        Ok(outcome.into_reply(version))
    }

    pub fn execute(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> StoreResult<usize> {
        let done = self.db.conn.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
        done.map_err(|error| self.db.error(error))
    }

    /// Versions never come back, so that an object made anew differs from the one that was removed.
    fn raise_floor(&self, target: &Target, version: u64) -> StoreResult<()> {
        self.execute(
            "UPDATE pool SET version_floor = ?2 WHERE id = ?1",
            params![target.pool.0, version as i64],
        )?;
        Ok(())
    }

    /// Ends the watches of an object that is gone.
    pub fn drop_watches(&mut self, object: i64) -> StoreResult<()> {
        for (gid, cookie) in super::events::watches_of(self.db, object)? {
            insert_event(self, gid, EVENT_LOST, cookie, 0, &Errno::ENOTCONN.0.to_le_bytes())?;
            self.execute(
                "DELETE FROM watch WHERE object = ?1 AND gid = ?2 AND cookie = ?3",
                params![object, gid as i64, cookie as i64],
            )?;
        }
        Ok(())
    }

    /// Gives a whole pool's objects up: their files become garbage.
    pub fn add_garbage_file(&mut self, file: super::files::FileId) -> StoreResult<()> {
        self.execute("INSERT INTO garbage (file, start, length) VALUES (?1, 0, 0)", params![file.0])?;
        let row = self.db.conn.last_insert_rowid();
        self.garbage.push(Garbage { row, file, start: 0, length: 0 });
        Ok(())
    }
}

/// Whether an item may use the reserve: it only removes, or keeps the store in order.
fn frees_space(item: &Item) -> bool {
    match item {
        Item::Call(_) => true,
        Item::List(list) => list.request.ops.iter().all(|(op, _)| {
            !op.is_write()
                || matches!(
                    op,
                    Op::Remove
                        | Op::Truncate { .. }
                        | Op::Zero { .. }
                        | Op::RmXattr { .. }
                        | Op::OmapRmKeys { .. }
                        | Op::OmapRmRange { .. }
                        | Op::OmapClear
                )
        }),
    }
}

/// Snapshots of objects are not there yet.
fn check_snapshots(list: &List) -> StoreResult<()> {
    if list.request.read_snap != SnapId::HEAD || !list.request.snapc.snaps.is_empty() {
        return Err(StoreError::Unsupported { what: "an object's snapshot" });
    }
    Ok(())
}

/// The pool's version floor; `NoPool` if there is no such pool.
pub(super) fn pool_floor(db: &Db, target: &Target) -> StoreResult<u64> {
    use rusqlite::OptionalExtension;
    let floor: Option<i64> = db
        .conn
        .prepare_cached("SELECT version_floor FROM pool WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([target.pool.0], |row| row.get(0)).optional())
        .map_err(|error| db.error(error))?;
    floor.map(|floor| floor as u64).ok_or(StoreError::NoPool)
}
