//! Runs garbage collection and defragmentation beside the writer, and appends their records.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::{State, Writer};
use crate::disk::buffer::{Record, RecordSpec};
use crate::disk::gc::{Defrag, Gc, GcBatch, GcLog, Needed, Step};
use crate::disk::header::Header;
use crate::disk::read::Wanted;
use crate::disk::{BLOCK_BYTES, DiskResult, Lsn, Pressure, SegmentSeq};
use crate::env::Env;

/// Dead segments that wait for a checkpoint before they can be deleted: as a share of the log, and at least as
/// many as this.
const DEAD_SHARE: u64 = 32;
const DEAD_SEGMENTS: u64 = 8;
/// A checkpoint is taken for the collector when it finds nothing and this share of the log is in none.
const YOUNG_SHARE: u64 = 16;
/// The collector looks at the log each time that a segment has grown by this share.
const LOOKS_PER_SEGMENT: u64 = 8;
/// In a round the user waits for the next record when he has written this part of what the last one won: a round is
/// short, in log bytes, however fast the user is.
const ROUND_LIMIT: u64 = 3;
/// Between two records of a round at most so many times as long passes as the first one took, if the user writes
/// little.
const IDLE_SHARE: u32 = 3;
/// When what is to be put together is looked at again although something was more urgent.
const DEFRAG_RETRY: Duration = Duration::from_secs(5);

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

impl State {
    /// Bytes that the log has grown by because of the user.
    fn user_bytes(&self) -> u64 {
        self.stats.log_bytes - self.stats.gc_bytes
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
            let defrag = Defrag::new(shared.clone(), state.clone());
            let mut gc = Gc::new(shared, state);
            let mut defrag_due = None;
            loop {
                wait_for_work(&notify, &*env, defrag_due.take()).await;
                loop {
                    let Some(writer) = weak.upgrade() else { return };
                    if writer.failure().is_some() {
                        return;
                    }
                    if unpinned.swap(false, Ordering::Relaxed) {
                        gc.look_again();
                    }
                    let begin = env.now();
                    if let Some(most) = gc.begins_round() {
                        writer.gc_let_user(0, most / ROUND_LIMIT);
                    }
                    let step = writer.gc_step(&mut gc).await;
                    // Where nothing can be cleaned, waiting would not help.
                    writer.state.lock().gc_helpless =
                        step == Step::Idle && writer.gc_bound.is_passed(&writer.head.state);
                    match step {
                        Step::Idle => {
                            {
                                let mut state = writer.state.lock();
                                state.gc_round_limit = u64::MAX;
                                writer.gc_judge(&mut state);
                            }
                            match writer.defrag_step(&defrag).await {
                                Defragged::Wait(due) => {
                                    defrag_due = due;
                                    break;
                                }
                                Defragged::Copied { until, most } => {
                                    drop(writer);
                                    wait_for_user(&weak, &notify, &*env, until, most).await;
                                }
                            }
                        }
                        Step::Done => writer.gc_judge(&mut writer.state.lock()),
                        Step::Copied { won } => {
                            let until = writer.gc_let_user(gc.headway(won), won / ROUND_LIMIT);
                            drop(writer);
                            let most = (env.now().saturating_sub(begin)) * IDLE_SHARE;
                            wait_for_user(&weak, &notify, &*env, until, most).await;
                        }
                    }
                }
            }
        }));
    }

    /// One step, and after a round the checkpoint that makes the victims deletable.
    async fn gc_step(self: &Arc<Self>, gc: &mut Gc) -> Step {
        {
            // Without room in the store copies would only be in the way of what is to be written.
            let state = self.state.lock();
            if state.draining || state.no_space.is_some() {
                return Step::Idle;
            }
        }
        let step = gc.step(self, self.log_bytes()).await.unwrap_or_else(|error| {
            tracing::warn!("GC: {error}");
            Step::Idle
        });
        let segment_bytes = u64::from(self.shared.format.segment_bytes);
        let total = self.head.state.totals().bytes;
        // What replay needs is not cleaned: a small image may be in the log that is in no checkpoint many times over.
        let in_replay = self.state.lock().stats.replay_bytes;
        let young = step == Step::Idle
            && gc.has_surplus()
            && in_replay > (total / YOUNG_SHARE).max(DEAD_SEGMENTS * segment_bytes);
        if (self.much_is_dead() || young || (step == Step::Done && self.head.state.deletable_bytes() > 0))
            && self.state.lock().checkpoint.published < self.head.state.lsn()
            && let Err(error) = self.checkpoint_of_applied().await
        {
            tracing::warn!("no checkpoint for GC: {error}");
            return Step::Idle;
        }
        if young {
            gc.look_again();
            return Step::Done;
        }
        step
    }

    /// Puts together what was read in many pieces, if there is enough of it and the collector has nothing to do: a
    /// record's worth.
    async fn defrag_step(self: &Arc<Self>, defrag: &Defrag) -> Defragged {
        let env = &self.shared.env;
        let begin = env.now();
        match self.fragments.due(begin) {
            None => return Defragged::Wait(None),
            Some(left) if left > Duration::ZERO => return Defragged::Wait(Some(left)),
            Some(_) => {}
        }
        if !self.defrag_may_go_on() {
            return Defragged::Wait(Some(DEFRAG_RETRY));
        }
        let copied = match defrag.has_room().await {
            Ok(false) => return Defragged::Wait(Some(DEFRAG_RETRY)),
            Ok(true) => defrag.step(self, &self.fragments, &|| self.defrag_may_go_on()).await,
            Err(error) => Err(error),
        };
        match copied {
            Ok(blocks) => {
                let bytes = blocks * BLOCK_BYTES;
                let mut state = self.state.lock();
                state.stats.defragmented_bytes += bytes;
                // Of what is written it is no more than the user's part, or it takes a share of the time.
                let most = env.now().saturating_sub(begin) * IDLE_SHARE;
                Defragged::Copied { until: state.user_bytes() + bytes, most }
            }
            Err(error) => {
                tracing::warn!("defragmentation: {error}");
                Defragged::Wait(Some(DEFRAG_RETRY))
            }
        }
    }

    /// Whether nothing is more urgent than putting ranges together. Its copies take room, if only until the collector has
    /// cleaned their sources.
    fn defrag_may_go_on(&self) -> bool {
        let state = self.state.lock();
        !(state.draining || state.failed.is_some() || state.no_space.is_some() || state.gc_behind)
            && self.head.state.pressure() == Pressure::None
    }

    /// Begins to watch what a request reads, if that tells how the image is read in order.
    pub fn watch(&self, wanted: &Wanted<'_>) -> Option<Needed> {
        self.fragments.watch(wanted.first_block(), wanted.end_block(), wanted.sink.fills_cache())
    }

    #[cfg(test)]
    pub fn fragments(&self) -> &crate::disk::gc::Fragments {
        &self.fragments
    }

    /// As if a range had been read often enough.
    #[cfg(test)]
    pub fn put_together(&self, range: u64) {
        self.fragments.put_back(range);
        self.gc.notify.notify_one();
    }

    /// A request that was watched was served.
    pub fn note(&self, needed: Option<Needed>) {
        if needed.is_some_and(|needed| self.fragments.note(&needed, self.shared.env.now())) {
            self.gc.notify.notify_one();
        }
    }

    /// Whether writes wait for the collector.
    fn gc_judge(&self, state: &mut State) {
        let behind = !state.gc_helpless
            && (state.user_bytes() > state.gc_round_limit || self.gc_bound.is_passed(&self.head.state));
        self.set_gc_behind(state, behind);
    }

    /// Whether dead segments are worth a checkpoint, after which they are deleted.
    fn much_is_dead(&self) -> bool {
        let segment_bytes = u64::from(self.shared.format.segment_bytes);
        let total = self.head.state.totals().bytes;
        self.head.state.deletable_bytes() > (total / DEAD_SHARE).max(DEAD_SEGMENTS * segment_bytes)
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
            if behind {
                self.gc.notify.notify_one();
            } else {
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

    /// Lets the user write `most` bytes before the next record of the round is copied; the collector itself goes on
    /// when the log has grown to what is returned.
    fn gc_let_user(&self, headway: u64, most: u64) -> u64 {
        let mut state = self.state.lock();
        let now = state.user_bytes();
        // What he wrote beyond the last limit, before he was stopped, counts for this one.
        state.gc_round_limit = now.min(state.gc_round_limit) + most.max(headway);
        self.gc_judge(&mut state);
        now + headway
    }

    /// Called when a record was applied.
    pub(super) fn gc_look(&self, state: &mut State, bytes: u64) {
        if !state.gc_behind {
            self.gc_judge(state);
        }
        state.gc_bytes += bytes;
        if state.gc_bytes * LOOKS_PER_SEGMENT >= u64::from(self.shared.format.segment_bytes) {
            state.gc_bytes = 0;
            self.gc.notify.notify_one();
        }
    }

    /// Whether the collector goes on at once: the user has written so much, or cannot before it has.
    fn gc_may_go_on(&self, until: u64) -> bool {
        let state = self.state.lock();
        state.gc_behind || state.failed.is_some() || state.user_bytes() >= until
    }

    /// Called when a snapshot was removed.
    pub fn gc_unpinned(&self) {
        self.gc.unpinned.store(true, Ordering::Relaxed);
        self.gc.notify.notify_one();
    }
}

/// What came of putting ranges together.
enum Defragged {
    /// There is nothing to do before so much time has passed, or something new is there.
    Wait(Option<Duration>),
    /// The next ones follow when the user's part of the log has grown to so many bytes, or so much time has passed.
    Copied { until: u64, most: Duration },
}

/// Until the collector is woken, or `most` has passed.
async fn wait_for_work(notify: &Notify, env: &dyn Env, most: Option<Duration>) {
    let Some(most) = most else { return notify.notified().await };
    tokio::select! {
        biased;
        () = notify.notified() => {}
        () = env.sleep(most) => {}
    }
}

/// Until the user's part of the log has grown to `until` bytes, or `most` has passed, or the writer is gone.
async fn wait_for_user(weak: &Weak<Writer>, notify: &Notify, env: &dyn Env, until: u64, most: Duration) {
    let end = env.now() + most;
    while weak.upgrade().is_some_and(|writer| !writer.gc_may_go_on(until)) {
        let left = end.saturating_sub(env.now());
        if left.is_zero() {
            return;
        }
        tokio::select! {
            biased;
            () = notify.notified() => {}
            () = env.sleep(left) => {}
        }
    }
}

impl GcLog for Arc<Writer> {
    fn newest_segment(&self) -> SegmentSeq {
        self.state.lock().segment
    }

    async fn append_gc(&self, batch: GcBatch) -> DiskResult<()> {
        let (lsn, appends) = {
            let mut state = self.state.lock();
            state.usable()?;
            self.close_batch(&mut state);
            if state.offset > 0 {
                state.segment = SegmentSeq(state.segment.0 + 1);
                state.offset = 0;
            }
            let (place, capacity) = state.next_place(self.shared.format.segment_bytes);
            let lsn = state.next_lsn;
            let spec = RecordSpec { payload: self.shared.format.payloads, ..self.spec(&state) };
            let record = Record::gc(&spec, &self.pool, lsn, place, batch.extents, &batch.slots);
            assert!(record.end() <= place.offset + capacity, "a Gc record fits a segment");
            state.enqueue(record);
            // What is written next begins a segment of its own again.
            if state.offset > 0 {
                state.segment = SegmentSeq(state.segment.0 + 1);
                state.offset = 0;
            }
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
        self.wait_applied(lsn).await
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
