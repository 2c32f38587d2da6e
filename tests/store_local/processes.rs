//! Several processes on one store: compare-and-set without a lost update, watch and notify, the death of a watcher.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use logrbd::errno::Errno;
use logrbd::store::{
    CmpMode, CmpValue, Op, OpOut, PoolId, Request, Store, StoreError, Target, WatchCookie, WatchHandler,
};
use std::sync::Mutex;

use crate::child::{Process, say};
use crate::model::open;

fn target() -> Target {
    Target::new(PoolId(1), "", "o")
}

async fn run(store: &dyn Store, ops: Vec<Op>) -> logrbd::store::Reply {
    store.operate(Request::new(target(), ops)).await.unwrap()
}

async fn number(store: &dyn Store) -> u64 {
    let reply = run(store, vec![Op::GetXattr { name: "n".into() }]).await;
    match reply.ops.first().map(|op| &op.out) {
        Some(OpOut::Data(data)) => std::str::from_utf8(data).unwrap().parse().unwrap(),
        out => panic!("{out:?}"),
    }
}

/// Adds 1 so many times, each time by a guarded list that also appends a byte.
pub async fn count(path: &Path, arguments: &[u64]) {
    let store = open(path);
    let mut left = arguments[0];
    while left > 0 {
        let n = number(&*store).await;
        let reply = run(
            &*store,
            vec![
                Op::CmpXattr { name: "n".into(), mode: CmpMode::Eq, value: CmpValue::U64(n) },
                Op::SetXattr { name: "n".into(), value: Bytes::from((n + 1).to_string()) },
                Op::Append { data: Bytes::from_static(b"x") },
            ],
        )
        .await;
        match reply.result {
            0 => left -= 1,
            result => assert_eq!(result, Errno::ECANCELED.negated()),
        }
    }
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_lose_no_update() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    // All open a folder that is not there yet.
    let starters: Vec<Process> = (0..8).map(|_| Process::start("count", &path, &[0])).collect();
    starters.into_iter().for_each(Process::wait);
    let store = open(&path);
    run(&*store, vec![Op::SetXattr { name: "n".into(), value: Bytes::from_static(b"0") }]).await;
    let children: Vec<Process> = (0..8).map(|_| Process::start("count", &path, &[40])).collect();
    children.into_iter().for_each(Process::wait);
    assert_eq!(number(&*store).await, 320);
    let reply = run(&*store, vec![Op::Stat]).await;
    assert!(matches!(reply.ops[0].out, OpOut::Stat { size: 320, .. }), "{reply:?}");
    store.shutdown().await;
}

struct Recorder {
    store: Mutex<Option<Arc<dyn Store>>>,
    seen: tokio::sync::mpsc::UnboundedSender<String>,
}

impl WatchHandler for Recorder {
    fn notify(&self, notify_id: u64, cookie: WatchCookie, _notifier: u64, payload: Bytes) {
        let _ = self.seen.send(format!("notify {}", String::from_utf8_lossy(&payload)));
        if let Some(store) = &*self.store.lock().unwrap() {
            drop(store.notify_ack(target(), notify_id, cookie, Bytes::from_static(b"pong")));
        }
    }

    fn error(&self, _cookie: WatchCookie, error: StoreError) {
        let _ = self.seen.send(format!("error {error}"));
    }
}

fn recorder(store: Option<Arc<dyn Store>>) -> (Arc<Recorder>, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (seen, heard) = tokio::sync::mpsc::unbounded_channel();
    (Arc::new(Recorder { store: Mutex::new(store), seen }), heard)
}

/// Watches, answers, and says what it hears.
pub async fn watch(path: &Path) {
    let store = open(path);
    let (recorder, mut heard) = recorder(Some(store.clone()));
    store.watch(target(), 0, recorder).await.unwrap();
    say(&format!("watching {}", store.addrs()));
    while let Some(line) = heard.recv().await {
        say(&line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_cross_processes_and_the_dead_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let (silent, mut heard) = recorder(None);
    assert_eq!(store.watch(target(), 0, silent.clone()).await, Err(StoreError::Op(Errno::ENOENT)));
    run(&*store, vec![Op::Create { exclusive: true }]).await.ok().unwrap();
    let mut child = Process::start("watch", &path, &[]);
    let address = child.line().unwrap().strip_prefix("watching ").unwrap().to_owned();

    // An answer from the other process.
    let reply = store.notify(target(), Bytes::from_static(b"ping"), 20_000).await.unwrap();
    assert_eq!((reply.acks.len(), reply.timeouts.len()), (1, 0));
    assert_eq!(reply.acks[0].payload, "pong");
    assert_eq!(child.line().unwrap(), "notify ping");
    let watchers = run(&*store, vec![Op::ListWatchers]).await.ops.remove(0).out;
    let OpOut::Watchers(watchers) = watchers else { panic!("{watchers:?}") };
    assert_eq!((watchers.len(), &watchers[0].0, watchers[0].3), (1, &address, 30));

    // A watcher that hears but does not answer.
    let cookie = store.watch(target(), 7, silent).await.unwrap();
    let reply = store.notify(target(), Bytes::from_static(b"hey"), 300).await.unwrap();
    assert_eq!(reply.timeouts, vec![(store.instance_id(), cookie.0)]);
    assert_eq!(heard.recv().await.unwrap(), "notify hey");
    assert_eq!(child.line().unwrap(), "notify hey");
    store.unwatch(cookie).await.unwrap();
    assert_eq!(store.watch_check(cookie).await, Err(StoreError::Op(Errno::ENOTCONN)));

    // Removal ends the watch, in the other process too.
    run(&*store, vec![Op::Remove]).await.ok().unwrap();
    assert_eq!(child.line().unwrap(), "error ENOTCONN");
    child.kill();

    // A watcher that was killed is not counted, and not waited for.
    run(&*store, vec![Op::Create { exclusive: true }]).await.ok().unwrap();
    let mut child = Process::start("watch", &path, &[]);
    child.line().unwrap();
    child.kill();
    let begin = Instant::now();
    let watchers = run(&*store, vec![Op::ListWatchers]).await.ops.remove(0).out;
    assert_eq!(watchers, OpOut::Watchers(vec![]));
    let reply = store.notify(target(), Bytes::new(), 30_000).await.unwrap();
    assert_eq!(reply.acks.len(), 0);
    assert!(begin.elapsed() < Duration::from_secs(10));

    // A fenced client learns of it, and can do nothing any more.
    let mut child = Process::start("watch", &path, &[]);
    let address = child.line().unwrap().strip_prefix("watching ").unwrap().to_owned();
    store.blocklist_add(&address, 0).await.unwrap();
    assert_eq!(child.line().unwrap(), format!("error {}", StoreError::Blocklisted));
    assert_eq!(store.blocklist_add("nonsense", 0).await, Err(StoreError::Op(Errno::EINVAL)));
    let other = open(&path);
    store.blocklist_add(&other.addrs(), 0).await.unwrap();
    let write = || other.operate(Request::new(target(), vec![Op::Append { data: Bytes::from_static(b"x") }]));
    assert_eq!(write().await, Err(StoreError::Blocklisted));
    assert_eq!(other.operate(Request::new(target(), vec![Op::Stat])).await, Err(StoreError::Blocklisted));
    other.shutdown().await;
    assert_eq!(write().await, Err(StoreError::ShutDown));
    // A new client from the same machine is another one.
    let other = open(&path);
    assert_eq!(run(&*other, vec![Op::Stat]).await.result, 0);
    other.shutdown().await;
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_to_one_object_keep_the_order_of_their_calls() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    // Large data is staged beside the queue, small data is not: the order must not depend on that.
    let big = |byte: u8| Op::WriteFull { data: Bytes::from(vec![byte; 3 << 20]) };
    let mut pending = Vec::new();
    for round in 0..6u8 {
        pending.push(store.operate(Request::new(target(), vec![big(round)])));
        pending
            .push(store.operate(Request::new(target(), vec![Op::Append { data: Bytes::from(vec![round]) }])));
        pending.push(store.operate(Request::new(target(), vec![Op::Stat])));
        pending
            .push(store.operate(Request::new(target(), vec![Op::Read { offset: (3 << 20) - 1, length: 9 }])));
        pending.push(store.operate(Request::new(target(), vec![Op::Truncate { size: 5 }])));
    }
    let mut replies = Vec::new();
    for reply in pending {
        replies.push(reply.await.unwrap());
    }
    for (round, replies) in replies.chunks(5).enumerate() {
        let size = (3 << 20) + 1;
        assert!(matches!(replies[2].ops[0].out, OpOut::Stat { size: got, .. } if got == size), "{replies:?}");
        assert_eq!(replies[3].ops[0].out, OpOut::Data(Bytes::from(vec![round as u8; 2])));
    }
    store.shutdown().await;
}
