//! Calls of watchers' handlers: on a task of their own, one after the other.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Objecter;
use crate::errno::Errno;
use crate::osd::WatchEvents;

pub(super) enum Event {
    Notify {
        handler: Arc<dyn WatchEvents>,
        cookie: u64,
        notify_id: u64,
        notifier_gid: u64,
        payload: Bytes,
    },
    Error {
        handler: Arc<dyn WatchEvents>,
        cookie: u64,
        errno: Errno,
    },
    /// All before it have been handled.
    Flush(oneshot::Sender<()>),
    End,
}

pub(super) async fn run(mut events: mpsc::UnboundedReceiver<Event>, objecter: Weak<Objecter>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Notify { handler, cookie, notify_id, notifier_gid, payload } => {
                // The watch may have ended since: what follows its end is not its affair.
                let watched = |objecter: Arc<Objecter>| objecter.state.lock().lingers.contains_key(&cookie);
                if objecter.upgrade().is_some_and(watched) {
                    handler.notify(notify_id, cookie, notifier_gid, payload);
                }
                if let Some(objecter) = objecter.upgrade() {
                    objecter.with(|state, _, _| state.event_handled(cookie));
                }
            }
            Event::Error { handler, cookie, errno } => handler.error(cookie, errno),
            Event::Flush(done) => {
                let _ = done.send(());
            }
            Event::End => return,
        }
    }
}

impl Objecter {
    pub(in crate::osd) async fn watch_flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.events.send(Event::Flush(done)).is_ok() {
            // An error: the task has ended, and nothing is due any more.
            let _ = flushed.await;
        }
    }
}
