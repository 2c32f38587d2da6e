//! The watch on the header: how an opener hears of others, and how others see that it is there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::directory::header_object;
use super::error::{ImageResult, refuse};
use super::gate::Phase;
use super::image::Image;
use super::notice::Notice;
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
    /// The image is being closed: a lost watch is not made again.
    ended: bool,
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
        let notice = Notice::decode(&payload);
        let answer = notice.and_then(|notice| image.noticed(notice)).unwrap_or_default();
        let target = image.pool.target(&header_object(&image.id));
        let acked = image.pool.store.notify_ack(target, notify_id, cookie, answer);
        let id = image.id.clone();
        image.env.spawn(Box::pin(async move {
            if let Err(error) = acked.await {
                tracing::debug!("image {id}: acknowledging notification {notify_id}: {error}");
            }
        }));
    }

    fn error(&self, cookie: WatchCookie, error: StoreError) {
        let Some(image) = self.0.upgrade() else { return };
        tracing::warn!("image {}: the watch on its header is lost: {error}", image.id);
        {
            let mut state = image.watch.state.lock();
            if state.ended || state.cookie != Some(cookie) {
                return;
            }
            state.cookie = None;
        }
        let env = image.env.clone();
        env.spawn(Box::pin(async move { image.watch_again().await }));
    }
}

impl Image {
    /// The cookie of the watch, while there is one.
    pub(super) fn watch_cookie(&self) -> Option<u64> {
        self.watch.state.lock().cookie.map(|cookie| cookie.0)
    }

    pub(super) async fn start_watch(self: &Arc<Self>) -> ImageResult<()> {
        let target = self.pool.target(&header_object(&self.id));
        let handler = Arc::new(Handler(Arc::downgrade(self)));
        let cookie = self.pool.store.watch(target, 0, handler).await?;
        let unwanted = {
            let mut state = self.watch.state.lock();
            if !state.ended {
                state.cookie = Some(cookie);
            }
            state.ended
        };
        if unwanted {
            self.pool.store.unwatch(cookie).await?;
        }
        Ok(())
    }

    pub(super) async fn stop_watch(&self) {
        let cookie = {
            let mut state = self.watch.state.lock();
            state.ended = true;
            state.cookie.take()
        };
        let Some(cookie) = cookie else { return };
        if let Err(error) = self.pool.store.unwatch(cookie).await {
            tracing::debug!("image {}: ending the watch: {error}", self.id);
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
                    return tracing::warn!("image {}: cannot watch its header again: {error}", self.id);
                }
                Err(error) => tracing::debug!("image {}: cannot watch its header yet: {error}", self.id),
            }
            self.env.sleep(REWATCH_PAUSE).await;
        }
    }

    /// Tells all openers something and waits for their answers; `None` if it could not be told.
    pub(super) async fn send_notice(&self, notice: Notice) -> Option<NotifyReply> {
        let target = self.pool.target(&header_object(&self.id));
        let told = self.pool.store.notify(target, notice.encode().into(), NOTIFY_TIMEOUT_MS).await;
        told.inspect_err(|error| tracing::debug!("image {}: telling {notice:?}: {error}", self.id)).ok()
    }

    /// Who has the image open with a watch.
    pub async fn watchers(&self) -> ImageResult<Vec<Watcher>> {
        watchers(&self.pool, &header_object(&self.id)).await
    }

    /// A notification has come. What is answered to the sender.
    fn noticed(self: &Arc<Self>, notice: Notice) -> Option<Bytes> {
        match notice {
            Notice::HeaderUpdate => {
                self.header_updated();
                None
            }
            Notice::RequestLock => self.lock_requested().map(|answer| answer.encode().into()),
            Notice::AcquiredLock | Notice::ReleasedLock => {
                self.lock_moved();
                None
            }
        }
    }
}
