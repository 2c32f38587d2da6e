//! Spare files: dead data files that are filled anew under a new number. Writing over blocks that a file has costs the
//! file system nothing, where giving blocks back and taking others costs it a journal commit each.
//!
//! A number is never used again. What a row that is out of date still names is missing then, or (through a descriptor
//! that another process has kept) does not match its checksums. docs/rfcs/0004-spare-files.md has the argument.

use std::collections::HashSet;
use std::fs::OpenOptions;

use super::files::{Dirty, FileId, Files};
use super::schema::Db;
use crate::store::StoreResult;
use crate::sync::Mutex;

/// Files below this size are not worth it.
const MIN_BYTES: u64 = 1 << 20;
/// The most that is kept.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Clone, Copy)]
struct Spare {
    file: FileId,
    bytes: u64,
}

#[derive(Default)]
struct State {
    kept: Vec<Spare>,
    /// Written to new or spare files, less what was kept since: as much is likely to be wanted again. Dead files come in
    /// crowds, one after the other, after each checkpoint of an image.
    written: u64,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Spares {
    state: Mutex<State>,
}

impl Spares {
    /// A file that has room for `bytes` and not much more.
    fn take(&self, bytes: u64) -> Option<Spare> {
        let mut state = self.state.lock();
        state.written = (state.written + bytes).min(MAX_BYTES);
        let fits = |spare: &Spare| spare.bytes >= bytes && spare.bytes - bytes <= bytes / 4;
        let at = state.kept.iter().position(fits)?;
        Some(state.kept.swap_remove(at))
    }

    /// Room for more.
    fn wanted(&self) -> u64 {
        let state = self.state.lock();
        if state.closed {
            return 0;
        }
        let room = MAX_BYTES.saturating_sub(state.kept.iter().map(|spare| spare.bytes).sum());
        state.written.min(room)
    }

    fn take_all(&self) -> Vec<Spare> {
        std::mem::take(&mut self.state.lock().kept)
    }
}

impl Files {
    /// An empty file, or a spare one that takes `bytes` at its beginning without growing.
    pub fn create_or_reuse(&self, bytes: u64, dirty: &mut Dirty) -> StoreResult<FileId> {
        match self.spares.take(bytes.next_multiple_of(super::files::BLOCK)) {
            Some(spare) => Ok(spare.file),
            None => self.create(dirty),
        }
    }

    /// Keeps what it can of dead files, whose rows are gone for good; the others are still to be freed. The names of
    /// those that are kept are durable when it returns.
    pub fn keep_spares(&self, db: &Db, dead: impl Iterator<Item = FileId>) -> HashSet<FileId> {
        let mut kept = HashSet::new();
        let mut wanted = self.spares.wanted();
        if wanted < MIN_BYTES {
            return kept;
        }
        let Ok(pending) = partly_freed(db) else { return kept };
        let mut spares = Vec::new();
        for file in dead.filter(|file| !pending.contains(file)) {
            let Ok(meta) = std::fs::symlink_metadata(self.path(file)) else { continue };
            if !(MIN_BYTES..=wanted).contains(&meta.len()) {
                continue;
            }
            if let Some(renamed) = self.renumber(file) {
                wanted -= meta.len();
                spares.push(Spare { file: renamed, bytes: meta.len() });
                kept.insert(file);
            }
        }
        if !spares.is_empty() {
            if self.sync_own_folder().is_ok() {
                let mut state = self.spares.state.lock();
                if !state.closed {
                    let bytes = spares.iter().map(|spare| spare.bytes).sum();
                    state.written = state.written.saturating_sub(bytes);
                    state.kept.append(&mut spares);
                }
            }
            // Nobody but us knows their new names.
            spares.iter().for_each(|spare| self.free(spare.file, 0, 0));
        }
        kept
    }

    /// Gives all spare files back; true if there was one.
    pub fn drop_spares(&self) -> bool {
        let spares = self.spares.take_all();
        spares.iter().for_each(|spare| self.free(spare.file, 0, 0));
        !spares.is_empty()
    }

    /// As [`Files::drop_spares`], and none is kept from now on.
    pub fn close_spares(&self) {
        self.spares.state.lock().closed = true;
        self.drop_spares();
    }

    /// Cuts off what a file has beyond `bytes`, if that is worth it: a spare one that was larger.
    pub fn trim(&self, file: FileId, bytes: u64) {
        let Ok(open) = OpenOptions::new().write(true).open(self.path(file)) else { return };
        if open.metadata().is_ok_and(|meta| meta.len() > bytes + MIN_BYTES / 4) {
            // What is left over is named by nobody and goes with the file.
            let _ = open.set_len(bytes);
        }
    }
}

/// Files of which parts are to be freed, by whatever process: it may do so at any time, until the row goes. More rows
/// than that of the whole file say so.
fn partly_freed(db: &Db) -> StoreResult<HashSet<FileId>> {
    let found: rusqlite::Result<HashSet<FileId>> = db
        .conn
        .prepare_cached("SELECT file FROM garbage GROUP BY file HAVING count(*) > 1")
        .and_then(|mut statement| statement.query_map([], |row| Ok(FileId(row.get(0)?)))?.collect());
    found.map_err(|error| db.error(error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::files::BLOCK;
    use super::super::schema::SCHEMA;
    use super::*;

    const SIZE: usize = 2 << 20;

    struct World {
        _folder: tempfile::TempDir,
        files: Files,
        db: Db,
    }

    impl World {
        fn new() -> World {
            let folder = tempfile::tempdir().unwrap();
            let db = Db::open(&folder.path().join("store.db"), false).unwrap();
            db.conn.execute_batch(SCHEMA).unwrap();
            World { files: Files::new(folder.path().to_owned(), 7), db, _folder: folder }
        }

        fn write(&self, byte: u8) -> FileId {
            let mut dirty = Dirty::default();
            let file = self.files.create_or_reuse(SIZE as u64, &mut dirty).unwrap();
            self.files.write(file, 0, &vec![byte; SIZE], &mut dirty).unwrap();
            self.files.sync(&mut dirty).unwrap();
            file
        }

        fn content(&self, file: FileId) -> Option<Vec<u8>> {
            std::fs::read(self.files.path(file)).ok()
        }

        fn garbage(&self, file: FileId, length: u64) {
            let sql = "INSERT INTO garbage (file, start, length) VALUES (?1, 0, ?2)";
            self.db.conn.execute(sql, rusqlite::params![file.0, length as i64]).unwrap();
        }

        fn inode(&self, file: FileId) -> u64 {
            std::fs::metadata(self.files.path(file)).unwrap().ino()
        }
    }

    #[test]
    fn a_dead_file_is_filled_anew_under_a_new_number() {
        let world = World::new();
        let file = world.write(1);
        let inode = world.inode(file);
        world.garbage(file, 0);
        assert_eq!(world.files.keep_spares(&world.db, [file].into_iter()), HashSet::from([file]));
        assert_eq!(world.content(file), None);
        let again = world.write(2);
        assert_ne!(again, file);
        assert_eq!(world.inode(again), inode);
        // Who is late with freeing what had the old number does no harm.
        world.files.free(file, 0, BLOCK);
        world.files.free(file, 0, 0);
        assert_eq!(world.content(again), Some(vec![2; SIZE]));
        // Nor if the old name came back.
        std::fs::hard_link(world.files.path(again), world.files.path(file)).unwrap();
        world.files.free(file, 0, BLOCK);
        world.files.free(file, 0, 0);
        assert_eq!(world.content(file), None);
        assert_eq!(world.content(again), Some(vec![2; SIZE]));
        world.files.free(again, 0, 0);
        assert_eq!(world.content(again), None);
    }

    #[test]
    fn a_kept_descriptor_does_not_give_what_the_file_holds_now() {
        let world = World::new();
        let file = world.write(1);
        // Another client, which has read from it and keeps it open.
        let other = Files::new(world._folder.path().to_owned(), 8);
        let read = |may_wait| {
            let mut out = vec![0; 5000];
            let open = other.read_unproved(file, 4096, &mut out, may_wait)?;
            std::io::Result::Ok((open.is_some_and(|open| other.is_named(file, &open)), out))
        };
        assert_eq!(read(true).unwrap(), (true, vec![1; 5000]));
        world.garbage(file, 0);
        assert_eq!(world.files.keep_spares(&world.db, [file].into_iter()).len(), 1);
        let again = world.write(2);
        assert_eq!(world.content(again), Some(vec![2; SIZE]));
        for may_wait in [false, true, true] {
            assert!(!read(may_wait).is_ok_and(|(read, _)| read), "these are another object's bytes");
        }
    }

    #[test]
    fn what_another_may_still_free_parts_of_is_not_kept() {
        let world = World::new();
        let file = world.write(1);
        world.garbage(file, 0);
        world.garbage(file, BLOCK);
        assert!(world.files.keep_spares(&world.db, [file].into_iter()).is_empty());
        world.db.conn.execute("DELETE FROM garbage WHERE length > 0", []).unwrap();
        // Another process is at it.
        let held = world.files.hold(file).unwrap();
        assert!(world.files.keep_spares(&world.db, [file].into_iter()).is_empty());
        drop(held);
        assert_eq!(world.files.keep_spares(&world.db, [file].into_iter()).len(), 1);
    }

    #[test]
    fn no_more_is_kept_than_was_written_and_nothing_after_the_end() {
        let world = World::new();
        let dead: Vec<FileId> = (0..4).map(|byte| world.write(byte)).collect();
        let large = world.files.create(&mut Dirty::default()).unwrap();
        std::fs::write(world.files.path(large), vec![0; 5 * SIZE]).unwrap();
        assert!(world.files.keep_spares(&world.db, [large].into_iter()).is_empty());
        assert_eq!(world.files.keep_spares(&world.db, dead.iter().copied()).len(), 4);
        let other = world.files.create(&mut Dirty::default()).unwrap();
        std::fs::write(world.files.path(other), vec![0; SIZE]).unwrap();
        assert!(world.files.keep_spares(&world.db, [other].into_iter()).is_empty());
        // In the place of one that is used again.
        let again = world.write(9);
        assert_eq!(world.files.keep_spares(&world.db, [again].into_iter()).len(), 1);
        world.files.close_spares();
        let left = std::fs::read_dir(world.files.path(other).parent().unwrap()).unwrap().count();
        assert_eq!(left, 2, "`large` and `other`");
        world.write(3);
        assert!(world.files.keep_spares(&world.db, [other].into_iter()).is_empty());
    }
}
