//! The session with one OSD: its connection, what is done when that breaks, and the ranges of objects that the OSD does
//! not want to hear of for now.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::state::{Purpose, State};
use super::submit::send;
use super::{After, Env, Objecter};
use crate::errno::Errno;
use crate::net::{Connection, Handler, NetError, Ready};
use crate::osd::OsdError;
use crate::osd::codes::backoff;
use crate::osd::hobject::Position;
use crate::osd::message::{Backoff, CommandReply, OpReply, WatchNotify};
use crate::sync::Mutex;
use crate::wire::chunks::ChunkSums;
use crate::wire::denc::Malformed;
use crate::wire::place::{Place, Wish};
use crate::wire::types::{AddrVec, EntityType, Spg};
use crate::wire::{Message, MessageType};

/// Between attempts to connect: ms_initial_backoff and ms_max_backoff.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// TCP itself may take minutes longer to try again after a broken network was repaired.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) struct Session {
    addrs: AddrVec,
    /// `None`: between two attempts to connect.
    connection: Option<Arc<dyn Connection>>,
    /// Counts the sessions and connections of this client: what a timer meant is another one's affair later.
    incarnation: u64,
    /// Attempts since the last success.
    failures: u32,
    established: bool,
    /// When the first keepalive was sent since it last had nothing to answer.
    asked: Option<Instant>,
    backoffs: Vec<Backoff>,
}

impl Session {
    pub(super) fn connection(&self) -> Option<&Arc<dyn Connection>> {
        self.connection.as_ref()
    }

    pub(super) fn addrs(&self) -> &AddrVec {
        &self.addrs
    }

    fn is(&self, connection: &Arc<dyn Connection>) -> bool {
        self.connection.as_ref().is_some_and(|own| own.id() == connection.id())
    }

    pub(super) fn is_backed_off(&self, pgid: Spg, object: &Position) -> bool {
        self.backoffs.iter().any(|b| b.pgid == pgid && object.within(&b.begin, &b.end))
    }

    pub(super) fn close(self) {
        if let Some(connection) = self.connection {
            connection.close();
        }
    }
}

/// What comes from one OSD. A message of a connection that is not the session's any more is dropped.
struct FromOsd {
    objecter: Weak<Objecter>,
    osd: i32,
    /// The connection that is closed because of what it said, so that it is said once.
    refused: Mutex<Option<u64>>,
}

impl FromOsd {
    fn dispatch(
        &self,
        objecter: &Objecter,
        connection: &Arc<dyn Connection>,
        message: Message,
    ) -> Result<(), Malformed> {
        let osd = self.osd;
        match message.kind {
            MessageType::OSD_OPREPLY => {
                let reply = OpReply::decode(&message)?;
                objecter.with(|state, env, after| {
                    if state.is_current(osd, connection) {
                        state.answered(env, osd, reply, after);
                    }
                });
            }
            MessageType::OSD_MAP => objecter.take_maps(&message)?,
            MessageType::OSD_BACKOFF => {
                let backoff = Backoff::decode(&message.front)?;
                objecter.with(|state, _, after| {
                    if state.is_current(osd, connection) {
                        state.back_off(osd, connection, backoff, after);
                    }
                });
            }
            MessageType::WATCH_NOTIFY => {
                let notify = WatchNotify::decode(&message)?;
                objecter.with(|state, _, after| state.watch_notify(notify, after));
            }
            MessageType::COMMAND_REPLY => {
                let reply = CommandReply::decode(&message)?;
                objecter.with(|state, _, after| {
                    if state.is_current(osd, connection) {
                        state.command_answered(osd, message.tid, reply, after);
                    }
                });
            }
            other => tracing::debug!("osd.{osd}: {other:?} ignored"),
        }
        Ok(())
    }
}

impl Handler for FromOsd {
    fn ready(&self, connection: &Arc<dyn Connection>, _: Ready) {
        if let Some(objecter) = self.objecter.upgrade() {
            objecter.with(|state, _, _| state.session_ready(self.osd, connection));
        }
    }

    fn place(
        &self,
        connection: &Arc<dyn Connection>,
        kind: MessageType,
        tid: u64,
        bytes: usize,
    ) -> Option<Wish> {
        if kind != MessageType::OSD_OPREPLY {
            return None;
        }
        match self.objecter.upgrade()?.state.lock().wish_of(self.osd, connection, tid)? {
            Wanted::Place(place) => place.enter(bytes).map(Wish::Place),
            Wanted::Chunks(chunks) => Some(Wish::Chunks(chunks)),
        }
    }

    fn message(&self, connection: &Arc<dyn Connection>, message: Message) {
        let Some(objecter) = self.objecter.upgrade() else { return };
        if *self.refused.lock() == Some(connection.id()) {
            return;
        }
        let kind = message.kind;
        if self.dispatch(&objecter, connection, message).is_err() {
            tracing::warn!("osd.{}: malformed {kind:?}: connection dropped", self.osd);
            *self.refused.lock() = Some(connection.id());
            connection.close();
            objecter.with(|state, env, after| state.session_reset(env, self.osd, connection, after));
        }
    }

    fn reset(&self, connection: &Arc<dyn Connection>, error: NetError) {
        tracing::info!("osd.{}: {error}", self.osd);
        if let Some(objecter) = self.objecter.upgrade() {
            objecter.with(|state, env, after| state.session_reset(env, self.osd, connection, after));
        }
    }
}

/// What a request says of the data of its answer.
enum Wanted {
    Place(Arc<Place>),
    Chunks(Arc<ChunkSums>),
}

impl State {
    fn is_current(&self, osd: i32, connection: &Arc<dyn Connection>) -> bool {
        self.sessions.get(&osd).is_some_and(|session| session.is(connection))
    }

    /// What is wanted for the data of this request's answer, which comes over this connection.
    fn wish_of(&self, osd: i32, connection: &Arc<dyn Connection>, tid: u64) -> Option<Wanted> {
        let op = self.ops.get(&tid)?;
        let asked = op.target.osd == osd && op.attempts > 0 && self.is_current(osd, connection);
        if !asked || op.request.ops.len() != 1 {
            return None;
        }
        match &op.request.place {
            Some(place) => Some(Wanted::Place(place.clone())),
            None => op.request.chunks.clone().map(Wanted::Chunks),
        }
    }

    /// Opens a session if there is none. Nothing is sent over it yet. Once for each address that maps have for an OSD.
    ///
    /// Err: the OSD speaks msgr1 only, and always has as far as this client knows. What was never sent need not wait for it; one that
    /// spoke msgr2 is waited for like one that is down.
    pub(super) fn ensure_session(&mut self, env: &Env, osd: i32, after: &mut After) -> Result<(), OsdError> {
        if !self.sessions.contains_key(&osd) && !self.shut {
            self.open_session(env, osd, after);
        }
        match self.sessions.get(&osd) {
            Some(session) if session.addrs.msgr2().is_none() && !self.met.contains(&osd) => {
                let detail = format!("osd.{osd} speaks msgr1 only");
                Err(OsdError::Failed { errno: Errno::EOPNOTSUPP, detail })
            }
            _ => Ok(()),
        }
    }

    fn open_session(&mut self, env: &Env, osd: i32, after: &mut After) {
        let Some(addrs) = self.map.as_ref().and_then(|map| map.osd_addrs(osd)).cloned() else { return };
        let session = Session {
            addrs,
            connection: None,
            incarnation: 0,
            failures: 0,
            established: false,
            asked: None,
            backoffs: Vec::new(),
        };
        self.sessions.insert(osd, session);
        self.connect(env, osd, after);
    }

    fn connect(&mut self, env: &Env, osd: i32, after: &mut After) {
        self.next_incarnation += 1;
        let (incarnation, epoch) = (self.next_incarnation, self.epoch());
        let Some(session) = self.sessions.get_mut(&osd) else { return };
        session.incarnation = incarnation;
        session.established = false;
        session.asked = None;
        session.backoffs.clear();
        if session.addrs.msgr2().is_none() {
            // Nothing is tried until a map has another address for it.
            tracing::error!(
                "osd.{osd} cannot be talked to: it speaks msgr1 only (OSD map {epoch} has {} for it), and msgr2 is needed: is \
                 ms_bind_msgr2 off there, or was it not restarted after `ceph mon enable-msgr2`?",
                session.addrs
            );
            return;
        }
        match env.mon.authenticator() {
            Ok(auth) => {
                let handler = FromOsd { objecter: env.me.clone(), osd, refused: Mutex::new(None) };
                let connection = env.messenger.connect(
                    EntityType::OSD,
                    &session.addrs,
                    env.mon.global_id(),
                    auth,
                    Arc::new(handler),
                );
                session.connection = Some(connection);
            }
            Err(error) => {
                tracing::info!("osd.{osd}: {error}");
                session.failures += 1;
                after.reopen.push((osd, incarnation, pause_after(session.failures)));
            }
        }
    }

    fn session_ready(&mut self, osd: i32, connection: &Arc<dyn Connection>) {
        if let Some(session) = self.sessions.get_mut(&osd)
            && session.is(connection)
        {
            session.established = true;
            session.failures = 0;
            self.met.insert(osd);
        }
    }

    /// The connection is gone: another one is made at once if this one had worked, after a pause if not, and all that
    /// was not answered is sent over it in order.
    pub(super) fn session_reset(
        &mut self,
        env: &Env,
        osd: i32,
        connection: &Arc<dyn Connection>,
        after: &mut After,
    ) {
        if self.is_current(osd, connection) {
            self.reconnect(env, osd, after);
        }
    }

    fn reconnect(&mut self, env: &Env, osd: i32, after: &mut After) {
        let wanted = self.is_wanted(osd);
        let have = self.epoch();
        let Some(session) = self.sessions.get_mut(&osd) else { return };
        session.connection = None;
        session.backoffs.clear();
        if !wanted {
            self.sessions.remove(&osd);
            return;
        }
        // It may be down, and the monitors know.
        after.want_maps = Some(have);
        if session.established {
            self.connect(env, osd, after);
            self.kick(env, osd, after);
        } else {
            session.failures += 1;
            after.reopen.push((osd, session.incarnation, pause_after(session.failures)));
        }
    }

    /// Asks the OSDs that have something to answer for a sign of life; sessions of those that have not given any for long
    /// are made anew.
    pub(super) fn probe(&mut self, env: &Env, busy: &BTreeSet<i32>, after: &mut After) {
        let now = Instant::now();
        let mut silent = Vec::new();
        for (osd, session) in &mut self.sessions {
            let Some(connection) = session.connection.as_ref().filter(|_| busy.contains(osd)) else {
                session.asked = None;
                continue;
            };
            // What was not asked need not answer.
            let asked = now.duration_since(*session.asked.get_or_insert(now));
            let silence = connection.silent_for().min(asked);
            if silence > SILENCE {
                tracing::warn!("osd.{osd}: no sign of life for {} s: connecting anew", silence.as_secs());
                silent.push(*osd);
            } else {
                connection.keepalive();
            }
        }
        for osd in silent {
            self.abandon(env, osd, after);
        }
    }

    fn abandon(&mut self, env: &Env, osd: i32, after: &mut After) {
        if let Some(connection) = self.sessions.get(&osd).and_then(Session::connection) {
            connection.close();
            self.reconnect(env, osd, after);
        }
    }

    pub(super) fn reopen_if(&mut self, env: &Env, osd: i32, incarnation: u64, after: &mut After) {
        let waiting = |session: &Session| session.incarnation == incarnation && session.connection.is_none();
        if self.shut || !self.sessions.get(&osd).is_some_and(waiting) {
            return;
        }
        if self.is_wanted(osd) {
            self.connect(env, osd, after);
            self.kick(env, osd, after);
        } else {
            self.sessions.remove(&osd);
        }
    }

    fn is_wanted(&self, osd: i32) -> bool {
        self.ops.values().any(|op| op.target.osd == osd)
            || self.lingers.values().any(|linger| linger.target.osd == osd)
            || self.commands.values().any(|command| command.osd == osd)
    }

    /// Sends all that this OSD has to answer, in order, over a new connection.
    fn kick(&mut self, env: &Env, osd: i32, after: &mut After) {
        let mut again = BTreeSet::new();
        for tid in self.tids() {
            let Some(op) = self.ops.get(&tid).filter(|op| op.target.osd == osd) else { continue };
            match op.purpose {
                Purpose::Caller(_) => self.dispatch(env, tid, after),
                Purpose::Linger { id, .. } => {
                    again.insert(id);
                    self.ops.remove(&tid);
                }
            }
        }
        again.extend(self.lingers.iter().filter(|(_, l)| l.target.osd == osd).map(|(id, _)| *id));
        for id in again {
            self.send_linger(env, id, after);
        }
        let commands: Vec<u64> =
            self.commands.iter().filter(|(_, c)| c.osd == osd).map(|(tid, _)| *tid).collect();
        for tid in commands {
            self.send_command(env, tid);
        }
    }

    fn back_off(&mut self, osd: i32, connection: &Arc<dyn Connection>, message: Backoff, after: &mut After) {
        let Some(session) = self.sessions.get_mut(&osd) else { return };
        match message.op {
            backoff::BLOCK => {
                // The OSD waits for this before it forgets what it dropped. It is of the message's epoch, so that an OSD
                // that has split the placement group since can tell.
                connection.send(Backoff { op: backoff::ACK_BLOCK, ..message.clone() }.encode());
                session.backoffs.retain(|b| b.id != message.id);
                session.backoffs.push(message);
            }
            backoff::UNBLOCK => {
                session.backoffs.retain(|b| b.id != message.id);
                let (Some(map), session) = (&self.map, &*session) else { return };
                let mut tids: Vec<u64> = self
                    .ops
                    .iter()
                    .filter(|(_, op)| {
                        op.target.osd == osd && op.target.pgid == message.pgid && !op.target.paused
                    })
                    .map(|(tid, _)| *tid)
                    .collect();
                tids.sort_unstable();
                for tid in tids {
                    let Some(op) = self.ops.get_mut(&tid) else { continue };
                    let object = op.target.object(&op.request.object);
                    let key: &[u8] = if object.key == object.oid { b"" } else { &object.key };
                    let position = Position {
                        max: false,
                        pool: op.target.pgid.pgid.pool,
                        hash: op.target.hash,
                        namespace: &object.namespace,
                        key,
                        oid: &object.oid,
                        snap: crate::osd::codes::NO_SNAP,
                    };
                    if position.within(&message.begin, &message.end) {
                        send(map, session, tid, op, self.tick, false, after);
                    }
                }
            }
            other => tracing::debug!("osd.{osd}: unknown kind {other} of backoff ignored"),
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    (FIRST_PAUSE * 2u32.pow(failures.saturating_sub(1).min(10))).min(LONGEST_PAUSE)
}
