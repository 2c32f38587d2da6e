//! What the system said when SQLite's index of its log (`store.db-shm`) could not grow. SQLite gives one code for a full disk and for a
//! broken one, and tells the errno only to its own log: "os_unix.c:LINE: (ERRNO) FUNCTION(PATH) - TEXT".

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use rusqlite::ffi;

use crate::errno::Errno;

thread_local! {
    static INDEX: Cell<Option<Errno>> = const { Cell::new(None) };
}

/// From the first call on; false if SQLite was used in the process before that.
pub(in crate::store::local) fn listen() -> bool {
    static LISTENING: OnceLock<bool> = OnceLock::new();
    *LISTENING.get_or_init(|| {
        let hear: unsafe extern "C" fn(*mut c_void, c_int, *const c_char) = hear;
        let nothing = std::ptr::null_mut::<c_void>();
        // SAFETY: this option takes a function of that type, which lives for ever, and a pointer for it.
        let result = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_LOG, hear, nothing) };
        result == ffi::SQLITE_OK
    })
}

unsafe extern "C" fn hear(_: *mut c_void, code: c_int, text: *const c_char) {
    if code != ffi::SQLITE_IOERR_SHMSIZE || text.is_null() {
        return;
    }
    // SAFETY: SQLite's text is a string that lives for the call.
    let errno = errno_of(unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default());
    // Of the statement that fails it tells the same code, without an errno.
    if errno.is_some() {
        INDEX.set(errno);
    }
}

fn errno_of(text: &str) -> Option<Errno> {
    let number = text.split_once('(')?.1.split_once(')')?.0;
    number.parse().ok().filter(|&number| number != 0).map(Errno)
}

/// Why the index could last not grow, on this thread; `None`: not known.
pub(in crate::store::local) fn index_errno() -> Option<Errno> {
    INDEX.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_tells_us() {
        if !listen() {
            return eprintln!(
                "another test of this process has used SQLite before: cargo nextest runs each in its own"
            );
        }
        let text = c"os_unix.c:1: (5) write(/a/store.db-shm) - Input/output error";
        let then = c"disk I/O error in \"PRAGMA journal_mode='wal'\"";
        for text in [text, then] {
            // SAFETY: a format without arguments.
            unsafe { ffi::sqlite3_log(ffi::SQLITE_IOERR_SHMSIZE, text.as_ptr()) };
        }
        assert_eq!(index_errno(), Some(Errno(5)));
        assert_eq!(index_errno(), None);
    }

    #[test]
    fn the_errno_is_in_the_text() {
        let text = "os_unix.c:4833: (5) write(/a (28)/store.db-shm) - Input/output error";
        assert_eq!(errno_of(text), Some(Errno(5)));
        assert_eq!(errno_of("os_unix.c:4833: (0) write() - "), None);
        assert_eq!(errno_of("something else"), None);
    }
}
