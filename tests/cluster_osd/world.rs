//! Clients of a cluster, connected.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use logrbd::conf::{Config, Process};
use logrbd::errno::Errno;
use logrbd::osd::{ObjectName, OsdClient, OsdError, WatchEvents};
use logrbd::store::cluster::{ClusterStore, Connector};
use tokio::sync::mpsc;

use crate::cluster::Cluster;

pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = logrbd::runtime::start(2).unwrap();
    logrbd::runtime::block_on(&runtime, work)
}

pub struct Client {
    pub store: Arc<ClusterStore>,
    pool: i64,
}

impl Client {
    pub async fn new(cluster: &Cluster, pool: &str) -> Client {
        Client::with(cluster, pool, &[]).await
    }

    pub async fn with(cluster: &Cluster, pool: &str, changed: &[(&str, &str)]) -> Client {
        let mut conf = Config::new("admin", &Process);
        conf.read_file(Some(cluster.conf.to_str().unwrap())).unwrap();
        for (key, value) in changed {
            conf.set(key, value).unwrap();
        }
        let runtime = logrbd::runtime::start(2).unwrap();
        let store = Connector::new(&conf, runtime).unwrap().connect().await.unwrap();
        store.osd().wait_for_latest_map().await.unwrap();
        let pool = store.osd().map().pool_by_name(pool).unwrap();
        Client { store, pool }
    }

    pub fn osd(&self) -> &Arc<OsdClient> {
        self.store.osd()
    }

    pub fn pool(&self) -> i64 {
        self.pool
    }

    pub fn object(&self, oid: &str) -> ObjectName {
        ObjectName::new(self.pool, Bytes::copy_from_slice(oid.as_bytes()))
    }
}

pub fn errno<T: std::fmt::Debug>(result: Result<T, OsdError>) -> Errno {
    match result {
        Err(OsdError::Failed { errno, .. }) => errno,
        other => panic!("{other:?}"),
    }
}

/// Tells what a watch hears, and answers notifications with what they said.
pub struct Ears {
    osd: Arc<OsdClient>,
    object: ObjectName,
    answers: bool,
    heard: mpsc::UnboundedSender<Heard>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    Notified { from: u64, payload: Bytes },
    Lost(Errno),
}

impl Ears {
    pub fn new(client: &Client, oid: &str, answers: bool) -> (Arc<Ears>, mpsc::UnboundedReceiver<Heard>) {
        let (heard, hears) = mpsc::unbounded_channel();
        (Arc::new(Ears { osd: client.osd().clone(), object: client.object(oid), answers, heard }), hears)
    }
}

impl WatchEvents for Ears {
    fn notify(&self, notify_id: u64, cookie: u64, notifier_gid: u64, payload: Bytes) {
        self.heard.send(Heard::Notified { from: notifier_gid, payload: payload.clone() }).unwrap();
        if self.answers {
            let (osd, object) = (self.osd.clone(), self.object.clone());
            tokio::spawn(async move { osd.notify_ack(object, notify_id, cookie, payload).await });
        }
    }

    fn error(&self, _: u64, errno: Errno) {
        self.heard.send(Heard::Lost(errno)).unwrap();
    }
}

/// `cluster ctl`: does something to daemons.
pub fn ctl(cluster: &Cluster, what: &str, names: &[&str]) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/capi-tests/cluster/cluster");
    let status = Command::new(program).arg("ctl").arg(cluster.dir()).arg(what).args(names).status().unwrap();
    assert!(status.success(), "{what} {names:?}");
}
