//! How fast the local store is: `cargo nextest run --release --run-ignored only speed --no-capture`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use logrbd::store::{CmpMode, CmpValue, Op, PoolId, Request, Store, Target};

use crate::r#gen::Rng;
use crate::model::open;

fn request(oid: &str, ops: Vec<Op>) -> Request {
    Request::new(Target::new(PoolId(1), "", oid), ops)
}

/// Runs `count` requests, `depth` at a time, and says what that took.
async fn run(name: &str, store: &Arc<dyn Store>, depth: u64, count: u64, make: impl Fn(u64) -> Request) {
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for lane in 0..depth {
        let store = store.clone();
        let requests: Vec<Request> = (0..count).filter(|n| n % depth == lane).map(&make).collect();
        tasks.push(tokio::spawn(async move {
            for request in requests {
                store.operate(request).await.unwrap().ok().unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    let (rate, each) = (count as f64 / seconds, seconds * 1e6 / count as f64 * depth as f64);
    eprintln!("{name}, {depth} at a time: {rate:.0}/s, {each:.0} us each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn speed() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = open(&folder.path().join("store"));
    let block = Bytes::from(vec![7; 4096]);
    let segment = Bytes::from(vec![7; 8 << 20]);
    store
        .operate(request("s0", vec![Op::SetXattr { name: "epoch".into(), value: "1".into() }]))
        .await
        .unwrap();
    let append = |n: u64, lanes: u64, length: usize| {
        let guard = Op::CmpXattr { name: "epoch".into(), mode: CmpMode::Eq, value: CmpValue::U64(1) };
        request(&format!("s{}", n % lanes), vec![guard, Op::Append { data: Bytes::from(vec![1; length]) }])
    };
    run("guarded append of 4 KiB to one object", &store, 1, 2000, |n| append(n, 1, 4096)).await;
    run("guarded append of 64 KiB to one object", &store, 1, 200, |n| append(n, 1, 65536)).await;
    run("write_full of 8 MiB", &store, 1, 30, |n| {
        request(&format!("f{n}"), vec![Op::WriteFull { data: segment.clone() }])
    })
    .await;
    run("write_full of 8 MiB", &store, 4, 60, |n| {
        request(&format!("f{n}"), vec![Op::WriteFull { data: segment.clone() }])
    })
    .await;
    run("write of 4 KiB into 8 MiB objects", &store, 16, 4000, |n| {
        let offset = (n * 7919 % 2048) * 4096;
        request(&format!("f{}", n % 16), vec![Op::Write { offset, data: block.clone() }])
    })
    .await;
    let mut rng = Rng::with_seed(3);
    let offsets: Vec<u64> = (0..20_000).map(|_| rng.below(2048) * 4096).collect();
    for depth in [1, 16] {
        run("random read of 4 KiB", &store, depth, 20_000, |n| {
            let op = Op::Read { offset: offsets[n as usize], length: 4096 };
            request(&format!("f{}", 20 + n % 30), vec![op])
        })
        .await;
    }
    run("read of 1 MiB", &store, 4, 400, |n| {
        request(&format!("f{}", 20 + n % 30), vec![Op::Read { offset: (n % 8) << 20, length: 1 << 20 }])
    })
    .await;
    run("stat", &store, 1, 20_000, |n| request(&format!("f{}", n % 30), vec![Op::Stat])).await;
    run("remove", &store, 4, 60, |n| request(&format!("f{n}"), vec![Op::Remove])).await;
    store.shutdown().await;
}
