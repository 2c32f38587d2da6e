//! What the system said where SQLite's own code does not tell a full disk from a broken one.
//!
//! - A file could not be made longer or shorter, or synced (of `store.db-shm`, its index of its log, that it could not grow): it tells
//!   the errno only to its own log, as "os_unix.c:LINE: (ERRNO) FUNCTION(PATH) - TEXT".
//! - A file could not be made: it then tries to open the file for reading, and the log has what that came to. So our own `open` is
//!   what it calls.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use rusqlite::ffi;

use crate::errno::Errno;

thread_local! {
    /// SQLite's code, and what the system said.
    static FAILED: Cell<Option<(c_int, Errno)>> = const { Cell::new(None) };
    static MADE: Cell<Option<Errno>> = const { Cell::new(None) };
}

/// SQLite's way to make a file: remembers why it failed.
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: SQLite's own arguments, for the function that it would call itself.
    let file = unsafe { libc::open(path, flags, mode) };
    if file < 0 && flags & libc::O_CREAT != 0 {
        MADE.set(std::io::Error::last_os_error().raw_os_error().map(Errno));
    }
    file
}

/// Lets SQLite make files by [`open`], from the first call on.
pub(in crate::store::local) fn watch_making() {
    static WATCHED: OnceLock<()> = OnceLock::new();
    WATCHED.get_or_init(|| {
        let open: unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int = open;
        // SAFETY: "unix" is a built-in VFS and static; its system call "open" is a function of exactly this type, which lives for ever.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            if let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) {
                let open = std::mem::transmute::<
                    unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int,
                    unsafe extern "C" fn(),
                >(open);
                set(vfs, c"open".as_ptr(), Some(open));
            }
        }
    });
}

/// Why a file could last not be made, on this thread, since this was last called; `None`: all could.
pub(in crate::store::local) fn making_errno() -> Option<Errno> {
    MADE.take()
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
    if code & 0xff != ffi::SQLITE_IOERR || text.is_null() {
        return;
    }
    // SAFETY: SQLite's text is a string that lives for the call.
    let errno = errno_of(unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default());
    // Of the statement that fails it tells the same code, without an errno.
    if let Some(errno) = errno {
        FAILED.set(Some((code, errno)));
    }
}

fn errno_of(text: &str) -> Option<Errno> {
    let number = text.split_once('(')?.1.split_once(')')?.0;
    number.parse().ok().filter(|&number| number != 0).map(Errno)
}

/// What the system said to what failed last on this thread, if SQLite gave it this code; `None`: not known.
pub(in crate::store::local) fn io_errno(code: c_int) -> Option<Errno> {
    FAILED.take().filter(|(of, _)| *of == code).map(|(_, errno)| errno)
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
        let failed = c"os_unix.c:1: (5) write(/a/store.db-shm) - Input/output error";
        let then = c"disk I/O error in \"PRAGMA journal_mode='wal'\"";
        for text in [failed, then] {
            // SAFETY: a format without arguments.
            unsafe { ffi::sqlite3_log(ffi::SQLITE_IOERR_SHMSIZE, text.as_ptr()) };
        }
        assert_eq!(io_errno(ffi::SQLITE_IOERR_SHMSIZE), Some(Errno(5)));
        assert_eq!(io_errno(ffi::SQLITE_IOERR_SHMSIZE), None);
        // SAFETY: as above.
        unsafe { ffi::sqlite3_log(ffi::SQLITE_IOERR_SHMOPEN, failed.as_ptr()) };
        assert_eq!(io_errno(ffi::SQLITE_IOERR_WRITE), None, "of something else");
    }

    #[test]
    fn a_file_that_cannot_be_made() {
        watch_making();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not there").join("store.db");
        assert_eq!(making_errno(), None);
        let error = rusqlite::Connection::open(&path).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen));
        assert_eq!(making_errno(), Some(Errno::ENOENT));
        rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
        assert_eq!(making_errno(), None);
    }

    #[test]
    fn the_errno_is_in_the_text() {
        let text = "os_unix.c:4833: (5) write(/a (28)/store.db-shm) - Input/output error";
        assert_eq!(errno_of(text), Some(Errno(5)));
        assert_eq!(errno_of("os_unix.c:4833: (0) write() - "), None);
        assert_eq!(errno_of("something else"), None);
    }
}
