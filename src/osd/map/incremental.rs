//! Increments: what changed from one epoch to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{Wrapper, f32_of, i32_of, i64_of, list, text, u32_of};
use super::full::{addresses, fsid, names, pools, profiles, snaps};
use super::osds::{Osds, keyed};
use super::overlay::{self, Overlay};
use super::tables::Tables;
use super::{MapError, OsdMap, Pool, full, release};
use crate::osd::crush::CrushMap;
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::{AddrVec, EntityAddr, Pgid, Utime};

/// As it is encoded. Numbers below 0 and empty lists say: no change.
struct Incremental<'a> {
    fsid: [u8; 16],
    epoch: u32,
    modified: Utime,
    pool_max: i64,
    flags: i32,
    full: &'a [u8],
    crush: &'a [u8],
    max_osd: i32,
    pools: BTreeMap<i64, Pool>,
    pool_names: BTreeMap<i64, String>,
    old_pools: Vec<i64>,
    up: Vec<(i32, AddrVec)>,
    states: Vec<(i32, u32)>,
    weights: Vec<(i32, u32)>,
    temp: BTreeMap<Pgid, Vec<i32>>,
    primary_temp: BTreeMap<Pgid, i32>,
    affinities: Vec<(i32, u32)>,
    profiles: BTreeMap<String, BTreeMap<String, String>>,
    old_profiles: Vec<String>,
    overlay: Overlay,
    old_upmap: Vec<Pgid>,
    old_upmap_items: Vec<Pgid>,
    old_upmap_primaries: Vec<Pgid>,
    removed_snaps: BTreeMap<i64, Vec<(u64, u64)>>,
    blocklist: Vec<(EntityAddr, Utime)>,
    old_blocklist: Vec<EntityAddr>,
    networks: Vec<(EntityAddr, Utime)>,
    old_networks: Vec<EntityAddr>,
    nearfull_ratio: f32,
    full_ratio: f32,
    backfillfull_ratio: f32,
    require_min_compat_client: i8,
    require_osd_release: i8,
}

impl<'a> Incremental<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Incremental<'a>, MapError> {
        let mut wrapper = Wrapper::open(bytes)?;
        let (version, mut client) = wrapper.body.section(9)?;
        let mut inc = Incremental::client_section(&mut client, version)?;
        let (version, mut osd) = wrapper.body.section(12)?;
        inc.osd_section(&mut osd, version)?;
        wrapper.checksum()?;
        Ok(inc)
    }

    fn client_section(d: &mut Decoder<'a>, version: u8) -> Result<Incremental<'a>, MapError> {
        let narrow = |d: &mut Decoder| Ok::<_, Malformed>((i32_of(d)?, u32::from(d.u8()?)));
        let number = |d: &mut Decoder| keyed(d, u32_of);
        let mut inc = Incremental {
            fsid: fsid(d)?,
            epoch: d.u32()?,
            modified: Utime::decode(d)?,
            pool_max: i64_of(d)?,
            flags: i32_of(d)?,
            full: d.blob()?,
            crush: d.blob()?,
            max_osd: i32_of(d)?,
            pools: pools(d)?,
            pool_names: names(d)?,
            old_pools: list(d, 8, i64_of)?,
            up: list(d, 9, |d| keyed(d, AddrVec::decode))?,
            states: if version >= 5 { list(d, 8, number)? } else { list(d, 5, narrow)? },
            weights: list(d, 8, number)?,
            temp: overlay::lists(d)?,
            primary_temp: overlay::singles(d)?,
            affinities: if version >= 2 { list(d, 8, number)? } else { Vec::new() },
            profiles: if version >= 3 { profiles(d)? } else { BTreeMap::new() },
            old_profiles: if version >= 3 { list(d, 4, text)? } else { Vec::new() },
            overlay: Overlay::default(),
            old_upmap: Vec::new(),
            old_upmap_items: Vec::new(),
            old_upmap_primaries: Vec::new(),
            removed_snaps: BTreeMap::new(),
            blocklist: Vec::new(),
            old_blocklist: Vec::new(),
            networks: Vec::new(),
            old_networks: Vec::new(),
            nearfull_ratio: -1.0,
            full_ratio: -1.0,
            backfillfull_ratio: -1.0,
            require_min_compat_client: 0,
            require_osd_release: -1,
        };
        if version >= 4 {
            inc.overlay.upmap = overlay::lists(d)?;
            inc.old_upmap = overlay::pgids(d)?;
            inc.overlay.upmap_items = overlay::items(d)?;
            inc.old_upmap_items = overlay::pgids(d)?;
        }
        if version >= 6 {
            inc.removed_snaps = snaps(d)?;
            // Snapshots whose data is gone.
            snaps(d)?;
        }
        if version >= 8 {
            // When an OSD last went up or down, and in or out.
            d.raw(16)?;
        }
        if version >= 9 {
            inc.overlay.upmap_primaries = overlay::singles(d)?;
            inc.old_upmap_primaries = overlay::pgids(d)?;
        }
        Ok(inc)
    }

    fn osd_section(&mut self, d: &mut Decoder, version: u8) -> Result<(), MapError> {
        let addrs = |d: &mut Decoder| list(d, 9, |d| keyed(d, AddrVec::decode)).map(drop);
        let skip = |d: &mut Decoder, bytes: usize| list(d, bytes, |d| d.raw(bytes).map(drop)).map(drop);
        // Heartbeat addresses; epochs until which OSDs were up; clean intervals; OSDs that are lost.
        addrs(d)?;
        skip(d, 8)?;
        skip(d, 12)?;
        skip(d, 8)?;
        self.blocklist = addresses(d)?;
        self.old_blocklist = list(d, 10, EntityAddr::decode)?;
        // Cluster addresses; a snapshot of the cluster; UUIDs; what is known of OSDs' pasts; more heartbeat addresses.
        addrs(d)?;
        d.blob()?;
        skip(d, 20)?;
        list(d, 10, |d| keyed(d, |d| d.section(u8::MAX).map(drop)))?;
        addrs(d)?;
        if version >= 2 {
            // The features by which this was encoded.
            d.u64()?;
        }
        if version >= 3 {
            self.nearfull_ratio = f32_of(d)?;
            self.full_ratio = f32_of(d)?;
        }
        if version >= 4 {
            self.backfillfull_ratio = f32_of(d)?;
        }
        if version == 5 {
            d.blob()?;
        }
        if version >= 6 {
            self.require_min_compat_client = d.u8()? as i8;
            self.require_osd_release = d.u8()? as i8;
        }
        if version >= 9 {
            // Flags of CRUSH nodes and of device classes.
            skip(d, 8)?;
            skip(d, 8)?;
        }
        if version >= 10 {
            // Stretch mode: whether it changes, four numbers, whether it is on.
            d.raw(18)?;
        }
        if version >= 11 {
            self.networks = addresses(d)?;
            self.old_networks = list(d, 10, EntityAddr::decode)?;
        }
        Ok(())
    }

    /// Whether groups of all pools may move.
    fn moves_all(&self) -> bool {
        self.max_osd >= 0
            || !self.crush.is_empty()
            || !self.up.is_empty()
            || !self.states.is_empty()
            || !self.weights.is_empty()
            || !self.affinities.is_empty()
            || self.require_osd_release >= 0
    }

    /// Pools of which a group's exceptions change.
    fn touches(&self, pool: i64) -> bool {
        let mut groups = (self.temp.keys())
            .chain(self.primary_temp.keys())
            .chain(self.overlay.upmap.keys())
            .chain(self.overlay.upmap_items.keys())
            .chain(self.overlay.upmap_primaries.keys())
            .chain(&self.old_upmap)
            .chain(&self.old_upmap_items)
            .chain(&self.old_upmap_primaries);
        groups.any(|pgid| pgid.pool == pool)
    }
}

pub(super) fn next(map: &OsdMap, bytes: &[u8]) -> Result<OsdMap, MapError> {
    let inc = Incremental::decode(bytes)?;
    if inc.epoch != map.epoch.wrapping_add(1) {
        return Err(MapError::Epoch { have: map.epoch, found: inc.epoch });
    }
    if inc.epoch != 1 && inc.fsid != map.fsid {
        return Err(MapError::Fsid);
    }
    if !inc.full.is_empty() {
        let map = full::decode(inc.full)?;
        if map.epoch != inc.epoch || map.fsid != inc.fsid {
            return Err(MapError::Invalid("an increment with a map of another epoch or cluster in it"));
        }
        return Ok(map);
    }
    let mut next = map.clone();
    next.take(&inc)?;
    next.tables = Tables::of(&next.pools);
    if !inc.moves_all() {
        let same = |id: i64| {
            let (before, after) = (map.pools.get(&id), next.pools.get(&id));
            !inc.touches(id) && before.zip(after).is_some_and(|(before, after)| before.maps_as(after))
        };
        next.tables.keep(&map.tables, same);
    }
    Ok(next)
}

impl Pool {
    /// Whether groups of this pool go where those of the other go, all else being equal.
    fn maps_as(&self, other: &Pool) -> bool {
        let key = |pool: &Pool| {
            let flags = pool.flags & (super::pool_flag::HASHPSPOOL | super::pool_flag::EC_OPTIMIZATIONS);
            let counts = (pool.pg_num, pool.pgp_num, pool.size, pool.crush_rule);
            (pool.kind, counts, flags, pool.nonprimary_shards)
        };
        key(self) == key(other)
    }
}

impl OsdMap {
    /// The order is Ceph's: what comes later overrides.
    fn take(&mut self, inc: &Incremental) -> Result<(), MapError> {
        self.epoch = inc.epoch;
        self.fsid = inc.fsid;
        self.modified = inc.modified;
        if inc.flags >= 0 {
            self.flags = inc.flags as u32;
        }
        self.take_pools(inc);
        self.take_osds(inc)?;
        self.take_overlay(inc);
        self.take_blocklist(inc);
        for (ratio, new) in [
            (&mut self.nearfull_ratio, inc.nearfull_ratio),
            (&mut self.backfillfull_ratio, inc.backfillfull_ratio),
            (&mut self.full_ratio, inc.full_ratio),
        ] {
            if new >= 0.0 {
                *ratio = new;
            }
        }
        if inc.require_min_compat_client > 0 {
            self.require_min_compat_client = inc.require_min_compat_client as u8;
        }
        if inc.require_osd_release >= 0 {
            self.require_osd_release = inc.require_osd_release as u8;
        }
        self.imply_flags();
        if !inc.crush.is_empty() {
            self.crush = Arc::new(CrushMap::decode(inc.crush).map_err(MapError::Crush)?);
            if self.require_osd_release >= release::LUMINOUS {
                self.crush_version = self.crush_version.wrapping_add(1);
            }
        }
        Ok(())
    }

    fn take_pools(&mut self, inc: &Incremental) {
        if inc.pool_max != -1 {
            self.pool_max = inc.pool_max;
        }
        for (&id, pool) in &inc.pools {
            self.pools.insert(id, Pool { last_change: inc.epoch, ..pool.clone() });
        }
        self.new_removed_snaps = inc.removed_snaps.clone();
        for (&id, name) in &inc.pool_names {
            if let Some(old) = self.pool_names.insert(id, name.clone()) {
                self.pool_ids.remove(&old);
            }
            self.pool_ids.insert(name.clone(), id);
        }
        for id in &inc.old_pools {
            self.pools.remove(id);
            if let Some(name) = self.pool_names.remove(id) {
                self.pool_ids.remove(&name);
            }
        }
        for name in &inc.old_profiles {
            self.erasure_code_profiles.remove(name);
        }
        for (name, profile) in &inc.profiles {
            self.erasure_code_profiles.insert(name.clone(), profile.clone());
        }
    }

    fn take_osds(&mut self, inc: &Incremental) -> Result<(), MapError> {
        let osds: &mut Osds = Arc::make_mut(&mut self.osds);
        if inc.max_osd >= 0 {
            osds.resize(inc.max_osd)?;
        }
        for &(osd, weight) in &inc.weights {
            osds.set_weight(osd, weight)?;
        }
        for &(osd, affinity) in &inc.affinities {
            let place = osds.place(osd)?;
            osds.affinities[place] = affinity;
        }
        for &(osd, bits) in &inc.states {
            osds.flip(osd, bits)?;
        }
        for (osd, addrs) in &inc.up {
            osds.boot(*osd, addrs.clone())?;
        }
        Ok(())
    }

    fn take_overlay(&mut self, inc: &Incremental) {
        let overlay = Arc::make_mut(&mut self.overlay);
        for (&pgid, osds) in &inc.temp {
            if osds.is_empty() {
                overlay.temp.remove(&pgid);
            } else {
                overlay.temp.insert(pgid, osds.clone());
            }
        }
        for (&pgid, &osd) in &inc.primary_temp {
            if osd == -1 {
                overlay.primary_temp.remove(&pgid);
            } else {
                overlay.primary_temp.insert(pgid, osd);
            }
        }
        overlay.upmap.extend(inc.overlay.upmap.clone());
        overlay.upmap_items.extend(inc.overlay.upmap_items.clone());
        overlay.upmap_primaries.extend(inc.overlay.upmap_primaries.clone());
        for pgid in &inc.old_upmap {
            overlay.upmap.remove(pgid);
        }
        for pgid in &inc.old_upmap_items {
            overlay.upmap_items.remove(pgid);
        }
        for pgid in &inc.old_upmap_primaries {
            overlay.upmap_primaries.remove(pgid);
        }
    }

    fn take_blocklist(&mut self, inc: &Incremental) {
        let changes =
            [inc.blocklist.len(), inc.old_blocklist.len(), inc.networks.len(), inc.old_networks.len()];
        if changes == [0; 4] {
            return;
        }
        let blocklist = Arc::make_mut(&mut self.blocklist);
        inc.blocklist.iter().for_each(|(addr, until)| blocklist.insert(addr, *until));
        inc.old_blocklist.iter().for_each(|addr| blocklist.remove(addr));
        inc.networks.iter().for_each(|(addr, until)| blocklist.insert_network(addr, *until));
        inc.old_networks.iter().for_each(|addr| blocklist.remove_network(addr));
    }
}
