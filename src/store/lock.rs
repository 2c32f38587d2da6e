//! Class `lock`: what its methods take and answer, in Ceph's encoding. Used by callers and by our own stores.
//!
//! A caller builds an input (`LockOp { .. }.encode()`), runs `Op::Exec { class: "lock", method, input }` and decodes
//! the output ([`LockInfo::decode`], [`decode_names`]).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::features;
use crate::wire::types::{EntityAddr, EntityName};

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
                    info.addr.encode(e, features::MSG_ADDR2);
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
    }
}
