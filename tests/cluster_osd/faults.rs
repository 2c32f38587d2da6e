//! Appends under way while the cluster changes: each must have happened once, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use logrbd::osd::{ObjectName, OpRequest, OsdClient, OsdOp};

use crate::cluster::Cluster;
use crate::world::{Client, Ears, Heard, ctl, run};

const WRITERS: u32 = 12;
/// Requests of one writer under way at once.
const DEPTH: usize = 4;

/// Appends numbers to its object until told to stop, several at once, and says how many.
async fn append(osd: Arc<OsdClient>, object: ObjectName, stop: Arc<AtomicBool>, done: Arc<AtomicU32>) -> u32 {
    let mut waits = std::collections::VecDeque::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let data = Bytes::from(format!("{n:08}"));
        waits.push_back(osd.operate(OpRequest::writing(object.clone(), vec![OsdOp::append(data)])));
        n += 1;
        if waits.len() == DEPTH
            && let Some(wait) = waits.pop_front()
        {
            assert_eq!(wait.await.unwrap().result, 0);
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
    for wait in waits {
        assert_eq!(wait.await.unwrap().result, 0);
    }
    n
}

/// Waits until this many more requests were answered: the cluster works for us.
async fn progress(done: &AtomicU32, more: u32) {
    let aim = done.load(Ordering::Relaxed) + more;
    let waiting = async {
        while done.load(Ordering::Relaxed) < aim {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting).await.expect("no progress for two minutes");
}

#[test]
fn nothing_is_lost_repeated_or_overtaken() {
    let cluster = Cluster::start(&["--osds", "3", "--size", "2", "--pool", "t:8"]);
    run(async {
        let client = Client::new(&cluster, "t").await;
        let (ears, mut hears) = Ears::new(&client, "watched", true);
        client.osd().write_full(client.object("watched"), Bytes::from_static(b"-")).await.unwrap();
        let cookie = client.osd().watch(client.object("watched"), 30, ears).await.unwrap();

        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let object = client.object(&format!("appended{n}"));
                tokio::spawn(append(client.osd().clone(), object, stop.clone(), done.clone()))
            })
            .collect();
        progress(&done, 200).await;

        // Its place is taken by another one at once; when it is back, it gets it back.
        ctl(&cluster, "kill", &["osd.1"]);
        progress(&done, 1500).await;
        ctl(&cluster, "start", &["osd.1"]);
        progress(&done, 1500).await;
        // Taken for dead while it is only slow.
        cluster.ceph(&["osd", "down", "2"]);
        progress(&done, 1000).await;
        cluster.ceph(&["osd", "pool", "set", "t", "pg_num", "32"]);
        progress(&done, 1500).await;
        cluster.ceph(&["osd", "pool", "set", "t", "pgp_num", "32"]);
        cluster.ceph(&["osd", "primary-affinity", "0", "0"]);
        progress(&done, 1500).await;
        cluster.ceph(&["osd", "out", "1"]);
        progress(&done, 1500).await;
        cluster.ceph(&["osd", "in", "1"]);
        cluster.ceph(&["osd", "primary-affinity", "0", "1"]);
        progress(&done, 1500).await;
        cluster.ceph(&["osd", "set", "pause"]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.ceph(&["osd", "unset", "pause"]);
        progress(&done, 500).await;
        cluster.ceph(&["osd", "pool", "set", "t", "pg_num", "8"]);
        progress(&done, 3000).await;

        stop.store(true, Ordering::Relaxed);
        for (n, writer) in writers.into_iter().enumerate() {
            let count = writer.await.unwrap();
            let expected: String = (0..count).map(|n| format!("{n:08}")).collect();
            let object = client.object(&format!("appended{n}"));
            let found = client.osd().read(object, 0, 0).await.unwrap();
            if found != expected.as_bytes() {
                let at = found.iter().zip(expected.as_bytes()).position(|(a, b)| a != b).unwrap_or(0) / 8 * 8;
                let near = |bytes: &[u8]| {
                    bytes[at.saturating_sub(16)..]
                        .iter()
                        .take(48)
                        .copied()
                        .collect::<Vec<u8>>()
                        .escape_ascii()
                        .to_string()
                };
                panic!(
                    "object {n}: {} bytes, expected {}; at {at}: {} expected {}",
                    found.len(),
                    expected.len(),
                    near(&found),
                    near(expected.as_bytes())
                );
            }
        }
        // The watch went along with its object.
        assert!(client.osd().watch_check(cookie).unwrap() < 30_000);
        let other = Client::new(&cluster, "t").await;
        let payload = Bytes::from_static(b"still there?");
        let replies = other.osd().notify(client.object("watched"), payload.clone(), 5000).await.unwrap();
        assert_eq!(replies.acks, [(client.store.mon().global_id(), cookie, payload.clone())]);
        let from = other.store.mon().global_id();
        assert_eq!(hears.recv().await.unwrap(), Heard::Notified { from, payload });
    });
}

#[test]
fn an_only_osd_that_comes_back_has_all_of_it() {
    let cluster = Cluster::start(&["--osds", "1", "--pool", "t:8"]);
    run(async {
        let client = Client::new(&cluster, "t").await;
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let object = client.object("appended");
        let writer = tokio::spawn(append(client.osd().clone(), object.clone(), stop.clone(), done.clone()));
        for _ in 0..3 {
            progress(&done, 100).await;
            ctl(&cluster, "kill", &["osd.0"]);
            // Longer than it takes to find out.
            tokio::time::sleep(Duration::from_secs(2)).await;
            ctl(&cluster, "start", &["osd.0"]);
        }
        progress(&done, 100).await;
        stop.store(true, Ordering::Relaxed);
        let count = writer.await.unwrap();
        let expected: String = (0..count).map(|n| format!("{n:08}")).collect();
        assert!(client.osd().read(object, 0, 0).await.unwrap() == expected.as_bytes());
    });
}
