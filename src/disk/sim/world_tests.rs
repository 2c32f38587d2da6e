//! Worlds of many seeds, a crash at every step, the same trace twice. LOGRBD_SEED=n runs one seed, LOGRBD_SEEDS=n so
//! many (docs/simulation.md).

use std::sync::atomic::{AtomicU64, Ordering};

use super::plan::Plan;
use super::world::run;
use super::{Doom, regression, seeds};
use crate::sync::Mutex;

/// Runs seeds on all processors; panics with those that failed.
fn all(seeds: impl Iterator<Item = u64>, world: impl Fn(u64) -> Option<String> + Sync) {
    let one = std::env::var("LOGRBD_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds: Vec<u64> = one.map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(seeds.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    if let Some(broken) = world(seed) {
                        eprintln!(
                            "seed {seed}: {broken}\n  again: LOGRBD_SEED={seed} and the name of this test"
                        );
                        failed.lock().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "{} of {} seeds failed: {failed:?}", failed.len(), seeds.len());
    println!("{} seeds kept all promises", seeds.len());
}

#[test]
fn worlds_keep_all_promises() {
    let first = std::env::var("LOGRBD_FIRST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    all(first..first + seeds(200), |seed| run(seed, Plan::draw(seed), None).broken);
}

/// Whole segments go to a pool that takes whole objects alone.
#[test]
fn worlds_with_payloads_keep_all_promises() {
    let first = std::env::var("LOGRBD_FIRST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    all(first..first + seeds(200), |seed| run(seed, Plan::with_payloads(seed), None).broken);
}

#[test]
fn worlds_with_local_logs_keep_all_promises() {
    let first = std::env::var("LOGRBD_FIRST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    all(first..first + seeds(150), |seed| run(seed, Plan::draw_local(seed), None).broken);
}

#[test]
fn what_was_found_stays_found() {
    all(regression::SEEDS.iter().map(|(seed, _)| *seed), |seed| run(seed, Plan::draw(seed), None).broken);
}

#[test]
fn a_crash_at_any_step_keeps_all_promises() {
    all(0..(seeds(200) / 100).max(1), |seed| at_any_step(Plan::small(seed), seed));
}

#[test]
fn a_crash_at_any_step_with_payloads_leaves_nothing_behind() {
    all(0..(seeds(200) / 100).max(1), |seed| at_any_step(Plan { payloads: true, ..Plan::small(seed) }, seed));
}

/// In worlds in which ranges are put together all the time.
#[test]
fn a_crash_at_any_step_of_defragmentation_keeps_all_promises() {
    all(0..(seeds(200) / 50).max(1), |seed| {
        let mut plan = Plan { requests: 30, region_blocks: 64, payloads: seed % 2 == 1, ..Plan::small(seed) };
        (plan.options.gc, plan.options.defrag_reads) = (true, 1);
        // Each write is a record of its own, and the map is in nobody's way.
        plan.options.cache.enabled = false;
        plan.options.map_memory_bytes = 64 << 20;
        at_any_step(plan, seed)
    });
}

fn at_any_step(plan: Plan, seed: u64) -> Option<String> {
    let plan = || Plan { first_doom: Some(Vec::new()), ..plan.clone() };
    let whole = run(seed, plan(), None);
    if whole.broken.is_some() {
        return whole.broken;
    }
    for step in 1..=whole.steps {
        let plan = Plan { first_doom: Some(vec![(step, Doom::Dies)]), ..plan() };
        if let Some(broken) = run(seed, plan, None).broken {
            return Some(format!("crash at step {step} of {}: {broken}", whole.steps));
        }
    }
    println!("seed {seed}: {} steps", whole.steps);
    None
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..20 {
        let (once, again) = (run(seed, Plan::draw(seed), None), run(seed, Plan::draw(seed), None));
        assert_eq!(once.trace, again.trace, "seed {seed}");
        assert_ne!(once.trace, run(seed + 1, Plan::draw(seed), None).trace);
    }
}
