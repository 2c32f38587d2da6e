//! Which segments to clean, and whether to: pure decisions from the numbers of the segment table.

use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{Lsn, SLOT_BYTES, SegmentInfo, SegmentSeq};

/// A segment that could be cleaned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Candidate {
    pub seq: SegmentSeq,
    pub info: SegmentInfo,
    pub score: f64,
}

/// What limits the choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// LSN of now.
    pub now: Lsn,
    /// Only segments before this one: those that replay does not need.
    pub before: SegmentSeq,
    /// LSN of the newest snapshot: a segment born at or before it cannot be deleted while the snapshot is there,
    /// so cleaning it would take space and give none.
    pub newest_snapshot: Option<Lsn>,
    /// The share of live data that is aimed at, in percent.
    pub target_percent: u8,
}

/// Sums over the segments that cleaning can do something about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Space {
    pub live_bytes: u64,
    pub bytes: u64,
}

impl Space {
    pub fn add(&mut self, info: &SegmentInfo) {
        self.live_bytes += live_bytes(info);
        self.bytes += u64::from(info.bytes);
    }

    /// Bytes of segments above what the target allows.
    pub fn surplus(&self, target_percent: u8) -> u64 {
        let allowed = u128::from(self.live_bytes) * 100 / u128::from(target_percent.clamp(1, 99));
        self.bytes.saturating_sub(u64::try_from(allowed).unwrap_or(u64::MAX))
    }
}

pub(crate) fn live_bytes(info: &SegmentInfo) -> u64 {
    (u64::from(info.live) * SLOT_BYTES).min(u64::from(info.bytes))
}

/// Share of a segment that is live.
pub(crate) fn utilisation(info: &SegmentInfo) -> f64 {
    live_bytes(info) as f64 / f64::from(info.bytes.max(1))
}

impl Limits {
    /// Whether cleaning the segment can ever give space back; dead ones need no cleaning.
    pub fn eligible(&self, seq: SegmentSeq, info: &SegmentInfo) -> bool {
        seq < self.before
            && info.live > 0
            && (self.newest_snapshot.is_none_or(|snapshot| snapshot < info.birth)
                || broken(Sabotage::GcIgnoresSnapshot))
    }

    /// Cost and benefit (Rosenblum, Ousterhout 1992): the space that is won, times how long it will stay won,
    /// for reading the segment and writing what lives. `None`: not worth it.
    pub fn candidate(&self, seq: SegmentSeq, info: &SegmentInfo) -> Option<Candidate> {
        if !self.eligible(seq, info) {
            return None;
        }
        let live = utilisation(info);
        // Halfway between the target and full: cleaning fuller ones costs more than it brings.
        if live > (1.0 + f64::from(self.target_percent) / 100.0) / 2.0 {
            return None;
        }
        let age = self.now.0.saturating_sub(info.age.0) as f64 + 1.0;
        Some(Candidate { seq, info: *info, score: (1.0 - live) * age / (1.0 + live) })
    }
}

/// Keeps the best candidates of a scan, at most `most`.
pub(crate) struct Best {
    most: usize,
    candidates: Vec<Candidate>,
}

impl Best {
    pub fn new(most: usize) -> Best {
        Best { most, candidates: Vec::new() }
    }

    pub fn offer(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
        if self.candidates.len() >= 2 * self.most {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.seq.cmp(&b.seq)));
        self.candidates.truncate(self.most);
    }

    /// The chosen, those of like age together: what is copied together then dies together.
    pub fn take(mut self) -> Vec<Candidate> {
        self.cut();
        self.candidates.sort_by_key(|candidate| (candidate.info.age, candidate.seq));
        self.candidates
    }
}
