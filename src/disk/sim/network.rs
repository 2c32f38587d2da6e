//! The way to the store: op lists travel for random times, one client's to one object in order, and get lost when
//! their host dies, or arrive long after.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sync::Mutex;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Group, Sim};
use crate::env::Env;
use crate::errno::Errno;
use crate::store::model::ModelCluster;
use crate::store::*;

/// How often things go wrong for one client, once in so many op lists; 0: never.
#[derive(Default)]
pub(crate) struct Faults {
    /// An error, and no effect.
    pub before: AtomicU64,
    /// An error, although the op list took effect.
    pub after: AtomicU64,
    /// ENOSPC for op lists that write data.
    pub no_space: AtomicU64,
    /// Longest delay of a message in microseconds; 0: 2 ms, now and then up to 3 s.
    pub slow: AtomicU64,
    /// Once in so many op lists takes up to 100 s, there or back; 0: never.
    pub stuck: AtomicU64,
    /// Once in so many the last append of a host that has died is torn: zeroes from some byte on.
    pub torn: AtomicU64,
}

impl Faults {
    pub fn set(&self, before: u64, after: u64, no_space: u64) {
        self.before.store(before, Ordering::SeqCst);
        self.after.store(after, Ordering::SeqCst);
        self.no_space.store(no_space, Ordering::SeqCst);
    }
}

/// One store and the hosts around it.
#[derive(Clone)]
pub(crate) struct Network {
    cluster: ModelCluster,
    sim: Arc<Sim>,
    /// Where op lists under way live: they outlast the host that sent them.
    wire: Arc<Group>,
    /// Op lists executed.
    pub executed: Arc<AtomicU64>,
}

impl Network {
    pub fn new(sim: &Arc<Sim>) -> Network {
        let wire = sim.group();
        let cluster = ModelCluster::with_env(wire.clone());
        Network { cluster, sim: sim.clone(), wire, executed: Arc::default() }
    }

    /// A pool that takes whole objects alone.
    pub fn erasure_coded_pool(&self) -> PoolId {
        self.cluster.add_erasure_coded_pool("ec", 8192).expect("the first of its name")
    }

    /// A client without delays and faults.
    pub fn quiet_client(&self) -> Arc<dyn Store> {
        self.cluster.client()
    }

    pub fn client(&self, host: &Arc<Group>) -> Arc<dyn Store> {
        self.faulty_client(host, Arc::default())
    }

    pub fn faulty_client(&self, host: &Arc<Group>, faults: Arc<Faults>) -> Arc<dyn Store> {
        Arc::new(Client {
            network: self.clone(),
            inner: self.cluster.client(),
            host: host.clone(),
            faults,
            order: Mutex::new(HashMap::new()),
        })
    }
}

/// Zeroes from some byte on, as a file system may leave what was written when the power failed; or a wrong byte in the
/// last extent of the record.
fn tear(sim: &Sim, request: &mut Request) {
    let last = request.ops.iter_mut().rev().find_map(|(op, _)| match op {
        // A segment that is only beginning to be there is not what is meant.
        Op::Write { offset: 1.., data } => Some(data),
        _ => None,
    });
    if let Some(data) = last {
        let mut torn = data.to_vec();
        if sim.one_in(2) {
            torn[sim.below(data.len() as u64) as usize..].fill(0);
        } else if let Some(extent) = torn.last_chunk_mut::<16>() {
            extent[[0, 1, 8][sim.below(3) as usize]] ^= 1;
        }
        *data = torn.into();
    }
}

struct Client {
    network: Network,
    inner: Arc<dyn Store>,
    host: Arc<Group>,
    faults: Arc<Faults>,
    /// When the last op list to an object arrives: the next one arrives later.
    order: Mutex<HashMap<Target, Duration>>,
}

impl Client {
    fn delay(&self, target: &Target) -> Duration {
        let sim = &self.network.sim;
        // What is late at the header is what zombies are made of.
        let often = if target.oid.starts_with("lsvd_header.") { 4 } else { 1 };
        if sim.one_in(self.faults.stuck.load(Ordering::SeqCst) / often) {
            return Duration::from_micros(sim.below(100_000_000));
        }
        let slow = self.faults.slow.load(Ordering::SeqCst);
        if slow > 0 {
            return Duration::from_micros(sim.below(slow));
        }
        if sim.one_in(40) {
            return Duration::from_micros(sim.below(3_000_000));
        }
        Duration::from_micros(sim.below(2000))
    }
}

impl Store for Client {
    fn operate(&self, mut request: Request) -> BoxFuture<StoreResult<Reply>> {
        let wire = self.network.wire.clone();
        let arrival = {
            let mut order = self.order.lock();
            let earliest = wire.now() + self.delay(&request.target);
            let last = order.entry(request.target.clone()).or_default();
            *last = earliest.max(*last + Duration::from_nanos(1));
            *last
        };
        let (inner, host, faults) = (self.inner.clone(), self.host.clone(), self.faults.clone());
        let (sim, back) = (self.network.sim.clone(), self.delay(&request.target));
        let executed = self.network.executed.clone();
        let (sender, receiver) = oneshot::channel();
        let env = wire.clone();
        // A host that has died may or may not have put the op list on the wire.
        let survives = sim.one_in(2);
        wire.spawn(Box::pin(async move {
            env.sleep(arrival.saturating_sub(env.now())).await;
            if !host.is_alive() && !survives {
                return;
            }
            if !host.is_alive() && sim.one_in(faults.torn.load(Ordering::SeqCst)) {
                tear(&sim, &mut request);
            }
            let what = request.target.oid.bytes().fold(request.ops.len() as u64, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            let fault = |rate: &AtomicU64| sim.one_in(rate.load(Ordering::SeqCst));
            let io = || StoreError::Io { object: "wire".into(), detail: "injected".into() };
            let data = request.ops.iter().any(|(op, _)| {
                matches!(op, Op::Write { .. } | Op::WriteFull { .. } | Op::Append { .. } | Op::OmapSet { .. })
            });
            let result = if data && fault(&faults.no_space) {
                Ok(Reply { result: Errno::ENOSPC.negated(), ..Reply::default() })
            } else if fault(&faults.before) {
                Err(io())
            } else {
                executed.fetch_add(1, Ordering::SeqCst);
                let result = inner.operate(request).await;
                if fault(&faults.after) { Err(io()) } else { result }
            };
            sim.note(what ^ result.as_ref().map_or(1, |reply| reply.version ^ (reply.result as u64) << 32));
            env.sleep(back).await;
            let _ = sender.send(result);
        }));
        Box::pin(async move { receiver.await.unwrap_or(Err(StoreError::ShutDown)) })
    }

    fn fixed(&self) -> Option<Arc<dyn FixedReads>> {
        self.inner.fixed()
    }

    fn list(
        &self,
        pool: PoolId,
        namespace: Option<Arc<str>>,
        cursor: ListCursor,
        max: usize,
    ) -> BoxFuture<StoreResult<(Vec<ListEntry>, ListCursor)>> {
        self.inner.list(pool, namespace, cursor, max)
    }

    fn watch(
        &self,
        target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> BoxFuture<StoreResult<WatchCookie>> {
        self.inner.watch(target, timeout_s, handler)
    }

    fn unwatch(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<()>> {
        self.inner.unwatch(cookie)
    }

    fn watch_check(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<u64>> {
        self.inner.watch_check(cookie)
    }

    fn watch_flush(&self) -> BoxFuture<StoreResult<()>> {
        self.inner.watch_flush()
    }

    fn notify(&self, target: Target, payload: Bytes, timeout_ms: u64) -> BoxFuture<StoreResult<NotifyReply>> {
        self.inner.notify(target, payload, timeout_ms)
    }

    fn notify_ack(
        &self,
        target: Target,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> BoxFuture<StoreResult<()>> {
        self.inner.notify_ack(target, notify_id, cookie, payload)
    }

    fn pool_list(&self) -> BoxFuture<StoreResult<Vec<(PoolId, String)>>> {
        self.inner.pool_list()
    }

    fn pool_lookup(&self, name: &str) -> BoxFuture<StoreResult<PoolId>> {
        self.inner.pool_lookup(name)
    }

    fn pool_name(&self, pool: PoolId) -> BoxFuture<StoreResult<String>> {
        self.inner.pool_name(pool)
    }

    fn pool_create(&self, name: &str, crush_rule: Option<u8>) -> BoxFuture<StoreResult<PoolId>> {
        self.inner.pool_create(name, crush_rule)
    }

    fn pool_delete(&self, name: &str) -> BoxFuture<StoreResult<()>> {
        self.inner.pool_delete(name)
    }

    fn pool_stat(&self, pool: PoolId) -> BoxFuture<StoreResult<PoolStat>> {
        self.inner.pool_stat(pool)
    }

    fn pool_alignment(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        self.inner.pool_alignment(pool)
    }

    fn application_enable(&self, pool: PoolId, app: &str, force: bool) -> BoxFuture<StoreResult<()>> {
        self.inner.application_enable(pool, app, force)
    }

    fn application_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<String>>> {
        self.inner.application_list(pool)
    }

    fn application_metadata(&self, pool: PoolId, app: &str) -> BoxFuture<StoreResult<Vec<(String, String)>>> {
        self.inner.application_metadata(pool, app)
    }

    fn application_metadata_set(
        &self,
        pool: PoolId,
        app: &str,
        key: &str,
        value: Option<&str>,
    ) -> BoxFuture<StoreResult<()>> {
        self.inner.application_metadata_set(pool, app, key, value)
    }

    fn pool_snap_create(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>> {
        self.inner.pool_snap_create(pool, name)
    }

    fn pool_snap_remove(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>> {
        self.inner.pool_snap_remove(pool, name)
    }

    fn pool_snap_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<(SnapId, String, u64)>>> {
        self.inner.pool_snap_list(pool)
    }

    fn selfmanaged_snap_create(&self, pool: PoolId) -> BoxFuture<StoreResult<SnapId>> {
        self.inner.selfmanaged_snap_create(pool)
    }

    fn selfmanaged_snap_remove(&self, pool: PoolId, snap: SnapId) -> BoxFuture<StoreResult<()>> {
        self.inner.selfmanaged_snap_remove(pool, snap)
    }

    fn cluster_stat(&self) -> BoxFuture<StoreResult<ClusterStat>> {
        self.inner.cluster_stat()
    }

    fn fsid(&self) -> String {
        self.inner.fsid()
    }

    fn instance_id(&self) -> u64 {
        self.inner.instance_id()
    }

    fn addrs(&self) -> String {
        self.inner.addrs()
    }

    fn blocklist_add(&self, address: &str, expire_s: u32) -> BoxFuture<StoreResult<()>> {
        self.inner.blocklist_add(address, expire_s)
    }

    fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> BoxFuture<StoreResult<CommandReply>> {
        self.inner.command(target, cmd, input)
    }

    fn wait_for_latest_map(&self) -> BoxFuture<StoreResult<()>> {
        self.inner.wait_for_latest_map()
    }

    fn shutdown(&self) -> BoxFuture<()> {
        self.inner.shutdown()
    }
}
