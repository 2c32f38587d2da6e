//! The active manager: which one that is (MgrMap), a session with it, and commands.
//!
//! Nothing of this happens before the first command or a service daemon is registered (`service`). Commands wait while there
//! is no manager, and are sent again in each new session until they are answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::MonError;
use super::client::MonClient;
use super::messages::{self, CommandReply, Wanted};
use super::service::{Configure, Reports, Service};
use super::state::{Phase, Waiting};
use crate::net::{Connection, Handler, NetError, Ready};
use crate::sync::Mutex;
use crate::wire::Message;
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::message::MessageType;
use crate::wire::types::{AddrVec, EntityType};

/// What a client needs of the MgrMap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MgrMap {
    pub epoch: u32,
    pub active_addrs: AddrVec,
    pub active_gid: u64,
    /// The active one is ready for clients.
    pub available: bool,
    pub active_name: String,
}

impl MgrMap {
    pub fn decode(bytes: &[u8]) -> Result<MgrMap, Malformed> {
        let (_, mut d) = Decoder::new(bytes).section(11)?;
        Ok(MgrMap {
            epoch: d.u32()?,
            active_addrs: AddrVec::decode(&mut d)?,
            active_gid: d.u64()?,
            available: d.u8()? != 0,
            active_name: messages::text(&mut d)?,
        })
    }
}

#[derive(Default)]
pub struct Mgr {
    pub(super) state: Mutex<MgrState>,
    /// This client's; here too because `MonClient::state` must not be locked with `state` held.
    global_id: AtomicU64,
}

impl Mgr {
    pub fn set_global_id(&self, global_id: u64) {
        self.global_id.store(global_id, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub(super) struct MgrState {
    map: Option<MgrMap>,
    pub(super) session: Option<Session>,
    pub(super) service: Service,
    waiting: BTreeMap<u64, Waiting>,
    last_key: u64,
    /// When the last connection was begun.
    tried: Option<Instant>,
    /// A task will try again.
    retrying: bool,
}

pub(super) struct Session {
    pub(super) key: u64,
    addrs: AddrVec,
    pub(super) connection: Arc<dyn Connection>,
    pub(super) reports: Reports,
}

struct Link {
    client: Weak<MonClient>,
    key: u64,
}

impl Handler for Link {
    fn ready(&self, _: &Arc<dyn Connection>, _: Ready) {}

    fn message(&self, _: &Arc<dyn Connection>, message: Message) {
        let Some(client) = self.client.upgrade() else { return };
        match message.kind {
            MessageType::MGR_COMMAND_REPLY | MessageType::COMMAND_REPLY => {
                let waiting = client.mgr.state.lock().waiting.remove(&message.tid);
                if let Some(waiting) = waiting {
                    let _ = waiting.reply.send(Ok(message)); // or nobody waits any more
                }
            }
            MessageType::MGR_CONFIGURE => match Configure::decode(&message) {
                Ok(configure) => client.mgr_configured(self.key, configure),
                Err(_) => tracing::warn!("a malformed MMgrConfigure of the manager was ignored"),
            },
            MessageType::MGR_CLOSE => client.mgr_closed(),
            _ => {}
        }
    }

    fn reset(&self, _: &Arc<dyn Connection>, error: NetError) {
        let Some(client) = self.client.upgrade() else { return };
        let mut state = client.mgr.state.lock();
        if state.session.take_if(|session| session.key == self.key).is_some() {
            tracing::debug!(%error, "session with the manager lost");
            state.service.session_over();
            client.mgr_connect(&mut state);
        }
    }
}

impl MonClient {
    pub(super) async fn mgr_exchange(
        &self,
        cmd: Vec<String>,
        input: Bytes,
    ) -> Result<CommandReply, MonError> {
        let tid = {
            let mut state = self.state.lock();
            if state.phase != Phase::Running {
                return Err(MonError::ShutDown);
            }
            state.subs.want_if_new("mgrmap", Wanted { start: 0, once: false });
            self.send_subs(&mut state);
            state.next_tid()
        };
        let mut message = messages::mgr_command(&cmd, input);
        message.tid = tid;
        let answer = {
            let mut state = self.mgr.state.lock();
            let (reply, answer) = oneshot::channel();
            state.waiting.insert(tid, Waiting { message: message.clone(), reply });
            match &state.session {
                Some(session) => session.connection.send(message),
                None => self.mgr_connect(&mut state),
            }
            answer
        };
        let _forget = Forget { client: self, tid };
        let reply = answer.await.unwrap_or(Err(MonError::ShutDown))?;
        CommandReply::decode(&reply).map_err(|_| MonError::Malformed("MMgrCommandReply"))
    }

    pub(super) fn mgr_map(&self, message: &Message) -> Result<(), Malformed> {
        let map = MgrMap::decode(&message.front)?;
        self.state.lock().subs.got("mgrmap", u64::from(map.epoch));
        let mut state = self.mgr.state.lock();
        if state.map.as_ref().is_some_and(|old| old.epoch >= map.epoch) {
            return Ok(());
        }
        tracing::debug!(
            epoch = map.epoch,
            active = map.active_name,
            available = map.available,
            "manager map"
        );
        let gone = state.session.take_if(|session| !map.available || session.addrs != map.active_addrs);
        if gone.is_some() {
            state.service.session_over();
        }
        state.map = Some(map);
        if state.session.is_none() {
            self.mgr_connect(&mut state);
        }
        drop(state);
        if let Some(gone) = gone {
            gone.connection.close();
        }
        Ok(())
    }

    /// Connects if somebody waits for it and it is possible: now, or once `mgr_connect_retry_interval` is over.
    pub(super) fn mgr_connect(&self, state: &mut MgrState) {
        let Some(map) = state.map.as_ref().filter(|map| map.available) else { return };
        let wanted = !state.waiting.is_empty() || state.service.daemon.is_some();
        if !wanted || state.session.is_some() || state.retrying {
            return;
        }
        let now = Instant::now();
        if let Some(at) =
            state.tried.map(|tried| tried + self.options.mgr_retry_interval).filter(|at| *at > now)
        {
            state.retrying = true;
            self.runtime.spawn(retry(self.this.clone(), at));
            return;
        }
        let addrs = map.active_addrs.clone();
        state.tried = Some(now);
        let auth = match self.credentials.service(EntityType::MGR) {
            Ok(auth) => auth,
            Err(error) => {
                tracing::warn!(%error, "cannot connect to the manager yet");
                state.retrying = true;
                self.runtime.spawn(retry(self.this.clone(), now + self.options.mgr_retry_interval));
                return;
            }
        };
        state.last_key += 1;
        let key = state.last_key;
        let link = Arc::new(Link { client: self.this.clone(), key });
        let global_id = self.mgr.global_id.load(Ordering::Relaxed);
        let connection = self.messenger.connect(EntityType::MGR, &addrs, global_id, auth, link);
        let mut session = Session { key, addrs, connection, reports: Reports::default() };
        session.open(&state.service);
        for waiting in state.waiting.values() {
            session.connection.send(waiting.message.clone());
        }
        state.session = Some(session);
    }

    pub(super) fn mgr_end(&self) {
        let (session, waiting) = {
            let mut state = self.mgr.state.lock();
            state.service = Service::default();
            (state.session.take(), std::mem::take(&mut state.waiting))
        };
        if let Some(session) = session {
            session.connection.close();
        }
        for waiting in waiting.into_values() {
            let _ = waiting.reply.send(Err(MonError::ShutDown));
        }
    }
}

async fn retry(client: Weak<MonClient>, at: Instant) {
    tokio::time::sleep_until(at).await;
    if let Some(client) = client.upgrade() {
        let mut state = client.mgr.state.lock();
        state.retrying = false;
        client.mgr_connect(&mut state);
    }
}

struct Forget<'a> {
    client: &'a MonClient,
    tid: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.client.mgr.state.lock().waiting.remove(&self.tid);
    }
}
