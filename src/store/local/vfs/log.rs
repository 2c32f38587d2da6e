//! `store.db-wal`: a check of each page that is read from there, and a note of where it ends.
//!
//! SQLite looks at the checksums of the log's frames when it recovers the log, and not when it reads a page from it.

use std::cmp::Ordering;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::ffi;

use super::PAGE;
use super::end::End;
use super::wal;

/// What we keep of an open log; it lies behind the unix VFS's own part of the file's memory.
pub(super) struct Log {
    /// A transaction that outgrows SQLite's cache puts pages into the log before it commits, and may write them there a second time.
    /// From the first such frame on the checksums are stale, until SQLite sets all of them anew as it commits. Only the connection
    /// that wrote them can read such frames.
    stale_from: u64,
    /// Where the page belongs whose frame's header was written last.
    page_at: u64,
    /// The commit that was written and not synced yet.
    commit: Option<End>,
    path: PathBuf,
    end: Option<File>,
}

/// What the unix VFS does with logs, and our table.
struct Methods {
    read: super::Read,
    write: super::Write,
    sync: unsafe extern "C" fn(*mut ffi::sqlite3_file, c_int) -> c_int,
    truncate: unsafe extern "C" fn(*mut ffi::sqlite3_file, ffi::sqlite3_int64) -> c_int,
    close: super::OfFile,
    ours: ffi::sqlite3_io_methods,
}

static METHODS: OnceLock<Methods> = OnceLock::new();

/// Our table in place of the unix VFS's.
pub(super) fn table(theirs: &ffi::sqlite3_io_methods) -> Option<&'static ffi::sqlite3_io_methods> {
    let (read, write, sync) = (theirs.xRead?, theirs.xWrite?, theirs.xSync?);
    let (truncate, close) = (theirs.xTruncate?, theirs.xClose?);
    let methods = METHODS.get_or_init(|| {
        let ours = ffi::sqlite3_io_methods {
            iVersion: 2,
            xRead: Some(read_log),
            xWrite: Some(write_log),
            xSync: Some(sync_log),
            xTruncate: Some(truncate_log),
            xClose: Some(close_log),
            ..*theirs
        };
        Methods { read, write, sync, truncate, close, ours }
    });
    Some(&methods.ours)
}

unsafe extern "C" fn read_log(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    let result = unsafe { (methods.read)(file, buffer, amount, offset) };
    // Headers, and whole frames: it is recovering, and looks at the checksums itself.
    if result != ffi::SQLITE_OK || amount != PAGE as c_int {
        return result;
    }
    let Some(frame) = u64::try_from(offset).ok().and_then(wal::frame_of_page) else {
        return ffi::SQLITE_IOERR_DATA;
    };
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    if unsafe { super::log_of(file) }.is_some_and(|log| frame >= log.stale_from) {
        return result;
    }
    let (mut before, mut header) = ([0u8; 8], [0u8; wal::FRAME_HEADER]);
    let (before_at, header_at) = (wal::sum_before_at(frame) as i64, wal::header_at(frame) as i64);
    // SAFETY: buffers of our own, of the sizes that are asked for.
    let read = unsafe {
        match (methods.read)(file, before.as_mut_ptr().cast(), before.len() as c_int, before_at) {
            ffi::SQLITE_OK => {
                (methods.read)(file, header.as_mut_ptr().cast(), header.len() as c_int, header_at)
            }
            failed => failed,
        }
    };
    if read != ffi::SQLITE_OK {
        return read;
    }
    // SAFETY: SQLite's buffer has `amount` bytes, and they were just filled.
    let page = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), PAGE) };
    if wal::is_sound(before, &header, page) {
        return result;
    }
    tracing::error!("store.db-wal: frame {frame}: checksum does not match");
    ffi::SQLITE_IOERR_DATA
}

unsafe extern "C" fn write_log(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    if let (Ok(at), Some(log)) = (u64::try_from(offset), unsafe { super::log_of(file) }) {
        // SAFETY: SQLite's buffer has `amount` bytes.
        log.note_write(unsafe { std::slice::from_raw_parts(buffer.cast(), amount.max(0) as usize) }, at);
    }
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    unsafe { (methods.write)(file, buffer, amount, offset) }
}

impl Log {
    pub fn new(path: &Path) -> Log {
        Log { stale_from: u64::MAX, page_at: 0, commit: None, path: path.to_owned(), end: None }
    }

    fn note_write(&mut self, bytes: &[u8], at: u64) {
        if bytes.len() == wal::FRAME_HEADER
            && let Some(frame) = wal::frame_of_header(at)
        {
            self.page_at = at + bytes.len() as u64;
            self.commit = End::of_frame(frame, bytes);
            match frame.cmp(&self.stale_from) {
                // Another transaction: that one was rolled back.
                Ordering::Less => self.stale_from = u64::MAX,
                // Its checksum is set anew, then those after it, up to the commit's.
                Ordering::Equal if wal::is_commit(bytes) => self.stale_from = u64::MAX,
                Ordering::Equal => self.stale_from += 1,
                Ordering::Greater => {}
            }
        } else if let Some(frame) = wal::frame_of_page(at).filter(|_| at != self.page_at) {
            // A page without its header: written once more.
            self.stale_from = self.stale_from.min(frame);
        } else if at == 0 {
            self.commit = None;
        }
    }

    /// The log is synced: up to its last commit it will be there.
    fn note_sync(&mut self) {
        let Some(commit) = self.commit.take() else { return };
        if self.end.is_none() {
            self.end = End::create(&self.path).ok();
        }
        if let Some(end) = &self.end {
            // An older end is true as well.
            let _ = end.write_all_at(&commit.encode(), 0);
        }
    }
}

unsafe extern "C" fn sync_log(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    let result = unsafe { (methods.sync)(file, flags) };
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    if let (ffi::SQLITE_OK, Some(log)) = (result, unsafe { super::log_of(file) }) {
        log.note_sync();
    }
    result
}

unsafe extern "C" fn truncate_log(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    if let (0, Some(log)) = (size, unsafe { super::log_of(file) })
        && End::forget(&log.path).is_err()
    {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    unsafe { (methods.truncate)(file, size) }
}

unsafe extern "C" fn close_log(file: *mut ffi::sqlite3_file) -> c_int {
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the file is a log of ours, made by `open`, and nothing is done with it after this.
    if let Some(log) = unsafe { super::log_of(file) } {
        // SAFETY: as above.
        unsafe { std::ptr::drop_in_place(log) };
    }
    // SAFETY: the file that SQLite gave; the unix VFS opened it.
    unsafe { (methods.close)(file) }
}
