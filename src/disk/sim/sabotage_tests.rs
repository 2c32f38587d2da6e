//! Each promise is broken on purpose, and the simulation finds it.

use super::plan::Plan;
use super::world::run;
use crate::disk::sabotage::Sabotage;

/// Each with the first seed that found it when this was last written: it is tried first. Should it not find it any
/// more, because the engine or the worlds are not what they were, then another one of the first 600 must.
const ALL: &[(Sabotage, u64)] = &[
    (Sabotage::AppendWithoutEpoch, 0),
    (Sabotage::PublishWithoutEpoch, 1),
    (Sabotage::CreationUnconfirmed, 69),
    (Sabotage::TakeOverWithoutSeal, 0),
    (Sabotage::HandOverOfOldRoot, 0),
    (Sabotage::FencedAcknowledges, 19),
    (Sabotage::AckBeforeDurable, 0),
    (Sabotage::FlushOverGap, 112),
    (Sabotage::BufferDroppedEarly, 0),
    (Sabotage::ReadWithoutBuffer, 0),
    (Sabotage::ReadUnchecked, 83),
    (Sabotage::ReplayPastHole, 19),
    (Sabotage::ReplayStopsEarly, 0),
    (Sabotage::ReplayForgetsDiscard, 0),
    (Sabotage::ReplayTornRecord, 3787),
    (Sabotage::CheckpointAheadOfLog, 0),
    (Sabotage::CheckpointBeforePages, 1),
    (Sabotage::DropPinned, 2),
    (Sabotage::DeleteBeforeCheckpoint, 0),
    (Sabotage::GcMovesOverwritten, 0),
    (Sabotage::DefragNamesNewest, 95),
    (Sabotage::DiffByPlaces, 2049),
    (Sabotage::DiffTrustsCopies, 124),
    (Sabotage::SnapshotWithoutBuffer, 2),
    (Sabotage::SnapshotRemovedEarly, 30),
    (Sabotage::RollbackKeepsNewer, 30),
    (Sabotage::ResizeKeepsCutOff, 2),
];
/// In worlds with an erasure-coded data pool.
const PAYLOADS: &[(Sabotage, u64)] =
    &[(Sabotage::StubBeforePayload, 1), (Sabotage::PayloadsWithoutEpoch, 1575)];
/// In worlds with local logs.
const LOCAL: &[(Sabotage, u64)] = &[
    (Sabotage::LocalAckBeforeMark, 4),
    (Sabotage::LocalAckBeforeSync, 4),
    (Sabotage::LocalReplayFromStart, 0),
    (Sabotage::LocalLogOfZombie, 802),
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
