//! Which asynchronous writes of an I/O context are under way, and who waits for them (`rados_aio_flush`).

use std::collections::BTreeSet;

use crate::sync::{Condvar, Mutex};

/// Called once when all writes that were under way at some moment are complete.
pub type OnFlushed = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub struct Writes {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    last: u64,
    pending: BTreeSet<u64>,
    /// In ascending order of what they wait for.
    waiting: Vec<(u64, OnFlushed)>,
    sleepers: usize,
}

impl State {
    /// Whether no write numbered up to `upto` is pending.
    fn reached(&self, upto: u64) -> bool {
        self.pending.first().is_none_or(|first| *first > upto)
    }
}

impl Writes {
    /// A write starts; the number is for [`Writes::end`].
    pub fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        state.pending.insert(number);
        number
    }

    /// A write is complete (its callback is queued already, so that a flush's callback comes after it).
    pub fn end(&self, number: u64) {
        let mut state = self.state.lock();
        state.pending.remove(&number);
        let due = state.waiting.iter().take_while(|(upto, _)| state.reached(*upto)).count();
        let due: Vec<_> = state.waiting.drain(..due).collect();
        let wake = state.sleepers > 0;
        drop(state);
        if wake {
            self.changed.notify_all();
        }
        due.into_iter().for_each(|(_, flushed)| flushed());
    }

    /// Waits until every write that is pending now is complete.
    pub fn flush(&self) {
        let mut state = self.state.lock();
        let upto = state.last;
        state.sleepers += 1;
        while !state.reached(upto) {
            state = self.changed.wait(state);
        }
        state.sleepers -= 1;
    }

    /// Calls `flushed` when every write that is pending now is complete; at once if none is.
    pub fn when_flushed(&self, flushed: OnFlushed) {
        let mut state = self.state.lock();
        let upto = state.last;
        if state.reached(upto) {
            drop(state);
            flushed();
        } else {
            state.waiting.push((upto, flushed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_flush_waits_for_older_writes_only() {
        let writes = Writes::default();
        let flushes = Arc::new(AtomicUsize::new(0));
        let count = || {
            let flushes = flushes.clone();
            Box::new(move || {
                flushes.fetch_add(1, Ordering::SeqCst);
            })
        };
        writes.when_flushed(count());
        assert_eq!(flushes.load(Ordering::SeqCst), 1, "nothing is pending");
        let (first, second) = (writes.begin(), writes.begin());
        writes.when_flushed(count());
        let third = writes.begin();
        writes.when_flushed(count());
        writes.end(second);
        assert_eq!(flushes.load(Ordering::SeqCst), 1);
        writes.end(first);
        assert_eq!(flushes.load(Ordering::SeqCst), 2, "the third was begun later");
        writes.end(third);
        assert_eq!(flushes.load(Ordering::SeqCst), 3);
        writes.flush();
    }

    #[test]
    fn a_sleeping_flush_wakes() {
        let writes = Writes::default();
        let numbers: Vec<_> = (0..10).map(|_| writes.begin()).collect();
        std::thread::scope(|scope| {
            let flusher = scope.spawn(|| writes.flush());
            for number in &numbers[1..] {
                writes.end(*number);
            }
            assert!(!flusher.is_finished());
            writes.end(numbers[0]);
        });
    }
}
