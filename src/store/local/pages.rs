//! A checksum in every page of `store.db`, checked whenever SQLite reads the page from the file: SQLite itself has none, so a
//! flipped bit in a key would make a row read as missing. And a check of each page that is read from the write-ahead log.
//!
//! SQLite leaves the last 8 bytes of each page free for us (its "reserved bytes"). They hold the CRC-32C of the page's number
//! (4 bytes) and its first 4088 bytes, then a magic number; little-endian. They are set as a page goes to the database file, which in
//! WAL mode is when it is checkpointed: it comes from the log then, and was checked as it was read from there.
//!
//! The unix VFS does all the work: only its reading and writing of the database and its log are replaced.
// SQLite's VFS is a table of C functions, and rusqlite has no safe way to it.
#![allow(unsafe_code, clippy::disallowed_methods)]

use std::cmp::Ordering;
use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;

use rusqlite::Connection;
use rusqlite::ffi;

use super::wal;

/// The name of the VFS, for opening a connection.
pub(super) const VFS: &CStr = c"logrbd-pages";

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
const RESERVED: usize = 8;
const CHECKED: usize = PAGE - RESERVED;
const MAGIC: u32 = 0x6370_726c; // "lrpc"
/// Bytes of the database's head, at the begin of the first page.
const HEAD: i64 = 100;
/// Where the first page says how many bytes of each page SQLite leaves free.
const RESERVED_AT: usize = 20;

/// What we keep of an open write-ahead log; it lies behind the unix VFS's own part of the file's memory.
///
/// A transaction that outgrows SQLite's cache puts pages into the log before it commits, and may write them there a second time.
/// From the first such frame on the checksums are stale, until SQLite sets all of them anew as it commits. Only the connection that
/// wrote them can read such frames.
struct Log {
    stale_from: u64,
    /// Where the page belongs whose frame's header was written last.
    page_at: u64,
}

/// The unix VFS and its function to open a file.
struct Unix {
    vfs: *mut ffi::sqlite3_vfs,
    open: unsafe extern "C" fn(
        *mut ffi::sqlite3_vfs,
        ffi::sqlite3_filename,
        *mut ffi::sqlite3_file,
        c_int,
        *mut c_int,
    ) -> c_int,
    /// Bytes of its files, rounded up so that a [`Log`] can follow.
    file_size: usize,
}

// SAFETY: SQLite's own VFS is static and never changes.
unsafe impl Send for Unix {}
// SAFETY: as above.
unsafe impl Sync for Unix {}

type Read = unsafe extern "C" fn(*mut ffi::sqlite3_file, *mut c_void, c_int, ffi::sqlite3_int64) -> c_int;
type Write = unsafe extern "C" fn(*mut ffi::sqlite3_file, *const c_void, c_int, ffi::sqlite3_int64) -> c_int;

/// What the unix VFS does with a kind of file, and our table: the same but for reading and writing.
struct Methods {
    read: Read,
    write: Write,
    characteristics: Option<unsafe extern "C" fn(*mut ffi::sqlite3_file) -> c_int>,
    ours: ffi::sqlite3_io_methods,
}

static UNIX: OnceLock<Option<Unix>> = OnceLock::new();
// The unix VFS has one table for files with locks and one for those without.
static DATABASE: OnceLock<Methods> = OnceLock::new();
static LOG: OnceLock<Methods> = OnceLock::new();

/// What stands at the end of a page of `store.db`.
fn trailer(page: u64, bytes: &[u8]) -> [u8; RESERVED] {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&(page as u32).to_le_bytes()), bytes);
    let mut trailer = [0; RESERVED];
    trailer[..4].copy_from_slice(&crc.to_le_bytes());
    trailer[4..].copy_from_slice(&MAGIC.to_le_bytes());
    trailer
}

/// The number of the page, from 1, that a transfer is of; `None` if it is of no whole page.
fn page_of(amount: c_int, offset: ffi::sqlite3_int64) -> Option<u64> {
    let offset = u64::try_from(offset).ok()?;
    (amount == PAGE as c_int && offset.is_multiple_of(PAGE as u64)).then_some(offset / PAGE as u64 + 1)
}

unsafe extern "C" fn read_database(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some(methods) = DATABASE.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    let result = unsafe { (methods.read)(file, buffer, amount, offset) };
    // SQLite looks at the head of the first page before it knows the size of pages, and reads that page then as a whole.
    if offset.saturating_add(amount.into()) <= HEAD {
        return result;
    }
    match (result, page_of(amount, offset)) {
        (ffi::SQLITE_OK, Some(page)) => {
            // SAFETY: SQLite's buffer has `amount` bytes, and they were just filled.
            let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), PAGE) };
            if bytes[CHECKED..] == trailer(page, &bytes[..CHECKED]) {
                return result;
            }
            tracing::error!("store.db: page {page}: checksum does not match");
        }
        // SQLite would take the rest of the page for zeroes.
        (ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ, _) => {
            tracing::error!("store.db: no whole page at {offset}");
        }
        _ => return result,
    }
    ffi::SQLITE_IOERR_DATA
}

/// Without the leave to read parts of pages, with which SQLite would read large values past the check.
unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    let all = DATABASE.get().and_then(|methods| methods.characteristics);
    // SAFETY: the file that SQLite gave; the unix VFS opened it.
    let all = all.map_or(0, |characteristics| unsafe { characteristics(file) });
    all & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn write_database(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some(methods) = DATABASE.get() else { return ffi::SQLITE_IOERR };
    // SQLite writes database files by whole pages only. Anything else would leave a page with a wrong checksum.
    let Some(page) = page_of(amount, offset) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: SQLite's buffer has `amount` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), PAGE) };
    if page == 1 && usize::from(bytes[RESERVED_AT]) != RESERVED {
        tracing::error!("store.db: its pages have no room for checksums");
        return ffi::SQLITE_IOERR_WRITE;
    }
    let mut summed = [0; PAGE];
    summed[..CHECKED].copy_from_slice(&bytes[..CHECKED]);
    summed[CHECKED..].copy_from_slice(&trailer(page, &bytes[..CHECKED]));
    // SAFETY: as above, with a buffer of our own of the same size.
    unsafe { (methods.write)(file, summed.as_ptr().cast(), amount, offset) }
}

/// Our part of an open log's memory.
///
/// # Safety
/// `file` is a log that [`open`] has opened, and no other reference to its part lives.
unsafe fn log_of<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut Log> {
    let Some(Some(unix)) = UNIX.get() else { return None };
    // SAFETY: SQLite gave the file as many bytes as our VFS asks for: `file_size`, and a `Log` after them.
    unsafe { file.cast::<u8>().add(unix.file_size).cast::<Log>().as_mut() }
}

unsafe extern "C" fn read_log(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some(methods) = LOG.get() else { return ffi::SQLITE_IOERR };
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
    if unsafe { log_of(file) }.is_some_and(|log| frame >= log.stale_from) {
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
    let Some(methods) = LOG.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: the file is a log of ours, and a connection's calls follow one another.
    if let (Ok(at), Some(log)) = (u64::try_from(offset), unsafe { log_of(file) }) {
        // SAFETY: SQLite's buffer has `amount` bytes.
        log.note_write(unsafe { std::slice::from_raw_parts(buffer.cast(), amount.max(0) as usize) }, at);
    }
    // SAFETY: the arguments are those that SQLite gave, for a file that the unix VFS opened.
    unsafe { (methods.write)(file, buffer, amount, offset) }
}

impl Log {
    const NEW: Log = Log { stale_from: u64::MAX, page_at: 0 };

    fn note_write(&mut self, bytes: &[u8], at: u64) {
        if bytes.len() == wal::FRAME_HEADER
            && let Some(frame) = wal::frame_of_header(at)
        {
            self.page_at = at + bytes.len() as u64;
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
        }
    }
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
    // SAFETY: the unix VFS has set `pMethods` to a table that lives for ever.
    let theirs = unsafe { *(*file).pMethods };
    let (Some(read), Some(write)) = (theirs.xRead, theirs.xWrite) else { return ffi::SQLITE_CANTOPEN };
    let table = if is_log { &LOG } else { &DATABASE };
    let methods = table.get_or_init(|| {
        // Version 2 has no xFetch: pages are never read through a mapping of the file, past the check.
        let mut ours = ffi::sqlite3_io_methods { iVersion: 2, ..theirs };
        if is_log {
            ours.xRead = Some(read_log);
            ours.xWrite = Some(write_log);
        } else {
            ours.xRead = Some(read_database);
            ours.xWrite = Some(write_database);
            ours.xDeviceCharacteristics = Some(characteristics);
        }
        Methods { read, write, characteristics: theirs.xDeviceCharacteristics, ours }
    });
    // SAFETY: `file` is open, its part behind the unix VFS's is ours, and the table is static. What it does not replace is the
    // unix VFS's own.
    unsafe {
        if is_log {
            file.cast::<u8>().add(unix.file_size).cast::<Log>().write(Log::NEW);
        }
        (*file).pMethods = &methods.ours;
    }
    result
}

/// Makes the VFS known to SQLite; false if it cannot be.
pub(super) fn register() -> bool {
    let unix = UNIX.get_or_init(|| {
        // SAFETY: "unix" is a built-in VFS and static; the copy is leaked, so SQLite may keep it.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            let open = vfs.as_ref()?.xOpen?;
            let file_size = ((*vfs).szOsFile as usize).next_multiple_of(align_of::<Log>());
            Some(Unix { vfs, open, file_size })
        }
    });
    let Some(unix) = unix else { return false };
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        // SAFETY: `unix.vfs` is static, and so is what is registered, as it is leaked.
        unsafe {
            let ours = ffi::sqlite3_vfs {
                zName: VFS.as_ptr(),
                xOpen: Some(open),
                szOsFile: (unix.file_size + size_of::<Log>()) as c_int,
                pNext: std::ptr::null_mut(),
                ..std::ptr::read(unix.vfs)
            };
            ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 0) == ffi::SQLITE_OK
        }
    })
}

/// Asks SQLite to leave room for the checksums; counts for a database that is still empty.
pub(super) fn reserve(conn: &Connection) -> bool {
    let mut bytes = RESERVED as c_int;
    // SAFETY: the connection is open, and the operation takes a pointer to an int.
    let result = unsafe {
        let op = ffi::SQLITE_FCNTL_RESERVE_BYTES;
        ffi::sqlite3_file_control(conn.handle(), c"main".as_ptr(), op, (&raw mut bytes).cast())
    };
    result == ffi::SQLITE_OK
}
