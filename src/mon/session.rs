//! Finding a monitor, keeping a session with it, and finding another one when it is gone.
//!
//! Several monitors are tried at once; the first that a session is made with is kept and the others are dropped.
//! When all of a round have failed, others are tried at once; when there are none left, after a pause that grows, and at the
//! latest when the round's time is over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::client::MonClient;
use super::messages;
use super::monmap::MonMap;
use super::state::{Active, Pending, Phase, State};
use super::{MonError, MonSink};
use crate::net::{Connection, Handler, NetError, Ready};
use crate::wire::Message;
use crate::wire::message::MessageType;
use crate::wire::types::{AddrVec, EntityType};

/// The oldest release that this client speaks with.
const PACIFIC: u8 = 16;

/// How often tickets are looked at (`mon_client_log_interval` sets Ceph's pace, which is this by default).
const TICK: Duration = Duration::from_secs(1);

/// Brings what comes over one connection.
pub struct Link {
    client: Weak<MonClient>,
    key: u64,
}

impl Handler for Link {
    fn ready(&self, connection: &Arc<dyn Connection>, ready: Ready) {
        if let Some(client) = self.client.upgrade() {
            client.session_made(self.key, connection, ready);
        }
    }

    fn message(&self, _: &Arc<dyn Connection>, message: Message) {
        if let Some(client) = self.client.upgrade() {
            client.received(self.key, message);
        }
    }

    fn reset(&self, _: &Arc<dyn Connection>, error: NetError) {
        if let Some(client) = self.client.upgrade() {
            client.connection_ended(self.key, error);
        }
    }
}

/// Connections that are to be closed once the lock is released.
#[derive(Default)]
#[must_use]
struct Closing(Vec<Arc<dyn Connection>>);

impl Closing {
    fn close(self) {
        for connection in self.0 {
            connection.close();
        }
    }
}

impl MonClient {
    /// Begins to look for a monitor of `map`.
    pub(super) fn start(&self, map: MonMap) -> Result<(), MonError> {
        let closing = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Idle => state.phase = Phase::Running,
                Phase::Running => return Ok(()),
                Phase::Over => return Err(MonError::ShutDown),
            }
            let wanted = messages::Wanted { start: 0, once: false };
            let have = u64::from(map.epoch);
            state.subs.want(
                "monmap",
                messages::Wanted { start: if have == 0 { 0 } else { have + 1 }, once: false },
            );
            state.subs.want("config", wanted);
            state.monmap = map;
            self.new_round(&mut state)
        };
        closing.close();
        self.runtime.spawn(tick_for_ever(self.this.clone(), self.wake.clone()));
        Ok(())
    }

    /// Drops the session and all tries, and makes new ones.
    fn new_round(&self, state: &mut State) -> Closing {
        let mut closing = Closing(state.pending.drain().map(|(_, pending)| pending.connection).collect());
        closing.0.extend(state.active.take().map(|active| active.connection));
        state.hunt.begin_round(&self.options);
        state.subs.forget_sent();
        self.try_next(state);
        closing
    }

    /// Leaves the session and looks for another.
    pub(super) fn new_session(&self) {
        let closing = {
            let mut state = self.state.lock();
            if state.phase != Phase::Running || state.active.is_none() {
                return;
            }
            self.new_round(&mut state)
        };
        closing.close();
    }

    /// Connects to the next monitors.
    fn try_next(&self, state: &mut State) {
        let names = state.hunt.next(&state.monmap, &self.options, &mut random);
        state.round_ends = Instant::now() + state.hunt.interval(&self.options);
        state.retry_at = None;
        if names.is_empty() {
            self.nobody(state, MonError::Unsupported {
                detail: "the monitors have msgr1 addresses only (v1:, port 6789); this client needs msgr2 (v2:, port 3300)"
                    .into(),
            });
        }
        for mon in names {
            let info = state.monmap.mons.get(&mon).expect("hunt chooses from the map");
            let auth = match self.credentials.monitor(state.global_id) {
                Ok(auth) => auth,
                Err(error) => {
                    self.nobody(state, MonError::Auth(error));
                    break;
                }
            };
            let addrs = info.addrs.clone();
            let key = state.next_key();
            let link = Arc::new(Link { client: self.this.clone(), key });
            let connection = self.messenger.connect(EntityType::MON, &addrs, state.global_id, auth, link);
            tracing::debug!(mon, %addrs, "trying");
            state.pending.insert(key, Pending { mon, connection });
        }
        self.wake.notify_one();
    }

    /// No try is under way and none makes sense at once.
    fn nobody(&self, state: &mut State, error: MonError) {
        if state.connected_once {
            tracing::warn!(%error, "no monitor can be reached");
        } else {
            state.failed = Some(error);
            self.changed.notify_waiters();
        }
        self.pause(state);
    }

    /// Nothing is tried for a while: longer each time, but no longer than an unhindered round takes.
    fn pause(&self, state: &mut State) {
        let pause = self.options.initial_backoff.saturating_mul(1 << state.vain.min(10));
        state.vain += 1;
        let most = self.options.max_backoff.min(self.options.hunt_interval);
        state.retry_at = Some(Instant::now() + pause.min(most).max(Duration::from_millis(20)));
        self.wake.notify_one();
    }

    fn session_made(&self, key: u64, connection: &Arc<dyn Connection>, ready: Ready) {
        let closing = {
            let mut state = self.state.lock();
            let Some(pending) = state.pending.remove(&key) else {
                drop(state);
                connection.close(); // Somebody else was faster.
                return;
            };
            let closing = Closing(state.pending.drain().map(|(_, pending)| pending.connection).collect());
            let now = Instant::now();
            tracing::debug!(mon = pending.mon, global_id = ready.global_id, "session made");
            let active = Active { key, mon: pending.mon, connection: connection.clone(), since: now };
            if state.global_id != 0 && state.global_id != ready.global_id {
                tracing::warn!(
                    was = state.global_id,
                    is = ready.global_id,
                    "the monitors gave another global id"
                );
            }
            state.global_id = ready.global_id;
            self.mgr.set_global_id(ready.global_id);
            self.credentials.established(ready.global_id);
            state.own = AddrVec(vec![ready.own]);
            state.hunt.found(&self.options);
            state.last_keepalive = now;
            state.retry_at = None;
            state.renew_subs_at = None;
            state.auth_error = None;
            state.unsupported = None;
            state.broken_off = false;
            state.active = Some(active);
            self.send_subs(&mut state);
            for waiting in state.waiting.values() {
                connection.send(waiting.message.clone());
            }
            closing
        };
        closing.close();
        self.changed.notify_waiters();
        self.wake.notify_one();
        if let Some(sink) = self.sink() {
            sink.session();
        }
    }

    /// Tells the session of subscriptions that it does not know of.
    pub(super) fn send_subs(&self, state: &mut State) {
        let Some(active) = &state.active else { return };
        let unsent = state.subs.take_unsent();
        if !unsent.is_empty() {
            let wanted = unsent.iter().map(|(what, wanted)| (what.as_str(), *wanted));
            active.connection.send(messages::subscribe(wanted, &self.options.host_name));
        }
    }

    fn connection_ended(&self, key: u64, error: NetError) {
        let closing = {
            let mut state = self.state.lock();
            if state.phase != Phase::Running {
                return;
            }
            if let Some(pending) = state.pending.remove(&key) {
                tracing::debug!(mon = pending.mon, %error, "cannot make a session");
                self.try_failed(&mut state, error);
                return;
            }
            let Some(active) = state.active.take_if(|active| active.key == key) else { return };
            tracing::info!(mon = active.mon, %error, "session lost");
            if active.since.elapsed() < self.options.initial_backoff {
                // Nobody is helped by sessions that end as soon as they begin.
                state.subs.forget_sent();
                state.last_error = Some(of_net(error));
                self.pause(&mut state);
                return;
            }
            state.vain = 0;
            self.new_round(&mut state)
        };
        closing.close();
    }

    fn try_failed(&self, state: &mut State, error: NetError) {
        state.broken_off |=
            matches!(error, NetError::Lost { .. } | NetError::Protocol { .. } | NetError::Timeout { .. });
        let error = of_net(error);
        match error {
            MonError::Auth(_) => state.auth_error = Some(error.clone()),
            MonError::Unsupported { .. } => state.unsupported = Some(error.clone()),
            _ => {}
        }
        state.last_error = Some(error);
        if !state.pending.is_empty() {
            return;
        }
        if state.hunt.has_untried(&state.monmap) {
            self.try_next(state);
            return;
        }
        // Whoever was told that the monitors do not want him need not wait for those that are down.
        let unsupported = state.unsupported.take().filter(|_| !state.broken_off);
        state.broken_off = false;
        match state.auth_error.take().or(unsupported) {
            Some(error) => self.nobody(state, error),
            None => self.pause(state),
        }
    }

    fn received(&self, key: u64, message: Message) {
        if self.state.lock().active.as_ref().is_none_or(|active| active.key != key) {
            return; // of a session that is over
        }
        let kind = message.kind;
        if self.handle(message).is_err() {
            self.drop_session(key, kind);
        }
    }

    /// A monitor that sends nonsense is no monitor: look for another.
    fn drop_session(&self, key: u64, kind: MessageType) {
        let closing = {
            let mut state = self.state.lock();
            let Some(active) = state.active.take_if(|active| active.key == key) else { return };
            tracing::error!(mon = active.mon, ?kind, "malformed message: connection dropped");
            let mut closing = Closing(vec![active.connection]);
            state.subs.forget_sent();
            self.pause(&mut state);
            closing.0.extend(state.pending.drain().map(|(_, pending)| pending.connection));
            closing
        };
        closing.close();
    }

    /// Closes everything and fails all that waits.
    pub(super) fn end(&self) {
        let (closing, waiting) = {
            let mut state = self.state.lock();
            state.phase = Phase::Over;
            let mut closing = Closing(state.pending.drain().map(|(_, pending)| pending.connection).collect());
            closing.0.extend(state.active.take().map(|active| active.connection));
            (closing, std::mem::take(&mut state.waiting))
        };
        closing.close();
        self.mgr_end();
        for waiting in waiting.into_values() {
            let _ = waiting.reply.send(Err(MonError::ShutDown));
        }
        self.changed.notify_waiters();
        self.wake.notify_one();
    }

    pub(super) fn sink(&self) -> Option<Arc<dyn MonSink>> {
        self.sinks.read().messages.as_ref()?.upgrade()
    }

    /// The monitors' map has come.
    pub(super) fn new_map(&self, map: MonMap) {
        let closing = {
            let mut state = self.state.lock();
            let epoch = u64::from(map.epoch);
            if state.monmap.epoch != 0 && map.epoch <= state.monmap.epoch {
                state.subs.got("monmap", epoch);
                return;
            }
            tracing::debug!(epoch, mons = map.mons.len(), "monitor map");
            if map.min_mon_release != 0 && map.min_mon_release < PACIFIC {
                tracing::error!(release = map.min_mon_release, "the cluster is older than Pacific");
                state.failed = Some(MonError::Unsupported {
                    detail: format!(
                        "the cluster may have monitors of release {}; Pacific ({PACIFIC}) is the oldest that is supported",
                        map.min_mon_release
                    ),
                });
            }
            state.monmap = map;
            state.hunt.new_map();
            state.subs.got("monmap", epoch);
            let State { active, monmap, .. } = &mut *state;
            let Some(active) = active else { return };
            let at = AddrVec(vec![active.connection.peer_addr()]);
            match monmap.name_at(&at) {
                Some(name) => {
                    name.clone_into(&mut active.mon);
                    Closing::default()
                }
                None => {
                    tracing::info!(mon = active.mon, %at, "the monitor left the cluster");
                    self.new_round(&mut state)
                }
            }
        };
        closing.close();
        self.changed.notify_waiters();
    }

    /// Does what is due. When the next thing is due; `None`: nothing ever again.
    fn tick(&self) -> Option<Instant> {
        let now = Instant::now();
        let (closing, next) = {
            let mut state = self.state.lock();
            if state.phase != Phase::Running {
                return None;
            }
            let closing = if state.active.is_some() {
                self.tend(&mut state, now)
            } else if state.pending.is_empty() && state.retry_at.is_none_or(|at| at <= now) {
                self.try_next(&mut state);
                Closing::default()
            } else if !state.pending.is_empty() && state.round_ends <= now {
                tracing::debug!("continuing hunt");
                self.new_round(&mut state)
            } else {
                Closing::default()
            };
            let next = match (&state.active, state.retry_at) {
                (Some(_), _) => now + TICK.min(self.options.ping_interval.max(Duration::from_millis(50))),
                (None, Some(retry)) if state.pending.is_empty() => retry,
                (None, _) => state.round_ends,
            };
            (closing, next)
        };
        closing.close();
        Some(next)
    }

    /// Looks after the session.
    fn tend(&self, state: &mut State, now: Instant) -> Closing {
        let Some(active) = &state.active else { return Closing::default() };
        let options = &self.options;
        if now >= state.last_keepalive + options.ping_interval {
            let silent = active.connection.silent_for();
            if !options.ping_timeout.is_zero() && silent > options.ping_timeout {
                tracing::warn!(
                    mon = active.mon,
                    seconds = silent.as_secs(),
                    "no sign of life: looking for another"
                );
                return self.new_round(state);
            }
            active.connection.keepalive();
            state.last_keepalive = now;
            state.hunt.calm(options);
            state.vain = 0;
        }
        if let Some((method, payload)) = self.credentials.renewal() {
            active.connection.send(messages::auth(method, &payload));
        }
        if state.renew_subs_at.is_some_and(|at| at <= now) {
            state.renew_subs_at = None;
            state.subs.forget_sent();
            self.send_subs(state);
        }
        Closing::default()
    }
}

impl Drop for MonClient {
    fn drop(&mut self) {
        self.end();
    }
}

async fn tick_for_ever(client: Weak<MonClient>, wake: Arc<tokio::sync::Notify>) {
    loop {
        // Nothing of the client is held while it sleeps.
        let Some(next) = client.upgrade().and_then(|client| client.tick()) else { return };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = wake.notified() => {}
        }
    }
}

pub(super) fn of_net(error: NetError) -> MonError {
    match error {
        NetError::Auth { source, .. } => MonError::Auth(source),
        NetError::Unsupported { addr, detail } => {
            MonError::Unsupported { detail: format!("{addr}: {detail}") }
        }
        NetError::Connect { .. }
        | NetError::Lost { .. }
        | NetError::Protocol { .. }
        | NetError::Timeout { .. } => MonError::SessionReset { detail: error.to_string() },
    }
}

/// Any number. Fairness among monitors is all that depends on it.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
