//! RADOS object semantics: the trait that every store implements, and the words it speaks.
//!
//! A store executes *op lists*. A list addresses one object and is atomic: it happens whole or not at all, and
//! when its future completes it is durable. Lists to one object from one client take effect in the order in which
//! [`Store::operate`] was called.

pub mod blocklist;
pub mod cluster;
mod error;
pub mod faulty;
pub mod fixed;
pub mod interp;
pub mod local;
pub mod lock;
pub mod model;
pub mod name;
mod op;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

pub use crate::mon::{DaemonConfig, LogEntry, LogLevel, LogSink, Pairs, ServiceDaemon};
pub use error::StoreError;
pub use op::{CmpMode, CmpValue, Op, OpFlags, OpOut, OpResult, Reply, Request, SnapContext, Summed, Target};

pub use fixed::{Fixed, FixedRead, FixedReads};

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;
pub type StoreResult<T> = Result<T, StoreError>;

/// Who gets the answer of [`Store::submit`].
pub type Done = Box<dyn FnOnce(StoreResult<Reply>) + Send>;

/// A pool's number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PoolId(pub i64);

/// A snapshot's number; `SnapId::HEAD` is the live object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SnapId(pub u64);

impl SnapId {
    /// CEPH_NOSNAP: the live object.
    pub const HEAD: SnapId = SnapId(u64::MAX - 1);
}

/// A watch's number, unique within its client instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WatchCookie(pub u64);

/// What a watcher is told. Called from a task of the store's, never while a lock of the caller is held.
pub trait WatchHandler: Send + Sync {
    /// A notification; the watcher answers with [`Store::notify_ack`].
    fn notify(&self, notify_id: u64, cookie: WatchCookie, notifier_gid: u64, payload: Bytes);
    /// The watch was lost (object removed, connection lost for too long): it must be made again.
    fn error(&self, cookie: WatchCookie, error: StoreError);
}

/// One watcher's answer to a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyAck {
    pub notifier_gid: u64,
    pub cookie: u64,
    pub payload: Bytes,
}

/// All answers to one notification; `timeouts` lists the (gid, cookie) that did not answer in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyReply {
    pub acks: Vec<NotifyAck>,
    pub timeouts: Vec<(u64, u64)>,
}

/// A pool's usage, in the units of `rados_pool_stat_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStat {
    pub bytes: u64,
    pub objects: u64,
    pub read_ops: u64,
    pub read_bytes: u64,
    pub write_ops: u64,
    pub write_bytes: u64,
}

/// A store's usage: KiB as in `rados_cluster_stat_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterStat {
    pub total_kib: u64,
    pub used_kib: u64,
    pub available_kib: u64,
    pub objects: u64,
}

/// One listed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    pub namespace: Arc<str>,
    pub oid: Arc<str>,
    /// Locator key; empty if none.
    pub key: Arc<str>,
    /// Placement hash (rjenkins of the key or oid): the listing's order and `rados_nobjects_list_get_pg_hash_position`.
    pub hash: u32,
}

/// A position in a pool's listing; opaque to callers, ordered, `ListCursor::begin()` before all objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListCursor {
    At { hash_reversed: u32, namespace: Arc<str>, key: Arc<str>, oid: Arc<str> },
    End,
}

impl ListCursor {
    pub fn begin() -> ListCursor {
        ListCursor::At { hash_reversed: 0, namespace: "".into(), key: "".into(), oid: "".into() }
    }
}

/// What a monitor, manager, OSD or PG command answers.
#[derive(Clone, Debug, Default)]
pub struct CommandReply {
    pub result: i32,
    pub output: Bytes,
    pub status: String,
}

/// Who a command is for.
#[derive(Clone, Debug)]
pub enum CommandTarget {
    Mon,
    MonNamed(String),
    Mgr,
    MgrNamed(String),
    Osd(i32),
    Pg(String),
}

/// A RADOS store. All futures are `'static`: they own what they need and may outlive the call.
pub trait Store: Send + Sync + 'static {
    /// Runs one op list. `Err` is a failure to run it at all (shut down, blocklisted, I/O); an op's own failure is
    /// in [`Reply::result`].
    fn operate(&self, request: Request) -> BoxFuture<StoreResult<Reply>>;

    /// [`Store::operate`] with the answer given to a function, where that saves a task: `done` is called exactly once, on
    /// whichever thread, also before this returns, and must not block. A store without that gives both back.
    fn submit(&self, request: Request, done: Done) -> Option<(Request, Done)> {
        Some((request, done))
    }

    /// The same client, none of whose op lists wait while the store is full: what would make an object grow fails then, what
    /// gives room back is done (`rados_set_pool_full_try`). `None`: it is so anyway.
    fn full_try(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// The short way to bytes that never change, if the store has one.
    fn fixed(&self) -> Option<Arc<dyn FixedReads>> {
        None
    }

    /// Lists objects from `cursor` on: at most `max`, then the cursor to go on from (`End` if none are left).
    /// `namespace` `None` lists all namespaces.
    fn list(
        &self,
        pool: PoolId,
        namespace: Option<Arc<str>>,
        cursor: ListCursor,
        max: usize,
    ) -> BoxFuture<StoreResult<(Vec<ListEntry>, ListCursor)>>;

    /// Watches an object. ENOENT if it does not exist. `timeout_s` 0: the store's default.
    fn watch(
        &self,
        target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> BoxFuture<StoreResult<WatchCookie>>;
    fn unwatch(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<()>>;
    /// Milliseconds since the watch was last confirmed.
    fn watch_check(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<u64>>;
    /// Completes when all handlers of this client that were running when it was called have returned.
    fn watch_flush(&self) -> BoxFuture<StoreResult<()>>;
    /// Notifies all watchers and waits for their answers, at most `timeout_ms` (0: the store's default).
    /// A timeout is not an `Err`: the caller sees it in `NotifyReply::timeouts`.
    fn notify(&self, target: Target, payload: Bytes, timeout_ms: u64) -> BoxFuture<StoreResult<NotifyReply>>;
    fn notify_ack(
        &self,
        target: Target,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> BoxFuture<StoreResult<()>>;

    fn pool_list(&self) -> BoxFuture<StoreResult<Vec<(PoolId, String)>>>;
    fn pool_lookup(&self, name: &str) -> BoxFuture<StoreResult<PoolId>>;
    fn pool_name(&self, pool: PoolId) -> BoxFuture<StoreResult<String>>;
    fn pool_create(&self, name: &str, crush_rule: Option<u8>) -> BoxFuture<StoreResult<PoolId>>;
    fn pool_delete(&self, name: &str) -> BoxFuture<StoreResult<()>>;
    fn pool_stat(&self, pool: PoolId) -> BoxFuture<StoreResult<PoolStat>>;
    /// Required alignment of appends and write offsets in bytes; `None` for replicated pools.
    fn pool_alignment(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>>;
    /// Bytes of a stripe of an erasure-coded pool, whatever may be written to it; `None` for replicated pools.
    fn pool_stripe(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        self.pool_alignment(pool)
    }
    /// Application metadata: pool -> application -> key -> value.
    fn application_enable(&self, pool: PoolId, app: &str, force: bool) -> BoxFuture<StoreResult<()>>;
    fn application_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<String>>>;
    fn application_metadata(&self, pool: PoolId, app: &str) -> BoxFuture<StoreResult<Vec<(String, String)>>>;
    /// `value` `None` removes the key.
    fn application_metadata_set(
        &self,
        pool: PoolId,
        app: &str,
        key: &str,
        value: Option<&str>,
    ) -> BoxFuture<StoreResult<()>>;

    /// Pool snapshots (`rados_ioctx_snap_*`): create, remove, list as (id, name, unix time).
    fn pool_snap_create(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>>;
    fn pool_snap_remove(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>>;
    fn pool_snap_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<(SnapId, String, u64)>>>;
    fn selfmanaged_snap_create(&self, pool: PoolId) -> BoxFuture<StoreResult<SnapId>>;
    fn selfmanaged_snap_remove(&self, pool: PoolId, snap: SnapId) -> BoxFuture<StoreResult<()>>;

    fn cluster_stat(&self) -> BoxFuture<StoreResult<ClusterStat>>;
    /// The store's id as 36 characters of UUID text.
    fn fsid(&self) -> String;
    /// This client's global id; unique among live clients of the store.
    fn instance_id(&self) -> u64;
    /// This client's address(es) as `rados_getaddrs` prints them; what `blocklist_add` and lockers name.
    fn addrs(&self) -> String;
    /// Fences the client with this address: its later ops fail with [`StoreError::Blocklisted`].
    /// `expire_s` 0: the store's default.
    fn blocklist_add(&self, address: &str, expire_s: u32) -> BoxFuture<StoreResult<()>>;

    /// What one monitor says of itself, as JSON. A store without monitors does not support it.
    fn ping_monitor(&self, _mon: &str) -> BoxFuture<StoreResult<String>> {
        Box::pin(std::future::ready(Err(StoreError::Unsupported { what: "a monitor's ping" })))
    }

    /// Lines of the cluster log of a level and above go to the sink from now on, instead of to an earlier one; `None`: no
    /// more. The sink must not block. A store without monitors does not support it.
    fn monitor_log(&self, watch: Option<(LogLevel, Arc<LogSink>)>) -> StoreResult<()> {
        match watch {
            None => Ok(()),
            Some(_) => Err(StoreError::Unsupported { what: "a cluster log" }),
        }
    }

    /// Makes this client a daemon of a service that the cluster shows for as long as the client lives. A store without a
    /// manager shows it nowhere.
    fn service_register(&self, _daemon: ServiceDaemon) {}
    /// What the cluster shows as the daemon's status; kept for one that is registered later.
    fn service_status(&self, _status: Pairs) {}

    fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> BoxFuture<StoreResult<CommandReply>>;
    /// Completes when the client has the newest map there is.
    fn wait_for_latest_map(&self) -> BoxFuture<StoreResult<()>>;
    /// Ends the client: open watches end, later calls fail with [`StoreError::ShutDown`].
    fn shutdown(&self) -> BoxFuture<()>;
}
