//! A store that fails on purpose, for tests: wraps another and asks a policy what becomes of each op list.
//!
//! Lists to one object keep their order, delayed or not. A crash ([`FaultyStore::crash`]) is the death of this client:
//! of the lists that have not been answered, each object's run of them takes effect up to some point that the crash
//! policy draws, and nobody is ever answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::sync::Mutex;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    BoxFuture, ClusterStat, CommandReply, CommandTarget, Done, ListCursor, ListEntry, NotifyReply, PoolId,
    PoolStat, Reply, Request, SnapId, Store, StoreError, StoreResult, Target, WatchCookie, WatchHandler,
};
use crate::env::Env;

/// What becomes of one op list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Runs as it should.
    None,
    /// Takes effect after `before` and is answered `after` later.
    Delay { before: Duration, after: Duration },
    /// Fails without effect.
    ErrorBefore(StoreError),
    /// Takes effect, but the caller is told that it failed: a lost reply.
    ErrorAfter(StoreError),
    /// Never takes effect and is never answered, nor is any later list to the object, until the crash.
    Hang,
    /// Takes effect and is never answered.
    HangAfter,
}

/// An op list as the policy sees it.
pub struct Call<'a> {
    /// Counts this store's lists from 0.
    pub number: u64,
    pub request: &'a Request,
}

type Policy = dyn FnMut(&Call<'_>) -> Fault + Send;

struct Shared {
    inner: Arc<dyn Store>,
    env: Arc<dyn Env>,
    policy: Mutex<Box<Policy>>,
    crashed: AtomicBool,
    calls: AtomicU64,
    /// Lists that have not reached the inner store, by object, in order.
    queues: Mutex<HashMap<Target, Vec<Queued>>>,
}

struct Queued {
    number: u64,
    request: Request,
    /// Woken when the list is the first of its object's queue.
    turn: Option<oneshot::Sender<()>>,
}

/// One client whose op lists fail as a policy says. Make one for each client of the test.
pub struct FaultyStore {
    shared: Arc<Shared>,
}

impl FaultyStore {
    /// `policy` is asked once for each list, in the order of the calls; give it a seeded generator of its own.
    pub fn new(
        inner: Arc<dyn Store>,
        env: Arc<dyn Env>,
        policy: impl FnMut(&Call<'_>) -> Fault + Send + 'static,
    ) -> Arc<FaultyStore> {
        let shared = Shared {
            inner,
            env,
            policy: Mutex::new(Box::new(policy)),
            crashed: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            queues: Mutex::new(HashMap::new()),
        };
        Arc::new(FaultyStore { shared: Arc::new(shared) })
    }

    /// The client dies. For each object with lists that have not taken effect, `keep(object, count)` says how many of
    /// the first of them do; they are run before this returns. Every later call fails with `ShutDown`.
    /// Watches end, as the inner client is shut down.
    pub async fn crash(&self, mut keep: impl FnMut(&Target, usize) -> usize) {
        self.shared.crashed.store(true, Ordering::SeqCst);
        let mut queues: Vec<(Target, Vec<Queued>)> = self.shared.queues.lock().drain().collect();
        // A fixed order, so that a seeded `keep` replays.
        queues.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (target, queue) in queues {
            let count = keep(&target, queue.len()).min(queue.len());
            for queued in queue.into_iter().take(count) {
                // Nobody hears the answer.
                let _ = self.shared.inner.operate(queued.request).await;
            }
        }
        self.shared.inner.shutdown().await;
    }

    /// How many lists have been asked for.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::SeqCst)
    }

    fn gate<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store) -> BoxFuture<StoreResult<T>>,
    ) -> BoxFuture<StoreResult<T>> {
        if self.shared.crashed.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::ShutDown)));
        }
        call(&*self.shared.inner)
    }
}

impl Shared {
    /// Takes the list out of its object's queue and lets the next one go; `None`: the client crashed.
    fn dequeue(&self, target: &Target, number: u64) -> Option<Request> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(target)?;
        let position = queue.iter().position(|queued| queued.number == number)?;
        let queued = queue.remove(position);
        match queue.first_mut() {
            None => {
                queues.remove(target);
            }
            Some(next) if position == 0 => {
                if let Some(turn) = next.turn.take() {
                    // The waiter may have been dropped with its executor.
                    let _ = turn.send(());
                }
            }
            Some(_) => {}
        }
        Some(queued.request)
    }

    async fn run(
        self: Arc<Shared>,
        target: Target,
        number: u64,
        fault: Fault,
        turn: oneshot::Receiver<()>,
        answer: oneshot::Sender<StoreResult<Reply>>,
    ) {
        if turn.await.is_err() || fault == Fault::Hang {
            return;
        }
        let (before, after) = match &fault {
            Fault::Delay { before, after } => (*before, *after),
            _ => (Duration::ZERO, Duration::ZERO),
        };
        if !before.is_zero() {
            self.env.sleep(before).await;
        }
        // Effects happen in this order: the inner store is called before the object's next list may go.
        let reply = {
            let mut queues = self.queues.lock();
            let request = queues.get_mut(&target).and_then(|queue| queue.first()).map(|q| q.request.clone());
            match (request, &fault) {
                (None, _) => return,
                (Some(_), Fault::ErrorBefore(error)) => {
                    let error = error.clone();
                    Box::pin(std::future::ready(Err(error))) as BoxFuture<StoreResult<Reply>>
                }
                (Some(request), _) => self.inner.operate(request),
            }
        };
        self.dequeue(&target, number);
        let reply = reply.await;
        if !after.is_zero() {
            self.env.sleep(after).await;
        }
        if self.crashed.load(Ordering::SeqCst) || fault == Fault::HangAfter {
            return;
        }
        let reply = match fault {
            Fault::ErrorAfter(error) => Err(error),
            _ => reply,
        };
        // The caller may have lost interest.
        let _ = answer.send(reply);
    }
}

impl Store for FaultyStore {
    fn operate(&self, request: Request) -> BoxFuture<StoreResult<Reply>> {
        let shared = self.shared.clone();
        if shared.crashed.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::ShutDown)));
        }
        let number = shared.calls.fetch_add(1, Ordering::SeqCst);
        let fault = (shared.policy.lock())(&Call { number, request: &request });
        let (turn, my_turn) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let target = request.target.clone();
        {
            let mut queues = shared.queues.lock();
            let queue = queues.entry(target.clone()).or_default();
            let mut queued = Queued { number, request, turn: Some(turn) };
            if queue.is_empty()
                && let Some(turn) = queued.turn.take()
            {
                let _ = turn.send(());
            }
            queue.push(queued);
        }
        let env = shared.env.clone();
        env.spawn(Box::pin(shared.run(target, number, fault, my_turn, answer)));
        Box::pin(async move {
            match answered.await {
                Ok(reply) => reply,
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn submit(&self, request: Request, done: Done) -> Option<(Request, Done)> {
        let answered = self.operate(request);
        self.shared.env.spawn(Box::pin(async move { done(answered.await) }));
        None
    }

    fn list(
        &self,
        pool: PoolId,
        namespace: Option<Arc<str>>,
        cursor: ListCursor,
        max: usize,
    ) -> BoxFuture<StoreResult<(Vec<ListEntry>, ListCursor)>> {
        self.gate(|inner| inner.list(pool, namespace, cursor, max))
    }

    fn watch(
        &self,
        target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> BoxFuture<StoreResult<WatchCookie>> {
        self.gate(|inner| inner.watch(target, timeout_s, handler))
    }

    fn unwatch(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.unwatch(cookie))
    }

    fn watch_check(&self, cookie: WatchCookie) -> BoxFuture<StoreResult<u64>> {
        self.gate(|inner| inner.watch_check(cookie))
    }

    fn watch_flush(&self) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.watch_flush())
    }

    fn notify(&self, target: Target, payload: Bytes, timeout_ms: u64) -> BoxFuture<StoreResult<NotifyReply>> {
        self.gate(|inner| inner.notify(target, payload, timeout_ms))
    }

    fn notify_ack(
        &self,
        target: Target,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.notify_ack(target, notify_id, cookie, payload))
    }

    fn pool_list(&self) -> BoxFuture<StoreResult<Vec<(PoolId, String)>>> {
        self.gate(|inner| inner.pool_list())
    }

    fn pool_lookup(&self, name: &str) -> BoxFuture<StoreResult<PoolId>> {
        self.gate(|inner| inner.pool_lookup(name))
    }

    fn pool_name(&self, pool: PoolId) -> BoxFuture<StoreResult<String>> {
        self.gate(|inner| inner.pool_name(pool))
    }

    fn pool_create(&self, name: &str, crush_rule: Option<u8>) -> BoxFuture<StoreResult<PoolId>> {
        self.gate(|inner| inner.pool_create(name, crush_rule))
    }

    fn pool_delete(&self, name: &str) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.pool_delete(name))
    }

    fn pool_stat(&self, pool: PoolId) -> BoxFuture<StoreResult<PoolStat>> {
        self.gate(|inner| inner.pool_stat(pool))
    }

    fn pool_stripe(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        self.gate(|inner| inner.pool_stripe(pool))
    }

    fn pool_alignment(&self, pool: PoolId) -> BoxFuture<StoreResult<Option<u64>>> {
        self.gate(|inner| inner.pool_alignment(pool))
    }

    fn application_enable(&self, pool: PoolId, app: &str, force: bool) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.application_enable(pool, app, force))
    }

    fn application_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<String>>> {
        self.gate(|inner| inner.application_list(pool))
    }

    fn application_metadata(&self, pool: PoolId, app: &str) -> BoxFuture<StoreResult<Vec<(String, String)>>> {
        self.gate(|inner| inner.application_metadata(pool, app))
    }

    fn application_metadata_set(
        &self,
        pool: PoolId,
        app: &str,
        key: &str,
        value: Option<&str>,
    ) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.application_metadata_set(pool, app, key, value))
    }

    fn pool_snap_create(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.pool_snap_create(pool, name))
    }

    fn pool_snap_remove(&self, pool: PoolId, name: &str) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.pool_snap_remove(pool, name))
    }

    fn pool_snap_list(&self, pool: PoolId) -> BoxFuture<StoreResult<Vec<(SnapId, String, u64)>>> {
        self.gate(|inner| inner.pool_snap_list(pool))
    }

    fn selfmanaged_snap_create(&self, pool: PoolId) -> BoxFuture<StoreResult<SnapId>> {
        self.gate(|inner| inner.selfmanaged_snap_create(pool))
    }

    fn selfmanaged_snap_remove(&self, pool: PoolId, snap: SnapId) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.selfmanaged_snap_remove(pool, snap))
    }

    fn cluster_stat(&self) -> BoxFuture<StoreResult<ClusterStat>> {
        self.gate(|inner| inner.cluster_stat())
    }

    fn fsid(&self) -> String {
        self.shared.inner.fsid()
    }

    fn instance_id(&self) -> u64 {
        self.shared.inner.instance_id()
    }

    fn addrs(&self) -> String {
        self.shared.inner.addrs()
    }

    fn blocklist_add(&self, address: &str, expire_s: u32) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.blocklist_add(address, expire_s))
    }

    fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> BoxFuture<StoreResult<CommandReply>> {
        self.gate(|inner| inner.command(target, cmd, input))
    }

    fn wait_for_latest_map(&self) -> BoxFuture<StoreResult<()>> {
        self.gate(|inner| inner.wait_for_latest_map())
    }

    fn shutdown(&self) -> BoxFuture<()> {
        self.shared.inner.shutdown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::TokioEnv;
    use crate::errno::Errno;
    use crate::store::model::ModelCluster;
    use crate::store::{Op, OpOut};

    fn append(oid: &str, text: &'static str) -> Request {
        let op = Op::Append { data: Bytes::from_static(text.as_bytes()) };
        Request::new(Target::new(PoolId(1), "", oid), vec![op])
    }

    async fn contents(store: &dyn Store, oid: &str) -> Bytes {
        let op = Op::Read { offset: 0, length: 0 };
        let request = Request::new(Target::new(PoolId(1), "", oid), vec![op]);
        match store.operate(request).await.unwrap().ops.pop().map(|op| op.out) {
            Some(OpOut::Data(data)) => data,
            _ => Bytes::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn order_is_kept_and_faults_are_before_or_after_the_effect() {
        let cluster = ModelCluster::new();
        let error = StoreError::Op(Errno::EIO);
        let injected = error.clone();
        let store = FaultyStore::new(cluster.client(), TokioEnv::current(), move |call| match call.number {
            0 => Fault::Delay { before: Duration::from_secs(5), after: Duration::from_secs(1) },
            1 => Fault::ErrorBefore(injected.clone()),
            2 => Fault::ErrorAfter(injected.clone()),
            _ => Fault::None,
        });
        let replies = ["a", "b", "c", "d"].map(|text| store.operate(append("o", text)));
        let mut results = Vec::new();
        for reply in replies {
            results.push(reply.await.map(|reply| reply.result));
        }
        assert_eq!(results, vec![Ok(0), Err(error.clone()), Err(error), Ok(0)]);
        assert_eq!(contents(&*cluster.client(), "o").await, "acd");
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_keeps_a_prefix_of_each_objects_lists() {
        let cluster = ModelCluster::new();
        let store = FaultyStore::new(cluster.client(), TokioEnv::current(), |call| match call.number {
            0 => Fault::None,
            _ => Fault::Hang,
        });
        store.operate(append("o", "a")).await.unwrap();
        let unanswered: Vec<_> = ["b", "c", "d"].map(|text| store.operate(append("o", text))).into();
        store.crash(|_, count| count - 1).await;
        assert_eq!(contents(&*cluster.client(), "o").await, "abc");
        assert_eq!(store.operate(append("o", "e")).await, Err(StoreError::ShutDown));
        for reply in unanswered {
            assert!(tokio::time::timeout(Duration::from_secs(60), reply).await.is_err());
        }
    }
}
