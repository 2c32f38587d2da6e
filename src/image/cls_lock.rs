//! Calls of the store's class `lock`, in Ceph's encoding: advisory locks on an object, with their owners.
//!
//! Layout facts: each structure is `version u8, compatible u8, length u32, fields`; strings are length u32 and bytes;
//! an owner's name is `type u8 (8: client), number u64`; times are seconds u32, nanoseconds u32.

use bytes::Bytes;

use super::error::{ImageResult, refuse};
use super::pool::Pool;
use crate::errno::Errno;
use crate::store::{Op, OpOut, StoreError, StoreResult};

const CLASS: &str = "lock";
/// Entity type of a client.
const CLIENT: u8 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockType {
    Exclusive,
    Shared,
}

impl LockType {
    fn number(self) -> u8 {
        match self {
            LockType::Exclusive => 1,
            LockType::Shared => 2,
        }
    }
}

/// One owner of a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locker {
    /// Client number: `client.<gid>`.
    pub gid: u64,
    pub entity_type: u8,
    pub cookie: String,
    /// As `rados_getaddrs` prints addresses.
    pub address: String,
    pub description: String,
}

/// A lock's state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LockInfo {
    /// `None`: nobody has ever locked it, or all have unlocked it.
    pub lock_type: Option<LockType>,
    pub tag: String,
    pub lockers: Vec<Locker>,
}

fn put_string(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u32).to_le_bytes());
    to.extend(text.as_bytes());
}

fn structure(body: Vec<u8>) -> Bytes {
    let mut out = vec![1, 1];
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out.into()
}

/// An op that takes a lock: EBUSY if others have it, EEXIST if this very owner has.
pub fn lock_op(name: &str, lock_type: LockType, cookie: &str, tag: &str, description: &str) -> Op {
    let mut body = Vec::new();
    put_string(&mut body, name);
    body.push(lock_type.number());
    put_string(&mut body, cookie);
    put_string(&mut body, tag);
    put_string(&mut body, description);
    body.extend([0; 8]); // no expiry
    body.push(0); // no flags: not a renewal
    Op::Exec { class: CLASS.into(), method: "lock".into(), input: structure(body) }
}

pub fn unlock_op(name: &str, cookie: &str) -> Op {
    let mut body = Vec::new();
    put_string(&mut body, name);
    put_string(&mut body, cookie);
    Op::Exec { class: CLASS.into(), method: "unlock".into(), input: structure(body) }
}

pub fn break_op(name: &str, entity_type: u8, gid: u64, cookie: &str) -> Op {
    let mut body = Vec::new();
    put_string(&mut body, name);
    body.push(entity_type);
    body.extend(gid.to_le_bytes());
    put_string(&mut body, cookie);
    Op::Exec { class: CLASS.into(), method: "break_lock".into(), input: structure(body) }
}

pub async fn lock(
    pool: &Pool,
    oid: &str,
    name: &str,
    lock_type: LockType,
    cookie: &str,
    tag: &str,
) -> StoreResult<()> {
    // The class creates a missing object; a lock must not bring a removed image's header back.
    pool.run(oid, vec![Op::AssertExists, lock_op(name, lock_type, cookie, tag, "")]).await.map(drop)
}

pub async fn unlock(pool: &Pool, oid: &str, name: &str, cookie: &str) -> StoreResult<()> {
    pool.run(oid, vec![unlock_op(name, cookie)]).await.map(drop)
}

pub async fn break_lock(pool: &Pool, oid: &str, name: &str, owner: &Locker) -> StoreResult<()> {
    pool.run(oid, vec![break_op(name, owner.entity_type, owner.gid, &owner.cookie)]).await.map(drop)
}

/// The state of a lock; a lock that nobody holds has no type.
pub async fn info(pool: &Pool, oid: &str, name: &str) -> ImageResult<LockInfo> {
    let mut body = Vec::new();
    put_string(&mut body, name);
    let op = Op::Exec { class: CLASS.into(), method: "get_info".into(), input: structure(body) };
    let data = match pool.run(oid, vec![op]).await {
        Ok(mut reply) => match reply.ops.pop().map(|op| op.out) {
            Some(OpOut::Data(data)) => data,
            _ => return refuse(Errno::EIO, format!("{oid}: lock.get_info without an answer")),
        },
        Err(StoreError::Op(Errno::ENOENT)) => return Ok(LockInfo::default()),
        Err(error) => return Err(error.into()),
    };
    match decode_info(&data) {
        Some(info) => Ok(info),
        None => refuse(Errno::EIO, format!("{oid}: lock.get_info answered nonsense")),
    }
}

/// Bytes being taken apart; `None` where they end too soon.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        self.bytes(length).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn structure(&mut self) -> Option<Input<'a>> {
        self.take::<2>()?;
        let length = self.u32()? as usize;
        self.bytes(length).map(Input)
    }
}

fn decode_info(data: &[u8]) -> Option<LockInfo> {
    let mut input = Input(data).structure()?;
    let count = input.u32()?;
    let mut lockers = Vec::new();
    for _ in 0..count {
        let mut id = input.structure()?;
        let (entity_type, gid, cookie) = (id.u8()?, id.u64()?, id.string()?);
        let mut about = input.structure()?;
        about.take::<8>()?; // expiry
        let address = decode_address(&mut about)?;
        let description = about.string()?;
        lockers.push(Locker { gid, entity_type, cookie, address, description });
    }
    // 3 is an exclusive lock of a kind that readers may not break; it excludes all the same.
    let lock_type = match input.u8()? {
        1 | 3 => Some(LockType::Exclusive),
        2 => Some(LockType::Shared),
        _ => None,
    };
    Some(LockInfo { lock_type, tag: input.string()?, lockers })
}

/// Both encodings of an address: the one with a marker byte of 1 (msgr2), and the older of fixed size.
fn decode_address(input: &mut Input) -> Option<String> {
    if input.u8()? == 0 {
        input.take::<3>()?;
        let nonce = input.u32()?;
        // The older form has the family in network order in its first two bytes.
        let storage = input.bytes(128)?;
        let family = u16::from_be_bytes([storage[0], storage[1]]);
        return Some(print_address(None, family, &storage[2..], nonce));
    }
    let mut input = input.structure()?;
    let kind = input.u32()?;
    let nonce = input.u32()?;
    let length = input.u32()? as usize;
    let sockaddr = input.bytes(length)?;
    let kind = match kind {
        1 => Some("v1"),
        2 => Some("v2"),
        3 => Some("any"),
        _ => None,
    };
    match sockaddr.split_first_chunk::<2>() {
        Some((family, rest)) => Some(print_address(kind, u16::from_le_bytes(*family), rest, nonce)),
        None => Some(print_address(kind, 0, &[], nonce)),
    }
}

fn print_address(kind: Option<&str>, family: u16, rest: &[u8], nonce: u32) -> String {
    let prefix = kind.filter(|kind| *kind != "any").map(|kind| format!("{kind}:")).unwrap_or_default();
    let port = rest.get(..2).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
    let host = match i32::from(family) {
        libc::AF_INET => rest
            .get(2..6)
            .and_then(|ip| <[u8; 4]>::try_from(ip).ok())
            .map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        libc::AF_INET6 => rest
            .get(6..22)
            .and_then(|ip| <[u8; 16]>::try_from(ip).ok())
            .map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
        _ => None,
    };
    match host {
        Some(host) => format!("{prefix}{host}:{port}/{nonce}"),
        None => format!("{prefix}:/{nonce}"),
    }
}

/// `client.<number>` as lists of lockers print an owner, taken apart.
pub fn parse_client(text: &str) -> Option<(u8, u64)> {
    let number = text.strip_prefix("client.")?.parse().ok()?;
    Some((CLIENT, number))
}

pub fn print_client(locker: &Locker) -> String {
    let kind = match locker.entity_type {
        1 => "mon",
        2 => "mds",
        4 => "osd",
        CLIENT => "client",
        16 => "mgr",
        _ => "unknown",
    };
    format!("{kind}.{}", locker.gid)
}
