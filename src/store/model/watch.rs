//! Watch and notify in the model store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Shared;
use super::state::{State, object_key};
use crate::errno::Errno;
use crate::store::{
    BoxFuture, NotifyAck, NotifyReply, StoreError, StoreResult, Target, WatchCookie, WatchHandler,
};

/// Default of a watch's timeout (osd_client_watch_timeout) and of a notification's.
const DEFAULT_WATCH_TIMEOUT_S: u32 = 30;
const DEFAULT_NOTIFY_TIMEOUT_MS: u64 = 30_000;

/// One watch.
#[derive(Clone)]
pub(super) struct Watch {
    target: Target,
    gid: u64,
    pub address: String,
    pub cookie: WatchCookie,
    timeout_s: u32,
    pub handler: Arc<dyn WatchHandler>,
}

/// A notification that waits for answers.
pub(super) struct Pending {
    waiting: BTreeSet<(u64, u64)>,
    reply: NotifyReply,
    done: Option<oneshot::Sender<()>>,
}

impl Pending {
    fn settle(&mut self, gid: u64, cookie: u64, payload: Option<Bytes>) {
        if self.waiting.remove(&(gid, cookie)) {
            match payload {
                Some(payload) => self.reply.acks.push(NotifyAck { notifier_gid: gid, cookie, payload }),
                None => self.reply.timeouts.push((gid, cookie)),
            }
        }
        if self.waiting.is_empty()
            && let Some(done) = self.done.take()
        {
            // The notifier may have gone away.
            let _ = done.send(());
        }
    }
}

/// A notification whose watchers are still to be told.
pub(super) struct Begun {
    id: u64,
    watches: Vec<Watch>,
    done: oneshot::Receiver<()>,
}

impl State {
    pub fn watchers_of(&self, target: &Target) -> Vec<(String, u64, u64, u32)> {
        let of_target = self.watches.iter().filter(|watch| watch.target == *target);
        of_target.map(|watch| (watch.address.clone(), watch.gid, watch.cookie.0, watch.timeout_s)).collect()
    }

    pub fn watch(
        &mut self,
        target: Target,
        gid: u64,
        address: String,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
        _now_ns: u64,
    ) -> StoreResult<WatchCookie> {
        if !self.pool(target.pool)?.objects.contains_key(&object_key(&target)) {
            return Err(StoreError::Op(Errno::ENOENT));
        }
        let cookie = WatchCookie(self.next_cookie);
        self.next_cookie += 1;
        let timeout_s = if timeout_s == 0 { DEFAULT_WATCH_TIMEOUT_S } else { timeout_s };
        self.watches.push(Watch { target, gid, address, cookie, timeout_s, handler });
        Ok(cookie)
    }

    pub fn unwatch(&mut self, gid: u64, cookie: WatchCookie) -> StoreResult<()> {
        let ended = self.drop_watches(|watch| watch.gid == gid && watch.cookie == cookie);
        match (ended.is_empty(), self.lost.remove(&(gid, cookie.0))) {
            (false, _) => Ok(()),
            (true, true) => Err(StoreError::Op(Errno::ENOENT)),
            (true, false) => Err(StoreError::Op(Errno::ENOTCONN)),
        }
    }

    pub fn watch_check(&self, gid: u64, cookie: WatchCookie) -> StoreResult<u64> {
        let alive = self.watches.iter().any(|watch| watch.gid == gid && watch.cookie == cookie);
        if alive { Ok(0) } else { Err(StoreError::Op(Errno::ENOTCONN)) }
    }

    /// Ends watches; notifications no longer wait for them.
    pub fn drop_watches(&mut self, which: impl Fn(&Watch) -> bool) -> Vec<Watch> {
        let (ended, kept) = std::mem::take(&mut self.watches).into_iter().partition(|watch| which(watch));
        self.watches = kept;
        let ended: Vec<Watch> = ended;
        for pending in self.notifies.values_mut() {
            for watch in &ended {
                pending.settle(watch.gid, watch.cookie.0, None);
            }
        }
        ended
    }

    pub fn drop_watches_of(&mut self, target: &Target) -> Vec<Watch> {
        let ended = self.drop_watches(|watch| watch.target == *target);
        self.lost.extend(ended.iter().map(|watch| (watch.gid, watch.cookie.0)));
        ended
    }

    pub fn drop_client(&mut self, gid: u64) {
        self.drop_watches(|watch| watch.gid == gid);
    }

    pub fn begin_notify(&mut self, target: &Target) -> StoreResult<Begun> {
        if !self.pool(target.pool)?.objects.contains_key(&object_key(target)) {
            return Err(StoreError::Op(Errno::ENOENT));
        }
        let watches: Vec<Watch> =
            self.watches.iter().filter(|watch| watch.target == *target).cloned().collect();
        let id = self.next_notify;
        self.next_notify += 1;
        let (sender, done) = oneshot::channel();
        let waiting = watches.iter().map(|watch| (watch.gid, watch.cookie.0)).collect();
        let mut pending = Pending { waiting, reply: NotifyReply::default(), done: Some(sender) };
        if watches.is_empty()
            && let Some(sender) = pending.done.take()
        {
            let _ = sender.send(());
        }
        self.notifies.insert(id, pending);
        Ok(Begun { id, watches, done })
    }

    /// An answer that comes too late, or twice, is nobody's.
    pub fn notify_ack(&mut self, id: u64, gid: u64, cookie: WatchCookie, payload: Bytes) {
        if let Some(pending) = self.notifies.get_mut(&id) {
            pending.settle(gid, cookie.0, Some(payload));
        }
    }

    /// The answers so far; who has not answered has timed out.
    fn end_notify(&mut self, id: u64) -> NotifyReply {
        let Some(pending) = self.notifies.remove(&id) else { return NotifyReply::default() };
        let mut reply = pending.reply;
        reply.timeouts.extend(pending.waiting);
        reply
    }
}

/// Tells the watchers and waits for them.
pub(super) fn finish_notify(
    shared: Arc<Shared>,
    begun: StoreResult<Begun>,
    notifier: u64,
    payload: Bytes,
    timeout_ms: u64,
) -> BoxFuture<StoreResult<NotifyReply>> {
    Box::pin(async move {
        let Begun { id, watches, done } = begun?;
        for watch in watches {
            watch.handler.notify(id, watch.cookie, notifier, payload.clone());
        }
        let timeout =
            Duration::from_millis(if timeout_ms == 0 { DEFAULT_NOTIFY_TIMEOUT_MS } else { timeout_ms });
        let sleep: BoxFuture<()> = match &shared.env {
            Some(env) => env.sleep(timeout),
            None if tokio::runtime::Handle::try_current().is_ok() => Box::pin(tokio::time::sleep(timeout)),
            None => Box::pin(std::future::pending()),
        };
        tokio::select! {
            biased;
            _ = done => {}
            () = sleep => {}
        }
        Ok(shared.state.lock().end_notify(id))
    })
}
