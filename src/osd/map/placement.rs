//! From an object's name to the OSDs that serve it.
//!
//! CRUSH gives the raw OSDs of a group; exceptions replace some of them (upmap); those that are there and up are `up`;
//! who is primary is weighed by affinity; temporary exceptions make `acting` of it.

use super::osds::WHOLE;
use super::pool::{Pool, PoolKind, flag};
use super::{NO_OSD, OsdMap, UpActing, release};
use crate::wire::hash::{crush2, dcache, placement_name, rjenkins};
use crate::wire::types::Pgid;

/// CEPH_STR_HASH_LINUX; all other pools use rjenkins.
const HASH_LINUX: u8 = 1;

impl Pool {
    /// The hash of an object's name or, if it is not empty, locator key.
    pub fn hash(&self, namespace: &[u8], key: &[u8], oid: &[u8]) -> u32 {
        let name = placement_name(namespace, key, oid);
        if self.object_hash == HASH_LINUX { dcache(&name) } else { rjenkins(&name) }
    }

    /// CRUSH's input for a group. Other pools' groups go elsewhere, unless the pool is older than that.
    pub(super) fn crush_input(&self, pgid: Pgid) -> u32 {
        let seed = self.fold_placement(pgid.seed);
        if self.has_flag(flag::HASHPSPOOL) {
            crush2(seed, pgid.pool as u32)
        } else {
            seed.wrapping_add(pgid.pool as u32)
        }
    }

    /// Exceptions of optimized erasure pools name the shards first that can be primary: back to the order of shards.
    fn by_shard(&self, listed: Vec<i32>) -> Vec<i32> {
        let size = usize::from(self.size);
        let optimized = self.has_flag(flag::EC_OPTIMIZATIONS) && self.nonprimary_shards != 0;
        if !optimized || listed.len() != size {
            return listed;
        }
        let never_primary = |shard: usize| shard < 128 && self.nonprimary_shards >> shard & 1 == 1;
        let (mut next, mut next_other) = (0, (0..size).filter(|&shard| !never_primary(shard)).count());
        let take = |next: &mut usize| {
            *next += 1;
            listed[*next - 1]
        };
        (0..size).map(|shard| take(if never_primary(shard) { &mut next_other } else { &mut next })).collect()
    }
}

fn first(osds: &[i32]) -> i32 {
    osds.iter().copied().find(|&osd| osd != NO_OSD).unwrap_or(-1)
}

impl OsdMap {
    pub(super) fn compute(&self, pool: &Pool, pgid: Pgid) -> UpActing {
        let input = pool.crush_input(pgid);
        let mut osds = self.raw(pool, pgid, input);
        self.apply_upmap(pgid, &mut osds);
        self.keep(pool, &mut osds, |osd| self.osds.is_up(osd));
        let mut up = osds;
        let mut up_primary = first(&up);
        self.apply_affinity(pool, input, &mut up, &mut up_primary);

        let listed = self.overlay.temp.get(&pgid).cloned().unwrap_or_default();
        let mut acting = listed;
        self.keep(pool, &mut acting, |osd| self.osds.is_up(osd));
        let mut acting_primary = match self.overlay.primary_temp.get(&pgid) {
            Some(&primary) => primary,
            None => first(&acting),
        };
        if acting.is_empty() {
            acting = up.clone();
            if acting_primary == -1 {
                acting_primary = up_primary;
            }
        } else {
            acting = pool.by_shard(acting);
        }
        UpActing { up, up_primary, acting, acting_primary }
    }

    /// Leaves out the OSDs that are not `good`: where places mean something, by a hole.
    fn keep(&self, pool: &Pool, osds: &mut Vec<i32>, good: impl Fn(i32) -> bool) {
        if pool.can_shift_osds() {
            osds.retain(|&osd| good(osd));
        } else {
            osds.iter_mut().filter(|osd| !good(**osd)).for_each(|osd| *osd = NO_OSD);
        }
    }

    fn raw(&self, pool: &Pool, pgid: Pgid, input: u32) -> Vec<i32> {
        // Until Quincy, a rule was looked up by its ruleset, and was for some kinds and sizes of pools only.
        let rule = if self.require_osd_release >= release::QUINCY {
            Some(u32::from(pool.crush_rule)).filter(|&rule| self.crush.has_rule(rule))
        } else {
            let kind = match pool.kind {
                PoolKind::Replicated => 1,
                PoolKind::Erasure => 3,
                PoolKind::Other(other) => other,
            };
            self.crush.find_rule(pool.crush_rule, kind, pool.size)
        };
        let Some(rule) = rule else { return Vec::new() };
        let size = usize::from(pool.size);
        match self.crush.map(rule, input, size, &self.osds.weights, pgid.pool) {
            Ok(mut osds) => {
                self.keep(pool, &mut osds, |osd| self.osds.exists(osd));
                osds
            }
            Err(fault) => {
                tracing::error!(%pgid, epoch = self.epoch, "cannot be mapped: {fault}");
                Vec::new()
            }
        }
    }

    /// Whether an exception may not lead to this OSD: it is out.
    fn is_out(&self, osd: i32) -> bool {
        self.osds.weight(osd) == Some(0)
    }

    fn apply_upmap(&self, pgid: Pgid, osds: &mut Vec<i32>) {
        if let Some(instead) = self.overlay.upmap.get(&pgid) {
            // As in Ceph, the other exceptions of this group then do not count either.
            if instead.iter().any(|&osd| self.is_out(osd)) {
                return;
            }
            osds.clone_from(instead);
        }
        for &(from, to) in self.overlay.upmap_items.get(&pgid).into_iter().flatten() {
            if osds.contains(&to) || self.is_out(to) {
                continue;
            }
            if let Some(osd) = osds.iter_mut().find(|osd| **osd == from) {
                *osd = to;
            }
        }
        if let Some(&primary) = self.overlay.upmap_primaries.get(&pgid)
            && self.osds.weight(primary).is_some_and(|weight| weight > 0)
            && let Some(place) = osds.iter().skip(1).position(|&osd| osd == primary)
        {
            osds.swap(0, place + 1);
        }
    }

    /// An OSD of affinity below 1 is passed over for that share of the groups of which it would be primary.
    fn apply_affinity(&self, pool: &Pool, input: u32, osds: &mut [i32], primary: &mut i32) {
        let there = |osd: &i32| *osd != NO_OSD;
        if osds.iter().copied().filter(there).all(|osd| self.osds.affinity(osd) == WHOLE) {
            return;
        }
        let refuses = |osd: i32| {
            let affinity = self.osds.affinity(osd);
            affinity < WHOLE && crush2(input, osd as u32) >> 16 >= affinity
        };
        let places = || (0..osds.len()).filter(|&place| there(&osds[place]));
        // If all of them refuse, it is the first one all the same.
        let Some(place) = places().find(|&place| !refuses(osds[place])).or_else(|| places().next()) else {
            return;
        };
        *primary = osds[place];
        if pool.can_shift_osds() {
            osds[..=place].rotate_right(1);
        }
    }
}
