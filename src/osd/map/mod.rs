//! The OSD map: which OSDs and pools there are, and which OSDs serve an object.

mod pool;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use pool::{Pool, PoolKind, PoolOption, PoolSnap, flag as pool_flag};

use crate::wire::denc::Malformed;
use crate::wire::types::{AddrVec, EntityAddr, Pgid, Utime};

/// Why a map was not taken. The one before stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MapError {
    #[error("OSD map: malformed encoding")]
    Malformed(#[from] Malformed),
    #[error("OSD map: {0}")]
    Invalid(&'static str),
    /// Older than Pacific, or newer than what this client can read.
    #[error("OSD map: {0} is not supported")]
    Unsupported(&'static str),
    #[error("OSD map: checksum {found:#010x}, expected {expected:#010x}")]
    Checksum { found: u32, expected: u32 },
    #[error("OSD map: an increment to epoch {found} does not fit on epoch {have}")]
    Epoch { have: u32, found: u32 },
    #[error("OSD map: an increment of another cluster")]
    Fsid,
}

/// No OSD (CRUSH_ITEM_NONE), where an erasure pool has a hole.
pub const NO_OSD: i32 = 0x7fff_ffff;

/// CEPH_OSDMAP_*: flags of the whole map.
pub mod flag {
    pub const NEARFULL: u32 = 1 << 0;
    pub const FULL: u32 = 1 << 1;
    pub const PAUSERD: u32 = 1 << 2;
    pub const PAUSEWR: u32 = 1 << 3;
    pub const PAUSEREC: u32 = 1 << 4;
    pub const NOUP: u32 = 1 << 5;
    pub const NODOWN: u32 = 1 << 6;
    pub const NOOUT: u32 = 1 << 7;
    pub const NOIN: u32 = 1 << 8;
    pub const NOBACKFILL: u32 = 1 << 9;
    pub const NORECOVER: u32 = 1 << 10;
    pub const NOSCRUB: u32 = 1 << 11;
    pub const NODEEP_SCRUB: u32 = 1 << 12;
    pub const NOTIERAGENT: u32 = 1 << 13;
    pub const NOREBALANCE: u32 = 1 << 14;
    pub const SORTBITWISE: u32 = 1 << 15;
    pub const RECOVERY_DELETES: u32 = 1 << 19;
    pub const PURGED_SNAPDIRS: u32 = 1 << 20;
    pub const PGLOG_HARDLIMIT: u32 = 1 << 21;
    pub const NOSNAPTRIM: u32 = 1 << 22;
}

/// The OSDs of a placement group: who should serve it (`up`), and who does (`acting`). -1: nobody is primary.
/// In erasure pools a place is a shard, and [`NO_OSD`] a missing one; in replicated pools missing OSDs are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpActing {
    pub up: Vec<i32>,
    pub up_primary: i32,
    pub acting: Vec<i32>,
    pub acting_primary: i32,
}

/// One epoch of the map. Immutable but for [`apply`](OsdMap::apply); mappings of placement groups are kept once computed.
#[derive(Clone, Debug)]
pub struct OsdMap {
    epoch: u32,
    fsid: [u8; 16],
    created: Utime,
    modified: Utime,
    flags: u32,
    pools: BTreeMap<i64, Pool>,
    pool_names: BTreeMap<i64, String>,
    pool_ids: BTreeMap<String, i64>,
    erasure_code_profiles: BTreeMap<String, BTreeMap<String, String>>,
}

impl OsdMap {
    /// A whole map, as MOSDMap and `ceph osd getmap` have it. Not written yet.
    pub fn decode(_bytes: &[u8]) -> Result<OsdMap, MapError> {
        Err(MapError::Unsupported("every version"))
    }

    /// This map with an increment of it: the next epoch. Errors leave nothing behind. Not written yet.
    pub fn next(&self, _incremental: &[u8]) -> Result<OsdMap, MapError> {
        Err(MapError::Unsupported("every version"))
    }

    /// [`next`](OsdMap::next) in place; on an error the map is as it was.
    pub fn apply(&mut self, incremental: &[u8]) -> Result<(), MapError> {
        *self = self.next(incremental)?;
        Ok(())
    }

    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    pub fn fsid(&self) -> [u8; 16] {
        self.fsid
    }

    pub fn created(&self) -> Utime {
        self.created
    }

    pub fn modified(&self) -> Utime {
        self.modified
    }

    /// See [`flag`].
    pub fn flags(&self) -> u32 {
        self.flags
    }

    pub fn has_flag(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub fn pools(&self) -> &BTreeMap<i64, Pool> {
        &self.pools
    }

    pub fn pool(&self, id: i64) -> Option<&Pool> {
        self.pools.get(&id)
    }

    pub fn pool_by_name(&self, name: &str) -> Option<i64> {
        self.pool_ids.get(name).copied()
    }

    pub fn pool_name(&self, id: i64) -> Option<&str> {
        self.pool_names.get(&id).map(String::as_str)
    }

    pub fn erasure_code_profile(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.erasure_code_profiles.get(name)
    }

    /// OSDs have numbers below this.
    pub fn max_osd(&self) -> i32 {
        0
    }

    pub fn exists(&self, _osd: i32) -> bool {
        false
    }

    pub fn is_up(&self, _osd: i32) -> bool {
        false
    }

    /// The addresses that clients connect to. `None`: no such OSD, or it never was up.
    pub fn osd_addrs(&self, _osd: i32) -> Option<&AddrVec> {
        None
    }

    /// Whether a client with this address (and nonce) is fenced; entries for a whole host or network count.
    pub fn is_blocklisted(&self, _addr: &EntityAddr) -> bool {
        false
    }

    /// An object's placement seed, not yet folded into the pool's number of PGs. The key, if there is one, stands for the
    /// name. `None`: no such pool.
    pub fn object_to_raw_pg(&self, _pool: i64, _key: &[u8], _namespace: &[u8], _oid: &[u8]) -> Option<Pgid> {
        None
    }

    /// The placement group of a seed.
    pub fn raw_pg_to_pg(&self, raw: Pgid) -> Option<Pgid> {
        Some(Pgid { pool: raw.pool, seed: self.pool(raw.pool)?.fold(raw.seed) })
    }

    /// Who serves a placement group. Nobody serves one of a pool that is not there, or with a seed past its `pg_num`.
    pub fn pg_to_up_acting(&self, _pgid: Pgid) -> Arc<UpActing> {
        Arc::new(UpActing { up: Vec::new(), up_primary: -1, acting: Vec::new(), acting_primary: -1 })
    }
}
