//! The embedded store: a folder, no server, several processes at once. Layout and promises: docs/local-store.md.
//!
//! SQLite holds names, attributes, omap and small data; large data lies in plain files that are written and synced
//! before the commit that names them. One writer thread commits what waits, several readers read beside it.

mod admin;
mod answer;
mod apply;
mod clients;
mod command;
mod direct;
mod events;
mod files;
mod fixed;
mod folder;
mod forked;
mod helpers;
mod pack;
mod queue;
mod schema;
mod spare;
mod stage;
mod store;
mod threads;
mod vfs;
mod view;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sync::Mutex;
use tokio::sync::oneshot;

use self::apply::Garbage;
use self::events::Events;
use self::files::{Files, io_error};
use self::fixed::FixedState;
use self::folder::{Folder, Presence};
use self::forked::Opened;
use self::helpers::Helpers;
use self::pack::Packer;
use self::queue::{Call, Queue};
use self::schema::Db;
use self::threads::{Job, Pool};
use self::view::{ObjectRow, View};
use self::writer::{Transaction, Writer};
use crate::store::blocklist::Fenced;
use crate::store::interp::{self, Caller};
use crate::store::{BoxFuture, Reply, Request, SnapId, StoreError, StoreResult};
use crate::wire::types::EntityAddr;

/// Settings of one client.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Threads that read, and write large data ahead of the commit.
    pub readers: usize,
    /// The timeout of watches that ask for none.
    pub watch_timeout_s: u32,
}

impl Default for LocalOptions {
    fn default() -> LocalOptions {
        LocalOptions { readers: 4, watch_timeout_s: 30 }
    }
}

/// What the threads of one client share.
struct Shared {
    folder: PathBuf,
    fsid: String,
    gid: u64,
    address: String,
    addr: EntityAddr,
    fenced: Fenced,
    files: Files,
    packer: Packer,
    queue: Queue,
    pool: Pool,
    events: Events,
    shut: AtomicBool,
    presence: Mutex<Option<Presence>>,
    fixed: FixedState,
    helpers: Helpers,
    /// Let go of by the last thread that had a connection.
    _opened: Opened,
}

/// A client of a store in a folder. It ends with [`crate::store::Store::shutdown`], or when it is dropped.
pub struct LocalStore {
    shared: Arc<Shared>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// The one line that says what went wrong, and where. Errnos of op lists are answers and not failures.
fn log_failure(error: &StoreError) {
    if matches!(error, StoreError::Corrupt { .. } | StoreError::Io { .. } | StoreError::NoSpace) {
        tracing::error!("local store: {error}");
    }
}

impl LocalStore {
    /// Opens the store in `path`. A missing folder is made (its parent is not), with a pool `rbd` whose application
    /// `rbd` is enabled. `Refused`: the folder is something else, or of a newer format; it is left as it was.
    /// `client_name` is for people to read. Starts the client's threads.
    pub fn open(path: &Path, client_name: &str, options: LocalOptions) -> StoreResult<Arc<LocalStore>> {
        let opened = LocalStore::open_inner(path, client_name, options);
        if let Err(error) = &opened {
            log_failure(error);
        }
        opened
    }

    fn open_inner(path: &Path, client_name: &str, options: LocalOptions) -> StoreResult<Arc<LocalStore>> {
        let folder = Folder::open(path)?;
        let opened = Opened::enter(&folder.path)?;
        let db = folder.open_db()?;
        let clients = folder.path.join("clients");
        let dead = clients::dead(&db, &clients)?;
        let gid = clients::register(&db, client_name)?;
        let presence = Presence::announce(&clients, gid)?;
        let garbage = if dead.is_empty() { vec![] } else { clients::leftover_garbage(&db)? };
        let address = clients::address(gid);
        let shared = Arc::new(Shared {
            fsid: folder.fsid.clone(),
            gid,
            addr: EntityAddr::parse(&address).unwrap_or_default(),
            fenced: Fenced::parse(&address)?,
            address,
            files: Files::new(folder.path.join("data"), gid),
            packer: Packer::default(),
            queue: Queue::default(),
            pool: Pool::default(),
            events: Events::open(&clients, gid, options.watch_timeout_s)?,
            shut: AtomicBool::new(false),
            presence: Mutex::new(Some(presence)),
            fixed: FixedState::new(folder.connect()?),
            helpers: Helpers::default(),
            folder: folder.path.clone(),
            _opened: opened,
        });
        let connections = (0..options.readers.max(1) + 1).map(|_| folder.connect());
        let mut connections = connections.collect::<StoreResult<Vec<Db>>>()?;
        let writer = Writer::new(shared.clone(), db)?;
        drop(folder);
        let mut threads = Threads { shared: &shared, handles: Vec::new() };
        threads.start("writer", move |_| writer.run())?;
        if let Some(db) = connections.pop() {
            threads.start("events", move |shared| shared.events.run(shared, &db))?;
        }
        threads.start("watch", |shared| shared.events.run_callbacks())?;
        for db in connections {
            threads.start("read", move |shared| shared.pool.run(&db))?;
        }
        let threads = Arc::new(Mutex::new(std::mem::take(&mut threads.handles)));
        shared.sweep(dead, garbage);
        Ok(Arc::new(LocalStore { shared, threads }))
    }
}

/// Threads being started: if one fails to, the others end.
struct Threads<'a> {
    shared: &'a Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads<'_> {
    fn start(&mut self, name: &str, run: impl FnOnce(&Arc<Shared>) + Send + 'static) -> StoreResult<()> {
        let shared = self.shared.clone();
        let builder = std::thread::Builder::new().name(format!("store-{name}"));
        match builder.spawn(move || run(&shared)) {
            Ok(handle) => {
                self.handles.push(handle);
                Ok(())
            }
            Err(error) => {
                self.shared.stop();
                Err(io_error(&self.shared.folder, "start a thread for", &error))
            }
        }
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.shared.begin_shutdown();
    }
}

impl Shared {
    fn clients(&self) -> PathBuf {
        self.folder.join("clients")
    }

    fn is_alive(&self, gid: u64) -> bool {
        folder::is_alive(&self.clients(), gid)
    }

    /// Whether a client is there to hear of what it watches.
    fn is_watching(&self, gid: u64, timeout_s: u32) -> bool {
        folder::is_heard(&self.clients(), gid, Duration::from_secs(timeout_s.into()))
    }

    /// Tells the others that this client runs.
    fn beat(&self) {
        if let Some(presence) = &*self.presence.lock() {
            presence.beat();
        }
    }

    fn wake(&self, gid: u64) {
        self.events.wake(gid);
    }

    /// Ends the threads once they have done what is queued.
    fn stop(&self) {
        self.queue.close();
        self.pool.close();
        self.helpers.close();
        self.events.stop();
    }

    /// Takes no more work; queued work is done, then the client's rows go. True the first time.
    fn begin_shutdown(self: &Arc<Shared>) -> bool {
        if self.shut.swap(true, Ordering::AcqRel) {
            return false;
        }
        struct Leave(Arc<Shared>);
        impl Call for Leave {
            fn when_fenced(&self) -> bool {
                true
            }
            fn run(&mut self, tx: &mut Transaction<'_>) -> StoreResult<()> {
                clients::forget(tx, tx.shared.gid)
            }
            fn done(&mut self, _result: StoreResult<()>) {
                // If the rows are still there, they are a dead client's from now on.
                self.0.presence.lock().take();
            }
        }
        self.files.close_spares();
        let _ = self.queue.call(Box::new(Leave(self.clone())));
        self.stop();
        true
    }

    /// Frees garbage on a helper thread; its rows go with a later commit.
    fn clean_later(self: &Arc<Shared>, garbage: Vec<Garbage>) {
        let shared = self.clone();
        let clean: Job = Box::new(move |db| {
            let whole = garbage.iter().filter(|piece| piece.length == 0).map(|piece| piece.file);
            let kept = shared.files.keep_spares(db, whole);
            for piece in garbage.iter().filter(|piece| !kept.contains(&piece.file)) {
                shared.files.free(piece.file, piece.start, piece.length);
            }
            folder::restore_reserve(&shared.folder);
            shared.queue.cleaned(garbage.iter().map(|piece| piece.row).collect());
        });
        // After the shutdown the rows stay; who opens the store next frees what they name.
        let _ = self.pool.submit(clean);
    }

    /// Tidies up after clients that died, beside the normal work.
    fn sweep(self: &Arc<Shared>, dead: Vec<u64>, garbage: Vec<Garbage>) {
        if !garbage.is_empty() {
            self.clean_later(garbage);
        }
        for gid in dead {
            let shared = self.clone();
            let sweep: Job = Box::new(move |db| {
                if let Err(error) = clients::remove_orphans(db, &shared, gid) {
                    return log_failure(&error);
                }
                drop(shared.transact(true, move |tx| clients::forget(tx, gid)));
            });
            let _ = self.pool.submit(sweep);
        }
    }

    /// Runs `f` in the writer's next transaction; the result comes when that is durable.
    fn transact<T: Send + 'static>(
        self: &Arc<Shared>,
        when_fenced: bool,
        f: impl FnMut(&mut Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> BoxFuture<StoreResult<T>> {
        struct Run<T, F> {
            f: F,
            when_fenced: bool,
            value: Option<T>,
            reply: Option<oneshot::Sender<StoreResult<T>>>,
        }
        impl<T: Send, F: FnMut(&mut Transaction<'_>) -> StoreResult<T> + Send> Call for Run<T, F> {
            fn when_fenced(&self) -> bool {
                self.when_fenced
            }
            fn run(&mut self, tx: &mut Transaction<'_>) -> StoreResult<()> {
                self.value = Some((self.f)(tx)?);
                Ok(())
            }
            fn done(&mut self, result: StoreResult<()>) {
                let value = result.and_then(|()| self.value.take().ok_or(StoreError::ShutDown));
                if let Some(reply) = self.reply.take() {
                    let _ = reply.send(value);
                }
            }
        }
        let (reply, answered) = oneshot::channel();
        let run = Run { f, when_fenced, value: None, reply: Some(reply) };
        if self.queue.call(Box::new(run)).is_err() {
            return Box::pin(std::future::ready(Err(StoreError::ShutDown)));
        }
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::ShutDown)) })
    }

    /// Runs `f` on a reader, in one snapshot of the database.
    fn query<T: Send + 'static>(
        self: &Arc<Shared>,
        f: impl Fn(&Db) -> StoreResult<T> + Send + 'static,
    ) -> BoxFuture<StoreResult<T>> {
        let (reply, answered) = oneshot::channel();
        let shared = self.clone();
        let job: Job = Box::new(move |db| {
            let result = shared.snapshot(db, &f);
            if let Err(error) = &result {
                log_failure(error);
            }
            // The caller may have lost interest.
            let _ = reply.send(result);
        });
        if self.pool.submit(job).is_err() {
            return Box::pin(std::future::ready(Err(StoreError::ShutDown)));
        }
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::ShutDown)) })
    }

    /// Data files are read outside of SQLite's snapshot: what a row names may be freed by a later commit before it is
    /// read. Then a new snapshot no longer has that row. If it still has, the bytes are damaged.
    fn snapshot<T>(&self, db: &Db, f: &dyn Fn(&Db) -> StoreResult<T>) -> StoreResult<T> {
        let mut last: Option<StoreError> = None;
        loop {
            match self.snapshot_once(db, f) {
                Err(error @ StoreError::Corrupt { .. }) if last.as_ref() != Some(&error) => {
                    last = Some(error)
                }
                result => return result,
            }
        }
    }

    fn snapshot_once<T>(&self, db: &Db, f: &dyn Fn(&Db) -> StoreResult<T>) -> StoreResult<T> {
        let sql = |text: &str| {
            let done = db.conn.prepare_cached(text).and_then(|mut statement| statement.execute([]));
            done.map(|_| ()).map_err(|error| db.error(error))
        };
        sql("BEGIN")?;
        let result = match clients::is_fenced(db, self, now_ns()) {
            Ok(true) => Err(StoreError::Blocklisted),
            Ok(false) => f(db),
            Err(error) => Err(error),
        };
        // Nothing was written; this only lets the snapshot go.
        let ended = if db.conn.is_autocommit() { Ok(()) } else { sql("COMMIT") };
        result.and_then(|value| ended.map(|()| value))
    }

    /// Runs a list that writes nothing.
    fn read_list(&self, db: &Db, request: &Request) -> StoreResult<Reply> {
        if request.read_snap != SnapId::HEAD {
            return Err(StoreError::Unsupported { what: "an object's snapshot" });
        }
        writer::pool_floor(db, &request.target)?;
        let target = &request.target;
        let row = ObjectRow::load(db, target)?;
        let watching = |gid, timeout_s| self.is_watching(gid, timeout_s);
        let mut view = View { db, files: &self.files, target, row, is_watching: &watching };
        let caller = Caller { gid: self.gid, addr: self.addr, now_ns: now_ns() };
        Ok(interp::execute(request, &mut view, &caller)?.into_reply(0))
    }
}
