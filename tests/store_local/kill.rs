//! Writers are killed at random: nothing that was acknowledged is lost, no list is torn.
//!
//! Each writer has objects of its own and runs a series of random lists on each, three at a time; list `n` also sets
//! xattr `seq` to `n`. Lists come from (seed, object, n) alone, so the parent can replay a series on the model: the
//! object must be exactly what the model has after list `seq`, and `seq` must not be behind an acknowledged list.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use logrbd::store::model::ModelCluster;
use logrbd::store::{Op, OpOut, PoolId, Request, Store, Target};

use crate::child::{Process, say};
use crate::r#gen::{self, Rng};
use crate::model::open;

const OBJECTS: u64 = 3;

fn target(writer: u64, object: u64) -> Target {
    Target::new(PoolId(1), "", format!("w{writer}.{object}"))
}

fn list(seed: u64, writer: u64, object: u64, n: u64) -> Request {
    let mut rng = Rng::with_seed(seed ^ (writer << 56) ^ (object << 48) ^ n.wrapping_mul(0x9e37_79b9));
    rng.next();
    let mut ops: Vec<Op> = (0..1 + rng.below(3)).map(|_| r#gen::plain_write_op(&mut rng)).collect();
    ops.push(Op::SetXattr { name: "seq".into(), value: Bytes::from(n.to_string()) });
    let mut request = Request::new(target(writer, object), ops);
    request.mtime_ns = Some(n);
    request
}

async fn seq(store: &dyn Store, target: &Target) -> Option<u64> {
    let ops = vec![Op::GetXattr { name: "seq".into() }];
    let reply = store.operate(Request::new(target.clone(), ops)).await.unwrap();
    match reply.ops.first().map(|op| &op.out) {
        Some(OpOut::Data(data)) => Some(std::str::from_utf8(data).unwrap().parse().unwrap()),
        _ => None,
    }
}

/// Arguments: seed, writer, and the first list's number for each object. Runs until it is killed.
pub async fn child(path: &Path, arguments: &[u64]) {
    let store = open(path);
    let [seed, writer, first @ ..] = arguments else { panic!() };
    let (seed, writer) = (*seed, *writer);
    let mut tasks = Vec::new();
    for object in 0..OBJECTS {
        let store = store.clone();
        let first = first[object as usize];
        tasks.push(tokio::spawn(async move {
            for n in first.. {
                let reply = store.operate(list(seed, writer, object, n)).await.unwrap();
                if reply.result >= 0 {
                    say(&format!("{object} {n}"));
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_writers_lose_nothing_and_tear_nothing() {
    let mut rng = Rng::from_env("killed_writers_lose_nothing_and_tear_nothing");
    let rounds: u64 = std::env::var("LOGRBD_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let writers = 3;
    let seed = rng.next() >> 8;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let model: Arc<dyn Store> = ModelCluster::new().client();
    // The number of the next list that the model has to replay, for each object.
    let mut next: HashMap<(u64, u64), u64> = HashMap::new();
    let mut total = 0;
    for round in 0..rounds {
        let mut processes = Vec::new();
        for writer in 0..writers {
            let first = (0..OBJECTS).map(|object| next.get(&(writer, object)).copied().unwrap_or(0));
            let arguments: Vec<u64> = [seed, writer].into_iter().chain(first).collect();
            processes.push(Process::start("kill", &path, &arguments));
        }
        // Each lives until it has said so many lines; what it said after that is still in the pipe.
        let mut acked: HashMap<(u64, u64), u64> = HashMap::new();
        let mut waiters = Vec::new();
        for (writer, mut process) in processes.into_iter().enumerate() {
            let lives_for = 1 + rng.below(60);
            let delay = std::time::Duration::from_micros(rng.below(3000));
            waiters.push(std::thread::spawn(move || {
                let mut said: Vec<String> = (0..lives_for).map_while(|_| process.line()).collect();
                std::thread::sleep(delay);
                process.kill();
                while let Some(line) = process.line() {
                    said.push(line);
                }
                (writer as u64, said)
            }));
        }
        for waiter in waiters {
            let (writer, said) = waiter.join().unwrap();
            assert!(!said.is_empty());
            total += said.len();
            for line in said {
                // The last line may have been cut by the kill.
                let mut words = line.split(' ').map(|word| word.parse::<u64>());
                if let (Some(Ok(object)), Some(Ok(n))) = (words.next(), words.next()) {
                    acked.insert((writer, object), n);
                }
            }
        }
        let store = open(&path);
        for writer in 0..writers {
            for object in 0..OBJECTS {
                let target = target(writer, object);
                let found = seq(&*store, &target).await;
                if let Some(acked) = acked.get(&(writer, object)) {
                    assert!(
                        found >= Some(*acked),
                        "round {round} {target:?}: has {found:?}, acknowledged {acked}"
                    );
                }
                let from = next.get(&(writer, object)).copied().unwrap_or(0);
                for n in from..found.map_or(0, |found| found + 1) {
                    model.operate(list(seed, writer, object, n)).await.unwrap();
                }
                next.insert((writer, object), found.map_or(from, |found| found + 1));
                for first_byte in [0, 70_000] {
                    let show = r#gen::show(&target, first_byte);
                    let expected = model.operate(show.clone()).await.unwrap();
                    let got = store.operate(show).await.unwrap();
                    assert!(expected.ops == got.ops, "round {round} {target:?} is torn at seq {found:?}");
                }
            }
        }
        store.shutdown().await;
    }
    eprintln!("{total} acknowledged lists over {rounds} rounds of {writers} killed writers");
}
