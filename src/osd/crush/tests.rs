//! Rules and buckets on maps that are made here; tests/osdmap compares with Ceph's own tools.

use std::collections::BTreeMap;

use super::sample::{HOST, ONE, ROOT, Sample, SampleBucket, hosts};
use super::{CrushError, CrushMap, Fault, MSR_FIRSTN, NONE, op};

fn decode(sample: &Sample) -> CrushMap {
    CrushMap::decode(&sample.encode()).unwrap()
}

#[test]
fn every_algorithm_spreads_by_weight() {
    for alg in 1..=5 {
        let map = decode(&hosts(4, 3, alg, alg));
        let mut hits: BTreeMap<i32, u32> = BTreeMap::new();
        for input in 0..3000 {
            let found = map.map(0, input, 3, &[ONE; 12], 0).unwrap();
            assert_eq!(found.len(), 3, "algorithm {alg}");
            let of: std::collections::BTreeSet<i32> = found.iter().map(|device| device / 3).collect();
            assert_eq!(of.len(), 3, "a host twice: {found:?}");
            found.iter().for_each(|device| *hits.entry(*device).or_default() += 1);
        }
        assert!(
            hits.len() == 12 && hits.values().all(|n| (500..1000).contains(n)),
            "algorithm {alg}: {hits:?}"
        );
    }
}

#[test]
fn a_set_of_weights_replaces_those_of_the_map() {
    let mut sample = hosts(4, 3, 5, 5);
    sample.choose_args = Some((-1, 0, vec![0, ONE, ONE, ONE]));
    let map = decode(&sample);
    for input in 0..200 {
        let found = map.map(0, input, 3, &[ONE; 12], 77).unwrap();
        assert!(found.len() == 3 && found.iter().all(|device| *device >= 3), "{found:?}");
    }
}

#[test]
fn a_cycle_is_refused() {
    let mut sample = hosts(2, 2, 5, 5);
    sample.buckets[1].items[0].0 = -1;
    assert_eq!(CrushMap::decode(&sample.encode()), Err(CrushError::Cycle(-1)));
    sample.buckets[1].items[0].0 = -2;
    assert_eq!(CrushMap::decode(&sample.encode()), Err(CrushError::Cycle(-2)));
    // One bucket below two others is none.
    sample.buckets[1].items[0].0 = -3;
    decode(&sample);
    // Deep, but a chain: walking it takes no stack.
    let depth = 3000;
    let link = |n: i32| SampleBucket { id: -1 - n, kind: ROOT, alg: 5, items: vec![(-2 - n, ONE)] };
    decode(&Sample { buckets: (0..depth).map(link).collect(), ..Sample::default() });
}

#[test]
fn tries_without_end_are_cut_off() {
    let mut sample = hosts(4, 3, 5, 5);
    sample.total_tries = u32::MAX - 1;
    let map = decode(&sample);
    assert_eq!(map.map(0, 1, 3, &[0; 12], 0), Err(Fault::Budget(0)));
    assert_eq!(map.map(1, 1, 3, &[0; 12], 0), Err(Fault::Budget(1)));
    // Nor can a root without items loop for free.
    sample.buckets[0].items.clear();
    let map = decode(&sample);
    assert_eq!(map.map(0, 1, 3, &[ONE; 12], 0), Err(Fault::Budget(0)));
    assert_eq!(map.map(1, 1, 3, &[ONE; 12], 0), Err(Fault::Budget(1)));
}

#[test]
fn what_is_not_known_is_no_mapping() {
    let mut sample = hosts(4, 3, 5, 5);
    sample.rules[0].1[1].0 = 99;
    let map = decode(&sample);
    assert_eq!(map.map(0, 1, 3, &[ONE; 12], 0), Err(Fault::Operation { rule: 0, op: 99 }));
    assert_eq!(map.map(9, 1, 3, &[ONE; 12], 0), Err(Fault::NoRule(9)));
    // An item that the map does not have is passed over.
    sample.buckets[0].items[0].0 = -77;
    sample.rules.swap(0, 1);
    let found = decode(&sample).map(0, 1, 4, &[ONE; 12], 0).unwrap();
    assert!(found.len() == 4 && found.iter().all(|device| *device == NONE || *device >= 3), "{found:?}");
}

/// Eight places on four hosts: which host serves the places 2n and 2n + 1.
fn msr(map: &CrushMap, input: u32, weights: &[u32]) -> Vec<i32> {
    let found = map.map(2, input, 8, weights, 0).unwrap();
    assert_eq!(found.len(), 8);
    let mut seen: Vec<i32> = found.iter().copied().filter(|device| *device != NONE).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen.len(),
        found.iter().filter(|device| **device != NONE).count(),
        "a device twice: {found:?}"
    );
    found
}

#[test]
fn retries_over_steps_keep_strides_apart() {
    let map = decode(&hosts(4, 4, 5, 5));
    for input in 0..500 {
        let all = msr(&map, input, &[ONE; 16]);
        assert!(all.iter().all(|device| *device != NONE), "{all:?}");
        let mut strides: Vec<i32> = all.chunks(2).map(|pair| pair[0] / 4).collect();
        assert!(all.chunks(2).all(|pair| pair[0] / 4 == pair[1] / 4), "{all:?}");
        strides.sort();
        assert_eq!(strides, [0, 1, 2, 3], "{all:?}");
        // One device is out: only its place moves, to the same host, as the others are all in use.
        let out = all[3];
        let mut weights = [ONE; 16];
        weights[out as usize] = 0;
        let moved = msr(&map, input, &weights);
        assert!(!moved.contains(&out) && moved[3] / 4 == out / 4, "{all:?} {moved:?}");
        assert!((0..8).all(|place| place == 3 || moved[place] == all[place]), "{all:?} {moved:?}");
    }
}

#[test]
fn retries_over_steps_find_another_host() {
    // Five hosts for four strides; one host is out altogether.
    let mut sample = hosts(5, 2, 5, 5);
    sample.rules[2].1[1].1 = 4;
    let map = decode(&sample);
    for input in 0..500 {
        let mut weights = [ONE; 10];
        let all = msr(&map, input, &weights);
        let host = all[0] / 2;
        weights[host as usize * 2] = 0;
        weights[host as usize * 2 + 1] = 0;
        let moved = msr(&map, input, &weights);
        assert!(moved.iter().all(|device| *device != NONE && device / 2 != host), "{all:?} {moved:?}");
        assert_eq!(all[2..], moved[2..], "the other strides stay");
    }
    // Firstn leaves no holes: what is missing is missing at the end.
    let mut sample = hosts(4, 2, 5, 5);
    sample.rules[2].0 = MSR_FIRSTN;
    let map = decode(&sample);
    let mut weights = [ONE; 8];
    (weights[0], weights[1]) = (0, 0);
    let found = map.map(2, 5, 8, &weights, 0).unwrap();
    assert!(found.len() == 6 && !found.contains(&NONE), "{found:?}");
}

#[test]
fn malformed_retry_rules_are_faults() {
    let host = i32::from(HOST);
    let bad: [&[(u32, i32, i32)]; 6] = [
        &[(op::TAKE, -1, 0)],
        &[(op::TAKE, 0, 0), (op::EMIT, 0, 0)],
        &[(op::CHOOSE_MSR, 2, 0), (op::EMIT, 0, 0)],
        &[(op::TAKE, -1, 0), (op::CHOOSE_FIRSTN, 2, 0), (op::EMIT, 0, 0)],
        &[(op::TAKE, -1, 0), (op::CHOOSE_MSR, i32::MAX, host), (op::CHOOSE_MSR, 9, 0), (op::EMIT, 0, 0)],
        &[(op::TAKE, -99, 0), (op::CHOOSE_MSR, 2, 0), (op::EMIT, 0, 0)],
    ];
    for steps in bad {
        let mut sample = hosts(4, 4, 5, 5);
        sample.rules[2].1 = steps.to_vec();
        assert_eq!(decode(&sample).map(2, 1, 8, &[ONE; 16], 0), Err(Fault::Rule(2)), "{steps:?}");
    }
}

#[test]
fn places_near_and_far() {
    let map = decode(&hosts(4, 3, 5, 5));
    let at = |kind: &str, name: &str| vec![(kind.to_owned(), name.to_owned())];
    assert_eq!(map.common_ancestor(1, &at("host", "host0")), Some(1));
    assert_eq!(map.common_ancestor(4, &at("host", "host0")), None);
    assert_eq!(map.common_ancestor(4, &at("root", "default")), Some(2));
    assert_eq!(map.device_class(0), Some("ssd"));
}
