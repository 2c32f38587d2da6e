//! The cluster log for an application: its lines on the callback thread, and none once it does not want them any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::session::Session;
use crate::store::{LogEntry, LogLevel, LogSink, StoreResult};
use crate::sync::Mutex;

/// Called on the thread of callbacks.
pub type LogCallback = Box<dyn Fn(&LogEntry) + Send + Sync>;

pub(super) struct LogWatch {
    live: AtomicBool,
    /// Held while the callback runs.
    running: Mutex<()>,
    callback: LogCallback,
}

impl LogWatch {
    fn tell(&self, entry: &LogEntry) {
        let _running = self.running.lock();
        if self.live.load(Ordering::Acquire) {
            (self.callback)(entry);
        }
    }

    /// The callback does not run any more when this has returned, unless it is the caller.
    fn end(&self, from_callback: bool) {
        self.live.store(false, Ordering::Release);
        if !from_callback {
            drop(self.running.lock());
        }
    }
}

impl Session {
    /// Lines of the cluster log of `level` and above go to the callback from now on, instead of to an earlier one; `None`: no
    /// more.
    pub fn monitor_log(self: &Arc<Self>, watch: Option<(LogLevel, LogCallback)>) -> StoreResult<()> {
        let mut current = self.log_watch.lock();
        let new = watch.map(|(level, callback)| {
            let live = AtomicBool::new(true);
            (level, Arc::new(LogWatch { live, running: Mutex::new(()), callback }))
        });
        let sink = new.as_ref().map(|(level, watch)| {
            let (session, watch) = (Arc::downgrade(self), watch.clone());
            let sink: Arc<LogSink> = Arc::new(move |entry: &LogEntry| {
                if let Some(session) = session.upgrade() {
                    let (watch, entry) = (watch.clone(), entry.clone());
                    session.callbacks().call(move || watch.tell(&entry));
                }
            });
            (*level, sink)
        });
        self.store().monitor_log(sink)?;
        let old = std::mem::replace(&mut *current, new.map(|(_, watch)| watch));
        drop(current);
        if let Some(old) = old {
            old.end(self.callbacks().is_current());
        }
        Ok(())
    }
}
