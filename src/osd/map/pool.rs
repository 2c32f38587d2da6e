//! One pool of the OSD map (pg_pool_t).

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::types::Utime;

/// What keeps a pool's objects (pg_pool_t::TYPE_*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolKind {
    Replicated,
    Erasure,
    /// A number that no release so far uses: such a pool cannot be mapped.
    Other(u8),
}

/// pg_pool_t::FLAG_*.
pub mod flag {
    pub const HASHPSPOOL: u64 = 1 << 0;
    pub const FULL: u64 = 1 << 1;
    pub const EC_OVERWRITES: u64 = 1 << 2;
    pub const INCOMPLETE_CLONES: u64 = 1 << 3;
    pub const NODELETE: u64 = 1 << 4;
    pub const NOPGCHANGE: u64 = 1 << 5;
    pub const NOSIZECHANGE: u64 = 1 << 6;
    pub const WRITE_FADVISE_DONTNEED: u64 = 1 << 7;
    pub const NOSCRUB: u64 = 1 << 8;
    pub const NODEEP_SCRUB: u64 = 1 << 9;
    /// The quota is used up; [`FULL`] then stands too.
    pub const FULL_QUOTA: u64 = 1 << 10;
    pub const NEARFULL: u64 = 1 << 11;
    pub const BACKFILLFULL: u64 = 1 << 12;
    pub const SELFMANAGED_SNAPS: u64 = 1 << 13;
    pub const POOL_SNAPS: u64 = 1 << 14;
    pub const CREATING: u64 = 1 << 15;
    /// Every request of a client is answered with EIO.
    pub const EIO: u64 = 1 << 16;
    pub const BULK: u64 = 1 << 17;
    pub const CRIMSON: u64 = 1 << 18;
    /// Tentacle and later.
    pub const EC_OPTIMIZATIONS: u64 = 1 << 19;
}

/// A snapshot that the monitors keep for the whole pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolSnap {
    pub id: u64,
    pub stamp: Utime,
    pub name: String,
}

/// A value of `ceph osd pool set` that is no field of its own (pool_opts_t).
#[derive(Clone, PartialEq, Debug)]
pub enum PoolOption {
    Text(Vec<u8>),
    Int(i64),
    Double(f64),
}

/// A pool as clients need it. Sizes in bytes, epochs are those of the OSD map; 0 stands for "none" where not said otherwise.
#[derive(Clone, PartialEq, Debug)]
pub struct Pool {
    pub kind: PoolKind,
    /// Copies, or shards of an erasure code.
    pub size: u8,
    /// Copies without which nothing is served.
    pub min_size: u8,
    pub crush_rule: u8,
    /// CEPH_STR_HASH_*: 1 linux, 2 rjenkins.
    pub object_hash: u8,
    pub pg_num: u32,
    pub pgp_num: u32,
    pub pg_num_target: u32,
    pub pgp_num_target: u32,
    /// Smaller than `pg_num` while PGs are about to merge.
    pub pg_num_pending: u32,
    pub flags: u64,
    pub last_change: u32,
    /// Requests of before this epoch are sent again (a change of pg_num or of tiers).
    pub last_force_op_resend: u32,
    pub quota_max_bytes: u64,
    pub quota_max_objects: u64,
    pub snap_seq: u64,
    pub snap_epoch: u32,
    pub snaps: BTreeMap<u64, PoolSnap>,
    /// (first, count), as pools of before Octopus have them.
    pub removed_snaps: Vec<(u64, u64)>,
    pub tiers: BTreeSet<i64>,
    /// -1: none; so for the next two.
    pub tier_of: i64,
    pub read_tier: i64,
    pub write_tier: i64,
    pub cache_mode: u8,
    /// Bytes of one stripe of an erasure pool: appends must be aligned to it.
    pub stripe_width: u32,
    pub erasure_code_profile: String,
    pub fast_read: bool,
    pub options: BTreeMap<i32, PoolOption>,
    /// Application, key, value.
    pub application_metadata: BTreeMap<String, BTreeMap<String, String>>,
    pub created: Utime,
    /// Bit n: shard n of this erasure pool never is primary (Tentacle and later, pools with EC_OPTIMIZATIONS).
    pub nonprimary_shards: u128,
}

impl Pool {
    pub fn has_flag(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// Whether OSDs move up when one before them is missing; in erasure pools each keeps its place.
    pub fn can_shift_osds(&self) -> bool {
        self.kind == PoolKind::Replicated
    }

    pub fn is_erasure(&self) -> bool {
        self.kind == PoolKind::Erasure
    }

    /// Whether appends must be multiples of [`stripe_width`](Pool::stripe_width).
    pub fn requires_aligned_append(&self) -> bool {
        self.is_erasure() && !self.has_flag(flag::EC_OVERWRITES)
    }

    /// The placement group of a seed.
    pub fn fold(&self, seed: u32) -> u32 {
        stable_mod(seed, self.pg_num, mask(self.pg_num))
    }

    /// The same by the number of placement groups for placement, which is smaller while a pool grows.
    pub fn fold_placement(&self, seed: u32) -> u32 {
        stable_mod(seed, self.pgp_num, mask(self.pgp_num))
    }
}

/// The smallest 2^n - 1 that is not below `count - 1`.
fn mask(count: u32) -> u32 {
    match count {
        0 | 1 => 0,
        more => u32::MAX >> (more - 1).leading_zeros(),
    }
}

/// ceph_stable_mod: `x` modulo `count`, so that few values move when `count` grows.
fn stable_mod(x: u32, count: u32, mask: u32) -> u32 {
    if x & mask < count { x & mask } else { x & (mask >> 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_fold_below_the_count_and_move_only_into_the_new_group() {
        for count in 1..200u32 {
            for seed in (0..5000u32).map(|n| n.wrapping_mul(2_654_435_761)) {
                let folded = stable_mod(seed, count, mask(count));
                assert!(folded < count, "{seed} {count}");
                let grown = stable_mod(seed, count + 1, mask(count + 1));
                assert!(grown == folded || grown == count, "{seed} {count}");
            }
        }
        assert_eq!((mask(1), mask(2), mask(3), mask(8), mask(9), mask(u32::MAX)), (0, 1, 3, 7, 15, u32::MAX));
    }
}
