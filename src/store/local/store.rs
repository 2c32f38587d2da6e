//! `trait Store` for a client of a local store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::queue::Route;
use super::threads::Job;
use super::{LocalStore, Shared, admin, clients, log_failure, stage};
use crate::errno::Errno;
use crate::store::interp;
use crate::store::{
    BoxFuture, ClusterStat, CommandReply, CommandTarget, Done, FixedReads, ListCursor, ListEntry,
    NotifyReply, PoolId, PoolStat, Reply, Request, SnapId, Store, StoreError, StoreResult, Target,
    WatchCookie, WatchHandler,
};

fn ready<T: Send + 'static>(result: StoreResult<T>) -> BoxFuture<StoreResult<T>> {
    Box::pin(std::future::ready(result))
}

impl Shared {
    /// `answer` is given also if this fails.
    fn submit(self: &Arc<Shared>, mut request: Request, answer: Answer) {
        interp::normalize(&mut request.target);
        if self.shut.load(Ordering::Acquire) {
            return answer.give(Err(StoreError::ShutDown));
        }
        if let Err(errno) = interp::check_request(&request) {
            return answer.give(Err(StoreError::Op(errno)));
        }
        let mut answer = Some(answer);
        let is_write = interp::is_write(&request);
        let staging = is_write && stage::wants_staging(&request);
        match self.queue.submit(&request, is_write, staging, &mut answer) {
            Err(error) => {
                if let Some(answer) = answer {
                    answer.give(Err(error));
                }
            }
            Ok(Route::Read) => self.read(request, answer),
            Ok(Route::Queued(None)) => {}
            Ok(Route::Queued(Some(number))) => {
                let shared = self.clone();
                let job: Job = Box::new(move |_| {
                    let staged = stage::stage(&shared.files, &request);
                    shared.queue.staged(number, staged);
                });
                if self.pool.submit(job).is_err() {
                    // Shutting down: the writer writes it all.
                    self.queue.staged(number, HashMap::new());
                }
            }
        }
    }

    fn read(self: &Arc<Shared>, request: Request, answer: Option<Answer>) {
        let shared = self.clone();
        let target = request.target.clone();
        let job: Job = Box::new(move |db| {
            let result = shared.snapshot(db, &|db| shared.read_list(db, &request));
            if let Err(error) = &result {
                log_failure(error);
            }
            shared.queue.read_done(&request.target);
            if let Some(answer) = answer {
                answer.give(result);
            }
        });
        if self.pool.submit(job).is_err() {
            // The answer went with the job: it is `ShutDown`.
            self.queue.read_done(&target);
        }
    }

    /// The file system's usage, and how many objects there are.
    pub(super) fn stat(self: &Arc<Shared>) -> BoxFuture<StoreResult<ClusterStat>> {
        let folder = self.folder.clone();
        self.query(move |db| {
            let stat = rustix::fs::statvfs(&folder)
                .map_err(|error| super::io_error(&folder, "ask the size of", &error.into()))?;
            let kib = |blocks: u64| blocks.saturating_mul(stat.f_frsize) / 1024;
            Ok(ClusterStat {
                total_kib: kib(stat.f_blocks),
                used_kib: kib(stat.f_blocks.saturating_sub(stat.f_bfree)),
                available_kib: kib(stat.f_bavail),
                objects: admin::object_count(db)?,
            })
        })
    }
}

impl Store for LocalStore {
    fn operate(&self, request: Request) -> BoxFuture<StoreResult<Reply>> {
        let (answer, answered) = Answer::to_task();
        self.shared.submit(request, answer);
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::ShutDown)) })
    }

    fn submit(&self, request: Request, done: Done) -> Option<(Request, Done)> {
        self.shared.submit(request, Answer::to(done));
        None
    }

    fn fixed(&self) -> Option<Arc<dyn FixedReads>> {
        Some(Arc::new(self.shared.clone()))
    }

    fn list(
        &self,
        pool: PoolId,
        namespace: Option<Arc<str>>,
        cursor: ListCursor,
        max: usize,
    ) -> BoxFuture<StoreResult<(Vec<ListEntry>, ListCursor)>> {
        self.shared.query(move |db| admin::list(db, pool, namespace.as_deref(), cursor.clone(), max))
    }

    fn watch(
        &self,
        mut target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> BoxFuture<StoreResult<WatchCookie>> {
        interp::normalize(&mut target);
        self.shared.begin_watch(target, timeout_s, handler)
    }

    fn unwatch(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<()>> {
        self.shared.end_watch(cookie)
    }

    fn watch_check(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<u64>> {
        if self.shared.shut.load(Ordering::Acquire) {
            return ready(Err(StoreError::ShutDown));
        }
        // A watch is a row of the same store: while it is there it is good.
        let watching = self.shared.events.is_watching(cookie);
        ready(if watching { Ok(0) } else { Err(StoreError::Op(Errno::ENOTCONN)) })
    }

    fn watch_flush(&self) -> BoxFuture<StoreResult<()>> {
        let (done, flushed) = oneshot::channel();
        self.shared.events.flush(done);
        Box::pin(async move { flushed.await.map_err(|_| StoreError::ShutDown) })
    }

    fn notify(
        &self,
        mut target: Target,
        payload: Bytes,
        timeout_ms: u64,
    ) -> BoxFuture<StoreResult<NotifyReply>> {
        interp::normalize(&mut target);
        self.shared.send_notify(target, payload, timeout_ms)
    }

    fn notify_ack(
        &self,
        _target: Target,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> BoxFuture<StoreResult<()>> {
        self.shared.send_ack(notify_id, cookie, payload)
    }

    fn pool_list(&self) -> BoxFuture<StoreResult<Vec<(PoolId, String)>>> {
        self.shared.query(admin::pool_list)
    }

    fn pool_lookup(&self, name: &str) -> BoxFuture<StoreResult<PoolId>> {
        let name = name.to_owned();
        self.shared.query(move |db| admin::pool_lookup(db, &name))
    }

    fn pool_name(&self, pool: PoolId) -> BoxFuture<StoreResult<String>> {
        self.shared.query(move |db| admin::pool_name(db, pool))
    }

    fn pool_create(&self, name: &str, crush_rule: Option<u8>) -> BoxFuture<StoreResult<PoolId>> {
        let name = name.to_owned();
        self.shared.transact(false, move |tx| admin::pool_create(tx, &name, crush_rule))
    }

    fn pool_delete(&self, name: &str) -> BoxFuture<StoreResult<()>> {
        let name = name.to_owned();
        self.shared.transact(false, move |tx| admin::pool_delete(tx, &name))
    }

    fn pool_stat(&self, pool: PoolId) -> BoxFuture<StoreResult<PoolStat>> {
        // Ops are not counted: no reader of them is worth a write for each.
        self.shared.query(move |db| {
            let (bytes, objects) = admin::pool_usage(db, pool)?;
            Ok(PoolStat { bytes, objects, ..PoolStat::default() })
        })
    }

    fn pool_alignment(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        self.shared.query(move |db| admin::pool_name(db, pool).map(|_| None))
    }

    fn application_enable(&self, pool: PoolId, app: &str, force: bool) -> BoxFuture<StoreResult<()>> {
        let app = app.to_owned();
        self.shared.transact(false, move |tx| admin::application_enable(tx, pool, &app, force))
    }

    fn application_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<String>>> {
        self.shared.query(move |db| admin::applications(db, pool))
    }

    fn application_metadata(&self, pool: PoolId, app: &str) -> BoxFuture<StoreResult<Vec<(String, String)>>> {
        let app = app.to_owned();
        self.shared.query(move |db| admin::application_metadata(db, pool, &app))
    }

    fn application_metadata_set(
        &self,
        pool: PoolId,
        app: &str,
        key: &str,
        value: Option<&str>,
    ) -> BoxFuture<StoreResult<()>> {
        let (app, key, value) = (app.to_owned(), key.to_owned(), value.map(str::to_owned));
        self.shared.transact(false, move |tx| {
            admin::application_metadata_set(tx, pool, &app, &key, value.as_deref())
        })
    }

    fn pool_snap_create(&self, _pool: PoolId, _name: &str) -> BoxFuture<StoreResult<()>> {
        ready(Err(StoreError::Unsupported { what: "a pool snapshot" }))
    }

    fn pool_snap_remove(&self, _pool: PoolId, _name: &str) -> BoxFuture<StoreResult<()>> {
        ready(Err(StoreError::Unsupported { what: "a pool snapshot" }))
    }

    fn pool_snap_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<(SnapId, String, u64)>>> {
        self.shared.query(move |db| admin::pool_name(db, pool).map(|_| vec![]))
    }

    fn selfmanaged_snap_create(&self, _pool: PoolId) -> BoxFuture<StoreResult<SnapId>> {
        ready(Err(StoreError::Unsupported { what: "a self-managed snapshot" }))
    }

    fn selfmanaged_snap_remove(&self, _pool: PoolId, _snap: SnapId) -> BoxFuture<StoreResult<()>> {
        ready(Err(StoreError::Unsupported { what: "a self-managed snapshot" }))
    }

    fn cluster_stat(&self) -> BoxFuture<StoreResult<ClusterStat>> {
        self.shared.stat()
    }

    fn fsid(&self) -> String {
        self.shared.fsid.clone()
    }

    fn instance_id(&self) -> u64 {
        self.shared.gid
    }

    fn addrs(&self) -> String {
        self.shared.address.clone()
    }

    fn blocklist_add(&self, address: &str, expire_s: u32) -> BoxFuture<StoreResult<()>> {
        let address = address.to_owned();
        self.shared.transact(false, move |tx| clients::fence(tx, &address, expire_s))
    }

    fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        _input: Bytes,
    ) -> BoxFuture<StoreResult<CommandReply>> {
        Box::pin(self.shared.clone().command(target, cmd))
    }

    fn wait_for_latest_map(&self) -> BoxFuture<StoreResult<()>> {
        // There is no map: every transaction sees the newest state.
        let shut = self.shared.shut.load(Ordering::Acquire);
        ready(if shut { Err(StoreError::ShutDown) } else { Ok(()) })
    }

    fn shutdown(&self) -> BoxFuture<()> {
        self.shared.begin_shutdown();
        let mut threads = std::mem::take(&mut *self.threads.lock());
        threads.extend(self.shared.helpers.take_threads());
        // A callback of ours that shuts its own client down cannot be waited for.
        threads.retain(|thread| thread.thread().id() != std::thread::current().id());
        let shared = self.shared.clone();
        if threads.is_empty() {
            shared.fixed.close();
            return Box::pin(std::future::ready(()));
        }
        let (done, ended) = oneshot::channel();
        // Joined on a thread of its own: the caller may be an executor, or one of the threads (in a callback).
        let join = std::thread::Builder::new().name("store-end".to_owned()).spawn(move || {
            for thread in threads {
                // A panic was told when it happened.
                let _ = thread.join();
            }
            shared.fixed.close();
            drop(shared);
            let _ = done.send(());
        });
        Box::pin(async move {
            if join.is_ok() {
                let _ = ended.await;
            }
        })
    }
}
