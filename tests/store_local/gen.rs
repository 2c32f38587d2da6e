//! Random op lists from a seed.

use std::collections::BTreeMap;

use bytes::Bytes;
use logrbd::env::splitmix64;
use logrbd::store::lock::{BreakOp, LockOp, LockType, UnlockOp, encode_get_info};
use logrbd::store::{CmpMode, CmpValue, Op, PoolId, Request, Target};
use logrbd::wire::types::EntityName;

/// A seeded generator (SplitMix64).
pub struct Rng(u64);

impl Rng {
    /// `LOGRBD_SEED` replays a run; otherwise the seed is new. Printed, so that a failure can be replayed.
    pub fn from_env(test: &str) -> Rng {
        let seed = match std::env::var("LOGRBD_SEED") {
            Ok(seed) => seed.parse().expect("LOGRBD_SEED is a number"),
            Err(_) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                now.as_nanos() as u64 % 1_000_000_007
            }
        };
        eprintln!("{test}: LOGRBD_SEED={seed}");
        Rng(seed)
    }

    pub fn with_seed(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        splitmix64(self.0)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    pub fn bytes(&mut self, length: usize) -> Bytes {
        let mut data = Vec::with_capacity(length + 8);
        while data.len() < length {
            data.extend_from_slice(&self.next().to_le_bytes());
        }
        data.truncate(length);
        data.into()
    }
}

/// Lengths around every size at which the local store changes its ways.
fn length(rng: &mut Rng) -> usize {
    match rng.below(20) {
        0 => 0,
        1..=8 => rng.below(300) as usize,
        9..=12 => rng.below(20_000) as usize,
        13 => 4096 * (1 + rng.below(8) as usize),
        14 => 16_383 + rng.below(3) as usize,
        15..=17 => rng.below(120_000) as usize,
        18 => (256 << 10) - 1 + rng.below(3) as usize,
        _ => (1 << 20) - 1 + rng.below(700_000) as usize,
    }
}

fn offset(rng: &mut Rng) -> u64 {
    match rng.below(6) {
        0 => 0,
        1 => rng.below(100),
        2 => 4096 * rng.below(64),
        3 => rng.below(40_000),
        4 => rng.below(600_000),
        _ => rng.below(2 << 20),
    }
}

fn small(rng: &mut Rng) -> Bytes {
    let length = rng.below(12) as usize;
    rng.bytes(length)
}

fn key(rng: &mut Rng) -> Bytes {
    let keys: [&[u8]; 8] = [b"", b"a", b"a\0b", b"ab", b"b", b"key1", b"key2", b"\xff\xfe"];
    Bytes::copy_from_slice(keys[rng.below(8) as usize])
}

fn xattr(rng: &mut Rng) -> String {
    rng.pick(&["a", "b", "n", "lock.x", ""]).to_owned()
}

fn mode(rng: &mut Rng) -> CmpMode {
    rng.pick(&[CmpMode::Eq, CmpMode::Ne, CmpMode::Gt, CmpMode::Gte, CmpMode::Lt, CmpMode::Lte])
}

fn lock_call(rng: &mut Rng) -> Op {
    let name = rng.pick(&["l", "m"]).to_owned();
    let cookie = rng.pick(&["c1", "c2"]).to_owned();
    let (method, input) = match rng.below(6) {
        0..=1 => {
            let kind = rng.pick(&[LockType::Exclusive, LockType::Shared, LockType::ExclusiveEphemeral]);
            let flags = rng.below(4) as u8;
            ("lock", LockOp { name, kind, cookie, flags, ..LockOp::default() }.encode())
        }
        2..=3 => ("unlock", UnlockOp { name, cookie }.encode()),
        4 => ("get_info", encode_get_info(&name)),
        _ => ("break_lock", BreakOp { name, locker: EntityName::client(4101), cookie }.encode()),
    };
    Op::Exec { class: "lock".into(), method: method.into(), input }
}

fn write_op(rng: &mut Rng) -> Op {
    let data = |rng: &mut Rng| {
        let length = length(rng);
        rng.bytes(length)
    };
    match rng.below(32) {
        0..=7 => Op::Write { offset: offset(rng), data: data(rng) },
        8..=9 => Op::WriteFull { data: data(rng) },
        10..=14 => Op::Append { data: data(rng) },
        15..=17 => Op::Zero { offset: offset(rng), length: rng.below(200_000) },
        18..=19 => Op::Truncate { size: offset(rng) },
        20 => Op::Create { exclusive: rng.chance(2) },
        21 => Op::Remove,
        22 => {
            let data = small(rng);
            Op::WriteSame { offset: offset(rng), length: data.len() as u64 * rng.below(50), data }
        }
        23..=24 => Op::SetXattr { name: xattr(rng), value: small(rng) },
        25 => Op::RmXattr { name: xattr(rng) },
        26 => {
            let pairs = (0..rng.below(4)).map(|_| (key(rng), small(rng))).collect::<BTreeMap<_, _>>();
            Op::OmapSet { pairs }
        }
        27 => Op::OmapRmKeys { keys: vec![key(rng), key(rng)] },
        28 => Op::OmapRmRange { begin: key(rng), end: key(rng) },
        29 => Op::OmapSetHeader { data: small(rng) },
        30 => {
            if rng.chance(4) {
                Op::OmapClear
            } else {
                Op::SetAllocHint { expected_object_size: 1, expected_write_size: 1, flags: 0 }
            }
        }
        _ => lock_call(rng),
    }
}

/// A write whose outcome does not depend on who runs it.
pub fn plain_write_op(rng: &mut Rng) -> Op {
    loop {
        match write_op(rng) {
            Op::Exec { .. } => {}
            op => return op,
        }
    }
}

fn guard(rng: &mut Rng) -> Op {
    match rng.below(6) {
        0 => Op::AssertExists,
        1 => Op::AssertVersion(rng.below(30)),
        2 => {
            let value = if rng.chance(2) { CmpValue::Bytes(small(rng)) } else { CmpValue::U64(rng.below(9)) };
            Op::CmpXattr { name: xattr(rng), mode: mode(rng), value }
        }
        3 => Op::CmpExt { offset: offset(rng), data: Bytes::from(vec![0; rng.below(5) as usize]) },
        _ => Op::OmapCmp { key: key(rng), value: small(rng), mode: mode(rng) },
    }
}

pub fn read_op(rng: &mut Rng) -> Op {
    match rng.below(12) {
        0..=2 => Op::Read { offset: offset(rng), length: rng.below(500_000) },
        3 => Op::SparseRead { offset: offset(rng), length: rng.below(3 << 20) },
        4 => Op::Checksum {
            kind: rng.below(4) as u8,
            init: Bytes::from(vec![1; if rng.chance(2) { 4 } else { 8 }]),
            offset: offset(rng),
            length: 4096 * rng.below(4),
            chunk_size: rng.pick(&[0, 4096, 1000]),
        },
        5 => Op::Stat,
        6 => Op::GetXattr { name: xattr(rng) },
        7 => Op::GetXattrs,
        8 => Op::OmapGetKeys { after: key(rng), max: rng.below(5) },
        9 => Op::OmapGetVals { after: key(rng), prefix: key(rng), max: rng.below(5) },
        10 => Op::OmapGetValsByKeys { keys: vec![key(rng), key(rng), key(rng)] },
        _ => Op::OmapGetHeader,
    }
}

pub fn target(rng: &mut Rng) -> Target {
    let mut target = Target::new(PoolId(1), rng.pick(&["", "", "ns"]), rng.pick(&["o1", "o2", "o3"]));
    if rng.chance(8) {
        target.key = "key".into();
    }
    target
}

pub fn request(rng: &mut Rng) -> Request {
    let target = target(rng);
    let mut ops = Vec::new();
    if rng.chance(4) {
        for _ in 0..1 + rng.below(3) {
            ops.push(read_op(rng));
        }
    } else {
        for _ in 0..1 + rng.below(4) {
            ops.push(if rng.chance(8) { guard(rng) } else { write_op(rng) });
        }
    }
    let mut request = Request::new(target, ops);
    if rng.chance(10) {
        request.ops[0].1 = 2;
    }
    // The stores' clocks differ.
    request.mtime_ns = Some(rng.below(1 << 60));
    request
}

/// Lists that show all there is of an object.
pub fn show(target: &Target, first_byte: u64) -> Request {
    Request::new(
        target.clone(),
        vec![
            Op::Stat,
            Op::Read { offset: first_byte, length: 0 },
            Op::SparseRead { offset: first_byte, length: 1 << 40 },
            Op::GetXattrs,
            Op::OmapGetHeader,
            Op::OmapGetVals { after: Bytes::new(), prefix: Bytes::new(), max: 1000 },
        ],
    )
}
