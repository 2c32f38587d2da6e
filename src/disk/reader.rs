//! A reader's view of the image: the newest checkpoint and the log after it, caught up with before each read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::sync::Mutex;

use super::head::Head;
use super::header::Header;
use super::replay::{LogCursor, LogRecord, Step};
use super::sabotage::{Sabotage, broken};
use super::shared::{Shared, epoch_of, get_epoch};
use super::{DiskError, DiskResult, Pressure, RootBlob, WriterEpoch};

/// Times that a reader starts again before it takes what it sees for damage. Those that a newer root has explained do
/// not count: a writer that publishes fast is no damage.
const ATTEMPTS: u32 = 8;

pub(crate) struct Reader {
    shared: Arc<Shared>,
    view: Mutex<Arc<Head>>,
    epoch: Mutex<WriterEpoch>,
    follow: tokio::sync::Mutex<Follow>,
    /// Number of polls that were begun.
    polls: AtomicU64,
    replayed: AtomicU64,
    /// The store's mark before the last look, if that found everything; else `NO_MARK`.
    seen: AtomicU64,
}

const NO_MARK: u64 = u64::MAX;

struct Follow {
    cursor: LogCursor,
    /// Version of the header object when its root was last looked at.
    version: u64,
    /// The root that the view began with.
    root: Bytes,
    /// What was replayed on top of it.
    replayed: Replayed,
    /// The state is half changed, or what it refers to is gone.
    stale: bool,
    /// The view is the writer's that this opener has become, and needs no looks any more.
    handed_over: bool,
}

/// How much of the log was replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub records: u64,
    pub bytes: u64,
}

impl Replayed {
    pub fn add(&mut self, records: &[LogRecord]) {
        self.records += records.len() as u64;
        self.bytes += records.iter().map(LogRecord::stored_bytes).sum::<u64>();
    }
}

/// A reader that waits for the take-over by its own opener. Dropped before `handed_over`, one that has lent its view begins anew.
pub(crate) struct Lender<'a> {
    reader: &'a Reader,
    follow: tokio::sync::MutexGuard<'a, Follow>,
    lent: bool,
}

/// A view, and how it came about.
pub(crate) struct Lent {
    pub head: Arc<Head>,
    pub cursor: LogCursor,
    pub replayed: Replayed,
}

impl Lender<'_> {
    /// The view, to be gone on with, if it began with `root`: whatever a newer root replaces may be deleted.
    pub fn lend(&mut self, root: &Bytes) -> Option<Lent> {
        let follow = &mut *self.follow;
        if follow.stale || (follow.root != root && !broken(Sabotage::HandOverOfOldRoot)) {
            return None;
        }
        follow.stale = true;
        self.lent = true;
        Some(Lent { head: self.reader.head(), cursor: follow.cursor.clone(), replayed: follow.replayed })
    }

    /// What was lent, if anything was, is the writer's now.
    pub fn handed_over(mut self) {
        if self.lent {
            self.follow.stale = false;
            self.follow.handed_over = true;
        }
    }
}

impl Reader {
    pub async fn open(shared: &Arc<Shared>) -> DiskResult<Arc<Reader>> {
        let (header, head, follow) = newest(shared).await?;
        let reader = Arc::new(Reader {
            shared: shared.clone(),
            view: Mutex::new(head),
            epoch: Mutex::new(header.epoch),
            follow: tokio::sync::Mutex::new(follow),
            polls: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            seen: AtomicU64::new(NO_MARK),
        });
        reader.refresh().await?;
        let loss = reader.follow.lock().await.cursor.loss(shared).await?;
        if let Some(loss) = loss {
            // A writer beside us may have gone on since we saw the end; a second look finds what it wrote.
            reader.refresh().await?;
            if reader.follow.lock().await.cursor.position().lsn < loss.knows {
                return Err(loss.error);
            }
        }
        Ok(reader)
    }

    pub fn head(&self) -> Arc<Head> {
        self.view.lock().clone()
    }

    pub fn epoch(&self) -> WriterEpoch {
        *self.epoch.lock()
    }

    pub fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Relaxed)
    }

    /// Nothing was committed to the store since the last look, so a look now would find what that one found.
    pub fn is_current(&self) -> bool {
        match self.seen.load(Ordering::SeqCst) {
            NO_MARK => false,
            seen => self.shared.mark() == Some(seen),
        }
    }

    /// The last look found this client admitted, and nothing has made that untrue when it ended.
    pub fn is_marked(&self) -> bool {
        self.seen.load(Ordering::SeqCst) != NO_MARK
    }

    /// Catches up with the log as it is now. Calls that come while one is waiting share its poll.
    pub async fn refresh(&self) -> DiskResult<()> {
        if self.is_current() {
            return Ok(());
        }
        let before = self.polls.load(Ordering::SeqCst);
        let mut follow = self.follow.lock().await;
        if follow.handed_over || (self.polls.load(Ordering::SeqCst) > before && !follow.stale) {
            // A poll that began after this call has ended meanwhile.
            return Ok(());
        }
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.poll(&mut follow).await
    }

    /// Stops following the log until what is returned is dropped; looks at it wait meanwhile.
    pub async fn lender(&self) -> Lender<'_> {
        Lender { reader: self, follow: self.follow.lock().await, lent: false }
    }

    /// As `refresh`, from the newest root on: something that the view refers to is gone.
    pub async fn reload(&self) -> DiskResult<()> {
        let mut follow = self.follow.lock().await;
        if follow.handed_over {
            return Ok(());
        }
        follow.stale = true;
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.poll(&mut follow).await
    }

    /// What is committed after the mark is read makes it another one, whether this look finds it or not.
    async fn poll(&self, follow: &mut Follow) -> DiskResult<()> {
        self.seen.store(NO_MARK, Ordering::SeqCst);
        let mark = self.shared.mark();
        self.look(follow).await?;
        self.seen.store(mark.unwrap_or(NO_MARK), Ordering::SeqCst);
        Ok(())
    }

    async fn look(&self, follow: &mut Follow) -> DiskResult<()> {
        let (mut attempt, mut version) = (0, follow.version);
        loop {
            if follow.stale {
                self.restart(follow).await?;
            }
            let head = self.head();
            let gone = match follow.cursor.step(&self.shared).await? {
                Step::Records(records) => {
                    // If this fails or is given up half-way, the view is of no use any more.
                    follow.stale = true;
                    let mut outcome = Ok(());
                    for record in &records {
                        outcome = head.apply_log(record).await;
                        if outcome.is_err() {
                            break;
                        }
                    }
                    self.replayed.fetch_add(records.len() as u64, Ordering::Relaxed);
                    follow.replayed.add(&records);
                    match outcome {
                        Ok(()) => {
                            follow.stale = false;
                            continue;
                        }
                        Err(error) if error.is_not_found() || error == DiskError::NoSnapshot => error,
                        Err(error) => return Err(error),
                    }
                }
                Step::End => {
                    if !self.is_behind(follow, &head).await? {
                        return Ok(());
                    }
                    follow.stale = true;
                    continue;
                }
                Step::Gone => {
                    follow.stale = true;
                    DiskError::Corrupt {
                        object: self.shared.names.segment(follow.cursor.position().segment).oid.to_string(),
                        offset: follow.cursor.position().offset,
                        detail: "the segment that replay begins with is missing".to_owned(),
                    }
                }
            };
            attempt = if version == follow.version { attempt + 1 } else { 1 };
            version = follow.version;
            if attempt == ATTEMPTS {
                return Err(gone);
            }
        }
    }

    /// Whether a checkpoint has gone past the end of the log as we see it (the segments after it may be deleted by
    /// now), or would free memory that our changes take.
    async fn is_behind(&self, follow: &mut Follow, head: &Head) -> DiskResult<bool> {
        let target = self.shared.names.header();
        let mut reply = self.shared.run(&target, vec![get_epoch()]).await?;
        if reply.version == follow.version {
            return Ok(false);
        }
        *self.epoch.lock() = epoch_of(&mut reply, 0, &target)?;
        let header = Header::read(&self.shared.store, &self.shared.names).await?;
        let root = RootBlob::decode(&header.root, &target.oid)?;
        follow.version = header.version;
        Ok(root.lsn > follow.cursor.position().lsn || head.state.pressure() >= Pressure::Stop)
    }

    async fn restart(&self, follow: &mut Follow) -> DiskResult<()> {
        let (header, head, newest) = newest(&self.shared).await?;
        *self.view.lock() = head;
        *self.epoch.lock() = header.epoch;
        *follow = newest;
        Ok(())
    }
}

/// The state of the newest checkpoint, and where to follow the log from there.
async fn newest(shared: &Arc<Shared>) -> DiskResult<(Header, Arc<Head>, Follow)> {
    let (mut attempt, mut version) = (1, None);
    loop {
        let header = Header::read(&shared.store, &shared.names).await?;
        if version.is_some_and(|version| version != header.version) {
            attempt = 1;
        }
        version = Some(header.version);
        match Head::open(shared, &header.root).await {
            Ok((head, position)) => {
                let cursor = LogCursor::new(position, None);
                let follow = Follow {
                    cursor,
                    version: header.version,
                    root: header.root.clone(),
                    replayed: Replayed::default(),
                    stale: false,
                    handed_over: false,
                };
                return Ok((header, head, follow));
            }
            // A newer checkpoint has replaced the root, and its objects were deleted, since we read it.
            Err(error) if error.is_not_found() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
