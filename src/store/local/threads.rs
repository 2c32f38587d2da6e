//! The store's own threads: readers and helpers that take jobs from one queue. Nothing runs before `open`.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex};

use super::schema::Db;

/// Work for any helper; it has a database connection of its own.
pub(super) type Job = Box<dyn FnOnce(&Db) + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
}

impl Pool {
    /// Hands in a job; after `close` it is given back.
    pub fn submit(&self, job: Job) -> Result<(), Job> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// Jobs that are queued are still done.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// A helper's life.
    pub fn run(&self, db: &Db) {
        loop {
            let mut state = self.state.lock();
            let job = loop {
                if let Some(job) = state.jobs.pop_front() {
                    break job;
                }
                if state.closed {
                    return;
                }
                state = self.changed.wait(state);
            };
            drop(state);
            job(db);
        }
    }
}
