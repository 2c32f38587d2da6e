//! Who may change the image, and when: writers pass a gate that is open while this opener has the exclusive lock.
//!
//! This is the bookkeeping only; `lock.rs` takes and gives up the lock. Rules that make hand-overs safe and lively:
//! - Nobody is inside when the lock is given up: closing waits until the last one has left.
//! - Whoever waited when the gate opened is inside at once, before it can be asked to close again. So two openers that
//!   take the lock from each other both make progress.

use std::sync::Arc;

use crate::sync::Mutex;
use tokio::sync::{Notify, oneshot};

use super::error::{ImageError, ImageResult};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Closed,
    Opening,
    Open,
    Closing,
    /// The image was closed.
    Shut,
}

struct State {
    phase: Phase,
    inside: usize,
    /// Asked to close; new comers wait, and `closing` runs when the last has left.
    close_wanted: bool,
    /// The image is being closed: nobody enters any more.
    shutting: bool,
    waiting: Vec<oneshot::Sender<ImageResult<Permit>>>,
}

pub struct Gate {
    state: Mutex<State>,
    /// The last one inside has left.
    empty: Notify,
    /// The phase changed.
    changed: Notify,
}

/// The right to change the image until it is dropped.
pub struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.inside -= 1;
        if state.inside == 0 && state.close_wanted {
            drop(state);
            self.0.empty.notify_one();
        }
    }
}

/// What [`Gate::enter`] found.
pub enum Entry {
    Inside(Permit),
    /// The answer comes when the gate has opened, or could not. `open`: the caller must see to it that it opens.
    Wait {
        answer: oneshot::Receiver<ImageResult<Permit>>,
        open: bool,
    },
    /// The image was closed.
    Shut,
}

impl Gate {
    pub fn new() -> Arc<Gate> {
        let state = State {
            phase: Phase::Closed,
            inside: 0,
            close_wanted: false,
            shutting: false,
            waiting: Vec::new(),
        };
        Arc::new(Gate { state: Mutex::new(state), empty: Notify::new(), changed: Notify::new() })
    }

    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Whether the image is being closed: who tries to open the gate may stop trying.
    pub fn is_shutting(&self) -> bool {
        self.state.lock().shutting
    }

    /// Enters if the gate is open: the fast path of every write.
    pub fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.state.lock();
        let open = state.phase == Phase::Open && !state.close_wanted && !state.shutting;
        open.then(|| {
            state.inside += 1;
            Permit(self.clone())
        })
    }

    pub fn enter(self: &Arc<Self>) -> Entry {
        let mut state = self.state.lock();
        if state.shutting {
            return Entry::Shut;
        }
        if state.phase == Phase::Open && !state.close_wanted {
            state.inside += 1;
            return Entry::Inside(Permit(self.clone()));
        }
        let (sender, answer) = oneshot::channel();
        state.waiting.push(sender);
        let open = state.phase == Phase::Closed;
        if open {
            state.phase = Phase::Opening;
        }
        Entry::Wait { answer, open }
    }

    /// Begins `Opening` for nobody in particular. True: the caller must call [`Gate::opened`] or [`Gate::not_yet`].
    pub fn want_open(&self) -> bool {
        let mut state = self.state.lock();
        let closed = state.phase == Phase::Closed && !state.shutting;
        if closed {
            state.phase = Phase::Opening;
        }
        closed
    }

    /// Ends what [`Gate::want_open`] began without success. True: somebody waits by now, the gate is still `Opening`, and the
    /// caller must see to it that it opens.
    pub fn not_yet(&self) -> bool {
        let mut state = self.state.lock();
        if state.phase != Phase::Opening || !state.waiting.is_empty() {
            return state.phase == Phase::Opening;
        }
        state.phase = Phase::Closed;
        drop(state);
        self.changed.notify_waiters();
        false
    }

    /// Ends `Opening`: everybody who waits is inside now, or fails.
    pub fn opened(self: &Arc<Self>, outcome: ImageResult<()>) {
        let mut state = self.state.lock();
        if state.phase != Phase::Opening {
            return; // shut meanwhile
        }
        let waiting = std::mem::take(&mut state.waiting);
        state.phase = if outcome.is_ok() { Phase::Open } else { Phase::Closed };
        state.close_wanted = false;
        if outcome.is_ok() {
            state.inside += waiting.len();
        }
        drop(state);
        self.changed.notify_waiters();
        for sender in waiting {
            // Who does not wait any more drops the permit with the answer.
            let _ = sender.send(outcome.clone().map(|()| Permit(self.clone())));
        }
    }

    /// Asks the gate to close. True: the caller must call [`Gate::closing`] and what follows it.
    pub fn want_close(&self) -> bool {
        let mut state = self.state.lock();
        let first = state.phase == Phase::Open && !state.close_wanted;
        if first {
            state.close_wanted = true;
        }
        first
    }

    /// Waits until nobody is inside; the gate is `Closing` then.
    pub async fn closing(&self) {
        loop {
            {
                let mut state = self.state.lock();
                if state.inside == 0 {
                    if state.phase == Phase::Open {
                        state.phase = Phase::Closing;
                    }
                    return;
                }
            }
            self.empty.notified().await;
        }
    }

    /// Ends `Closing`. True: somebody waits, the gate is `Opening`, and the caller must see to it that it opens.
    pub fn closed(&self) -> bool {
        let mut state = self.state.lock();
        if state.phase != Phase::Closing {
            return false;
        }
        state.close_wanted = false;
        let again = !state.waiting.is_empty();
        state.phase = if again { Phase::Opening } else { Phase::Closed };
        drop(state);
        self.changed.notify_waiters();
        again
    }

    /// Ends `Closing` because the lock could not be given up: the gate is open as before.
    pub fn stays_open(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Closing {
                return;
            }
            state.phase = Phase::Opening;
        }
        self.opened(Ok(()));
    }

    /// The first step of [`Gate::shut`], by itself.
    pub fn begin_shut(&self) {
        self.state.lock().shutting = true;
    }

    /// For good: nobody enters any more, and those who wait fail. Waits until nobody is inside. Answers whether the
    /// gate was open, that is, whether the lock is still to be given up.
    pub async fn shut(&self, error: ImageError) -> bool {
        self.begin_shut();
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                match state.phase {
                    Phase::Open if !state.close_wanted => {
                        state.close_wanted = true;
                        break;
                    }
                    Phase::Closed => break,
                    Phase::Shut => return false,
                    // Somebody is about to change the phase; its end is worth waiting for.
                    Phase::Open | Phase::Opening | Phase::Closing => {}
                }
            }
            changed.await;
        }
        self.closing().await;
        let mut state = self.state.lock();
        let was_open = state.phase == Phase::Closing;
        state.phase = Phase::Shut;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_waiters();
        for sender in waiting {
            let _ = sender.send(Err(error.clone()));
        }
        was_open
    }

    /// Completes when the phase is, or has become, another than `phase`.
    pub async fn leaves(&self, phase: Phase) {
        loop {
            let changed = self.changed.notified();
            if self.phase() != phase {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;

    fn failure() -> ImageError {
        ImageError::Errno { errno: Errno::EROFS, what: "test".into() }
    }

    #[tokio::test]
    async fn waiters_get_in_when_it_opens_and_keep_it_open() {
        let gate = Gate::new();
        assert!(gate.try_enter().is_none());
        let Entry::Wait { answer: first, open: true } = gate.enter() else { panic!() };
        let Entry::Wait { answer: second, open: false } = gate.enter() else { panic!() };
        gate.opened(Ok(()));
        assert!(gate.want_close());
        assert!(!gate.want_close(), "already asked");
        assert!(gate.try_enter().is_none(), "new comers wait once it is to close");
        let closing = tokio::spawn({
            let gate = gate.clone();
            async move { gate.closing().await }
        });
        drop(first.await.unwrap().unwrap());
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        drop(second);
        closing.await.unwrap();
        assert_eq!(gate.phase(), Phase::Closing);
        let Entry::Wait { answer: third, open: false } = gate.enter() else { panic!() };
        assert!(gate.closed(), "somebody waits: take it again");
        gate.opened(Err(failure()));
        assert_eq!(third.await.unwrap().err().unwrap().errno(), Errno::EROFS);
        assert_eq!(gate.phase(), Phase::Closed);
    }

    #[tokio::test]
    async fn opening_for_nobody_keeps_nobody_waiting() {
        let gate = Gate::new();
        assert!(gate.want_open());
        assert!(!gate.want_open(), "it is opening");
        assert!(!gate.not_yet());
        assert_eq!(gate.phase(), Phase::Closed);
        assert!(gate.want_open());
        let Entry::Wait { answer, open: false } = gate.enter() else { panic!() };
        assert!(gate.not_yet(), "somebody waits");
        gate.opened(Ok(()));
        answer.await.unwrap().unwrap();
        assert!(!gate.want_open(), "it is open");
        gate.begin_shut();
        assert!(gate.shut(failure()).await);
        assert!(!gate.want_open());
    }

    #[tokio::test]
    async fn shutting_waits_for_those_inside_and_fails_the_others() {
        let gate = Gate::new();
        let Entry::Wait { answer, open: true } = gate.enter() else { panic!() };
        gate.opened(Ok(()));
        let permit = answer.await.unwrap().unwrap();
        let shut = tokio::spawn({
            let gate = gate.clone();
            async move { gate.shut(failure()).await }
        });
        tokio::task::yield_now().await;
        assert!(gate.is_shutting());
        drop(permit);
        assert!(shut.await.unwrap(), "the lock is still to be given up");
        assert!(matches!(gate.enter(), Entry::Shut));
        assert!(!gate.shut(failure()).await);
    }
}
