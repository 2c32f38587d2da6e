//! Threads that wait for the disk in place of the callers of fixed reads. They are started as they are needed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::runtime::without_signals;
use crate::store::fixed::{HelperJob, run_as_helper};
use crate::sync::{Condvar, Mutex};

/// Reads that wait for the disk at once.
const MAX_THREADS: usize = 16;
/// Threads that are enough for jobs whose data is on its way.
const FOR_STARTED: usize = 2;

#[derive(Default)]
struct State {
    jobs: VecDeque<HelperJob>,
    idle: usize,
    /// Woken, and not yet back: they take a job each.
    called: usize,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct Helpers(Arc<Inner>);

impl Helpers {
    /// Hands in a job; given back after `close`, or if there is no thread for it. `started`: it will not have to wait for
    /// long, so threads that run take it in their turn where there are [`FOR_STARTED`] of them.
    pub fn submit(&self, job: HelperJob, started: bool) -> Result<(), HelperJob> {
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(job);
        }
        let resting = state.idle.saturating_sub(state.called);
        if started && state.threads.len() - resting.min(state.threads.len()) >= FOR_STARTED {
            // Each thread looks for jobs once more before it rests.
            state.jobs.push_back(job);
            return Ok(());
        }
        if state.idle > state.called {
            state.called += 1;
            state.jobs.push_back(job);
            drop(state);
            self.0.changed.notify_one();
            return Ok(());
        }
        if state.threads.len() < MAX_THREADS {
            let inner = self.0.clone();
            let builder = std::thread::Builder::new().name("store-help".to_owned());
            match without_signals(|| builder.spawn(move || inner.run())) {
                Ok(thread) => state.threads.push(thread),
                Err(error) => tracing::warn!("local store: no more threads for reading: {error}"),
            }
        }
        if state.threads.is_empty() {
            return Err(job);
        }
        state.jobs.push_back(job);
        Ok(())
    }

    /// Jobs that are queued are still done.
    pub fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }

    /// The threads, to be waited for.
    pub fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.0.state.lock().threads)
    }
}

impl Inner {
    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                run_as_helper(job);
                state = self.state.lock();
                continue;
            }
            if state.closed {
                return;
            }
            state.idle += 1;
            state = self.changed.wait(state);
            state.idle -= 1;
            state.called = state.called.saturating_sub(1);
        }
    }
}
