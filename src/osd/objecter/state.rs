//! What a client has under way.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::command::Command;
use super::linger::{Linger, Step};
use super::session::Session;
use super::{After, Env};
use crate::osd::map::OsdMap;
use crate::osd::slot::Done;
use crate::osd::target::{Rules, Target};
use crate::osd::{OpRequest, OsdError};

/// By when something must be answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Deadline {
    pub at: Instant,
    /// What it was given.
    seconds: u64,
}

impl Deadline {
    pub(super) fn after(timeout: Option<Duration>) -> Option<Deadline> {
        timeout.map(|timeout| Deadline { at: Instant::now() + timeout, seconds: timeout.as_secs() })
    }

    /// When it has passed.
    pub(super) fn error(self) -> OsdError {
        OsdError::TimedOut { seconds: self.seconds }
    }
}

/// A request that has a tid.
pub(super) struct Op {
    pub request: OpRequest,
    pub target: Target,
    pub purpose: Purpose,
    /// How often it was sent.
    pub attempts: u32,
    /// The tick at which it was last sent.
    pub sent_at: u64,
    /// What it takes of objecter_inflight_op_bytes; `None`: not counted at all.
    pub budget: Option<usize>,
    pub deadline: Option<Deadline>,
    /// From this epoch on, a pool that is not in the map does not exist; 0: not known yet.
    pub gone_bound: u32,
}

/// Who wants a request's answer.
pub(super) enum Purpose {
    Caller(Done),
    /// A watch or notification: not sent again itself, its owner makes a new one.
    Linger {
        id: u64,
        step: Step,
    },
}

impl Op {
    /// Asks whether a watch is still there: it changes nothing, so it is sent, and answered, where writes have to wait.
    pub(super) fn is_ping(&self) -> bool {
        matches!(self.purpose, Purpose::Linger { step: Step::Ping { .. }, .. })
    }

    pub(super) fn rules<'a>(request: &'a OpRequest, env: &'a Env, barrier: u32, salt: u64) -> Rules<'a> {
        let location = &env.options.crush_location;
        Rules {
            object: &request.object,
            seed: request.placement_seed,
            barrier,
            any_change: false,
            salt,
            location,
        }
    }
}

/// Tids are consecutive: multiplying spreads them well enough.
#[derive(Default)]
pub(super) struct TidHasher(u64);

impl Hasher for TidHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, tid: u64) {
        self.0 = tid.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub(super) type Tids<T> = HashMap<u64, T, BuildHasherDefault<TidHasher>>;

#[derive(Default)]
pub(in crate::osd) struct State {
    pub(super) map: Option<Arc<OsdMap>>,
    /// By OSD.
    pub(super) sessions: HashMap<i32, Session>,
    /// OSDs that there was a session with at some time.
    pub(super) met: HashSet<i32>,
    pub(super) ops: Tids<Box<Op>>,
    /// Requests beyond the limits, in order; they have no tid yet.
    pub(super) waiting: VecDeque<(OpRequest, Done, usize)>,
    pub(super) inflight_ops: usize,
    pub(super) inflight_bytes: usize,
    pub(super) last_tid: u64,
    pub(super) lingers: BTreeMap<u64, Linger>,
    pub(super) last_linger: u64,
    pub(super) commands: BTreeMap<u64, Command>,
    /// Of requests, the earliest first; some may be answered already.
    pub(super) deadlines: VecDeque<(Deadline, u64)>,
    pub(super) map_waiters: Vec<(u32, oneshot::Sender<Result<(), OsdError>>)>,
    pub(super) barrier: u32,
    pub(super) tick: u64,
    pub(super) next_incarnation: u64,
    /// The map says that this client is fenced.
    pub(super) blocklisted: bool,
    pub(super) shut: bool,
}

impl State {
    /// 0: no map yet.
    pub(super) fn epoch(&self) -> u32 {
        self.map.as_ref().map_or(0, |map| map.epoch())
    }

    pub(super) fn next_tid(&mut self) -> u64 {
        self.last_tid += 1;
        self.last_tid
    }

    /// All tids in order.
    pub(super) fn tids(&self) -> Vec<u64> {
        let mut tids: Vec<u64> = self.ops.keys().copied().collect();
        tids.sort_unstable();
        tids
    }

    /// Answers everything with this error: requests, watches that are being made, notifications and commands.
    pub(super) fn fail_all(&mut self, error: OsdError, after: &mut After) {
        for tid in self.tids() {
            if let Some(op) = self.ops.remove(&tid)
                && let Purpose::Caller(done) = op.purpose
            {
                after.answers.push((done, Err(error.clone())));
            }
        }
        for (_, done, _) in self.waiting.drain(..) {
            after.answers.push((done, Err(error.clone())));
        }
        (self.inflight_ops, self.inflight_bytes) = (0, 0);
        self.deadlines.clear();
        self.fail_lingers(&error, after);
        for (_, command) in std::mem::take(&mut self.commands) {
            command.finish(Err(error.clone()), after);
        }
    }

    pub(super) fn shut_down(&mut self, after: &mut After) {
        self.shut = true;
        self.fail_all(OsdError::ShutDown, after);
        self.lingers.clear();
        for (_, session) in self.sessions.drain() {
            session.close();
        }
        for (_, reach) in self.map_waiters.drain(..) {
            let _ = reach.send(Err(OsdError::ShutDown));
        }
    }
}
