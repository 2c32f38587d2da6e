//! Monitors that are not there, for the tests of this room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Credentials, MonMap, MonOptions};
use crate::auth::{AuthDone, AuthError, AuthRequest, Authenticator, ConnectionMode};
use crate::conf::{Config, Process};
use crate::net::{Connection, Handler, Messenger, NetError, Ready};
use crate::sync::Mutex;
use crate::wire::Message;
use crate::wire::types::{AddrVec, EntityAddr, EntityName, EntityType};

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub fn options() -> MonOptions {
    MonOptions::from_conf(&Config::named("ceph", "client.admin", &Process).unwrap())
}

/// Monitors of those names at 10.0.0.1, 10.0.0.2, ...
pub fn map_of(names: &[&str]) -> MonMap {
    MonMap::made_up(names.iter().enumerate().map(|(n, name)| (name.to_string(), addrs_of(n))).collect())
}

pub fn addrs_of(n: usize) -> AddrVec {
    let socket: SocketAddr = format!("10.0.0.{}:3300", n + 1).parse().unwrap();
    AddrVec(vec![EntityAddr::msgr2(socket, 0)])
}

/// What a client did with its connections, in order.
pub enum Did {
    Connect(Peer),
    Send(u64, Message),
    Keepalive(u64),
    Close(u64),
}

/// The far end of one connection.
#[derive(Clone)]
pub struct Peer {
    pub id: u64,
    pub kind: EntityType,
    pub addr: EntityAddr,
    pub global_id: u64,
    handler: Arc<dyn Handler>,
    connection: Arc<FakeConnection>,
}

impl Peer {
    fn dyn_connection(&self) -> Arc<dyn Connection> {
        self.connection.clone()
    }

    pub fn ready(&self, global_id: u64) {
        let own = EntityAddr::msgr2("10.9.9.9:0".parse().unwrap(), 4711);
        let peer = EntityName { kind: self.kind, number: 0 };
        self.handler.ready(&self.dyn_connection(), Ready { peer, features: u64::MAX, own, global_id });
    }

    pub fn message(&self, message: Message) {
        self.handler.message(&self.dyn_connection(), message);
    }

    pub fn refuse(&self) {
        self.over(NetError::Connect { addr: self.addr, detail: "refused".into() });
    }

    pub fn lose(&self) {
        self.over(NetError::Lost { addr: self.addr, detail: "gone".into() });
    }

    pub fn over(&self, error: NetError) {
        self.handler.reset(&self.dyn_connection(), error);
    }

    pub fn silent(&self, for_how_long: Duration) {
        *self.connection.silent.lock() = for_how_long;
    }
}

struct FakeConnection {
    id: u64,
    addr: EntityAddr,
    silent: Mutex<Duration>,
    did: mpsc::UnboundedSender<Did>,
}

impl Connection for FakeConnection {
    fn id(&self) -> u64 {
        self.id
    }

    fn peer_addr(&self) -> EntityAddr {
        self.addr
    }

    fn send(&self, message: Message) {
        let _ = self.did.send(Did::Send(self.id, message));
    }

    fn queued(&self) -> (usize, usize) {
        (0, 0)
    }

    fn keepalive(&self) {
        let _ = self.did.send(Did::Keepalive(self.id));
    }

    fn silent_for(&self) -> Duration {
        *self.silent.lock()
    }

    fn close(&self) {
        let _ = self.did.send(Did::Close(self.id));
    }
}

pub struct FakeMessenger {
    did: mpsc::UnboundedSender<Did>,
    last: AtomicU64,
}

impl FakeMessenger {
    pub fn new() -> (Arc<FakeMessenger>, mpsc::UnboundedReceiver<Did>) {
        let (did, seen) = mpsc::unbounded_channel();
        (Arc::new(FakeMessenger { did, last: AtomicU64::new(0) }), seen)
    }
}

impl Messenger for FakeMessenger {
    fn connect(
        &self,
        kind: EntityType,
        addrs: &AddrVec,
        global_id: u64,
        _: Box<dyn Authenticator>,
        handler: Arc<dyn Handler>,
    ) -> Arc<dyn Connection> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let addr = addrs.0[0];
        let did = self.did.clone();
        let connection = Arc::new(FakeConnection { id, addr, silent: Mutex::default(), did });
        let peer = Peer { id, kind, addr, global_id, handler, connection: connection.clone() };
        let _ = self.did.send(Did::Connect(peer));
        connection
    }
}

/// Proves nothing.
pub struct Nobody;

impl Authenticator for Nobody {
    fn begin(&mut self) -> Result<AuthRequest, AuthError> {
        Ok(AuthRequest { method: 1, modes: vec![ConnectionMode::Crc], payload: Bytes::new() })
    }

    fn bad_method(&mut self, _: u32, _: i32, _: &[u32], _: &[u32]) -> Result<AuthRequest, AuthError> {
        Err(AuthError::NoCommonMethod { detail: String::new() })
    }

    fn more(&mut self, _: &[u8]) -> Result<Bytes, AuthError> {
        Ok(Bytes::new())
    }

    fn done(&mut self, _: u64, _: ConnectionMode, _: &[u8]) -> Result<AuthDone, AuthError> {
        Ok(AuthDone::default())
    }
}

#[derive(Default)]
pub struct FakeCredentials {
    pub established: Mutex<Vec<u64>>,
    /// What the next renewals ask.
    pub renewals: Mutex<Vec<Bytes>>,
    pub renewed: Mutex<Vec<Bytes>>,
    pub refuse: Mutex<Option<AuthError>>,
}

impl Credentials for FakeCredentials {
    fn monitor(&self, _: u64) -> Result<Box<dyn Authenticator>, AuthError> {
        self.refuse.lock().clone().map_or(Ok(Box::new(Nobody)), Err)
    }

    fn service(&self, _: EntityType) -> Result<Box<dyn Authenticator>, AuthError> {
        Ok(Box::new(Nobody))
    }

    fn established(&self, global_id: u64) {
        self.established.lock().push(global_id);
    }

    fn renewal(&self) -> Option<(u32, Bytes)> {
        self.renewals.lock().pop().map(|payload| (2, payload))
    }

    fn renewal_reply(&self, _: i32, _: u64, payload: &[u8]) -> Result<Option<(u32, Bytes)>, AuthError> {
        self.renewed.lock().push(Bytes::copy_from_slice(payload));
        Ok(None)
    }
}
