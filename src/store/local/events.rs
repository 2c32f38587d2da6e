//! Watch and notify across processes.
//!
//! Watches are rows, and so are the messages to a client ("events"). A datagram to the client's socket says that there
//! is something to fetch; it carries nothing. A watcher's life is its locked presence file, where it says every few seconds that
//! it runs: one that died, or was silent for as long as its watch's timeout, is not waited for.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};
use bytes::Bytes;
use rusqlite::{OptionalExtension, params};
use tokio::sync::oneshot;

use super::Shared;
use super::files::io_error;
use super::queue::Call;
use super::schema::Db;
use super::view::ObjectRow;
use super::writer::{Transaction, pool_floor};
use crate::errno::Errno;
use crate::store::{NotifyAck, NotifyReply, StoreError, StoreResult, Target, WatchCookie, WatchHandler};

/// Kinds of events: a notification, the end of a watch, an answer to a notification.
const EVENT_NOTIFY: i64 = 1;
pub(super) const EVENT_LOST: i64 = 2;
const EVENT_ACK: i64 = 3;

const DEFAULT_NOTIFY_TIMEOUT_MS: u64 = 30_000;
/// How often at least a client with watches says that it runs; more often where a timeout is short.
const BEAT: Duration = Duration::from_secs(5);
/// How often a notifier looks whether those it waits for still live.
const LIVENESS: Duration = Duration::from_millis(250);

/// A notification of ours that waits for answers.
struct Pending {
    waiting: BTreeSet<(u64, u64)>,
    reply: NotifyReply,
    deadline: Instant,
    done: Option<oneshot::Sender<StoreResult<NotifyReply>>>,
}

enum Dispatch {
    Notify { handler: Arc<dyn WatchHandler>, id: u64, cookie: WatchCookie, notifier: u64, payload: Bytes },
    Error { handler: Arc<dyn WatchHandler>, cookie: WatchCookie, error: StoreError },
    Flush(oneshot::Sender<()>),
}

pub(super) struct Events {
    socket: UnixDatagram,
    /// The folder of sockets, held open: its path may be longer than a socket's name can be.
    sockets: std::fs::File,
    handlers: Mutex<HashMap<u64, Arc<dyn WatchHandler>>>,
    /// Watches that ended with their object.
    lost: Mutex<BTreeSet<u64>>,
    pending: Mutex<HashMap<u64, Pending>>,
    next_cookie: AtomicU64,
    next_notify: AtomicU64,
    dispatch: Mutex<VecDeque<Dispatch>>,
    dispatched: Condvar,
    stop: AtomicBool,
    watch_timeout_s: u32,
    /// The shortest timeout that a watch of this client has had.
    shortest_s: AtomicU32,
}

impl Events {
    pub fn open(clients: &std::path::Path, gid: u64, watch_timeout_s: u32) -> StoreResult<Events> {
        let failed = |error: std::io::Error| io_error(clients, "make a socket in", &error);
        let sockets = std::fs::File::open(clients).map_err(failed)?;
        let socket = UnixDatagram::bind(socket_path(&sockets, gid)).map_err(failed)?;
        Ok(Events {
            socket,
            sockets,
            handlers: Mutex::new(HashMap::new()),
            lost: Mutex::new(BTreeSet::new()),
            pending: Mutex::new(HashMap::new()),
            next_cookie: AtomicU64::new(1),
            next_notify: AtomicU64::new(1),
            dispatch: Mutex::new(VecDeque::new()),
            dispatched: Condvar::new(),
            stop: AtomicBool::new(false),
            watch_timeout_s,
            shortest_s: AtomicU32::new(u32::MAX),
        })
    }

    /// Tells a client that it has mail. One that is not there, or has a full socket, needs no telling.
    pub fn wake(&self, gid: u64) {
        if let Ok(socket) = UnixDatagram::unbound() {
            let _ = socket.set_nonblocking(true);
            let _ = socket.send_to(&[1], socket_path(&self.sockets, gid));
        }
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        // Ends a `recv` that waits, also when the socket's name is gone already.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        // Under the lock, so that the callback thread cannot miss it.
        let _queue = self.dispatch.lock();
        self.dispatched.notify_all();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn push(&self, dispatch: Dispatch) {
        self.dispatch.lock().push_back(dispatch);
        self.dispatched.notify_one();
    }

    pub fn is_watching(&self, cookie: WatchCookie) -> bool {
        self.handlers.lock().contains_key(&cookie.0)
    }

    /// Completes when the callbacks that are queued now have returned.
    pub fn flush(&self, done: oneshot::Sender<()>) {
        self.push(Dispatch::Flush(done));
    }

    /// The thread that calls handlers, one at a time, with no lock held.
    pub fn run_callbacks(&self) {
        loop {
            let mut queue = self.dispatch.lock();
            let next = loop {
                if let Some(next) = queue.pop_front() {
                    break next;
                }
                if self.stopped() {
                    return;
                }
                queue = self.dispatched.wait(queue);
            };
            drop(queue);
            match next {
                Dispatch::Notify { handler, id, cookie, notifier, payload } => {
                    handler.notify(id, cookie, notifier, payload);
                }
                Dispatch::Error { handler, cookie, error } => handler.error(cookie, error),
                Dispatch::Flush(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    /// The thread that fetches mail and watches over deadlines.
    pub fn run(&self, shared: &Shared, db: &Db) {
        let mut seen = 0;
        let mut buffer = [0u8; 16];
        while !self.stopped() {
            if let Err(error) = self.fetch(shared, db, &mut seen) {
                super::log_failure(&error);
            }
            let mut wait = self.check_pending(shared, db).unwrap_or(Duration::from_secs(60));
            if !self.handlers.lock().is_empty() {
                shared.beat();
                let shortest = Duration::from_secs(self.shortest_s.load(Ordering::Relaxed).into());
                wait = wait.min(BEAT).min(shortest / 6);
            }
            // A timeout of zero would mean for ever.
            let _ = self.socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))));
            if self.socket.recv(&mut buffer).is_ok() {
                // One fetch serves all that arrived so far.
                let _ = self.socket.set_nonblocking(true);
                while self.socket.recv(&mut buffer).is_ok() {}
                let _ = self.socket.set_nonblocking(false);
            }
        }
        for (_, pending) in self.pending.lock().drain() {
            if let Some(done) = pending.done {
                let _ = done.send(Err(StoreError::ShutDown));
            }
        }
    }

    fn fetch(&self, shared: &Shared, db: &Db, seen: &mut i64) -> StoreResult<()> {
        type Row = (i64, i64, i64, i64, i64, Vec<u8>);
        let rows: Vec<Row> = db
            .conn
            .prepare_cached(
                "SELECT id, kind, cookie, notify_id, sender, payload FROM event
                 WHERE gid = ?1 AND id > ?2 ORDER BY id",
            )
            .and_then(|mut s| {
                s.query_map(params![shared.gid as i64, *seen], |r| {
                    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
                })?
                .collect()
            })
            .map_err(|error| db.error(error))?;
        let Some(last) = rows.last().map(|row| row.0) else { return Ok(()) };
        for (_, kind, cookie, notify_id, sender, payload) in rows {
            let (cookie, notify_id, sender) = (cookie as u64, notify_id as u64, sender as u64);
            match kind {
                EVENT_NOTIFY => {
                    let handler = self.handlers.lock().get(&cookie).cloned();
                    if let Some(handler) = handler {
                        let cookie = WatchCookie(cookie);
                        let payload = payload.into();
                        self.push(Dispatch::Notify {
                            handler,
                            id: notify_id,
                            cookie,
                            notifier: sender,
                            payload,
                        });
                    }
                }
                EVENT_LOST => {
                    if let Some(handler) = self.handlers.lock().remove(&cookie) {
                        let errno = payload.try_into().map_or(Errno::ENOTCONN.0, i32::from_le_bytes);
                        let error = if errno == Errno::ESHUTDOWN.0 {
                            StoreError::Blocklisted
                        } else {
                            self.lost.lock().insert(cookie);
                            StoreError::Op(Errno(errno))
                        };
                        self.push(Dispatch::Error { handler, cookie: WatchCookie(cookie), error });
                    }
                }
                EVENT_ACK => {
                    if let Some(pending) = self.pending.lock().get_mut(&notify_id)
                        && pending.waiting.remove(&(sender, cookie))
                    {
                        let payload = payload.into();
                        pending.reply.acks.push(NotifyAck { notifier_gid: sender, cookie, payload });
                    }
                }
                _ => {}
            }
        }
        *seen = last;
        shared.forget_events(last);
        Ok(())
    }

    /// Ends notifications that are complete or late; how long until the next look.
    fn check_pending(&self, shared: &Shared, db: &Db) -> Option<Duration> {
        let now = Instant::now();
        let mut pending = self.pending.lock();
        let mut ended = Vec::new();
        for (id, notify) in pending.iter_mut() {
            // Who has unwatched is not waited for; who died or is stopped has timed out.
            notify.waiting.retain(|(gid, cookie)| match watch_timeout(db, *gid, *cookie) {
                Ok(None) => false,
                Ok(Some(timeout_s)) => {
                    let is_watching = shared.is_watching(*gid, timeout_s);
                    if !is_watching {
                        notify.reply.timeouts.push((*gid, *cookie));
                    }
                    is_watching
                }
                // The deadline ends the waiting.
                Err(_) => true,
            });
            if now >= notify.deadline {
                notify.reply.timeouts.extend(std::mem::take(&mut notify.waiting));
            }
            if notify.waiting.is_empty() && notify.done.is_some() {
                ended.push(*id);
            }
        }
        for id in ended {
            if let Some(notify) = pending.remove(&id)
                && let Some(done) = notify.done
            {
                let _ = done.send(Ok(notify.reply));
            }
        }
        pending.values().map(|notify| notify.deadline.saturating_duration_since(now).min(LIVENESS)).min()
    }
}

/// A socket's path through the open folder, which is short however deep the folder lies.
fn socket_path(sockets: &std::fs::File, gid: u64) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{gid}.sock", sockets.as_raw_fd()))
}

/// The timeout of a watch, in seconds; `None` if it has ended.
fn watch_timeout(db: &Db, gid: u64, cookie: u64) -> rusqlite::Result<Option<u32>> {
    let mut found = db.conn.prepare_cached("SELECT timeout_s FROM watch WHERE gid = ?1 AND cookie = ?2")?;
    found.query_row(params![gid as i64, cookie as i64], |row| row.get(0)).optional()
}

/// (gid, cookie) of an object's watches.
pub(super) fn watches_of(db: &Db, object: i64) -> StoreResult<Vec<(u64, u64)>> {
    let rows: rusqlite::Result<Vec<(i64, i64)>> = db
        .conn
        .prepare_cached("SELECT gid, cookie FROM watch WHERE object = ?1 ORDER BY gid, cookie")
        .and_then(|mut s| s.query_map([object], |row| Ok((row.get(0)?, row.get(1)?)))?.collect());
    let rows = rows.map_err(|error| db.error(error))?;
    Ok(rows.into_iter().map(|(gid, cookie)| (gid as u64, cookie as u64)).collect())
}

/// Sends a client an event with this transaction.
pub(super) fn insert_event(
    tx: &mut Transaction<'_>,
    gid: u64,
    kind: i64,
    cookie: u64,
    notify_id: u64,
    payload: &[u8],
) -> StoreResult<()> {
    tx.execute(
        "INSERT INTO event (gid, kind, cookie, notify_id, sender, payload)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM client WHERE gid = ?1)",
        params![gid as i64, kind, cookie as i64, notify_id as i64, tx.shared.gid as i64, payload],
    )?;
    tx.wake.insert(gid);
    Ok(())
}

/// Finds an object to watch or notify: ENOENT if it does not exist.
fn find(tx: &Transaction<'_>, target: &Target) -> StoreResult<i64> {
    pool_floor(tx.db, target)?;
    let row = ObjectRow::load(tx.db, target)?;
    row.map(|row| row.id).ok_or(StoreError::Op(Errno::ENOENT))
}

impl Shared {
    pub(super) fn begin_watch(
        self: &Arc<Self>,
        target: Target,
        timeout_s: u32,
        handler: Arc<dyn WatchHandler>,
    ) -> crate::store::BoxFuture<StoreResult<WatchCookie>> {
        let cookie = self.events.next_cookie.fetch_add(1, Ordering::Relaxed);
        let timeout_s = if timeout_s == 0 { self.events.watch_timeout_s } else { timeout_s };
        // Before the commit that makes others see the watch.
        self.events.handlers.lock().insert(cookie, handler);
        self.events.shortest_s.fetch_min(timeout_s, Ordering::Relaxed);
        self.beat();
        // From now on the events' thread goes on with it.
        self.wake(self.gid);
        let watched = self.transact(false, move |tx| {
            let object = find(tx, &target)?;
            let gid = tx.shared.gid as i64;
            let sql = "INSERT INTO watch (object, gid, cookie, timeout_s) VALUES (?1, ?2, ?3, ?4)";
            tx.execute(sql, params![object, gid, cookie as i64, timeout_s])?;
            Ok(())
        });
        let shared = self.clone();
        Box::pin(async move {
            let watched = watched.await;
            if watched.is_err() {
                shared.events.handlers.lock().remove(&cookie);
            }
            watched.map(|()| WatchCookie(cookie))
        })
    }

    pub(super) fn end_watch(
        self: &Arc<Self>,
        cookie: WatchCookie,
    ) -> crate::store::BoxFuture<StoreResult<()>> {
        let known = self.events.handlers.lock().remove(&cookie.0).is_some();
        let lost = self.events.lost.lock().remove(&cookie.0);
        let ended = self.transact(true, move |tx| {
            let sql = "DELETE FROM watch WHERE gid = ?1 AND cookie = ?2";
            tx.execute(sql, params![tx.shared.gid as i64, cookie.0 as i64])?;
            Ok(())
        });
        Box::pin(async move {
            ended.await?;
            match (known, lost) {
                (true, _) => Ok(()),
                // Its object is gone.
                (false, true) => Err(StoreError::Op(Errno::ENOENT)),
                (false, false) => Err(StoreError::Op(Errno::ENOTCONN)),
            }
        })
    }

    pub(super) fn send_ack(
        self: &Arc<Self>,
        notify_id: u64,
        cookie: WatchCookie,
        payload: Bytes,
    ) -> crate::store::BoxFuture<StoreResult<()>> {
        self.transact(true, move |tx| {
            // The notifier's number is in the notification's.
            insert_event(tx, notify_id >> 32, EVENT_ACK, cookie.0, notify_id, &payload)
        })
    }

    pub(super) fn send_notify(
        self: &Arc<Self>,
        target: Target,
        payload: Bytes,
        timeout_ms: u64,
    ) -> crate::store::BoxFuture<StoreResult<NotifyReply>> {
        let number = self.events.next_notify.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff;
        let timeout =
            Duration::from_millis(if timeout_ms == 0 { DEFAULT_NOTIFY_TIMEOUT_MS } else { timeout_ms });
        let (done, answered) = oneshot::channel();
        let call = NotifyCall {
            shared: self.clone(),
            id: (self.gid << 32) | number,
            target,
            payload,
            timeout,
            done: Some(done),
        };
        if self.queue.call(Box::new(call)).is_err() {
            return Box::pin(std::future::ready(Err(StoreError::ShutDown)));
        }
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::ShutDown)) })
    }

    /// Events up to this one have been handed on.
    fn forget_events(self: &Shared, last: i64) {
        struct Forget(i64);
        impl Call for Forget {
            fn when_fenced(&self) -> bool {
                true
            }
            fn run(&mut self, tx: &mut Transaction<'_>) -> StoreResult<()> {
                let sql = "DELETE FROM event WHERE gid = ?1 AND id <= ?2";
                tx.execute(sql, params![tx.shared.gid as i64, self.0]).map(|_| ())
            }
            // They are not handed on twice if this fails; the rows go with the client.
            fn done(&mut self, _result: StoreResult<()>) {}
        }
        let _ = self.queue.call(Box::new(Forget(last)));
    }
}

struct NotifyCall {
    shared: Arc<Shared>,
    id: u64,
    target: Target,
    payload: Bytes,
    timeout: Duration,
    done: Option<oneshot::Sender<StoreResult<NotifyReply>>>,
}

impl Call for NotifyCall {
    fn when_fenced(&self) -> bool {
        false
    }

    fn run(&mut self, tx: &mut Transaction<'_>) -> StoreResult<()> {
        let object = find(tx, &self.target)?;
        let mut waiting = BTreeSet::new();
        for (gid, cookie) in watches_of(tx.db, object)? {
            if self.shared.is_alive(gid) {
                insert_event(tx, gid, EVENT_NOTIFY, cookie, self.id, &self.payload)?;
                waiting.insert((gid, cookie));
            } else {
                let sql = "DELETE FROM watch WHERE object = ?1 AND gid = ?2";
                tx.execute(sql, params![object, gid as i64])?;
            }
        }
        // Before the commit: answers may come at once. `done` follows, so nothing ends before that.
        let deadline = Instant::now() + self.timeout;
        let pending = Pending { waiting, reply: NotifyReply::default(), deadline, done: None };
        self.shared.events.pending.lock().insert(self.id, pending);
        Ok(())
    }

    fn done(&mut self, result: StoreResult<()>) {
        let Some(done) = self.done.take() else { return };
        match result {
            Ok(()) => {
                if let Some(pending) = self.shared.events.pending.lock().get_mut(&self.id) {
                    pending.done = Some(done);
                }
                // The events thread may have to end it at once.
                self.shared.wake(self.shared.gid);
            }
            Err(error) => {
                self.shared.events.pending.lock().remove(&self.id);
                let _ = done.send(Err(error));
            }
        }
    }
}
