//! What a disk tells a cluster that is full: data waits for room, and what makes room does not.

use std::sync::Arc;

use super::api_tests::{formatted, open, options};
use super::testing::block_on;
use super::*;
use crate::env::TokioEnv;
use crate::store::faulty::{Call, Fault, FaultyStore};
use crate::store::model::ModelCluster;
use crate::store::{Op, OpFlags, Store};
use crate::sync::Mutex;

type Sent = Arc<Mutex<Vec<(String, Vec<&'static str>, OpFlags)>>>;

/// All op lists that write, with their flags.
fn watched(cluster: &ModelCluster, sent: &Sent) -> Arc<dyn Store> {
    let sent = sent.clone();
    FaultyStore::new(cluster.client(), TokioEnv::current(), move |call: &Call<'_>| {
        let request = call.request;
        let kind = |op: &Op| match op {
            Op::Write { .. } | Op::WriteFull { .. } => Some("write"),
            Op::Remove => Some("remove"),
            _ => None,
        };
        let ops: Vec<_> = request.ops.iter().filter_map(|(op, _)| kind(op)).collect();
        if !ops.is_empty() {
            sent.lock().push((request.target.oid.to_string(), ops, request.flags));
        }
        Fault::None
    })
}

/// What was sent to objects whose names begin so, without removals, since the last time.
fn taken(sent: &Sent, prefix: &str) -> Vec<(Vec<&'static str>, OpFlags)> {
    let mut sent = sent.lock();
    let found = sent.extract_if(.., |(oid, ops, _)| oid.starts_with(prefix) && *ops != ["remove"]);
    found.map(|(_, ops, flags)| (ops, flags)).collect()
}

#[test]
fn data_waits_for_room_and_what_makes_room_does_not() {
    block_on(async {
        let (cluster, sent) = (ModelCluster::new(), Sent::default());
        let names = formatted(&cluster.client(), 64 << 20).await;
        let disk = open(&watched(&cluster, &sent), &names, options()).await;
        let (log, map) = (names.segment_prefix(), names.map_prefix());
        let waits = OpFlags::default();
        let forced = OpFlags { full_force: true, ..OpFlags::default() };
        let tries = OpFlags { full_try: true, ..OpFlags::default() };

        disk.acquire().await.unwrap();
        assert_eq!(taken(&sent, &log), [(vec!["write"], forced)], "the beginning of an epoch");
        for block in 0..3000 {
            disk.write(block * BLOCK_BYTES, &[&[1; 4096]]).await.unwrap();
        }
        disk.flush().await.unwrap();
        let data = taken(&sent, &log);
        assert!(!data.is_empty() && data.iter().all(|(_, flags)| *flags == waits), "{data:?}");

        disk.discard(0, 2999 * BLOCK_BYTES).await.unwrap();
        disk.flush().await.unwrap();
        let holes = taken(&sent, &log);
        assert!(!holes.is_empty() && holes.iter().all(|(_, flags)| *flags == forced), "{holes:?}");

        // The checkpoint lets the dead segments go.
        disk.close().await.unwrap();
        let all = sent.lock().clone();
        let removed = all.iter().filter(|(oid, ops, _)| oid.starts_with(&log) && ops == &["remove"]);
        assert!(removed.clone().count() > 0 && removed.clone().all(|(.., flags)| *flags == tries), "{all:?}");
        let pages = all.iter().filter(|(oid, ops, _)| oid.starts_with(&map) && ops == &["write"]);
        assert!(pages.clone().count() > 0 && pages.clone().all(|(.., flags)| *flags == forced), "{all:?}");
    });
}
