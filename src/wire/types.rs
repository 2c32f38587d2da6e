//! Small structures that stand in many messages, with Ceph's encodings of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::denc::{Decoder, Encoder, Malformed};
use super::features;

/// What kind of daemon or client somebody is (CEPH_ENTITY_TYPE_*).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EntityType(pub u8);

impl EntityType {
    pub const MON: EntityType = EntityType(0x01);
    pub const MDS: EntityType = EntityType(0x02);
    pub const OSD: EntityType = EntityType(0x04);
    pub const CLIENT: EntityType = EntityType(0x08);
    pub const MGR: EntityType = EntityType(0x10);
    pub const AUTH: EntityType = EntityType(0x20);

    pub fn name(self) -> &'static str {
        match self {
            EntityType::MON => "mon",
            EntityType::MDS => "mds",
            EntityType::OSD => "osd",
            EntityType::CLIENT => "client",
            EntityType::MGR => "mgr",
            EntityType::AUTH => "auth",
            _ => "unknown",
        }
    }

    /// Of those that have a name and a number.
    fn parse(text: &str) -> Option<EntityType> {
        let kinds = [EntityType::MON, EntityType::MDS, EntityType::OSD, EntityType::CLIENT, EntityType::MGR];
        kinds.into_iter().find(|kind| kind.name() == text)
    }
}

/// entity_name_t: who somebody is on the wire, such as `osd.3` or `client.4123`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EntityName {
    pub kind: EntityType,
    pub number: i64,
}

impl EntityName {
    pub fn client(number: i64) -> EntityName {
        EntityName { kind: EntityType::CLIENT, number }
    }

    /// Parses `client.4711`.
    pub fn parse(text: &str) -> Option<EntityName> {
        let (kind, number) = text.split_once('.')?;
        Some(EntityName { kind: EntityType::parse(kind)?, number: number.parse().ok()? })
    }

    /// A client's global id.
    pub fn gid(&self) -> u64 {
        self.number as u64
    }

    pub fn encode(&self, e: &mut Encoder) {
        e.u8(self.kind.0).u64(self.number as u64);
    }

    pub fn decode(d: &mut Decoder) -> Result<EntityName, Malformed> {
        Ok(EntityName { kind: EntityType(d.u8()?), number: d.u64()? as i64 })
    }
}

impl std::fmt::Display for EntityName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.number < 0 {
            write!(f, "{}.?", self.kind.name())
        } else {
            write!(f, "{}.{}", self.kind.name(), self.number)
        }
    }
}

/// Which protocol an address speaks (entity_addr_t::type).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AddrType {
    None,
    /// msgr1 (`v1:`)
    Legacy,
    /// msgr2 (`v2:`)
    Msgr2,
    Any,
    /// CIDR blocks of the blocklist (Quincy and later), and what is newer than this.
    Other(u32),
}

impl AddrType {
    fn number(self) -> u32 {
        match self {
            AddrType::None => 0,
            AddrType::Legacy => 1,
            AddrType::Msgr2 => 2,
            AddrType::Any => 3,
            AddrType::Other(number) => number,
        }
    }

    fn of(number: u32) -> AddrType {
        match number {
            0 => AddrType::None,
            1 => AddrType::Legacy,
            2 => AddrType::Msgr2,
            3 => AddrType::Any,
            other => AddrType::Other(other),
        }
    }
}

/// entity_addr_t.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EntityAddr {
    pub kind: AddrType,
    pub nonce: u32,
    /// `None`: no address (family 0).
    pub socket: Option<SocketAddr>,
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

impl EntityAddr {
    pub const BLANK: EntityAddr = EntityAddr { kind: AddrType::None, nonce: 0, socket: None };

    pub fn msgr2(socket: SocketAddr, nonce: u32) -> EntityAddr {
        EntityAddr { kind: AddrType::Msgr2, nonce, socket: Some(socket) }
    }

    /// What a client says of itself: it listens nowhere, so its port is 0 and its type "any".
    pub fn client(ip: IpAddr, nonce: u32) -> EntityAddr {
        EntityAddr { kind: AddrType::Any, nonce, socket: Some(SocketAddr::new(ip, 0)) }
    }

    /// Parses `[v1:|v2:|any:]IP:PORT/NONCE`. One without a type is legacy: so Ceph prints the addresses of clients.
    pub fn parse(text: &str) -> Option<EntityAddr> {
        let (kind, rest) = match text.split_once(':') {
            Some(("v1", rest)) => (AddrType::Legacy, rest),
            Some(("v2", rest)) => (AddrType::Msgr2, rest),
            Some(("any", rest)) => (AddrType::Any, rest),
            _ => (AddrType::Legacy, text),
        };
        let (socket, nonce) = rest.split_once('/')?;
        Some(EntityAddr { kind, nonce: nonce.parse().ok()?, socket: Some(socket.parse().ok()?) })
    }

    /// As listings of watchers and lockers show it, and as the blocklist takes it: without the type.
    pub fn plain(&self) -> String {
        match self.socket {
            None => format!(":/{}", self.nonce),
            Some(socket) => format!("{socket}/{}", self.nonce),
        }
    }

    /// With CEPH_FEATURE_MSG_ADDR2 in `features` the current form, without it the old fixed one.
    pub fn encode(&self, e: &mut Encoder, features: u64) {
        if features & features::MSG_ADDR2 == 0 {
            e.u32(0).u32(self.nonce);
            let mut storage = [0u8; 128];
            if let Some(socket) = self.socket {
                let (family, rest) = socket_parts(socket);
                storage[..2].copy_from_slice(&family.to_be_bytes());
                storage[2..2 + rest.len()].copy_from_slice(&rest);
            }
            e.raw(&storage);
            return;
        }
        e.u8(1);
        e.section(1, 1, |e| {
            e.u32(self.kind.number()).u32(self.nonce);
            match self.socket {
                None => {
                    e.u32(0);
                }
                Some(socket) => {
                    let (family, rest) = socket_parts(socket);
                    e.u32(2 + rest.len() as u32).u16(family).raw(&rest);
                }
            }
        });
    }

    pub fn decode(d: &mut Decoder) -> Result<EntityAddr, Malformed> {
        match d.u8()? {
            0 => EntityAddr::decode_legacy(d),
            1 => EntityAddr::decode_body(d),
            _ => Err(Malformed),
        }
    }

    /// After the marker 0.
    fn decode_legacy(d: &mut Decoder) -> Result<EntityAddr, Malformed> {
        d.raw(3)?;
        let nonce = d.u32()?;
        let storage = d.raw(128)?;
        let family = u16::from_be_bytes([storage[0], storage[1]]);
        let socket = socket_of(family, &storage[2..])?;
        let kind = if socket.is_some() { AddrType::Legacy } else { AddrType::None };
        Ok(EntityAddr { kind, nonce, socket })
    }

    /// After the marker 1.
    fn decode_body(d: &mut Decoder) -> Result<EntityAddr, Malformed> {
        let (_, mut body) = d.section(1)?;
        let kind = AddrType::of(body.u32()?);
        let nonce = body.u32()?;
        let bytes = body.blob()?;
        let socket = match bytes {
            [] => None,
            [a, b, rest @ ..] => socket_of(u16::from_le_bytes([*a, *b]), rest)?,
            [_] => return Err(Malformed),
        };
        Ok(EntityAddr { kind, nonce, socket })
    }
}

impl Default for EntityAddr {
    fn default() -> EntityAddr {
        EntityAddr::BLANK
    }
}

/// Family, and what follows it in a sockaddr.
fn socket_parts(socket: SocketAddr) -> (u16, Vec<u8>) {
    let mut rest = socket.port().to_be_bytes().to_vec();
    match socket {
        SocketAddr::V4(v4) => {
            rest.extend(v4.ip().octets());
            rest.extend([0; 8]);
            (AF_INET, rest)
        }
        SocketAddr::V6(v6) => {
            rest.extend(v6.flowinfo().to_ne_bytes());
            rest.extend(v6.ip().octets());
            rest.extend(v6.scope_id().to_ne_bytes());
            (AF_INET6, rest)
        }
    }
}

fn socket_of(family: u16, rest: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    match family {
        0 => Ok(None),
        AF_INET => {
            let bytes = rest.get(..6).ok_or(Malformed)?;
            let ip = Ipv4Addr::new(bytes[2], bytes[3], bytes[4], bytes[5]);
            Ok(Some(SocketAddr::new(IpAddr::V4(ip), port(bytes))))
        }
        AF_INET6 => {
            let bytes = rest.get(..26).ok_or(Malformed)?;
            let ip: [u8; 16] = bytes[6..22].try_into().map_err(|_| Malformed)?;
            let number =
                |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            Ok(Some(SocketAddrV6::new(Ipv6Addr::from(ip), port(bytes), number(2), number(22)).into()))
        }
        _ => Err(Malformed),
    }
}

/// As Ceph prints it: `v2:127.0.0.1:3300/0`, a client's `127.0.0.1:0/4711`, `-` for none.
impl std::fmt::Display for EntityAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(socket) = self.socket else { return f.write_str("-") };
        match self.kind {
            AddrType::Legacy => f.write_str("v1:")?,
            AddrType::Msgr2 => f.write_str("v2:")?,
            // A client's own: it speaks whatever its peers do.
            AddrType::Any | AddrType::None | AddrType::Other(_) => {}
        }
        write!(f, "{socket}/{}", self.nonce)
    }
}

/// entity_addrvec_t: all addresses of one daemon or client.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct AddrVec(pub Vec<EntityAddr>);

impl AddrVec {
    pub fn encode(&self, e: &mut Encoder, features: u64) {
        if features & features::MSG_ADDR2 == 0 {
            let legacy = self.0.iter().find(|a| a.kind == AddrType::Legacy).or(self.0.first());
            legacy.unwrap_or(&EntityAddr::BLANK).encode(e, 0);
            return;
        }
        e.u8(2).u32(self.0.len() as u32);
        for addr in &self.0 {
            addr.encode(e, features);
        }
    }

    pub fn decode(d: &mut Decoder) -> Result<AddrVec, Malformed> {
        match d.u8()? {
            0 => Ok(AddrVec(vec![EntityAddr::decode_legacy(d)?])),
            1 => Ok(AddrVec(vec![EntityAddr::decode_body(d)?])),
            2 => {
                let count = d.u32()? as usize;
                // An address takes 10 bytes at the least.
                if count > d.remaining() / 10 {
                    return Err(Malformed);
                }
                Ok(AddrVec((0..count).map(|_| EntityAddr::decode(d)).collect::<Result<_, _>>()?))
            }
            _ => Err(Malformed),
        }
    }

    /// The address that speaks msgr2, if there is one.
    pub fn msgr2(&self) -> Option<&EntityAddr> {
        self.0.iter().find(|a| a.kind == AddrType::Msgr2 && a.socket.is_some())
    }
}

/// As Ceph prints it: a single one plain, several in brackets.
impl std::fmt::Display for AddrVec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            all => {
                f.write_str("[")?;
                for (n, addr) in all.iter().enumerate() {
                    write!(f, "{}{addr}", if n > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// utime_t: seconds and nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Utime {
    pub seconds: u32,
    pub nanoseconds: u32,
}

impl Utime {
    pub fn from_ns(ns: u64) -> Utime {
        Utime { seconds: (ns / 1_000_000_000) as u32, nanoseconds: (ns % 1_000_000_000) as u32 }
    }

    pub fn as_ns(self) -> u64 {
        u64::from(self.seconds) * 1_000_000_000 + u64::from(self.nanoseconds)
    }

    pub fn encode(&self, e: &mut Encoder) {
        e.u32(self.seconds).u32(self.nanoseconds);
    }

    pub fn decode(d: &mut Decoder) -> Result<Utime, Malformed> {
        Ok(Utime { seconds: d.u32()?, nanoseconds: d.u32()? })
    }
}

/// eversion_t: a version of an object or PG within an epoch of the OSD map.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Eversion {
    pub epoch: u32,
    pub version: u64,
}

impl Eversion {
    pub fn encode(&self, e: &mut Encoder) {
        e.u64(self.version).u32(self.epoch);
    }

    pub fn decode(d: &mut Decoder) -> Result<Eversion, Malformed> {
        let version = d.u64()?;
        Ok(Eversion { epoch: d.u32()?, version })
    }
}

/// pg_t: a placement group, or (before folding into `pg_num`) a raw placement seed in a pool.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Pgid {
    pub pool: i64,
    pub seed: u32,
}

impl Pgid {
    pub fn encode(&self, e: &mut Encoder) {
        e.u8(1).u64(self.pool as u64).u32(self.seed).u32(u32::MAX);
    }

    pub fn decode(d: &mut Decoder) -> Result<Pgid, Malformed> {
        d.u8()?;
        let pool = d.u64()? as i64;
        let seed = d.u32()?;
        d.u32()?;
        Ok(Pgid { pool, seed })
    }
}

/// As Ceph prints it: `1.2f`.
impl std::fmt::Display for Pgid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:x}", self.pool, self.seed)
    }
}

/// spg_t: a placement group and, for erasure pools, which shard of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Spg {
    pub pgid: Pgid,
    /// -1: replicated.
    pub shard: i8,
}

impl Spg {
    pub fn encode(&self, e: &mut Encoder) {
        e.section(1, 1, |e| {
            self.pgid.encode(e);
            e.u8(self.shard as u8);
        });
    }

    pub fn decode(d: &mut Decoder) -> Result<Spg, Malformed> {
        let (_, mut body) = d.section(1)?;
        Ok(Spg { pgid: Pgid::decode(&mut body)?, shard: body.u8()? as i8 })
    }
}

/// object_locator_t. Names are bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectLocator {
    pub pool: i64,
    pub key: Vec<u8>,
    pub namespace: Vec<u8>,
    /// An explicit placement hash, or -1.
    pub hash: i64,
}

impl ObjectLocator {
    pub fn encode(&self, e: &mut Encoder) {
        let compat = if self.hash == -1 { 3 } else { 6 };
        e.section(6, compat, |e| {
            e.u64(self.pool as u64).u32(u32::MAX).blob(&self.key).blob(&self.namespace).u64(self.hash as u64);
        });
    }

    pub fn decode(d: &mut Decoder) -> Result<ObjectLocator, Malformed> {
        let (version, mut body) = d.section(6)?;
        if version < 2 {
            return Err(Malformed);
        }
        let pool = body.u64()? as i64;
        body.u32()?;
        let key = body.blob()?.to_vec();
        let namespace = if version >= 5 { body.blob()?.to_vec() } else { Vec::new() };
        let hash = if version >= 6 { body.u64()? as i64 } else { -1 };
        Ok(ObjectLocator { pool, key, namespace, hash })
    }
}

/// hobject_t: an object's full name within the cluster, in the order in which PGs keep them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Hobject {
    pub key: Vec<u8>,
    pub oid: Vec<u8>,
    pub snap: u64,
    pub hash: u32,
    pub max: bool,
    pub namespace: Vec<u8>,
    pub pool: i64,
}

impl Hobject {
    pub fn encode(&self, e: &mut Encoder) {
        e.section(4, 3, |e| {
            e.blob(&self.key).blob(&self.oid).u64(self.snap).u32(self.hash).u8(self.max.into());
            e.blob(&self.namespace).u64(self.pool as u64);
        });
    }

    pub fn decode(d: &mut Decoder) -> Result<Hobject, Malformed> {
        let (version, mut body) = d.section(4)?;
        if version < 4 {
            return Err(Malformed);
        }
        Ok(Hobject {
            key: body.blob()?.to_vec(),
            oid: body.blob()?.to_vec(),
            snap: body.u64()?,
            hash: body.u32()?,
            max: body.u8()? != 0,
            namespace: body.blob()?.to_vec(),
            pool: body.u64()? as i64,
        })
    }
}

/// osd_reqid_t: who asked, so that a request that comes twice is done once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReqId {
    pub name: EntityName,
    pub tid: u64,
    pub incarnation: i32,
}

impl ReqId {
    pub fn encode(&self, e: &mut Encoder) {
        e.section(2, 2, |e| {
            self.name.encode(e);
            e.u64(self.tid).u32(self.incarnation as u32);
        });
    }

    pub fn decode(d: &mut Decoder) -> Result<ReqId, Malformed> {
        let (_, mut body) = d.section(2)?;
        Ok(ReqId { name: EntityName::decode(&mut body)?, tid: body.u64()?, incarnation: body.u32()? as i32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_both_encodings() {
        for text in ["127.0.0.1:6789", "[::1]:3300"] {
            let addr = EntityAddr::msgr2(text.parse().unwrap(), 77);
            let mut e = Encoder::new();
            AddrVec(vec![addr, EntityAddr::BLANK]).encode(&mut e, features::MSG_ADDR2);
            let bytes = e.finish();
            let mut d = Decoder::new(&bytes);
            assert_eq!(AddrVec::decode(&mut d).unwrap().0, [addr, EntityAddr::BLANK]);
            assert_eq!(d.remaining(), 0);

            let mut e = Encoder::new();
            addr.encode(&mut e, 0);
            let bytes = e.finish();
            assert_eq!(bytes.len(), 136);
            let old = EntityAddr::decode(&mut Decoder::new(&bytes)).unwrap();
            assert_eq!(old, EntityAddr { kind: AddrType::Legacy, ..addr });
        }
    }

    #[test]
    fn addresses_print_as_in_ceph() {
        let addr = EntityAddr::msgr2("127.0.0.1:3300".parse().unwrap(), 5);
        assert_eq!(addr.to_string(), "v2:127.0.0.1:3300/5");
        assert_eq!(AddrVec(vec![addr, addr]).to_string(), "[v2:127.0.0.1:3300/5,v2:127.0.0.1:3300/5]");
    }
}
