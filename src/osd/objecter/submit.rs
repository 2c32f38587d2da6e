//! Requests: limits, sending, answers.

use super::linger::Step;
use super::state::{Deadline, Op, Purpose, State};
use super::{After, Check, Env};
use crate::errno::Errno;
use crate::osd::codes::{flag, op};
use crate::osd::hobject::Position;
use crate::osd::map::OsdMap;
use crate::osd::message::{CLIENT_FEATURES, OpMessage, OpReply};
use crate::osd::slot::Done;
use crate::osd::target::{Target, Verdict};
use crate::osd::{ObjectName, OpAnswer, OpRequest, OsdError, OsdOp};
use crate::wire::Message;
use crate::wire::types::Utime;

use super::session::Session;

/// What a request counts for in objecter_inflight_op_bytes: what it sends, and what it may be answered.
fn bytes_of(request: &OpRequest) -> usize {
    let word = |union: &[u8; 28], at: usize| {
        u64::from_le_bytes(union[at..at + 8].try_into().expect("28 bytes hold three words"))
    };
    let of = |op: &crate::osd::OsdOp| -> usize {
        if op.code & op::MODE_WRITE != 0 {
            return op.input.iter().map(bytes::Bytes::len).sum();
        }
        if op.code & op::MODE_READ == 0 || op.code == op::CALL {
            return 0;
        }
        match op.code & op::TYPE_MASK {
            // Lengths may be nonsense; the limit is then reached by this request alone.
            op::TYPE_DATA => usize::try_from(word(&op.union, 8) as i64).unwrap_or(0).min(1 << 40),
            op::TYPE_ATTR => {
                let lengths = word(&op.union, 0);
                (lengths as u32 as usize) + ((lengths >> 32) as usize)
            }
            _ => 0,
        }
    };
    request.ops.iter().map(of).sum()
}

impl State {
    pub(super) fn submit(&mut self, env: &Env, request: OpRequest, done: Done, after: &mut After) {
        if self.shut || self.blocklisted {
            let error = if self.shut { OsdError::ShutDown } else { OsdError::Blocklisted };
            after.answers.push((done, Err(error)));
            return;
        }
        let bytes = bytes_of(&request);
        if !self.waiting.is_empty() || !self.fits(env, bytes) {
            self.waiting.push_back((request, done, bytes));
            return;
        }
        self.begin_counted(env, request, done, bytes, after);
    }

    /// As Ceph's throttles: what is larger than the limit by itself may begin when it is alone.
    fn fits(&self, env: &Env, bytes: usize) -> bool {
        let fits = |limit: usize, have: usize, more: usize| {
            limit == 0 || have + more <= limit || (more > limit && have == 0)
        };
        fits(env.options.inflight_ops, self.inflight_ops, 1)
            && fits(env.options.inflight_bytes, self.inflight_bytes, bytes)
    }

    fn begin_counted(&mut self, env: &Env, request: OpRequest, done: Done, bytes: usize, after: &mut After) {
        self.inflight_ops += 1;
        self.inflight_bytes += bytes;
        let op = Op {
            target: Target::new(request.flags),
            request,
            purpose: Purpose::Caller(done),
            attempts: 0,
            sent_at: 0,
            budget: Some(bytes),
            deadline: Deadline::after(env.options.op_timeout.get()),
            gone_bound: 0,
        };
        self.add_deadline(op.deadline, after);
        self.begin(env, Box::new(op), after);
    }

    /// Of the request that gets the next tid.
    pub(super) fn add_deadline(&mut self, deadline: Option<Deadline>, after: &mut After) {
        let Some(deadline) = deadline else { return };
        // Those that were answered meanwhile.
        while self.deadlines.front().is_some_and(|(_, tid)| !self.ops.contains_key(tid)) {
            self.deadlines.pop_front();
        }
        // The latest, unless the option was made smaller meanwhile.
        let tid = self.last_tid + 1;
        let at = match self.deadlines.back() {
            Some((latest, _)) if *latest > deadline => {
                self.deadlines.partition_point(|(other, _)| *other <= deadline)
            }
            _ => self.deadlines.len(),
        };
        after.wake_timer |= at == 0;
        self.deadlines.insert(at, (deadline, tid));
    }

    /// Gives a request the next tid, and sends it if that can be done now.
    pub(super) fn begin(&mut self, env: &Env, mut op: Box<Op>, after: &mut After) -> u64 {
        let tid = self.next_tid();
        let verdict = match &self.map {
            Some(map) => op.target.look(map, &Op::rules(&op.request, env, self.barrier, tid)),
            None => Verdict::Same,
        };
        self.ops.insert(tid, op);
        match verdict {
            Verdict::Same | Verdict::Resend => self.dispatch(env, tid, after),
            Verdict::PoolGone => self.pool_gone(tid, after),
            Verdict::PoolEio => self.pool_eio(tid, after),
        }
        tid
    }

    /// Sends a request to the OSD that its target names, unless it has to wait.
    pub(super) fn dispatch(&mut self, env: &Env, tid: u64, after: &mut After) {
        let Some(op) = self.ops.get(&tid) else { return };
        let (osd, paused) = (op.target.osd, op.target.paused && !op.is_ping());
        if paused || osd < 0 {
            after.want_maps = Some(self.epoch());
            return;
        }
        if op.attempts > 0 && !op.request.ops.iter().all(OsdOp::is_sound) {
            // An OSD that gets this drops the connection, and would again and again.
            let object = op.target.object(&op.request.object).oid.escape_ascii().to_string();
            tracing::error!("{object}: what is to be written has changed in memory: given up");
            let detail = format!("{object}: the data to be written have changed in memory");
            return self.finish(tid, Err(OsdError::Failed { errno: Errno::EIO, detail }), after);
        }
        let refused = self.ensure_session(env, osd, after).err();
        let new = |op: &Op| match op.purpose {
            Purpose::Caller(_) => op.attempts == 0,
            Purpose::Linger { step, .. } => matches!(step, Step::Register),
        };
        if let Some(error) = refused
            && self.ops.get(&tid).is_some_and(|op| new(op))
        {
            return self.finish(tid, Err(error), after);
        }
        if let (Some(map), Some(session), Some(op)) =
            (&self.map, self.sessions.get(&osd), self.ops.get_mut(&tid))
        {
            send(map, session, tid, op, self.tick, self.inflight_ops <= 1, after);
        }
    }

    fn pool_gone(&mut self, tid: u64, after: &mut After) {
        let epoch = self.epoch();
        let Some(op) = self.ops.get_mut(&tid) else { return };
        if op.attempts > 0 {
            // The pool was there, so it was deleted.
            op.gone_bound = epoch;
        }
        match op.gone_bound {
            0 => after.checks.push(Check::Op(tid)),
            bound if epoch >= bound => {
                let pool = op.request.object.pool;
                self.finish(tid, Err(OsdError::NoPool(pool)), after);
            }
            _ => after.want_maps = Some(epoch),
        }
    }

    /// The monitors' newest map has this epoch.
    pub(super) fn op_checked(&mut self, tid: u64, newest: u32, after: &mut After) {
        let Some(map) = self.map.clone() else { return };
        let Some(op) = self.ops.get_mut(&tid) else { return };
        if map.pool(op.target.object(&op.request.object).pool).is_none() {
            op.gone_bound = newest.max(1);
            self.pool_gone(tid, after);
        }
    }

    /// A map says again that a request's pool is not there.
    pub(super) fn pool_still_gone(&mut self, tid: u64, after: &mut After) {
        let asked = self.ops.get(&tid).is_some_and(|op| op.attempts == 0 && op.gone_bound == 0);
        // The first time, the question is under way already.
        if !asked {
            self.pool_gone(tid, after);
        }
    }

    pub(super) fn pool_eio(&mut self, tid: u64, after: &mut After) {
        let detail = "the pool is marked to answer with EIO".into();
        self.finish(tid, Err(OsdError::Failed { errno: Errno::EIO, detail }), after);
    }

    /// The end of a request: takes it out, and tells whoever asked.
    pub(super) fn finish(&mut self, tid: u64, answer: Result<OpAnswer, OsdError>, after: &mut After) {
        let Some(op) = self.ops.remove(&tid) else { return };
        self.release(&op);
        match op.purpose {
            Purpose::Caller(done) => after.answers.push((done, answer)),
            Purpose::Linger { id, step } => self.linger_answered(id, step, tid, answer, after),
        }
    }

    pub(super) fn release(&mut self, op: &Op) {
        if let Some(bytes) = op.budget {
            self.inflight_ops -= 1;
            self.inflight_bytes -= bytes;
        }
    }

    /// Begins what waited for others to end; called at the end of every change.
    pub(super) fn admit(&mut self, env: &Env, after: &mut After) {
        while let Some((_, _, bytes)) = self.waiting.front()
            && self.fits(env, *bytes)
            && let Some((request, done, bytes)) = self.waiting.pop_front()
        {
            self.begin_counted(env, request, done, bytes, after);
        }
    }

    /// An OSD's answer, which came over its present connection.
    pub(super) fn answered(&mut self, env: &Env, osd: i32, reply: OpReply, after: &mut After) {
        let Some(op) = self.ops.get_mut(&reply.tid) else { return };
        // Of an earlier attempt, or of an OSD that is not asked any more: there is another answer to come.
        let old = reply.attempt >= 0 && reply.attempt as u32 + 1 != op.attempts;
        if op.target.osd != osd || op.attempts == 0 || old {
            return;
        }
        if let Some(redirect) = reply.redirect {
            let object = op.target.object(&op.request.object);
            let to = redirect.locator;
            let oid = if redirect.oid.is_empty() { object.oid.clone() } else { redirect.oid.into() };
            op.target.redirect(ObjectName {
                pool: to.pool,
                namespace: to.namespace.into(),
                key: to.key.into(),
                oid,
            });
            self.begin_anew(env, reply.tid, after);
            return;
        }
        if reply.answer.result == -Errno::EAGAIN.0 {
            op.target.insist_on_primary();
            self.begin_anew(env, reply.tid, after);
            return;
        }
        let answer = match reply.answer.result {
            result if result == -Errno::ESHUTDOWN.0 => Err(OsdError::Blocklisted),
            _ => Ok(reply.answer),
        };
        self.finish(reply.tid, answer, after);
    }

    /// The OSD did nothing for a request but to send it elsewhere: it is a new one there, with its old deadline.
    fn begin_anew(&mut self, env: &Env, tid: u64, after: &mut After) {
        let Some(mut op) = self.ops.remove(&tid) else { return };
        op.attempts = 0;
        op.gone_bound = 0;
        if let Some(deadline) = op.deadline {
            self.deadlines.push_front((deadline, self.last_tid + 1));
        }
        let linger = match op.purpose {
            Purpose::Linger { id, .. } => Some(id),
            Purpose::Caller(_) => None,
        };
        let new = self.begin(env, op, after);
        if let Some(linger) = linger.and_then(|id| self.lingers.get_mut(&id)) {
            linger.renumber(tid, new);
        }
    }
}

/// Puts a request on its session's connection, if there is one and the OSD has not asked for peace.
/// `alone`: nothing else is under way, so that there is nothing to be written together with it. It is written by this thread then,
/// once the lock is free.
pub(super) fn send(
    map: &OsdMap,
    session: &Session,
    tid: u64,
    op: &mut Op,
    tick: u64,
    alone: bool,
    after: &mut After,
) {
    let Some(connection) = session.connection() else { return };
    let object = op.target.object(&op.request.object);
    let key: &[u8] = if object.key == object.oid { b"" } else { &object.key };
    let pool = op.target.pgid.pgid.pool;
    let position = Position {
        max: false,
        pool,
        hash: op.target.hash,
        namespace: &object.namespace,
        key,
        oid: &object.oid,
        snap: crate::osd::codes::NO_SNAP,
    };
    if session.is_backed_off(op.target.pgid, &position) {
        return;
    }
    let retry = if op.attempts > 0 { flag::RETRY } else { 0 };
    let message: Message = OpMessage {
        tid,
        pgid: op.target.pgid,
        hash: op.target.hash,
        epoch: map.epoch(),
        flags: op.target.flags | flag::ONDISK | flag::KNOWN_REDIR | retry,
        mtime: Utime::from_ns(op.request.mtime_ns),
        pool,
        key,
        namespace: &object.namespace,
        oid: &object.oid,
        ops: &op.request.ops,
        snap: op.request.snap,
        snap_seq: op.request.snap_seq,
        snaps: &op.request.snaps,
        attempt: op.attempts,
        features: CLIENT_FEATURES,
    }
    .encode();
    op.attempts += 1;
    op.sent_at = tick;
    if alone {
        connection.queue(message);
        after.push(connection);
    } else {
        connection.send(message);
    }
}
