//! Class `lock`: what its methods take and answer, in Ceph's encoding. Used by callers and by our own stores.
//!
//! A caller builds an input (`LockOp { .. }.encode()`), runs `Op::Exec { class: "lock", method, input }` and decodes
//! the output ([`LockInfo::decode`], [`decode_names`]).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::denc::{Decoder, Encoder, Malformed};

/// Name of the class.
pub const CLASS: &str = "lock";
/// An xattr with this prefix and the lock's name holds the lock's state.
pub const XATTR_PREFIX: &str = "lock.";

/// Renew the lock if this locker has it already, instead of EEXIST.
pub const FLAG_MAY_RENEW: u8 = 1;
/// Fail with ENOENT if this locker does not have the lock.
pub const FLAG_MUST_RENEW: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LockType {
    #[default]
    None,
    Exclusive,
    Shared,
    /// Exclusive, and the object goes when the lock is released.
    ExclusiveEphemeral,
}

impl LockType {
    pub fn from_u8(value: u8) -> Option<LockType> {
        match value {
            0 => Some(LockType::None),
            1 => Some(LockType::Exclusive),
            2 => Some(LockType::Shared),
            3 => Some(LockType::ExclusiveEphemeral),
            _ => None,
        }
    }

    pub fn as_u8(self) -> u8 {
        match self {
            LockType::None => 0,
            LockType::Exclusive => 1,
            LockType::Shared => 2,
            LockType::ExclusiveEphemeral => 3,
        }
    }

    pub fn is_exclusive(self) -> bool {
        matches!(self, LockType::Exclusive | LockType::ExclusiveEphemeral)
    }
}

/// A client's name on the wire: `client.4711` is type 8, number 4711.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EntityName {
    pub kind: u8,
    pub num: u64,
}

impl EntityName {
    pub const CLIENT: u8 = 8;

    pub fn client(gid: u64) -> EntityName {
        EntityName { kind: EntityName::CLIENT, num: gid }
    }

    /// Parses `client.4711`.
    pub fn parse(text: &str) -> Option<EntityName> {
        let (kind, num) = text.split_once('.')?;
        let kind = match kind {
            "mon" => 1,
            "mds" => 2,
            "osd" => 4,
            "client" => EntityName::CLIENT,
            "mgr" => 16,
            _ => return None,
        };
        Some(EntityName { kind, num: num.parse().ok()? })
    }

    fn encode(&self, e: &mut Encoder) {
        e.u8(self.kind).u64(self.num);
    }

    fn decode(d: &mut Decoder<'_>) -> Result<EntityName, Malformed> {
        Ok(EntityName { kind: d.u8()?, num: d.u64()? })
    }
}

impl std::fmt::Display for EntityName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            1 => "mon",
            2 => "mds",
            4 => "osd",
            EntityName::CLIENT => "client",
            16 => "mgr",
            _ => "unknown",
        };
        write!(f, "{kind}.{}", self.num as i64)
    }
}

/// An address on the wire. Only the parts that are printed: kind, IP address and port, nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EntityAddr {
    /// 0 none, 1 legacy (v1), 2 msgr2 (v2), 3 any.
    pub kind: u32,
    pub nonce: u32,
    pub socket: Option<std::net::SocketAddr>,
}

impl EntityAddr {
    /// Parses `[v1:|v2:|any:]IP:PORT/NONCE`.
    pub fn parse(text: &str) -> Option<EntityAddr> {
        let (kind, rest) = match text.split_once(':') {
            Some(("v1", rest)) => (1, rest),
            Some(("v2", rest)) => (2, rest),
            Some(("any", rest)) => (3, rest),
            // Lockers are recorded with their legacy address, which is printed without a prefix.
            _ => (1, text),
        };
        let (socket, nonce) = rest.split_once('/')?;
        Some(EntityAddr { kind, nonce: nonce.parse().ok()?, socket: Some(socket.parse().ok()?) })
    }

    pub fn encode(&self, e: &mut Encoder) {
        e.u8(1).section(1, 1, |e| {
            e.u32(self.kind).u32(self.nonce);
            match self.socket {
                None => {
                    e.u32(0);
                }
                Some(std::net::SocketAddr::V4(addr)) => {
                    e.u32(16).u16(libc::AF_INET as u16).raw(&addr.port().to_be_bytes());
                    e.raw(&addr.ip().octets()).raw(&[0; 8]);
                }
                Some(std::net::SocketAddr::V6(addr)) => {
                    e.u32(28).u16(libc::AF_INET6 as u16).raw(&addr.port().to_be_bytes());
                    e.u32(addr.flowinfo()).raw(&addr.ip().octets()).u32(addr.scope_id());
                }
            }
        });
    }

    pub fn decode(d: &mut Decoder<'_>) -> Result<EntityAddr, Malformed> {
        match d.u8()? {
            // Before msgr2: a type of 0 in four bytes, then a whole sockaddr_storage with a big-endian family.
            0 => {
                d.raw(3)?;
                let nonce = d.u32()?;
                let storage = d.raw(128)?;
                let family = u16::from_be_bytes([storage[0], storage[1]]);
                Ok(EntityAddr { kind: 1, nonce, socket: socket_addr(family, &storage[2..])? })
            }
            1 => {
                let (_, mut d) = d.section(1)?;
                let (kind, nonce) = (d.u32()?, d.u32()?);
                let raw = d.blob()?;
                let socket = match raw.len() {
                    0 => None,
                    1 => return Err(Malformed),
                    _ => socket_addr(u16::from_le_bytes([raw[0], raw[1]]), &raw[2..])?,
                };
                Ok(EntityAddr { kind, nonce, socket })
            }
            _ => Err(Malformed),
        }
    }
}

/// The address that follows the family in a `sockaddr`.
fn socket_addr(family: u16, rest: &[u8]) -> Result<Option<std::net::SocketAddr>, Malformed> {
    let mut d = Decoder::new(rest);
    match i32::from(family) {
        libc::AF_UNSPEC => Ok(None),
        libc::AF_INET => {
            let port = u16::from_be_bytes([d.u8()?, d.u8()?]);
            let ip: [u8; 4] = d.raw(4)?.try_into().map_err(|_| Malformed)?;
            Ok(Some((ip, port).into()))
        }
        libc::AF_INET6 => {
            let port = u16::from_be_bytes([d.u8()?, d.u8()?]);
            let flow = d.u32()?;
            let ip: [u8; 16] = d.raw(16)?.try_into().map_err(|_| Malformed)?;
            let scope = d.u32()?;
            Ok(Some(std::net::SocketAddrV6::new(ip.into(), port, flow, scope).into()))
        }
        _ => Err(Malformed),
    }
}

impl std::fmt::Display for EntityAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.socket {
            None => write!(f, ":/{}", self.nonce),
            Some(socket) => write!(f, "{socket}/{}", self.nonce),
        }
    }
}

/// Input of `lock`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LockOp {
    pub name: String,
    pub kind: LockType,
    pub cookie: String,
    pub tag: String,
    pub description: String,
    /// Seconds and nanoseconds until it expires; both 0: never.
    pub duration: (u32, u32),
    pub flags: u8,
}

impl LockOp {
    pub fn encode(&self) -> Bytes {
        sectioned(|e| {
            e.string(&self.name).u8(self.kind.as_u8()).string(&self.cookie).string(&self.tag);
            e.string(&self.description).u32(self.duration.0).u32(self.duration.1).u8(self.flags);
        })
    }

    pub fn decode(input: &[u8]) -> Result<LockOp, Malformed> {
        let (_, mut d) = Decoder::new(input).section(1)?;
        Ok(LockOp {
            name: d.string()?,
            kind: LockType::from_u8(d.u8()?).ok_or(Malformed)?,
            cookie: d.string()?,
            tag: d.string()?,
            description: d.string()?,
            duration: (d.u32()?, d.u32()?),
            flags: d.u8()?,
        })
    }
}

/// Input of `unlock`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnlockOp {
    pub name: String,
    pub cookie: String,
}

impl UnlockOp {
    pub fn encode(&self) -> Bytes {
        sectioned(|e| {
            e.string(&self.name).string(&self.cookie);
        })
    }

    pub fn decode(input: &[u8]) -> Result<UnlockOp, Malformed> {
        let (_, mut d) = Decoder::new(input).section(1)?;
        Ok(UnlockOp { name: d.string()?, cookie: d.string()? })
    }
}

/// Input of `break_lock`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakOp {
    pub name: String,
    pub locker: EntityName,
    pub cookie: String,
}

impl BreakOp {
    pub fn encode(&self) -> Bytes {
        sectioned(|e| {
            e.string(&self.name);
            self.locker.encode(e);
            e.string(&self.cookie);
        })
    }

    pub fn decode(input: &[u8]) -> Result<BreakOp, Malformed> {
        let (_, mut d) = Decoder::new(input).section(1)?;
        Ok(BreakOp { name: d.string()?, locker: EntityName::decode(&mut d)?, cookie: d.string()? })
    }
}

/// Input of `get_info`.
pub fn encode_get_info(name: &str) -> Bytes {
    sectioned(|e| {
        e.string(name);
    })
}

pub fn decode_get_info(input: &[u8]) -> Result<String, Malformed> {
    Decoder::new(input).section(1)?.1.string()
}

/// Input of `assert_locked`; of `set_cookie` too, which has a `new_cookie`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AssertOp {
    pub name: String,
    pub kind: LockType,
    pub cookie: String,
    pub tag: String,
    pub new_cookie: Option<String>,
}

impl AssertOp {
    pub fn encode(&self) -> Bytes {
        sectioned(|e| {
            e.string(&self.name).u8(self.kind.as_u8()).string(&self.cookie).string(&self.tag);
            if let Some(new_cookie) = &self.new_cookie {
                e.string(new_cookie);
            }
        })
    }

    pub fn decode(input: &[u8], with_new_cookie: bool) -> Result<AssertOp, Malformed> {
        let (_, mut d) = Decoder::new(input).section(1)?;
        Ok(AssertOp {
            name: d.string()?,
            kind: LockType::from_u8(d.u8()?).ok_or(Malformed)?,
            cookie: d.string()?,
            tag: d.string()?,
            new_cookie: if with_new_cookie { Some(d.string()?) } else { None },
        })
    }
}

/// Who holds a lock: a client and its cookie.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LockerId {
    pub name: EntityName,
    pub cookie: String,
}

/// What is known of a holder.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LockerInfo {
    /// Seconds and nanoseconds since 1970; both 0: never.
    pub expiration: (u32, u32),
    pub addr: EntityAddr,
    pub description: String,
}

/// A lock's state: the output of `get_info` and the value of the lock's xattr.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LockInfo {
    pub lockers: BTreeMap<LockerId, LockerInfo>,
    pub kind: LockType,
    pub tag: String,
}

impl LockInfo {
    pub fn encode(&self) -> Bytes {
        sectioned(|e| {
            e.u32(self.lockers.len() as u32);
            for (id, info) in &self.lockers {
                e.section(1, 1, |e| {
                    id.name.encode(e);
                    e.string(&id.cookie);
                });
                e.section(1, 1, |e| {
                    e.u32(info.expiration.0).u32(info.expiration.1);
                    info.addr.encode(e);
                    e.string(&info.description);
                });
            }
            e.u8(self.kind.as_u8()).string(&self.tag);
        })
    }

    pub fn decode(input: &[u8]) -> Result<LockInfo, Malformed> {
        let (_, mut d) = Decoder::new(input).section(1)?;
        let mut lockers = BTreeMap::new();
        for _ in 0..d.u32()? {
            let (_, mut id) = d.section(1)?;
            let id = LockerId { name: EntityName::decode(&mut id)?, cookie: id.string()? };
            let (_, mut info) = d.section(1)?;
            let info = LockerInfo {
                expiration: (info.u32()?, info.u32()?),
                addr: EntityAddr::decode(&mut info)?,
                description: info.string()?,
            };
            lockers.insert(id, info);
        }
        let kind = LockType::from_u8(d.u8()?).ok_or(Malformed)?;
        Ok(LockInfo { lockers, kind, tag: d.string()? })
    }
}

/// Output of `list_locks`.
pub fn encode_names(names: &[String]) -> Bytes {
    sectioned(|e| {
        e.u32(names.len() as u32);
        for name in names {
            e.string(name);
        }
    })
}

pub fn decode_names(input: &[u8]) -> Result<Vec<String>, Malformed> {
    let (_, mut d) = Decoder::new(input).section(1)?;
    let mut names = Vec::new();
    for _ in 0..d.u32()? {
        names.push(d.string()?);
    }
    Ok(names)
}

fn sectioned(body: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut encoder = Encoder::new();
    encoder.section(1, 1, body);
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_survives_the_wire() {
        let mut info = LockInfo { kind: LockType::Shared, tag: "t".into(), ..LockInfo::default() };
        for (gid, addr) in [(4711, "127.0.0.1:0/99"), (1 << 40, "v2:[::1]:6800/1")] {
            info.lockers.insert(
                LockerId { name: EntityName::client(gid), cookie: format!("auto {gid}") },
                LockerInfo {
                    expiration: (1, 2),
                    addr: EntityAddr::parse(addr).unwrap(),
                    description: "d".into(),
                },
            );
        }
        assert_eq!(LockInfo::decode(&info.encode()), Ok(info.clone()));
        let bytes = info.encode();
        for cut in 0..bytes.len() {
            assert!(LockInfo::decode(&bytes[..cut]).is_err());
        }
        assert_eq!(EntityAddr::parse("127.0.0.1:0/99").unwrap().to_string(), "127.0.0.1:0/99");
        assert_eq!(EntityName::parse("client.12").unwrap().to_string(), "client.12");
    }
}
