//! A sound image is found clean, and whatever is changed in its objects is found, named, and repaired where it can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::listing::Existing;
use super::{Damage, Kind, Report, View, check, repair};
use crate::disk::api_tests::{formatted, open, options, read};
use crate::disk::header::Header;
use crate::disk::shared::{data_of, run};
use crate::disk::state::{Corrections, Sums};
use crate::disk::testing::{Chance, block_on, with_seeds};
use crate::disk::*;
use crate::env::TokioEnv;
use crate::store::model::ModelCluster;
use crate::store::{Op, Store, Target};

const SIZE: u64 = 16 << 20;

async fn checked(store: &Arc<dyn Store>, names: &DiskNames) -> Report {
    check(store.clone(), names.clone(), options(), TokioEnv::current(), &|_, _| ()).await.unwrap()
}

async fn repaired(store: &Arc<dyn Store>, names: &DiskNames) -> Report {
    let before = checked(store, names).await;
    let quiet = DiskOptions { gc: false, ..options() };
    let disk = open(store, names, quiet.clone()).await;
    disk.acquire().await.unwrap();
    let env = TokioEnv::current();
    let report = repair(&disk, store.clone(), names.clone(), quiet, env, before, &|_, _| ()).await.unwrap();
    disk.close().await.unwrap();
    report
}

async fn content(store: &Arc<dyn Store>, target: &Target) -> Vec<u8> {
    let mut reply = run(store, target, vec![Op::Read { offset: 0, length: 0 }]).await.unwrap();
    data_of(&mut reply, 0).to_vec()
}

async fn replace(store: &Arc<dyn Store>, target: &Target, data: Vec<u8>) {
    let ops = vec![Op::Truncate { size: 0 }, Op::Write { offset: 0, data: Bytes::from(data) }];
    run(store, target, ops).await.unwrap();
}

/// An image with a history: overwrites, holes, snapshots, GC, several epochs; closed, or crashed with a tail of log.
/// On a runtime of its own: what a crashed disk still had under way is gone with it.
fn with_history(chance: &mut Chance, crash: bool) -> (Arc<dyn Store>, DiskNames) {
    block_on(history(chance, crash))
}

async fn history(chance: &mut Chance, crash: bool) -> (Arc<dyn Store>, DiskNames) {
    let store = ModelCluster::new().client();
    let names = formatted(&store, SIZE).await;
    let options = DiskOptions { checkpoint_log_bytes: 1 << 20, gc_record_bytes: 256 << 10, ..options() };
    for epoch in 0..3 {
        let disk = open(&store, &names, options.clone()).await;
        disk.acquire().await.unwrap();
        for n in 0..400 {
            let block = chance.below(SIZE / 4096 - 8);
            let blocks = 1 + chance.below(8);
            if chance.one_in(12) {
                disk.discard(block * 4096, blocks * 4096).await.unwrap();
            } else {
                let data = vec![chance.next() as u8; (blocks * 4096) as usize];
                disk.write(block * 4096, &[&data]).await.unwrap();
            }
            if chance.one_in(40) {
                disk.flush().await.unwrap();
            }
            if n == 200 {
                disk.snap_create(&format!("s{epoch}")).await.unwrap();
            }
        }
        if epoch == 1 {
            let first = disk.snap_list().await.unwrap()[0].id;
            disk.snap_remove(first).await.unwrap();
        }
        disk.flush().await.unwrap();
        if crash && epoch == 2 {
            break;
        }
        disk.close().await.unwrap();
    }
    (store, names)
}

/// Everything that can be read: head and snapshots. `None` for a block that cannot.
async fn all_content(
    store: &Arc<dyn Store>,
    names: &DiskNames,
) -> BTreeMap<Option<u64>, Vec<Option<Vec<u8>>>> {
    let mut all = BTreeMap::new();
    let head = open(store, names, options()).await;
    let mut views = vec![(None, head.clone())];
    for snapshot in head.snap_list().await.unwrap() {
        let env = TokioEnv::current();
        match Disk::open_snapshot(store.clone(), names.clone(), snapshot.id, options(), env).await {
            Ok(disk) => views.push((Some(snapshot.id.0), disk)),
            // Its top page is lost, and so is all of it.
            Err(_) => drop(all.insert(Some(snapshot.id.0), vec![None; (SIZE / 4096) as usize])),
        }
    }
    for (view, disk) in views {
        let mut blocks = Vec::new();
        for block in 0..SIZE / 4096 {
            let mut data = vec![0; 4096];
            let outcome = disk.read(block * 4096, 4096, &mut data).await;
            blocks.push(outcome.is_ok().then_some(data));
        }
        all.insert(view, blocks);
    }
    all
}

#[test]
fn a_sound_image_is_clean() {
    with_seeds(4, |chance| {
        for crash in [false, true] {
            let (store, names) = with_history(chance, crash);
            block_on(async {
                let report = checked(&store, &names).await;
                assert!(report.is_clean(), "{:#?}", report.findings);
                assert!(!report.moved);
                assert_eq!(report.facts.size_bytes, SIZE);
                assert_eq!(report.facts.snapshots, 2);
                assert!(report.facts.blocks_checked > 1000 && report.facts.segments > 3);
                assert_eq!(report.facts.replay_records > 0, crash);
            });
        }
    });
}

#[test]
fn a_sound_image_is_clean_while_it_is_written() {
    let (store, names) = with_history(&mut Chance::new(1), false);
    block_on(async {
        let options = DiskOptions { checkpoint_log_bytes: 1 << 20, ..options() };
        let disk = open(&store, &names, options).await;
        disk.acquire().await.unwrap();
        let mut chance = Chance::new(7);
        for _ in 0..10 {
            let checking = checked(&store, &names);
            let writing = async {
                for _ in 0..50 {
                    disk.write(chance.below(SIZE / 4096) * 4096, &[&[chance.next() as u8; 4096]])
                        .await
                        .unwrap();
                    disk.flush().await.unwrap();
                }
            };
            let (report, ()) = tokio::join!(checking, writing);
            assert!(report.is_clean() || report.moved, "{:#?}", report.findings);
        }
    });
}

/// Each block of a segment: if the image or a snapshot needs it, it is named; nothing else is called lost.
#[test]
fn a_rotten_block_is_named_with_those_who_need_it() {
    with_seeds(6, |chance| {
        let crash = chance.one_in(2);
        let (store, names) = with_history(chance, crash);
        block_on(async {
            let before = all_content(&store, &names).await;
            let segments = Existing::list(&*store, &names).await.unwrap().segments;
            let target = names.segment(segments[chance.below(segments.len() as u64) as usize]);
            let mut data = content(&store, &target).await;
            let at = 256 + chance.below(data.len() as u64 - 256) as usize;
            data[at] ^= 1 << chance.below(8);
            replace(&store, &target, data).await;
            let after = all_content(&store, &names).await;
            let report = checked(&store, &names).await;
            for (view, blocks) in &after {
                let state = view.map_or(View::Head, |id| View::Snapshot(SnapshotId(id)));
                for (n, block) in blocks.iter().enumerate() {
                    assert!(block.is_none() || *block == before[view][n], "wrong data is the worst");
                    let named = report.findings.iter().any(|finding| {
                        finding.lost.as_ref().is_some_and(|(offset, length, views)| {
                            (*offset..offset + length).contains(&(n as u64 * 4096)) && views.contains(&state)
                        })
                    });
                    assert_eq!(block.is_none(), named, "{view:?} block {n}: {:#?}", report.findings);
                }
            }
            if report.worst() == Damage::Lost {
                let found = report.findings.iter().any(|finding| *finding.object == *target.oid);
                assert!(found, "{:#?}", report.findings);
            }
        });
    });
}

/// Any change of any object: never a panic, and never clean if something cannot be read.
#[test]
fn whatever_is_changed_is_found() {
    with_seeds(24, |chance| {
        let crash = chance.one_in(2);
        let (store, names) = with_history(chance, crash);
        block_on(async {
            let existing = Existing::list(&*store, &names).await.unwrap();
            let mut targets: Vec<Target> = existing.segments.iter().map(|&seq| names.segment(seq)).collect();
            targets.extend(existing.objects.iter().map(|&number| names.map_object(number)));
            let target = &targets[chance.below(targets.len() as u64) as usize];
            match chance.below(4) {
                0 => drop(run(&store, target, vec![Op::Remove]).await.unwrap()),
                1 => {
                    let mut data = content(&store, target).await;
                    data.truncate(chance.below(data.len() as u64) as usize);
                    replace(&store, target, data).await;
                }
                _ => {
                    let mut data = content(&store, target).await;
                    for _ in 0..1 + chance.below(3) {
                        let at = chance.below(data.len() as u64) as usize;
                        data[at] ^= 1 << chance.below(8);
                    }
                    replace(&store, target, data).await;
                }
            }
            let report = checked(&store, &names).await;
            let trouble = match Disk::open(store.clone(), names.clone(), options(), TokioEnv::current()).await
            {
                Ok(_) => {
                    let all = all_content(&store, &names).await;
                    let lost = all.iter().find(|(_, blocks)| blocks.iter().any(Option::is_none));
                    lost.map(|(view, _)| format!("{view:?} cannot be read"))
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(trouble) = trouble {
                assert_eq!(report.worst(), Damage::Lost, "{}: {trouble}: {:#?}", target.oid, report.findings);
            }
        });
    });
}

#[test]
fn objects_that_nothing_refers_to_are_found_and_removed() {
    let (store, names) = with_history(&mut Chance::new(3), false);
    block_on(async {
        let before = all_content(&store, &names).await;
        let segment = names.segment(SegmentSeq(0));
        let object = names.map_object(MapObjectNumber(1));
        for target in [&segment, &object] {
            replace_or_make(&store, target).await;
        }
        let report = checked(&store, &names).await;
        assert_eq!(report.worst(), Damage::Space);
        let orphans: Vec<&str> = report
            .findings
            .iter()
            .filter(|finding| finding.kind == Kind::Orphan && finding.damage == Damage::Space)
            .map(|finding| &*finding.object)
            .collect();
        assert!(orphans.contains(&&*segment.oid) && orphans.contains(&&*object.oid), "{orphans:?}");
        let report = repaired(&store, &names).await;
        assert!(report.is_clean() && report.findings.iter().any(|finding| finding.repaired));
        for target in [&segment, &object] {
            assert!(run(&store, target, vec![Op::Stat]).await.unwrap_err().is_not_found());
        }
        assert!(checked(&store, &names).await.is_clean());
        assert_eq!(all_content(&store, &names).await, before);
    });
}

/// Found by SIGKILL: the second writer was killed after its first checkpoint, and before it had removed what the first
/// one's interrupted checkpoint had left; after that nobody looked for it any more.
#[test]
fn what_an_interrupted_checkpoint_left_is_gone_before_the_next_one_is_published() {
    let (store, names) = with_history(&mut Chance::new(5), true);
    block_on(async {
        let header = Header::read(&store, &names).await.unwrap();
        let root = RootBlob::decode(&header.root, "").unwrap();
        let left = u64::from(root.epoch.0) << 32 | u64::from(root.last_object + 1);
        let left = names.map_object(MapObjectNumber(left));
        replace_or_make(&store, &left).await;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        let writer = disk.writer().unwrap();
        // Its state is that of a writer which has not come to it yet.
        assert!(run(&store, &left, vec![Op::Stat]).await.is_ok());
        writer.checkpoint().await.unwrap();
        assert!(run(&store, &left, vec![Op::Stat]).await.unwrap_err().is_not_found());
        disk.close().await.unwrap();
        assert!(checked(&store, &names).await.is_clean());
    });
}

async fn replace_or_make(store: &Arc<dyn Store>, target: &Target) {
    run(store, target, vec![Op::WriteFull { data: Bytes::from_static(b"what is this") }]).await.unwrap();
}

/// Counts that a bug could have made wrong are found by counting anew, and put right.
#[test]
fn wrong_counts_are_found_and_corrected() {
    with_seeds(4, |chance| {
        let (store, names) = with_history(chance, false);
        block_on(async {
            let before = all_content(&store, &names).await;
            spoil(&store, &names, chance).await;
            let report = checked(&store, &names).await;
            assert_eq!(report.worst(), Damage::Wrong, "{:#?}", report.findings);
            for kind in [Kind::SegmentCount, Kind::Totals, Kind::UsedBlocks] {
                assert!(report.findings.iter().any(|finding| finding.kind == kind), "{kind:?} was not found");
            }
            let report = repaired(&store, &names).await;
            assert!(report.is_clean(), "{:#?}", report.findings);
            assert!(checked(&store, &names).await.is_clean());
            assert_eq!(all_content(&store, &names).await, before);
            // And it lives on.
            let disk = open(&store, &names, options()).await;
            disk.acquire().await.unwrap();
            disk.write(0, &[&[1; 4096]]).await.unwrap();
            disk.close().await.unwrap();
            let disk = open(&store, &names, options()).await;
            assert_eq!(read(&disk, 0, 4096).await, vec![1; 4096]);
            assert!(checked(&store, &names).await.is_clean());
        });
    });
}

/// Publishes a checkpoint with wrong counts, as an engine with a bug would.
async fn spoil(store: &Arc<dyn Store>, names: &DiskNames, chance: &mut Chance) {
    let disk = open(store, names, DiskOptions { gc: false, ..options() }).await;
    disk.acquire().await.unwrap();
    let writer = disk.writer().unwrap();
    writer.checkpoint().await.unwrap();
    let state = &writer.head.state;
    let mut corrections = Corrections::default();
    for seq in Existing::list(&**store, names).await.unwrap().segments {
        let Some(info) = state.segment(seq).await.unwrap() else { continue };
        if info.live > 1 && (corrections.segments.is_empty() || chance.one_in(2)) {
            let live = 1 + chance.below(u64::from(info.live) - 1) as u32;
            corrections.segments.insert(seq, (Some(info), SegmentInfo { live, ..info }));
        }
    }
    let said = (SegmentTotals::default(), 0);
    let found = (SegmentTotals { segments: 1, ..SegmentTotals::default() }, 3);
    corrections.sums = Some(Sums { said, found });
    state.correct(&corrections).await.unwrap();
    writer.append_record(crate::disk::writer::NewRecord::Resize { size_bytes: SIZE }).await.unwrap();
    disk.close().await.unwrap();
}
