//! A store with a map that was not written, but for its inner pages: the others are made when they are read. All else goes to the
//! store under it. It counts what is done with map objects, and its client can die.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use logrbd::disk::synthetic::Synthetic;
use logrbd::disk::{DiskNames, MapObjectNumber};
use logrbd::errno::Errno;
use logrbd::store::{
    BoxFuture, ClusterStat, CommandReply, CommandTarget, ListCursor, ListEntry, NotifyReply, Op, OpOut,
    OpResult, PoolId, PoolStat, Reply, Request, SnapId, Store, StoreResult, Target, WatchCookie,
    WatchHandler,
};

/// What was done with map objects and the header.
#[derive(Default)]
pub struct Counters {
    pub reads: AtomicU64,
    /// Of them, those of no more than a page may have.
    pub page_reads: AtomicU64,
    pub objects: AtomicU64,
    pub bytes: AtomicU64,
    /// Bytes of omap values set in the header: roots.
    pub root_bytes: AtomicU64,
}

pub struct ScaleStore {
    inner: Arc<dyn Store>,
    /// `None`: the map was written.
    map: Option<Arc<Synthetic>>,
    written: Arc<BTreeSet<u64>>,
    prefix: String,
    header: Target,
    removed: Arc<Mutex<BTreeSet<u64>>>,
    pub counters: Arc<Counters>,
    dead: AtomicBool,
}

impl ScaleStore {
    pub fn new(inner: Arc<dyn Store>, names: &DiskNames, map: Option<Arc<Synthetic>>) -> Arc<ScaleStore> {
        let written = map.iter().flat_map(|map| map.inner_objects().map(|number| number.0)).collect();
        Arc::new(ScaleStore {
            inner,
            map,
            written: Arc::new(written),
            prefix: names.map_prefix(),
            header: names.header(),
            removed: Arc::default(),
            counters: Arc::default(),
            dead: AtomicBool::new(false),
        })
    }

    /// Another client of the same store.
    pub fn client(&self) -> Arc<ScaleStore> {
        Arc::new(ScaleStore {
            inner: self.inner.clone(),
            map: self.map.clone(),
            written: self.written.clone(),
            prefix: self.prefix.clone(),
            header: self.header.clone(),
            removed: self.removed.clone(),
            counters: self.counters.clone(),
            dead: AtomicBool::new(false),
        })
    }

    /// Nothing that this client asks for from now on is done or answered.
    pub fn die(&self) {
        self.dead.store(true, SeqCst);
    }

    fn count(&self, request: &Request, number: Option<u64>) {
        for (op, _) in &request.ops {
            match op {
                Op::Read { length, .. } if number.is_some() => {
                    let page = u64::from(*length <= 66 << 10);
                    self.counters.reads.fetch_add(1, SeqCst);
                    self.counters.page_reads.fetch_add(page, SeqCst);
                }
                Op::WriteFull { data } if number.is_some() => {
                    self.counters.objects.fetch_add(1, SeqCst);
                    self.counters.bytes.fetch_add(data.len() as u64, SeqCst);
                }
                Op::OmapSet { pairs } if request.target == self.header => {
                    let bytes: usize = pairs.values().map(Bytes::len).sum();
                    self.counters.root_bytes.fetch_add(bytes as u64, SeqCst);
                }
                _ => {}
            }
        }
    }

    /// The answer to an op list on an object of the map that was not written; `None`: it is not one.
    fn synthetic(&self, request: &Request, number: u64) -> Option<Reply> {
        let map = self.map.as_ref().filter(|_| !self.written.contains(&number))?;
        map.read(MapObjectNumber(number), 0, 0)?;
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reply = Reply { result: 0, version: 1, ops: Vec::new() };
        for (op, _) in &request.ops {
            let out = match op {
                _ if removed.contains(&number) => {
                    reply.result = -Errno::ENOENT.0;
                    break;
                }
                Op::Read { offset, length } => {
                    OpOut::Data(map.read(MapObjectNumber(number), *offset, *length).unwrap_or_default())
                }
                Op::Remove => {
                    removed.insert(number);
                    OpOut::None
                }
                other => panic!("{other:?} of a map object"),
            };
            reply.ops.push(OpResult { rval: 0, out });
        }
        Some(reply)
    }
}

impl Store for ScaleStore {
    fn operate(&self, request: Request) -> BoxFuture<StoreResult<Reply>> {
        if self.dead.load(SeqCst) {
            return Box::pin(std::future::pending());
        }
        let number =
            request.target.oid.strip_prefix(&self.prefix).and_then(|n| u64::from_str_radix(n, 16).ok());
        self.count(&request, number);
        match number.and_then(|number| self.synthetic(&request, number)) {
            Some(reply) => Box::pin(std::future::ready(Ok(reply))),
            None => self.inner.operate(request),
        }
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
