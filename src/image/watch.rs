//! The watch on the header: how an opener hears of others, and how others see that it is there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sync::Mutex;
use bytes::Bytes;

use super::directory::header_object;
use super::error::{ImageResult, refuse};
use super::gate::Phase;
use super::image::Image;
use super::notice::{Answer, Notice};
use crate::errno::Errno;
use crate::store::{NotifyReply, Op, OpOut, StoreError, WatchCookie, WatchHandler};

/// How long a notification waits for the other openers' answers.
const NOTIFY_TIMEOUT_MS: u64 = 5_000;
/// Between attempts to watch again after a watch was lost.
const REWATCH_PAUSE: Duration = Duration::from_secs(1);

/// This opener's watch, if it has one.
#[derive(Default)]
pub struct HeaderWatch {
    state: Mutex<WatchState>,
}

#[derive(Default)]
struct WatchState {
    cookie: Option<WatchCookie>,
    /// Lost before it was known here that it had been made.
    lost_early: Vec<WatchCookie>,
    /// The image is being closed: a lost watch is not made again.
    ended: bool,
    /// It was lost and cannot be made again (this client is fenced, the image is gone).
    lost: Option<Errno>,
}

/// Somebody who watches a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watcher {
    pub address: String,
    pub gid: u64,
    pub cookie: u64,
}

/// Who watches an object.
pub async fn watchers(pool: &super::pool::Pool, oid: &str) -> ImageResult<Vec<Watcher>> {
    let mut reply = pool.run(oid, vec![Op::ListWatchers]).await?;
    match reply.ops.pop().map(|op| op.out) {
        Some(OpOut::Watchers(found)) => {
            Ok(found.into_iter().map(|(address, gid, cookie, _)| Watcher { address, gid, cookie }).collect())
        }
        _ => refuse(Errno::EIO, format!("{oid}: list of watchers without an answer")),
    }
}

struct Handler(Weak<Image>);

impl WatchHandler for Handler {
    fn notify(&self, notify_id: u64, cookie: WatchCookie, _notifier_gid: u64, payload: Bytes) {
        let Some(image) = self.0.upgrade() else { return };
        let env = image.env.clone();
        let answer = match Notice::decode(&payload) {
            Some(Notice::Maintain(what)) if image.gate.phase() == Phase::Open => {
                // Answered when it is done: the sender waits for that.
                return env.spawn(Box::pin(async move {
                    let answer = match image.maintain_here(&what).await {
                        Ok(()) => Answer::Done,
                        Err((error, _)) => Answer::Failed(error.errno()),
                    };
                    image.answer(notify_id, cookie, answer.encode().into()).await;
                }));
            }
            Some(notice) => image.noticed(&notice).unwrap_or_default(),
            None => Bytes::new(),
        };
        env.spawn(Box::pin(async move { image.answer(notify_id, cookie, answer).await }));
    }

    fn error(&self, cookie: WatchCookie, error: StoreError) {
        let Some(image) = self.0.upgrade() else { return };
        tracing::warn!("image {}: the watch on its header is lost: {error}", image.id);
        {
            let mut state = image.watch.state.lock();
            match state.cookie {
                _ if state.ended => return,
                Some(own) if own == cookie => state.cookie = None,
                // An older one's.
                Some(_) => return,
                None => return state.lost_early.push(cookie),
            }
        }
        let env = image.env.clone();
        env.spawn(Box::pin(async move { image.watch_again().await }));
    }
}

#[cfg(test)]
impl Image {
    /// The store says that the watch is lost, if this opener is just taking over the disk; whether it is.
    pub(super) fn lose_watch_while_opening(self: &Arc<Self>) -> bool {
        let taking = self.gate.phase() == Phase::Opening && self.has_header_lock();
        if taking && let Some(cookie) = self.watch_cookie() {
            Handler(Arc::downgrade(self)).error(WatchCookie(cookie), StoreError::TimedOut);
        }
        taking
    }
}

impl Image {
    /// The cookie of the watch, while there is one.
    pub(super) fn watch_cookie(&self) -> Option<u64> {
        self.watch.state.lock().cookie.map(|cookie| cookie.0)
    }

    /// Why there will be no watch any more.
    pub(super) fn watch_lost(&self) -> Option<Errno> {
        self.watch.state.lock().lost
    }

    pub(super) async fn start_watch(self: &Arc<Self>) -> ImageResult<()> {
        let target = self.pool.target(&header_object(&self.id));
        loop {
            let handler = Arc::new(Handler(Arc::downgrade(self)));
            let cookie = self.pool.store.watch(target.clone(), 0, handler).await?;
            {
                let mut state = self.watch.state.lock();
                let lost = std::mem::take(&mut state.lost_early).contains(&cookie);
                if !state.ended && !lost {
                    state.cookie = Some(cookie);
                    return Ok(());
                }
            }
            let ended = self.pool.store.unwatch(cookie).await;
            if self.watch.state.lock().ended {
                return Ok(ended?);
            }
        }
    }

    /// Ends the watch. If that fails (no space), it is tried again beside other work: a watch that stays would pass for an
    /// opener that lives.
    pub(super) async fn stop_watch(self: &Arc<Self>) {
        let cookie = {
            let mut state = self.watch.state.lock();
            state.ended = true;
            state.cookie.take()
        };
        let Some(cookie) = cookie else { return };
        if let Err(error) = self.pool.store.unwatch(cookie).await {
            tracing::debug!("image {}: ending the watch: {error}", self.id);
            let image = self.clone();
            self.env.spawn(Box::pin(async move {
                let mut error = error;
                while super::lock::is_passing(&error) {
                    image.env.sleep(REWATCH_PAUSE).await;
                    match image.pool.store.unwatch(cookie).await {
                        Ok(()) => return,
                        Err(again) => error = again,
                    }
                }
            }));
        }
    }

    /// After a watch was lost: others may take this opener for dead. So it lets go of the lock (whose cookie names the
    /// lost watch), watches again, and takes the lock again when somebody writes.
    async fn watch_again(self: Arc<Self>) {
        self.stale.store(true, std::sync::atomic::Ordering::Release);
        if self.gate.want_close() {
            self.clone().give_up_lock().await;
        }
        loop {
            match self.start_watch().await {
                Ok(()) => return self.header_updated(),
                Err(error) if self.gate.phase() == Phase::Shut => {
                    return tracing::debug!("image {}: closed while watching again: {error}", self.id);
                }
                Err(error) if matches!(error.errno(), Errno::ENOENT | Errno::ESHUTDOWN) => {
                    self.watch.state.lock().lost = Some(error.errno());
                    self.lock_moved(); // who waits for the lock waits in vain
                    return tracing::warn!("image {}: cannot watch its header again: {error}", self.id);
                }
                Err(error) => tracing::debug!("image {}: cannot watch its header yet: {error}", self.id),
            }
            self.env.sleep(REWATCH_PAUSE).await;
        }
    }

    async fn answer(&self, notify_id: u64, cookie: WatchCookie, answer: Bytes) {
        let target = self.pool.target(&header_object(&self.id));
        if let Err(error) = self.pool.store.notify_ack(target, notify_id, cookie, answer).await {
            tracing::debug!("image {}: acknowledging notification {notify_id}: {error}", self.id);
        }
    }

    /// Tells all openers something and waits for their answers; `None` if it could not be told.
    pub(super) async fn send_notice(&self, notice: &Notice) -> Option<NotifyReply> {
        let timeout_ms = match notice {
            Notice::Maintain(_) => self.settings.read().request_timeout.as_millis() as u64,
            _ => NOTIFY_TIMEOUT_MS,
        };
        let target = self.pool.target(&header_object(&self.id));
        let told = self.pool.store.notify(target, notice.encode().into(), timeout_ms).await;
        told.inspect_err(|error| tracing::debug!("image {}: telling {notice:?}: {error}", self.id)).ok()
    }

    /// Who has the image open with a watch.
    pub async fn watchers(&self) -> ImageResult<Vec<Watcher>> {
        watchers(&self.pool, &header_object(&self.id)).await
    }

    /// A notification has come. What is answered to the sender.
    fn noticed(self: &Arc<Self>, notice: &Notice) -> Option<Bytes> {
        match notice {
            Notice::HeaderUpdate => {
                self.header_updated();
                None
            }
            Notice::RequestLock => self.lock_requested().map(|answer| answer.encode().into()),
            Notice::YieldReads => self.yield_asked().map(|answer| answer.encode().into()),
            Notice::AcquiredLock => {
                self.lock_taken();
                self.lock_moved();
                None
            }
            Notice::ReleasedLock => {
                self.lock_moved();
                None
            }
            // Not the owner.
            Notice::Maintain(_) => None,
        }
    }
}
