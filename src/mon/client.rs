//! The monitor client's interface.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::{Credentials, MonError, MonOptions};
use crate::auth::{AuthError, Authenticator};
use crate::net::Messenger;
use crate::sync::Mutex;
use crate::wire::Message;
use crate::wire::types::{AddrVec, EntityType};

/// Who receives what the monitors send and `mon` does not handle itself: OSD_MAP above all. Called in the order in which
/// things come, with no lock of `mon` held; must not block.
pub trait MonSink: Send + Sync {
    fn message(&self, message: Message);
    /// There is a new session. Subscriptions, commands and requests have been sent again already.
    fn session(&self);
}

/// Which monitor a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonTarget {
    /// The cluster: any monitor passes it on to the leader.
    Any,
    /// `a` of `mon.a`
    Name(String),
    Rank(i32),
}

/// A command's answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CommandReply {
    /// 0 or positive: it worked; negative: -errno.
    pub result: i32,
    /// For people.
    pub status: String,
    pub output: Bytes,
}

/// A client of the cluster's monitors. Cheap to share; nothing happens before [`MonClient::connect`].
pub struct MonClient {
    options: MonOptions,
    messenger: Arc<dyn Messenger>,
    credentials: Arc<dyn Credentials>,
    runtime: tokio::runtime::Handle,
    sink: Mutex<Option<Weak<dyn MonSink>>>,
}

impl MonClient {
    pub fn new(
        options: MonOptions,
        messenger: Arc<dyn Messenger>,
        credentials: Arc<dyn Credentials>,
        runtime: tokio::runtime::Handle,
    ) -> Arc<MonClient> {
        Arc::new(MonClient { options, messenger, credentials, runtime, sink: Mutex::new(None) })
    }

    /// Who receives messages; to be set before `connect`.
    pub fn set_sink(&self, sink: Weak<dyn MonSink>) {
        *self.sink.lock() = Some(sink);
    }

    /// Finds a monitor and makes a session. `TimedOut` after `client_mount_timeout`.
    pub async fn connect(&self) -> Result<(), MonError> {
        let _ = (&self.options, &self.messenger, &self.runtime);
        Err(MonError::Unsupported { detail: "the monitor client is not done yet".into() })
    }

    /// This client's number in the cluster; 0 before `connect`.
    pub fn global_id(&self) -> u64 {
        0
    }

    /// The cluster's UUID; zeros before `connect`.
    pub fn fsid(&self) -> [u8; 16] {
        [0; 16]
    }

    /// This client's addresses, as in the OSD map's blocklist; empty before `connect`.
    pub fn own_addrs(&self) -> AddrVec {
        AddrVec::default()
    }

    /// Asks for `what` (`osdmap`, `mgrmap`, `log-info`, ...) from version `start` on: once, or whenever there is news.
    pub fn subscribe(&self, _what: &str, _start: u64, _once: bool) {}

    /// Version `have` of `what` has come: a new session asks for the next, and a subscription `once` is done.
    pub fn subscription_got(&self, _what: &str, _have: u64) {}

    pub fn unsubscribe(&self, _what: &str) {}

    /// The newest and the oldest version of `what` (such as `osdmap`) that the monitors have.
    pub async fn get_version(&self, _what: &str) -> Result<(u64, u64), MonError> {
        Err(MonError::ShutDown)
    }

    /// Sends a message that is answered by one with the same tid (which is chosen here), over and over in new sessions until
    /// it is answered.
    pub async fn request(&self, _message: Message) -> Result<Message, MonError> {
        Err(MonError::ShutDown)
    }

    /// A command in JSON, one string a part, with input for those that take any.
    pub async fn command(
        &self,
        _target: MonTarget,
        _cmd: Vec<String>,
        _input: Bytes,
    ) -> Result<CommandReply, MonError> {
        Err(MonError::ShutDown)
    }

    /// The same for the active manager; waits for one where there is none.
    pub async fn mgr_command(&self, _cmd: Vec<String>, _input: Bytes) -> Result<CommandReply, MonError> {
        Err(MonError::ShutDown)
    }

    /// What one monitor says of itself (JSON), over a connection of its own. Works before `connect` too.
    pub async fn ping(&self, _mon: &str) -> Result<String, MonError> {
        Err(MonError::ShutDown)
    }

    /// For a connection to an OSD or a manager.
    pub fn service_authenticator(&self, kind: EntityType) -> Result<Box<dyn Authenticator>, AuthError> {
        self.credentials.service(kind)
    }

    /// Ends all that is under way with [`MonError::ShutDown`].
    pub async fn shutdown(&self) {}
}
