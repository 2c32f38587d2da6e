//! Garbage collection: copies what lives in mostly dead segments, so that they die and can be deleted.
//!
//! A round scans the segment table and chooses victims; they are copied in the order of their data's ages, a Gc record
//! at a time, each in a segment of its own, so that data that has lived long is not mixed with what was just written,
//! nor old with young. The copies take effect when their record is applied, and only where the map still points to
//! their source: a newer write is never hidden. Victims are deleted after the next checkpoint by the ordinary rule
//! (`checkpoint::delete`); the writer takes one at the end of each round.
//!
//! Pace: a round begins when the segments hold more than `live / target`, and cleans a share of the log. Between two
//! of its records the user writes a part of what the first has won, or some time passes. So victims that wait for
//! their deletion take space for a short part of the time only, and GC goes as fast as the writes ask for.

mod collect;
mod defrag;
#[cfg(test)]
mod defrag_tests;
mod fragments;
mod scan;
#[cfg(test)]
mod tests;
mod victims;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::log::{Extent, ExtentKind};
use super::pages::all;
use super::shared::Shared;
use super::state::{DiskState, Pressure};
use super::{DiskError, DiskResult, Lsn, SLOT_BYTES, SegmentSeq};
use collect::{LiveRun, live_runs};
pub(crate) use defrag::Defrag;
pub(crate) use fragments::{Fragments, Needed};
use victims::{Candidate, Limits, Space, utilisation};

/// A round wins this share of the log: a scan costs a look at every segment, and a round a
/// checkpoint; but the more victims there are, the worse are the last of them (a 32nd of the segments costs 1 %
/// more copies than one at a time).
const ROUND_SHARE: u64 = 128;
/// Most victims of a round: so many, or this share of the segments.
const MIN_VICTIMS: usize = 4;
const VICTIM_SHARE: u64 = 16;
/// Between two records of a round the user writes this part of the space that the first won.
const ROUND_SPEED: u64 = 4;
/// After a scan without victims this share of the log must be new before the next.
const RESCAN_SHARE: u64 = 16;

/// With an erasure-coded data pool: what is appended to in the image's own pool may hold this share of what lives, and so many
/// segments. Beyond that the oldest of it is moved, dead or alive: what has not died until then will stay.
const APPENDED_SHARE: u64 = 16;
const APPENDED_SEGMENTS: u64 = 8;

/// Victims that are read side by side.
const VICTIMS_AT_ONCE: usize = 4;

/// With a surplus of more than this share of the log the collector does not wait for the user.
const HURRY_SHARE: u64 = 64;

/// The log may grow beyond what the target allows by this share of it and so many segments; then writes wait.
const SLACK_PERCENT: u64 = 1;
const SLACK_SEGMENTS: u64 = 4;

/// How large the log may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    target_percent: u8,
    segment_bytes: u64,
    payloads: bool,
}

impl Bound {
    pub fn new(shared: &Shared) -> Bound {
        Bound {
            target_percent: shared.options.gc_utilisation_percent.clamp(10, 95),
            segment_bytes: u64::from(shared.format.segment_bytes),
            payloads: shared.format.payloads,
        }
    }

    /// Bytes of segments above what the target allows, by the totals alone. Dead segments, which only wait to be
    /// deleted, do not count.
    pub fn surplus(&self, state: &DiskState) -> u64 {
        let totals = state.totals();
        let bytes = totals.bytes.saturating_sub(state.dead_bytes());
        Space { live_bytes: totals.live * SLOT_BYTES, bytes }.surplus(self.target_percent)
    }

    /// Bytes of appended segments beyond what may be in the image's own pool when there is an erasure-coded one.
    pub fn movable_bytes(&self, state: &DiskState) -> u64 {
        if !self.payloads {
            return 0;
        }
        let totals = state.totals();
        let appended = totals.bytes - totals.payload_bytes;
        let allowed = totals.live * SLOT_BYTES / APPENDED_SHARE + APPENDED_SEGMENTS * self.segment_bytes;
        appended.saturating_sub(allowed)
    }

    /// Whether writes should wait: the log has grown beyond what the target allows, by a share of it.
    pub fn is_passed(&self, state: &DiskState) -> bool {
        let live = state.totals().live * SLOT_BYTES;
        let slack = live / u64::from(self.target_percent) * SLACK_PERCENT;
        self.surplus(state) > slack + SLACK_SEGMENTS * self.segment_bytes
    }
}

/// Where GC puts its copies.
pub(crate) trait GcLog {
    /// The newest segment of the log.
    fn newest_segment(&self) -> SegmentSeq;
    /// Appends a Gc record in a segment of its own; completes when it is durable and applied.
    fn append_gc(&self, batch: GcBatch) -> impl Future<Output = DiskResult<()>> + Send;
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
    /// Copied a record, which wins so much space once the victims are deleted.
    Copied { won: u64 },
    /// All victims of a round are copied, or the round was given up: a checkpoint makes them deletable.
    Done,
}

/// The garbage collector of a writer.
pub(crate) struct Gc {
    shared: Arc<Shared>,
    state: Arc<DiskState>,
    bound: Bound,
    /// Chosen and not yet cleaned.
    queue: VecDeque<Candidate>,
    /// Live slots of victims that did not fit the last record any more.
    left: VecDeque<LiveRun>,
    /// Victims all of whose slots are copied or in `left`.
    cleaned: Vec<SegmentSeq>,
    /// The space that the deletion of those wins that were read since the last record.
    won: u64,
    /// Segments that could not be cleaned whole: damaged slots stay where they are.
    stuck: BTreeSet<SegmentSeq>,
    /// No scan before the log has grown to this many bytes written.
    rescan_at: u64,
}

impl Gc {
    pub fn new(shared: Arc<Shared>, state: Arc<DiskState>) -> Gc {
        Gc {
            bound: Bound::new(&shared),
            shared,
            state,
            queue: VecDeque::new(),
            left: VecDeque::new(),
            cleaned: Vec::new(),
            won: 0,
            stuck: BTreeSet::new(),
            rescan_at: 0,
        }
    }

    fn surplus(&self) -> u64 {
        self.bound.surplus(&self.state)
    }

    /// Looks for victims again although the last time there were none: a snapshot was removed.
    pub fn look_again(&mut self) {
        self.rescan_at = 0;
    }

    fn in_round(&self) -> bool {
        !self.queue.is_empty() || !self.left.is_empty()
    }

    /// Whether the log holds so much more than the target allows that a record's worth should be cleaned.
    pub fn has_surplus(&self) -> bool {
        self.surplus() >= self.record_bytes()
    }

    /// Or so much of what is in the image's own pool, that a record's worth should be moved to the data pool.
    fn has_work(&self) -> bool {
        self.has_surplus() || self.bound.movable_bytes(&self.state) >= self.record_bytes()
    }

    /// If the next step is the first of a round: what its record will win, roughly.
    pub fn begins_round(&self) -> Option<u64> {
        (!self.in_round() && self.has_work()).then(|| self.record_bytes())
    }

    /// Copies one record's worth, if there is reason to. `written_bytes`: what the log has grown by since this
    /// collector was made, its copies included.
    pub async fn step(&mut self, log: &(impl GcLog + Sync), written_bytes: u64) -> DiskResult<Step> {
        let in_round = self.in_round();
        // The map has to make room first; copies would fill it even more.
        if self.state.pressure() == Pressure::Stop {
            return Ok(self.give_up(in_round));
        }
        if !in_round {
            if !self.has_work() || written_bytes < self.rescan_at {
                return Ok(Step::Idle);
            }
            self.choose(log).await?;
            if self.queue.is_empty() {
                let patience = (self.state.totals().bytes / RESCAN_SHARE).max(self.record_bytes());
                self.rescan_at = written_bytes + patience;
                return Ok(Step::Idle);
            }
        }
        self.gather().await?;
        let won = std::mem::take(&mut self.won);
        let runs = take_record(&mut self.left, record_slots(&self.shared));
        if !runs.is_empty() {
            // What the next record needs is read while this one is written.
            let (appended, gathered) = tokio::join!(log.append_gc(GcBatch::new(runs)), self.gather());
            appended?;
            gathered?;
        }
        if self.left.is_empty() {
            for seq in std::mem::take(&mut self.cleaned) {
                if self.state.segment(seq).await?.is_some_and(|info| info.live > 0) {
                    self.stuck.insert(seq);
                }
            }
            if self.queue.is_empty() {
                return Ok(Step::Done);
            }
        }
        Ok(Step::Copied { won })
    }

    fn give_up(&mut self, in_round: bool) -> Step {
        self.queue.clear();
        self.left.clear();
        self.cleaned.clear();
        self.won = 0;
        if in_round { Step::Done } else { Step::Idle }
    }

    /// Reads the live slots of victims, some side by side, until there are enough for a record.
    async fn gather(&mut self) -> DiskResult<()> {
        let mut bytes = self.left.iter().map(|run| run.slots.len() as u64).sum::<u64>();
        let mut chosen = Vec::new();
        while bytes < self.record_bytes() {
            let Some(victim) = self.queue.pop_front() else { break };
            // It may have died since it was chosen.
            let Some(info) = self.state.segment(victim.seq).await? else { continue };
            if info.live > 0 {
                bytes += u64::from(info.live) * SLOT_BYTES;
                chosen.push((victim.seq, info));
            }
        }
        let (shared, map) = (&self.shared, &self.state.map());
        let reads = chosen.into_iter().enumerate().map(|(nth, (seq, info))| async move {
            Ok::<_, DiskError>((nth, seq, info, live_runs(shared, map, seq).await))
        });
        let mut read = all(reads, VICTIMS_AT_ONCE).await?;
        read.sort_by_key(|&(nth, ..)| nth);
        for (_, seq, info, live) in read {
            match live {
                Ok(live) => {
                    let copies = live.iter().map(|run| run.slots.len() as u64).sum::<u64>();
                    // What goes to a payload is won where it was.
                    let moved = self.bound.payloads && !info.payload;
                    self.won += u64::from(info.bytes).saturating_sub(if moved { 0 } else { copies });
                    self.left.extend(live);
                    self.cleaned.push(seq);
                }
                Err(error) => {
                    // Damaged, or the store failed: others may be cleaned all the same.
                    tracing::warn!("segment {:x} cannot be cleaned: {error}", seq.0);
                    self.stuck.insert(seq);
                }
            }
        }
        Ok(())
    }

    /// What the user writes before the next record of a round, after one that has won so much.
    pub fn headway(&self, won: u64) -> u64 {
        let behind = self.surplus() > self.state.totals().bytes / HURRY_SHARE;
        if behind { 0 } else { won / ROUND_SPEED }
    }

    async fn choose(&mut self, log: &(impl GcLog + Sync)) -> DiskResult<()> {
        let newest_snapshot = log.snapshots().await?.into_iter().max();
        let limits = Limits {
            now: log.newest_segment(),
            before: self.state.published_segment(),
            newest_snapshot,
            target_percent: self.bound.target_percent,
        };
        let totals = self.state.totals();
        let most = MIN_VICTIMS.max((totals.segments / VICTIM_SHARE) as usize);
        let scan = self.state.scan(limits, most + self.stuck.len()).await?;
        let space = scan.space;
        let enough = totals.bytes / ROUND_SHARE;
        // What is surplus by the totals may be pinned.
        let mut victims = if space.surplus(self.bound.target_percent) >= self.record_bytes() {
            scan.best.take(enough, &self.stuck)
        } else {
            Vec::new()
        };
        let mut left = self.bound.movable_bytes(&self.state).min(enough.max(self.record_bytes()));
        for candidate in scan.appended {
            let chosen = victims.iter().any(|victim| victim.seq == candidate.seq);
            if left > 0 && !chosen && !self.stuck.contains(&candidate.seq) {
                left = left.saturating_sub(u64::from(candidate.info.bytes));
                victims.push(candidate);
            }
        }
        victims.sort_by_key(|victim| (victim.info.age, victim.seq));
        self.queue = victims.into();
        let mean = self.queue.iter().map(|victim| utilisation(&victim.info)).sum::<f64>()
            / self.queue.len().max(1) as f64;
        tracing::debug!("GC: {} victims, {:.0} % live, {:?}", self.queue.len(), mean * 100.0, space);
        Ok(())
    }

    fn record_bytes(&self) -> u64 {
        record_slots(&self.shared) * SLOT_BYTES
    }
}

/// Slots that a Gc record may have.
pub(crate) fn record_slots(shared: &Shared) -> u64 {
    // Headers of segment and record, and an index entry for each slot at the most.
    let slots = (u64::from(shared.format.segment_bytes) - 128) / (SLOT_BYTES + 32);
    let most = u64::from(shared.options.gc_record_bytes) / SLOT_BYTES;
    slots.min(most).max(1)
}

/// Takes as much of what is left to be copied as fits a record of `room` slots.
fn take_record(left: &mut VecDeque<LiveRun>, room: u64) -> Vec<LiveRun> {
    let mut room = room as u32;
    let mut runs = Vec::new();
    while room > 0
        && let Some(run) = left.pop_front()
    {
        let (run, rest) = run.split_at(room);
        room -= run.blocks;
        runs.push(run);
        if let Some(rest) = rest {
            left.push_front(rest);
        }
    }
    runs
}
