//! Repairs what can be repaired without inventing data: counts, and objects that nothing refers to.

use std::sync::Arc;

use super::{Damage, Finding, Kind, Progress, Report, check_once};
use crate::disk::shared::run;
use crate::disk::{Disk, DiskNames, DiskOptions, DiskResult};
use crate::env::Env;
use crate::store::{Op, Store};

/// Rounds of check and correction: a correction may bring to light what it hid.
const ROUNDS: u32 = 3;

/// Takes a checkpoint, corrects its bookkeeping and removes orphans, until nothing that can be repaired is left. Every
/// step is one that a writer takes anyway, so a crash at any time leaves an image that is no worse, and the repair can
/// be started again.
///
/// `disk` is the image's writer, which has replayed the log; nobody else uses the image. The report has all that
/// `before` has; what is gone in the end is marked as repaired. Blocks that cannot be read stay as they are.
pub async fn repair(
    disk: &Disk,
    store: Arc<dyn Store>,
    names: DiskNames,
    options: DiskOptions,
    env: Arc<dyn Env>,
    before: Report,
    progress: &Progress,
) -> DiskResult<Report> {
    rounds(disk, &store, &names, &options, &env, progress).await?;
    let (after, _, _) = check_once(&store, &names, &options, &env, progress).await?;
    Ok(merge(before, after))
}

async fn rounds(
    disk: &Disk,
    store: &Arc<dyn Store>,
    names: &DiskNames,
    options: &DiskOptions,
    env: &Arc<dyn Env>,
    progress: &Progress,
) -> DiskResult<()> {
    let writer = disk.writer()?;
    for _ in 0..ROUNDS {
        writer.checkpoint().await?;
        let (_, corrections, _) = check_once(store, names, options, env, progress).await?;
        if corrections.is_empty() {
            return Ok(());
        }
        for target in &corrections.orphans {
            match run(store, target, vec![Op::Remove]).await {
                Ok(_) => tracing::info!("{}: removed, nothing refers to it", target.oid),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        writer.head.state.correct(&corrections).await?;
        // A checkpoint needs something new: a record that changes nothing.
        writer
            .append_record(crate::disk::writer::NewRecord::Resize { size_bytes: writer.size_bytes() })
            .await?;
        writer.checkpoint().await?;
    }
    Ok(())
}

/// What was found first, and whether it is gone; and what came to light.
fn merge(before: Report, after: Report) -> Report {
    let same = |a: &Finding, b: &Finding| (a.kind, &a.object, a.offset) == (b.kind, &b.object, b.offset);
    let mut findings = before.findings;
    for finding in &mut findings {
        // Notes are of no importance, and most are gone after a take-over.
        finding.repaired = finding.damage != Damage::Note
            && !after.findings.iter().any(|left| same(left, finding))
            && finding.kind != Kind::Block;
    }
    for finding in after.findings {
        if !findings.iter().any(|known| same(known, &finding)) {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.damage));
    Report { findings, facts: after.facts, moved: after.moved }
}
