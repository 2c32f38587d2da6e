//! Data files: where large object data lies. A byte that a row names is never overwritten, and a file number never used
//! again; freed ranges become holes, freed files go or are filled anew under a new number (`spare.rs`).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};

use super::direct::Direct;
use super::spare::Spares;
use crate::store::{StoreError, StoreResult};
use crate::sync::Mutex;

/// Checksummed unit of a data file.
pub(super) const BLOCK: u64 = 4096;
/// Open files that are kept.
const OPEN_FILES: usize = 512;

/// A data file's number: the client that made it (high 32 bits) and a counter of that client's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct FileId(pub i64);

impl FileId {
    pub fn client(self) -> u64 {
        (self.0 as u64) >> 32
    }

    /// Path below the data folder.
    pub fn name(self) -> String {
        format!("{:08x}/{:08x}", self.client(), self.0 as u32)
    }
}

/// Why stored bytes could not be had: they may have been freed since the row that names them was read.
pub(super) struct Unreadable {
    pub detail: String,
    pub error: Option<io::Error>,
}

/// The data folder, as one client uses it.
pub(super) struct Files {
    folder: PathBuf,
    gid: u64,
    next: AtomicU64,
    open: Mutex<HashMap<FileId, Arc<File>>>,
    made_folder: Mutex<bool>,
    direct: Direct,
    pub(super) spares: Spares,
}

impl Files {
    pub fn new(folder: PathBuf, gid: u64) -> Files {
        let open = Mutex::new(HashMap::new());
        Files {
            folder,
            gid,
            next: AtomicU64::new(1),
            open,
            made_folder: Mutex::new(false),
            direct: Direct::default(),
            spares: Spares::default(),
        }
    }

    pub fn path(&self, id: FileId) -> PathBuf {
        self.folder.join(id.name())
    }

    fn error(&self, id: FileId, doing: &str, error: &io::Error) -> StoreError {
        io_error(&self.path(id), doing, error)
    }

    /// Makes an empty file. It is durable in its folder only after [`Dirty::sync`].
    pub fn create(&self, dirty: &mut Dirty) -> StoreResult<FileId> {
        let (folder, id) = (self.own_folder(), self.next_id());
        let mut made = self.made_folder.lock();
        if !*made {
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => dirty.folders.insert(self.folder.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(io_error(&folder, "make", &error)),
            };
            sync_folder(&self.folder)?;
            *made = true;
        }
        drop(made);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(self.path(id)).map_err(|error| self.error(id, "create", &error))?;
        dirty.folders.insert(folder);
        self.keep(id, Arc::new(file));
        Ok(id)
    }

    fn keep(&self, id: FileId, file: Arc<File>) {
        let mut open = self.open.lock();
        if open.len() >= OPEN_FILES
            && let Some(victim) = open.keys().next().copied()
        {
            open.remove(&victim);
        }
        open.insert(id, file);
    }

    fn get(&self, id: FileId) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.lock().get(&id) {
            return Ok(file.clone());
        }
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(self.path(id))?);
        self.keep(id, file.clone());
        Ok(file)
    }

    /// No more data comes for the file.
    pub fn full(&self, id: FileId) {
        self.direct.forget(id);
    }

    /// Writes at a place that no row names yet; what follows it up to the end of the block may become zeroes.
    pub fn write(&self, id: FileId, offset: u64, data: &[u8], dirty: &mut Dirty) -> StoreResult<()> {
        let file = self.get(id).map_err(|error| self.error(id, "open", &error))?;
        dirty.files.insert(id);
        let written = match self.direct.write(id, &self.path(id), offset, data) {
            Some(written) => written,
            None => file.write_all_at(data, offset),
        };
        written.map_err(|error| self.error(id, "write", &error))
    }

    /// Makes all that was written durable: data first, then the folders that name new files.
    pub fn sync(&self, dirty: &mut Dirty) -> StoreResult<()> {
        for id in std::mem::take(&mut dirty.files) {
            let file = self.get(id).map_err(|error| self.error(id, "open", &error))?;
            if let Err(error) = file.sync_data() {
                // What the kernel holds of the file is not to be trusted any more.
                self.open.lock().remove(&id);
                dirty.broken.insert(id);
                return Err(self.error(id, "sync", &error));
            }
        }
        for folder in std::mem::take(&mut dirty.folders) {
            sync_folder(&folder)?;
        }
        Ok(())
    }

    /// Reads and checks whole blocks: `sums` has the little-endian CRC of each block of `stored` bytes that begin at
    /// `file_offset`; the bytes of blocks `first..last` are returned.
    pub fn read_blocks(
        &self,
        id: FileId,
        file_offset: u64,
        stored: u64,
        sums: &[u8],
        blocks: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, Unreadable> {
        let from = blocks.start * BLOCK;
        let to = (blocks.end * BLOCK).min(stored);
        let mut data = vec![0; (to - from) as usize];
        let read = self.get(id).and_then(|file| file.read_exact_at(&mut data, file_offset + from));
        if let Err(error) = read {
            self.open.lock().remove(&id);
            let detail = format!("data/{} at {}: {error}", id.name(), file_offset + from);
            let gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof);
            return Err(Unreadable { detail, error: (!gone).then_some(error) });
        }
        for (index, block) in data.chunks(BLOCK as usize).enumerate() {
            let number = blocks.start + index as u64;
            let at = number as usize * 4;
            let expected = sums.get(at..at + 4).and_then(|sum| sum.try_into().ok()).map(u32::from_le_bytes);
            if expected != Some(crate::crc::crc32c(block)) {
                let offset = file_offset + number * BLOCK;
                let detail = format!("data/{} at {offset}: checksum does not match", id.name());
                return Err(Unreadable { detail, error: None });
            }
        }
        Ok(data)
    }

    /// Reads bytes without checking them. They are good only if the file [is named](Files::is_named) afterwards. `None`:
    /// they are not in memory, and `may_wait` is false.
    pub fn read_unproved(
        &self,
        id: FileId,
        at: u64,
        out: &mut [u8],
        may_wait: bool,
    ) -> io::Result<Option<Arc<File>>> {
        let file = self.get(id)?;
        if may_wait {
            file.read_exact_at(out, at)?;
            return Ok(Some(file));
        }
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let length = out.len();
        match preadv2(&*file, &mut [io::IoSliceMut::new(out)], at, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == length => Ok(Some(file)),
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the open file still has its number. A file gets another number before it gets other content: what still has
    /// its number after bytes were read had it when they were. Nothing else tells them from another object's.
    pub fn is_named(&self, id: FileId, open: &File) -> bool {
        let named = std::fs::symlink_metadata(self.path(id)).and_then(|named| Ok((named, open.metadata()?)));
        match named {
            Ok((named, open)) if named.ino() == open.ino() && named.nlink() == 1 => true,
            Ok(_) | Err(_) => {
                self.open.lock().remove(&id);
                false
            }
        }
    }

    /// Lets the kernel load a range into the page cache; false if it cannot be asked.
    pub fn start(&self, id: FileId, at: u64, length: u64) -> bool {
        use rustix::fs::{Advice, fadvise};
        let Ok(file) = self.get(id) else { return false };
        fadvise(&*file, at, std::num::NonZeroU64::new(length), Advice::WillNeed).is_ok()
    }

    /// Frees a range (`length` 0: the whole file). Space comes back at once, also where others have the file open.
    pub fn free(&self, id: FileId, start: u64, length: u64) {
        let held = self.hold(id);
        if length == 0 {
            self.open.lock().remove(&id);
            self.direct.forget(id);
            if let Some(file) = held {
                // Best effort: the unlink below frees the rest when the last reader closes it.
                let _ = file.set_len(0);
            }
            let _ = std::fs::remove_file(self.path(id));
            return;
        }
        if let Some(file) = held {
            use rustix::fs::{FallocateFlags, fallocate};
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Where the file system has no holes, the space comes back with the file.
            let _ = fallocate(&*file, flags, start, length);
        }
    }

    /// The file as long as it has this number: who takes away from a file's content, or its number, holds it, because
    /// what once had this number may be full of another object's data by now. `None`: it is gone, or has another name as
    /// well, or another process holds it, to free it too.
    pub(super) fn hold(&self, id: FileId) -> Option<Held> {
        let path = self.path(id);
        let file = OpenOptions::new().write(true).open(&path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        let (held, named) = (file.metadata().ok()?, std::fs::symlink_metadata(&path).ok()?);
        // A second name can only be what a power loss has left of a renumbering: the other one may be in use.
        (held.ino() == named.ino() && held.nlink() == 1).then_some(Held(file))
    }

    /// Gives a dead file, of whatever client, a number of this one that none had before. `None`: it cannot be had.
    pub fn renumber(&self, id: FileId) -> Option<FileId> {
        let _held = self.hold(id)?;
        self.open.lock().remove(&id);
        self.direct.forget(id);
        let new = self.next_id();
        std::fs::rename(self.path(id), self.path(new)).ok()?;
        Some(new)
    }

    /// Makes the names in this client's folder durable.
    pub fn sync_own_folder(&self) -> StoreResult<()> {
        sync_folder(&self.own_folder())
    }

    fn own_folder(&self) -> PathBuf {
        self.folder.join(format!("{:08x}", self.gid))
    }

    fn next_id(&self) -> FileId {
        FileId(((self.gid << 32) | self.next.fetch_add(1, Ordering::Relaxed)) as i64)
    }
}

/// A file that is locked, see [`Files::hold`].
pub(super) struct Held(File);

impl std::ops::Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

/// What must be synced before the commit that names it.
#[derive(Default)]
pub(super) struct Dirty {
    files: BTreeSet<FileId>,
    folders: BTreeSet<PathBuf>,
    /// Files whose sync failed: nothing more is appended to them.
    pub broken: HashSet<FileId>,
}

/// CRCs of the blocks of `data`, as a row keeps them.
pub(super) fn block_sums(data: &[u8]) -> Vec<u8> {
    data.chunks(BLOCK as usize).flat_map(|block| crate::crc::crc32c(block).to_le_bytes()).collect()
}

pub(super) fn sync_folder(path: &Path) -> StoreResult<()> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error(path, "sync", &error))
}

pub(super) fn io_error(path: &Path, doing: &str, error: &io::Error) -> StoreError {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => StoreError::NoSpace,
        _ => {
            let object = path.display().to_string();
            StoreError::Io { object, detail: format!("cannot {doing}: {error}") }
        }
    }
}
