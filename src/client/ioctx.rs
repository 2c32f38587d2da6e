//! An I/O context: a pool, and how objects in it are addressed, read and written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;

use super::session::{Session, guarded};
use super::writes::Writes;
use crate::errno::Errno;
use crate::store::{Op, OpFlags, PoolId, Reply, Request, SnapContext, SnapId, StoreResult, Target};

pub struct IoCtx {
    session: Arc<Session>,
    pool: PoolId,
    settings: Mutex<Settings>,
    /// Version of the object that the last synchronous call read or wrote.
    last_version: AtomicU64,
    writes: Writes,
}

/// What later calls are made with.
#[derive(Clone)]
pub struct Settings {
    pub namespace: Arc<str>,
    /// Locator key; empty for none.
    pub key: Arc<str>,
    pub snapc: SnapContext,
    pub read_snap: SnapId,
    pub full_try: bool,
}

impl Settings {
    /// An object whose key is its own name is the object without a key.
    fn target(&self, pool: PoolId, oid: &str) -> Target {
        let key = if &*self.key == oid { "".into() } else { self.key.clone() };
        Target { pool, namespace: self.namespace.clone(), key, oid: oid.into() }
    }
}

impl IoCtx {
    pub fn new(session: Arc<Session>, pool: PoolId) -> IoCtx {
        let settings = Settings {
            namespace: "".into(),
            key: "".into(),
            snapc: SnapContext::default(),
            read_snap: SnapId::HEAD,
            full_try: false,
        };
        let last_version = AtomicU64::new(0);
        IoCtx { session, pool, settings: Mutex::new(settings), last_version, writes: Writes::default() }
    }

    /// ENOENT if there is no such pool.
    pub fn open(session: Arc<Session>, pool: &str) -> StoreResult<IoCtx> {
        let id = session.wait(guarded(session.store().pool_lookup(pool)))?;
        Ok(IoCtx::new(session, id))
    }

    /// ENOENT if there is no such pool.
    pub fn open_id(session: Arc<Session>, pool: PoolId) -> StoreResult<IoCtx> {
        session.wait(guarded(session.store().pool_name(pool)))?;
        Ok(IoCtx::new(session, pool))
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub fn pool(&self) -> PoolId {
        self.pool
    }

    pub fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    pub fn namespace(&self) -> Arc<str> {
        self.settings.lock().namespace.clone()
    }

    pub fn set_namespace(&self, namespace: &str) {
        self.settings.lock().namespace = namespace.into();
    }

    pub fn set_key(&self, key: &str) {
        self.settings.lock().key = key.into();
    }

    /// 0 means the live object too.
    pub fn set_read_snap(&self, snap: SnapId) {
        self.settings.lock().read_snap = if snap.0 == 0 { SnapId::HEAD } else { snap };
    }

    /// EINVAL unless the snapshots descend from at most `seq`.
    pub fn set_snapc(&self, snapc: SnapContext) -> Result<(), Errno> {
        let above = [SnapId(snapc.seq.saturating_add(1))];
        let descending = above.iter().chain(&snapc.snaps).is_sorted_by(|newer, older| newer > older);
        if !descending {
            return Err(Errno::EINVAL);
        }
        self.settings.lock().snapc = snapc;
        Ok(())
    }

    pub fn set_full_try(&self, on: bool) {
        self.settings.lock().full_try = on;
    }

    pub fn last_version(&self) -> u64 {
        self.last_version.load(Ordering::Relaxed)
    }

    pub fn target(&self, oid: &str) -> Target {
        self.settings.lock().target(self.pool, oid)
    }

    /// A request made with the context's settings.
    pub fn request(&self, oid: &str, ops: Vec<(Op, u32)>, flags: OpFlags) -> Request {
        let settings = self.settings.lock();
        Request {
            target: settings.target(self.pool, oid),
            ops,
            flags: OpFlags { full_try: flags.full_try || settings.full_try, ..flags },
            snapc: settings.snapc.clone(),
            read_snap: settings.read_snap,
            mtime_ns: None,
            place: None,
            chunks: None,
            sums: Vec::new(),
        }
    }

    /// A request that may write: EROFS while reads are directed at a snapshot.
    pub fn write_request(&self, oid: &str, ops: Vec<(Op, u32)>, flags: OpFlags) -> Result<Request, Errno> {
        let request = self.request(oid, ops, flags);
        if request.read_snap == SnapId::HEAD { Ok(request) } else { Err(Errno::EROFS) }
    }

    /// Runs an op list and waits for its answer. The reply's result may be an error; see [`Reply::ok`].
    pub fn run(&self, request: Request) -> StoreResult<Reply> {
        let reply = self.session.wait(guarded(self.session.store().operate(request)))?;
        self.last_version.store(reply.version, Ordering::Relaxed);
        Ok(reply)
    }

    /// Starts an op list; `done` gets its answer on a thread of the runtime: it must not block. A write is waited for
    /// by flushes until `done` has returned.
    pub fn start(
        self: &Arc<Self>,
        request: Request,
        write: bool,
        done: impl FnOnce(StoreResult<Reply>) + Send + 'static,
    ) {
        let number = write.then(|| self.writes.begin());
        let io = self.clone();
        let done = move |reply| {
            done(reply);
            if let Some(number) = number {
                io.writes.end(number);
            }
        };
        // The store orders lists by when it is called, so this happens on the caller's thread.
        self.session.run(request, done);
    }

    /// The writes under way: what `rados_aio_flush` waits for.
    pub fn writes(&self) -> &Writes {
        &self.writes
    }
}
