//! Watches: a store's events are queued to a finisher of their own, and those of an ended watch are dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use bytes::Bytes;

use super::session::{Session, guarded};
use crate::errno::Errno;
use crate::finisher::Finisher;
use crate::store::{StoreError, StoreResult, Target, WatchCookie, WatchHandler};

/// One notification as its watcher gets it.
pub struct Notification {
    pub id: u64,
    pub cookie: WatchCookie,
    pub notifier_gid: u64,
    pub payload: Bytes,
}

/// The application's side of a watch. Called on the watch finisher: it may block and make calls.
pub trait Watcher: Send + Sync {
    fn notified(&self, notification: Notification);
    fn failed(&self, cookie: WatchCookie, errno: Errno);
    /// Whether the watcher acknowledges notifications. If not, each is acknowledged with no payload when
    /// [`Watcher::notified`] has returned.
    fn acks_itself(&self) -> bool {
        true
    }
}

#[derive(Default)]
pub(super) struct Watches {
    /// Started by the first watch.
    finisher: Mutex<Option<Arc<Finisher>>>,
    live: Mutex<HashMap<WatchCookie, Arc<Relay>>>,
}

impl Watches {
    pub(super) fn finisher(&self) -> StoreResult<Arc<Finisher>> {
        let mut finisher = self.finisher.lock();
        if let Some(started) = finisher.as_ref() {
            return Ok(started.clone());
        }
        let started = Finisher::start("logrbd-watch").map_err(|error| StoreError::Io {
            object: "watch thread".to_owned(),
            detail: error.to_string(),
        })?;
        Ok(finisher.insert(Arc::new(started)).clone())
    }

    pub(super) fn stop(&self) {
        self.live.lock().drain().for_each(|(_, relay)| relay.end());
        let finisher = self.finisher.lock().clone();
        if let Some(finisher) = finisher {
            finisher.stop();
        }
    }
}

/// Between a store's event and the watcher's callback.
struct Relay {
    session: Weak<Session>,
    finisher: Arc<Finisher>,
    target: Target,
    watcher: Arc<dyn Watcher>,
    /// The watch was ended by its owner: events that are still queued are not for it any more.
    ended: AtomicBool,
}

impl Relay {
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn deliver(&self, event: impl FnOnce(&dyn Watcher)) -> bool {
        let live = !self.ended.load(Ordering::Acquire);
        if live {
            event(self.watcher.as_ref());
        }
        live
    }
}

/// What the store holds of a relay.
struct Handler(Arc<Relay>);

impl WatchHandler for Handler {
    fn notify(&self, id: u64, cookie: WatchCookie, notifier_gid: u64, payload: Bytes) {
        let relay = self.0.clone();
        self.0.finisher.call(move || {
            let notification = Notification { id, cookie, notifier_gid, payload };
            if relay.deliver(|watcher| watcher.notified(notification))
                && !relay.watcher.acks_itself()
                && let Some(session) = relay.session.upgrade()
            {
                let ack = session.store().notify_ack(relay.target.clone(), id, cookie, Bytes::new());
                if let Err(error) = session.wait(guarded(ack)) {
                    tracing::warn!(object = %relay.target.oid, "acknowledging notification {id}: {error}");
                }
            }
        });
    }

    fn error(&self, cookie: WatchCookie, error: StoreError) {
        let relay = self.0.clone();
        tracing::info!(object = %relay.target.oid, "watch {} is lost: {error}", cookie.0);
        self.0.finisher.call(move || {
            relay.deliver(|watcher| watcher.failed(cookie, Errno::from(&error)));
        });
    }
}

impl Session {
    /// Starts a watch and answers its cookie. `timeout_s` 0: the store's default.
    pub async fn watch(
        self: Arc<Self>,
        target: Target,
        timeout_s: u32,
        watcher: Arc<dyn Watcher>,
    ) -> StoreResult<WatchCookie> {
        let finisher = self.watches.finisher()?;
        let session = Arc::downgrade(&self);
        let ended = AtomicBool::new(false);
        let relay = Arc::new(Relay { session, finisher, target: target.clone(), watcher, ended });
        let cookie = guarded(self.store().watch(target, timeout_s, Arc::new(Handler(relay.clone())))).await?;
        self.watches.live.lock().insert(cookie, relay);
        Ok(cookie)
    }

    /// Ends a watch. No callback of it starts after this has completed; one may still be running.
    pub async fn unwatch(self: Arc<Self>, cookie: WatchCookie) -> StoreResult<()> {
        let relay = self.watches.live.lock().remove(&cookie);
        if let Some(relay) = relay {
            relay.end();
        }
        guarded(self.store().unwatch(cookie)).await
    }

    /// Calls `done` when all watch callbacks that were due have returned.
    pub fn watch_flush(self: &Arc<Self>, done: impl FnOnce(StoreResult<()>) + Send + 'static) {
        let session = self.clone();
        self.start(self.store().watch_flush(), move |flushed| {
            let finisher = session.watches.finisher.lock().clone();
            match finisher {
                Some(finisher) => finisher.call(move || done(flushed)),
                None => done(flushed),
            }
        });
    }

    /// [`Session::watch_flush`], waiting. Inside a watch callback only the store is waited for: the callback that
    /// waits cannot have returned.
    pub fn watch_flush_wait(self: &Arc<Self>) -> StoreResult<()> {
        let flushed = self.wait(guarded(self.store().watch_flush()));
        let finisher = self.watches.finisher.lock().clone();
        if let Some(finisher) = finisher {
            finisher.flush();
        }
        flushed
    }
}
