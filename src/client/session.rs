//! A connected client: its store, the runtime, the threads of its callbacks, and what is under way.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::log_watch::LogWatch;
use super::watch::Watches;
use crate::finisher::Finisher;
use crate::runtime;
use crate::store::{BoxFuture, Done, Reply, Request, Store, StoreError, StoreResult};

/// How long a shutdown waits for calls that the store was told to end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(30);

pub struct Session {
    store: Arc<dyn Store>,
    runtime: Handle,
    /// Callbacks of asynchronous calls. Watch callbacks have their own, so that one of these may wait for a
    /// notification that this same client must acknowledge.
    callbacks: Finisher,
    pub(super) watches: Watches,
    pub(super) log_watch: Mutex<Option<Arc<LogWatch>>>,
    under_way: UnderWay,
}

#[derive(Default)]
struct UnderWay {
    count: Mutex<usize>,
    none: Condvar,
}

impl Session {
    pub fn new(store: Arc<dyn Store>, runtime: Handle) -> std::io::Result<Arc<Session>> {
        Ok(Arc::new(Session {
            store,
            runtime,
            callbacks: Finisher::start("logrbd-finish")?,
            watches: Watches::default(),
            log_watch: Mutex::default(),
            under_way: UnderWay::default(),
        }))
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Where callbacks of asynchronous calls are queued.
    pub fn callbacks(&self) -> &Finisher {
        &self.callbacks
    }

    /// Waits for a future on the calling thread; any thread may, inside a callback too.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        runtime::block_on(&self.runtime, future)
    }

    /// A shutdown waits until this is dropped.
    pub fn begin(self: &Arc<Self>) -> impl Send + 'static {
        *self.under_way.count.lock() += 1;
        Ticket(self.clone())
    }

    /// Runs a future in the background. A shutdown waits for it.
    pub fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let ticket = self.begin();
        self.runtime.spawn(async move {
            let _ticket = ticket;
            future.await;
        });
    }

    /// As [`Session::spawn`], on the calling thread until the future first waits.
    pub fn spawn_here(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let ticket = self.begin();
        runtime::begin_here(&self.runtime, async move {
            let _ticket = ticket;
            future.await;
        });
    }

    /// Runs a store's future in the background, then `done` with its answer: exactly once, a panic of the store's
    /// included, because somebody waits for it.
    pub fn start<T: Send + 'static>(
        self: &Arc<Self>,
        future: BoxFuture<StoreResult<T>>,
        done: impl FnOnce(StoreResult<T>) + Send + 'static,
    ) {
        self.spawn(async move { done(guarded(future).await) });
    }

    /// Starts an op list, then `done` with its answer: exactly once, as [`Session::start`].
    pub fn run(self: &Arc<Self>, request: Request, done: impl FnOnce(StoreResult<Reply>) + Send + 'static) {
        let ticket = self.begin();
        let done: Done = Box::new(move |reply| {
            done(reply);
            drop(ticket);
        });
        if let Some((request, done)) = self.store.submit(request, done) {
            let future = self.store.operate(request);
            self.runtime.spawn(async move { done(guarded(future).await) });
        }
    }

    /// Ends the client: watches end, later calls fail, and callbacks of what was under way are run.
    pub fn shutdown(&self) {
        self.wait(self.store.shutdown());
        let patience = Instant::now() + SHUTDOWN_PATIENCE;
        let mut count = self.under_way.count.lock();
        while *count > 0 {
            let timed_out;
            (count, timed_out) = self.under_way.none.wait_until(count, patience);
            if timed_out {
                tracing::error!("shutdown: {count} calls still under way are left behind");
                break;
            }
        }
        drop(count);
        self.watches.stop();
        self.callbacks.stop();
    }
}

/// One background future; counts down when it ends, by whatever way.
struct Ticket(Arc<Session>);

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut count = self.0.under_way.count.lock();
        *count -= 1;
        if *count == 0 {
            self.0.under_way.none.notify_all();
        }
    }
}

/// A store's future whose panic is an I/O error.
pub(super) async fn guarded<T>(mut future: BoxFuture<StoreResult<T>>) -> StoreResult<T> {
    poll_fn(move |context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or_else(|_| {
            let detail = "the store panicked".to_owned();
            std::task::Poll::Ready(Err(StoreError::Io { object: "store".to_owned(), detail }))
        })
    })
    .await
}
