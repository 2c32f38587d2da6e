//! A look at the head of SQLite's index of its log (`store.db-shm`), in memory that it shares with all processes.
//!
//! The index begins with two copies of 48 bytes (SQLite's "WAL-Index File Format"): among them a counter of commits, the
//! number and the checksum of the last frame, and the log's salts. Each commit changes both before it returns.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use rusqlite::{Connection, ffi};

/// Both copies.
const WORDS: usize = 2 * 48 / size_of::<u64>();
/// What SQLite maps at once.
const REGION: c_int = 32 << 10;

/// To be compared with another one; it has no other use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store::local) struct LogHead([u64; WORDS]);

/// The head as it is now. `None`: the connection has no index (yet), or a commit is just changing it.
pub(in crate::store::local) fn log_head(conn: &Connection) -> Option<LogHead> {
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    let mut region: *mut std::ffi::c_void = std::ptr::null_mut();
    // SAFETY: the connection is open, and this thread alone uses it: it is not `Sync`. SQLite gives the file of its main
    // database, whose methods live as long as it is open; `xShmMap` of a file that is mapped already gives the mapping,
    // which stays until the connection is closed. Nothing is made: the fourth argument is 0.
    unsafe {
        let found = ffi::sqlite3_file_control(
            conn.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            (&raw mut file).cast(),
        );
        if found != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
            return None;
        }
        let map = (*(*file).pMethods).xShmMap?;
        if map(file, 0, REGION, 0, &raw mut region) != ffi::SQLITE_OK || region.is_null() {
            return None;
        }
    }
    // SAFETY: the mapping is of `REGION` bytes, begins at a page, and stays for as long as the connection is borrowed.
    // Other processes write to it at any time, hence the atomics.
    let shared = unsafe { &*region.cast::<[AtomicU64; WORDS]>() };
    let mut words = [0; WORDS];
    for (word, shared) in words.iter_mut().zip(shared) {
        *word = shared.load(Ordering::Relaxed);
    }
    fence(Ordering::Acquire);
    (words[..WORDS / 2] == words[WORDS / 2..]).then_some(LogHead(words))
}
