//! Tells blocks that garbage collection has moved from blocks that were written.
//!
//! A copy is the source's whole slot, trailer included, and a trailer has the block's address, the lower half of the LSN of
//! its write and a checksum of both and the data. So copies of one write have equal trailers; two writes of a block could
//! have them only if 2^32 LSNs, or a multiple, lay between them and their checksums were equal as well.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEGMENT_HEADER_BYTES};
use super::pages::all;
use super::sabotage::{Sabotage, broken};
use super::shared::{Shared, data_of};
use super::{BLOCK_BYTES, DiskError, DiskResult, ExtentMap, Lba, Loc, SLOT_BYTES, SegmentSeq};
use crate::store::{Op, Target};

/// Store requests under way at once, and trailers that one of them reads.
const REQUESTS: usize = 32;
const TRAILERS: usize = 128;

/// Neighbouring blocks that are somewhere else than they were, each in a run of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moved {
    pub lba: Lba,
    pub blocks: u64,
    pub new: Option<Loc>,
    pub old: Option<Loc>,
}

impl Moved {
    fn part(&self, first: u64, blocks: u64) -> Moved {
        let nth = |loc: Option<Loc>| loc.map(|loc| loc.nth(first as u32));
        Moved { lba: Lba(self.lba.0 + first), blocks, new: nth(self.new), old: nth(self.old) }
    }
}

/// What is known of the segments in which a diff found something.
pub(super) struct Copies<'a> {
    shared: &'a Shared,
    newer: &'a ExtentMap,
    older: &'a ExtentMap,
    /// Whether GC wrote it.
    by_gc: BTreeMap<SegmentSeq, bool>,
}

impl<'a> Copies<'a> {
    pub fn new(shared: &'a Shared, newer: &'a ExtentMap, older: &'a ExtentMap) -> Copies<'a> {
        Copies { shared, newer, older, by_gc: BTreeMap::new() }
    }

    /// The object of a place that one of the maps has.
    fn object_of(&self, loc: Loc) -> DiskResult<Target> {
        let target =
            self.shared.object_of(self.newer, loc).or_else(|| self.shared.object_of(self.older, loc));
        target.ok_or_else(|| DiskError::Corrupt {
            object: self.shared.names.segment(loc.segment).oid.to_string(),
            offset: 0,
            detail: "a map has blocks in its payload, and nobody wrote one".to_owned(),
        })
    }

    /// Those of `moved` whose new place does not hold the write that the old one holds; ENOENT if a segment is gone.
    pub async fn written(&mut self, moved: Vec<Moved>) -> DiskResult<Vec<Moved>> {
        self.look_at(moved.iter().filter_map(|run| run.old.and(run.new))).await?;
        // Two trailers for each block that may be a copy: read a segment at a time.
        let mut wanted: BTreeSet<Loc> = BTreeSet::new();
        for run in moved.iter().filter(|run| self.may_be_copies(run)) {
            for loc in [run.new, run.old].into_iter().flatten() {
                wanted.extend((0..run.blocks as u32).map(|i| loc.nth(i)));
            }
        }
        let trailers = self.trailers(wanted).await?;
        let mut written: Vec<Moved> = Vec::new();
        for run in moved {
            if !self.may_be_copies(&run) {
                written.push(run);
                continue;
            }
            let mut first = None;
            for i in 0..=run.blocks {
                let part = run.part(i, 1);
                let of = |loc: Option<Loc>| loc.and_then(|loc| trailers.get(&loc));
                let equal = of(part.new).is_some() && of(part.new) == of(part.old);
                let differs = i < run.blocks && !equal && !broken(Sabotage::DiffTrustsCopies);
                match (differs, first) {
                    (true, None) => first = Some(i),
                    (false, Some(begin)) => {
                        written.push(run.part(begin, i - begin));
                        first = None;
                    }
                    _ => {}
                }
            }
        }
        Ok(written)
    }

    fn may_be_copies(&self, run: &Moved) -> bool {
        let by_gc = run.new.is_some_and(|loc| self.by_gc.get(&loc.segment).copied().unwrap_or(false));
        by_gc && run.old.is_some() && !broken(Sabotage::DiffByPlaces)
    }

    /// Learns of segments whose they are.
    async fn look_at(&mut self, places: impl Iterator<Item = Loc>) -> DiskResult<()> {
        let unknown: BTreeMap<SegmentSeq, Loc> =
            places.map(|loc| (loc.segment, loc)).filter(|(seq, _)| !self.by_gc.contains_key(seq)).collect();
        let this = &*self;
        let looks = unknown.into_iter().map(|(seq, loc)| async move {
            let length = (SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES) as u64;
            let read = vec![Op::Read { offset: 0, length }];
            let raw = data_of(&mut this.shared.run(&this.object_of(loc)?, read).await?, 0);
            // One whose header has rotted may be anybody's: its trailers tell.
            let header = raw.get(SEGMENT_HEADER_BYTES..).map(RecordHeader::decode);
            Ok((seq, !matches!(header, Some(Ok(header)) if header.kind != RecordKind::Gc)))
        });
        let known = all(looks, REQUESTS).await?;
        self.by_gc.extend(known);
        Ok(())
    }

    /// The trailers of slots; without those that are not there as a whole.
    async fn trailers(&self, slots: BTreeSet<Loc>) -> DiskResult<BTreeMap<Loc, Vec<u8>>> {
        const TRAILER: u64 = SLOT_BYTES - BLOCK_BYTES;
        let mut lists: Vec<Vec<Loc>> = Vec::new();
        for loc in slots {
            match lists.last_mut() {
                Some(list) if list[0].segment == loc.segment && list.len() < TRAILERS => list.push(loc),
                Some(_) | None => lists.push(vec![loc]),
            }
        }
        let shared = self.shared;
        let reads = lists.into_iter().map(|slots| async move {
            let read =
                |loc: &Loc| Op::Read { offset: shared.offset_of(*loc).0 + BLOCK_BYTES, length: TRAILER };
            let target = self.object_of(slots[0])?;
            let mut reply = shared.run(&target, slots.iter().map(read).collect()).await?;
            let found = slots.into_iter().enumerate().map(|(i, loc)| (loc, data_of(&mut reply, i).to_vec()));
            Ok(found.filter(|(_, trailer)| trailer.len() as u64 == TRAILER).collect::<Vec<_>>())
        });
        Ok(all(reads, REQUESTS).await?.into_iter().flatten().collect())
    }
}
