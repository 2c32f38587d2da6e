//! What all parts of an open disk have in common: the store, the names, the options, the clock, and how an op list is
//! run and its failure told.

use std::sync::Arc;

use bytes::Bytes;

use super::cache::ReadCache;
use super::fetch::Fetches;
use super::header::Format;
use super::{DiskError, DiskNames, DiskOptions, DiskResult, EPOCH_XATTR, WriterEpoch};
use crate::env::Env;
use crate::errno::Errno;
use crate::store::{
    CmpMode, CmpValue, FixedReads, Op, OpFlags, OpOut, Reply, Request, Store, StoreError, Target,
};

/// `Op::CmpExt` that fails answers -(MAX_ERRNO + offset of the first difference).
const MAX_ERRNO: i32 = 4095;

#[derive(Clone)]
pub(crate) struct Shared {
    pub store: Arc<dyn Store>,
    pub names: DiskNames,
    pub options: DiskOptions,
    pub env: Arc<dyn Env>,
    pub format: Format,
    /// The short way to the bytes of segments.
    pub fixed: Option<Arc<dyn FixedReads>>,
    /// Blocks that were read and checked.
    pub cache: Arc<ReadCache>,
    /// Reads that are under way without a task.
    pub fetches: Arc<Fetches>,
}

/// Flags of an op list that writes what comes into the log, or what leads to room that is given back. While a cluster is
/// full the first waits for room, as librbd's writes do; the second must not: what is small, and followed by
/// the deletion of more, is forced. (A local store knows no such flags, and fails where it has no room.)
pub(crate) fn when_full(makes_room: bool) -> OpFlags {
    OpFlags { full_force: makes_room, ..OpFlags::default() }
}

/// A removal, which a full cluster does, too.
pub(crate) fn removal(target: Target, mut guards: Vec<Op>) -> Request {
    guards.push(Op::Remove);
    let mut request = Request::new(target, guards);
    request.flags = OpFlags { full_try: true, ..OpFlags::default() };
    request
}

/// Runs an op list; a failure names the object.
pub(crate) async fn run(store: &Arc<dyn Store>, target: &Target, ops: Vec<Op>) -> DiskResult<Reply> {
    let reply = store.operate(Request::new(target.clone(), ops)).await;
    reply.and_then(Reply::ok).map_err(|source| store_error(target, source))
}

/// [`removal`], run.
pub(crate) async fn remove(store: &Arc<dyn Store>, target: &Target, guards: Vec<Op>) -> DiskResult<Reply> {
    let reply = store.operate(removal(target.clone(), guards)).await;
    reply.and_then(Reply::ok).map_err(|source| store_error(target, source))
}

pub(crate) fn store_error(target: &Target, source: StoreError) -> DiskError {
    DiskError::Store { object: target.oid.to_string(), source }
}

impl DiskError {
    /// The errno with which the store answered, if it was the store.
    pub(crate) fn store_errno(&self) -> Option<Errno> {
        match self {
            DiskError::Store { source, .. } => Some(Errno::from(source)),
            DiskError::Corrupt { .. }
            | DiskError::Fenced { .. }
            | DiskError::Failed { .. }
            | DiskError::LocalLog { .. }
            | DiskError::ReadOnly
            | DiskError::OutOfRange { .. }
            | DiskError::Invalid { .. }
            | DiskError::NoSnapshot
            | DiskError::NewerFormat { .. }
            | DiskError::Closed => None,
        }
    }

    /// The store had no room, and the op list no effect.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self.store_errno(), Some(Errno::ENOSPC | Errno::EDQUOT))
    }

    /// A comparison of bytes has failed (`Op::CmpExt`).
    pub(crate) fn is_mismatch(&self) -> bool {
        self.store_errno().is_some_and(|errno| errno.0 >= MAX_ERRNO)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.store_errno() == Some(Errno::ENOENT)
    }
}

/// The data of the `n`th op.
pub(crate) fn data_of(reply: &mut Reply, n: usize) -> Bytes {
    match reply.ops.get_mut(n).map(|op| std::mem::take(&mut op.out)) {
        Some(OpOut::Data(data)) => data,
        Some(_) | None => Bytes::new(),
    }
}

/// The size of a `Stat` that was the `n`th op.
pub(crate) fn size_of(reply: &Reply, n: usize) -> u64 {
    match reply.ops.get(n).map(|op| &op.out) {
        Some(OpOut::Stat { size, .. }) => *size,
        Some(_) | None => 0,
    }
}

/// Passes if the object's epoch is `epoch`.
pub(crate) fn epoch_is(epoch: WriterEpoch) -> Op {
    compare_epoch(CmpMode::Eq, epoch)
}

/// Passes if `epoch` is greater than the object's.
pub(crate) fn epoch_below(epoch: WriterEpoch) -> Op {
    compare_epoch(CmpMode::Gt, epoch)
}

/// Passes if `epoch` is the object's or greater.
pub(crate) fn epoch_at_most(epoch: WriterEpoch) -> Op {
    compare_epoch(CmpMode::Gte, epoch)
}

fn compare_epoch(mode: CmpMode, epoch: WriterEpoch) -> Op {
    Op::CmpXattr { name: EPOCH_XATTR.to_owned(), mode, value: CmpValue::U64(u64::from(epoch.0)) }
}

pub(crate) fn set_epoch(epoch: WriterEpoch) -> Op {
    Op::SetXattr { name: EPOCH_XATTR.to_owned(), value: Bytes::from(epoch.0.to_string()) }
}

pub(crate) fn get_epoch() -> Op {
    Op::GetXattr { name: EPOCH_XATTR.to_owned() }
}

/// The epoch that the `n`th op, a `get_epoch`, has read.
pub(crate) fn epoch_of(reply: &mut Reply, n: usize, object: &Target) -> DiskResult<WriterEpoch> {
    let text = data_of(reply, n);
    std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).map(WriterEpoch).ok_or_else(|| {
        DiskError::Corrupt {
            object: object.oid.to_string(),
            offset: 0,
            detail: format!("{EPOCH_XATTR} is no number: {text:?}"),
        }
    })
}

impl Shared {
    /// See [`FixedReads::mark`].
    pub fn mark(&self) -> Option<u64> {
        self.fixed.as_ref()?.mark()
    }

    pub async fn run(&self, target: &Target, ops: Vec<Op>) -> DiskResult<Reply> {
        run(&self.store, target, ops).await
    }

    /// Removes an object if the guards pass.
    pub async fn remove(&self, target: &Target, guards: Vec<Op>) -> DiskResult<Reply> {
        remove(&self.store, target, guards).await
    }

    /// The epoch that guards an object now; `None` if the object does not exist.
    pub async fn read_epoch(&self, target: &Target) -> DiskResult<Option<WriterEpoch>> {
        match self.run(target, vec![get_epoch()]).await {
            Ok(mut reply) => epoch_of(&mut reply, 0, target).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What an error of the writer `mine` really is: one that has lost the image finds objects gone.
    pub async fn unless_fenced(&self, mine: WriterEpoch, error: DiskError) -> DiskError {
        if matches!(error, DiskError::Fenced { .. }) {
            return error;
        }
        match self.read_epoch(&self.names.header()).await {
            Ok(Some(theirs)) if theirs > mine => DiskError::Fenced { mine: mine.0, theirs: theirs.0 },
            Ok(_) | Err(_) => error,
        }
    }
}
