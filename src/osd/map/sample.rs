//! OSD maps as monitors write them, with everything in them that decides where a placement group is: for the tests of this
//! room, for tests/osdmap, and as seeds for fuzzing. In Pacific's encoding, or in a later one where the map needs it.

use std::collections::BTreeMap;

use logrbd::wire::denc::Encoder;
use logrbd::wire::features::MSG_ADDR2;
use logrbd::wire::types::{AddrVec, EntityAddr, Pgid};

pub struct Pool {
    pub erasure: bool,
    pub size: u8,
    pub rule: u8,
    pub pg_num: u32,
    pub pgp_num: u32,
    pub flags: u64,
    pub object_hash: u8,
    /// With this, as in Tentacle.
    pub nonprimary_shards: Option<u128>,
}

#[derive(Default)]
pub struct Map {
    pub pools: BTreeMap<i64, Pool>,
    pub states: Vec<u32>,
    pub weights: Vec<u32>,
    /// Empty: none is set.
    pub affinities: Vec<u32>,
    pub temp: BTreeMap<Pgid, Vec<i32>>,
    pub primary_temp: BTreeMap<Pgid, i32>,
    pub upmap: BTreeMap<Pgid, Vec<i32>>,
    pub upmap_items: BTreeMap<Pgid, Vec<(i32, i32)>>,
    /// With any of these, as in Reef.
    pub upmap_primaries: BTreeMap<Pgid, i32>,
    pub crush: Vec<u8>,
}

const FSID: [u8; 16] = [7; 16];
const PACIFIC: u8 = 16;

fn map_of<K, V>(e: &mut Encoder, map: &BTreeMap<K, V>, mut item: impl FnMut(&mut Encoder, &K, &V)) {
    e.u32(map.len() as u32);
    for (key, value) in map {
        item(e, key, value);
    }
}

fn numbers(e: &mut Encoder, list: &[u32]) {
    e.u32(list.len() as u32);
    for number in list {
        e.u32(*number);
    }
}

fn osds(e: &mut Encoder, list: &[i32]) {
    e.u32(list.len() as u32);
    for osd in list {
        e.u32(*osd as u32);
    }
}

fn addrs(e: &mut Encoder, count: usize, port: u16) {
    e.u32(count as u32);
    for osd in 0..count {
        let socket = std::net::SocketAddr::from(([127, 0, 0, 1], port + osd as u16));
        AddrVec(vec![EntityAddr::msgr2(socket, 5)]).encode(e, MSG_ADDR2);
    }
}

impl Pool {
    fn encode(&self, e: &mut Encoder) {
        let version = if self.nonprimary_shards.is_some() { 32 } else { 29 };
        e.section(version, 5, |e| {
            e.u8(if self.erasure { 3 } else { 1 }).u8(self.size).u8(self.rule).u8(self.object_hash);
            e.u32(self.pg_num).u32(self.pgp_num).u32(0).u32(0);
            e.u32(1).u64(0).u32(0).u32(0).u32(0).u64(0);
            e.u64(self.flags).u32(0).u8(1).u64(0).u64(0);
            e.u32(0).u64(-1i64 as u64).u8(0).u64(-1i64 as u64).u64(-1i64 as u64);
            e.u32(0);
            // No hit sets.
            e.section(1, 1, |e| {
                e.u8(0);
            });
            e.u32(0).u32(0);
            e.u32(if self.erasure { 8192 } else { 0 });
            e.u64(0).u64(0).u32(400_000).u32(800_000).u32(0).u32(0);
            e.string("").u32(0).u32(1).u64(0).u32(600_000).u32(1).u8(1).u8(0).u32(0).u32(1);
            e.section(2, 1, |e| {
                e.u32(0);
            });
            e.u32(0).u32(0).u64(0);
            e.u32(self.pg_num).u32(self.pgp_num).u32(self.pg_num).u32(0).u32(0).u32(0).u8(0);
            e.section(1, 1, |e| {
                Pgid { pool: -1, seed: 0 }.encode(e);
                e.u32(0).u32(0).u32(0).u64(0).u32(0).u64(0).u32(0);
            });
            if let Some(shards) = self.nonprimary_shards {
                // Not stretched.
                e.u8(0);
                varint(e, shards as u64);
                varint(e, (shards >> 64) as u64);
            }
        });
    }
}

fn varint(e: &mut Encoder, mut value: u64) {
    while value >= 0x80 {
        e.u8(value as u8 | 0x80);
        value >>= 7;
    }
    e.u8(value as u8);
}

impl Map {
    fn client_section(&self, e: &mut Encoder) {
        e.raw(&FSID).u32(1).u64(0).u64(0);
        map_of(e, &self.pools, |e, id, pool| {
            e.u64(*id as u64);
            pool.encode(e);
        });
        map_of(e, &self.pools, |e, id, _| {
            e.u64(*id as u64).string(&format!("pool{id}"));
        });
        e.u32(self.pools.keys().max().copied().unwrap_or(0) as u32);
        e.u32(0).u32(self.states.len() as u32);
        numbers(e, &self.states);
        numbers(e, &self.weights);
        addrs(e, self.states.len(), 6800);
        map_of(e, &self.temp, |e, pgid, list| {
            pgid.encode(e);
            osds(e, list);
        });
        map_of(e, &self.primary_temp, |e, pgid, osd| {
            pgid.encode(e);
            e.u32(*osd as u32);
        });
        numbers(e, &self.affinities);
        e.blob(&self.crush).u32(0);
        map_of(e, &self.upmap, |e, pgid, list| {
            pgid.encode(e);
            osds(e, list);
        });
        map_of(e, &self.upmap_items, |e, pgid, pairs| {
            pgid.encode(e);
            e.u32(pairs.len() as u32);
            for (from, to) in pairs {
                e.u32(*from as u32).u32(*to as u32);
            }
        });
        e.u32(1).u32(0).u32(0).u64(0).u64(0);
        if !self.upmap_primaries.is_empty() {
            map_of(e, &self.upmap_primaries, |e, pgid, osd| {
                pgid.encode(e);
                e.u32(*osd as u32);
            });
        }
    }

    fn osd_section(&self, e: &mut Encoder) {
        let count = self.states.len();
        addrs(e, count, 7800);
        e.u32(count as u32);
        for _ in 0..count {
            e.u8(1).raw(&[0; 24]);
        }
        e.u32(0);
        addrs(e, count, 8800);
        e.u32(0).string("").u32(count as u32);
        for _ in 0..count {
            e.raw(&[0; 16]);
        }
        e.u32(count as u32);
        for _ in 0..count {
            e.section(4, 1, |e| {
                e.u64(0).u32(0).u32(0).u64(0).u32(0).u64(0).u32(0);
            });
        }
        addrs(e, count, 9800);
        let ratio = |ratio: f32| ratio.to_bits();
        e.u32(ratio(0.85)).u32(ratio(0.95)).u32(ratio(0.9)).u8(12).u8(PACIFIC);
        e.u32(0).u32(0).u32(0);
    }

    pub fn encode(&self) -> Vec<u8> {
        let client = if self.upmap_primaries.is_empty() { 9 } else { 10 };
        let sections = |body: &mut Encoder| {
            body.section(client, 1, |e| self.client_section(e));
            body.section(9, 1, |e| self.osd_section(e));
        };
        sealed(sections, &[])
    }
}

/// Two sections, and after them a checksum of all that is before and behind it.
fn sealed(sections: impl FnOnce(&mut Encoder), tail: &[u8]) -> Vec<u8> {
    let mut body = Encoder::new();
    sections(&mut body);
    let body = body.finish();
    let front = 6 + body.len();
    let mut encoder = Encoder::new();
    encoder.section(8, 7, |e| {
        e.raw(&body).u32(0).raw(tail);
    });
    let mut bytes = encoder.finish().to_vec();
    let checksum = !crc_fast::crc32_iscsi(&[&bytes[..front], tail].concat());
    bytes[front..front + 4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Pool 1 with three copies and pool 2 with four shards; the OSDs of `crush` (twelve) are up and in.
pub fn map(crush: Vec<u8>) -> Map {
    let pool = |erasure: bool| Pool {
        erasure,
        size: if erasure { 4 } else { 3 },
        rule: erasure.into(),
        pg_num: 64,
        pgp_num: 64,
        flags: 1,
        object_hash: 2,
        nonprimary_shards: None,
    };
    Map {
        pools: [(1, pool(false)), (2, pool(true))].into(),
        states: vec![3; 12],
        weights: vec![0x1_0000; 12],
        crush,
        ..Map::default()
    }
}

/// What changes to an epoch.
pub struct Increment {
    pub fsid: [u8; 16],
    pub epoch: u32,
    /// -1: stays.
    pub max_osd: i32,
    /// Bits of states that are flipped; 0: up.
    pub states: Vec<(i32, u32)>,
    pub temp: Vec<(Pgid, Vec<i32>)>,
    pub pools: BTreeMap<i64, Pool>,
    pub crush: Vec<u8>,
}

impl Increment {
    pub fn to(epoch: u32) -> Increment {
        let (states, temp, pools, crush) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        Increment { fsid: FSID, epoch, max_osd: -1, states, temp, pools, crush }
    }

    fn client_section(&self, e: &mut Encoder) {
        e.raw(&self.fsid).u32(self.epoch).u64(0).u64(u64::MAX).u32(u32::MAX).u32(0);
        e.blob(&self.crush).u32(self.max_osd as u32);
        map_of(e, &self.pools, |e, id, pool| {
            e.u64(*id as u64);
            pool.encode(e);
        });
        // No names, removed pools, or OSDs that came up.
        e.u32(0).u32(0).u32(0).u32(self.states.len() as u32);
        for (osd, bits) in &self.states {
            e.u32(*osd as u32).u32(*bits);
        }
        e.u32(0).u32(self.temp.len() as u32);
        for (pgid, list) in &self.temp {
            pgid.encode(e);
            osds(e, list);
        }
        // No primaries, affinities or profiles; exceptions; snapshots; times.
        e.u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u64(0).u64(0);
    }

    fn osd_section(&self, e: &mut Encoder) {
        e.u32(0).u32(0).u32(0).u32(0);
        // One more client is fenced.
        e.u32(1);
        let socket = std::net::SocketAddr::from(([10, 0, 0, 1], 0));
        EntityAddr::msgr2(socket, self.epoch).encode(e, MSG_ADDR2);
        e.u64(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u64(0);
        let same = (-1f32).to_bits();
        e.u32(same).u32(same).u32(same).u8(0).u8(0xff).u32(0).u32(0);
    }

    pub fn encode(&self) -> Vec<u8> {
        let sections = |body: &mut Encoder| {
            body.section(8, 1, |e| self.client_section(e));
            body.section(9, 1, |e| self.osd_section(e));
        };
        // The checksum of the map that comes of it, which is not looked at.
        sealed(sections, &[1, 2, 3, 4])
    }
}
