//! Connections to daemons over TCP: drives the protocol of `wire` with sockets and timers.
//!
//! All connections are *lossy* clients, as librados' are: when one breaks, it is over, its [`Handler`] is told once, and
//! whoever needs it makes a new one and sends again what was not answered.

mod connection;
mod driver;
mod messenger;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use messenger::{Net, Options};

use crate::auth::Authenticator;
use crate::wire::place::Wish;
use crate::wire::types::{AddrVec, EntityAddr, EntityName, EntityType};
use crate::wire::{Message, MessageType};

/// Why a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NetError {
    #[error("{addr}: cannot connect: {detail}")]
    Connect { addr: EntityAddr, detail: String },
    #[error("{addr}: connection lost: {detail}")]
    Lost { addr: EntityAddr, detail: String },
    #[error("{addr}: {detail}: connection dropped")]
    Protocol { addr: EntityAddr, detail: String },
    #[error("{addr}: authentication failed: {source}")]
    Auth { addr: EntityAddr, source: crate::auth::AuthError },
    /// Nothing but msgr1 is spoken there, or it is older than Pacific.
    #[error("{addr}: {detail}")]
    Unsupported { addr: EntityAddr, detail: String },
    #[error("{addr}: no answer for {seconds} s")]
    Timeout { addr: EntityAddr, seconds: u64 },
}

/// What is known once a session is established.
#[derive(Clone, Debug)]
pub struct Ready {
    pub peer: EntityName,
    /// Feature bits that both sides have.
    pub features: u64,
    /// This client's own address as this connection shows it, with the nonce of this client instance.
    pub own: EntityAddr,
    /// From AUTH_DONE; 0 with daemons other than monitors.
    pub global_id: u64,
}

/// Who receives what comes over a connection. Called from the connection's own task, one call at a time, never while a
/// lock of the caller's is held; must not block. Messages of one connection come in order.
pub trait Handler: Send + Sync + 'static {
    fn ready(&self, connection: &Arc<dyn Connection>, ready: Ready);
    fn message(&self, connection: &Arc<dyn Connection>, message: Message);
    /// What is wanted for the data of a large message that has begun to come; `None`: they go to memory of their own. It may never
    /// become whole.
    fn place(
        &self,
        _connection: &Arc<dyn Connection>,
        _kind: MessageType,
        _tid: u64,
        _bytes: usize,
    ) -> Option<Wish> {
        None
    }
    /// The connection is over: the last call for it. Not called after [`Connection::close`].
    fn reset(&self, connection: &Arc<dyn Connection>, error: NetError);
}

pub trait Connection: Send + Sync {
    /// A number that no other connection of this process has.
    fn id(&self) -> u64;
    fn peer_addr(&self) -> EntityAddr;
    /// Queues a message, in order, before the session is established too. Nothing is said of one that a connection
    /// which is over was given: its handler knows that by `reset`.
    fn send(&self, message: Message);
    /// [`Connection::send`] for who calls [`Connection::push`] soon after: until then it may stay where it is.
    fn queue(&self, message: Message) {
        self.send(message);
    }
    /// Writes what is queued on the caller's own thread, as far as that is possible at once: a request is on its way without another
    /// thread having been woken. Not to be called while a lock is held.
    fn push(&self) {}
    /// Messages and bytes that are queued and not yet written to the socket.
    fn queued(&self) -> (usize, usize);
    /// Asks the peer for a sign of life (KEEPALIVE2).
    fn keepalive(&self);
    /// How long ago the peer last acknowledged a keepalive; since the session began if it never did.
    fn silent_for(&self) -> Duration;
    /// Ends it without a further call to the handler, once the one that may be running has returned. Needed at the
    /// end: a connection that is merely forgotten stays open.
    fn close(&self);
}

/// Makes connections. Real ones: `Net`. Tests of `mon` and `osd` have their own.
pub trait Messenger: Send + Sync + 'static {
    /// Begins to connect; never blocks, never fails on the spot. `global_id` is this client's once the monitors have given it one,
    /// else 0. The address that speaks msgr2 is taken; if there is none, `reset` says so with [`NetError::Unsupported`].
    fn connect(
        &self,
        peer: EntityType,
        addrs: &AddrVec,
        global_id: u64,
        auth: Box<dyn Authenticator>,
        handler: Arc<dyn Handler>,
    ) -> Arc<dyn Connection>;
}
