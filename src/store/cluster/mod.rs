//! A Ceph cluster as a store: op lists go to its OSDs, all else to its monitors.

mod connect;
mod ping;
mod pools;
mod reply;
mod request;
mod stat;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::json;

pub use crate::osd::OpTimeout as OsdOpTimeout;

pub use self::connect::{ConnectError, Connector, LateOptions, mon_op_timeout};
pub use self::ping::ping;
use self::pools::Pools;
use super::name::{bytes_of, text_of};
use super::{
    BoxFuture, ClusterStat, CommandReply, CommandTarget, Done, ListCursor, ListEntry, LogLevel, LogSink,
    NotifyAck, NotifyReply, Pairs, PoolId, PoolStat, Reply, Request, ServiceDaemon, SnapId, Store,
    StoreError, StoreResult, Target, WatchCookie, WatchHandler, interp,
};
use crate::errno::Errno;
use crate::mon::{self, MonClient, MonError, MonTarget};
use crate::osd::codes::flag;
use crate::osd::map::PoolSnap;
use crate::osd::{self, OpAnswer, OsdClient, OsdError, WatchEvents, hobject};
use crate::wire::types::{Hobject, Pgid};

fn ready<T: Send + 'static>(result: StoreResult<T>) -> BoxFuture<StoreResult<T>> {
    Box::pin(std::future::ready(result))
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

impl From<MonError> for StoreError {
    fn from(error: MonError) -> StoreError {
        match error {
            MonError::TimedOut { .. } => StoreError::TimedOut,
            MonError::ShutDown => StoreError::ShutDown,
            other => StoreError::Op(other.errno()),
        }
    }
}

/// A client of a cluster, connected.
pub struct ClusterStore {
    mon: Arc<MonClient>,
    osd: Arc<OsdClient>,
    pools: Pools,
    /// Nothing waits while the cluster is full.
    full_try: bool,
}

impl ClusterStore {
    /// `mon` and `osd` are connected and have a map.
    pub fn new(mon: Arc<MonClient>, osd: Arc<OsdClient>) -> Arc<ClusterStore> {
        let pools = Pools { mon: mon.clone(), osd: osd.clone() };
        Arc::new(ClusterStore { mon, osd, pools, full_try: false })
    }

    /// The client's two halves, for programs in Rust.
    pub fn mon(&self) -> &Arc<MonClient> {
        &self.mon
    }

    pub fn osd(&self) -> &Arc<OsdClient> {
        &self.osd
    }

    /// Ends the client: watches end, later calls fail.
    pub async fn end(&self) {
        self.osd.shutdown().await;
        self.mon.shutdown().await;
    }

    fn request(&self, request: &Request) -> osd::OpRequest {
        let mut asked = request::osd_request(request, now_ns());
        if self.full_try && asked.flags & flag::FULL_FORCE == 0 {
            asked.flags |= flag::FULL_TRY;
        }
        asked
    }

    /// Runs something of the pools' on a copy, so that the future owns what it needs.
    fn with_pools<T, F>(&self, run: impl FnOnce(Pools) -> F) -> BoxFuture<StoreResult<T>>
    where
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        Box::pin(run(self.pools.clone()))
    }

    /// An object's place among a pool's, or where a listing goes on.
    fn position(pool: PoolId, cursor: &ListCursor) -> Hobject {
        match cursor {
            ListCursor::End => hobject::max(),
            ListCursor::At { hash_reversed: 0, namespace, key, oid }
                if namespace.is_empty() && key.is_empty() && oid.is_empty() =>
            {
                hobject::min()
            }
            ListCursor::At { hash_reversed, namespace, key, oid } => Hobject {
                key: bytes_of(key).into_owned(),
                oid: bytes_of(oid).into_owned(),
                // Before the live object and all its clones.
                snap: 0,
                hash: hash_reversed.reverse_bits(),
                max: false,
                namespace: bytes_of(namespace).into_owned(),
                pool: pool.0,
            },
        }
    }

    fn cursor(position: &Hobject) -> ListCursor {
        if position.max {
            return ListCursor::End;
        }
        ListCursor::At {
            hash_reversed: position.hash.reverse_bits(),
            namespace: text_of(&position.namespace).into(),
            key: text_of(&position.key).into(),
            oid: text_of(&position.oid).into(),
        }
    }
}

/// The OSD client's events as the store's.
struct Events(Arc<dyn WatchHandler>);

impl WatchEvents for Events {
    fn notify(&self, notify_id: u64, cookie: u64, notifier_gid: u64, payload: Bytes) {
        self.0.notify(notify_id, WatchCookie(cookie), notifier_gid, payload);
    }

    fn error(&self, cookie: u64, errno: Errno) {
        self.0.error(WatchCookie(cookie), StoreError::Op(errno));
    }
}

impl Store for ClusterStore {
    fn operate(&self, mut request: Request) -> BoxFuture<StoreResult<Reply>> {
        interp::normalize(&mut request.target);
        if request.target.oid.is_empty() {
            return ready(Err(StoreError::Op(Errno::EINVAL)));
        }
        // Sent now: the order of calls is the order of lists.
        let answered = self.osd.operate(self.request(&request));
        let shape = reply::Shape::of(&request);
        drop(request);
        Box::pin(async move { shape.reply(answered.await?) })
    }

    fn submit(&self, mut request: Request, done: Done) -> Option<(Request, Done)> {
        interp::normalize(&mut request.target);
        if request.target.oid.is_empty() {
            done(Err(StoreError::Op(Errno::EINVAL)));
            return None;
        }
        let shape = reply::Shape::of(&request);
        let answered = move |answer: Result<OpAnswer, OsdError>| {
            done(answer.map_err(StoreError::from).and_then(|answer| shape.reply(answer)));
        };
        self.osd.submit(self.request(&request), answered);
        None
    }

    fn full_try(&self) -> Option<Arc<dyn Store>> {
        let (mon, osd, pools) = (self.mon.clone(), self.osd.clone(), self.pools.clone());
        Some(Arc::new(ClusterStore { mon, osd, pools, full_try: true }))
    }

    fn list(
        &self,
        pool: PoolId,
        namespace: Option<Arc<str>>,
        cursor: ListCursor,
        max: usize,
    ) -> BoxFuture<StoreResult<(Vec<ListEntry>, ListCursor)>> {
        if cursor == ListCursor::End {
            return ready(Ok((vec![], ListCursor::End)));
        }
        let osd = self.osd.clone();
        Box::pin(async move {
            let namespace = namespace.map(|namespace| Bytes::copy_from_slice(&bytes_of(&namespace)));
            let from = ClusterStore::position(pool, &cursor);
            let listed = osd.list(pool.0, namespace, from, max as u64, None).await?;
            let map = osd.map();
            let entries = listed.entries.into_iter().map(|object| ListEntry {
                hash: map
                    .object_to_raw_pg(pool.0, &object.key, &object.namespace, &object.oid)
                    .map_or(0, |pg| pg.seed),
                namespace: text_of(&object.namespace).into(),
                oid: text_of(&object.oid).into(),
                key: text_of(&object.key).into(),
            });
            Ok((entries.collect(), ClusterStore::cursor(&listed.next)))
        })
    }

    fn watch(
        &self,
        mut target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> BoxFuture<StoreResult<WatchCookie>> {
        interp::normalize(&mut target);
        let (osd, full_try) = (self.osd.clone(), self.full_try);
        Box::pin(async move {
            let (object, events) = (request::object_name(&target), Arc::new(Events(handler)));
            let cookie = match full_try {
                true => osd.watch_full_try(object, timeout_s, events).await?,
                false => osd.watch(object, timeout_s, events).await?,
            };
            Ok(WatchCookie(cookie))
        })
    }

    fn unwatch(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<()>> {
        let osd = self.osd.clone();
        Box::pin(async move { Ok(osd.unwatch(cookie.0).await?) })
    }

    fn watch_check(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<u64>> {
        ready(self.osd.watch_check(cookie.0).map_err(StoreError::from))
    }

    fn watch_flush(&self) -> BoxFuture<StoreResult<()>> {
        let osd = self.osd.clone();
        Box::pin(async move {
            osd.watch_flush().await;
            Ok(())
        })
    }

    fn notify(
        &self,
        mut target: Target,
        payload: Bytes,
        timeout_ms: u64,
    ) -> BoxFuture<StoreResult<NotifyReply>> {
        interp::normalize(&mut target);
        let osd = self.osd.clone();
        Box::pin(async move {
            let heard = osd.notify(request::object_name(&target), payload, timeout_ms).await?;
            let ack = |(notifier_gid, cookie, payload)| NotifyAck { notifier_gid, cookie, payload };
            Ok(NotifyReply { acks: heard.acks.into_iter().map(ack).collect(), timeouts: heard.timeouts })
        })
    }

    fn notify_ack(
        &self,
        mut target: Target,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> BoxFuture<StoreResult<()>> {
        interp::normalize(&mut target);
        let osd = self.osd.clone();
        Box::pin(async move {
            Ok(osd.notify_ack(request::object_name(&target), notify_id, cookie.0, payload).await?)
        })
    }

    fn pool_list(&self) -> BoxFuture<StoreResult<Vec<(PoolId, String)>>> {
        let map = self.osd.map();
        let name = |id: &i64| map.pool_name(*id).unwrap_or_default().to_owned();
        ready(Ok(map.pools().keys().map(|id| (PoolId(*id), name(id))).collect()))
    }

    fn pool_lookup(&self, name: &str) -> BoxFuture<StoreResult<PoolId>> {
        let name = name.to_owned();
        self.with_pools(|pools| async move { pools.lookup(name).await })
    }

    fn pool_name(&self, pool: PoolId) -> BoxFuture<StoreResult<String>> {
        self.with_pools(move |pools| async move { pools.name(pool).await })
    }

    fn pool_create(&self, name: &str, crush_rule: Option<u8>) -> BoxFuture<StoreResult<PoolId>> {
        let name = name.to_owned();
        self.with_pools(move |pools| async move { pools.create(name, crush_rule).await })
    }

    fn pool_delete(&self, name: &str) -> BoxFuture<StoreResult<()>> {
        let name = name.to_owned();
        self.with_pools(|pools| async move { pools.delete(name).await })
    }

    fn pool_stat(&self, pool: PoolId) -> BoxFuture<StoreResult<PoolStat>> {
        let (mon, osd) = (self.mon.clone(), self.osd.clone());
        self.with_pools(move |pools| async move {
            let name = pools.name(pool).await?;
            stat::pool(mon, name, osd.map().epoch()).await
        })
    }

    fn pool_stripe(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        let map = self.osd.map();
        ready(match map.pool(pool.0) {
            None => Err(StoreError::NoPool),
            Some(pool) => Ok(pool.is_erasure().then_some(u64::from(pool.stripe_width))),
        })
    }

    fn pool_alignment(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        let map = self.osd.map();
        ready(match map.pool(pool.0) {
            None => Err(StoreError::NoPool),
            Some(pool) => Ok(pool.requires_aligned_append().then_some(u64::from(pool.stripe_width))),
        })
    }

    fn application_enable(&self, pool: PoolId, app: &str, force: bool) -> BoxFuture<StoreResult<()>> {
        let app = app.to_owned();
        self.with_pools(move |pools| async move { pools.application_enable(pool, app, force).await })
    }

    fn application_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<String>>> {
        let map = self.osd.map();
        let apps = map.pool(pool.0).map(|pool| pool.application_metadata.keys().cloned().collect());
        ready(apps.ok_or(StoreError::NoPool))
    }

    fn application_metadata(&self, pool: PoolId, app: &str) -> BoxFuture<StoreResult<Vec<(String, String)>>> {
        let map = self.osd.map();
        let Some(pool) = map.pool(pool.0) else { return ready(Err(StoreError::NoPool)) };
        let pairs = pool.application_metadata.get(app);
        let pairs =
            pairs.map(|pairs| pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
        ready(pairs.ok_or(StoreError::Op(Errno::ENOENT)))
    }

    fn application_metadata_set(
        &self,
        pool: PoolId,
        app: &str,
        key: &str,
        value: Option<&str>,
    ) -> BoxFuture<StoreResult<()>> {
        let (app, key, value) = (app.to_owned(), key.to_owned(), value.map(str::to_owned));
        self.with_pools(move |pools| async move { pools.application_set(pool, app, key, value).await })
    }

    fn pool_snap_create(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>> {
        let name = name.to_owned();
        self.with_pools(move |pools| async move { pools.snap_create(pool, name).await })
    }

    fn pool_snap_remove(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>> {
        let name = name.to_owned();
        self.with_pools(move |pools| async move { pools.snap_remove(pool, name).await })
    }

    fn pool_snap_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<(SnapId, String, u64)>>> {
        let map = self.osd.map();
        let Some(pool) = map.pool(pool.0) else { return ready(Err(StoreError::NoPool)) };
        let snap =
            |(id, snap): (&u64, &PoolSnap)| (SnapId(*id), snap.name.clone(), snap.stamp.seconds.into());
        ready(Ok(pool.snaps.iter().map(snap).collect()))
    }

    fn selfmanaged_snap_create(&self, pool: PoolId) -> BoxFuture<StoreResult<SnapId>> {
        self.with_pools(move |pools| async move { pools.unmanaged_snap_create(pool).await })
    }

    fn selfmanaged_snap_remove(&self, pool: PoolId, snap: SnapId) -> BoxFuture<StoreResult<()>> {
        self.with_pools(move |pools| async move { pools.unmanaged_snap_remove(pool, snap).await })
    }

    fn cluster_stat(&self) -> BoxFuture<StoreResult<ClusterStat>> {
        Box::pin(stat::cluster(self.mon.clone()))
    }

    fn fsid(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let id = self.mon.fsid();
        [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].map(hex).join("-")
    }

    fn instance_id(&self) -> u64 {
        self.mon.global_id()
    }

    fn addrs(&self) -> String {
        self.mon.own_addrs().to_string()
    }

    fn blocklist_add(&self, address: &str, expire_s: u32) -> BoxFuture<StoreResult<()>> {
        let mut command = json!({ "prefix": "osd blocklist", "blocklistop": "add", "addr": address });
        if expire_s > 0 {
            command["expire"] = json!(f64::from(expire_s));
        }
        self.with_pools(|pools| async move { pools.command(command).await })
    }

    fn ping_monitor(&self, mon: &str) -> BoxFuture<StoreResult<String>> {
        let (client, mon) = (self.mon.clone(), mon.to_owned());
        Box::pin(async move { Ok(client.ping(&mon).await?) })
    }

    fn monitor_log(&self, watch: Option<(LogLevel, Arc<LogSink>)>) -> StoreResult<()> {
        self.mon.monitor_log(watch);
        Ok(())
    }

    fn service_register(&self, daemon: ServiceDaemon) {
        self.mon.register_service(daemon);
    }

    fn service_status(&self, status: Pairs) {
        self.mon.set_service_status(status);
    }

    fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> BoxFuture<StoreResult<CommandReply>> {
        let (mon, osd) = (self.mon.clone(), self.osd.clone());
        Box::pin(async move {
            let from_mon =
                |r: mon::CommandReply| CommandReply { result: r.result, output: r.output, status: r.status };
            let from_osd =
                |r: osd::CommandReply| CommandReply { result: r.result, output: r.output, status: r.status };
            Ok(match target {
                CommandTarget::Mon => from_mon(answered(mon.command(MonTarget::Any, cmd, input).await)?),
                CommandTarget::MonNamed(name) => {
                    from_mon(answered(mon.command(mon_target(name), cmd, input).await)?)
                }
                // There is one active manager, and only that one answers.
                CommandTarget::Mgr | CommandTarget::MgrNamed(_) => {
                    from_mon(answered(mon.mgr_command(cmd, input).await)?)
                }
                CommandTarget::Osd(number) => {
                    from_osd(osd.command(osd::CommandTarget::Osd(number), cmd, input).await?)
                }
                CommandTarget::Pg(name) => {
                    let pgid = parse_pgid(&name).ok_or(StoreError::Op(Errno::EINVAL))?;
                    from_osd(osd.command(osd::CommandTarget::Pg(pgid), cmd, input).await?)
                }
            })
        })
    }

    fn wait_for_latest_map(&self) -> BoxFuture<StoreResult<()>> {
        let osd = self.osd.clone();
        Box::pin(async move { Ok(osd.wait_for_latest_map().await?) })
    }

    fn shutdown(&self) -> BoxFuture<()> {
        let (mon, osd) = (self.mon.clone(), self.osd.clone());
        Box::pin(async move {
            osd.shutdown().await;
            mon.shutdown().await;
        })
    }
}

/// A number is a rank, as in librados.
fn mon_target(name: String) -> MonTarget {
    name.parse().map_or(MonTarget::Name(name), MonTarget::Rank)
}

/// A failure that librados tells with a status is an answer like another.
fn answered(reply: Result<mon::CommandReply, MonError>) -> Result<mon::CommandReply, MonError> {
    match reply {
        Err(error) if !error.status().is_empty() => {
            let status = error.status().to_owned();
            Ok(mon::CommandReply { result: error.errno().negated(), status, output: Bytes::new() })
        }
        other => other,
    }
}

/// `1.2f`: pool and seed.
fn parse_pgid(text: &str) -> Option<Pgid> {
    let (pool, seed) = text.split_once('.')?;
    Some(Pgid { pool: pool.parse().ok()?, seed: u32::from_str_radix(seed, 16).ok()? })
}
