//! Runs garbage collection beside the writer, and appends its records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::{State, Writer};
use crate::disk::buffer::Record;
use crate::disk::gc::{Gc, GcBatch, GcLog, Step};
use crate::disk::header::Header;
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{DiskResult, Lsn, SegmentSeq};

/// Dead segments that wait for a checkpoint before they can be deleted: as a share of the log, and at least as
/// many as this.
const DEAD_SHARE: u64 = 32;
const DEAD_SEGMENTS: u64 = 8;
/// The collector looks at the log each time that a segment has grown by this share.
const LOOKS_PER_SEGMENT: u64 = 8;

/// Wakes the collector; when the writer goes, for the last time.
#[derive(Default)]
pub(super) struct GcSignal {
    notify: Arc<Notify>,
    /// A snapshot was removed: what was pinned may be free now.
    unpinned: Arc<AtomicBool>,
    /// Wakes writes that wait for the collector.
    caught_up: Notify,
}

impl Drop for GcSignal {
    fn drop(&mut self) {
        self.notify.notify_one();
    }
}

impl Writer {
    /// Starts the collector, which ends when the writer is dropped or has failed.
    pub(in crate::disk) fn start_gc(self: &Arc<Self>) {
        if !self.shared.options.gc {
            return;
        }
        let weak = Arc::downgrade(self);
        let (notify, unpinned) = (self.gc.notify.clone(), self.gc.unpinned.clone());
        let (shared, state) = (self.shared.clone(), self.head.state.clone());
        notify.notify_one();
        self.shared.env.spawn(Box::pin(async move {
            let env = shared.env.clone();
            let mut gc = Gc::new(shared, state);
            loop {
                notify.notified().await;
                loop {
                    let Some(writer) = weak.upgrade() else { return };
                    if writer.failure().is_some() {
                        return;
                    }
                    if unpinned.swap(false, Ordering::Relaxed) {
                        gc.look_again();
                    }
                    let (begin, before) = (env.now(), writer.log_bytes());
                    if gc.is_far_behind() {
                        writer.set_gc_behind(&mut writer.state.lock(), true);
                    }
                    let copied = writer.gc_step(&mut gc, before).await;
                    // Where nothing can be cleaned, waiting would not help.
                    if copied.is_none() || !gc.is_far_behind() {
                        writer.set_gc_behind(&mut writer.state.lock(), false);
                    }
                    let Some(copied) = copied else { break };
                    let busy = writer.log_bytes() - before > copied + copied / 8;
                    drop(writer);
                    if busy {
                        env.sleep(gc.pause(env.now().saturating_sub(begin))).await;
                    }
                }
            }
        }));
    }

    /// One step; the bytes copied. `None`: nothing more to do before the log has grown.
    async fn gc_step(self: &Arc<Self>, gc: &mut Gc, log_bytes: u64) -> Option<u64> {
        {
            // Without room in the store copies would only be in the way of what is to be written.
            let state = self.state.lock();
            if state.draining || state.no_space.is_some() {
                return None;
            }
        }
        let step = gc.step(self, log_bytes).await;
        if self.much_is_dead()
            && self.state.lock().checkpoint.published < self.head.state.lsn()
            && let Err(error) = self.checkpoint().await
        {
            tracing::warn!("no checkpoint after GC: {error}");
            return None;
        }
        match step {
            Ok(Step::Copied { bytes }) => Some(bytes),
            Ok(Step::Idle) => None,
            Err(error) => {
                tracing::warn!("GC: {error}");
                None
            }
        }
    }

    /// Whether dead segments are worth a checkpoint, after which they are deleted.
    fn much_is_dead(&self) -> bool {
        let segment_bytes = u64::from(self.shared.format.segment_bytes);
        let total = self.head.state.totals().bytes;
        self.head.state.dead_bytes() > (total / DEAD_SHARE).max(DEAD_SEGMENTS * segment_bytes)
    }

    /// Called when a record with holes was applied: a large discard is a small record, and gives room back all the same.
    pub(super) fn gc_look_at_holes(&self) {
        if self.much_is_dead() {
            self.gc.notify.notify_one();
        }
    }

    pub(super) fn set_gc_behind(&self, state: &mut State, behind: bool) {
        if state.gc_behind != behind && !(behind && state.failed.is_some()) {
            state.gc_behind = behind;
            if !behind {
                self.gc.caught_up.notify_waiters();
            }
        }
    }

    /// Waits while the collector is so far behind that the log would grow beyond its bound.
    pub(super) async fn wait_for_gc(&self) {
        loop {
            let caught_up = self.gc.caught_up.notified();
            tokio::pin!(caught_up);
            caught_up.as_mut().enable();
            if !self.state.lock().gc_behind {
                return;
            }
            caught_up.await;
        }
    }

    fn log_bytes(&self) -> u64 {
        self.state.lock().stats.log_bytes
    }

    /// Called when a record was applied.
    pub(super) fn gc_look(&self, state: &mut State, bytes: u64) {
        state.gc_bytes += bytes;
        if state.gc_bytes * LOOKS_PER_SEGMENT >= u64::from(self.shared.format.segment_bytes) {
            state.gc_bytes = 0;
            self.gc.notify.notify_one();
        }
    }

    /// Called when a snapshot was removed.
    pub fn gc_unpinned(&self) {
        self.gc.unpinned.store(true, Ordering::Relaxed);
        self.gc.notify.notify_one();
    }
}

impl GcLog for Arc<Writer> {
    async fn append_gc(&self, batch: GcBatch, begun: u64) -> DiskResult<bool> {
        let (lsn, appends) = {
            let mut state = self.state.lock();
            state.usable()?;
            if state.snapshots_begun != begun && !broken(Sabotage::GcIgnoresSnapshot) {
                return Ok(false);
            }
            self.close_batch(&mut state);
            if state.offset > 0 {
                state.segment = SegmentSeq(state.segment.0 + 1);
                state.offset = 0;
            }
            let (place, capacity) = state.next_place(self.shared.format.segment_bytes);
            let lsn = state.next_lsn;
            let record = Record::gc(&self.spec(&state), &self.pool, lsn, place, batch.extents, &batch.slots);
            assert!(record.end() <= place.offset + capacity, "a Gc record fits a segment");
            state.enqueue(record);
            // What is written next begins a segment of its own again.
            state.segment = SegmentSeq(state.segment.0 + 1);
            state.offset = 0;
            (lsn, self.pump(&mut state))
        };
        self.start(appends);
        // Without room the record stays in the queue, and is applied when there is some.
        if let Err(error) = self.wait_durable(lsn).await {
            if !error.is_no_space() {
                return Err(error);
            }
            tracing::warn!("GC waits: {error}");
        }
        self.wait_applied(lsn).await?;
        Ok(true)
    }

    fn snapshots_begun(&self) -> u64 {
        self.state.lock().snapshots_begun
    }

    async fn snapshots(&self) -> DiskResult<Vec<Lsn>> {
        let (store, names) = (&self.shared.store, &self.shared.names);
        // First: one that ends in between is in the header.
        let mut lsns = self.state.lock().snapshots_under_way.clone();
        let snapshots = Header::snapshots(store, names, Some(self.epoch)).await?;
        lsns.extend(snapshots.into_iter().map(|snapshot| snapshot.info.lsn));
        Ok(lsns)
    }
}
