//! A request to one object as OSDs understand it, and its answer.

use std::sync::Arc;

use bytes::Bytes;

use crate::crc::crc32c;
use crate::errno::Errno;
use crate::wire::chunks::ChunkSums;
use crate::wire::place::{Place, Placed};
use crate::wire::types::Eversion;

/// An object's name; bytes, as on the wire.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectName {
    pub pool: i64,
    pub namespace: Bytes,
    /// Locator key; empty: the name itself places the object.
    pub key: Bytes,
    pub oid: Bytes,
}

/// One op of a list: `struct ceph_osd_op` and its input.
#[derive(Clone, Debug)]
pub struct OsdOp {
    /// CEPH_OSD_OP_*
    pub code: u16,
    /// CEPH_OSD_OP_FLAG_*
    pub flags: u32,
    /// The union of `struct ceph_osd_op` as it is sent: 28 bytes, unused ones zero.
    pub union: [u8; 28],
    pub input: Vec<Bytes>,
    /// CRC32C of the input, which is one piece then, where whoever made it knows it (`wire::Message::sums`).
    pub sum: Option<u32>,
}

impl OsdOp {
    /// Whether its input still is what the known sum was of.
    pub fn is_sound(&self) -> bool {
        match (self.sum, &self.input[..]) {
            (Some(sum), [input]) => crc32c(input) == sum,
            (Some(_), _) => false,
            (None, _) => true,
        }
    }
}

/// An op list for one object. It is resent until an OSD has answered it.
#[derive(Clone, Debug)]
pub struct OpRequest {
    pub object: ObjectName,
    pub ops: Vec<OsdOp>,
    /// CEPH_OSD_FLAG_READ / WRITE / FULL_TRY / BALANCE_READS / ... ; the client adds ONDISK, RETRY and the like.
    pub flags: u32,
    /// What reads read: CEPH_NOSNAP or a snapshot.
    pub snap: u64,
    /// Snapshots that writes preserve, newest first, and their sequence.
    pub snap_seq: u64,
    pub snaps: Vec<u64>,
    pub mtime_ns: u64,
    /// For listings: the placement group itself (its seed within the pool) and not the object decides where it goes.
    pub placement_seed: Option<u32>,
    /// Where the data of a list with one read go, if they are worth it; whoever gives it looks for [`OpOutcome::placed`].
    pub place: Option<Arc<Place>>,
    /// Without a place: sums of chunks of these data.
    pub chunks: Option<Arc<ChunkSums>>,
}

/// One op's result and output.
#[derive(Clone, Debug, Default)]
pub struct OpOutcome {
    pub rval: i32,
    pub output: Bytes,
    /// The output is not in `output` but in the request's place.
    pub placed: Option<Placed>,
}

/// What an OSD answered.
#[derive(Clone, Debug, Default)]
pub struct OpAnswer {
    /// 0 or positive: it took effect; negative: -errno.
    pub result: i32,
    pub user_version: u64,
    pub replay_version: Eversion,
    pub ops: Vec<OpOutcome>,
}

/// Why a request could not be run at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OsdError {
    #[error("pool {0} does not exist")]
    NoPool(i64),
    #[error("the pool or cluster is full")]
    Full,
    #[error("the pool's quota is used up")]
    QuotaReached,
    #[error("this client is blocklisted")]
    Blocklisted,
    #[error("no answer within {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("the client was shut down")]
    ShutDown,
    #[error("{detail} ({errno})")]
    Failed { errno: Errno, detail: String },
}
