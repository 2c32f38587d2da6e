//! Random op lists on the local store and on the model: equal answers and equal contents, across reopening.

use std::sync::Arc;

use logrbd::store::local::{LocalOptions, LocalStore};
use logrbd::store::model::ModelCluster;
use logrbd::store::{ListCursor, OpOut, PoolId, Reply, Store, StoreResult, Target};

use crate::r#gen::{self, Rng};

pub fn open(path: &std::path::Path) -> Arc<LocalStore> {
    LocalStore::open(path, "client.test", LocalOptions { readers: 2, ..LocalOptions::default() }).unwrap()
}

fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    for namespace in ["", "ns"] {
        for oid in ["o1", "o2", "o3"] {
            for key in ["", "key"] {
                let mut target = Target::new(PoolId(1), namespace, oid);
                target.key = key.into();
                targets.push(target);
            }
        }
    }
    targets
}

/// Makes replies printable: data as length and checksum.
fn short(reply: &StoreResult<Reply>) -> String {
    match reply {
        Ok(reply) => {
            let ops = reply.ops.iter().map(|op| match &op.out {
                OpOut::Data(data) if data.len() > 64 => format!("{}: {} bytes", op.rval, data.len()),
                OpOut::Sparse { extents, .. } => format!("{}: {extents:?}", op.rval),
                out => format!("{}: {out:?}", op.rval),
            });
            format!("{} v{} {:?}", reply.result, reply.version, ops.collect::<Vec<_>>())
        }
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn random_lists_do_the_same_as_on_the_model() {
    let mut rng = Rng::from_env("random_lists_do_the_same_as_on_the_model");
    let steps: u64 = std::env::var("LOGRBD_STEPS").map_or(1500, |steps| steps.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let cluster = ModelCluster::new();
    let mut model = cluster.client();
    let mut local = open(&path);
    assert_eq!((model.instance_id(), local.instance_id()), (4101, 4101));
    for step in 0..steps {
        let request = r#gen::request(&mut rng);
        let expected = model.operate(request.clone()).await;
        let got = local.operate(request.clone()).await;
        // Lock infos hold the lockers' addresses: the same numbers, as both stores count clients from 4101.
        if expected != got {
            let ops: Vec<String> =
                request.ops.iter().map(|op| format!("{op:?}").chars().take(120).collect()).collect();
            panic!(
                "step {step}: {:?} {ops:?}\nmodel {}\nlocal {}",
                request.target,
                short(&expected),
                short(&got)
            );
        }
        if step % 50 == 49 {
            for target in targets() {
                let offset = rng.below(5000);
                for first in [0, offset] {
                    let show = r#gen::show(&target, first);
                    let (expected, got) = (model.operate(show.clone()).await, local.operate(show).await);
                    assert!(expected == got, "{step} {target:?}\n{}\n{}", short(&expected), short(&got));
                }
            }
            let page = |store: Arc<dyn Store>| async move {
                store.list(PoolId(1), None, ListCursor::begin(), 100).await.unwrap()
            };
            assert_eq!(page(model.clone()).await, page(local.clone()).await);
        }
        if rng.chance(100) {
            local.shutdown().await;
            model.shutdown().await;
            drop(local);
            model = cluster.client();
            local = open(&path);
        }
    }
    // What was freed is gone: the folder holds little more than the objects do.
    local.shutdown().await;
}
