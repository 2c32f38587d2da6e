//! The monitor client's interface, and waiting for answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::log::{LogEntry, LogLevel};
use super::messages::{self, CommandReply, VersionReply, Wanted};
use super::mgr::Mgr;
use super::monmap::MonMap;
use super::state::{Phase, State, Waiting};
use super::{Credentials, MonError, MonOptions};
use super::{dns, hosts};
use crate::auth::{AuthError, Authenticator};
use crate::errno::Errno;
use crate::net::Messenger;
use crate::sync::{Mutex, RwLock};
use crate::wire::Message;
use crate::wire::types::{AddrVec, EntityType};

/// Who receives what the monitors send and `mon` does not handle itself: OSD_MAP above all. Called in the order in which
/// things come within a session, with no lock of `mon` held; must not block.
pub trait MonSink: Send + Sync {
    fn message(&self, message: Message);
    /// There is a new session. Subscriptions, commands and requests have been sent again already.
    fn session(&self);
}

/// Receives what `ceph config set` has for this client: all values, each time something changed.
pub type ConfigSink = dyn Fn(&BTreeMap<String, String>) + Send + Sync;

/// Receives lines of the cluster log, in order.
pub type LogSink = dyn Fn(&LogEntry) + Send + Sync;

/// What `rados_mon_op_timeout` is now: for what begins now.
pub type OpTimeout = dyn Fn() -> Duration + Send + Sync;

/// Which monitor a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonTarget {
    /// The cluster: any monitor passes it on to the leader.
    Any,
    /// `a` of `mon.a`
    Name(String),
    Rank(i32),
}

/// A client of the cluster's monitors. Nothing happens before [`MonClient::connect`].
pub struct MonClient {
    pub(super) this: Weak<MonClient>,
    pub(super) options: MonOptions,
    pub(super) messenger: Arc<dyn Messenger>,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) state: Mutex<State>,
    pub(super) sinks: RwLock<Sinks>,
    /// Something changed that `connect` may wait for.
    pub(super) changed: Notify,
    /// The ticker has to look at its deadlines again.
    pub(super) wake: Arc<Notify>,
    pub(super) mgr: Mgr,
    op_timeout: RwLock<Arc<OpTimeout>>,
}

#[derive(Default)]
pub(super) struct Sinks {
    pub messages: Option<Weak<dyn MonSink>>,
    pub config: Option<Arc<ConfigSink>>,
    pub log: Option<(LogLevel, Arc<LogSink>)>,
}

impl MonClient {
    pub fn new(
        options: MonOptions,
        messenger: Arc<dyn Messenger>,
        credentials: Arc<dyn Credentials>,
        runtime: tokio::runtime::Handle,
    ) -> Arc<MonClient> {
        let limit = options.op_timeout;
        Arc::new_cyclic(|this| MonClient {
            this: this.clone(),
            state: Mutex::new(State::new(&options)),
            op_timeout: RwLock::new(Arc::new(move || limit)),
            options,
            messenger,
            credentials,
            runtime,
            sinks: RwLock::default(),
            changed: Notify::new(),
            wake: Arc::new(Notify::new()),
            mgr: Mgr::default(),
        })
    }

    /// Who receives messages; to be set before `connect`.
    pub fn set_sink(&self, sink: Weak<dyn MonSink>) {
        self.sinks.write().messages = Some(sink);
    }

    /// Who receives configuration from the monitors; to be set before `connect`, which waits for the first.
    pub fn set_config_sink(&self, sink: Arc<ConfigSink>) {
        self.sinks.write().config = Some(sink);
    }

    /// Who knows `rados_mon_op_timeout`: the program and the monitors may change it at any time.
    pub fn set_op_timeout(&self, limit: Arc<OpTimeout>) {
        *self.op_timeout.write() = limit;
    }

    /// Finds a monitor and makes a session; done once the monitor map and this client's configuration are there. Once only.
    ///
    /// `TimedOut` after `client_mount_timeout`; `Auth` if the monitors refuse this client; `NoMonitors` or `BadAddress` if the
    /// configuration names none that make sense; `Unsupported` if all that it names speak msgr1 or are older than Pacific.
    pub async fn connect(&self) -> Result<(), MonError> {
        let limit = self.options.connect_timeout;
        let result = match within(limit, self.connect_unlimited()).await {
            Err(MonError::TimedOut { .. }) => {
                let last = self.state.lock().last_error.take();
                let last = last.map_or_else(|| "no monitor answered".to_owned(), |error| error.to_string());
                tracing::warn!(seconds = limit.as_secs(), last, "authenticate timed out");
                Err(MonError::TimedOut { ms: millis(limit) })
            }
            other => other,
        };
        if result.is_err() {
            self.end();
        }
        result
    }

    async fn connect_unlimited(&self) -> Result<(), MonError> {
        let map = self.initial_map().await?;
        self.start(map)?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state.lock();
                if let Some(error) = state.failed.take() {
                    return Err(error);
                }
                if state.phase == Phase::Over {
                    return Err(MonError::ShutDown);
                }
                if state.is_ready() {
                    state.connected_once = true;
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// `monmap`, else `mon_host`, else the SRV records of `mon_dns_srv_name`.
    pub(super) async fn initial_map(&self) -> Result<MonMap, MonError> {
        let options = &self.options;
        if !options.monmap.is_empty() {
            let bad = |errno, detail: String| MonError::BadAddress {
                errno,
                detail: format!("unable to read/decode monmap from {}: {detail}", options.monmap),
            };
            let bytes = std::fs::read(&options.monmap)
                .map_err(|e| bad(Errno(e.raw_os_error().unwrap_or(Errno::EIO.0)), e.to_string()))?;
            return MonMap::decode(&bytes).map_err(|e| bad(Errno::EINVAL, e.to_string()));
        }
        if options.mon_host.trim().is_empty() {
            return hosts::find_by_dns(&dns::Resolver::system(), &options.dns_srv_name).await;
        }
        Ok(MonMap::made_up(hosts::find(&options.mon_host).await?))
    }

    /// The monitor that there is a session with.
    pub fn session_mon(&self) -> Option<String> {
        self.state.lock().active.as_ref().map(|active| active.mon.clone())
    }

    /// This client's number in the cluster; 0 before `connect`.
    pub fn global_id(&self) -> u64 {
        self.state.lock().global_id
    }

    /// The cluster's UUID; zeros before `connect`.
    pub fn fsid(&self) -> [u8; 16] {
        self.state.lock().monmap.fsid
    }

    /// This client's addresses, as in the OSD map's blocklist; empty before `connect`.
    pub fn own_addrs(&self) -> AddrVec {
        self.state.lock().own.clone()
    }

    /// The newest map of the monitors; made up from the configuration (epoch 0) before `connect`.
    pub fn monmap(&self) -> MonMap {
        self.state.lock().monmap.clone()
    }

    /// Asks for `what` (`osdmap`, `mgrmap`, ...) from version `start` on: once, or whenever there is news. Before
    /// `connect`, too. Asking for the same again does nothing.
    pub fn subscribe(&self, what: &str, start: u64, once: bool) {
        let mut state = self.state.lock();
        state.subs.want(what, Wanted { start, once });
        self.send_subs(&mut state);
    }

    /// Version `have` of `what` has come: a new session asks for the next, and a subscription `once` is done.
    pub fn subscription_got(&self, what: &str, have: u64) {
        self.state.lock().subs.got(what, have);
    }

    /// A new session will not ask for it; this one may still send it.
    pub fn unsubscribe(&self, what: &str) {
        self.state.lock().subs.unwant(what);
    }

    /// The newest and the oldest version of `what` (such as `osdmap`) that the monitors have. Waits for as long as it takes, as
    /// librados does.
    pub async fn get_version(&self, what: &str) -> Result<(u64, u64), MonError> {
        let reply = self.exchange_unlimited(|handle| messages::get_version(handle, what)).await?;
        let reply = VersionReply::decode(&reply).map_err(|_| MonError::Malformed("MMonGetVersionReply"))?;
        Ok((reply.newest, reply.oldest))
    }

    /// Sends a message that is answered by one with the same tid (which is chosen here), in each new session again until it is
    /// answered. `TimedOut` after `rados_mon_op_timeout`.
    pub async fn request(&self, mut message: Message) -> Result<Message, MonError> {
        self.exchange(|tid| {
            message.tid = tid;
            message
        })
        .await
    }

    /// A command in JSON (`{"prefix": "status"}`), with input for those that take any. One without a target is sent again
    /// in each new session until it is answered; `TimedOut` after `rados_mon_op_timeout`.
    pub async fn command(
        &self,
        target: MonTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> Result<CommandReply, MonError> {
        if target != MonTarget::Any {
            return self.within_op_timeout(self.tell(target, cmd, input)).await;
        }
        let fsid = self.fsid();
        let reply = self
            .exchange(|tid| {
                let mut message = messages::mon_command(&fsid, &cmd, input);
                message.tid = tid;
                message
            })
            .await?;
        CommandReply::decode(&reply).map_err(|_| MonError::Malformed("MMonCommandAck"))
    }

    /// A command for the active manager; waits for one where there is none. `TimedOut` after `rados_mon_op_timeout`.
    pub async fn mgr_command(&self, cmd: Vec<String>, input: Bytes) -> Result<CommandReply, MonError> {
        self.within_op_timeout(self.mgr_exchange(cmd, input)).await
    }

    /// Lines of the cluster log of `level` and above go to `sink` from now on, instead of to an earlier one; `None`: no more.
    pub fn monitor_log(&self, watch: Option<(LogLevel, Arc<LogSink>)>) {
        let level = watch.as_ref().map(|(level, _)| *level);
        let old = std::mem::replace(&mut self.sinks.write().log, watch);
        let mut state = self.state.lock();
        if let Some((level, _)) = old {
            state.subs.unwant(level.subscription());
        }
        state.log_seen = 0;
        if let Some(level) = level {
            state.subs.want(level.subscription(), Wanted { start: 0, once: false });
            self.send_subs(&mut state);
        }
    }

    /// For a connection to an OSD or a manager.
    pub fn service_authenticator(&self, kind: EntityType) -> Result<Box<dyn Authenticator>, AuthError> {
        self.credentials.service(kind)
    }

    /// Ends all that is under way with [`MonError::ShutDown`]; a service daemon is gone from then on.
    pub async fn shutdown(&self) {
        self.unregister_service().await;
        self.end();
    }

    async fn exchange(&self, make: impl FnOnce(u64) -> Message) -> Result<Message, MonError> {
        self.within_op_timeout(self.exchange_unlimited(make)).await
    }

    /// Sends what `make` builds of a fresh tid, again in each new session, until there is an answer.
    async fn exchange_unlimited(&self, make: impl FnOnce(u64) -> Message) -> Result<Message, MonError> {
        let (tid, answer) = {
            let mut state = self.state.lock();
            if state.phase != Phase::Running {
                return Err(MonError::ShutDown);
            }
            let tid = state.next_tid();
            let message = make(tid);
            if let Some(active) = &state.active {
                active.connection.send(message.clone());
            }
            let (reply, answer) = oneshot::channel();
            state.waiting.insert(tid, Waiting { message, reply });
            (tid, answer)
        };
        // Who is no longer waited for is not sent again.
        let _forget = Forget { client: self, tid };
        answer.await.unwrap_or(Err(MonError::ShutDown))
    }

    async fn within_op_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, MonError>>,
    ) -> Result<T, MonError> {
        let limit = self.op_timeout.read().clone();
        within(limit(), work).await
    }
}

struct Forget<'a> {
    client: &'a MonClient,
    tid: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.client.state.lock().waiting.remove(&self.tid);
    }
}

/// Zero: as long as it takes.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, MonError>>,
) -> Result<T, MonError> {
    if limit.is_zero() {
        return work.await;
    }
    tokio::time::timeout(limit, work).await.unwrap_or(Err(MonError::TimedOut { ms: millis(limit) }))
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}
