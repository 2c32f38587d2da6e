//! Sessions, contexts and watches on a store in memory.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::time::Duration;

use crate::sync::Mutex;
use bytes::Bytes;

use super::*;
use crate::errno::Errno;
use crate::finisher::{Finish, Job};
use crate::runtime;
use crate::store::model::ModelCluster;
use crate::store::{Op, OpFlags, OpOut, Request, StoreError, StoreResult, WatchCookie};

/// Long enough for a machine under load; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(cluster: &ModelCluster) -> Arc<Session> {
    Session::new(cluster.client(), runtime::start(2).unwrap()).unwrap()
}

fn pool(cluster: &ModelCluster) -> Arc<IoCtx> {
    Arc::new(IoCtx::open(connect(cluster), "rbd").unwrap())
}

fn append(io: &IoCtx, oid: &str, data: &str) -> Request {
    let op = Op::Append { data: Bytes::copy_from_slice(data.as_bytes()) };
    io.write_request(oid, vec![(op, 0)], OpFlags::default()).unwrap()
}

fn content(io: &IoCtx, oid: &str) -> StoreResult<Bytes> {
    let op = Op::Read { offset: 0, length: 1 << 20 };
    let reply = io.run(io.request(oid, vec![(op, 0)], OpFlags::default()))?.ok()?;
    match &reply.ops[0].out {
        OpOut::Data(data) => Ok(data.clone()),
        other => panic!("{other:?}"),
    }
}

/// A completion with a callback that sends its result.
struct Done {
    core: Completion,
    tell: Mutex<Sender<i64>>,
}

impl Finish for Done {
    fn finish(self: Arc<Self>) {
        self.tell.lock().send(self.core.result()).unwrap();
        self.core.called();
    }
}

#[test]
fn writes_take_effect_in_order_and_callbacks_follow_them() {
    let io = pool(&ModelCluster::new());
    let (tell, told) = channel();
    for n in 0..500 {
        let done = Arc::new(Done { core: Completion::new(true), tell: Mutex::new(tell.clone()) });
        let session = io.session().clone();
        io.start(append(&io, "o", &format!("{n:03}")), true, move |reply| {
            assert_eq!(reply.unwrap().result, 0);
            assert!(done.core.claim());
            if done.core.complete(n, 0) {
                session.callbacks().queue(Job::Finish(done));
            }
        });
    }
    io.writes().flush();
    let expected: String = (0..500).map(|n| format!("{n:03}")).collect();
    assert_eq!(content(&io, "o").unwrap(), expected);
    let mut results: Vec<_> = (0..500).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    results.sort_unstable();
    assert_eq!(results, (0..500).collect::<Vec<_>>());
    io.session().shutdown();
    assert!(told.try_recv().is_err(), "no callback comes twice");
}

#[test]
fn a_callback_may_make_calls_and_shut_down() {
    let io = pool(&ModelCluster::new());
    let (tell, told) = channel();
    let inner = io.clone();
    io.session().callbacks().call(move || {
        inner.run(append(&inner, "o", "made inside")).unwrap();
        let found = content(&inner, "o");
        inner.session().shutdown();
        tell.send((found, content(&inner, "o"))).unwrap();
    });
    let (found, after) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(found.unwrap(), "made inside");
    assert_eq!(after, Err(StoreError::ShutDown));
}

#[test]
fn reads_at_a_snapshot_allow_no_writes() {
    let io = pool(&ModelCluster::new());
    io.set_read_snap(crate::store::SnapId(3));
    let write = || io.write_request("o", vec![(Op::Remove, 0)], OpFlags::default());
    assert_eq!(write().unwrap_err(), Errno::EROFS);
    io.set_read_snap(crate::store::SnapId(0));
    assert!(write().is_ok());
}

#[test]
fn a_panic_of_the_store_is_an_error_and_ends_the_flush() {
    let io = pool(&ModelCluster::new());
    let (tell, told) = channel();
    let number = io.writes().begin();
    let writes = io.clone();
    let panics: crate::store::BoxFuture<StoreResult<()>> = Box::pin(async { panic!("on purpose") });
    io.session().start(panics, move |answer| {
        tell.send(answer).unwrap();
        writes.writes().end(number);
    });
    assert!(matches!(told.recv_timeout(PATIENCE).unwrap(), Err(StoreError::Io { .. })));
    io.writes().flush();
    io.session().shutdown();
}

#[test]
fn an_object_with_its_own_name_as_key_has_no_key() {
    let io = pool(&ModelCluster::new());
    let plain = io.target("o");
    io.set_key("o");
    assert_eq!(io.target("o"), plain);
    assert_ne!(io.target("p"), plain);
}

/// A watcher that sends what it hears, and acknowledges or not.
struct Ear {
    tell: Mutex<Sender<String>>,
    io: Arc<IoCtx>,
    answers: bool,
    heard: AtomicUsize,
}

impl Ear {
    fn new(io: &Arc<IoCtx>, answers: bool, tell: Sender<String>) -> Arc<Ear> {
        Arc::new(Ear { tell: Mutex::new(tell), io: io.clone(), answers, heard: AtomicUsize::new(0) })
    }
}

impl Watcher for Ear {
    fn notified(&self, notification: Notification) {
        self.heard.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8_lossy(&notification.payload).into_owned();
        self.tell.lock().send(text).unwrap();
        if self.answers {
            let (session, target) = (self.io.session(), self.io.target("o"));
            let payload = Bytes::from_static(b"heard");
            let ack = session.store().notify_ack(target, notification.id, notification.cookie, payload);
            session.wait(ack).unwrap();
        }
    }

    fn failed(&self, _: WatchCookie, errno: Errno) {
        self.tell.lock().send(errno.to_string()).unwrap();
    }

    fn acks_itself(&self) -> bool {
        self.answers
    }
}

fn notify(io: &IoCtx, text: &'static str) -> crate::store::NotifyReply {
    let notify = io.session().store().notify(io.target("o"), Bytes::from_static(text.as_bytes()), 60_000);
    io.session().wait(notify).unwrap()
}

#[test]
fn watchers_are_told_and_answer() {
    let io = pool(&ModelCluster::new());
    io.run(append(&io, "o", "x")).unwrap();
    let (tell, told) = channel();
    let ear = Ear::new(&io, true, tell);
    let session = io.session().clone();
    let cookie = session.wait(session.clone().watch(io.target("o"), 0, ear.clone())).unwrap();
    // From a callback too: a client may wait there for its own watch's answer.
    let (reply_to, reply) = channel();
    let inner = io.clone();
    session.callbacks().call(move || reply_to.send(notify(&inner, "one")).unwrap());
    let reply = reply.recv_timeout(PATIENCE).unwrap();
    assert_eq!((reply.acks.len(), &reply.acks[0].payload[..], reply.timeouts.len()), (1, &b"heard"[..], 0));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "one");
    session.wait(session.clone().unwatch(cookie)).unwrap();
    session.watch_flush_wait().unwrap();
    assert_eq!(notify(&io, "two").acks.len(), 0);
    assert_eq!(ear.heard.load(Ordering::SeqCst), 1);
    session.shutdown();
}

#[test]
fn who_does_not_acknowledge_is_acknowledged_for() {
    let io = pool(&ModelCluster::new());
    io.run(append(&io, "o", "x")).unwrap();
    let (tell, told) = channel();
    let session = io.session().clone();
    let cookie = session.wait(session.clone().watch(io.target("o"), 0, Ear::new(&io, false, tell))).unwrap();
    let reply = notify(&io, "one");
    assert_eq!((reply.acks.len(), reply.acks[0].payload.len()), (1, 0));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "one");
    // The object's end is the watch's, and its owner is told.
    io.run(io.write_request("o", vec![(Op::Remove, 0)], OpFlags::default()).unwrap()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "ENOTCONN");
    assert!(session.wait(session.clone().unwatch(cookie)).is_err());
    session.shutdown();
}

#[test]
fn events_of_an_ended_watch_are_dropped() {
    let io = pool(&ModelCluster::new());
    io.run(append(&io, "o", "x")).unwrap();
    let session = io.session().clone();
    let (tell, told) = channel();
    let slow = Ear::new(&io, true, tell.clone());
    let ended = Ear::new(&io, true, tell);
    session.wait(session.clone().watch(io.target("o"), 0, slow)).unwrap();
    let cookie = session.wait(session.clone().watch(io.target("o"), 0, ended.clone())).unwrap();
    // Keeps the watch finisher busy until the watch is ended, with its event queued.
    let (open, gate) = channel::<()>();
    session.watches.finisher().unwrap().call(move || gate.recv().unwrap());
    let mut notify = session.store().notify(io.target("o"), Bytes::from_static(b"late"), 60_000);
    // The model store calls the handlers in the first poll.
    session.wait(poll_fn(|context| {
        assert!(notify.as_mut().poll(context).is_pending());
        Poll::Ready(())
    }));
    session.wait(session.clone().unwatch(cookie)).unwrap();
    open.send(()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "late");
    session.wait(notify).unwrap();
    session.watch_flush_wait().unwrap();
    assert_eq!(ended.heard.load(Ordering::SeqCst), 0);
    session.shutdown();
}

#[test]
fn listings_page_through_and_seek_back() {
    let io = pool(&ModelCluster::new());
    for n in 0..2500 {
        io.run(append(&io, &format!("o{n}"), "x")).unwrap();
    }
    let list = listing::Listing::open(io.clone());
    let mut seen = Vec::new();
    let mut middle = None;
    while let Some(entry) = list.next().unwrap() {
        seen.push(entry.oid);
        if seen.len() == 1700 {
            middle = Some(list.position());
        }
    }
    assert_eq!(seen.len(), 2500);
    list.seek(middle.unwrap());
    let again: Vec<_> = std::iter::from_fn(|| list.next().unwrap()).map(|entry| entry.oid).collect();
    assert_eq!(again, seen[1699..]);
    io.session().shutdown();
}
