//! The model against what Ceph 16.2.15 was seen to answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sync::Mutex;
use bytes::Bytes;

use super::ModelCluster;
use crate::errno::Errno;
use crate::store::lock::{self, LockInfo, LockOp, LockType, UnlockOp};
use crate::store::{
    CmpMode, CmpValue, ListCursor, Op, OpOut, PoolId, Reply, Request, Store, StoreError, Target, WatchCookie,
    WatchHandler,
};

fn target(oid: &str) -> Target {
    Target::new(PoolId(1), "", oid)
}

async fn run(store: &Arc<dyn Store>, oid: &str, ops: Vec<Op>) -> Reply {
    store.operate(Request::new(target(oid), ops)).await.unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn cmp(mode: CmpMode, value: &str) -> Op {
    Op::CmpXattr { name: "n".into(), mode, value: CmpValue::Bytes(bytes(value)) }
}

async fn size(store: &Arc<dyn Store>, oid: &str) -> Option<u64> {
    match run(store, oid, vec![Op::Stat]).await.ops.first().map(|op| &op.out) {
        Some(OpOut::Stat { size, .. }) => Some(*size),
        _ => None,
    }
}

#[tokio::test]
async fn results_are_cephs() {
    let store = ModelCluster::new().client();
    let s = &store;
    let write = |offset, text| Op::Write { offset, data: bytes(text) };
    // A missing object.
    for (ops, result) in [
        (vec![Op::Truncate { size: 5 }], 0),
        (vec![Op::Zero { offset: 0, length: 5 }], 0),
        (vec![], 0),
        (vec![Op::Remove], -libc::ENOENT),
        (vec![Op::RmXattr { name: "a".into() }], -libc::ENOENT),
        (vec![Op::OmapClear], -libc::ENOENT),
        (vec![cmp(CmpMode::Eq, ""), Op::Create { exclusive: false }], -libc::ENOENT),
        (vec![Op::CmpExt { offset: 0, data: bytes("\0a") }, Op::Create { exclusive: false }], -4096),
        (vec![Op::AssertVersion(3), Op::Create { exclusive: false }], -libc::EOVERFLOW),
        (vec![Op::AssertVersion(3)], -libc::ENOENT),
        (vec![Op::Read { offset: 0, length: 0 }], -libc::ENOENT),
    ] {
        let reply = run(s, "o", ops.clone()).await;
        assert_eq!(reply.result, result, "{ops:?}");
        assert_eq!(size(s, "o").await, None, "{ops:?}");
    }
    // Sizes.
    for (op, result, after) in [
        (write(0, "hello"), 0, 5),
        (write(100, ""), 0, 100),
        (write(10, ""), 0, 100),
        (Op::Zero { offset: 50, length: 500 }, 0, 50),
        (Op::Zero { offset: 5000, length: 500 }, 0, 50),
        (Op::Truncate { size: 8000 }, 0, 8000),
        (write(128 << 20, "x"), -libc::EFBIG, 8000),
        (Op::Truncate { size: 128 << 20 }, -libc::EFBIG, 8000),
        (Op::WriteSame { offset: 0, length: 5, data: bytes("ab") }, -libc::EINVAL, 8000),
        (Op::WriteFull { data: bytes("hello") }, 0, 5),
        (Op::WriteSame { offset: 20, length: 9, data: bytes("abc") }, 0, 29),
        (Op::Append { data: bytes("!") }, 0, 30),
    ] {
        let reply = run(s, "o", vec![op.clone()]).await;
        assert_eq!((reply.result, size(s, "o").await), (result, Some(after)), "{op:?}");
    }
    // Guards see the object as it was before the list; a pass alone answers 1.
    let set = |value: &str| Op::SetXattr { name: "n".into(), value: bytes(value) };
    assert_eq!(run(s, "o", vec![set("5"), cmp(CmpMode::Eq, "5")]).await.result, -libc::ECANCELED);
    assert_eq!(run(s, "o", vec![set("5")]).await.result, 0);
    for (mode, results) in [
        (CmpMode::Eq, [0, 1, 0]),
        (CmpMode::Ne, [1, 0, 1]),
        (CmpMode::Gt, [0, 0, 1]),
        (CmpMode::Gte, [0, 1, 1]),
        (CmpMode::Lt, [1, 0, 0]),
        (CmpMode::Lte, [1, 1, 0]),
    ] {
        for (value, passes) in ["4", "5", "6"].into_iter().zip(results) {
            let expected = if passes == 1 { 1 } else { -libc::ECANCELED };
            assert_eq!(run(s, "o", vec![cmp(mode, value)]).await.result, expected, "{mode:?} {value}");
        }
    }
    let pairs = BTreeMap::from([(bytes("k"), bytes("5"))]);
    assert_eq!(run(s, "o", vec![Op::OmapSet { pairs }]).await.result, 0);
    for (mode, results) in [
        (CmpMode::Gt, [0, -125, -125]),
        (CmpMode::Lt, [-125, -125, 0]),
        (CmpMode::Eq, [-125, 0, -125]),
        (CmpMode::Ne, [-22, -22, -22]),
    ] {
        for (value, expected) in ["4", "5", "6"].into_iter().zip(results) {
            let op = Op::OmapCmp { key: bytes("k"), value: bytes(value), mode };
            assert_eq!(run(s, "o", vec![op]).await.result, expected, "{mode:?} {value}");
        }
    }
}

#[tokio::test]
async fn a_failed_list_has_no_effect_and_failok_goes_on() {
    let store = ModelCluster::new().client();
    let set = Op::SetXattr { name: "a".into(), value: bytes("1") };
    let before = run(&store, "o", vec![set]).await.version;
    let ops =
        vec![Op::Append { data: bytes("x") }, cmp(CmpMode::Eq, "other"), Op::Append { data: bytes("y") }];
    let reply = run(&store, "o", ops.clone()).await;
    assert_eq!((reply.result, reply.ops.len()), (-libc::ECANCELED, 2));
    assert_eq!(size(&store, "o").await, Some(0));
    let mut request = Request::new(target("o"), ops);
    request.ops[1].1 = 2;
    let reply = store.operate(request).await.unwrap();
    assert_eq!((reply.result, reply.ops[1].rval, reply.version), (0, -libc::ECANCELED, before + 1));
    assert_eq!(size(&store, "o").await, Some(2));
}

#[tokio::test]
async fn a_version_never_comes_back() {
    let store = ModelCluster::new().client();
    let first = run(&store, "o", vec![Op::Create { exclusive: true }]).await.version;
    run(&store, "o", vec![Op::Remove]).await.ok().unwrap();
    let second = run(&store, "o", vec![Op::Create { exclusive: true }]).await.version;
    assert!(second > first);
    assert_eq!(run(&store, "o", vec![Op::AssertVersion(first)]).await.result, -libc::ERANGE);
}

#[tokio::test]
async fn lists_in_the_order_of_reversed_hashes() {
    let store = ModelCluster::new().client();
    for index in 0..100 {
        run(&store, &format!("o{index}"), vec![Op::Create { exclusive: true }]).await;
    }
    let (mut cursor, mut seen) = (ListCursor::begin(), Vec::new());
    while cursor != ListCursor::End {
        let (page, next) = store.list(PoolId(1), Some("".into()), cursor, 7).await.unwrap();
        seen.extend(page);
        cursor = next;
    }
    assert_eq!(seen.len(), 100);
    assert!(seen.windows(2).all(|pair| pair[0].hash.reverse_bits() <= pair[1].hash.reverse_bits()));
}

async fn exec(store: &Arc<dyn Store>, oid: &str, method: &str, input: Bytes) -> (i32, Bytes) {
    let op = Op::Exec { class: "lock".into(), method: method.into(), input };
    let reply = run(store, oid, vec![op]).await;
    match reply.ops.into_iter().next().map(|op| op.out) {
        Some(OpOut::Data(data)) => (reply.result, data),
        _ => (reply.result, Bytes::new()),
    }
}

#[tokio::test]
async fn locks_behave_as_class_lock() {
    let cluster = ModelCluster::new();
    let (a, b) = (cluster.client(), cluster.client());
    let op = |kind, cookie: &str, tag: &str, flags| {
        LockOp { name: "l".into(), kind, cookie: cookie.into(), tag: tag.into(), flags, ..LockOp::default() }
            .encode()
    };
    let exclusive = LockType::Exclusive;
    for (store, input, result) in [
        (&a, op(exclusive, "c1", "", lock::FLAG_MUST_RENEW), -libc::ENOENT),
        (&a, op(exclusive, "c1", "", 0), 0),
        (&a, op(exclusive, "c1", "", 0), -libc::EEXIST),
        (&a, op(exclusive, "c2", "", 0), -libc::EBUSY),
        (&b, op(exclusive, "c1", "", 0), -libc::EBUSY),
        (&b, op(LockType::Shared, "c1", "t", 0), -libc::EBUSY),
        (&a, op(exclusive, "c1", "", lock::FLAG_MAY_RENEW), 0),
        (&a, op(exclusive, "c1", "", lock::FLAG_MUST_RENEW), 0),
        (&a, op(exclusive, "c1", "", 3), -libc::EINVAL),
        (&a, op(LockType::None, "c1", "", 0), -libc::EINVAL),
        (&a, op(LockType::Shared, "c1", "", lock::FLAG_MAY_RENEW), 0),
        (&b, op(LockType::Shared, "c1", "", 0), 0),
        (&a, Bytes::from_static(b"\x01"), -libc::EINVAL),
    ] {
        assert_eq!(exec(store, "o", "lock", input.clone()).await.0, result, "{input:?}");
    }
    let (result, info) = exec(&a, "o", "get_info", lock::encode_get_info("l")).await;
    let info = LockInfo::decode(&info).unwrap();
    assert_eq!((result, info.lockers.len(), info.kind), (0, 2, LockType::Shared));
    assert_eq!(info.lockers.values().next().unwrap().addr.plain(), a.addrs());
    let unlock = |cookie: &str| UnlockOp { name: "l".into(), cookie: cookie.into() }.encode();
    assert_eq!(exec(&a, "o", "unlock", unlock("other")).await.0, -libc::ENOENT);
    assert_eq!(exec(&a, "o", "unlock", unlock("c1")).await.0, 0);
    let names = exec(&a, "o", "list_locks", Bytes::new()).await.1;
    assert_eq!(lock::decode_names(&names).unwrap(), vec!["l".to_owned()]);
    let unknown = Op::Exec { class: "lock".into(), method: "none".into(), input: Bytes::new() };
    let error = a.operate(Request::new(target("missing"), vec![unknown])).await;
    assert_eq!(error, Err(StoreError::Op(Errno::EOPNOTSUPP)));
}

struct Recorder {
    store: Arc<dyn Store>,
    answer: bool,
    seen: Mutex<Vec<String>>,
}

impl WatchHandler for Recorder {
    fn notify(&self, notify_id: u64, cookie: WatchCookie, _notifier: u64, payload: Bytes) {
        self.seen.lock().push(format!("{payload:?}"));
        if self.answer {
            drop(self.store.notify_ack(target("o"), notify_id, cookie, bytes("pong")));
        }
    }

    fn error(&self, _cookie: WatchCookie, error: StoreError) {
        self.seen.lock().push(error.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn watchers_answer_time_out_and_learn_of_removal() {
    let cluster = ModelCluster::new();
    let (a, b) = (cluster.client(), cluster.client());
    let recorder = |store: &Arc<dyn Store>, answer| {
        Arc::new(Recorder { store: store.clone(), answer, seen: Mutex::new(vec![]) })
    };
    let (first, second) = (recorder(&a, true), recorder(&b, false));
    assert_eq!(a.watch(target("o"), 0, first.clone()).await, Err(StoreError::Op(Errno::ENOENT)));
    run(&a, "o", vec![Op::Create { exclusive: true }]).await;
    let cookie = a.watch(target("o"), 0, first.clone()).await.unwrap();
    let other = b.watch(target("o"), 7, second.clone()).await.unwrap();
    let reply = a.notify(target("o"), bytes("ping"), 500).await.unwrap();
    assert_eq!(reply.acks.len(), 1);
    assert_eq!((reply.acks[0].cookie, &reply.acks[0].payload), (cookie.0, &bytes("pong")));
    assert_eq!(reply.timeouts, vec![(b.instance_id(), other.0)]);
    let watchers = run(&a, "o", vec![Op::ListWatchers]).await.ops.remove(0).out;
    let OpOut::Watchers(watchers) = watchers else { panic!("{watchers:?}") };
    assert_eq!(watchers[1], (b.addrs(), b.instance_id(), other.0, 7));
    b.blocklist_add(&a.addrs(), 0).await.unwrap();
    assert_eq!(a.pool_list().await, Err(StoreError::Blocklisted));
    run(&b, "o", vec![Op::Remove]).await;
    assert_eq!(*second.seen.lock(), vec!["b\"ping\"".to_owned(), "ENOTCONN".to_owned()]);
    assert_eq!(b.watch_check(other).await, Err(StoreError::Op(Errno::ENOTCONN)));
    assert_eq!(b.unwatch(other).await, Err(StoreError::Op(Errno::ENOENT)));
}
