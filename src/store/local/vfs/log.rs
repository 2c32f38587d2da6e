//! `store.db-wal`: a check of each page that is read from there, and a note of where it ends.
//!
//! SQLite looks at the checksums of the log's frames when it recovers the log, and not when it reads a page from it.
//!
//! SQLite writes each frame's header and page by themselves. The frames of a commit are collected and written at once, when the last
//! of them is there: before SQLite syncs the log, and so before anybody else is told of them.

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
    pending: Pending,
}

/// Frames that SQLite has written and the file does not have yet. All are of one transaction, and none of them is its last.
/// Our connections write nothing before they commit (`cache_spill` is off), so none are left when a transaction ends otherwise.
#[derive(Default)]
struct Pending {
    at: u64,
    bytes: Vec<u8>,
}

/// More than this is not collected: the unix VFS writes less than 128 KiB at once.
const MOST_PENDING: usize = 30 * wal::FRAME as usize;

impl Pending {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    /// Takes a frame's header, or the page that follows one. False: what is pending is to be written, then this.
    fn take(&mut self, bytes: &[u8], at: u64) -> bool {
        let follows = !self.bytes.is_empty() && at == self.end();
        let after_header = self.bytes.len() % wal::FRAME as usize == wal::FRAME_HEADER;
        match bytes.len() {
            wal::FRAME_HEADER if follows && !after_header => {}
            // Checksums that are set anew come without pages.
            wal::FRAME_HEADER if after_header || wal::frame_of_header(at).is_none() => return false,
            wal::FRAME_HEADER => {
                // Another transaction: what is left of one that was given up counts for nothing.
                self.bytes.clear();
                self.at = at;
            }
            PAGE if follows && after_header => {}
            _ => return false,
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    fn overlaps(&self, at: u64, length: u64) -> bool {
        !self.bytes.is_empty() && at < self.end() && self.at < at + length
    }
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
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    let overlaps = unsafe { super::log_of(file) }
        .is_some_and(|log| log.pending.overlaps(offset as u64, amount.max(0) as u64));
    if overlaps {
        // SAFETY: as above.
        let written = unsafe { write_pending(methods, file) };
        if written != ffi::SQLITE_OK {
            return written;
        }
    }
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
        let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), amount.max(0) as usize) };
        log.note_write(bytes, at);
        let taken = log.pending.take(bytes, at);
        let complete = bytes.len() == PAGE && log.commit.is_some();
        if taken && !complete && log.pending.bytes.len() < MOST_PENDING {
            return ffi::SQLITE_OK;
        }
        // SAFETY: as above.
        let written = unsafe { write_pending(methods, file) };
        if taken || written != ffi::SQLITE_OK {
            return written;
        }
    }
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    unsafe { (methods.write)(file, buffer, amount, offset) }
}

/// Writes what is pending; nothing is pending any more then, whatever comes of it: SQLite gives up a transaction that
/// cannot be written.
///
/// # Safety
/// `file` is a log that [`super::open`] has opened, and no reference to its part lives.
unsafe fn write_pending(methods: &Methods, file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the caller's promise.
    let Some(log) = (unsafe { super::log_of(file) }) else { return ffi::SQLITE_IOERR };
    if log.pending.bytes.is_empty() {
        return ffi::SQLITE_OK;
    }
    let mut bytes = std::mem::take(&mut log.pending.bytes);
    let at = log.pending.at as i64;
    // SAFETY: the file is open, and the buffer has as many bytes as it says.
    let written = unsafe { (methods.write)(file, bytes.as_ptr().cast(), bytes.len() as c_int, at) };
    bytes.clear();
    // SAFETY: the caller's promise; the reference from before is not used any more.
    if let Some(log) = unsafe { super::log_of(file) } {
        log.pending.bytes = bytes;
    }
    written
}

impl Log {
    pub fn new(path: &Path) -> Log {
        Log {
            stale_from: u64::MAX,
            page_at: 0,
            commit: None,
            path: path.to_owned(),
            end: None,
            pending: Pending::default(),
        }
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
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    let written = unsafe { write_pending(methods, file) };
    if written != ffi::SQLITE_OK {
        return written;
    }
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
    if let Some(log) = unsafe { super::log_of(file) } {
        log.pending.bytes.clear();
        if size == 0 && End::forget(&log.path).is_err() {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_one_transaction_are_collected() {
        let (header, page) = ([1; wal::FRAME_HEADER], [2; PAGE]);
        let mut pending = Pending::default();
        assert!(!pending.take(&[0; 32], 0), "the log's head");
        assert!(!pending.take(&page, wal::header_at(3) + header.len() as u64), "a page without its header");
        for frame in 3..6 {
            let at = wal::header_at(frame);
            assert!(pending.take(&header, at) && pending.take(&page, at + header.len() as u64));
        }
        assert_eq!((pending.at, pending.end()), (wal::header_at(3), wal::header_at(6)));
        assert!(pending.overlaps(wal::header_at(5), 1) && !pending.overlaps(wal::header_at(6), 1));
        assert!(!pending.overlaps(0, wal::header_at(3)));
        // A page that is written a second time.
        assert!(!pending.take(&page, wal::header_at(4) + header.len() as u64));
        // Another transaction, in the place of one that was given up.
        assert!(pending.take(&header, wal::header_at(3)));
        assert_eq!((pending.at, pending.bytes.len()), (wal::header_at(3), header.len()));
        // Checksums that are set anew.
        assert!(!pending.take(&header, wal::header_at(4)));
        assert_eq!(pending.bytes.len(), header.len());
    }
}
