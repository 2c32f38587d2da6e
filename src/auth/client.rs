//! Who this client is, what it has proven, and its tickets: shared by all connections of one cluster handle.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::authenticators::{MonAuthenticator, ServiceAuthenticator};
use super::cephx::{self, MonExchange, Ticket, Tickets};
use super::options::{AuthOptions, Method};
use super::world::World;
use super::{AuthError, Authenticator};
use crate::errno::Errno;
use crate::sync::Mutex;
use crate::wire::types::EntityType;

/// Whose tickets a client of RADOS wants: monitors, OSDs, managers, and `auth` to get those. As librados asks for them.
const WANTED: u32 = EntityType::MON.0 as u32 | EntityType::OSD.0 as u32 | EntityType::MGR.0 as u32 | AUTH;
const AUTH: u32 = EntityType::AUTH.0 as u32;

/// A request for tickets that is not answered is made again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Authenticated connections whose session nobody has chosen (yet); more than ever are tried at once.
const MAX_CANDIDATES: usize = 64;

/// See the module. Made by [`ClientAuth::new`]; nothing happens before it is asked for something.
pub struct ClientAuth {
    pub(super) options: AuthOptions,
    pub(super) world: Arc<dyn World>,
    state: Mutex<State>,
    /// For authenticators, which outlive the call that makes them.
    me: Weak<ClientAuth>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    /// What connections to monitors gave that may become the session, oldest first.
    candidates: Vec<Session>,
    /// When tickets were asked for over the session, while there is no answer, and with what.
    asked: Option<Asked>,
}

/// What one authenticated connection to a monitor gave.
pub(super) struct Session {
    pub method: Method,
    pub global_id: u64,
    /// Of the monitor, for this connection; cephx only, as are the tickets.
    pub server_challenge: u64,
    pub tickets: Tickets,
}

struct Asked {
    at: Duration,
    /// The ticket of `auth` then: its session key opens the answer.
    auth: Ticket,
    /// Whether a new one of `auth` was asked for.
    renews_auth: bool,
}

impl ClientAuth {
    pub fn new(options: AuthOptions, world: Arc<dyn World>) -> Arc<ClientAuth> {
        Arc::new_cyclic(|me| ClientAuth { options, world, state: Mutex::default(), me: me.clone() })
    }

    fn shared(&self) -> Arc<ClientAuth> {
        self.me.upgrade().expect("new makes no other than shared ones")
    }

    /// 0 before the first session.
    pub fn global_id(&self) -> u64 {
        self.state.lock().session.as_ref().map_or(0, |session| session.global_id)
    }

    /// For one connection to a monitor. `global_id`: 0, or the one of the session, which the ticket of `auth` then proves
    /// to be ours.
    pub fn mon_authenticator(&self, global_id: u64) -> Box<dyn Authenticator> {
        let old = match &self.state.lock().session {
            Some(session) if session.global_id == global_id => session.tickets.get(EntityType::AUTH).cloned(),
            _ => None,
        };
        Box::new(MonAuthenticator::new(self.shared(), global_id, old))
    }

    /// The connection that gave `global_id` is the session with the monitors from now on (the last one, if several gave
    /// it). `NoTicket`: there was none.
    pub fn established(&self, global_id: u64) -> Result<(), AuthError> {
        let mut state = self.state.lock();
        let candidates = std::mem::take(&mut state.candidates);
        let Some(mut new) = candidates.into_iter().rfind(|session| session.global_id == global_id) else {
            return Err(AuthError::NoTicket { service: "mon" });
        };
        if let Some(old) = state.session.take().filter(|old| old.global_id == global_id) {
            let mut tickets = old.tickets;
            tickets.merge(new.tickets);
            new.tickets = tickets;
        }
        state.session = Some(new);
        state.asked = None;
        Ok(())
    }

    pub(super) fn add_candidate(&self, session: Session) {
        let mut state = self.state.lock();
        if state.candidates.len() >= MAX_CANDIDATES {
            state.candidates.remove(0);
        }
        state.candidates.push(session);
    }

    /// For one connection to an OSD or a manager. `NoTicket`: before there is a session, or there is no ticket that holds.
    pub fn service_authenticator(&self, service: EntityType) -> Result<Box<dyn Authenticator>, AuthError> {
        let missing = AuthError::NoTicket { service: service.name() };
        let state = self.state.lock();
        let session = state.session.as_ref().ok_or(missing.clone())?;
        let ticket = match session.method {
            Method::None => None,
            Method::Cephx => Some(session.tickets.valid(service, self.world.now()).ok_or(missing)?.clone()),
        };
        Ok(Box::new(ServiceAuthenticator::new(self.shared(), service, session.global_id, ticket)))
    }

    #[cfg(test)]
    pub(super) fn ticket(&self, service: EntityType) -> Option<Ticket> {
        self.state.lock().session.as_ref()?.tickets.get(service).cloned()
    }

    /// A daemon of this kind does not accept our ticket (any more): another is needed.
    pub fn invalidate(&self, service: EntityType) {
        if let Some(session) = &mut self.state.lock().session {
            session.tickets.remove(service);
        }
    }

    /// The same, unless another ticket has come since.
    pub(super) fn invalidate_ticket(&self, service: EntityType, ticket: &Ticket) {
        if let Some(session) = &mut self.state.lock().session
            && session.tickets.get(service) == Some(ticket)
        {
            session.tickets.remove(service);
        }
    }

    /// Method and payload of an MAuth for the session's monitor, if tickets are missing or have three quarters of their
    /// validity behind them, and were not asked for within the last 10 s.
    pub fn renewal_request(&self) -> Option<(u32, Bytes)> {
        let now = self.world.now();
        let mut state = self.state.lock();
        if state.asked.as_ref().is_some_and(|asked| now < asked.at.saturating_add(ASK_AGAIN)) {
            return None;
        }
        self.ask(&mut state, now)
    }

    fn ask(&self, state: &mut State, now: Duration) -> Option<(u32, Bytes)> {
        let session = state.session.as_ref().filter(|session| session.method == Method::Cephx)?;
        let need = session.tickets.needed(WANTED, now);
        // A cluster without managers has no tickets for them; librados does not ask again and again either.
        if need & !u32::from(EntityType::MGR.0) == 0 {
            return None;
        }
        let auth = session.tickets.get(EntityType::AUTH)?.clone();
        let renews_auth = need & AUTH != 0;
        let payload = if renews_auth {
            self.again(session, auth.clone()).request(self.world.random(), need)
        } else {
            cephx::service_tickets_request(&auth, session.global_id, self.world.random(), need)
        };
        state.asked = Some(Asked { at: now, auth, renews_auth });
        Some((Method::Cephx.number(), payload))
    }

    fn again(&self, session: &Session, old: Ticket) -> MonExchange {
        let key = self.options.key.clone().expect("a cephx session was made with a key");
        MonExchange::again(key, session.server_challenge, Some(old))
    }

    /// The session's monitor answered a [`ClientAuth::renewal_request`]: MAuthReply's result (0 or -errno) and payload. Gives
    /// a further request if tickets are still missing. After an error a new connection to the monitors is in order: its
    /// tickets come along with it.
    pub fn handle_auth_reply(&self, result: i32, payload: &[u8]) -> Result<Option<(u32, Bytes)>, AuthError> {
        let now = self.world.now();
        let mut state = self.state.lock();
        let Some(asked) = state.asked.take() else {
            return Ok(None); // to a request of an earlier session
        };
        if result < 0 {
            let detail = "the monitor gives no new tickets".to_string();
            return Err(AuthError::Refused { errno: Errno(result.saturating_neg()), detail });
        }
        let Some(session) = &mut state.session else { return Ok(None) };
        let tickets = if asked.renews_auth {
            self.again(session, asked.auth).reply(payload, now)?.tickets
        } else {
            cephx::decode_service_grants(payload, &asked.auth, now)?
        };
        session.tickets.merge(tickets);
        Ok(if asked.renews_auth { self.ask(&mut state, now) } else { None })
    }

    /// How long until [`ClientAuth::renewal_request`] has something to send; `None`: never, as things stand.
    pub fn next_renewal(&self) -> Option<Duration> {
        let state = self.state.lock();
        let session = state.session.as_ref().filter(|session| session.method == Method::Cephx)?;
        let missing_mgr = session.tickets.get(EntityType::MGR).is_none();
        let unhoped = if missing_mgr { u32::from(EntityType::MGR.0) } else { 0 };
        let due = session.tickets.next_renewal(WANTED & !unhoped)?;
        let again = state.asked.as_ref().map_or(Duration::ZERO, |asked| asked.at.saturating_add(ASK_AGAIN));
        Some(due.max(again).saturating_sub(self.world.now()))
    }
}

/// Says nothing of tickets and keys.
impl std::fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientAuth({}, global id {})", self.options.name, self.global_id())
    }
}
