//! Garbage collection: copies what lives in mostly dead segments, so that they die and can be deleted.
//!
//! A round scans the segment table and chooses victims; a step copies as many of them as fill one Gc record, which
//! begins a segment of its own, so that data that has lived long is not mixed with what was just written. The copies
//! take effect when their record is applied, and only where the map still points to their source: a newer write is
//! never hidden. Victims are deleted after the next checkpoint by the ordinary rule (`checkpoint::delete`).
//!
//! Pace: GC works whenever the segments hold more than `live / target`, so in the long run it copies just as much as
//! the writes ask for; between two steps it pauses while there is other work, the less the more surplus there is.

mod collect;
mod scan;
mod victims;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::log::{Extent, ExtentKind};
use super::shared::Shared;
use super::state::{DiskState, Pressure};
use super::{DiskResult, Lsn, SLOT_BYTES, SegmentSeq};
use collect::{LiveRun, live_runs};
use victims::{Candidate, Limits, Space, utilisation};

/// Victims of a round: a scan costs a look at every segment, so it should be good for some steps; but what looked
/// best some time ago is not best any more.
const MIN_VICTIMS: usize = 4;
const VICTIM_SHARE: usize = 64;
/// After a scan without victims this share of the log must be new before the next.
const RESCAN_SHARE: u64 = 16;

/// The log may grow beyond what the target allows by this share of it and so many segments; then writes wait.
const SLACK_PERCENT: u64 = 10;
const SLACK_SEGMENTS: u64 = 4;

/// Where GC puts its copies.
pub(crate) trait GcLog {
    /// Appends a Gc record in a segment of its own; completes when it is durable and applied. False, and nothing was
    /// done, if `snapshots_begun` is not `begun` any more: what a snapshot shows must not be moved after it, because
    /// a diff tells by their places which blocks are equal.
    fn append_gc(&self, batch: GcBatch, begun: u64) -> impl Future<Output = DiskResult<bool>> + Send;
    /// How many snapshots were begun by this writer, made or not.
    fn snapshots_begun(&self) -> u64;
    /// LSNs of all snapshots.
    fn snapshots(&self) -> impl Future<Output = DiskResult<Vec<Lsn>>> + Send;
}

/// The contents of a Gc record: slots with their trailers as they are at the source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct GcBatch {
    pub extents: Vec<Extent>,
    /// The slots of all extents, in order.
    pub slots: Vec<Bytes>,
    pub bytes: u64,
}

impl GcBatch {
    /// A batch of these runs, sorted by address, so that reading on later is sequential.
    fn new(mut runs: Vec<LiveRun>) -> GcBatch {
        runs.sort_by_key(|run| run.lba);
        let mut batch = GcBatch::default();
        for run in runs {
            batch.bytes += run.slots.len() as u64;
            batch.slots.push(run.slots);
            let extent =
                Extent { lba: run.lba, blocks: run.blocks, kind: ExtentKind::Data, source: Some(run.from) };
            match batch.extents.last_mut() {
                Some(last)
                    if last.lba.0 + u64::from(last.blocks) == run.lba.0
                        && last.source.map(|source| source.nth(last.blocks)) == Some(run.from) =>
                {
                    last.blocks += run.blocks;
                }
                Some(_) | None => batch.extents.push(extent),
            }
        }
        batch
    }
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Live data is as large a share of the log as is aimed at, or nothing can be won.
    Idle,
    /// Copied this much.
    Copied { bytes: u64 },
}

/// The garbage collector of a writer.
pub(crate) struct Gc {
    shared: Arc<Shared>,
    state: Arc<DiskState>,
    target_percent: u8,
    /// Chosen and not yet cleaned.
    queue: VecDeque<Candidate>,
    /// Segments that could not be cleaned whole: damaged slots stay where they are.
    stuck: BTreeSet<SegmentSeq>,
    /// No scan before the log has grown to this many bytes written.
    rescan_at: u64,
    /// Snapshots begun when victims were chosen.
    begun: u64,
}

impl Gc {
    pub fn new(shared: Arc<Shared>, state: Arc<DiskState>) -> Gc {
        let target_percent = shared.options.gc_utilisation_percent.clamp(10, 95);
        Gc {
            shared,
            state,
            target_percent,
            queue: VecDeque::new(),
            stuck: BTreeSet::new(),
            rescan_at: 0,
            begun: 0,
        }
    }

    /// Bytes of segments above what the target allows, by the totals alone; dead segments, which only wait to be
    /// deleted, do not count.
    pub fn surplus(&self) -> u64 {
        let totals = self.state.totals();
        let space = Space {
            live_bytes: totals.live * SLOT_BYTES,
            bytes: totals.bytes.saturating_sub(self.state.dead_bytes()),
        };
        space.surplus(self.target_percent)
    }

    /// Whether writes should wait: the log has grown beyond what the target allows, by a share of it.
    pub fn is_far_behind(&self) -> bool {
        let live = self.state.totals().live * SLOT_BYTES;
        let slack = live / u64::from(self.target_percent) * 100 * SLACK_PERCENT / 100;
        self.surplus() > slack + SLACK_SEGMENTS * u64::from(self.shared.format.segment_bytes)
    }

    /// Looks for victims again although the last time there were none: a snapshot was removed.
    pub fn look_again(&mut self) {
        self.rescan_at = 0;
    }

    /// Copies one record's worth, if there is reason to. `written_bytes`: what the log has grown by since this
    /// collector was made, its copies included.
    pub async fn step(&mut self, log: &(impl GcLog + Sync), written_bytes: u64) -> DiskResult<Step> {
        // The map has to make room first; copies would fill it even more.
        if self.surplus() < self.record_bytes() || self.state.pressure() == Pressure::Stop {
            self.queue.clear();
            return Ok(Step::Idle);
        }
        if self.queue.is_empty() {
            if written_bytes < self.rescan_at {
                return Ok(Step::Idle);
            }
            self.choose(log).await?;
            if self.queue.is_empty() {
                let patience = (self.state.totals().bytes / RESCAN_SHARE).max(self.record_bytes());
                self.rescan_at = written_bytes + patience;
                return Ok(Step::Idle);
            }
        }
        let mut runs = Vec::new();
        let mut bytes = 0;
        let mut cleaned = Vec::new();
        while bytes < self.record_bytes() {
            let Some(victim) = self.queue.pop_front() else { break };
            // It may have died since it was chosen.
            let Some(info) = self.state.segment(victim.seq).await? else { continue };
            if info.live == 0 {
                continue;
            }
            if !runs.is_empty() && bytes + victims::live_bytes(&info) > self.record_bytes() {
                self.queue.push_front(victim);
                break;
            }
            let live = match live_runs(&self.shared, &self.state.map(), victim.seq).await {
                Ok(live) => live,
                Err(error) => {
                    // Damaged, or the store failed: others may be cleaned all the same.
                    tracing::warn!("segment {:x} cannot be cleaned: {error}", victim.seq.0);
                    self.stuck.insert(victim.seq);
                    continue;
                }
            };
            bytes += live.iter().map(|run| run.slots.len() as u64).sum::<u64>();
            runs.extend(live);
            cleaned.push(victim.seq);
        }
        if !runs.is_empty() {
            for batch in self.split(runs) {
                if !log.append_gc(batch, self.begun).await? {
                    self.queue.clear();
                    return Ok(Step::Copied { bytes: 0 });
                }
            }
        }
        for seq in cleaned {
            if self.state.segment(seq).await?.is_some_and(|info| info.live > 0) {
                self.stuck.insert(seq);
            }
        }
        Ok(Step::Copied { bytes })
    }

    /// How long to wait before the next step, which took `took`, while there is other work.
    pub fn pause(&self, took: Duration) -> Duration {
        let share = self.surplus() as f64 / (self.state.totals().bytes.max(1)) as f64;
        match share {
            share if share > 0.05 => Duration::ZERO,
            share if share > 0.02 => took,
            _ => took * 3,
        }
    }

    async fn choose(&mut self, log: &(impl GcLog + Sync)) -> DiskResult<()> {
        self.begun = log.snapshots_begun();
        let newest_snapshot = log.snapshots().await?.into_iter().max();
        let limits = Limits {
            now: self.state.lsn(),
            before: self.state.published_segment(),
            newest_snapshot,
            target_percent: self.target_percent,
        };
        let most = MIN_VICTIMS.max(self.state.totals().segments as usize / VICTIM_SHARE);
        let scan = self.state.scan(limits, most + self.stuck.len()).await?;
        let space = scan.space;
        if space.surplus(self.target_percent) < self.record_bytes() {
            // What is surplus by the totals is pinned.
            return Ok(());
        }
        let stuck = &self.stuck;
        let victims = scan.victims.into_iter().filter(|victim| !stuck.contains(&victim.seq));
        self.queue = victims.take(most).collect();
        let mean = self.queue.iter().map(|victim| utilisation(&victim.info)).sum::<f64>()
            / self.queue.len().max(1) as f64;
        tracing::debug!("GC: {} victims, {:.0} % live, {:?}", self.queue.len(), mean * 100.0, space);
        Ok(())
    }

    fn record_bytes(&self) -> u64 {
        // Headers of segment and record, and an index entry for each slot at the most.
        let slots = (u64::from(self.shared.format.segment_bytes) - 128) / (SLOT_BYTES + 32);
        let most = u64::from(self.shared.options.gc_record_bytes) / SLOT_BYTES;
        slots.min(most).max(1) * SLOT_BYTES
    }

    /// Batches that fit a record each.
    fn split(&self, runs: Vec<LiveRun>) -> Vec<GcBatch> {
        let limit = self.record_bytes();
        let mut batches = Vec::new();
        let mut part: Vec<LiveRun> = Vec::new();
        let mut bytes = 0;
        for run in runs.into_iter().flat_map(|run| run.pieces((limit / SLOT_BYTES) as u32)) {
            if bytes + run.slots.len() as u64 > limit {
                batches.push(GcBatch::new(std::mem::take(&mut part)));
                bytes = 0;
            }
            bytes += run.slots.len() as u64;
            part.push(run);
        }
        if !part.is_empty() {
            batches.push(GcBatch::new(part));
        }
        batches
    }
}
