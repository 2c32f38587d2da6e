//! Which OSD a request goes to by a map, and whether a newer map makes it go anew.

use std::sync::Arc;

use super::ObjectName;
use super::codes::flag;
use super::map::{self, OsdMap, Pool, UpActing, pool_flag};
use crate::wire::types::{Pgid, Spg};

/// What a map says of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing new: an OSD that has the request will answer it.
    Same,
    /// It must be sent, or sent again: another OSD or placement group, or the OSDs drop what they had.
    Resend,
    PoolGone,
    /// The pool answers everything with EIO.
    PoolEio,
}

/// What else makes a new interval of a placement group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Interval {
    size: u8,
    min_size: u8,
    pg_num_pending: u32,
    sort_bitwise: bool,
    recovery_deletes: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    /// CEPH_OSD_FLAG_* of the request, and those that redirects add.
    pub flags: u32,
    /// -1: no OSD serves it now.
    pub osd: i32,
    /// With which it is to be sent; of the pool that tiering chose.
    pub pgid: Spg,
    /// The whole hash.
    pub hash: u32,
    /// Not to be sent now: the cluster or pool is full or paused, or the map is older than the barrier.
    pub paused: bool,
    /// Of the last map that was looked at; 0: none yet.
    epoch: u32,
    pg_num: u32,
    mapping: Option<Arc<UpActing>>,
    used_replica: bool,
    interval: Interval,
    /// Where an OSD sent it instead.
    redirect: Option<Box<ObjectName>>,
}

/// What [`Target::look`] goes by beside the map.
pub(super) struct Rules<'a> {
    pub object: &'a ObjectName,
    /// A placement group instead of the object.
    pub seed: Option<u32>,
    /// A map of an earlier epoch sends nothing.
    pub barrier: u32,
    /// For watches: every new interval of the placement group counts, and not only a new primary.
    pub any_change: bool,
    /// Chooses among replicas.
    pub salt: u64,
    /// Where this client is, as pairs of type and name.
    pub location: &'a [(String, String)],
}

impl Target {
    pub(super) fn new(flags: u32) -> Target {
        Target {
            flags,
            osd: -1,
            pgid: Spg { pgid: Pgid { pool: -1, seed: 0 }, shard: -1 },
            hash: 0,
            paused: false,
            epoch: 0,
            pg_num: 0,
            mapping: None,
            used_replica: false,
            interval: Interval::default(),
            redirect: None,
        }
    }

    /// The object that is asked for: the request's own, or where a redirect led.
    pub(super) fn object<'a>(&'a self, base: &'a ObjectName) -> &'a ObjectName {
        self.redirect.as_deref().unwrap_or(base)
    }

    /// An OSD says that the object is elsewhere. What it names is final: caches and overlays are behind it.
    pub(super) fn redirect(&mut self, object: ObjectName) {
        self.redirect = Some(Box::new(object));
        self.flags |= flag::REDIRECTED | flag::IGNORE_CACHE | flag::IGNORE_OVERLAY;
        self.forget();
    }

    /// A replica could not answer: the primary must.
    pub(super) fn insist_on_primary(&mut self) {
        self.flags &= !(flag::BALANCE_READS | flag::LOCALIZE_READS);
        self.forget();
    }

    fn forget(&mut self) {
        self.mapping = None;
        self.epoch = 0;
        self.pg_num = 0;
    }

    fn respects_full(&self) -> bool {
        self.flags & flag::WRITE != 0 && self.flags & (flag::FULL_TRY | flag::FULL_FORCE) == 0
    }

    fn should_pause(&self, map: &OsdMap, pool: &Pool, barrier: u32) -> bool {
        let reads = self.flags & flag::READ != 0 && map.has_flag(map::flag::PAUSERD);
        let full = self.respects_full() && is_full(map, pool);
        let writes = self.flags & flag::WRITE != 0 && (map.has_flag(map::flag::PAUSEWR) || full);
        reads || writes || map.epoch() < barrier
    }

    /// Looks at a map that is not older than the last one.
    pub(super) fn look(&mut self, map: &OsdMap, rules: &Rules) -> Verdict {
        let object = self.redirect.as_deref().unwrap_or(rules.object);
        let (is_read, is_write) = (self.flags & flag::READ != 0, self.flags & flag::WRITE != 0);
        let Some(base) = map.pool(object.pool) else {
            self.osd = -1;
            return Verdict::PoolGone;
        };
        if base.has_flag(pool_flag::EIO) {
            return Verdict::PoolEio;
        }
        let mut pool_id = object.pool;
        if self.flags & flag::IGNORE_OVERLAY == 0 {
            if is_read && base.read_tier >= 0 {
                pool_id = base.read_tier;
            }
            if is_write && base.write_tier >= 0 {
                pool_id = base.write_tier;
            }
        }
        let Some(pool) = map.pool(pool_id) else {
            self.osd = -1;
            return Verdict::PoolGone;
        };
        let (hash, pgid) = match rules.seed {
            Some(seed) => {
                let folded = pool.fold(seed);
                (folded, Pgid { pool: pool_id, seed: folded })
            }
            None => {
                let raw = map.object_to_raw_pg(pool_id, &object.key, &object.namespace, &object.oid);
                let hash = raw.map_or(0, |raw| raw.seed);
                (hash, Pgid { pool: pool_id, seed: pool.fold(hash) })
            }
        };
        let mapping = map.pg_to_up_acting(pgid);
        let interval = Interval {
            size: pool.size,
            min_size: pool.min_size,
            pg_num_pending: pool.pg_num_pending,
            sort_bitwise: map.has_flag(map::flag::SORTBITWISE),
            recovery_deletes: map.has_flag(map::flag::RECOVERY_DELETES),
        };

        let paused = self.should_pause(map, base, rules.barrier);
        let unpaused = self.paused && !paused;
        self.paused = paused;

        let first = self.epoch == 0;
        let regrouped = !first && changes_group(hash, self.pg_num, pool.pg_num);
        // OSDs drop requests that were sent by a map of before this epoch.
        let forced = !first && base.last_force_op_resend > self.epoch;
        let moved = first
            || (hash, pool_id) != (self.hash, self.pgid.pgid.pool)
            || self.mapping.as_ref().is_none_or(|old| {
                primary_changed(old, &mapping)
                    || (self.used_replica && old.acting != mapping.acting)
                    || (rules.any_change && (**old != *mapping || self.interval != interval))
            });
        self.epoch = map.epoch();
        if !(moved || regrouped || forced) {
            return if unpaused { Verdict::Resend } else { Verdict::Same };
        }
        self.hash = hash;
        self.pg_num = pool.pg_num;
        self.interval = interval;
        let shard = match pool.is_erasure() {
            true => mapping.acting.iter().position(|osd| *osd == mapping.acting_primary),
            false => None,
        };
        self.pgid = Spg { pgid, shard: shard.map_or(-1, |n| n as i8) };
        self.used_replica = false;
        self.osd = mapping.acting_primary;
        let any_replica = is_read && !is_write && !pool.is_erasure() && self.osd >= 0;
        if any_replica && let Some(osd) = self.replica(map, &mapping.acting, rules) {
            self.osd = osd;
            self.used_replica = osd != mapping.acting_primary;
        }
        self.mapping = Some(mapping);
        Verdict::Resend
    }
}

impl Target {
    /// The OSD that a read goes to if it need not be the primary.
    fn replica(&self, map: &OsdMap, acting: &[i32], rules: &Rules) -> Option<i32> {
        if self.flags & flag::BALANCE_READS != 0 && !acting.is_empty() {
            let mixed = rules.salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            return Some(acting[mixed as usize % acting.len()]);
        }
        if self.flags & flag::LOCALIZE_READS == 0 {
            return None;
        }
        // The type of the smallest part of the cluster that has both; the earlier one where that is the same.
        let distance = |osd: &i32| map.crush().common_ancestor(*osd, rules.location).unwrap_or(i32::MAX);
        acting.iter().copied().min_by_key(distance)
    }
}

/// Whether OSDs drop writes of this pool that do not say that they know it is full.
pub(super) fn is_full(map: &OsdMap, pool: &Pool) -> bool {
    map.has_flag(map::flag::FULL) || pool.has_flag(pool_flag::FULL)
}

fn primary_changed(old: &UpActing, new: &UpActing) -> bool {
    if old.acting.is_empty() || new.acting.is_empty() {
        return old.acting.is_empty() != new.acting.is_empty();
    }
    let role = |of: &UpActing| of.acting.iter().position(|osd| *osd == of.acting_primary);
    old.acting_primary != new.acting_primary || role(old) != role(new)
}

/// Whether the placement group of a hash is split or merged when a pool's number of them changes.
fn changes_group(hash: u32, old: u32, new: u32) -> bool {
    if old == new || old == 0 || new == 0 {
        return false;
    }
    let seed = fold(hash, old);
    if new > old {
        return has_children(seed, old, new);
    }
    // Merged into another, or another one into it.
    seed >= new || has_children(seed, new, old)
}

fn mask(count: u32) -> u32 {
    if count <= 1 { 0 } else { u32::MAX >> (count - 1).leading_zeros() }
}

fn fold(hash: u32, count: u32) -> u32 {
    if hash & mask(count) < count { hash & mask(count) } else { hash & (mask(count) >> 1) }
}

/// Whether objects of group `seed` of `few` go to other groups when there are `many`.
fn has_children(seed: u32, few: u32, many: u32) -> bool {
    // A child has its parent's lower bits.
    let step = (mask(few) >> 1) + 1;
    let mut child = seed & (step - 1);
    while child < many {
        if child >= few && fold(child, few) == seed {
            return true;
        }
        child = match child.checked_add(step) {
            Some(next) => next,
            None => return false,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_split_are_those_whose_objects_move() {
        for (few, many) in [(1, 2), (4, 8), (8, 12), (12, 13), (12, 64), (5, 7), (1, 1000)] {
            let mut moved = vec![false; few as usize];
            for hash in 0..4096u32 {
                if fold(hash, few) != fold(hash, many) {
                    moved[fold(hash, few) as usize] = true;
                }
            }
            for seed in 0..few {
                assert_eq!(changes_group(seed, few, many), moved[seed as usize], "{seed}: {few} to {many}");
            }
            // The other way round, what is merged and what it is merged into.
            for seed in 0..many {
                let merged = seed >= few || moved[fold(seed, few) as usize];
                assert_eq!(changes_group(seed, many, few), merged, "{seed}: {many} to {few}");
            }
        }
    }
}
