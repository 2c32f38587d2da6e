//! The OSD client's interface.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::codes::flag;
use super::map::OsdMap;
use super::message::{CommandReply, ListResponse, NotifyReplies};
use super::monitors::Monitors;
use super::objecter::{Objecter, ack_request};
use super::options::OsdOptions;
use super::slot::Done;
use super::{ObjectName, OpAnswer, OpRequest, OsdError, list};
use crate::errno::Errno;
use crate::mon::{MonClient, MonSink};
use crate::net::Messenger;
use crate::wire::types::{Hobject, Pgid};
use crate::wire::{Message, MessageType};

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
    objecter: Arc<Objecter>,
}

/// The monitors' sink: OSD maps are taken, all else is ignored.
impl MonSink for OsdClient {
    fn message(&self, message: Message) {
        if message.kind == MessageType::OSD_MAP && self.objecter.take_maps(&message).is_err() {
            tracing::warn!("a malformed OSD map message of a monitor was ignored");
        }
    }

    fn session(&self) {}
}

/// An answer that is nothing but a result.
fn no_output(answer: OpAnswer, what: &str) -> Result<(), OsdError> {
    match answer.result {
        result if result < 0 => Err(OsdError::Failed { errno: Errno(-result), detail: what.into() }),
        _ => Ok(()),
    }
}

impl OsdClient {
    /// Nothing happens before [`start`](OsdClient::start). Whoever made `mon` hands its messages to this (`set_sink`).
    pub fn new(
        options: OsdOptions,
        messenger: Arc<dyn Messenger>,
        mon: Arc<MonClient>,
        runtime: Handle,
    ) -> Arc<OsdClient> {
        OsdClient::over(options, messenger, mon, runtime)
    }

    pub(super) fn over(
        options: OsdOptions,
        messenger: Arc<dyn Messenger>,
        mon: Arc<dyn Monitors>,
        runtime: Handle,
    ) -> Arc<OsdClient> {
        Arc::new(OsdClient { objecter: Objecter::new(options, messenger, mon, runtime) })
    }

    /// Subscribes to the map and waits for the first one. The monitor client is connected.
    pub async fn start(&self) -> Result<(), OsdError> {
        self.objecter.start().await
    }

    /// Runs an op list. It is sent, or queued in order, by this call and not by the first poll; requests to one object
    /// take effect in the order of their calls. Dropping the future takes nothing back.
    pub fn operate(&self, request: OpRequest) -> BoxFuture<Result<OpAnswer, OsdError>> {
        let (done, wait) = Done::slot();
        self.objecter.submit(request, done);
        Box::pin(wait)
    }

    /// [`operate`](OsdClient::operate) with the answer given to a function, on a task of the client's or on the caller's own
    /// stack: it must not block.
    pub fn submit(&self, request: OpRequest, done: impl FnOnce(Result<OpAnswer, OsdError>) + Send + 'static) {
        self.objecter.submit(request, Done::call(done));
    }

    /// The newest map that has come. There is none before [`start`](OsdClient::start) is done, and this panics.
    pub fn map(&self) -> Arc<OsdMap> {
        self.objecter.map().expect("a client that was started has a map")
    }

    pub async fn wait_for_epoch(&self, epoch: u32) -> Result<(), OsdError> {
        self.objecter.wait_for_epoch(epoch).await
    }

    /// Completes when the newest map of the monitors at the time of the call is here.
    pub async fn wait_for_latest_map(&self) -> Result<(), OsdError> {
        self.objecter.wait_for_latest_map().await
    }

    /// No request is sent by a map older than this one from now on.
    pub fn set_epoch_barrier(&self, epoch: u32) {
        self.objecter.set_epoch_barrier(epoch);
    }

    /// Watches an object; the cookie is unique within this client. `timeout_s` 0: the OSDs' default (osd_client_watch_timeout).
    /// ENOENT (as `Failed`) if there is no such object.
    pub async fn watch(
        &self,
        object: ObjectName,
        timeout_s: u32,
        handler: Arc<dyn WatchEvents>,
    ) -> Result<u64, OsdError> {
        self.objecter.watch(object, timeout_s, handler, 0).await.unwrap_or(Err(OsdError::ShutDown))
    }

    /// [`OsdClient::watch`] that does not wait while the cluster or the pool is full.
    pub async fn watch_full_try(
        &self,
        object: ObjectName,
        timeout_s: u32,
        handler: Arc<dyn WatchEvents>,
    ) -> Result<u64, OsdError> {
        let made = self.objecter.watch(object, timeout_s, handler, flag::FULL_TRY);
        made.await.unwrap_or(Err(OsdError::ShutDown))
    }

    /// ENOTCONN (as `Failed`) if there is no such watch.
    pub async fn unwatch(&self, cookie: u64) -> Result<(), OsdError> {
        let request = self.objecter.unwatch(cookie)?;
        no_output(self.operate(request).await?, "unwatch")
    }

    /// Milliseconds since the watch was last known to be good, at most; the error that its handler was told otherwise.
    pub fn watch_check(&self, cookie: u64) -> Result<u64, OsdError> {
        self.objecter.watch_check(cookie)
    }

    /// Completes when all calls of handlers that were due at the time of the call have returned.
    pub async fn watch_flush(&self) {
        self.objecter.watch_flush().await;
    }

    /// Notifies all watchers, and waits for them and for the OSD. `timeout_ms` 0: client_notify_timeout.
    /// Watchers that did not answer in time are in the outcome's `timeouts`.
    pub async fn notify(
        &self,
        object: ObjectName,
        payload: Bytes,
        timeout_ms: u64,
    ) -> Result<NotifyReplies, OsdError> {
        self.objecter.notify(object, payload, timeout_ms).await.unwrap_or(Err(OsdError::ShutDown))
    }

    /// Answers a notification.
    pub async fn notify_ack(
        &self,
        object: ObjectName,
        notify_id: u64,
        cookie: u64,
        payload: Bytes,
    ) -> Result<(), OsdError> {
        let request = ack_request(object, notify_id, cookie, &payload);
        no_output(self.operate(request).await?, "answer to a notification")
    }

    /// Lists objects of a pool from `cursor` on, at most `max`, in the order of their hashes' reversed bits.
    /// `namespace` `None`: of all namespaces. [`hobject::min`](super::hobject::min) is before all of them; `next.max` in
    /// the answer is the end. An answer may be empty without being the last. `filter`: a filter's name and input as
    /// `rados_object_list` takes it.
    pub async fn list(
        &self,
        pool: i64,
        namespace: Option<Bytes>,
        cursor: Hobject,
        max: u64,
        filter: Option<Bytes>,
    ) -> Result<Listed, OsdError> {
        if cursor.max {
            return Ok(Listed { next: cursor, entries: Vec::new() });
        }
        let epoch = self.objecter.map().map_or(0, |map| map.epoch());
        let answer = self.operate(list::request(pool, namespace, &cursor, max, filter, epoch)).await?;
        list::response(answer)
    }

    /// A command in JSON, one string a part. ENOENT: no such OSD or pool; ENXIO: it is down.
    pub async fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> Result<CommandReply, OsdError> {
        self.objecter.command(target, cmd, input).await.unwrap_or(Err(OsdError::ShutDown))
    }

    /// Ends everything that is under way with [`OsdError::ShutDown`] and closes all connections.
    pub async fn shutdown(&self) {
        self.objecter.shutdown();
    }
}

impl Drop for OsdClient {
    fn drop(&mut self) {
        self.objecter.shutdown();
    }
}
