//! Which segments to clean, and whether to: pure decisions from the numbers of the segment table.

use std::collections::BTreeSet;

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
    /// The newest segment: the numbers of segments are the clock, because the log grows by one of them at a time.
    pub now: SegmentSeq,
    /// Only segments before this one: those that replay does not need.
    pub before: SegmentSeq,
    /// LSN of the newest snapshot: a segment born at or before it cannot be deleted while the snapshot is there.
    pub newest_snapshot: Option<Lsn>,
    /// The share of live data that is aimed at, in percent.
    pub target_percent: u8,
}

/// A segment that a snapshot pins is cleaned when at most this share of it lives.
const MAX_LIVE_IF_PINNED: f64 = 0.25;

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

/// Whether a snapshot may show what is in a segment, which then cannot be deleted.
pub(crate) fn is_pinned(info: &SegmentInfo, newest_snapshot: Option<Lsn>) -> bool {
    newest_snapshot.is_some_and(|snapshot| info.birth <= snapshot)
}

impl Limits {
    /// Whether cleaning the segment can give space back; dead ones need no cleaning.
    ///
    /// Where a snapshot pins it, that will be when the snapshot is gone; until then the copies take space. So only
    /// what has little left is cleaned, and a snapshot that stays for ever costs at most that share of the image. Left
    /// alone altogether, a segment would be pinned until its last block has died, by one snapshot after the other.
    pub fn eligible(&self, seq: SegmentSeq, info: &SegmentInfo) -> bool {
        let pinned = is_pinned(info, self.newest_snapshot);
        seq < self.before && info.live > 0 && (!pinned || utilisation(info) <= MAX_LIVE_IF_PINNED)
    }

    /// Whether what lives in the segment can be moved to a payload so that the segment goes.
    pub fn movable(&self, seq: SegmentSeq, info: &SegmentInfo) -> bool {
        let pinned = is_pinned(info, self.newest_snapshot);
        seq < self.before && info.live > 0 && !pinned && !info.payload
    }

    /// Cost and benefit (Rosenblum, Ousterhout 1992): the space that is won, times how long it will stay won, for
    /// writing what lives. Reading it is not counted: it takes no space, and a Gc record is written once.
    ///
    /// How long: the age of the *segment* in the log, not that of its data. What lives in a segment that was written
    /// long ago has lived through all of that and dies slowly, be it a copy or not; a copy that was just made says
    /// nothing yet about how fast its segment dies. (With the age of the data, copies of cold blocks are copied again
    /// while nearly full: 1.48 instead of 1.40 for 90/10 overwrites, and 2.04 instead of 1.88 for uniform ones.)
    /// `None`: not worth it.
    pub fn candidate(&self, seq: SegmentSeq, info: &SegmentInfo) -> Option<Candidate> {
        if !self.eligible(seq, info) {
            return None;
        }
        let live = utilisation(info);
        // Halfway between the target and full: cleaning fuller ones costs more than it brings.
        if live > (1.0 + f64::from(self.target_percent) / 100.0) / 2.0 {
            return None;
        }
        let age = self.now.0.saturating_sub(seq.0) as f64 + 1.0;
        Some(Candidate { seq, info: *info, score: (1.0 - live) * age / live.max(f64::EPSILON) })
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

    /// The best that together win `enough` bytes, as far as there are so many, without those of `except`; in the order
    /// of their data's ages, and so they are copied: what is copied together then dies together.
    pub fn take(mut self, enough: u64, except: &BTreeSet<SegmentSeq>) -> Vec<Candidate> {
        self.candidates.retain(|candidate| !except.contains(&candidate.seq));
        self.cut();
        let mut won = 0;
        self.candidates.retain(|candidate| {
            let needed = won < enough;
            won += u64::from(candidate.info.bytes) - live_bytes(&candidate.info);
            needed
        });
        self.candidates.sort_by_key(|candidate| (candidate.info.age, candidate.seq));
        self.candidates
    }
}
