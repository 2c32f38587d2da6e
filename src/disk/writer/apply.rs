//! Applies durable records to the map, strictly in LSN order, and freezes it for checkpoints between two records. One
//! task at a time does this.

use std::sync::Arc;

use super::checkpoint::Due;
use super::{Stage, State, Writer};
use crate::disk::buffer::Record;
use crate::disk::log::RecordKind;
use crate::disk::{DiskResult, Lsn};

/// Pages looked at before there is another look at the queue.
const REAP_PAGES: usize = 8;

enum Work {
    Apply(Arc<Record>),
    Freeze(Due),
    /// Nothing else is to be done: count what discards have cut off.
    Reap,
}

impl Writer {
    /// Whether there is work and nobody at it: then the caller calls [`Writer::start_applying`], now or when it has let go of the lock.
    #[must_use]
    pub(super) fn is_to_apply(&self, state: &mut State) -> bool {
        let begin = !state.applying && self.next_work(state).is_some();
        state.applying |= begin;
        begin
    }

    pub(super) fn start_applying(self: &Arc<Self>) {
        let writer = self.clone();
        self.shared.env.spawn(Box::pin(async move { writer.apply_all().await }));
    }

    async fn apply_all(self: &Arc<Self>) {
        loop {
            let work = {
                let mut state = self.state.lock();
                match self.next_work(&state) {
                    Some(Work::Freeze(due)) => {
                        state.checkpoint.running = true;
                        Work::Freeze(due)
                    }
                    Some(work) => work,
                    None => {
                        state.applying = false;
                        return;
                    }
                }
            };
            let record = match work {
                Work::Apply(record) => record,
                Work::Freeze(due) => {
                    self.freeze(due);
                    continue;
                }
                Work::Reap => {
                    match self.head.state.reap(REAP_PAGES).await {
                        Ok(true) => {}
                        Ok(false) => self.start_deleting(),
                        Err(error) => {
                            let mut state = self.state.lock();
                            state.applying = false;
                            self.fail(&mut state, error);
                            return;
                        }
                    }
                    continue;
                }
            };
            let outcome = match self.apply(&record).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.shared.unless_fenced(self.epoch, error).await),
            };
            let mut state = self.state.lock();
            if let Err(error) = outcome {
                // The record stays in the buffer, where reads find it.
                state.applying = false;
                self.fail(&mut state, error);
                return;
            }
            self.applied(&mut state, &record);
            let appends = self.pump(&mut state);
            drop(state);
            self.start(appends);
        }
    }

    async fn apply(&self, record: &Record) -> DiskResult<()> {
        self.head.state.reach_local(record.local);
        self.head.apply(record.at(self.epoch), record.kind, &record.extents).await
    }

    fn applied(&self, state: &mut State, record: &Record) {
        state.queue.pop_front();
        state.held_back = false;
        state.applied = record.lsn;
        state.position = (record.place.segment, record.end());
        state.stats.replay_bytes += record.bytes.len() as u64;
        self.gc_look(state, record.bytes.len() as u64);
        if record.has_holes() {
            self.gc_look_at_holes();
        }
        state.dirty_blocks -= record.permits;
        self.room.add_permits(record.permits as usize);
        if matches!(record.kind, RecordKind::Rollback { .. }) {
            state.size_bytes = self.head.size_bytes();
        }
        let later = state.applied_waiters.split_off(&Lsn(record.lsn.0 + 1));
        for waiter in std::mem::replace(&mut state.applied_waiters, later).into_values().flatten() {
            waiter.tell(Ok(()));
        }
    }

    /// What is to be done next. `None`: nothing, or a checkpoint has to end first.
    fn next_work(&self, state: &State) -> Option<Work> {
        if state.failed.is_some() {
            return None;
        }
        match self.checkpoint_due(state) {
            Some(due) if !state.checkpoint.running => return Some(Work::Freeze(due)),
            // The state at this LSN is what the checkpoint is for.
            Some(Due::Exact) => return None,
            Some(Due::Soon) | None => {}
        }
        if self.must_wait_for_checkpoint(state) {
            return None;
        }
        // The oldest record, if it is durable: all before it are applied, so there is no gap.
        let Some(queued) = state.queue.front().filter(|queued| queued.stage == Stage::Durable) else {
            let reap = !state.draining && self.head.state.has_dropped();
            return reap.then_some(Work::Reap);
        };
        if matches!(queued.record.kind, RecordKind::Rollback { .. }) && state.checkpoint.running {
            return None;
        }
        Some(Work::Apply(queued.record.clone()))
    }
}
