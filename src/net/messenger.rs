//! `Net`: makes connections over TCP, all in the name of one client instance.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::runtime::Handle;

use super::connection::TcpConnection;
use super::driver::{self, Target};
use super::{Connection, Handler, Messenger};
use crate::auth::Authenticator;
use crate::conf::Config;
use crate::sync::Mutex;
use crate::wire::compress::Compression;
use crate::wire::types::{AddrVec, EntityAddr, EntityType};

/// What of the configuration is for connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// `ms_connection_ready_timeout`: from the beginning to an established session.
    pub ready_timeout: Duration,
    /// `ms_tcp_nodelay`
    pub nodelay: bool,
    /// `ms_crc_data`: whether checksums of received data segments are looked at in crc mode. Those of other segments always
    /// are, and all that is sent has them.
    pub data_crc: bool,
    /// The longest message that is accepted.
    pub message_bytes: usize,
}

impl Default for Options {
    /// As Ceph's defaults.
    fn default() -> Options {
        Options {
            ready_timeout: Duration::from_secs(10),
            nodelay: true,
            data_crc: true,
            message_bytes: 512 << 20,
        }
    }
}

impl Options {
    pub fn of(config: &Config) -> Options {
        Options {
            ready_timeout: Duration::from_secs(config.u64("ms_connection_ready_timeout")),
            nodelay: config.bool("ms_tcp_nodelay"),
            data_crc: config.bool("ms_crc_data"),
            ..Options::default()
        }
    }
}

/// What all connections of one client instance share.
pub(super) struct Shared {
    pub options: Options,
    pub nonce: u32,
    /// This host as the first peer saw it. All connections say the same, for it is by this address that a client is
    /// blocklisted.
    pub own: OnceLock<IpAddr>,
    /// Attempts to connect so far.
    pub attempts: AtomicU64,
    /// What is offered to OSDs.
    compression: Mutex<Option<Compression>>,
    /// OSDs that compression is not offered to any more.
    plain: Mutex<Vec<EntityAddr>>,
}

impl Shared {
    /// What is offered to a peer. Ceph's option for it is one of OSDs.
    pub fn compression_for(&self, peer: EntityType, addr: &EntityAddr) -> Option<Compression> {
        if peer != EntityType::OSD || self.plain.lock().contains(addr) {
            return None;
        }
        self.compression.lock().clone()
    }

    /// A connection with compression did not work: the next ones to that OSD do without.
    pub fn give_compression_up(&self, addr: EntityAddr) {
        let mut plain = self.plain.lock();
        if !plain.contains(&addr) {
            plain.push(addr);
        }
    }
}

pub struct Net {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Net {
    /// A new client instance, whose address no other one has: `nonce` must be random. Opens nothing.
    pub fn new(options: Options, nonce: u32, runtime: Handle) -> Net {
        let shared = Shared {
            options,
            nonce,
            own: OnceLock::new(),
            attempts: AtomicU64::new(0),
            compression: Mutex::default(),
            plain: Mutex::default(),
        };
        Net { shared: Arc::new(shared), runtime }
    }

    /// Connections to OSDs that are made from now on offer it, or nothing.
    pub fn set_compression(&self, compression: Option<Compression>) {
        *self.shared.compression.lock() = compression;
    }

    /// This client's address, once a daemon has said what it is.
    pub fn own_addr(&self) -> Option<EntityAddr> {
        self.shared.own.get().map(|ip| EntityAddr::client(*ip, self.shared.nonce))
    }
}

impl Messenger for Net {
    fn connect(
        &self,
        peer: EntityType,
        addrs: &AddrVec,
        global_id: u64,
        auth: Box<dyn Authenticator>,
        handler: Arc<dyn Handler>,
    ) -> Arc<dyn Connection> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let addr = addrs.msgr2().copied();
        let shown = addr.or(addrs.0.first().copied()).unwrap_or(EntityAddr::BLANK);
        let connection = Arc::new(TcpConnection::new(IDS.fetch_add(1, Relaxed), shown));
        let target = Target { peer, addr, global_id, shown };
        self.runtime.spawn(driver::run(connection.clone(), self.shared.clone(), target, auth, handler));
        connection
    }
}
