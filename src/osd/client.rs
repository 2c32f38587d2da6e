//! The OSD client's interface.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::map::OsdMap;
use super::message::{CommandReply, ListResponse, NotifyReplies};
use super::options::OsdOptions;
use super::{ObjectName, OpAnswer, OpRequest, OsdError};
use crate::errno::Errno;
use crate::mon::{MonClient, MonSink};
use crate::net::Messenger;
use crate::wire::Message;
use crate::wire::types::{Hobject, Pgid};

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What a watcher is told: from a task of the client's own, one call at a time, no lock held.
pub trait WatchEvents: Send + Sync + 'static {
    /// A notification; to be answered with [`OsdClient::notify_ack`].
    fn notify(&self, notify_id: u64, cookie: u64, notifier_gid: u64, payload: Bytes);
    /// The watch is lost and must be made again. ENOTCONN: the OSD no longer knows of it, or the object is gone.
    fn error(&self, cookie: u64, errno: Errno);
}

/// Who a command is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandTarget {
    Osd(i32),
    /// The primary of a placement group.
    Pg(Pgid),
}

/// The objects that one listing request gave.
pub type Listed = ListResponse;

/// Requests to OSDs: finds the OSD, sends, sends again when the cluster changes, and gives each its answer.
pub struct OsdClient {
    _todo: (),
}

fn todo_error() -> OsdError {
    OsdError::Failed { errno: Errno::EOPNOTSUPP, detail: "the OSD client is not done yet".into() }
}

/// The monitors' sink: OSD maps are taken, all else is ignored.
impl MonSink for OsdClient {
    fn message(&self, _message: Message) {}
    fn session(&self) {}
}

impl OsdClient {
    /// Nothing happens before [`start`](OsdClient::start). Whoever made `mon` hands its messages to this (`set_sink`).
    pub fn new(
        _options: OsdOptions,
        _messenger: Arc<dyn Messenger>,
        _mon: Arc<MonClient>,
        _runtime: Handle,
    ) -> Arc<OsdClient> {
        Arc::new(OsdClient { _todo: () })
    }

    /// Subscribes to the map and waits for the first one. The monitor client is connected.
    pub async fn start(&self) -> Result<(), OsdError> {
        Err(todo_error())
    }

    /// Runs an op list. It is sent, or queued in order, by this call and not by the first poll; requests to one object
    /// take effect in the order of their calls. Dropping the future takes nothing back.
    pub fn operate(&self, _request: OpRequest) -> BoxFuture<Result<OpAnswer, OsdError>> {
        Box::pin(std::future::ready(Err(todo_error())))
    }

    /// [`operate`](OsdClient::operate) with the answer given to a function, on a task of the client's: it must not block.
    pub fn submit(
        &self,
        _request: OpRequest,
        done: impl FnOnce(Result<OpAnswer, OsdError>) + Send + 'static,
    ) {
        done(Err(todo_error()));
    }

    /// The newest map that has come. Before `start` is done: none, and this panics.
    pub fn map(&self) -> Arc<OsdMap> {
        unimplemented!("the OSD client is not done yet")
    }

    pub async fn wait_for_epoch(&self, _epoch: u32) -> Result<(), OsdError> {
        Err(todo_error())
    }

    /// Completes when the newest map of the monitors at the time of the call is here.
    pub async fn wait_for_latest_map(&self) -> Result<(), OsdError> {
        Err(todo_error())
    }

    /// No request is sent by a map older than this one from now on.
    pub fn set_epoch_barrier(&self, _epoch: u32) {}

    /// Watches an object; the cookie is unique within this client. `timeout_s` 0: the OSDs' default (osd_client_watch_timeout).
    /// ENOENT (as `Failed`) if there is no such object.
    pub async fn watch(
        &self,
        _object: ObjectName,
        _timeout_s: u32,
        _handler: Arc<dyn WatchEvents>,
    ) -> Result<u64, OsdError> {
        Err(todo_error())
    }

    /// ENOTCONN (as `Failed`) if there is no such watch.
    pub async fn unwatch(&self, _cookie: u64) -> Result<(), OsdError> {
        Err(todo_error())
    }

    /// Milliseconds since the watch was last known to be good, at most; the error that its handler was told otherwise.
    pub fn watch_check(&self, _cookie: u64) -> Result<u64, OsdError> {
        Err(todo_error())
    }

    /// Completes when all calls of handlers that were due at the time of the call have returned.
    pub async fn watch_flush(&self) {}

    /// Notifies all watchers, and waits for them and for the OSD. `timeout_ms` 0: client_notify_timeout.
    /// Watchers that did not answer in time are in the outcome's `timeouts`.
    pub async fn notify(
        &self,
        _object: ObjectName,
        _payload: Bytes,
        _timeout_ms: u64,
    ) -> Result<NotifyReplies, OsdError> {
        Err(todo_error())
    }

    pub async fn notify_ack(
        &self,
        _object: ObjectName,
        _notify_id: u64,
        _cookie: u64,
        _payload: Bytes,
    ) -> Result<(), OsdError> {
        Err(todo_error())
    }

    /// Lists objects of a pool from `cursor` on, at most `max`, in the order of their hashes' reversed bits.
    /// `namespace` `None`: of all namespaces. [`hobject::min`](super::hobject::min) is before all of them; `next.max` in
    /// the answer is the end. An answer may be empty without being the last. `filter`: a filter's name and input as
    /// `rados_object_list` takes it.
    pub async fn list(
        &self,
        _pool: i64,
        _namespace: Option<Bytes>,
        _cursor: Hobject,
        _max: u64,
        _filter: Option<Bytes>,
    ) -> Result<Listed, OsdError> {
        Err(todo_error())
    }

    /// A command in JSON, one string a part. ENOENT: no such OSD or pool; ENXIO: it is down.
    pub async fn command(
        &self,
        _target: CommandTarget,
        _cmd: Vec<String>,
        _input: Bytes,
    ) -> Result<CommandReply, OsdError> {
        Err(todo_error())
    }

    /// Ends everything that is under way with [`OsdError::ShutDown`] and closes all connections.
    pub async fn shutdown(&self) {}
}
