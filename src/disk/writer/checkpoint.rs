//! When checkpoints are taken, and what follows one: waiters are told, and objects that nothing reaches are deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Stage, State, Writer};
use crate::disk::header::{Header, SNAP_SEQ_KEY, Snapshot};
use crate::disk::payload::remove_ended;
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{
    DiskError, DiskResult, Frozen, Lsn, Pressure, Replay, RootBlob, SnapInfo, SnapshotPin, SnapshotRoot,
};

/// Nothing more is applied before a checkpoint has ended when this many times the option's log is not in one; the
/// second is for when the last one failed. So writers wait for room, and replay stays bounded.
const MOST_LOG: u64 = 2;
const MOST_LOG_AFTER_FAILURE: u64 = 4;
/// When a failed checkpoint is tried again although nothing moves on.
const RETRY: Duration = Duration::from_secs(1);

/// A snapshot that is to be made exactly at this LSN, and who waits for it.
pub(super) type WantedSnapshot = (Lsn, SnapInfo, oneshot::Sender<DiskResult<SnapInfo>>);

/// What the state keeps about checkpoints.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// One is frozen or being written.
    pub running: bool,
    /// The newest published one.
    pub published: Lsn,
    /// Someone waits for one that covers this LSN.
    wanted: Lsn,
    /// The last one failed when this LSN was applied; not tried again by itself before more was.
    failed_at: Option<Lsn>,
    waiters: BTreeMap<Lsn, Vec<oneshot::Sender<DiskResult<()>>>>,
    snapshot: Option<WantedSnapshot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// At this LSN, because of a snapshot.
    Exact,
    /// At this LSN or a later one.
    Soon,
}

impl Checkpoints {
    /// For a writer that has started from the checkpoint of `published`.
    pub fn after(published: Lsn) -> Checkpoints {
        Checkpoints { published, ..Checkpoints::default() }
    }

    pub fn fail(&mut self, error: &DiskError) {
        for waiter in std::mem::take(&mut self.waiters).into_values().flatten() {
            let _ = waiter.send(Err(error.clone()));
        }
        if let Some((_, _, waiter)) = self.snapshot.take() {
            let _ = waiter.send(Err(error.clone()));
        }
    }
}

impl State {
    pub(super) fn forget_snapshot(&mut self) {
        self.checkpoint.snapshot = None;
    }
}

impl Writer {
    pub(super) fn checkpoint_due(&self, state: &State) -> Option<Due> {
        let checkpoint = &state.checkpoint;
        if checkpoint.snapshot.as_ref().is_some_and(|(lsn, ..)| *lsn == state.applied) {
            return Some(Due::Exact);
        }
        if checkpoint.published >= state.applied {
            return None;
        }
        if checkpoint.wanted > checkpoint.published && state.applied >= checkpoint.wanted {
            return Some(Due::Soon);
        }
        // After a failure (no room, most likely) wait until the log has grown some more.
        let patience = if checkpoint.failed_at.is_some() { 2 } else { 1 };
        let long =
            state.stats.replay_bytes >= self.shared.options.checkpoint_log_bytes.saturating_mul(patience);
        let full = || self.pressure(state) >= Pressure::Checkpoint;
        let again = checkpoint.failed_at != Some(state.applied);
        (again && (long || full())).then_some(Due::Soon)
    }

    /// Whether no more records may be applied before a checkpoint has ended: the map has no room for more changes, or
    /// replay would become too long. A disk that is being closed brings home what it accepted all the same.
    pub(super) fn must_wait_for_checkpoint(&self, state: &State) -> bool {
        (state.checkpoint.running && self.pressure(state) >= Pressure::Stop) || self.log_is_long(state)
    }

    /// The map's, with what the next record will change.
    fn pressure(&self, state: &State) -> Pressure {
        let next = state.queue.front().filter(|queued| queued.stage == Stage::Durable);
        self.head.pressure_before(next.iter().flat_map(|queued| &queued.record.extents))
    }

    fn log_is_long(&self, state: &State) -> bool {
        let checkpoint = &state.checkpoint;
        let failing = checkpoint.failed_at.is_some();
        let times = if failing { MOST_LOG_AFTER_FAILURE } else { MOST_LOG };
        (checkpoint.running || failing)
            && !state.draining
            && state.stats.replay_bytes >= self.shared.options.checkpoint_log_bytes.saturating_mul(times)
    }

    /// Tries a failed checkpoint again later.
    fn retry_later(self: &Arc<Self>) {
        let (writer, env) = (Arc::downgrade(self), self.shared.env.clone());
        self.shared.env.spawn(Box::pin(async move {
            env.sleep(RETRY).await;
            let Some(writer) = writer.upgrade() else { return };
            let mut state = writer.state.lock();
            if state.checkpoint.failed_at.is_some() {
                state.checkpoint.failed_at = Some(Lsn(0));
                if writer.is_to_apply(&mut state) {
                    writer.start_applying();
                }
            }
        }));
    }

    /// Called by the applying task between two records; `running` is set.
    pub(super) fn freeze(self: &Arc<Self>, due: Due) {
        let (snapshot, replay, bytes) = {
            let mut state = self.state.lock();
            let snapshot = match due {
                Due::Exact => state.checkpoint.snapshot.take(),
                Due::Soon => None,
            };
            let (segment, offset) = match broken(Sabotage::CheckpointAheadOfLog) {
                true => (state.segment, state.offset),
                false => state.position,
            };
            (snapshot, Replay { segment, offset: offset as u32 }, state.stats.replay_bytes)
        };
        let frozen = match self.head.state.freeze(replay) {
            Ok(Some(frozen)) => Ok(frozen),
            Ok(None) => Err(DiskError::Invalid { detail: "two checkpoints at once".into() }),
            Err(error) => Err(error),
        };
        let writer = self.clone();
        self.shared.env.spawn(Box::pin(async move { writer.commit(frozen, snapshot, bytes).await }));
    }

    async fn commit(
        self: &Arc<Self>,
        frozen: DiskResult<Frozen>,
        snapshot: Option<WantedSnapshot>,
        bytes: u64,
    ) {
        let (snapshot, waiter) = match snapshot {
            Some((_, info, waiter)) => (Some(info), Some(waiter)),
            None => (None, None),
        };
        let mut taken = snapshot.clone();
        self.remove_orphans().await;
        let outcome = match frozen {
            Ok(frozen) => {
                let header = self.shared.names.header();
                let pairs = |root: &RootBlob| match &mut taken {
                    Some(info) => {
                        info.size_bytes = root.size_bytes;
                        let root = root.snapshot().encode().into();
                        let value = Snapshot { info: info.clone(), root }.encode();
                        let seq = info.id.0.to_string();
                        BTreeMap::from([(Snapshot::key(info.id), value), (SNAP_SEQ_KEY.into(), seq.into())])
                    }
                    None => BTreeMap::new(),
                };
                frozen.commit(&self.shared.store, &header, pairs).await.map(|(_, root)| root)
            }
            Err(error) => Err(error),
        };
        let published = outcome.is_ok();
        self.committed(outcome.as_ref(), bytes);
        if let (Some(waiter), Some(info)) = (waiter, taken) {
            // ACK (snapshot): it is in the header together with its root.
            let _ = waiter.send(outcome.map(|_| info));
        }
        if published {
            self.delete_task().await;
            // For the next checkpoint: pages of map objects that are mostly dead.
            if let Err(error) = self.head.state.clean_map().await {
                tracing::warn!("cleaning map objects: {error}");
            }
        }
    }

    /// Removes what interrupted checkpoints of older writers left behind. Before this writer's first checkpoint is
    /// published: the next writer looks for leftovers only of epochs after the published one.
    async fn remove_orphans(&self) {
        let mut begun_with = self.begun_with.lock().await;
        if begun_with.is_none() && self.ended_removed.load(Ordering::Relaxed) {
            return;
        }
        if let Some(root) = &*begun_with {
            match self.head.state.remove_orphans(root).await {
                Ok(()) => *begun_with = None,
                Err(error) => tracing::warn!("map objects of an interrupted checkpoint may be left: {error}"),
            }
        }
        match remove_ended(&self.shared, &self.ended).await {
            Ok(()) => self.ended_removed.store(true, Ordering::Relaxed),
            Err(error) => tracing::warn!("payloads of an older writer may be left: {error}"),
        }
    }

    fn committed(self: &Arc<Self>, outcome: Result<&RootBlob, &DiskError>, bytes: u64) {
        let mut state = self.state.lock();
        state.checkpoint.running = false;
        match outcome {
            Ok(root) => {
                let lsn = root.lsn;
                state.checkpoint.published = lsn;
                state.checkpoint.failed_at = None;
                state.stats.checkpoint_lsn = lsn.0;
                state.stats.checkpoints += 1;
                let written = root.objects.values().filter(|object| object.born == root.checkpoint);
                state.stats.map_bytes += written.map(|object| u64::from(object.bytes)).sum::<u64>();
                state.stats.replay_bytes -= bytes;
                let later = state.checkpoint.waiters.split_off(&Lsn(lsn.0 + 1));
                for waiter in std::mem::replace(&mut state.checkpoint.waiters, later).into_values().flatten()
                {
                    let _ = waiter.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::warn!("a checkpoint failed: {error}");
                state.checkpoint.failed_at = Some(state.applied);
                state.checkpoint.wanted = Lsn(0);
                for waiter in std::mem::take(&mut state.checkpoint.waiters).into_values().flatten() {
                    let _ = waiter.send(Err(error.clone()));
                }
                if matches!(error, DiskError::Fenced { .. }) {
                    self.fail(&mut state, error.clone());
                }
                if self.log_is_long(&state) {
                    self.retry_later();
                }
            }
        }
        // Records that the map had no room for.
        state.held_back = false;
        let appends = self.pump(&mut state);
        let apply = self.is_to_apply(&mut state);
        drop(state);
        self.start(appends);
        if apply {
            self.start_applying();
        }
    }

    /// Deletes what nothing reaches any more, beside the caller.
    pub fn start_deleting(self: &Arc<Self>) {
        let writer = self.clone();
        self.shared.env.spawn(Box::pin(async move { writer.delete_task().await }));
    }

    async fn delete_task(&self) {
        let _admin = self.admin.lock().await;
        if let Err(error) = self.delete_unreachable().await {
            tracing::warn!("deleting unreachable objects: {error}; tried again after the next checkpoint");
        }
    }

    /// Deletes segments and map objects that neither the published root nor a snapshot reaches. The caller holds
    /// `admin`, so no snapshot is made meanwhile. The list of snapshots is read under this writer's epoch: had a
    /// newer writer rolled back to a snapshot and removed it, that list would say too little.
    pub(in crate::disk) async fn delete_unreachable(&self) -> DiskResult<()> {
        let names = &self.shared.names;
        let mut pins = Vec::new();
        for snapshot in Header::snapshots(&self.shared.store, names, Some(self.epoch)).await? {
            let root = SnapshotRoot::decode(&snapshot.root, &names.header().oid)?;
            pins.push(SnapshotPin { lsn: root.lsn, checkpoint: root.checkpoint });
        }
        let deletable = self.head.state.deletable(&pins);
        self.head.state.delete(&*self.shared.store, names, &deletable).await
    }

    /// Publishes a checkpoint that has all that is accepted now.
    pub async fn checkpoint(self: &Arc<Self>) -> DiskResult<()> {
        let lsn = self.state.lock().newest();
        self.wait_durable(lsn).await?;
        self.wait_applied(lsn).await?;
        self.checkpoint_of(lsn).await
    }

    /// Publishes a checkpoint that has all that is applied now.
    pub(super) async fn checkpoint_of_applied(self: &Arc<Self>) -> DiskResult<()> {
        let lsn = self.state.lock().applied;
        self.checkpoint_of(lsn).await
    }

    async fn checkpoint_of(self: &Arc<Self>, lsn: Lsn) -> DiskResult<()> {
        let receiver = {
            let mut state = self.state.lock();
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.checkpoint.published >= lsn {
                return Ok(());
            }
            state.checkpoint.wanted = state.checkpoint.wanted.max(lsn);
            let (sender, receiver) = oneshot::channel();
            state.checkpoint.waiters.entry(lsn).or_default().push(sender);
            if self.is_to_apply(&mut state) {
                self.start_applying();
            }
            receiver
        };
        receiver.await.unwrap_or(Err(DiskError::Closed))
    }

    /// Has a snapshot made exactly after the SnapCreate record `lsn`, which the caller has just queued under the same
    /// lock.
    pub(super) fn want_snapshot(
        state: &mut State,
        lsn: Lsn,
        info: SnapInfo,
    ) -> oneshot::Receiver<DiskResult<SnapInfo>> {
        let (sender, receiver) = oneshot::channel();
        state.checkpoint.snapshot = Some((lsn, info, sender));
        receiver
    }
}
