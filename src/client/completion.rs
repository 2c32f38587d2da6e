//! The state of one asynchronous call, as librados and librbd completions share it.
//!
//! Three steps, each taken once: *claimed* (an outcome is decided: the reply, or a cancellation that came first),
//! *complete* (the outcome can be read), *called* (the callback returned). The callback belongs to the C side; this
//! only knows whether there is one.

use crate::sync::{Condvar, Mutex};

#[derive(Default)]
pub struct Completion {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    claimed: bool,
    complete: bool,
    /// A callback is still to be run (or running).
    callback_due: bool,
    result: i64,
    version: u64,
    waiters: usize,
}

impl Completion {
    pub fn new(has_callback: bool) -> Completion {
        let state = State { callback_due: has_callback, ..State::default() };
        Completion { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Claims the right to decide the outcome. Only who gets `true` may write to the caller's buffers and then call
    /// [`Completion::complete`].
    pub fn claim(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().claimed, true)
    }

    /// Publishes the outcome and wakes the waiters. Returns whether a callback is due: queue it on the finisher then,
    /// and call [`Completion::called`] after it.
    pub fn complete(&self, result: i64, version: u64) -> bool {
        let mut state = self.state.lock();
        debug_assert!(!state.complete, "completed twice");
        state.claimed = true;
        state.complete = true;
        state.result = result;
        state.version = version;
        let due = state.callback_due;
        let wake = state.waiters > 0;
        drop(state);
        if wake {
            self.changed.notify_all();
        }
        due
    }

    /// The callback has returned.
    pub fn called(&self) {
        let mut state = self.state.lock();
        state.callback_due = false;
        let wake = state.waiters > 0;
        drop(state);
        if wake {
            self.changed.notify_all();
        }
    }

    pub fn is_complete(&self) -> bool {
        self.state.lock().complete
    }

    pub fn is_called(&self) -> bool {
        let state = self.state.lock();
        state.complete && !state.callback_due
    }

    /// Waits for the outcome.
    pub fn wait(&self) {
        self.wait_until(|state| state.complete);
    }

    /// Waits for the outcome and for the callback to have returned.
    pub fn wait_called(&self) {
        self.wait_until(|state| state.complete && !state.callback_due);
    }

    fn wait_until(&self, reached: impl Fn(&State) -> bool) {
        let mut state = self.state.lock();
        state.waiters += 1;
        while !reached(&state) {
            state = self.changed.wait(state);
        }
        state.waiters -= 1;
    }

    /// The outcome; 0 before there is one.
    pub fn result(&self) -> i64 {
        self.state.lock().result
    }

    /// The object's version that came with the outcome; 0 before.
    pub fn version(&self) -> u64 {
        self.state.lock().version
    }
}

#[cfg(test)]
#[path = "completion_tests.rs"]
mod tests;
