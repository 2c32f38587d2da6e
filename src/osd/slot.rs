//! Where an answer goes: one allocation for a request's future, and no channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{OpAnswer, OsdError};
use crate::sync::Mutex;

pub(super) type Answer = Result<OpAnswer, OsdError>;

enum State {
    Empty,
    Waiting(Waker),
    Ready(Answer),
    Taken,
}

struct Slot(Mutex<State>);

impl Slot {
    fn fill(&self, answer: Answer) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Ready(answer));
        if let State::Waiting(waker) = before {
            waker.wake();
        }
    }
}

/// Completes with the answer.
pub(super) struct Wait(Arc<Slot>);

impl Future for Wait {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.0.0.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(answer) => Poll::Ready(answer),
            State::Empty | State::Waiting(_) => {
                *state = State::Waiting(cx.waker().clone());
                Poll::Pending
            }
            State::Taken => Poll::Pending,
        }
    }
}

/// Who is told of an answer, exactly once. One that is dropped instead says that the client was shut down.
pub(super) struct Done(Option<Target>);

enum Target {
    Slot(Arc<Slot>),
    Call(Box<dyn FnOnce(Answer) + Send>),
}

impl Done {
    pub(super) fn slot() -> (Done, Wait) {
        let slot = Arc::new(Slot(Mutex::new(State::Empty)));
        (Done(Some(Target::Slot(slot.clone()))), Wait(slot))
    }

    pub(super) fn call(call: impl FnOnce(Answer) + Send + 'static) -> Done {
        Done(Some(Target::Call(Box::new(call))))
    }

    /// Not to be called while a lock is held.
    pub(super) fn tell(mut self, answer: Answer) {
        self.finish(answer);
    }

    fn finish(&mut self, answer: Answer) {
        match self.0.take() {
            Some(Target::Slot(slot)) => slot.fill(answer),
            Some(Target::Call(call)) => call(answer),
            None => {}
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.finish(Err(OsdError::ShutDown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_arrives_before_or_after_the_wait() {
        let (done, wait) = Done::slot();
        done.tell(Ok(OpAnswer { result: 5, ..OpAnswer::default() }));
        assert_eq!(wait.await.unwrap().result, 5);

        let (done, wait) = Done::slot();
        let waiting = tokio::spawn(wait);
        tokio::task::yield_now().await;
        done.tell(Err(OsdError::Full));
        assert_eq!(waiting.await.unwrap().unwrap_err(), OsdError::Full);
    }

    #[tokio::test]
    async fn a_forgotten_one_is_answered_too() {
        let (done, wait) = Done::slot();
        drop(done);
        assert_eq!(wait.await.unwrap_err(), OsdError::ShutDown);
    }
}
