//! The monitor map: who the monitors are and where they listen.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::features;
use crate::wire::types::{AddrVec, Utime};

/// One monitor (mon_info_t).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MonInfo {
    pub name: String,
    pub addrs: AddrVec,
    /// Lower ones are tried first.
    pub priority: u16,
    /// How often it is chosen among those of one priority; all zero: evenly.
    pub weight: u16,
    /// CRUSH type to bucket, for stretch clusters.
    pub location: BTreeMap<String, String>,
}

/// All monitors (MonMap, struct versions 6 to 9 and what later ones append).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MonMap {
    /// 0: made up from the configuration.
    pub epoch: u32,
    pub fsid: [u8; 16],
    pub last_changed: Utime,
    pub created: Utime,
    pub persistent_features: u64,
    pub optional_features: u64,
    pub mons: BTreeMap<String, MonInfo>,
    /// Names in order of rank; each is in `mons`.
    pub ranks: Vec<String>,
    /// The oldest release that a monitor of this cluster may be: 16 is Pacific. 0: not said.
    pub min_mon_release: u8,
    pub removed_ranks: BTreeSet<u32>,
    /// 1: classic, 2: disallow, 3: connectivity.
    pub strategy: u8,
    pub disallowed_leaders: BTreeSet<String>,
    pub stretch_mode: bool,
    pub tiebreaker: String,
    pub stretch_marked_down: BTreeSet<String>,
}

impl MonMap {
    /// A map made up from addresses, in order of rank.
    pub fn made_up(mons: Vec<(String, AddrVec)>) -> MonMap {
        let mut map = MonMap::default();
        for (name, addrs) in mons {
            map.ranks.push(name.clone());
            map.mons.insert(name.clone(), MonInfo { name, addrs, ..MonInfo::default() });
        }
        map
    }

    pub fn by_rank(&self, rank: i32) -> Option<&MonInfo> {
        self.mons.get(self.ranks.get(usize::try_from(rank).ok()?)?)
    }

    /// The name of the monitor that listens at one of these addresses.
    pub fn name_at(&self, addrs: &AddrVec) -> Option<&str> {
        let same = |info: &&MonInfo| {
            info.addrs.0.iter().any(|a| addrs.0.iter().any(|b| a.socket.is_some() && a.socket == b.socket))
        };
        self.mons.values().find(same).map(|info| info.name.as_str())
    }

    pub fn encode(&self) -> bytes::Bytes {
        let mut e = Encoder::new();
        e.section(9, 6, |e| {
            e.raw(&self.fsid).u32(self.epoch);
            self.last_changed.encode(e);
            self.created.encode(e);
            for bits in [self.persistent_features, self.optional_features] {
                e.section(1, 1, |e| {
                    e.u64(bits);
                });
            }
            e.u32(self.mons.len() as u32);
            for (name, info) in &self.mons {
                e.string(name);
                info.encode(e);
            }
            strings(e, self.ranks.iter());
            e.u8(self.min_mon_release);
            e.u32(self.removed_ranks.len() as u32);
            for rank in &self.removed_ranks {
                e.u32(*rank);
            }
            e.u8(self.strategy);
            strings(e, self.disallowed_leaders.iter());
            e.u8(self.stretch_mode.into()).string(&self.tiebreaker);
            strings(e, self.stretch_marked_down.iter());
        });
        e.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<MonMap, Malformed> {
        let (version, mut d) = Decoder::new(bytes).section(9)?;
        if version < 6 {
            return Err(Malformed); // older than Nautilus
        }
        let mut map = MonMap {
            fsid: d.raw(16)?.try_into().map_err(|_| Malformed)?,
            epoch: d.u32()?,
            last_changed: Utime::decode(&mut d)?,
            created: Utime::decode(&mut d)?,
            persistent_features: d.section(1)?.1.u64()?,
            optional_features: d.section(1)?.1.u64()?,
            ..MonMap::default()
        };
        for _ in 0..count(&mut d, 4)? {
            let name = d.string()?;
            map.mons.insert(name, MonInfo::decode(&mut d)?);
        }
        map.ranks = (0..count(&mut d, 4)?).map(|_| d.string()).collect::<Result<_, _>>()?;
        if map.ranks.iter().any(|name| !map.mons.contains_key(name)) {
            return Err(Malformed);
        }
        if version >= 7 {
            map.min_mon_release = d.u8()?;
        }
        if version >= 8 {
            map.removed_ranks = (0..count(&mut d, 4)?).map(|_| d.u32()).collect::<Result<_, _>>()?;
            map.strategy = d.u8()?;
            map.disallowed_leaders = (0..count(&mut d, 4)?).map(|_| d.string()).collect::<Result<_, _>>()?;
        }
        if version >= 9 {
            map.stretch_mode = d.u8()? != 0;
            map.tiebreaker = d.string()?;
            map.stretch_marked_down = (0..count(&mut d, 4)?).map(|_| d.string()).collect::<Result<_, _>>()?;
        }
        Ok(map)
    }
}

impl MonInfo {
    fn encode(&self, e: &mut Encoder) {
        e.section(5, 1, |e| {
            e.string(&self.name);
            self.addrs.encode(e, features::MSG_ADDR2);
            e.u16(self.priority).u16(self.weight).u32(self.location.len() as u32);
            for (kind, bucket) in &self.location {
                e.string(kind).string(bucket);
            }
        });
    }

    fn decode(d: &mut Decoder) -> Result<MonInfo, Malformed> {
        let (version, mut d) = d.section(5)?;
        let mut info = MonInfo { name: d.string()?, addrs: AddrVec::decode(&mut d)?, ..MonInfo::default() };
        if version >= 2 {
            info.priority = d.u16()?;
        }
        if version >= 4 {
            info.weight = d.u16()?;
        }
        if version >= 5 {
            for _ in 0..count(&mut d, 8)? {
                let kind = d.string()?;
                info.location.insert(kind, d.string()?);
            }
        }
        Ok(info)
    }
}

/// A count of elements that take `least` bytes each at the least.
pub(super) fn count(d: &mut Decoder, least: usize) -> Result<usize, Malformed> {
    let count = d.u32()? as usize;
    if count > d.remaining() / least { Err(Malformed) } else { Ok(count) }
}

fn strings<'a>(e: &mut Encoder, all: impl ExactSizeIterator<Item = &'a String>) {
    e.u32(all.len() as u32);
    for one in all {
        e.string(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ceph mon getmap` of a cluster of 16.2.15 with one monitor.
    const PACIFIC: &str = "0906c3000000a51806438188431d9867b2c0faf775f9010000005291096b7f4dd6095291096b7f4dd60901010800\
        0000ff00000000000000010108000000000000000000000001000000010000006105015800000001000000610202000000\
        0101011c00000002000000000000001000000002002f627f00000100000000000000000101011c00000001000000000000\
        001000000002002f637f00000100000000000000000000000000000000010000000100000061100000000001000000\
        00000000000000000000";

    #[test]
    fn a_map_of_pacific() {
        let bytes = crate::mon::testing::hex(PACIFIC);
        let map = MonMap::decode(&bytes).unwrap();
        assert_eq!(map.epoch, 1);
        assert_eq!(map.ranks, ["a"]);
        assert_eq!(map.min_mon_release, 16);
        assert_eq!(map.by_rank(0).unwrap().addrs.to_string(), "[v2:127.0.0.1:12130/0,v1:127.0.0.1:12131/0]");
        assert_eq!(map.by_rank(1), None);
        assert_eq!(map.by_rank(-1), None);
        assert_eq!(map.name_at(&map.mons["a"].addrs.clone()), Some("a"));
        assert_eq!(map.name_at(&AddrVec::default()), None);
        assert_eq!(map.encode()[..], bytes[..]);
    }

    #[test]
    fn fields_of_later_releases_are_skipped_and_earlier_ones_may_be_missing() {
        let bytes = crate::mon::testing::hex(PACIFIC);
        let mut later = bytes.clone();
        later[0] = 12;
        later[2] += 3;
        later.extend([1, 2, 3]);
        assert_eq!(MonMap::decode(&later), MonMap::decode(&bytes));
        // Version 7 ends after the release.
        let mut seven = bytes[..bytes.len() - 18].to_vec();
        seven[0] = 7;
        seven[2] -= 18;
        let map = MonMap::decode(&seven).unwrap();
        assert_eq!((map.min_mon_release, map.strategy), (16, 0));
        seven[0] = 5;
        assert_eq!(MonMap::decode(&seven), Err(Malformed));
        for cut in 0..bytes.len() {
            assert!(MonMap::decode(&bytes[..cut]).is_err());
        }
    }
}
