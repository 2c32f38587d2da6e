//! Class `lock`: advisory locks whose state is an xattr of the object. Errnos as measured on Ceph 16.2.15.

use bytes::Bytes;

use super::super::{Run, Stop};
use crate::errno::Errno;
use crate::store::lock::{
    self, AssertOp, BreakOp, FLAG_MAY_RENEW, FLAG_MUST_RENEW, LockInfo, LockOp, LockType, LockerId,
    LockerInfo, UnlockOp, XATTR_PREFIX,
};
use crate::wire::denc::Malformed;
use crate::wire::types::EntityName;

type Output = Result<Bytes, Stop>;

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Stop {
        Errno::EINVAL.into()
    }
}

impl Run<'_> {
    /// The lock's state without lockers whose time is up. No such lock: the empty state.
    fn lock_state(&mut self, name: &str) -> Result<LockInfo, Stop> {
        self.must_exist()?;
        let Some(value) = self.view.xattr(&xattr(name))? else { return Ok(LockInfo::default()) };
        // Bytes that are no lock's state were put there by someone else.
        let mut info = LockInfo::decode(&value).map_err(|_| Stop::from(Errno::EIO))?;
        let now = split(self.caller.now_ns);
        info.lockers.retain(|_, locker| locker.expiration == (0, 0) || locker.expiration >= now);
        Ok(info)
    }

    fn lock_store(&mut self, name: &str, info: &LockInfo) -> Output {
        self.set_xattr(&xattr(name), &info.encode())?;
        Ok(Bytes::new())
    }

    pub(super) fn lock_lock(&mut self, input: &[u8]) -> Output {
        let op = LockOp::decode(input)?;
        let (may_renew, must_renew) = (op.flags & FLAG_MAY_RENEW != 0, op.flags & FLAG_MUST_RENEW != 0);
        if op.kind == LockType::None || op.name.is_empty() || (may_renew && must_renew) {
            return Err(Errno::EINVAL.into());
        }
        let mut info = if self.size.is_some() { self.lock_state(&op.name)? } else { LockInfo::default() };
        if !info.lockers.is_empty() && info.tag != op.tag {
            return Err(Errno::EBUSY.into());
        }
        let id = LockerId { name: EntityName::client(self.caller.gid as i64), cookie: op.cookie };
        if info.lockers.contains_key(&id) {
            if !may_renew && !must_renew {
                return Err(Errno::EEXIST.into());
            }
            info.lockers.remove(&id);
        } else if must_renew {
            return Err(Errno::ENOENT.into());
        }
        if !info.lockers.is_empty() && (op.kind.is_exclusive() || info.kind != op.kind) {
            return Err(Errno::EBUSY.into());
        }
        let expiration = match op.duration {
            (0, 0) => (0, 0),
            (seconds, nanos) => {
                let duration = u64::from(seconds) * 1_000_000_000 + u64::from(nanos);
                split(self.caller.now_ns.saturating_add(duration))
            }
        };
        let locker = LockerInfo { expiration, addr: self.caller.addr, description: op.description };
        info.lockers.insert(id, locker);
        info.kind = op.kind;
        info.tag = op.tag;
        self.lock_store(&op.name, &info)
    }

    pub(super) fn lock_unlock(&mut self, input: &[u8]) -> Output {
        let op = UnlockOp::decode(input)?;
        let id = LockerId { name: EntityName::client(self.caller.gid as i64), cookie: op.cookie };
        self.lock_remove(&op.name, &id)
    }

    pub(super) fn lock_break(&mut self, input: &[u8]) -> Output {
        let op = BreakOp::decode(input)?;
        self.lock_remove(&op.name, &LockerId { name: op.locker, cookie: op.cookie })
    }

    fn lock_remove(&mut self, name: &str, id: &LockerId) -> Output {
        let mut info = self.lock_state(name)?;
        if info.lockers.remove(id).is_none() {
            return Err(Errno::ENOENT.into());
        }
        if info.kind == LockType::ExclusiveEphemeral {
            self.remove()?;
            return Ok(Bytes::new());
        }
        self.lock_store(name, &info)
    }

    pub(super) fn lock_get_info(&mut self, input: &[u8]) -> Output {
        let name = lock::decode_get_info(input)?;
        Ok(self.lock_state(&name)?.encode())
    }

    pub(super) fn lock_list(&mut self) -> Output {
        self.must_exist()?;
        let xattrs = self.view.xattrs()?;
        let names = xattrs.iter().filter_map(|(name, _)| Some(name.strip_prefix(XATTR_PREFIX)?.to_owned()));
        Ok(lock::encode_names(&names.collect::<Vec<_>>()))
    }

    pub(super) fn lock_assert(&mut self, input: &[u8]) -> Output {
        let op = AssertOp::decode(input, false)?;
        self.lock_held(&op)?;
        Ok(Bytes::new())
    }

    pub(super) fn lock_set_cookie(&mut self, input: &[u8]) -> Output {
        let op = AssertOp::decode(input, true)?;
        let (mut info, id) = self.lock_held(&op)?;
        let new_id = LockerId { name: id.name, cookie: op.new_cookie.unwrap_or_default() };
        if info.lockers.contains_key(&new_id) {
            return Err(Errno::EBUSY.into());
        }
        if let Some(locker) = info.lockers.remove(&id) {
            info.lockers.insert(new_id, locker);
        }
        self.lock_store(&op.name, &info)
    }

    /// EBUSY unless the caller holds the lock just so.
    fn lock_held(&mut self, op: &AssertOp) -> Result<(LockInfo, LockerId), Stop> {
        if op.kind == LockType::None || op.name.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        let info = self.lock_state(&op.name)?;
        let id = LockerId { name: EntityName::client(self.caller.gid as i64), cookie: op.cookie.clone() };
        if info.kind != op.kind || info.tag != op.tag || !info.lockers.contains_key(&id) {
            return Err(Errno::EBUSY.into());
        }
        Ok((info, id))
    }
}

fn xattr(name: &str) -> String {
    format!("{XATTR_PREFIX}{name}")
}

fn split(ns: u64) -> (u32, u32) {
    ((ns / 1_000_000_000) as u32, (ns % 1_000_000_000) as u32)
}
