//! The OSD map: which OSDs and pools there are, and which OSDs serve an object.
//!
//! `full` and `incremental` read the encodings (of Pacific to Tentacle, and in most parts of older ones), `placement`
//! maps objects to OSDs, `tables` keeps what was mapped.

mod blocklist;
mod codec;
mod full;
mod incremental;
mod osds;
mod overlay;
mod placement;
mod pool;
mod pool_codec;
#[cfg(test)]
pub(crate) mod sample;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use osds::state as osd_state;
pub use pool::{Pool, PoolKind, PoolOption, PoolSnap, flag as pool_flag};

use blocklist::Blocklist;
use osds::Osds;
use overlay::Overlay;
use tables::Tables;

use crate::osd::crush::{self, CrushError, CrushMap};
use crate::wire::denc::Malformed;
use crate::wire::types::{AddrVec, EntityAddr, Pgid, Utime};

/// Why a map was not taken. The one before stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MapError {
    #[error("OSD map: malformed encoding")]
    Malformed(#[from] Malformed),
    #[error("OSD map: CRUSH: {0}")]
    Crush(CrushError),
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
pub const NO_OSD: i32 = crush::NONE;

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
    /// Flags that stood for a release before the map had a field for it.
    pub(super) const LEGACY_REQUIRE: u32 = 7 << 16;
    pub const RECOVERY_DELETES: u32 = 1 << 19;
    pub const PURGED_SNAPDIRS: u32 = 1 << 20;
    pub const PGLOG_HARDLIMIT: u32 = 1 << 21;
    pub const NOSNAPTRIM: u32 = 1 << 22;
}

/// Numbers of releases (ceph_release_t).
pub mod release {
    pub const LUMINOUS: u8 = 12;
    pub const NAUTILUS: u8 = 14;
    pub const PACIFIC: u8 = 16;
    pub const QUINCY: u8 = 17;
    pub const REEF: u8 = 18;
    pub const SQUID: u8 = 19;
    pub const TENTACLE: u8 = 20;
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

impl UpActing {
    const NOBODY: UpActing =
        UpActing { up: Vec::new(), up_primary: -1, acting: Vec::new(), acting_primary: -1 };
}

/// One epoch of the map. Mappings of placement groups are kept once computed, also for the next epoch if it moves none of
/// the pool's groups. Equal maps say the same, whatever was computed from them.
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
    pool_max: i64,
    osds: Arc<Osds>,
    overlay: Arc<Overlay>,
    crush: Arc<CrushMap>,
    crush_version: u32,
    erasure_code_profiles: BTreeMap<String, BTreeMap<String, String>>,
    new_removed_snaps: BTreeMap<i64, Vec<(u64, u64)>>,
    blocklist: Arc<Blocklist>,
    nearfull_ratio: f32,
    backfillfull_ratio: f32,
    full_ratio: f32,
    require_min_compat_client: u8,
    require_osd_release: u8,
    tables: Tables,
}

impl Default for OsdMap {
    /// Epoch 0: nothing is there. Increments are of cluster and epoch 1.
    fn default() -> OsdMap {
        OsdMap {
            epoch: 0,
            fsid: [0; 16],
            created: Utime::default(),
            modified: Utime::default(),
            flags: 0,
            pools: BTreeMap::new(),
            pool_names: BTreeMap::new(),
            pool_ids: BTreeMap::new(),
            pool_max: 0,
            osds: Arc::default(),
            overlay: Arc::default(),
            crush: Arc::default(),
            crush_version: 1,
            erasure_code_profiles: BTreeMap::new(),
            new_removed_snaps: BTreeMap::new(),
            blocklist: Arc::default(),
            nearfull_ratio: 0.0,
            backfillfull_ratio: 0.0,
            full_ratio: 0.0,
            require_min_compat_client: 0,
            require_osd_release: 0,
            tables: Tables::default(),
        }
    }
}

impl PartialEq for OsdMap {
    fn eq(&self, other: &OsdMap) -> bool {
        self.differences(other).is_empty()
    }
}

impl OsdMap {
    /// A whole map, as MOSDMap and `ceph osd getmap` have it.
    pub fn decode(bytes: &[u8]) -> Result<OsdMap, MapError> {
        full::decode(bytes)
    }

    /// This map with an increment of it: the next epoch.
    pub fn next(&self, incremental: &[u8]) -> Result<OsdMap, MapError> {
        incremental::next(self, incremental)
    }

    /// [`next`](OsdMap::next) in place; on an error the map is as it was.
    pub fn apply(&mut self, incremental: &[u8]) -> Result<(), MapError> {
        *self = self.next(incremental)?;
        Ok(())
    }

    /// What a release implies is not always among the flags that monitors write.
    fn imply_flags(&mut self) {
        if self.require_osd_release >= release::LUMINOUS {
            self.flags &= !flag::LEGACY_REQUIRE;
            self.flags |= flag::RECOVERY_DELETES;
        }
        if self.require_osd_release >= release::NAUTILUS {
            self.flags |= flag::PGLOG_HARDLIMIT;
        }
    }

    /// Names of the fields in which two maps differ.
    pub fn differences(&self, other: &OsdMap) -> Vec<&'static str> {
        let mut names = Vec::new();
        macro_rules! compare {
            ($($field:ident)*) => {
                $(if self.$field != other.$field {
                    names.push(stringify!($field));
                })*
            };
        }
        compare!(epoch fsid created modified flags pools pool_names pool_ids pool_max osds overlay crush crush_version);
        compare!(erasure_code_profiles new_removed_snaps blocklist nearfull_ratio backfillfull_ratio full_ratio);
        compare!(require_min_compat_client require_osd_release);
        names
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

    pub fn pool_max(&self) -> i64 {
        self.pool_max
    }

    pub fn crush(&self) -> &CrushMap {
        &self.crush
    }

    /// Snapshots, as (first, count), that this epoch says are being removed: by pool.
    pub fn new_removed_snaps(&self) -> &BTreeMap<i64, Vec<(u64, u64)>> {
        &self.new_removed_snaps
    }

    /// Above these shares of its space an OSD is near full, takes no backfill, is full.
    pub fn full_ratios(&self) -> (f32, f32, f32) {
        (self.nearfull_ratio, self.backfillfull_ratio, self.full_ratio)
    }

    /// See [`release`]; 0: unknown.
    pub fn require_osd_release(&self) -> u8 {
        self.require_osd_release
    }

    pub fn require_min_compat_client(&self) -> u8 {
        self.require_min_compat_client
    }

    /// OSDs have numbers below this.
    pub fn max_osd(&self) -> i32 {
        self.osds.states.len() as i32
    }

    /// See [`osd_state`]; 0 for an OSD that is not there.
    pub fn osd_state(&self, osd: i32) -> u32 {
        self.osds.state(osd)
    }

    /// 16.16 fixed point: 0 is out, 0x10000 is in.
    pub fn osd_weight(&self, osd: i32) -> Option<u32> {
        self.osds.weight(osd)
    }

    /// 16.16 fixed point; 0x10000 where none is set.
    pub fn primary_affinity(&self, osd: i32) -> u32 {
        self.osds.affinity(osd)
    }

    pub fn exists(&self, osd: i32) -> bool {
        self.osds.exists(osd)
    }

    pub fn is_up(&self, osd: i32) -> bool {
        self.osds.is_up(osd)
    }

    /// The addresses that clients connect to. `None`: no such OSD, or it never was up.
    pub fn osd_addrs(&self, osd: i32) -> Option<&AddrVec> {
        self.osds.addrs(osd)
    }

    /// Whether a client with this address (and nonce) is fenced; entries for a whole host or network count.
    pub fn is_blocklisted(&self, addr: &EntityAddr) -> bool {
        self.blocklist.covers(addr)
    }

    /// How many entries the blocklist has, those that are over but not yet removed too.
    pub fn blocklist_len(&self) -> usize {
        self.blocklist.len()
    }

    /// An object's placement seed, not yet folded into the pool's number of PGs. The key, if there is one, stands for the
    /// name. `None`: no such pool.
    pub fn object_to_raw_pg(&self, pool: i64, key: &[u8], namespace: &[u8], oid: &[u8]) -> Option<Pgid> {
        Some(Pgid { pool, seed: self.pool(pool)?.hash(namespace, key, oid) })
    }

    /// The placement group of a seed.
    pub fn raw_pg_to_pg(&self, raw: Pgid) -> Option<Pgid> {
        Some(Pgid { pool: raw.pool, seed: self.pool(raw.pool)?.fold(raw.seed) })
    }

    /// Who serves a placement group; a seed that is not folded yet is. Nobody serves one of a pool that is not there.
    pub fn pg_to_up_acting(&self, pgid: Pgid) -> Arc<UpActing> {
        let (Some(pool), Some(table)) = (self.pools.get(&pgid.pool), self.tables.table(pgid.pool)) else {
            return Arc::new(UpActing::NOBODY);
        };
        let pgid = Pgid { pool: pgid.pool, seed: pool.fold(pgid.seed) };
        table.get(pgid.seed, || self.compute(pool, pgid))
    }
}
