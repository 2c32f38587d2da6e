//! A thread that runs callbacks: one after the other, in the order queued, never on the stack of who queued them.
//!
//! A callback may do whatever it likes, wait for I/O included: nothing but later callbacks of the same finisher waits
//! for it. What it must not do is wait for a later callback of its own finisher; in Ceph that never ends either.

use std::sync::Arc;
use std::thread::{JoinHandle, ThreadId};

use crate::sync::{Condvar, Mutex};

use crate::runtime::without_signals;

/// Something with a callback of its own: queueing it costs no allocation.
pub trait Finish: Send + Sync {
    fn finish(self: Arc<Self>);
}

/// One entry of a finisher's queue.
pub enum Job {
    Finish(Arc<dyn Finish>),
    Call(Box<dyn FnOnce() + Send>),
}

/// A queue and its thread. Dropping it runs what is queued, then ends the thread.
pub struct Finisher {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    thread_id: ThreadId,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: Vec<Job>,
    /// The thread waits for work: only then does a queuer pay for waking it.
    asleep: bool,
    stopping: bool,
}

impl Finisher {
    /// Starts the thread; `name` is what tools show, at most 15 bytes.
    pub fn start(name: &str) -> std::io::Result<Finisher> {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let thread = without_signals(|| {
            std::thread::Builder::new().name(name.to_owned()).spawn(move || of_thread.run())
        })?;
        let thread_id = thread.thread().id();
        Ok(Finisher { shared, thread: Mutex::new(Some(thread)), thread_id })
    }

    /// Queues a job. After [`Finisher::stop`] it is run by a thread of its own, so that it is run at all: that only
    /// happens to a straggler of a client that was shut down while it had I/O in flight.
    pub fn queue(&self, job: Job) {
        let mut state = self.shared.state.lock();
        if state.stopping && self.thread.lock().is_none() {
            drop(state);
            without_signals(|| std::thread::spawn(move || job.run()));
            return;
        }
        state.queue.push(job);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.shared.wake.notify_one();
        }
    }

    pub fn call(&self, call: impl FnOnce() + Send + 'static) {
        self.queue(Job::Call(Box::new(call)));
    }

    /// Whether the caller is one of this finisher's callbacks.
    pub fn is_current(&self) -> bool {
        std::thread::current().id() == self.thread_id
    }

    /// Waits until all that was queued before has run. From a callback of this finisher there is nothing that could
    /// be waited for: the earlier ones have run, and it returns at once.
    pub fn flush(&self) {
        if self.is_current() {
            return;
        }
        let done = Arc::new((Mutex::new(false), Condvar::new()));
        let signal = done.clone();
        self.call(move || {
            *signal.0.lock() = true;
            signal.1.notify_one();
        });
        let mut flag = done.0.lock();
        while !*flag {
            flag = done.1.wait(flag);
        }
    }

    /// Runs what is queued, ends the thread and waits for its end (but for a callback that stops its own finisher,
    /// which would wait for itself).
    pub fn stop(&self) {
        let mut state = self.shared.state.lock();
        state.stopping = true;
        let thread = self.thread.lock().take();
        drop(state);
        self.shared.wake.notify_one();
        if let Some(thread) = thread.filter(|_| !self.is_current())
            && thread.join().is_err()
        {
            tracing::error!("a finisher thread panicked");
        }
    }
}

impl Drop for Finisher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.state.lock();
            while state.queue.is_empty() {
                if state.stopping {
                    return;
                }
                state.asleep = true;
                state = self.wake.wait(state);
                state.asleep = false;
            }
            // The emptied batch becomes the queue: neither grows anew once both are as large as the load needs.
            std::mem::swap(&mut batch, &mut state.queue);
            drop(state);
            for job in batch.drain(..) {
                job.run();
            }
        }
    }
}

impl Job {
    /// A job that panics must not take later ones with it: each is owed to somebody who waits.
    fn run(self) {
        let run = std::panic::AssertUnwindSafe(|| match self {
            Job::Finish(it) => it.finish(),
            Job::Call(call) => call(),
        });
        if std::panic::catch_unwind(run).is_err() {
            tracing::error!("a callback panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn runs_each_job_once_and_each_queuers_in_order() {
        let finisher = Finisher::start("test").unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for queuer in 0..4 {
                let (finisher, seen) = (&finisher, &seen);
                scope.spawn(move || {
                    for n in 0..5000 {
                        let seen = seen.clone();
                        finisher.call(move || seen.lock().push((queuer, n)));
                    }
                });
            }
        });
        finisher.stop();
        let seen = seen.lock();
        assert_eq!(seen.len(), 20_000);
        for queuer in 0..4 {
            let of_one: Vec<_> = seen.iter().filter(|(q, _)| *q == queuer).map(|(_, n)| *n).collect();
            assert_eq!(of_one, (0..5000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn stop_runs_what_is_queued() {
        let finisher = Finisher::start("test").unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let (enter, gate) = mpsc::channel::<()>();
        finisher.call(move || gate.recv().unwrap());
        for _ in 0..10 {
            let count = count.clone();
            finisher.call(move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
        enter.send(()).unwrap();
        finisher.stop();
        assert_eq!(count.load(Ordering::SeqCst), 10);
    }

    #[test]
    fn a_callback_may_queue_flush_and_stop() {
        let finisher = Arc::new(Finisher::start("test").unwrap());
        let (sender, done) = mpsc::channel();
        let inner = finisher.clone();
        finisher.call(move || {
            assert!(inner.is_current());
            inner.flush();
            inner.call(move || sender.send(()).unwrap());
            inner.stop();
        });
        done.recv().unwrap();
    }

    #[test]
    fn a_panic_does_not_stop_the_others() {
        let finisher = Finisher::start("test").unwrap();
        finisher.call(|| panic!("on purpose"));
        let (sender, done) = mpsc::channel();
        finisher.call(move || sender.send(()).unwrap());
        done.recv().unwrap();
    }

    #[test]
    fn late_jobs_run_too_and_off_the_callers_stack() {
        let finisher = Finisher::start("test").unwrap();
        finisher.stop();
        let (sender, done) = mpsc::channel();
        finisher.call(move || sender.send(std::thread::current().id()).unwrap());
        assert_ne!(done.recv().unwrap(), std::thread::current().id());
    }
}
