//! What outlives its request: watches, which are registered with every OSD that comes to serve the object, and
//! notifications, which end when all watchers have answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::events::Event;
use super::state::{Deadline, Op, Purpose, State};
use super::{After, Env, Objecter};
use crate::errno::Errno;
use crate::osd::codes::{NO_SNAP, flag, op, watch, watch_event};
use crate::osd::map::{self, OsdMap};
use crate::osd::message::{NotifyReplies, WatchNotify};
use crate::osd::slot::Answer;
use crate::osd::target::{Rules, Target, Verdict};
use crate::osd::{ObjectName, OpAnswer, OpRequest, OsdError, OsdOp, WatchEvents};
use crate::wire::denc::{Decoder, Encoder};

/// What a request of a watch or notification is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Register,
    /// The watch is known, and another OSD or another session of the same one has it now.
    Reconnect,
    /// Still there? Asked then, by this registration.
    Ping {
        sent: Instant,
        generation: u32,
    },
}

type Waiter<T> = oneshot::Sender<Result<T, OsdError>>;

enum Kind {
    Watch { handler: Arc<dyn WatchEvents>, timeout_s: u32, made: Option<Waiter<u64>> },
    Notify { payload: Bytes, timeout_s: u32, done: Option<Waiter<NotifyReplies>> },
}

pub(super) struct Linger {
    object: ObjectName,
    kind: Kind,
    pub(super) target: Target,
    registered: bool,
    /// Counts registrations of a watch.
    generation: u32,
    /// The request that registers it now.
    tid: Option<u64>,
    /// It is lost, and its handler knows.
    error: Option<Errno>,
    /// When it was last known to be good.
    valid: Instant,
    /// Since when notifications wait for the handler.
    pending: VecDeque<Instant>,
    /// Of a notification, once the OSD has said it.
    notify_id: u64,
    mtime_ns: u64,
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

fn failed(errno: Errno, object: &ObjectName, what: &str) -> OsdError {
    let oid = String::from_utf8_lossy(&object.oid);
    OsdError::Failed { errno, detail: format!("{what} of object {oid} in pool {}", object.pool) }
}

/// An answer's errno, as an error.
fn refused(answer: Answer, object: &ObjectName, what: &str) -> Result<OpAnswer, OsdError> {
    match answer {
        Ok(answer) if answer.result < 0 => Err(failed(Errno(-answer.result), object, what)),
        other => other,
    }
}

/// As librados tells watchers: an object that is gone has taken the watch with it.
fn watch_errno(error: &OsdError) -> Errno {
    match error {
        OsdError::Failed { errno: Errno::ENOENT, .. } | OsdError::NoPool(_) => Errno::ENOTCONN,
        OsdError::Failed { errno, .. } => *errno,
        OsdError::Blocklisted | OsdError::ShutDown => Errno::ESHUTDOWN,
        OsdError::TimedOut { .. } => Errno::ETIMEDOUT,
        OsdError::Full => Errno::ENOSPC,
        OsdError::QuotaReached => Errno::EDQUOT,
    }
}

fn watch_op(cookie: u64, kind: u8, generation: u32, timeout_s: u32) -> OsdOp {
    let mut union = [0; 28];
    let mut fields = &mut union[..];
    fields.put_u64_le(cookie);
    fields.put_u64_le(0);
    fields.put_u8(kind);
    fields.put_u32_le(generation);
    fields.put_u32_le(timeout_s);
    OsdOp { code: op::WATCH, flags: 0, union, input: vec![], sum: None }
}

fn cookie_op(code: u16, cookie: u64, input: Bytes) -> OsdOp {
    let mut union = [0; 28];
    union[..8].copy_from_slice(&cookie.to_le_bytes());
    OsdOp { code, flags: 0, union, input: vec![input], sum: None }
}

pub(in crate::osd) fn request_for(object: ObjectName, op: OsdOp, flags: u32, mtime_ns: u64) -> OpRequest {
    OpRequest {
        object,
        ops: vec![op],
        flags,
        snap: NO_SNAP,
        snap_seq: 0,
        snaps: vec![],
        mtime_ns,
        placement_seed: None,
        place: None,
        chunks: None,
    }
}

impl Linger {
    fn new(object: ObjectName, kind: Kind, flags: u32, mtime_ns: u64) -> Linger {
        Linger {
            object,
            kind,
            target: Target::new(flags),
            registered: false,
            generation: 0,
            tid: None,
            error: None,
            valid: Instant::now(),
            pending: VecDeque::new(),
            notify_id: 0,
            mtime_ns,
        }
    }

    pub(super) fn look(&mut self, map: &OsdMap, barrier: u32) -> Verdict {
        let rules =
            Rules { object: &self.object, seed: None, barrier, any_change: true, salt: 0, location: &[] };
        self.target.look(map, &rules)
    }

    /// Its request was given another tid.
    pub(super) fn renumber(&mut self, old: u64, new: u64) {
        if self.tid == Some(old) {
            self.tid = Some(new);
        }
    }

    fn is_watch(&self) -> bool {
        matches!(self.kind, Kind::Watch { .. })
    }

    pub(super) fn wants_ping(&self) -> bool {
        self.is_watch() && self.registered && self.error.is_none() && self.target.osd >= 0
    }

    /// The watch is lost.
    fn lose(&mut self, cookie: u64, errno: Errno, after: &mut After) {
        if let Kind::Watch { handler, .. } = &self.kind
            && self.error.is_none()
        {
            self.error = Some(errno);
            after.events.push(Event::Error { handler: handler.clone(), cookie, errno });
        }
    }

    /// Tells whoever waits for it, if anybody does.
    fn fail(&mut self, error: OsdError, after: &mut After) {
        match &mut self.kind {
            Kind::Watch { made, .. } => {
                if let Some(made) = made.take() {
                    after.calls.push(Box::new(move || drop(made.send(Err(error)))));
                }
            }
            Kind::Notify { done, .. } => {
                if let Some(done) = done.take() {
                    after.calls.push(Box::new(move || drop(done.send(Err(error)))));
                }
            }
        }
    }
}

impl State {
    fn add_linger(&mut self, env: &Env, mut linger: Linger, after: &mut After) -> u64 {
        self.last_linger += 1;
        let id = self.last_linger;
        if let Some(map) = &self.map {
            linger.look(map, self.barrier);
        }
        if self.shut || self.blocklisted {
            let error = if self.shut { OsdError::ShutDown } else { OsdError::Blocklisted };
            linger.fail(error, after);
            return id;
        }
        self.lingers.insert(id, linger);
        self.send_linger(env, id, after);
        id
    }

    /// Registers it with the OSD that serves its object now; a registration under way before is forgotten.
    pub(super) fn send_linger(&mut self, env: &Env, id: u64, after: &mut After) {
        let tid = self.last_tid + 1;
        let Some(linger) = self.lingers.get_mut(&id) else { return };
        if linger.error.is_some() {
            return;
        }
        let (ops, step) = match &linger.kind {
            Kind::Watch { .. } if linger.registered => {
                linger.generation += 1;
                (watch_op(id, watch::RECONNECT, linger.generation, 0), Step::Reconnect)
            }
            Kind::Watch { timeout_s, .. } => (watch_op(id, watch::WATCH, 0, *timeout_s), Step::Register),
            Kind::Notify { payload, timeout_s, .. } => {
                linger.notify_id = 0;
                let mut e = Encoder::new();
                e.u32(1).u32(*timeout_s).blob(payload);
                (cookie_op(op::NOTIFY, id, e.finish()), Step::Register)
            }
        };
        let request = request_for(linger.object.clone(), ops, linger.target.flags, linger.mtime_ns);
        let old = linger.tid.replace(tid);
        if let Some(old) = old {
            self.ops.remove(&old);
        }
        self.begin_linger(env, request, id, step, after);
    }

    fn begin_linger(&mut self, env: &Env, request: OpRequest, id: u64, step: Step, after: &mut After) {
        // As in librados: a registration has the time of a request, being asked whether a watch is still there has not.
        let timeout = env.options.op_timeout.get().filter(|_| !matches!(step, Step::Ping { .. }));
        let deadline = Deadline::after(timeout);
        self.add_deadline(deadline, after);
        let op = Op {
            target: Target::new(request.flags),
            request,
            purpose: Purpose::Linger { id, step },
            attempts: 0,
            sent_at: 0,
            budget: None,
            deadline,
            gone_bound: 0,
        };
        self.begin(env, Box::new(op), after);
    }

    pub(super) fn ping_linger(&mut self, env: &Env, id: u64, after: &mut After) {
        if self.map.as_ref().is_some_and(|map| map.has_flag(map::flag::PAUSERD)) {
            return;
        }
        let Some(linger) = self.lingers.get(&id) else { return };
        let generation = linger.generation;
        let op = watch_op(id, watch::PING, generation, 0);
        let flags = linger.target.flags | flag::READ;
        let request = request_for(linger.object.clone(), op, flags, linger.mtime_ns);
        let step = Step::Ping { sent: Instant::now(), generation };
        self.begin_linger(env, request, id, step, after);
    }

    pub(super) fn linger_answered(
        &mut self,
        id: u64,
        step: Step,
        tid: u64,
        answer: Answer,
        after: &mut After,
    ) {
        let Some(linger) = self.lingers.get_mut(&id) else { return };
        match step {
            Step::Register if linger.tid == Some(tid) => {
                let what = if linger.is_watch() { "watch" } else { "notification" };
                match refused(answer, &linger.object, what) {
                    Err(error) => {
                        linger.fail(error, after);
                        self.lingers.remove(&id);
                    }
                    Ok(answer) => {
                        linger.registered = true;
                        match &mut linger.kind {
                            Kind::Watch { made, .. } => {
                                if let Some(made) = made.take() {
                                    after.calls.push(Box::new(move || drop(made.send(Ok(id)))));
                                }
                            }
                            Kind::Notify { .. } => {
                                let said = answer.ops.first().map(|op| Decoder::new(&op.output).u64());
                                linger.notify_id = said.and_then(Result::ok).unwrap_or(0);
                            }
                        }
                    }
                }
            }
            Step::Reconnect if linger.tid == Some(tid) => {
                if let Err(error) = refused(answer, &linger.object, "watch") {
                    linger.lose(id, watch_errno(&error), after);
                }
            }
            Step::Ping { sent, generation } if linger.generation == generation => {
                match refused(answer, &linger.object, "watch") {
                    Ok(_) => linger.valid = linger.valid.max(sent),
                    Err(error) => linger.lose(id, watch_errno(&error), after),
                }
            }
            // Of an earlier registration.
            Step::Register | Step::Reconnect | Step::Ping { .. } => {}
        }
    }

    /// Its pool is not in the map. One that is not registered yet has a request that finds out whether it is to come.
    pub(super) fn linger_pool_gone(&mut self, id: u64, after: &mut After) {
        let Some(linger) = self.lingers.get_mut(&id) else { return };
        if linger.registered {
            linger.lose(id, Errno::ENOTCONN, after);
            let pool = linger.object.pool;
            linger.fail(OsdError::NoPool(pool), after);
        }
    }

    pub(super) fn fail_lingers(&mut self, error: &OsdError, after: &mut After) {
        for (id, linger) in &mut self.lingers {
            linger.fail(error.clone(), after);
            if linger.registered && *error != OsdError::ShutDown {
                linger.lose(*id, watch_errno(error), after);
            }
        }
        // Those that nobody knows of yet.
        self.lingers.retain(|_, linger| linger.registered && linger.is_watch());
    }

    pub(super) fn watch_notify(&mut self, news: WatchNotify, after: &mut After) {
        let Some(linger) = self.lingers.get_mut(&news.cookie) else { return };
        match (news.event, &mut linger.kind) {
            // Of a registration whose answer does not count any more (the pool became full before it came, so it is sent again
            // when there is room): the one under way makes the watch anew, and who waits for that is told then.
            (watch_event::DISCONNECT, Kind::Watch { .. }) if !linger.registered => {}
            (watch_event::DISCONNECT, Kind::Watch { .. }) => linger.lose(news.cookie, Errno::ENOTCONN, after),
            (watch_event::NOTIFY, Kind::Watch { handler, .. }) => {
                linger.pending.push_back(Instant::now());
                after.events.push(Event::Notify {
                    handler: handler.clone(),
                    cookie: news.cookie,
                    notify_id: news.notify_id,
                    notifier_gid: news.notifier_gid,
                    payload: news.payload,
                });
            }
            (watch_event::NOTIFY_COMPLETE, Kind::Notify { done, .. }) => {
                // 0: the end came before the answer that tells the number.
                if linger.notify_id != 0 && linger.notify_id != news.notify_id {
                    return;
                }
                let replies = NotifyReplies::decode(&news.replies)
                    .map_err(|_| failed(Errno::EIO, &linger.object, "answers to a notification"));
                // Watchers that did not answer are in the replies themselves.
                let result = match (replies, news.result) {
                    (Ok(replies), result) if result >= 0 || Errno(-result) == Errno::ETIMEDOUT => Ok(replies),
                    (Ok(_), result) => Err(failed(Errno(-result), &linger.object, "notification")),
                    (Err(error), _) => Err(error),
                };
                if let Some(done) = done.take() {
                    after.calls.push(Box::new(move || drop(done.send(result))));
                }
                if let Some(linger) = self.lingers.remove(&news.cookie)
                    && let Some(tid) = linger.tid
                {
                    self.ops.remove(&tid);
                }
            }
            _ => tracing::debug!("event {} for cookie {} ignored", news.event, news.cookie),
        }
    }

    pub(super) fn event_handled(&mut self, cookie: u64) {
        if let Some(linger) = self.lingers.get_mut(&cookie) {
            linger.pending.pop_front();
        }
    }

    /// Takes it out; its object, if it was there.
    fn remove_linger(&mut self, id: u64) -> Option<ObjectName> {
        let linger = self.lingers.remove(&id)?;
        if let Some(tid) = linger.tid {
            self.ops.remove(&tid);
        }
        Some(linger.object)
    }
}

impl Objecter {
    pub(in crate::osd) fn watch(
        &self,
        object: ObjectName,
        timeout_s: u32,
        handler: Arc<dyn WatchEvents>,
        flags: u32,
    ) -> oneshot::Receiver<Result<u64, OsdError>> {
        let (made, wait) = oneshot::channel();
        let kind = Kind::Watch { handler, timeout_s, made: Some(made) };
        let linger = Linger::new(object, kind, flag::WRITE | flags, now_ns());
        self.with(|state, env, after| state.add_linger(env, linger, after));
        wait
    }

    /// The request that ends a watch on the OSD's side; here it is over at once.
    pub(in crate::osd) fn unwatch(&self, cookie: u64) -> Result<OpRequest, OsdError> {
        let removed = self.with(|state, _, _| match state.lingers.get(&cookie) {
            Some(linger) if linger.is_watch() => {
                let flags = linger.target.flags & (flag::WRITE | flag::FULL_TRY);
                state.remove_linger(cookie).map(|object| (object, flags))
            }
            Some(_) | None => None,
        });
        let (object, flags) = removed.ok_or_else(|| OsdError::Failed {
            errno: Errno::ENOTCONN,
            detail: format!("there is no watch {cookie}"),
        })?;
        Ok(request_for(object, watch_op(cookie, watch::UNWATCH, 0, 0), flags, now_ns()))
    }

    pub(in crate::osd) fn watch_check(&self, cookie: u64) -> Result<u64, OsdError> {
        let state = self.state.lock();
        let watch = state.lingers.get(&cookie).filter(|linger| linger.is_watch());
        let lost = |errno| OsdError::Failed { errno, detail: format!("watch {cookie}") };
        let watch = watch.ok_or_else(|| lost(Errno::ENOTCONN))?;
        if let Some(errno) = watch.error {
            return Err(lost(errno));
        }
        let since = watch.pending.front().map_or(watch.valid, |pending| watch.valid.min(*pending));
        // Rounded up: it is an upper bound.
        Ok(1 + since.elapsed().as_millis() as u64)
    }

    pub(in crate::osd) fn notify(
        &self,
        object: ObjectName,
        payload: Bytes,
        timeout_ms: u64,
    ) -> oneshot::Receiver<Result<NotifyReplies, OsdError>> {
        let (done, wait) = oneshot::channel();
        let timeout_s = match timeout_ms {
            0 => self.env.options.notify_timeout.as_secs(),
            // As librados: whole seconds, and what is less becomes none.
            ms => ms / 1000,
        };
        let kind = Kind::Notify {
            payload,
            timeout_s: u32::try_from(timeout_s).unwrap_or(u32::MAX),
            done: Some(done),
        };
        let linger = Linger::new(object, kind, flag::READ, 0);
        self.with(|state, env, after| state.add_linger(env, linger, after));
        wait
    }
}

/// The request that answers a notification.
pub(in crate::osd) fn ack_request(
    object: ObjectName,
    notify_id: u64,
    cookie: u64,
    payload: &Bytes,
) -> OpRequest {
    let mut e = Encoder::new();
    e.u64(notify_id).u64(cookie).blob(payload);
    request_for(object, cookie_op(op::NOTIFY_ACK, 0, e.finish()), flag::READ, 0)
}
