//! What the monitor client knows between two events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::hunt::Hunt;
use super::monmap::MonMap;
use super::subs::Subs;
use super::{MonError, MonOptions};
use crate::net::Connection;
use crate::wire::Message;
use crate::wire::types::AddrVec;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Before `connect`.
    Idle,
    Running,
    Over,
}

/// A connection that has no session yet.
pub struct Pending {
    /// Which monitor, by its name in the map of that time.
    pub mon: String,
    pub connection: Arc<dyn Connection>,
}

/// The session.
pub struct Active {
    /// Of the [`super::session::Link`] that brings its messages.
    pub key: u64,
    pub mon: String,
    pub connection: Arc<dyn Connection>,
    pub since: Instant,
}

/// A message that is to be answered.
pub struct Waiting {
    pub message: Message,
    pub reply: oneshot::Sender<Result<Message, MonError>>,
}

pub struct State {
    pub phase: Phase,
    /// `connect` has succeeded: from then on failures are retried and not told.
    pub connected_once: bool,
    pub monmap: MonMap,
    pub global_id: u64,
    pub own: AddrVec,
    pub active: Option<Active>,
    /// By key. Empty while there is a session.
    pub pending: HashMap<u64, Pending>,
    pub hunt: Hunt,
    /// When others are tried than the pending ones.
    pub round_ends: Instant,
    /// When a new try is made, there being neither a session nor a pending connection.
    pub retry_at: Option<Instant>,
    /// How often all monitors failed at once, since there was a session.
    pub vain: u32,
    pub last_keepalive: Instant,
    /// When a monitor that wants it is to be told of all subscriptions again (MMonSubscribeAck).
    pub renew_subs_at: Option<Instant>,
    pub subs: Subs,
    /// By tid, so that they are sent again in their order.
    pub waiting: BTreeMap<u64, Waiting>,
    pub config_seen: bool,
    /// Version of the newest log entries that were passed on.
    pub log_seen: u64,
    /// Why the last connection failed.
    pub last_error: Option<MonError>,
    /// Since all monitors were tried, one refused this client.
    pub auth_error: Option<MonError>,
    /// Since then, one spoke nothing that this client speaks; another one answered, and was lost.
    pub unsupported: Option<MonError>,
    pub broken_off: bool,
    /// What `connect` is to fail with.
    pub failed: Option<MonError>,
    last_tid: u64,
    last_key: u64,
}

impl State {
    pub fn new(options: &MonOptions) -> State {
        State {
            phase: Phase::Idle,
            connected_once: false,
            monmap: MonMap::default(),
            global_id: 0,
            own: AddrVec::default(),
            active: None,
            pending: HashMap::new(),
            hunt: Hunt::new(options),
            round_ends: Instant::now(),
            retry_at: None,
            vain: 0,
            last_keepalive: Instant::now(),
            renew_subs_at: None,
            subs: Subs::default(),
            waiting: BTreeMap::new(),
            config_seen: false,
            log_seen: 0,
            last_error: None,
            auth_error: None,
            unsupported: None,
            broken_off: false,
            failed: None,
            last_tid: 0,
            last_key: 0,
        }
    }

    /// A session, the monitors' own map, and this client's configuration.
    pub fn is_ready(&self) -> bool {
        self.active.is_some() && self.monmap.epoch > 0 && self.config_seen
    }

    pub fn next_tid(&mut self) -> u64 {
        self.last_tid += 1;
        self.last_tid
    }

    pub fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }
}
