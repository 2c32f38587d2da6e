//! The store's class `lock` as this room calls it.

use super::error::{ImageResult, refuse};
use super::pool::Pool;
use crate::errno::Errno;
use crate::store::lock::{self, BreakOp, LockOp, UnlockOp};
use crate::store::{Op, OpOut, StoreError, StoreResult};
use crate::wire::types::EntityName;

/// Exclusive or shared; never `None` here.
pub use crate::store::lock::LockType;

/// One owner of a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locker {
    pub name: EntityName,
    pub cookie: String,
    /// As lists of watchers and lockers print it, and as `blocklist_add` takes it.
    pub address: String,
}

/// A lock's state. No lockers: nobody has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LockInfo {
    pub exclusive: bool,
    pub tag: String,
    pub lockers: Vec<Locker>,
}

fn exec(method: &str, input: bytes::Bytes) -> Op {
    Op::Exec { class: lock::CLASS.into(), method: method.into(), input }
}

/// Takes a lock: EBUSY if others have it, EEXIST if this very owner has.
pub async fn lock(
    pool: &Pool,
    oid: &str,
    name: &str,
    kind: LockType,
    cookie: &str,
    tag: &str,
) -> StoreResult<()> {
    let call = LockOp {
        name: name.into(),
        kind,
        cookie: cookie.into(),
        tag: tag.into(),
        description: String::new(),
        duration: (0, 0),
        flags: 0,
    };
    // The class creates a missing object; a lock must not bring a removed image's header back.
    pool.run(oid, vec![Op::AssertExists, exec("lock", call.encode())]).await.map(drop)
}

/// ENOENT if this client does not have it with that cookie.
pub async fn unlock(pool: &Pool, oid: &str, name: &str, cookie: &str) -> StoreResult<()> {
    let call = UnlockOp { name: name.into(), cookie: cookie.into() };
    pool.run(oid, vec![exec("unlock", call.encode())]).await.map(drop)
}

/// ENOENT if that owner does not have it.
pub async fn break_lock(pool: &Pool, oid: &str, name: &str, owner: &Locker) -> StoreResult<()> {
    let call = BreakOp { name: name.into(), locker: owner.name, cookie: owner.cookie.clone() };
    pool.run(oid, vec![exec("break_lock", call.encode())]).await.map(drop)
}

/// The state of a lock, in the order of owners.
pub async fn info(pool: &Pool, oid: &str, name: &str) -> ImageResult<LockInfo> {
    let data = match pool.run(oid, vec![exec("get_info", lock::encode_get_info(name))]).await {
        Ok(mut reply) => match reply.ops.pop().map(|op| op.out) {
            Some(OpOut::Data(data)) => data,
            _ => return refuse(Errno::EIO, format!("{oid}: lock.get_info without an answer")),
        },
        Err(StoreError::Op(Errno::ENOENT)) => return Ok(LockInfo::default()),
        Err(error) => return Err(error.into()),
    };
    let Ok(info) = lock::LockInfo::decode(&data) else {
        return refuse(Errno::EIO, format!("{oid}: lock.get_info answered nonsense"));
    };
    let lockers = info
        .lockers
        .into_iter()
        .map(|(id, about)| Locker { name: id.name, cookie: id.cookie, address: about.addr.plain() })
        .collect();
    Ok(LockInfo { exclusive: info.kind.is_exclusive(), tag: info.tag, lockers })
}
