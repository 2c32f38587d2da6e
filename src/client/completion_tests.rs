//! Completions and finishers together: order, exactly once, waits and releases inside callbacks, many threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::finisher::{Finish, Finisher, Job};

/// A completion with a callback, as the C side builds one.
struct WithCallback {
    core: Completion,
    calls: AtomicUsize,
    body: Box<dyn Fn(&WithCallback) + Send + Sync>,
}

impl Finish for WithCallback {
    fn finish(self: Arc<Self>) {
        (self.body)(&self);
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.core.called();
    }
}

fn with_callback(body: impl Fn(&WithCallback) + Send + Sync + 'static) -> Arc<WithCallback> {
    Arc::new(WithCallback { core: Completion::new(true), calls: AtomicUsize::new(0), body: Box::new(body) })
}

fn deliver(finisher: &Finisher, completion: &Arc<WithCallback>, result: i64) {
    if completion.core.claim() && completion.core.complete(result, 0) {
        finisher.queue(Job::Finish(completion.clone()));
    }
}

#[test]
fn without_a_callback_complete_is_all() {
    let completion = Completion::new(false);
    assert!(!completion.is_complete() && !completion.is_called());
    assert!(completion.claim());
    assert!(!completion.complete(7, 9));
    assert!(completion.is_complete() && completion.is_called());
    completion.wait_called();
    assert_eq!((completion.result(), completion.version()), (7, 9));
}

#[test]
fn only_one_outcome() {
    let completion = Completion::new(false);
    assert!(completion.claim());
    assert!(!completion.claim(), "a late reply or a second cancellation must not win");
}

#[test]
fn complete_is_seen_before_the_callback_has_returned() {
    let finisher = Finisher::start("test").unwrap();
    let (enter, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let completion = with_callback(move |_| gate.lock().recv().unwrap());
    deliver(&finisher, &completion, 1);
    completion.core.wait();
    assert!(completion.core.is_complete() && !completion.core.is_called());
    enter.send(()).unwrap();
    completion.core.wait_called();
    assert_eq!(completion.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_callback_may_wait_for_another_completion() {
    let finisher = Arc::new(Finisher::start("test").unwrap());
    let second = with_callback(|_| ());
    let (waits_for, queue) = (second.clone(), finisher.clone());
    let first = with_callback(move |own| {
        assert_eq!(own.core.result(), 1);
        own.core.wait();
        let (queue, other) = (queue.clone(), waits_for.clone());
        std::thread::spawn(move || deliver(&queue, &other, 2));
        waits_for.core.wait();
        assert!(!waits_for.core.is_called(), "its callback is behind this one");
    });
    deliver(&finisher, &first, 1);
    first.core.wait_called();
    second.core.wait_called();
    assert_eq!(second.core.result(), 2);
}

#[test]
fn callbacks_come_in_the_order_of_completion() {
    let finisher = Finisher::start("test").unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let all: Vec<_> = (0..1000)
        .map(|n| {
            let order = order.clone();
            with_callback(move |_| order.lock().push(n))
        })
        .collect();
    for (n, completion) in all.iter().enumerate() {
        deliver(&finisher, completion, n as i64);
    }
    all.iter().for_each(|completion| completion.core.wait_called());
    assert_eq!(*order.lock(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn racing_deliveries_and_waiters() {
    let finisher = Finisher::start("test").unwrap();
    for round in 0..200 {
        let completion = with_callback(|_| ());
        std::thread::scope(|scope| {
            for racer in 0..3 {
                let (finisher, completion) = (&finisher, &completion);
                scope.spawn(move || deliver(finisher, completion, racer));
            }
            for _ in 0..2 {
                let completion = &completion;
                scope.spawn(move || {
                    completion.core.wait_called();
                    assert_eq!(completion.calls.load(Ordering::SeqCst), 1, "round {round}");
                });
            }
        });
    }
}
