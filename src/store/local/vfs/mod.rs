//! A layer under SQLite that checks what is read from `store.db` and its write-ahead log. The unix VFS does all the work: only a few of
//! its functions for these two files are replaced.
// SQLite's VFS is a table of C functions, and rusqlite has no safe way to it.
#![allow(unsafe_code, clippy::disallowed_methods)]

mod database;
mod end;
mod errors;
mod index;
mod log;
mod wal;

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use rusqlite::ffi;

pub(super) use self::database::reserve;
use self::end::End;
pub(super) use self::end::check_log;
pub(super) use self::errors::{io_errno, listen, making_errno, watch_making};
pub(super) use self::index::{LogHead, log_head};
use self::log::Log;

/// The name of the VFS, for opening a connection.
pub(super) const NAME: &CStr = c"logrbd-pages";

/// Bytes of a page of the database.
pub(super) const PAGE: usize = 4096;

type Read = unsafe extern "C" fn(*mut ffi::sqlite3_file, *mut c_void, c_int, ffi::sqlite3_int64) -> c_int;
type Write = unsafe extern "C" fn(*mut ffi::sqlite3_file, *const c_void, c_int, ffi::sqlite3_int64) -> c_int;
type OfFile = unsafe extern "C" fn(*mut ffi::sqlite3_file) -> c_int;

/// The unix VFS and the functions of it that ours begins with.
struct Unix {
    vfs: *mut ffi::sqlite3_vfs,
    open: unsafe extern "C" fn(
        *mut ffi::sqlite3_vfs,
        ffi::sqlite3_filename,
        *mut ffi::sqlite3_file,
        c_int,
        *mut c_int,
    ) -> c_int,
    delete: unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, c_int) -> c_int,
    /// Bytes of its files, rounded up so that a [`Log`] can follow.
    file_size: usize,
}

// SAFETY: SQLite's own VFS is static and never changes.
unsafe impl Send for Unix {}
// SAFETY: as above.
unsafe impl Sync for Unix {}

static UNIX: OnceLock<Option<Unix>> = OnceLock::new();

/// Our part of an open log's memory.
///
/// # Safety
/// `file` is a log that [`open`] has opened, and no other reference to its part lives.
unsafe fn log_of<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut Log> {
    let Some(Some(unix)) = UNIX.get() else { return None };
    // SAFETY: SQLite gave the file as many bytes as our VFS asks for: `file_size`, and a `Log` after them.
    unsafe { file.cast::<u8>().add(unix.file_size).cast::<Log>().as_mut() }
}

/// # Safety
/// `name` is null or a string that lives as long as is wanted.
unsafe fn path_of<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())))
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let Some(Some(unix)) = UNIX.get() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: SQLite's own arguments, and `file` has at least the size that the unix VFS asks for.
    let result = unsafe { (unix.open)(unix.vfs, name, file, flags, out_flags) };
    let is_log = flags & ffi::SQLITE_OPEN_WAL != 0;
    if result != ffi::SQLITE_OK || !(is_log || flags & ffi::SQLITE_OPEN_MAIN_DB != 0) {
        return result;
    }
    // SAFETY: SQLite's own name for the file.
    let path = unsafe { path_of(name) };
    // SAFETY: `file` is open: the unix VFS has set `pMethods` to a table that lives for ever. The tables that take its place do so too, and
    // what they do not replace is the unix VFS's own. The part of `file` behind the unix VFS's is ours.
    unsafe {
        let theirs = &*(*file).pMethods;
        let ours = if is_log { log::table(theirs) } else { database::table(theirs) };
        let (Some(ours), Some(path)) = (ours, path) else {
            if let Some(close) = theirs.xClose {
                close(file);
            }
            (*file).pMethods = std::ptr::null();
            return ffi::SQLITE_CANTOPEN;
        };
        if is_log {
            file.cast::<u8>().add(unix.file_size).cast::<Log>().write(Log::new(path));
        }
        (*file).pMethods = ours;
    }
    result
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let Some(Some(unix)) = UNIX.get() else { return ffi::SQLITE_IOERR_DELETE };
    // SAFETY: SQLite's own name for the file.
    let path = unsafe { path_of(name) };
    if let Some(log) = path.filter(|path| path.as_os_str().as_bytes().ends_with(b"-wal"))
        && End::forget(log).is_err()
    {
        return ffi::SQLITE_IOERR_DELETE;
    }
    // SAFETY: the arguments are those that SQLite gave.
    unsafe { (unix.delete)(unix.vfs, name, sync_folder) }
}

/// Makes the VFS known to SQLite; false if it cannot be.
pub(super) fn register() -> bool {
    let unix = UNIX.get_or_init(|| {
        // SAFETY: "unix" is a built-in VFS and static.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            let (open, delete) = (vfs.as_ref()?.xOpen?, vfs.as_ref()?.xDelete?);
            let file_size = ((*vfs).szOsFile as usize).next_multiple_of(align_of::<Log>());
            Some(Unix { vfs, open, delete, file_size })
        }
    });
    let Some(unix) = unix else { return false };
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        // SAFETY: `unix.vfs` is static, and so is what is registered, as it is leaked.
        unsafe {
            let ours = ffi::sqlite3_vfs {
                zName: NAME.as_ptr(),
                xOpen: Some(open),
                xDelete: Some(delete),
                szOsFile: (unix.file_size + size_of::<Log>()) as c_int,
                pNext: std::ptr::null_mut(),
                ..std::ptr::read(unix.vfs)
            };
            ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 0) == ffi::SQLITE_OK
        }
    })
}
