//! Who gets the answer of an op list: a task that waits, or a function.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::store::{Done, Reply, StoreError, StoreResult};

enum To {
    Task(oneshot::Sender<StoreResult<Reply>>),
    Call(Done),
}

/// Dropped without an answer it answers [`StoreError::ShutDown`].
pub(super) struct Answer(Option<To>);

impl Answer {
    pub fn to_task() -> (Answer, oneshot::Receiver<StoreResult<Reply>>) {
        let (sender, answered) = oneshot::channel();
        (Answer(Some(To::Task(sender))), answered)
    }

    pub fn to(done: Done) -> Answer {
        Answer(Some(To::Call(done)))
    }

    pub fn give(mut self, result: StoreResult<Reply>) {
        self.answer(result);
    }

    fn answer(&mut self, result: StoreResult<Reply>) {
        match self.0.take() {
            Some(To::Task(sender)) => {
                // The caller may have lost interest.
                let _ = sender.send(result);
            }
            Some(To::Call(done)) => {
                // A panic of the caller's must not end the store's thread.
                let told = catch_unwind(AssertUnwindSafe(|| done(result)));
                told.unwrap_or_else(|_| tracing::error!("a function that takes an answer panicked"));
            }
            None => {}
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.answer(Err(StoreError::ShutDown));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn each_is_given_once() {
        let count = Arc::new(AtomicUsize::new(0));
        let answer = |wanted: StoreResult<u64>| {
            let count = count.clone();
            Answer::to(Box::new(move |result| {
                assert_eq!(result.map(|reply| reply.version), wanted);
                count.fetch_add(1, Ordering::SeqCst);
            }))
        };
        answer(Ok(7)).give(Ok(Reply { version: 7, ..Reply::default() }));
        drop(answer(Err(StoreError::ShutDown)));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        Answer::to(Box::new(|_| panic!("on purpose"))).give(Ok(Reply::default()));
    }
}
