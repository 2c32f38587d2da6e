//! Op lists: what a request asks of one object, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{PoolId, SnapId, StoreError, StoreResult};
use crate::errno::Errno;
use crate::wire::chunks::ChunkSums;
use crate::wire::place::{Place, Placed};

/// An object's full address. Names that are not UTF-8: see [`super::name`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Target {
    pub pool: PoolId,
    pub namespace: Arc<str>,
    /// Locator key; empty: the object's own name places it.
    pub key: Arc<str>,
    pub oid: Arc<str>,
}

impl Target {
    pub fn new(pool: PoolId, namespace: impl Into<Arc<str>>, oid: impl Into<Arc<str>>) -> Target {
        Target { pool, namespace: namespace.into(), key: "".into(), oid: oid.into() }
    }
}

/// Snapshots that a write must preserve: newest first, as RADOS wants them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapContext {
    pub seq: u64,
    pub snaps: Vec<SnapId>,
}

/// Flags of a whole request (`LIBRADOS_OPERATION_*`); only those that change what a store does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpFlags {
    /// LIBRADOS_OPERATION_FULL_FORCE / FULL_TRY.
    pub full_try: bool,
    pub full_force: bool,
    pub balance_reads: bool,
    pub localize_reads: bool,
    pub ignore_cache: bool,
    pub ignore_overlay: bool,
    pub ordered_reads: bool,
}

/// LIBRADOS_CMPXATTR_OP_*: `Op::CmpXattr` passes if `given MODE stored`
/// (RADOS' order of operands: `GT` passes if the given value is greater than the stored one).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CmpMode {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
}

/// How a comparison reads the stored value: as raw bytes, or as decimal text of a u64 (as `rados_cmpxattr` does).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CmpValue {
    Bytes(Bytes),
    U64(u64),
}

/// One op of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    // Guards.
    AssertExists,
    /// Fails with ERANGE if the object is older than `version`, EOVERFLOW if it is newer.
    AssertVersion(u64),
    CmpXattr {
        name: String,
        mode: CmpMode,
        value: CmpValue,
    },
    /// Fails with -(4095 + offset of the first difference) (MAX_ERRNO + offset).
    CmpExt {
        offset: u64,
        data: Bytes,
    },
    /// (key, value, mode) triples; fails with ECANCELED.
    OmapCmp {
        key: Bytes,
        value: Bytes,
        mode: CmpMode,
    },
    // Data.
    Read {
        offset: u64,
        length: u64,
    },
    SparseRead {
        offset: u64,
        length: u64,
    },
    Checksum {
        kind: u8,
        init: Bytes,
        offset: u64,
        length: u64,
        chunk_size: u64,
    },
    Stat,
    Create {
        exclusive: bool,
    },
    Write {
        offset: u64,
        data: Bytes,
    },
    WriteFull {
        data: Bytes,
    },
    WriteSame {
        offset: u64,
        length: u64,
        data: Bytes,
    },
    Append {
        data: Bytes,
    },
    Zero {
        offset: u64,
        length: u64,
    },
    Truncate {
        size: u64,
    },
    Remove,
    SetAllocHint {
        expected_object_size: u64,
        expected_write_size: u64,
        flags: u32,
    },
    Rollback {
        snap: SnapId,
    },
    // Attributes.
    GetXattr {
        name: String,
    },
    GetXattrs,
    SetXattr {
        name: String,
        value: Bytes,
    },
    RmXattr {
        name: String,
    },
    // Omap. Keys are bytes: the C API allows NULs.
    OmapGetKeys {
        after: Bytes,
        max: u64,
    },
    OmapGetVals {
        after: Bytes,
        prefix: Bytes,
        max: u64,
    },
    OmapGetValsByKeys {
        keys: Vec<Bytes>,
    },
    OmapGetHeader,
    OmapSetHeader {
        data: Bytes,
    },
    OmapSet {
        pairs: BTreeMap<Bytes, Bytes>,
    },
    OmapRmKeys {
        keys: Vec<Bytes>,
    },
    /// Removes keys in `begin..end`.
    OmapRmRange {
        begin: Bytes,
        end: Bytes,
    },
    OmapClear,
    // Other.
    ListWatchers,
    ListSnaps,
    Exec {
        class: String,
        method: String,
        input: Bytes,
    },
}

impl Op {
    /// Whether the op changes the object (class calls: decided by the store).
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Op::Create { .. }
                | Op::Write { .. }
                | Op::WriteFull { .. }
                | Op::WriteSame { .. }
                | Op::Append { .. }
                | Op::Zero { .. }
                | Op::Truncate { .. }
                | Op::Remove
                | Op::SetAllocHint { .. }
                | Op::Rollback { .. }
                | Op::SetXattr { .. }
                | Op::RmXattr { .. }
                | Op::OmapSetHeader { .. }
                | Op::OmapSet { .. }
                | Op::OmapRmKeys { .. }
                | Op::OmapRmRange { .. }
                | Op::OmapClear
        )
    }
}

/// An op list for one object.
#[derive(Clone, Debug)]
pub struct Request {
    pub target: Target,
    /// Each op with its LIBRADOS_OP_FLAG_* bits (FAILOK = 2, ...).
    pub ops: Vec<(Op, u32)>,
    pub flags: OpFlags,
    /// Snapshots that writes preserve.
    pub snapc: SnapContext,
    /// What reads read.
    pub read_snap: SnapId,
    /// Modification time in nanoseconds since 1970; `None`: now.
    pub mtime_ns: Option<u64>,
    /// Where the data of a list with one read may go; a store that puts them there answers [`OpOut::Placed`].
    pub place: Option<Arc<Place>>,
    /// Sums of chunks of the data of a list with one read, and no place: a store may fill it in, if it goes through them anyway.
    pub chunks: Option<Arc<ChunkSums>>,
    /// CRC32C of the data of `Write` and `WriteFull` ops (by their number in the list), where it is known: a store that sends them need
    /// not sum them up. Data that do not have this sum any more are never written by such a store.
    pub sums: Vec<(usize, u32)>,
}

impl Request {
    pub fn new(target: Target, ops: Vec<Op>) -> Request {
        Request {
            target,
            ops: ops.into_iter().map(|op| (op, 0)).collect(),
            flags: OpFlags::default(),
            snapc: SnapContext::default(),
            read_snap: SnapId::HEAD,
            mtime_ns: None,
            place: None,
            chunks: None,
            sums: Vec::new(),
        }
    }
}

/// An op, and the sum of its data where it is known ([`Request::sums`]).
#[derive(Clone, Debug)]
pub struct Summed {
    pub op: Op,
    pub sum: Option<u32>,
}

impl From<Op> for Summed {
    fn from(op: Op) -> Summed {
        Summed { op, sum: None }
    }
}

impl Request {
    /// [`Request::new`] with what is known of sums.
    pub fn summed(target: Target, ops: Vec<Summed>) -> Request {
        let sums = (0..).zip(&ops).filter_map(|(nth, summed)| Some((nth, summed.sum?))).collect();
        let ops = ops.into_iter().map(|summed| summed.op).collect();
        Request { sums, ..Request::new(target, ops) }
    }
}

/// What one op answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum OpOut {
    #[default]
    None,
    /// Read, GetXattr, OmapGetHeader, Exec, Checksum.
    Data(Bytes),
    /// Read: the data are in the request's place.
    Placed(Placed),
    /// SparseRead: extents as (offset, length) and their data in one piece.
    Sparse {
        extents: Vec<(u64, u64)>,
        data: Bytes,
    },
    Stat {
        size: u64,
        mtime_ns: u64,
    },
    Xattrs(Vec<(String, Bytes)>),
    Keys {
        keys: Vec<Bytes>,
        more: bool,
    },
    Pairs {
        pairs: Vec<(Bytes, Bytes)>,
        more: bool,
    },
    /// ListWatchers: (address, gid, cookie, timeout in seconds).
    Watchers(Vec<(String, u64, u64, u32)>),
    /// ListSnaps: clones as (id, snaps, size), and the sequence.
    Snaps {
        clones: Vec<(SnapId, Vec<SnapId>, u64)>,
        seq: u64,
    },
}

/// One op's result code (0 or positive: success; negative: -errno, as RADOS counts) and output.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpResult {
    pub rval: i32,
    pub out: OpOut,
}

/// An op list's answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// 0 or positive: the list took effect; negative: -errno and no effect.
    pub result: i32,
    /// The object's version after a write, or at a read (`rados_get_last_version`).
    pub version: u64,
    /// One for each op; on failure, those up to the failing op are filled in.
    pub ops: Vec<OpResult>,
}

impl Reply {
    /// The reply, or the op list's errno as an error.
    pub fn ok(self) -> StoreResult<Reply> {
        if self.result < 0 { Err(StoreError::Op(Errno(-self.result))) } else { Ok(self) }
    }
}
