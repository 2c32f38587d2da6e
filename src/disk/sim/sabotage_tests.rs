//! Each promise is broken on purpose, and the simulation finds it.

use super::plan::Plan;
use super::world::run;
use crate::disk::sabotage::Sabotage;

/// Each with the first seed that found it when this was last written: it is tried first. Should it not find it any
/// more, because the engine or the worlds are not what they were, then another one of the first 600 must.
const ALL: &[(Sabotage, u64)] = &[
    (Sabotage::AppendWithoutEpoch, 0),
    (Sabotage::PublishWithoutEpoch, 5),
    (Sabotage::CreationUnconfirmed, 1),
    (Sabotage::TakeOverWithoutSeal, 0),
    (Sabotage::HandOverOfOldRoot, 0),
    (Sabotage::FencedAcknowledges, 0),
    (Sabotage::AckBeforeDurable, 0),
    (Sabotage::FlushOverGap, 112),
    (Sabotage::BufferDroppedEarly, 0),
    (Sabotage::ReadWithoutBuffer, 0),
    (Sabotage::ReadUnchecked, 26),
    (Sabotage::ReplayPastHole, 5),
    (Sabotage::ReplayStopsEarly, 0),
    (Sabotage::ReplayForgetsDiscard, 0),
    (Sabotage::ReplayTornRecord, 798),
    (Sabotage::CheckpointAheadOfLog, 0),
    (Sabotage::CheckpointBeforePages, 5),
    (Sabotage::DropPinned, 19),
    (Sabotage::DeleteBeforeCheckpoint, 0),
    (Sabotage::GcMovesOverwritten, 0),
    (Sabotage::DefragNamesNewest, 58),
    (Sabotage::DiffByPlaces, 117),
    (Sabotage::DiffTrustsCopies, 487),
    (Sabotage::SnapshotWithoutBuffer, 19),
    (Sabotage::SnapshotRemovedEarly, 1007),
    (Sabotage::RollbackKeepsNewer, 98),
    (Sabotage::ResizeKeepsCutOff, 0),
];
/// In worlds with an erasure-coded data pool.
const PAYLOADS: &[(Sabotage, u64)] =
    &[(Sabotage::StubBeforePayload, 2), (Sabotage::PayloadsWithoutEpoch, 3014)];
/// In worlds with local logs.
const LOCAL: &[(Sabotage, u64)] = &[
    (Sabotage::LocalAckBeforeMark, 7),
    (Sabotage::LocalAckBeforeSync, 7),
    (Sabotage::LocalReplayFromStart, 0),
    (Sabotage::LocalLogOfZombie, 3288),
];
const SEEDS: u64 = 600;

/// With LOGRBD_SEEDS=n: from seed 0 on (and LOGRBD_SABOTAGE=name: that one alone), for the table in docs/simulation.md.
#[test]
fn every_broken_promise_is_found() {
    find(ALL, Plan::draw);
}

#[test]
fn every_broken_promise_of_local_logs_is_found() {
    find(LOCAL, Plan::draw_local);
}

fn find(all: &[(Sabotage, u64)], draw: impl Fn(u64) -> Plan) {
    let asked = std::env::var("LOGRBD_SEEDS").ok().and_then(|n| n.parse::<u64>().ok());
    let mut missed = Vec::new();
    let only = std::env::var("LOGRBD_SABOTAGE").ok();
    for &(broken, known) in all {
        if only.as_ref().is_some_and(|only| *only != format!("{broken:?}")) {
            continue;
        }
        let seeds = (asked.is_none()).then_some(known).into_iter().chain(0..asked.unwrap_or(SEEDS));
        let mut found = seeds.filter_map(|seed| Some((seed, run(seed, draw(seed), Some(broken)).broken?)));
        match found.next() {
            Some((seed, found)) => {
                // The same world without the sabotage keeps all promises.
                assert_eq!(run(seed, draw(seed), None).broken, None, "seed {seed}");
                let found = found.lines().next().unwrap_or_default().to_owned();
                println!("| {broken:?} | {seed} | {} |", found.chars().take(120).collect::<String>());
            }
            None => missed.push(broken),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_broken_promise_about_payloads_is_found() {
    find(PAYLOADS, Plan::with_payloads);
}
