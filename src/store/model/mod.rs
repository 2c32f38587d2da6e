//! A store in memory, for tests: all clients of one [`ModelCluster`] share its pools.
//!
//! An op list takes effect when [`Store::operate`] is called, before its future is polled. There are no threads:
//! watchers are told from inside the future of the call that concerns them (`notify`, `operate` with a removal).

mod fixed;
mod object;
mod pools;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sync::Mutex;
use bytes::Bytes;

use self::state::State;
use super::blocklist::Fenced;
use super::interp::{self, Caller};
use super::{
    BoxFuture, ClusterStat, CommandReply, CommandTarget, FixedReads, ListCursor, ListEntry, NotifyReply,
    PoolId, PoolStat, Reply, Request, SnapId, Store, StoreError, StoreResult, Target, WatchCookie,
    WatchHandler,
};
use crate::env::Env;
use crate::errno::Errno;
use crate::wire::types::EntityAddr;

/// What the clients of one model store share. Starts with a pool `rbd`, as a local store does.
#[derive(Clone)]
pub struct ModelCluster {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    env: Option<Arc<dyn Env>>,
    fsid: String,
}

impl Default for ModelCluster {
    fn default() -> ModelCluster {
        ModelCluster::new()
    }
}

impl ModelCluster {
    /// Real time. A notification times out only where the caller's tokio runtime has a timer.
    pub fn new() -> ModelCluster {
        ModelCluster::build(None)
    }

    /// Time and timeouts from `env`.
    pub fn with_env(env: Arc<dyn Env>) -> ModelCluster {
        ModelCluster::build(Some(env))
    }

    fn build(env: Option<Arc<dyn Env>>) -> ModelCluster {
        let fsid = "6d6f6465-6c00-4000-8000-000000000001".to_owned();
        ModelCluster { shared: Arc::new(Shared { state: Mutex::new(State::new()), env, fsid }) }
    }

    /// Adds an erasure-coded pool without overwrites, whose stripes have so many bytes.
    pub fn add_erasure_coded_pool(&self, name: &str, stripe: u64) -> StoreResult<PoolId> {
        let mut state = self.shared.state.lock();
        let id = state.pool_create(name, None)?;
        state.pool_mut(id)?.stripe = Some(stripe);
        Ok(id)
    }

    /// A client of its own: instance id, address, watches.
    pub fn client(&self) -> Arc<dyn Store> {
        Arc::new(self.model_client())
    }

    pub fn model_client(&self) -> ModelStore {
        let gid = self.shared.state.lock().new_gid();
        let address = format!("127.0.0.1:0/{gid}");
        let addr = EntityAddr::parse(&address).unwrap_or_default();
        let fenced = Fenced::parse(&address).ok();
        ModelStore { shared: self.shared.clone(), gid, address, addr, fenced, shut: AtomicBool::new(false) }
    }
}

impl Shared {
    fn now_ns(&self) -> u64 {
        match &self.env {
            Some(env) => env.unix_time_ns(),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64),
        }
    }
}

/// One client of a [`ModelCluster`].
pub struct ModelStore {
    shared: Arc<Shared>,
    gid: u64,
    address: String,
    addr: EntityAddr,
    fenced: Option<Fenced>,
    shut: AtomicBool,
}

fn ready<T: Send + 'static>(result: StoreResult<T>) -> BoxFuture<StoreResult<T>> {
    Box::pin(std::future::ready(result))
}

impl ModelStore {
    /// Runs `f` on the state unless this client is shut down or (for data) fenced.
    fn with<T>(&self, f: impl FnOnce(&mut State, u64) -> StoreResult<T>) -> StoreResult<T> {
        if self.shut.load(Ordering::Acquire) {
            return Err(StoreError::ShutDown);
        }
        let now_ns = self.shared.now_ns();
        let mut state = self.shared.state.lock();
        if self.fenced.is_some_and(|client| state.is_fenced(&client, now_ns)) {
            return Err(StoreError::Blocklisted);
        }
        f(&mut state, now_ns)
    }

    fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut State, u64) -> StoreResult<T>,
    ) -> BoxFuture<StoreResult<T>> {
        ready(self.with(f))
    }
}

impl Store for ModelStore {
    fn operate(&self, mut request: Request) -> BoxFuture<StoreResult<Reply>> {
        if let Err(errno) = interp::check_request(&request) {
            return ready(Err(StoreError::Op(errno)));
        }
        interp::normalize(&mut request.target);
        let done = self.with(|state, now_ns| {
            let caller = Caller { gid: self.gid, addr: self.addr, now_ns };
            state.operate(&request, &caller)
        });
        Box::pin(async move {
            let (reply, lost) = done?;
            for watch in lost {
                watch.handler.error(watch.cookie, StoreError::Op(Errno::ENOTCONN));
            }
            Ok(reply)
        })
    }

    fn fixed(&self) -> Option<Arc<dyn FixedReads>> {
        self.make_fixed()
    }

    fn list(
        &self,
        pool: PoolId,
        namespace: Option<Arc<str>>,
        cursor: ListCursor,
        max: usize,
    ) -> BoxFuture<StoreResult<(Vec<ListEntry>, ListCursor)>> {
        self.run(|state, _| state.list(pool, namespace.as_deref(), cursor, max))
    }

    fn watch(
        &self,
        mut target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> BoxFuture<StoreResult<WatchCookie>> {
        interp::normalize(&mut target);
        self.run(|state, now_ns| {
            state.watch(target, self.gid, self.address.clone(), timeout_s, handler, now_ns)
        })
    }

    fn unwatch(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<()>> {
        self.run(|state, _| state.unwatch(self.gid, cookie))
    }

    fn watch_check(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<u64>> {
        self.run(|state, _| state.watch_check(self.gid, cookie))
    }

    fn watch_flush(&self) -> BoxFuture<StoreResult<()>> {
        // Handlers run inside of other calls' futures: there is no queue to flush.
        self.run(|_, _| Ok(()))
    }

    fn notify(
        &self,
        mut target: Target,
        payload: Bytes,
        timeout_ms: u64,
    ) -> BoxFuture<StoreResult<NotifyReply>> {
        interp::normalize(&mut target);
        let begun = self.with(|state, _| state.begin_notify(&target));
        watch::finish_notify(self.shared.clone(), begun, self.gid, payload, timeout_ms)
    }

    fn notify_ack(
        &self,
        _target: Target,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> BoxFuture<StoreResult<()>> {
        self.run(|state, _| {
            state.notify_ack(notify_id, self.gid, cookie, payload);
            Ok(())
        })
    }

    fn pool_list(&self) -> BoxFuture<StoreResult<Vec<(PoolId, String)>>> {
        self.run(|state, _| Ok(state.pool_list()))
    }

    fn pool_lookup(&self, name: &str) -> BoxFuture<StoreResult<PoolId>> {
        self.run(|state, _| state.pool_lookup(name))
    }

    fn pool_name(&self, pool: PoolId) -> BoxFuture<StoreResult<String>> {
        self.run(|state, _| Ok(state.pool(pool)?.name.clone()))
    }

    fn pool_create(&self, name: &str, crush_rule: Option<u8>) -> BoxFuture<StoreResult<PoolId>> {
        self.run(|state, _| state.pool_create(name, crush_rule))
    }

    fn pool_delete(&self, name: &str) -> BoxFuture<StoreResult<()>> {
        self.run(|state, _| state.pool_delete(name))
    }

    fn pool_stat(&self, pool: PoolId) -> BoxFuture<StoreResult<PoolStat>> {
        self.run(|state, _| Ok(state.pool(pool)?.stat()))
    }

    fn pool_alignment(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        self.run(|state, _| state.pool(pool).map(|pool| pool.stripe))
    }

    fn application_enable(&self, pool: PoolId, app: &str, force: bool) -> BoxFuture<StoreResult<()>> {
        self.run(|state, _| state.pool_mut(pool)?.application_enable(app, force))
    }

    fn application_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<String>>> {
        self.run(|state, _| Ok(state.pool(pool)?.applications.keys().cloned().collect()))
    }

    fn application_metadata(&self, pool: PoolId, app: &str) -> BoxFuture<StoreResult<Vec<(String, String)>>> {
        self.run(|state, _| state.pool(pool)?.application_metadata(app))
    }

    fn application_metadata_set(
        &self,
        pool: PoolId,
        app: &str,
        key: &str,
        value: Option<&str>,
    ) -> BoxFuture<StoreResult<()>> {
        self.run(|state, _| state.pool_mut(pool)?.application_metadata_set(app, key, value))
    }

    fn pool_snap_create(&self, _pool: PoolId, _name: &str) -> BoxFuture<StoreResult<()>> {
        ready(Err(StoreError::Unsupported { what: "a pool snapshot" }))
    }

    fn pool_snap_remove(&self, _pool: PoolId, _name: &str) -> BoxFuture<StoreResult<()>> {
        ready(Err(StoreError::Unsupported { what: "a pool snapshot" }))
    }

    fn pool_snap_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<(SnapId, String, u64)>>> {
        self.run(|state, _| state.pool(pool).map(|_| vec![]))
    }

    fn selfmanaged_snap_create(&self, _pool: PoolId) -> BoxFuture<StoreResult<SnapId>> {
        ready(Err(StoreError::Unsupported { what: "a self-managed snapshot" }))
    }

    fn selfmanaged_snap_remove(&self, _pool: PoolId, _snap: SnapId) -> BoxFuture<StoreResult<()>> {
        ready(Err(StoreError::Unsupported { what: "a self-managed snapshot" }))
    }

    fn cluster_stat(&self) -> BoxFuture<StoreResult<ClusterStat>> {
        self.run(|state, _| Ok(state.cluster_stat()))
    }

    fn fsid(&self) -> String {
        self.shared.fsid.clone()
    }

    fn instance_id(&self) -> u64 {
        self.gid
    }

    fn addrs(&self) -> String {
        self.address.clone()
    }

    fn blocklist_add(&self, address: &str, expire_s: u32) -> BoxFuture<StoreResult<()>> {
        let done = self.with(|state, now_ns| state.blocklist_add(address, expire_s, now_ns));
        Box::pin(async move {
            for watch in done? {
                watch.handler.error(watch.cookie, StoreError::Blocklisted);
            }
            Ok(())
        })
    }

    fn command(
        &self,
        _target: CommandTarget,
        _cmd: Vec<String>,
        _input: Bytes,
    ) -> BoxFuture<StoreResult<CommandReply>> {
        self.run(|_, _| {
            let status = "command not known".to_owned();
            Ok(CommandReply { result: Errno::EINVAL.negated(), output: Bytes::new(), status })
        })
    }

    fn wait_for_latest_map(&self) -> BoxFuture<StoreResult<()>> {
        self.run(|_, _| Ok(()))
    }

    fn shutdown(&self) -> BoxFuture<()> {
        if !self.shut.swap(true, Ordering::AcqRel) {
            self.shared.state.lock().drop_client(self.gid);
        }
        Box::pin(std::future::ready(()))
    }
}

impl Drop for ModelStore {
    fn drop(&mut self) {
        self.shared.state.lock().drop_client(self.gid);
    }
}
