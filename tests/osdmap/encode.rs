//! OSD maps as Pacific's monitors write them, with everything in them that decides where a placement group is.

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
    pub crush: Vec<u8>,
}

const FSID: [u8; 16] = [7; 16];
const PACIFIC: u8 = 16;

fn map<K, V>(e: &mut Encoder, map: &BTreeMap<K, V>, mut item: impl FnMut(&mut Encoder, &K, &V)) {
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
        e.section(29, 5, |e| {
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
        });
    }
}

impl Map {
    fn client_section(&self, e: &mut Encoder) {
        e.raw(&FSID).u32(1).u64(0).u64(0);
        map(e, &self.pools, |e, id, pool| {
            e.u64(*id as u64);
            pool.encode(e);
        });
        map(e, &self.pools, |e, id, _| {
            e.u64(*id as u64).string(&format!("pool{id}"));
        });
        e.u32(self.pools.keys().max().copied().unwrap_or(0) as u32);
        e.u32(0).u32(self.states.len() as u32);
        numbers(e, &self.states);
        numbers(e, &self.weights);
        addrs(e, self.states.len(), 6800);
        map(e, &self.temp, |e, pgid, list| {
            pgid.encode(e);
            osds(e, list);
        });
        map(e, &self.primary_temp, |e, pgid, osd| {
            pgid.encode(e);
            e.u32(*osd as u32);
        });
        numbers(e, &self.affinities);
        e.blob(&self.crush).u32(0);
        map(e, &self.upmap, |e, pgid, list| {
            pgid.encode(e);
            osds(e, list);
        });
        map(e, &self.upmap_items, |e, pgid, pairs| {
            pgid.encode(e);
            e.u32(pairs.len() as u32);
            for (from, to) in pairs {
                e.u32(*from as u32).u32(*to as u32);
            }
        });
        e.u32(1).u32(0).u32(0).u64(0).u64(0);
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
        let mut front = 0;
        let mut encoder = Encoder::new();
        encoder.section(8, 7, |e| {
            let mut body = Encoder::new();
            body.section(9, 1, |e| self.client_section(e));
            body.section(9, 1, |e| self.osd_section(e));
            let body = body.finish();
            front = 6 + body.len();
            e.raw(&body).u32(0);
        });
        let mut bytes = encoder.finish().to_vec();
        let checksum = !crc32c::crc32c(&bytes[..front]);
        bytes[front..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}
