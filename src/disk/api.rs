//! The disk's public face: one `Disk` for each opener of an image.

use std::sync::Arc;

use crate::sync::Mutex;

use super::api_read::READ_ATTEMPTS;
use super::cache::ReadCache;
use super::diff::diff_bytes;
use super::head::SnapshotView;
use super::header::{Format, Header};
use super::reader::Reader;
use super::shared::Shared;
use super::ssd::{LocalChanges, LocalMark};
use super::writer::Writer;
use super::*;
use crate::env::Env;
use crate::store::{FixedReads, Store};

pub type DiskResult<T> = Result<T, DiskError>;

/// How `compare_and_write` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The bytes were equal, and the new ones were written.
    Written,
    /// The image's byte offset of the first difference; nothing was written.
    Mismatch { offset: u64 },
}

/// A write that was accepted and is not durable yet.
pub struct Accepted {
    writer: Arc<Writer>,
    lsn: Lsn,
}

impl Accepted {
    /// Tells `done` once whether it is durable, on whichever thread, also before this returns: it must neither block nor call
    /// the disk.
    pub fn then(self, done: Box<dyn FnOnce(DiskResult<()>) + Send>) {
        self.writer.durable_then(self.lsn, done);
    }
}

/// A run of bytes that differ between two states of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffRun {
    pub offset: u64,
    pub length: u64,
    /// False: the run is a hole in the newer state.
    pub exists: bool,
}

/// An open image. Cheap to share; all methods may be called at once.
///
/// Ranges are bytes and must lie inside of the image (`OutOfRange` otherwise; shortening reads is the caller's
/// business). Overlapping writes that run at once take effect in some order, the same for readers, replay and
/// snapshots. A write that was acknowledged is seen by every later read of this opener.
pub struct Disk {
    pub(super) shared: Arc<Shared>,
    mode: Mutex<Mode>,
    /// Held while the mode changes.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
pub(super) enum Mode {
    Reader(Arc<Reader>),
    Writer(Arc<Writer>),
    Snapshot(Arc<SnapshotView>),
    Closed,
}

impl Disk {
    /// Makes the objects of a new, empty image. `Store` with EEXIST if the header is there already.
    pub async fn format(store: &Arc<dyn Store>, names: &DiskNames, params: &FormatParams) -> DiskResult<()> {
        params.check()?;
        let format =
            Format { uuid: params.uuid, segment_bytes: params.segment_bytes, payloads: params.payloads };
        let state = DiskState::new(store.clone(), names.clone(), params.size_bytes, 1 << 20);
        let replay = Replay { segment: SegmentSeq(1), offset: 0 };
        let Some(mut frozen) = state.freeze(replay)? else {
            return Err(DiskError::Invalid { detail: "a new state cannot be frozen".into() });
        };
        // An empty state has no pages to write.
        let root = frozen.write().await?;
        Header::create(store, names, &format, root.encode().into()).await
    }

    /// Deletes all objects of the image, the header last, so that an interrupted removal can be started again.
    /// `Store` with ENOENT if there is no header.
    pub async fn remove(
        store: &Arc<dyn Store>,
        names: &DiskNames,
        progress: RemoveProgress<'_>,
    ) -> DiskResult<()> {
        super::remove::remove(store, names, progress).await
    }

    /// Opens the image as a reader: it sees what other openers have flushed.
    pub async fn open(
        store: Arc<dyn Store>,
        names: DiskNames,
        options: DiskOptions,
        env: Arc<dyn Env>,
    ) -> DiskResult<Arc<Disk>> {
        let shared = Disk::share(store, names, options, env).await?;
        let reader = Reader::open(&shared).await?;
        Ok(Disk::new(shared, Mode::Reader(reader)))
    }

    /// Opens a snapshot, which never changes. `NoSnapshot` if it does not exist.
    pub async fn open_snapshot(
        store: Arc<dyn Store>,
        names: DiskNames,
        snapshot: SnapshotId,
        options: DiskOptions,
        env: Arc<dyn Env>,
    ) -> DiskResult<Arc<Disk>> {
        let shared = Disk::share(store, names, options, env).await?;
        let head = SnapshotView::open(&shared, snapshot).await?;
        Ok(Disk::new(shared, Mode::Snapshot(head)))
    }

    async fn share(
        store: Arc<dyn Store>,
        names: DiskNames,
        options: DiskOptions,
        env: Arc<dyn Env>,
    ) -> DiskResult<Arc<Shared>> {
        let format = Header::read(&store, &names).await?.format;
        let names = names.with_format(&format);
        let fixed = store.fixed();
        let cache = Arc::new(ReadCache::new(options.read_cache_bytes));
        let fetches = Arc::default();
        Ok(Arc::new(Shared { store, names, options, env, format, fixed, cache, fetches }))
    }

    fn new(shared: Arc<Shared>, mode: Mode) -> Arc<Disk> {
        Arc::new(Disk { shared, mode: Mutex::new(mode), turn: tokio::sync::Mutex::new(()) })
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode.lock().clone()
    }

    pub(super) fn writer(&self) -> DiskResult<Arc<Writer>> {
        match &*self.mode.lock() {
            Mode::Writer(writer) => Ok(writer.clone()),
            Mode::Reader(_) | Mode::Snapshot(_) => Err(DiskError::ReadOnly),
            Mode::Closed => Err(DiskError::Closed),
        }
    }

    /// Becomes the image's writer, whoever was it before (see docs/disk.md, "Opening"). Nothing to do if this
    /// opener is the writer already.
    pub async fn acquire(&self) -> DiskResult<()> {
        self.acquire_with(LocalChanges::Replay).await
    }

    /// As `acquire`; says what becomes of changes that only a local log has. `LocalLog` if they are to be replayed and the
    /// log is not to be had here.
    pub async fn acquire_with(&self, local: LocalChanges) -> DiskResult<()> {
        let _turn = self.turn.lock().await;
        match self.mode() {
            Mode::Writer(writer) => writer.failure().map_or(Ok(()), Err),
            Mode::Reader(reader) => {
                let writer = takeover::take_over(&self.shared, &reader, local).await?;
                *self.mode.lock() = Mode::Writer(writer);
                Ok(())
            }
            Mode::Snapshot(_) => Err(DiskError::ReadOnly),
            Mode::Closed => Err(DiskError::Closed),
        }
    }

    /// Flushes, takes a checkpoint, and becomes a reader again. Nothing to do for a reader.
    pub async fn release(&self) -> DiskResult<()> {
        let _turn = self.turn.lock().await;
        let Mode::Writer(writer) = self.mode() else { return Ok(()) };
        writer.set_draining(true);
        let flushed = writer.drain().await;
        if flushed.is_err() && writer.failure().is_none() {
            // No room: what is dirty stays here, and so does the image.
            writer.set_draining(false);
            return flushed;
        }
        if flushed.is_ok()
            && let Err(error) = writer.checkpoint().await
        {
            tracing::warn!("no checkpoint at release, the next opener replays more: {error}");
        }
        writer.close_local(false).await;
        // What is fenced or failed is lost to this opener in any case.
        let reader = Reader::open(&self.shared).await?;
        *self.mode.lock() = Mode::Reader(reader);
        flushed
    }

    /// Flushes, takes a checkpoint and ends the disk's tasks. The error of the flush, if it failed; the disk is
    /// closed all the same. Dropping a disk without closing it loses what was not flushed, as a crash does.
    pub async fn close(&self) -> DiskResult<()> {
        let _turn = self.turn.lock().await;
        let mut flushed = Ok(());
        if let Mode::Writer(writer) = self.mode() {
            writer.set_draining(true);
            flushed = writer.drain().await;
            if flushed.is_ok()
                && let Err(error) = writer.checkpoint().await
            {
                tracing::warn!("no checkpoint at close, the next opener replays more: {error}");
            }
            writer.close_local(flushed.is_ok()).await;
        }
        *self.mode.lock() = Mode::Closed;
        flushed
    }

    /// The mark of a log that has changes which the store does not have.
    pub async fn local_mark(&self) -> DiskResult<Option<LocalMark>> {
        Disk::local_mark_of(&self.shared.store, &self.shared.names).await
    }

    /// [`Disk::local_mark`] of an image that need not be open.
    pub async fn local_mark_of(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<Option<LocalMark>> {
        Header::read(store, names).await?.local_mark
    }

    /// Whether a log of this mark can be replayed here. `LocalLog` if not.
    pub async fn find_local(&self, mark: LocalMark) -> DiskResult<()> {
        let left = ssd::find(&self.shared, mark).await?;
        left.file.close().await;
        Ok(())
    }

    /// Loads the inner pages of the map beside what follows: for an opener that will have many requests. A take-over does
    /// so in any case.
    pub fn warm(&self) {
        if let Mode::Reader(reader) = self.mode() {
            takeover::start_warming(&self.shared, &reader.head());
        }
    }

    pub fn is_writer(&self) -> bool {
        matches!(&*self.mode.lock(), Mode::Writer(_))
    }

    /// Whether each read asks the store first whether the log has grown: a reader's does, where a store has no marks.
    pub fn looks_before_reads(&self) -> bool {
        self.shared.fixed.is_none() && matches!(&*self.mode.lock(), Mode::Reader(_))
    }

    /// The image's size as this opener knows it; a reader learns of a resize by `refresh` or a read.
    pub fn size_bytes(&self) -> u64 {
        match self.mode() {
            Mode::Reader(reader) => reader.head().size_bytes(),
            Mode::Writer(writer) => writer.size_bytes(),
            Mode::Snapshot(view) => view.size_bytes,
            Mode::Closed => 0,
        }
    }

    /// The epoch under which this opener writes, or the newest it has seen.
    pub fn epoch(&self) -> WriterEpoch {
        match self.mode() {
            Mode::Reader(reader) => reader.epoch(),
            Mode::Writer(writer) => writer.epoch,
            Mode::Snapshot(_) | Mode::Closed => WriterEpoch(0),
        }
    }

    /// A reader catches up with the log's tail; nothing to do for a writer and a snapshot.
    pub async fn refresh(&self) -> DiskResult<()> {
        match self.mode() {
            Mode::Reader(reader) => reader.refresh().await,
            Mode::Writer(_) | Mode::Snapshot(_) => Ok(()),
            Mode::Closed => Err(DiskError::Closed),
        }
    }

    /// Writes the pieces of `data`, one after the other, at `offset`. Completes when the cache's rules allow:
    /// at once, when there is room, or (write-through) when the data is durable.
    pub async fn write(&self, offset: u64, data: &[&[u8]]) -> DiskResult<()> {
        write::write(&self.writer()?, offset, data).await
    }

    /// A write that needs no waiting at all is done here and now; `None`: nothing was done, call `write`.
    pub fn try_write(&self, offset: u64, data: &[&[u8]]) -> Option<DiskResult<()>> {
        let (first, blocks) = whole_blocks(offset, data)?;
        self.writer().ok()?.try_put(first, blocks, data)
    }

    /// A write that has only to become durable before it is acknowledged (write-through, into the store) is accepted here and now, and
    /// waited for by [`Accepted::then`]; `None`: nothing was done, call `write`.
    pub fn try_write_through(&self, offset: u64, data: &[&[u8]]) -> Option<DiskResult<Accepted>> {
        let (first, blocks) = whole_blocks(offset, data)?;
        let writer = self.writer().ok()?;
        let accepted = writer.try_put_through(first, blocks, data)?;
        Some(accepted.map(|lsn| Accepted { writer, lsn }))
    }

    /// The store's short way to what never changes, with its helper threads.
    pub fn fixed(&self) -> Option<&Arc<dyn FixedReads>> {
        self.shared.fixed.as_ref()
    }

    /// The range reads as zeroes from now on, and its blocks are given back. Parts of blocks are zeroed.
    pub async fn discard(&self, offset: u64, length: u64) -> DiskResult<()> {
        write::punch(&self.writer()?, offset, length).await
    }

    /// As `discard`: the log has no difference between the two.
    pub async fn write_zeroes(&self, offset: u64, length: u64) -> DiskResult<()> {
        write::punch(&self.writer()?, offset, length).await
    }

    /// Fills the range with copies of `pattern`, whose length divides `length`.
    pub async fn write_same(&self, offset: u64, length: u64, pattern: &[u8]) -> DiskResult<()> {
        write::write_same(&self.writer()?, offset, length, pattern).await
    }

    /// Writes `data` if the image holds `compare` there now; both have the same length. Atomic against all other
    /// requests of this opener.
    pub async fn compare_and_write(&self, offset: u64, compare: &[u8], data: &[u8]) -> DiskResult<Compared> {
        write::compare_and_write(&self.writer()?, offset, compare, data).await
    }

    /// Completes when all that was acknowledged before the call is durable in the store.
    pub async fn flush(&self) -> DiskResult<()> {
        match self.mode() {
            Mode::Writer(writer) => writer.flush().await,
            Mode::Reader(_) | Mode::Snapshot(_) => Ok(()),
            Mode::Closed => Err(DiskError::Closed),
        }
    }

    /// [`Disk::flush`] whose outcome `done` is told, on whichever thread, also before this returns: it must neither block nor call
    /// the disk. For openers that do not write there is nothing to do.
    pub fn flush_then(&self, done: Box<dyn FnOnce(DiskResult<()>) + Send>) {
        match self.mode() {
            Mode::Writer(writer) => writer.flush_then(done),
            Mode::Reader(_) | Mode::Snapshot(_) => done(Ok(())),
            Mode::Closed => done(Err(DiskError::Closed)),
        }
    }

    /// Changes the size; durable when it completes. What is cut off is gone: growth reads as zeroes.
    pub async fn resize(&self, size_bytes: u64) -> DiskResult<()> {
        write::resize(&self.writer()?, size_bytes).await
    }

    /// Flushes and drops cached clean data.
    pub async fn invalidate_cache(&self) -> DiskResult<()> {
        let flushed = self.flush().await;
        self.shared.cache.clear();
        flushed
    }

    /// Takes a snapshot of all that was acknowledged before the call. Names are the caller's business.
    pub async fn snap_create(&self, name: &str) -> DiskResult<SnapInfo> {
        snaps::create(&self.writer()?, name).await
    }

    /// The image's snapshots as the header has them now, ascending by id.
    pub async fn snap_list(&self) -> DiskResult<Vec<SnapInfo>> {
        let snapshots = Header::snapshots(&self.shared.store, &self.shared.names, None).await?;
        Ok(snapshots.into_iter().map(|snapshot| snapshot.info).collect())
    }

    /// One of them, by one small read. `NoSnapshot` if there is none.
    pub async fn snap(&self, id: SnapshotId) -> DiskResult<SnapInfo> {
        Ok(Header::snapshot(&self.shared.store, &self.shared.names, id).await?.info)
    }

    pub async fn snap_remove(&self, id: SnapshotId) -> DiskResult<()> {
        snaps::remove(&self.writer()?, id).await
    }

    pub async fn snap_rename(&self, id: SnapshotId, name: &str) -> DiskResult<()> {
        snaps::change(&self.writer()?, id, |info| info.name = name.to_owned()).await
    }

    pub async fn snap_protect(&self, id: SnapshotId, protect: bool) -> DiskResult<()> {
        snaps::change(&self.writer()?, id, |info| info.protected = protect).await
    }

    /// Makes the image's content and size those of the snapshot. `progress(done, total)`.
    pub async fn rollback(
        &self,
        id: SnapshotId,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> DiskResult<()> {
        snaps::rollback(&self.writer()?, id, progress).await
    }

    /// What changed from `from` (`None`: from the empty image) to `to` (`None`: now) in a range of `to`'s bytes;
    /// ascending runs, adjacent ones joined.
    pub async fn diff(
        &self,
        from: Option<SnapshotId>,
        to: Option<SnapshotId>,
        offset: u64,
        length: u64,
    ) -> DiskResult<Vec<DiffRun>> {
        match self.diff_maps(from, to, offset, length).await {
            Err(error) if error.is_not_found() => Err(self.why_gone([from, to], error).await),
            done => done,
        }
    }

    /// What it means that a page of a map was not found: a snapshot was removed meanwhile, or a newer writer has
    /// deleted what ours refers to; otherwise it is damage.
    async fn why_gone(&self, snapshots: [Option<SnapshotId>; 2], error: DiskError) -> DiskError {
        for id in snapshots.into_iter().flatten() {
            if let Err(error) = Header::snapshot(&self.shared.store, &self.shared.names, id).await {
                return error;
            }
        }
        match self.mode() {
            Mode::Writer(writer) => self.shared.unless_fenced(writer.epoch, error).await,
            Mode::Reader(_) | Mode::Snapshot(_) | Mode::Closed => error,
        }
    }

    async fn diff_maps(
        &self,
        from: Option<SnapshotId>,
        to: Option<SnapshotId>,
        offset: u64,
        length: u64,
    ) -> DiskResult<Vec<DiffRun>> {
        let older = match from {
            Some(id) => Some(SnapshotView::open(&self.shared, id).await?),
            None => None,
        };
        let older = older.as_ref().map(|view| &view.map);
        let newer = match to {
            Some(id) => Mode::Snapshot(SnapshotView::open(&self.shared, id).await?),
            None => self.mode(),
        };
        match newer {
            Mode::Snapshot(view) => {
                in_range(offset, length, view.size_bytes)?;
                diff_bytes(&self.shared, older, &view.map, offset, length).await
            }
            Mode::Writer(writer) => {
                in_range(offset, length, writer.size_bytes())?;
                // What was accepted must be in the map.
                writer.flush_to_map().await?;
                diff_bytes(&self.shared, older, &writer.head.state.map(), offset, length).await
            }
            Mode::Reader(reader) => {
                reader.refresh().await?;
                for _ in 0..READ_ATTEMPTS {
                    let head = reader.head();
                    in_range(offset, length, head.size_bytes())?;
                    match diff_bytes(&self.shared, older, &head.state.map(), offset, length).await {
                        Err(error) if error.is_not_found() => reader.reload().await?,
                        done => return done,
                    }
                }
                Err(self.gone(&[(offset / BLOCK_BYTES, (offset + length).div_ceil(BLOCK_BYTES))]))
            }
            Mode::Closed => Err(DiskError::Closed),
        }
    }

    pub fn stats(&self) -> DiskStats {
        match self.mode() {
            Mode::Reader(reader) => DiskStats {
                applied_lsn: reader.head().state.lsn().0,
                replayed_records: reader.replayed(),
                ..DiskStats::default()
            },
            Mode::Writer(writer) => writer.stats(),
            Mode::Snapshot(view) => DiskStats { applied_lsn: view.lsn.0, ..DiskStats::default() },
            Mode::Closed => DiskStats::default(),
        }
    }
}

/// The first block and the number of blocks that these bytes are; `None`, if some are parts of blocks.
fn whole_blocks(offset: u64, data: &[&[u8]]) -> Option<(u64, u64)> {
    let length = buffer::Pieces::total(data);
    let whole = length > 0 && offset.is_multiple_of(BLOCK_BYTES) && length.is_multiple_of(BLOCK_BYTES);
    whole.then_some((offset / BLOCK_BYTES, length / BLOCK_BYTES))
}

pub(super) fn in_range(offset: u64, length: u64, size: u64) -> DiskResult<()> {
    match offset.checked_add(length) {
        Some(end) if end <= size => Ok(()),
        Some(_) | None => Err(DiskError::OutOfRange { offset, length, size }),
    }
}
