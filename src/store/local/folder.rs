//! The store's folder: creation, recognition, and who is alive.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::files::{io_error, sync_folder};
use super::schema::{Db, SCHEMA, SCHEMA_VERSION};
use super::vfs;
use crate::errno::Errno;
use crate::store::{StoreError, StoreResult};

/// The file that makes a folder a store.
const MARKER: &str = "logrbd-store";
const MARKER_NEW: &str = "logrbd-store.new";
/// What new stores get: pages of the database have checksums.
const FORMAT: u32 = 2;
/// The oldest that is still opened: no checksums of pages.
const OLD_FORMAT: u32 = 1;

/// A recognised store. While `_lock` lives nobody else opens it for the first time or sweeps it.
pub(super) struct Folder {
    pub path: PathBuf,
    pub fsid: String,
    format: u32,
    _lock: File,
}

/// What the marker says.
struct Marker {
    format: u32,
    fsid: String,
}

pub(super) fn refused(path: &Path, reason: impl Into<std::borrow::Cow<'static, str>>) -> StoreError {
    StoreError::Refused { place: path.display().to_string(), reason: reason.into() }
}

impl Folder {
    /// Opens or makes the store. A folder that is not ours is left untouched.
    pub fn open(path: &Path) -> StoreResult<Folder> {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    sync_folder(parent)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Op(Errno::ENOENT));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(StoreError::Op(Errno::EACCES));
            }
            Err(error) => return Err(io_error(path, "make", &error)),
        }
        let path = path.canonicalize().map_err(|error| io_error(path, "find", &error))?;
        if !path.is_dir() {
            return Err(refused(&path, "not a folder"));
        }
        let lock = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => StoreError::Op(Errno::EACCES),
            _ => io_error(&path, "open", &error),
        })?;
        // The lock is the folder's own: taking it leaves no trace in a folder that turns out not to be ours.
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| io_error(&path, "lock", &error.into()))?;
        let Marker { format, fsid } = match read_marker(&path)? {
            Some(marker) => marker,
            None => create(&path)?,
        };
        for name in ["data", "clients"] {
            let folder = path.join(name);
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(io_error(&folder, "make", &error));
                }
                _ => {}
            }
        }
        restore_reserve(&path);
        sync_folder(&path)?;
        Ok(Folder { path, fsid, format, _lock: lock })
    }

    pub fn db_path(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// One more connection to the database.
    pub fn connect(&self) -> StoreResult<Db> {
        Db::open(&self.db_path(), self.format >= FORMAT)
    }

    /// Opens the database; a new one gets its tables.
    pub fn open_db(&self) -> StoreResult<Db> {
        // Made when a store that has its tables is first used.
        let was_used = self.path.join("writer.lock").exists();
        let gone = || StoreError::Corrupt {
            object: self.db_path().display().to_string(),
            detail: "its tables are gone".into(),
        };
        // SQLite would take an empty file for a new database, and remove its log.
        let length = std::fs::metadata(self.db_path()).map_or(0, |found| found.len());
        if was_used && length < vfs::PAGE as u64 {
            return Err(gone());
        }
        if !self.is_anyone_alive() {
            vfs::check_log(&self.db_path())?;
        }
        let db = self.connect()?;
        let version: i64 =
            db.conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|e| db.error(e))?;
        match version {
            0 if was_used => Err(gone()),
            0 => {
                // A crash in here leaves no tables at all.
                let schema = format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;");
                db.conn.execute_batch(&schema).map_err(|error| db.error(error))?;
                sync_folder(&self.path)?;
                Ok(db)
            }
            SCHEMA_VERSION => Ok(db),
            newer => Err(refused(&self.path, format!("its database has the newer version {newer}"))),
        }
    }

    fn is_anyone_alive(&self) -> bool {
        let clients = self.path.join("clients");
        let Ok(entries) = std::fs::read_dir(&clients) else { return false };
        let gid = |name: &std::ffi::OsStr| name.to_str()?.strip_suffix(".lock")?.parse::<u64>().ok();
        entries.flatten().filter_map(|entry| gid(&entry.file_name())).any(|gid| is_alive(&clients, gid))
    }
}

/// The marker of the store here; `None`: an empty folder.
fn read_marker(path: &Path) -> StoreResult<Option<Marker>> {
    let mut text = String::new();
    match File::open(path.join(MARKER)) {
        Ok(mut file) => {
            file.read_to_string(&mut text).map_err(|_| refused(path, "its marker file is not readable"))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let entries = std::fs::read_dir(path).map_err(|error| io_error(path, "list", &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| io_error(path, "list", &error))?;
                if entry.file_name() != MARKER_NEW {
                    return Err(refused(path, "not empty and not a logrbd store"));
                }
            }
            return Ok(None);
        }
        Err(error) => return Err(io_error(&path.join(MARKER), "open", &error)),
    }
    let mut words = text.split_whitespace();
    if (words.next(), words.next()) != (Some("logrbd-store"), Some("format")) {
        return Err(refused(path, "its marker file is damaged"));
    }
    let format = match words.next().and_then(|word| word.parse::<u32>().ok()) {
        Some(format @ OLD_FORMAT..=FORMAT) => format,
        Some(newer) if newer > FORMAT => return Err(refused(path, format!("its format {newer} is newer"))),
        _ => return Err(refused(path, "its marker file is damaged")),
    };
    let fsid = match (words.next(), words.next()) {
        (Some("fsid"), Some(fsid)) if fsid.len() == 36 => fsid.to_owned(),
        _ => return Err(refused(path, "its marker file is damaged")),
    };
    // A 2 that becomes a 1 must not let the database be taken for one without checksums.
    let whole = match format {
        OLD_FORMAT => words.next().is_none(),
        _ => text == marker(&fsid),
    };
    if whole { Ok(Some(Marker { format, fsid })) } else { Err(refused(path, "its marker file is damaged")) }
}

/// The text of a new store's marker.
fn marker(fsid: &str) -> String {
    let text = format!("logrbd-store format {FORMAT}\nfsid {fsid}\n");
    let sum = crate::crc::crc32c(text.as_bytes());
    format!("{text}sum {sum:08x}\n")
}

fn create(path: &Path) -> StoreResult<Marker> {
    let fsid = new_fsid().map_err(|error| io_error(path, "read /dev/urandom", &error))?;
    let new = path.join(MARKER_NEW);
    let text = marker(&fsid);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| io_error(&new, "write", &error))?;
    std::fs::rename(&new, path.join(MARKER)).map_err(|error| io_error(&new, "rename", &error))?;
    sync_folder(path)?;
    Ok(Marker { format: FORMAT, fsid })
}

/// A random (version 4) UUID.
fn new_fsid() -> io::Result<String> {
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// Space kept back, so that a full disk can still take the log of what is removed from it.
const RESERVE: &str = "reserve";
const RESERVE_BYTES: u64 = 4 << 20;

/// Makes the reserve if it is missing and there is plenty of room.
pub(super) fn restore_reserve(path: &Path) {
    let reserve = path.join(RESERVE);
    let room = rustix::fs::statvfs(path).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    match std::fs::metadata(&reserve).map(|found| found.len()) {
        Ok(RESERVE_BYTES) => return,
        // A power loss can leave it empty.
        Ok(_) => drop(std::fs::remove_file(&reserve)),
        Err(_) => {}
    }
    if room < 3 * RESERVE_BYTES {
        return;
    }
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(&reserve).and_then(|file| {
        let flags = rustix::fs::FallocateFlags::empty();
        Ok(rustix::fs::fallocate(&file, flags, 0, RESERVE_BYTES)?)
    });
    if made.is_err() {
        // Half a reserve is none.
        let _ = std::fs::remove_file(&reserve);
    }
}

/// Gives the reserve up; false if there is none.
pub(super) fn release_reserve(path: &Path) -> bool {
    std::fs::remove_file(path.join(RESERVE)).is_ok()
}

/// A client's presence: a locked file that the kernel unlocks when the process ends, however it ends.
pub(super) struct Presence {
    clients: PathBuf,
    gid: u64,
    lock: File,
}

/// Nanoseconds on the clock that all processes of the machine have in common, and that stands still while the machine sleeps.
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Presence {
    pub fn announce(clients: &Path, gid: u64) -> StoreResult<Presence> {
        let path = clients.join(format!("{gid}.lock"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|error| io_error(&path, "create", &error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| io_error(&path, "lock", &error.into()))?;
        Ok(Presence { clients: clients.to_owned(), gid, lock: file })
    }

    /// Says that the process still runs. A client with watches does so every few seconds.
    pub fn beat(&self) {
        // One that is lost makes the watches end early, as a disk that does not answer does.
        let _ = self.lock.write_all_at(&now_ns().to_le_bytes(), 0);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        remove_presence(&self.clients, self.gid);
    }
}

/// Whether the client's process lives and has not shut the client down.
pub(super) fn is_alive(clients: &Path, gid: u64) -> bool {
    let Ok(file) = File::open(clients.join(format!("{gid}.lock"))) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Whether the client lives and has been heard of within `timeout`: one that is stopped is not. A client that never said
/// anything (of an older version) counts as heard.
pub(super) fn is_heard(clients: &Path, gid: u64, timeout: Duration) -> bool {
    let Ok(file) = File::open(clients.join(format!("{gid}.lock"))) else { return false };
    let mut beat = [0; 8];
    if file.read_exact_at(&mut beat, 0).is_ok()
        && Duration::from_nanos(now_ns().saturating_sub(u64::from_le_bytes(beat))) > timeout
    {
        return false;
    }
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Removes what a client that is gone left behind.
pub(super) fn remove_presence(clients: &Path, gid: u64) {
    for suffix in ["sock", "lock"] {
        // Someone else may have been faster.
        let _ = std::fs::remove_file(clients.join(format!("{gid}.{suffix}")));
    }
}
