//! CRUSH maps made by hand, in Ceph's encoding: for tests and as seeds for fuzzing.

use super::{MSR_INDEP, op};
use crate::wire::denc::Encoder;

/// A bucket to encode: id, type, algorithm (1 uniform, 2 list, 3 tree, 4 straw, 5 straw2), items with their weights.
pub(crate) struct SampleBucket {
    pub id: i32,
    pub kind: u16,
    pub alg: u32,
    pub items: Vec<(i32, u32)>,
}

/// Kind of rule, and its steps.
pub(crate) type SampleRule = (u8, Vec<(u32, i32, i32)>);

#[derive(Default)]
pub(crate) struct Sample {
    pub buckets: Vec<SampleBucket>,
    pub rules: Vec<SampleRule>,
    pub devices: u32,
    /// Set, index of the bucket, weights for one place.
    pub choose_args: Option<(i64, u32, Vec<u32>)>,
    pub total_tries: u32,
}

pub(crate) const HOST: u16 = 1;
pub(crate) const ROOT: u16 = 2;
pub(crate) const ONE: u32 = 0x1_0000;

/// A root (-1) with hosts (-2 and on) of devices of weight 1, and four rules: 0 a device of each of so many hosts, 1 the
/// same for erasure codes, 2 with retries over steps (two devices of each of so many hosts), 3 the device 0 alone.
pub(crate) fn hosts(hosts: i32, each: i32, root_alg: u32, host_alg: u32) -> Sample {
    let host = |n: i32| SampleBucket {
        id: -2 - n,
        kind: HOST,
        alg: host_alg,
        items: (0..each).map(|d| (n * each + d, ONE)).collect(),
    };
    let root = SampleBucket {
        id: -1,
        kind: ROOT,
        alg: root_alg,
        items: (0..hosts).map(|n| (-2 - n, ONE * each as u32)).collect(),
    };
    let leaf = |code: u32| vec![(op::TAKE, -1, 0), (code, 0, i32::from(HOST)), (op::EMIT, 0, 0)];
    Sample {
        buckets: std::iter::once(root).chain((0..hosts).map(host)).collect(),
        rules: vec![
            (1, leaf(op::CHOOSELEAF_FIRSTN)),
            (3, leaf(op::CHOOSELEAF_INDEP)),
            (
                MSR_INDEP,
                vec![
                    (op::TAKE, -1, 0),
                    (op::CHOOSE_MSR, hosts, i32::from(HOST)),
                    (op::CHOOSE_MSR, 2, 0),
                    (op::EMIT, 0, 0),
                ],
            ),
            (1, vec![(op::TAKE, 0, 0), (op::EMIT, 0, 0)]),
        ],
        devices: (hosts * each) as u32,
        choose_args: None,
        total_tries: 50,
    }
}

impl Sample {
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        let indices = self.buckets.iter().map(|bucket| (-1 - bucket.id) as usize + 1);
        let max_buckets = indices.max().unwrap_or(0);
        e.u32(0x0001_0000).u32(max_buckets as u32).u32(self.rules.len() as u32).u32(self.devices);
        for index in 0..max_buckets {
            match self.buckets.iter().find(|bucket| bucket.id == -1 - index as i32) {
                None => {
                    e.u32(0);
                }
                Some(bucket) => bucket.encode(&mut e),
            }
        }
        for (number, (kind, steps)) in self.rules.iter().enumerate() {
            e.u32(1).u32(steps.len() as u32).u8(number as u8).u8(*kind).u8(1).u8(10);
            for &(code, arg1, arg2) in steps {
                e.u32(code).u32(arg1 as u32).u32(arg2 as u32);
            }
        }
        e.u32(3).u32(0).string("osd").u32(HOST.into()).string("host").u32(ROOT.into()).string("root");
        e.u32(2).u32(-1i32 as u32).string("default").u32(-2i32 as u32).string("host0");
        e.u32(1).u32(0).string("rule0");
        e.u32(0).u32(0).u32(self.total_tries).u32(1).u8(1).u8(1).u32(54).u8(1);
        // A class of devices, without shadows.
        e.u32(1).u32(0).u32(7).u32(1).u32(7).string("ssd").u32(0);
        match &self.choose_args {
            None => {
                e.u32(0);
            }
            Some((set, bucket, weights)) => {
                e.u32(1).u64(*set as u64).u32(1).u32(*bucket).u32(1).u32(weights.len() as u32);
                for weight in weights {
                    e.u32(*weight);
                }
                e.u32(0);
            }
        }
        e.u32(100).u32(100);
        e.finish().to_vec()
    }
}

impl SampleBucket {
    fn encode(&self, e: &mut Encoder) {
        let weight = self.items.iter().map(|(_, weight)| *weight).sum();
        e.u32(self.alg).u32(self.id as u32).u16(self.kind).u8(self.alg as u8).u8(0).u32(weight);
        e.u32(self.items.len() as u32);
        for (item, _) in &self.items {
            e.u32(*item as u32);
        }
        match self.alg {
            1 => {
                e.u32(self.items.first().map_or(0, |(_, weight)| *weight));
            }
            2 => {
                let mut sum = 0;
                for (_, weight) in &self.items {
                    sum += weight;
                    e.u32(*weight).u32(sum);
                }
            }
            3 => {
                let nodes = self.items.len().next_power_of_two() * 2;
                let mut weights = vec![0u32; nodes];
                for (n, (_, weight)) in self.items.iter().enumerate() {
                    weights[2 * n + 1] = *weight;
                }
                // A node at height h stands between two at a distance of half its lowest bit.
                let mut step = 1;
                while 2 * step < nodes {
                    for node in (2 * step..nodes).step_by(4 * step) {
                        weights[node] = weights[node - step] + weights[node + step];
                    }
                    step *= 2;
                }
                e.u8(nodes as u8);
                for weight in weights {
                    e.u32(weight);
                }
            }
            4 => {
                for (_, weight) in &self.items {
                    e.u32(*weight).u32(ONE);
                }
            }
            _ => {
                for (_, weight) in &self.items {
                    e.u32(*weight);
                }
            }
        }
    }
}
