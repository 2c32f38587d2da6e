//! Waiting: for room in the buffer, until records are durable, until they are applied.

use std::sync::Arc;

use tokio::sync::{SemaphorePermit, oneshot};

use super::{Stage, Writer};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{DiskError, DiskResult, Lsn};

/// Is told the outcome, on whichever thread. It neither blocks nor calls the disk: the writer's lock may be held.
pub(crate) type Told = Box<dyn FnOnce(DiskResult<()>) + Send>;

enum To {
    Task(oneshot::Sender<DiskResult<()>>),
    Call(Told),
}

/// Who waits for a record. Dropped without an outcome it is told that the disk was closed.
pub(super) struct Waiter(Option<To>);

impl Waiter {
    fn task() -> (Waiter, oneshot::Receiver<DiskResult<()>>) {
        let (sender, told) = oneshot::channel();
        (Waiter(Some(To::Task(sender))), told)
    }

    fn call(done: Told) -> Waiter {
        Waiter(Some(To::Call(done)))
    }

    pub fn tell(mut self, outcome: DiskResult<()>) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: DiskResult<()>) {
        match self.0.take() {
            Some(To::Task(sender)) => {
                // The caller may have lost interest.
                let _ = sender.send(outcome);
            }
            Some(To::Call(done)) => done(outcome),
            None => {}
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.end(Err(DiskError::Closed));
    }
}

impl Writer {
    /// All that was accepted before the call is durable when it completes: in the store, or in the local log.
    pub async fn flush(self: &Arc<Self>) -> DiskResult<()> {
        let target = {
            let mut state = self.state.lock();
            state.flushed_once = true;
            state.newest()
        };
        self.wait_safe(target).await
    }

    /// All that was accepted before the call is durable and in the map when it completes.
    pub async fn flush_to_map(self: &Arc<Self>) -> DiskResult<()> {
        let target = self.state.lock().newest();
        self.wait_durable(target).await?;
        self.wait_applied(target).await
    }

    /// [`Writer::flush`], whose outcome a function gets.
    pub fn flush_then(self: &Arc<Self>, done: Told) {
        let waiter = Waiter::call(done);
        let target = {
            let mut state = self.state.lock();
            state.flushed_once = true;
            if state.local.is_some() {
                let (writer, target) = (self.clone(), state.newest());
                drop(state);
                let flushed = async move { waiter.tell(writer.wait_safe(target).await) };
                return self.shared.env.spawn_here(Box::pin(flushed));
            }
            state.newest()
        };
        self.when_durable(target, waiter);
    }

    /// As `wait_durable`, whose outcome a function gets.
    pub fn durable_then(self: &Arc<Self>, lsn: Lsn, done: Told) {
        self.when_durable(lsn, Waiter::call(done));
    }

    /// Waits until every record up to `lsn` is durable. An append that waits for room in the store is tried again.
    pub async fn wait_durable(self: &Arc<Self>, lsn: Lsn) -> DiskResult<()> {
        let (waiter, told) = Waiter::task();
        self.when_durable(lsn, waiter);
        told.await.unwrap_or(Err(DiskError::Closed))
    }

    fn when_durable(self: &Arc<Self>, lsn: Lsn, waiter: Waiter) {
        let mut state = self.state.lock();
        if let Some(error) = &state.failed {
            // Also when `lsn` is durable: what a caller wrote after it may be lost, and it must hear of it.
            let error = error.clone();
            drop(state);
            return waiter.tell(Err(error));
        }
        if state.durable >= lsn || broken(Sabotage::AckBeforeDurable) {
            drop(state);
            // ACK: nothing was accepted that is not durable already.
            return waiter.tell(Ok(()));
        }
        // There may be room by now: what an append finds out that was sent earlier is no answer to this caller.
        state.no_space = None;
        state.try_again = state.queue.iter().any(|queued| queued.stage == Stage::InFlight);
        state.wanted = state.wanted.max(lsn);
        state.durable_waiters.entry(lsn).or_default().push(waiter);
        let appends = self.pump(&mut state);
        drop(state);
        self.start(appends);
    }

    /// Waits until every record up to `lsn` is in the map. They must be on their way.
    pub async fn wait_applied(self: &Arc<Self>, lsn: Lsn) -> DiskResult<()> {
        let told = {
            let mut state = self.state.lock();
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.applied >= lsn {
                return Ok(());
            }
            let (waiter, told) = Waiter::task();
            state.applied_waiters.entry(lsn).or_default().push(waiter);
            told
        };
        told.await.unwrap_or(Err(DiskError::Closed))
    }

    fn why_full(&self) -> DiskError {
        let state = self.state.lock();
        state.no_space.clone().or_else(|| state.failed.clone()).unwrap_or(DiskError::Closed)
    }

    /// Waits for room for `blocks` dirty blocks; the permit is to be given to `keep_room` or dropped.
    pub(super) async fn wait_for_room(self: &Arc<Self>, blocks: u32) -> DiskResult<SemaphorePermit<'_>> {
        self.wait_for_gc().await;
        let full = self.no_space.notified();
        tokio::pin!(full);
        full.as_mut().enable();
        let stuck = {
            let state = self.state.lock();
            state.no_space.is_some().then(|| state.queue.front().map(|queued| queued.record.lsn)).flatten()
        };
        if let Some(lsn) = stuck {
            // The store had no room. A new write first proves that there is some, and fails with ENOSPC otherwise,
            // without having been accepted.
            self.wait_durable(lsn).await?;
        }
        let log = self.state.lock().local.clone();
        if let Some(log) = log.filter(|log| log.is_behind()) {
            self.start_local(Some(&log));
            tokio::select! {
                () = log.catch_up() => {}
                () = full.as_mut() => return Err(self.why_full()),
            }
        }
        if let Ok(permit) = self.room.try_acquire_many(blocks) {
            return Ok(permit);
        }
        let _starving = Starving::new(self);
        let acquired = tokio::select! {
            biased;
            permit = self.room.acquire_many(blocks) => permit.ok(),
            () = full => return Err(self.why_full()),
        };
        match acquired {
            Some(permit) => Ok(permit),
            None => Err(self.failure().unwrap_or(DiskError::Closed)),
        }
    }
}

/// While it lives, a writer waits for room, and the open batch is written although it is small.
struct Starving<'a> {
    writer: &'a Arc<Writer>,
}

impl<'a> Starving<'a> {
    fn new(writer: &'a Arc<Writer>) -> Starving<'a> {
        let mut state = writer.state.lock();
        state.starving += 1;
        let appends = writer.pump(&mut state);
        drop(state);
        writer.start(appends);
        Starving { writer }
    }
}

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.writer.state.lock().starving -= 1;
    }
}
