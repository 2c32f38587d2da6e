//! The disk's public face: one `Disk` for each opener of an image.

use std::sync::Arc;

use super::*;
use crate::env::Env;
use crate::store::Store;

pub type DiskResult<T> = Result<T, DiskError>;

/// How `compare_and_write` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The bytes were equal, and the new ones were written.
    Written,
    /// The image's byte offset of the first difference; nothing was written.
    Mismatch { offset: u64 },
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
    _private: (),
}

#[allow(unused_variables)]
impl Disk {
    /// Makes the objects of a new, empty image. `Store` with EEXIST if the header is there already.
    pub async fn format(store: &Arc<dyn Store>, names: &DiskNames, params: &FormatParams) -> DiskResult<()> {
        todo!()
    }

    /// Deletes all objects of the image, the header last, so that an interrupted removal can be started again.
    /// `Store` with ENOENT if there is no header.
    pub async fn remove(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<()> {
        todo!()
    }

    /// Opens the image as a reader: it sees what other openers have flushed.
    pub async fn open(
        store: Arc<dyn Store>,
        names: DiskNames,
        options: DiskOptions,
        env: Arc<dyn Env>,
    ) -> DiskResult<Arc<Disk>> {
        todo!()
    }

    /// Opens a snapshot, which never changes. `NoSnapshot` if it does not exist.
    pub async fn open_snapshot(
        store: Arc<dyn Store>,
        names: DiskNames,
        snapshot: SnapshotId,
        options: DiskOptions,
        env: Arc<dyn Env>,
    ) -> DiskResult<Arc<Disk>> {
        todo!()
    }

    /// Becomes the image's writer, whoever was it before (see docs/disk.md, "Opening"). Nothing to do if this
    /// opener is the writer already.
    pub async fn acquire(&self) -> DiskResult<()> {
        todo!()
    }

    /// Flushes, takes a checkpoint, and becomes a reader again. Nothing to do for a reader.
    pub async fn release(&self) -> DiskResult<()> {
        todo!()
    }

    /// Flushes, takes a checkpoint and ends the disk's tasks. The error of the flush, if it failed; the disk is
    /// closed all the same. Dropping a disk without closing it loses what was not flushed, as a crash does.
    pub async fn close(&self) -> DiskResult<()> {
        todo!()
    }

    pub fn is_writer(&self) -> bool {
        todo!()
    }

    /// The image's size as this opener knows it; a reader learns of a resize by `refresh` or a read.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// The epoch under which this opener writes, or the newest it has seen.
    pub fn epoch(&self) -> WriterEpoch {
        todo!()
    }

    /// A reader catches up with the log's tail; nothing to do for a writer and a snapshot.
    pub async fn refresh(&self) -> DiskResult<()> {
        todo!()
    }

    /// Reads `length` bytes at `offset` into `sink`.
    pub async fn read(&self, offset: u64, length: u64, sink: &mut dyn ReadSink) -> DiskResult<()> {
        todo!()
    }

    /// Writes the pieces of `data`, one after the other, at `offset`. Completes when the cache's rules allow:
    /// at once, when there is room, or (write-through) when the data is durable.
    pub async fn write(&self, offset: u64, data: &[&[u8]]) -> DiskResult<()> {
        todo!()
    }

    /// A write that needs no waiting at all is done here and now; `None`: nothing was done, call `write`.
    pub fn try_write(&self, offset: u64, data: &[&[u8]]) -> Option<DiskResult<()>> {
        todo!()
    }

    /// A read that needs no waiting (a writer's, all of it in the buffer); `false`: call `read`. The sink may have
    /// been given parts already then.
    pub fn try_read(&self, offset: u64, length: u64, sink: &mut dyn ReadSink) -> DiskResult<bool> {
        todo!()
    }

    /// The range reads as zeroes from now on, and its blocks are given back. Parts of blocks are zeroed.
    pub async fn discard(&self, offset: u64, length: u64) -> DiskResult<()> {
        todo!()
    }

    /// As `discard`: the log has no difference between the two.
    pub async fn write_zeroes(&self, offset: u64, length: u64) -> DiskResult<()> {
        todo!()
    }

    /// Fills the range with copies of `pattern`, whose length divides `length`.
    pub async fn write_same(&self, offset: u64, length: u64, pattern: &[u8]) -> DiskResult<()> {
        todo!()
    }

    /// Writes `data` if the image holds `compare` there now; both have the same length. Atomic against all other
    /// requests of this opener.
    pub async fn compare_and_write(&self, offset: u64, compare: &[u8], data: &[u8]) -> DiskResult<Compared> {
        todo!()
    }

    /// Completes when all that was acknowledged before the call is durable in the store.
    pub async fn flush(&self) -> DiskResult<()> {
        todo!()
    }

    /// Changes the size; durable when it completes. What is cut off is gone: growth reads as zeroes.
    pub async fn resize(&self, size_bytes: u64) -> DiskResult<()> {
        todo!()
    }

    /// Flushes and drops cached clean data.
    pub async fn invalidate_cache(&self) -> DiskResult<()> {
        todo!()
    }

    /// Takes a snapshot of all that was acknowledged before the call. Names are the caller's business.
    pub async fn snap_create(&self, name: &str) -> DiskResult<SnapInfo> {
        todo!()
    }

    /// The image's snapshots as the header has them now, ascending by id.
    pub async fn snap_list(&self) -> DiskResult<Vec<SnapInfo>> {
        todo!()
    }

    pub async fn snap_remove(&self, id: SnapshotId) -> DiskResult<()> {
        todo!()
    }

    pub async fn snap_rename(&self, id: SnapshotId, name: &str) -> DiskResult<()> {
        todo!()
    }

    pub async fn snap_protect(&self, id: SnapshotId, protect: bool) -> DiskResult<()> {
        todo!()
    }

    /// Makes the image's content and size those of the snapshot. `progress(done, total)`.
    pub async fn rollback(
        &self,
        id: SnapshotId,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> DiskResult<()> {
        todo!()
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
        todo!()
    }

    pub fn stats(&self) -> DiskStats {
        todo!()
    }
}
