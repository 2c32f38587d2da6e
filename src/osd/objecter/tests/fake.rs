//! The other side: connections that keep what is sent to them, monitors that keep what they are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::auth::{AuthDone, AuthError, AuthRequest, Authenticator, ConnectionMode};
use crate::mon::MonError;
use crate::net::{Connection, Handler, Messenger, NetError, Ready};
use crate::osd::client::BoxFuture;
use crate::osd::codes::{NO_SNAP, flag, op};
use crate::osd::map::OsdMap;
use crate::osd::monitors::Monitors;
use crate::osd::objecter::Objecter;
use crate::osd::slot::{Done, Wait};
use crate::osd::{ObjectName, OpRequest, OsdOp, OsdOptions};
use crate::sync::Mutex;
use crate::wire::denc::{Decoder, Encoder};
use crate::wire::types::{
    AddrVec, EntityAddr, EntityName, EntityType, Eversion, ObjectLocator, Pgid, ReqId, Spg, Utime,
};
use crate::wire::{Message, MessageType};

/// What the cluster of the fixture did, and the epoch at which it was done.
pub(super) mod epoch {
    pub const BASE: u32 = 20;
    pub const PAUSE: u32 = 21;
    pub const UNPAUSE: u32 = 22;
    pub const FULL: u32 = 24;
    pub const NOTFULL: u32 = 26;
    pub const DOWN1: u32 = 29;
    pub const UP1: u32 = 33;
    pub const SPLIT: u32 = 38;
    pub const BLOCK: u32 = 39;
    pub const UNBLOCK: u32 = 40;
    pub const GONE: u32 = 41;
}

fn base() -> Bytes {
    Bytes::from_static(include_bytes!("osdmap_base.bin"))
}

/// Increments by epoch: (epoch, length, bytes) over and over.
fn increments() -> BTreeMap<u32, Bytes> {
    let all = Bytes::from_static(include_bytes!("osdmap_increments.bin"));
    let d = &mut Decoder::new(&all);
    let mut increments = BTreeMap::new();
    while d.remaining() > 0 {
        let epoch = d.u32().unwrap();
        increments.insert(epoch, all.slice_ref(d.blob().unwrap()));
    }
    increments
}

pub(super) fn map_at(epoch: u32) -> OsdMap {
    let mut map = OsdMap::decode(&base()).unwrap();
    for (_, change) in increments().range(..=epoch) {
        map = map.next(change).unwrap();
    }
    map
}

/// MOSDMap with these increments, and the base if it is asked for.
pub(super) fn maps(fsid: [u8; 16], range: std::ops::RangeInclusive<u32>, with_base: bool) -> Message {
    let increments = increments();
    let increments: Vec<_> = increments.iter().filter(|(epoch, _)| range.contains(epoch)).collect();
    let mut e = Encoder::new();
    e.raw(&fsid).u32(increments.len() as u32);
    for (epoch, change) in &increments {
        e.u32(**epoch).blob(change);
    }
    e.u32(with_base.into());
    if with_base {
        e.u32(epoch::BASE).blob(&base());
    }
    e.u32(1).u32(*range.end().max(&epoch::BASE));
    Message::new(MessageType::OSD_MAP, 4, 3, e.finish())
}

struct NoAuth;

impl Authenticator for NoAuth {
    fn begin(&mut self) -> Result<AuthRequest, AuthError> {
        Err(AuthError::NoTicket { service: "osd" })
    }

    fn bad_method(&mut self, _: u32, _: i32, _: &[u32], _: &[u32]) -> Result<AuthRequest, AuthError> {
        Err(AuthError::NoTicket { service: "osd" })
    }

    fn more(&mut self, _: &[u8]) -> Result<Bytes, AuthError> {
        Err(AuthError::NoTicket { service: "osd" })
    }

    fn done(&mut self, _: u64, _: ConnectionMode, _: &[u8]) -> Result<AuthDone, AuthError> {
        Err(AuthError::NoTicket { service: "osd" })
    }
}

/// A connection to an OSD, as the OSD sees it.
pub(super) struct Wire {
    id: u64,
    addr: EntityAddr,
    pub handler: Arc<dyn Handler>,
    sent: Mutex<Vec<Message>>,
    pub keepalives: AtomicU32,
    pub silent: Mutex<Duration>,
    closed: Mutex<bool>,
}

impl Connection for Wire {
    fn id(&self) -> u64 {
        self.id
    }

    fn peer_addr(&self) -> EntityAddr {
        self.addr
    }

    fn send(&self, message: Message) {
        assert!(!*self.closed.lock(), "sent over a closed connection");
        self.sent.lock().push(message);
    }

    fn queued(&self) -> (usize, usize) {
        (0, 0)
    }

    fn keepalive(&self) {
        self.keepalives.fetch_add(1, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        *self.silent.lock()
    }

    fn close(&self) {
        *self.closed.lock() = true;
    }
}

/// A request that an OSD got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub tid: u64,
    pub pgid: Spg,
    pub hash: u32,
    pub epoch: u32,
    pub flags: u32,
    pub pool: i64,
    pub oid: String,
    pub codes: Vec<u16>,
    /// Of the first op.
    pub union: [u8; 28],
    pub attempt: i32,
}

fn asked(message: &Message) -> Asked {
    let d = &mut Decoder::new(&message.front);
    let pgid = Spg::decode(d).unwrap();
    let (hash, epoch, flags) = (d.u32().unwrap(), d.u32().unwrap(), d.u32().unwrap());
    ReqId::decode(d).unwrap();
    d.raw(28).unwrap();
    Utime::decode(d).unwrap();
    let locator = ObjectLocator::decode(d).unwrap();
    let oid = d.string().unwrap();
    let mut codes = Vec::new();
    let mut union = [0; 28];
    for n in 0..d.u16().unwrap() {
        codes.push(d.u16().unwrap());
        d.u32().unwrap();
        let parameters = d.raw(28).unwrap();
        if n == 0 {
            union.copy_from_slice(parameters);
        }
        d.u32().unwrap();
    }
    d.raw(16).unwrap();
    let snaps = d.u32().unwrap() as usize;
    d.raw(8 * snaps).unwrap();
    let attempt = d.u32().unwrap() as i32;
    let tid = message.tid;
    Asked { tid, pgid, hash, epoch, flags, pool: locator.pool, oid, codes, union, attempt }
}

impl Wire {
    pub(super) fn is_closed(&self) -> bool {
        *self.closed.lock()
    }

    /// What was sent since the last call, but for other kinds of messages.
    pub(super) fn take(&self, kind: MessageType) -> Vec<Message> {
        let mut sent = self.sent.lock();
        let (taken, left) = sent.drain(..).partition(|message| message.kind == kind);
        *sent = left;
        taken
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.take(MessageType::OSD_OP).iter().map(asked).collect()
    }
}

/// Who makes connections.
#[derive(Default)]
pub(super) struct Net {
    wires: Mutex<Vec<Arc<Wire>>>,
    last: AtomicU64,
}

impl Messenger for Net {
    fn connect(
        &self,
        peer: EntityType,
        addrs: &AddrVec,
        global_id: u64,
        _: Box<dyn Authenticator>,
        handler: Arc<dyn Handler>,
    ) -> Arc<dyn Connection> {
        assert_eq!((peer, global_id), (EntityType::OSD, 4711));
        let wire = Arc::new(Wire {
            id: self.last.fetch_add(1, Ordering::Relaxed),
            addr: *addrs.msgr2().unwrap(),
            handler,
            sent: Mutex::default(),
            keepalives: AtomicU32::new(0),
            silent: Mutex::default(),
            closed: Mutex::default(),
        });
        self.wires.lock().push(wire.clone());
        wire
    }
}

/// The monitors.
#[derive(Default)]
pub(super) struct Mons {
    pub fsid: [u8; 16],
    pub wanted: Mutex<Vec<u32>>,
    pub got: AtomicU32,
    pub newest: AtomicU32,
    pub no_tickets: Mutex<bool>,
    /// Its address is none that the fixture fences.
    pub elsewhere: Mutex<bool>,
}

impl Monitors for Mons {
    fn fsid(&self) -> [u8; 16] {
        self.fsid
    }

    fn global_id(&self) -> u64 {
        4711
    }

    fn own_addrs(&self) -> AddrVec {
        let nonce = if *self.elsewhere.lock() { 78 } else { 77 };
        AddrVec(vec![EntityAddr::msgr2("10.1.2.3:0".parse().unwrap(), nonce)])
    }

    fn want_maps(&self, start: u32) {
        self.wanted.lock().push(start);
    }

    fn got_map(&self, epoch: u32) {
        self.got.store(epoch, Ordering::Relaxed);
    }

    fn newest_epoch(self: Arc<Self>) -> BoxFuture<Result<u32, MonError>> {
        Box::pin(async move { Ok(self.newest.load(Ordering::Relaxed)) })
    }

    fn authenticator(&self) -> Result<Box<dyn Authenticator>, AuthError> {
        match *self.no_tickets.lock() {
            true => Err(AuthError::NoTicket { service: "osd" }),
            false => Ok(Box::new(NoAuth)),
        }
    }
}

/// A client, and everything around it.
pub(super) struct World {
    pub net: Arc<Net>,
    pub mon: Arc<Mons>,
    pub client: Arc<Objecter>,
}

impl World {
    /// A started client with the base map.
    pub(super) async fn new(options: OsdOptions) -> World {
        let map = map_at(epoch::BASE);
        let mon = Arc::new(Mons { fsid: map.fsid(), newest: AtomicU32::new(epoch::BASE), ..Mons::default() });
        let net = Arc::new(Net::default());
        let client = Objecter::new(options, net.clone(), mon.clone(), Handle::current());
        let world = World { net, mon, client };
        world.give(epoch::BASE, epoch::BASE, true);
        world.client.start().await.unwrap();
        world
    }

    pub(super) async fn plain() -> World {
        World::new(OsdOptions::default()).await
    }

    /// The epochs above `have` up to `to`.
    fn give(&self, have: u32, to: u32, with_base: bool) {
        self.client.take_maps(&maps(self.mon.fsid, have + 1..=to, with_base)).unwrap();
    }

    /// The cluster comes to this epoch.
    pub(super) fn advance(&self, to: u32) {
        let have = self.client.map().unwrap().epoch();
        self.mon.newest.store(to, Ordering::Relaxed);
        self.give(have, to, false);
        assert_eq!(self.client.map().unwrap().epoch(), to);
    }

    /// The newest connection to an OSD, if it is open.
    pub(super) fn find(&self, osd: i32) -> Option<Arc<Wire>> {
        let map = self.client.map().unwrap();
        let addr = *map.osd_addrs(osd)?.msgr2()?;
        self.net.wires.lock().iter().rev().find(|wire| wire.addr == addr && !wire.is_closed()).cloned()
    }

    pub(super) fn wire(&self, osd: i32) -> Arc<Wire> {
        self.find(osd).unwrap_or_else(|| panic!("there is no connection to osd.{osd}"))
    }

    pub(super) fn connections(&self) -> usize {
        self.net.wires.lock().len()
    }

    pub(super) fn ready(&self, wire: &Arc<Wire>) {
        let connection: Arc<dyn Connection> = wire.clone();
        let peer = EntityName { kind: EntityType::OSD, number: 0 };
        let own = EntityAddr::BLANK;
        wire.handler.ready(&connection, Ready { peer, features: u64::MAX, own, global_id: 0 });
    }

    pub(super) fn reset(&self, wire: &Arc<Wire>) {
        let connection: Arc<dyn Connection> = wire.clone();
        *wire.closed.lock() = true;
        let error = NetError::Lost { addr: wire.addr, detail: "the test says so".into() };
        wire.handler.reset(&connection, error);
    }

    pub(super) fn say(&self, wire: &Arc<Wire>, message: Message) {
        let connection: Arc<dyn Connection> = wire.clone();
        wire.handler.message(&connection, message);
    }

    pub(super) fn answer(&self, wire: &Arc<Wire>, to: &Asked, result: i32) {
        self.say(wire, reply(to, result, &[], None));
    }

    pub(super) fn submit(&self, request: OpRequest) -> Wait {
        let (done, wait) = Done::slot();
        self.client.submit(request, done);
        wait
    }

    /// Names of objects in pool `t` whose primary is this OSD at an epoch.
    pub(super) fn objects(&self, osd: i32, at: u32, count: usize) -> Vec<String> {
        let map = map_at(at);
        let pool = pool();
        let of = |name: &String| {
            let raw = map.object_to_raw_pg(pool, b"", b"", name.as_bytes()).unwrap();
            map.pg_to_up_acting(map.raw_pg_to_pg(raw).unwrap()).acting_primary == osd
        };
        (0..1000).map(|n| format!("object{n}")).filter(of).take(count).collect()
    }
}

/// MOSDOpReply (version 8).
pub(super) fn reply(
    to: &Asked,
    result: i32,
    outputs: &[(i32, &'static [u8])],
    redirect: Option<&ObjectLocator>,
) -> Message {
    let mut e = Encoder::new();
    e.string(&to.oid);
    to.pgid.pgid.encode(&mut e);
    e.u64(to.flags.into()).u32(result as u32);
    Eversion { epoch: 3, version: 9 }.encode(&mut e);
    e.u32(to.epoch).u32(outputs.len() as u32);
    for (_, data) in outputs {
        e.u16(op::READ).u32(0).raw(&[0; 28]).u32(data.len() as u32);
    }
    e.u32(to.attempt as u32);
    for (rval, _) in outputs {
        e.u32(*rval as u32);
    }
    Eversion { epoch: 3, version: 9 }.encode(&mut e);
    e.u64(9).u8(redirect.is_some().into());
    if let Some(locator) = redirect {
        e.section(1, 1, |e| {
            locator.encode(e);
            e.string("").u32(0);
        });
    }
    e.raw(&[0; 24]);
    let mut message = Message::new(MessageType::OSD_OPREPLY, 8, 2, e.finish());
    message.tid = to.tid;
    message.data = outputs.iter().map(|(_, data)| Bytes::from_static(data)).collect();
    message
}

pub(super) fn pool() -> i64 {
    map_at(epoch::BASE).pool_by_name("t").unwrap()
}

pub(super) fn name(oid: &str) -> ObjectName {
    ObjectName {
        pool: pool(),
        namespace: Bytes::new(),
        key: Bytes::new(),
        oid: Bytes::copy_from_slice(oid.as_bytes()),
    }
}

fn request(oid: &str, code: u16, flags: u32) -> OpRequest {
    OpRequest {
        object: name(oid),
        ops: vec![OsdOp { code, flags: 0, union: [0; 28], input: vec![], sum: None }],
        flags,
        snap: NO_SNAP,
        snap_seq: 0,
        snaps: vec![],
        mtime_ns: 0,
        placement_seed: None,
        place: None,
        chunks: None,
    }
}

pub(super) fn read(oid: &str) -> OpRequest {
    request(oid, op::READ, flag::READ)
}

pub(super) fn write(oid: &str) -> OpRequest {
    request(oid, op::WRITEFULL, flag::WRITE)
}

/// Lets tasks that were spawned run.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn pg_of(seed: u32) -> Pgid {
    Pgid { pool: pool(), seed }
}

pub(super) async fn is_pending(wait: &mut Wait) -> bool {
    settle().await;
    let mut wait = std::pin::pin!(wait);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::future::Future::poll(wait.as_mut(), &mut cx).is_pending()
}
