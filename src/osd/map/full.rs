//! The encoding of whole maps: a section for clients, one for OSDs, a checksum.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::blocklist::Blocklist;
use super::codec::{Wrapper, f32_of, i32_of, i64_of, intervals, list, map, text, texts};
use super::osds::Osds;
use super::overlay::{self, Overlay};
use super::tables::Tables;
use super::{MapError, OsdMap, Pool};
use crate::osd::crush::CrushMap;
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::{AddrVec, EntityAddr, Utime};

pub(super) fn decode(bytes: &[u8]) -> Result<OsdMap, MapError> {
    let mut wrapper = Wrapper::open(bytes)?;
    let (version, mut client) = wrapper.body.section(10)?;
    let mut map = client_section(&mut client, version)?;
    let (version, mut osd) = wrapper.body.section(12)?;
    osd_section(&mut osd, version, &mut map)?;
    wrapper.checksum()?;
    Ok(map)
}

pub(super) fn fsid(d: &mut Decoder) -> Result<[u8; 16], Malformed> {
    d.raw(16)?.try_into().map_err(|_| Malformed)
}

pub(super) fn pools(d: &mut Decoder) -> Result<BTreeMap<i64, Pool>, MapError> {
    map(d, 8 + 6 + 60, |d| Ok::<_, MapError>((i64_of(d)?, Pool::decode(d)?)))
}

pub(super) fn names(d: &mut Decoder) -> Result<BTreeMap<i64, String>, Malformed> {
    map(d, 12, |d| Ok((i64_of(d)?, text(d)?)))
}

pub(super) fn profiles(d: &mut Decoder) -> Result<BTreeMap<String, BTreeMap<String, String>>, Malformed> {
    map(d, 8, |d| Ok((text(d)?, texts(d)?)))
}

/// By pool.
pub(super) fn snaps(d: &mut Decoder) -> Result<BTreeMap<i64, Vec<(u64, u64)>>, Malformed> {
    map(d, 12, |d| Ok((i64_of(d)?, intervals(d)?)))
}

pub(super) fn addresses(d: &mut Decoder) -> Result<Vec<(EntityAddr, Utime)>, Malformed> {
    list(d, 10 + 8, |d| Ok((EntityAddr::decode(d)?, Utime::decode(d)?)))
}

fn client_section(d: &mut Decoder, version: u8) -> Result<OsdMap, MapError> {
    let fsid = fsid(d)?;
    let epoch = d.u32()?;
    let (created, modified) = (Utime::decode(d)?, Utime::decode(d)?);
    let pools = pools(d)?;
    let pool_names = names(d)?;
    // Of 32 bits here, of 64 in increments.
    let pool_max = i64::from(i32_of(d)?);
    let flags = d.u32()?;
    let mut osds = Osds::decode(d, version >= 5)?;
    let mut overlay =
        Overlay { temp: overlay::lists(d)?, primary_temp: overlay::singles(d)?, ..Overlay::default() };
    if version >= 2 {
        osds.decode_affinities(d)?;
    }
    let crush = CrushMap::decode(d.blob()?).map_err(MapError::Crush)?;
    let erasure_code_profiles = if version >= 3 { profiles(d)? } else { BTreeMap::new() };
    if version >= 4 {
        overlay.upmap = overlay::lists(d)?;
        overlay.upmap_items = overlay::items(d)?;
    }
    let crush_version = if version >= 6 { d.u32()? } else { 1 };
    let mut new_removed_snaps = BTreeMap::new();
    if version >= 7 {
        new_removed_snaps = snaps(d)?;
        // Snapshots whose data is gone.
        snaps(d)?;
    }
    if version >= 9 {
        // When an OSD last went up or down, and in or out.
        d.raw(16)?;
    }
    if version >= 10 {
        overlay.upmap_primaries = overlay::singles(d)?;
    }
    let pool_ids = pool_names.iter().map(|(&id, name)| (name.clone(), id)).collect();
    let tables = Tables::of(&pools);
    Ok(OsdMap {
        epoch,
        fsid,
        created,
        modified,
        flags,
        pools,
        pool_names,
        pool_ids,
        pool_max,
        osds: Arc::new(osds),
        overlay: Arc::new(overlay),
        crush: Arc::new(crush),
        crush_version,
        erasure_code_profiles,
        new_removed_snaps,
        blocklist: Arc::new(Blocklist::default()),
        nearfull_ratio: 0.0,
        backfillfull_ratio: 0.0,
        full_ratio: 0.0,
        require_min_compat_client: 0,
        require_osd_release: 0,
        tables,
    })
}

/// Of this section, a client needs the blocklist and a few numbers of the whole cluster.
fn osd_section(d: &mut Decoder, version: u8, map: &mut OsdMap) -> Result<(), MapError> {
    // Heartbeat addresses; clean intervals.
    list(d, 5, AddrVec::decode)?;
    list(d, 25, |d| d.raw(25).map(drop))?;
    let mut blocklist = Blocklist::default();
    for (addr, until) in addresses(d)? {
        blocklist.insert(&addr, until);
    }
    // Cluster addresses; a snapshot of the cluster; UUIDs; what is known of OSDs' pasts; more heartbeat addresses.
    list(d, 5, AddrVec::decode)?;
    d.u32()?;
    d.blob()?;
    list(d, 16, |d| d.raw(16).map(drop))?;
    list(d, 6, |d| d.section(u8::MAX).map(drop))?;
    list(d, 5, AddrVec::decode)?;
    if version >= 2 {
        map.nearfull_ratio = f32_of(d)?;
        map.full_ratio = f32_of(d)?;
    }
    if version >= 3 {
        map.backfillfull_ratio = f32_of(d)?;
    }
    if version == 4 {
        d.blob()?;
    }
    if version >= 5 {
        map.require_min_compat_client = d.u8()?;
        map.require_osd_release = d.u8()?;
        map.imply_flags();
    }
    if version >= 6 {
        // Snapshots that are being removed.
        snaps(d)?;
    }
    if version >= 9 {
        // Flags of CRUSH nodes and of device classes.
        list(d, 8, |d| d.raw(8).map(drop))?;
        list(d, 8, |d| d.raw(8).map(drop))?;
    }
    if version >= 10 {
        // Stretch mode: whether it is on, and four numbers.
        d.raw(17)?;
    }
    if version >= 11 {
        for (addr, until) in addresses(d)? {
            blocklist.insert_network(&addr, until);
        }
    }
    map.blocklist = Arc::new(blocklist);
    Ok(())
}
