//! `store.db`: a checksum in every page, checked whenever SQLite reads the page from the file. SQLite itself has none, so a flipped bit
//! in a key would make a row read as missing.
//!
//! SQLite leaves the last 8 bytes of each page free for us (its "reserved bytes"). They hold the CRC-32C of the page's number
//! (4 bytes) and its first 4088 bytes, then a magic number; little-endian. They are set as a page goes to the database file, which in
//! WAL mode is when it is checkpointed: it comes from the log then, and was checked as it was read from there.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use rusqlite::Connection;
use rusqlite::ffi;

use super::PAGE;

const RESERVED: usize = 8;
const CHECKED: usize = PAGE - RESERVED;
const MAGIC: u32 = 0x6370_726c; // "lrpc"
/// Bytes of the database's head, at the begin of the first page.
const HEAD: i64 = 100;
/// Where the first page says how many bytes of each page SQLite leaves free.
const RESERVED_AT: usize = 20;

/// What the unix VFS does with databases, and our table.
struct Methods {
    read: super::Read,
    write: super::Write,
    characteristics: super::OfFile,
    ours: ffi::sqlite3_io_methods,
}

static METHODS: OnceLock<Methods> = OnceLock::new();

/// Our table in place of the unix VFS's.
pub(super) fn table(theirs: &ffi::sqlite3_io_methods) -> Option<&'static ffi::sqlite3_io_methods> {
    let (read, write, characteristics) = (theirs.xRead?, theirs.xWrite?, theirs.xDeviceCharacteristics?);
    let methods = METHODS.get_or_init(|| {
        let ours = ffi::sqlite3_io_methods {
            // Version 2 has no xFetch: pages are never read through a mapping of the file, past the check.
            iVersion: 2,
            xRead: Some(read_database),
            xWrite: Some(write_database),
            xDeviceCharacteristics: Some(our_characteristics),
            ..*theirs
        };
        Methods { read, write, characteristics, ours }
    });
    Some(&methods.ours)
}

/// What stands at the end of a page of `store.db`.
fn trailer(page: u64, bytes: &[u8]) -> [u8; RESERVED] {
    let crc = crate::crc::append(crate::crc::crc32c(&(page as u32).to_le_bytes()), bytes);
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
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
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
unsafe extern "C" fn our_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file that SQLite gave; the unix VFS opened it.
    let all = METHODS.get().map_or(0, |methods| unsafe { (methods.characteristics)(file) });
    all & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn write_database(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some(methods) = METHODS.get() else { return ffi::SQLITE_IOERR };
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

/// Asks SQLite to leave room for the checksums; counts for a database that is still empty.
pub(in crate::store::local) fn reserve(conn: &Connection) -> bool {
    let mut bytes = RESERVED as c_int;
    // SAFETY: the connection is open, and the operation takes a pointer to an int.
    let result = unsafe {
        let op = ffi::SQLITE_FCNTL_RESERVE_BYTES;
        ffi::sqlite3_file_control(conn.handle(), c"main".as_ptr(), op, (&raw mut bytes).cast())
    };
    result == ffi::SQLITE_OK
}
