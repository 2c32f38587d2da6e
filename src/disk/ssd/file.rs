//! The file of a local log: what the disk engine asks of it, and the system's files.
//!
//! Assumed of the disk below: a page that a write does not touch keeps its content, and what was written before an
//! fdatasync that succeeded is there after it. Nothing is assumed of what was not synced: any part of it may be there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, FlockOperation, OFlags};
use tokio::sync::oneshot;

use crate::env::BoxFuture;
use crate::runtime::without_signals;

/// Never written blocks of a preallocated file cost the file system a commit of its own at each sync. So where the log
/// comes to such blocks it writes this many zeroes ahead.
const AHEAD_BYTES: u64 = 1 << 20;

/// How an opener uses local logs.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// The log of this opener; `None`: a flush goes to the store.
    pub log: Option<LocalLogOptions>,
    /// Where logs are, also those that an earlier opener has left.
    pub disk: Arc<dyn LocalDisk>,
}

impl Default for LocalOptions {
    fn default() -> LocalOptions {
        LocalOptions { log: None, disk: Arc::new(SystemDisk::default()) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalLogOptions {
    /// Where its file is; the name follows from the image.
    pub folder: String,
    pub size_bytes: u64,
}

/// Why a log's file could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it is gone")]
    Missing,
    #[error("another process has it open")]
    InUse,
    #[error("{0}")]
    Io(String),
}

/// What is wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It must be there.
    Existing,
    /// It is made if need be.
    Any,
}

/// A host's file system.
pub trait LocalDisk: Send + Sync + std::fmt::Debug {
    /// Who this host is: only the host that has written a log may replay it.
    fn host(&self) -> String;
    /// Opens a file, and changes nothing of one that is there; nobody else can open it as long as the answer lives.
    fn open(&self, path: &str, wanted: Wanted) -> BoxFuture<Result<Arc<dyn LocalFile>, OpenError>>;
    /// Removes a file that the caller has open.
    fn remove(&self, path: &str) -> BoxFuture<io::Result<()>>;
}

/// A file that is open.
pub trait LocalFile: Send + Sync {
    fn size_bytes(&self) -> u64;
    /// Gives the file a size, with room on the disk for all of it. Its name is durable, too, when it completes.
    fn allocate(&self, size_bytes: u64) -> BoxFuture<io::Result<()>>;
    /// What there is of a range; shorter at the file's end.
    fn read(&self, offset: u64, length: u64) -> BoxFuture<io::Result<Bytes>>;
    /// Writes the parts; `sync`: they, and all that was written before, are durable when it completes.
    fn write(&self, parts: Vec<(u64, Bytes)>, sync: bool) -> BoxFuture<io::Result<()>>;
    /// Others can open the file when it completes.
    fn close(&self) -> BoxFuture<()>;
}

/// The files of this system.
#[derive(Clone, Debug, Default)]
pub struct SystemDisk {
    /// In place of this host's own identity (`logrbd_host_id`).
    pub host_id: Option<String>,
}

impl LocalDisk for SystemDisk {
    fn host(&self) -> String {
        if let Some(id) = &self.host_id {
            return id.clone();
        }
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // Names are often alike (localhost), and so are machine ids (of copied machines).
        match std::fs::read_to_string("/etc/machine-id") {
            Ok(machine) if !machine.trim().is_empty() => format!("{name}/{}", machine.trim()),
            Ok(_) | Err(_) => name,
        }
    }

    fn open(&self, path: &str, wanted: Wanted) -> BoxFuture<Result<Arc<dyn LocalFile>, OpenError>> {
        let path = path.to_owned();
        on_thread(move || open(&path, wanted).map(|file| Arc::new(file) as Arc<dyn LocalFile>))
    }

    fn remove(&self, path: &str) -> BoxFuture<io::Result<()>> {
        let path = path.to_owned();
        on_thread(move || std::fs::remove_file(path))
    }
}

/// Runs what may block for long beside the caller's thread.
fn on_thread<T: Send + 'static, E: From<io::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> BoxFuture<Result<T, E>> {
    let (sender, receiver) = oneshot::channel();
    let builder = std::thread::Builder::new().name("logrbd-ssd-open".into());
    let thread = without_signals(|| {
        builder.spawn(move || {
            let _ = sender.send(work());
        })
    });
    Box::pin(async move {
        thread?;
        receiver.await.map_err(|_| io::Error::other("the thread ended"))?
    })
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing,
            io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => OpenError::Io(error.to_string()),
        }
    }
}

fn open(path: &str, wanted: Wanted) -> Result<SystemFile, OpenError> {
    loop {
        // The folder may be anybody's (/tmp is Ceph's default): no link is followed, and the file must be ours.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(wanted == Wanted::Any)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32)
            .open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from)?;
        let found = file.metadata()?;
        let named = match std::fs::symlink_metadata(path) {
            Ok(named) => (named.dev(), named.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (0, 0),
            Err(error) => return Err(error.into()),
        };
        if named != (found.dev(), found.ino()) {
            // Whoever had it open has removed it meanwhile.
            continue;
        }
        if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() || found.nlink() != 1 {
            return Err(OpenError::Io("it is no file of this user's alone".into()));
        }
        let (size_bytes, path) = (found.len(), path.to_owned());
        let size = Arc::new(AtomicU64::new(size_bytes));
        let io = Io { file, path, size_bytes, initialised: size_bytes };
        return Ok(SystemFile { size: size.clone(), jobs: start(io, size)? });
    }
}

enum Job {
    Allocate { size_bytes: u64, answer: oneshot::Sender<io::Result<()>> },
    Read { offset: u64, length: u64, answer: oneshot::Sender<io::Result<Bytes>> },
    Write { parts: Vec<(u64, Bytes)>, sync: bool, answer: oneshot::Sender<io::Result<()>> },
    Close { answer: oneshot::Sender<()> },
}

/// A file and the thread that does its I/O.
struct SystemFile {
    size: Arc<AtomicU64>,
    jobs: mpsc::Sender<Job>,
}

struct Io {
    file: File,
    path: String,
    size_bytes: u64,
    /// What is before this was written once.
    initialised: u64,
}

/// The thread ends, and the file is closed, when its `SystemFile` is gone and all jobs are done.
fn start(mut io: Io, size: Arc<AtomicU64>) -> io::Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel();
    let builder = std::thread::Builder::new().name("logrbd-ssd".into());
    let run = move || {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Allocate { size_bytes, answer } => {
                    let allocated = io.allocate(size_bytes);
                    size.store(io.size_bytes, Ordering::Release);
                    let _ = answer.send(allocated);
                }
                Job::Read { offset, length, answer } => {
                    let _ = answer.send(io.read(offset, length));
                }
                Job::Write { parts, sync, answer } => {
                    let _ = answer.send(io.write(&parts, sync));
                }
                Job::Close { answer } => {
                    drop(io);
                    let _ = answer.send(());
                    return;
                }
            }
        }
    };
    without_signals(|| builder.spawn(run))?;
    Ok(sender)
}

impl Io {
    fn allocate(&mut self, size: u64) -> io::Result<()> {
        if self.size_bytes != size {
            if self.size_bytes > size {
                self.file.set_len(size)?;
            }
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, size) {
                // Room is then found out when it is written to.
                Err(rustix::io::Errno::OPNOTSUPP) => self.file.set_len(size)?,
                outcome => outcome?,
            }
            self.file.sync_all()?;
            self.initialised = self.initialised.min(size);
            self.size_bytes = size;
        }
        if let Some(folder) = Path::new(&self.path).parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn read(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let length = length.min(self.size_bytes.saturating_sub(offset));
        let mut out = vec![0; length as usize];
        self.file.read_exact_at(&mut out, offset)?;
        Ok(out.into())
    }

    fn write(&mut self, parts: &[(u64, Bytes)], sync: bool) -> io::Result<()> {
        for (offset, data) in parts {
            self.file.write_all_at(data, *offset)?;
            let end = offset + data.len() as u64;
            if end > self.initialised {
                let ahead = AHEAD_BYTES.min(self.size_bytes.saturating_sub(end));
                self.file.write_all_at(&vec![0; ahead as usize], end)?;
                self.initialised = end + ahead;
            }
        }
        if sync { self.file.sync_data() } else { Ok(()) }
    }
}

impl SystemFile {
    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<io::Result<T>>) -> Job,
    ) -> BoxFuture<io::Result<T>> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.jobs.send(job(answer));
        Box::pin(async move {
            let gone = || io::Error::other("the log's thread ended");
            sent.map_err(|_| gone())?;
            receiver.await.map_err(|_| gone())?
        })
    }
}

impl LocalFile for SystemFile {
    fn size_bytes(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    fn allocate(&self, size_bytes: u64) -> BoxFuture<io::Result<()>> {
        self.ask(|answer| Job::Allocate { size_bytes, answer })
    }

    fn read(&self, offset: u64, length: u64) -> BoxFuture<io::Result<Bytes>> {
        self.ask(|answer| Job::Read { offset, length, answer })
    }

    fn write(&self, parts: Vec<(u64, Bytes)>, sync: bool) -> BoxFuture<io::Result<()>> {
        self.ask(|answer| Job::Write { parts, sync, answer })
    }

    fn close(&self) -> BoxFuture<()> {
        let (answer, closed) = oneshot::channel();
        // Where the thread has ended, the file is closed already.
        let _ = self.jobs.send(Job::Close { answer });
        Box::pin(async move {
            let _ = closed.await;
        })
    }
}
