//! Puts counts right that a check has found wrong. Data and maps are not touched.

use std::collections::BTreeMap;

use super::table;
use super::{DiskState, SegmentInfo, SegmentTotals};
use crate::disk::DiskError;
use crate::disk::SegmentSeq;
use crate::disk::names::MapObjectNumber;
use crate::disk::pages::PageKey;
use crate::disk::segments::leaf_of;
use crate::store::Target;

/// What is wrong in a checkpoint's bookkeeping, and what is right.
#[derive(Clone, Default, Debug)]
pub(crate) struct Corrections {
    /// The entry as it is stored, and as it should be.
    pub segments: BTreeMap<SegmentSeq, (Option<SegmentInfo>, SegmentInfo)>,
    pub sums: Option<Sums>,
    /// Bytes of pages that the checkpoint reaches in a map object.
    pub map_objects: BTreeMap<MapObjectNumber, u32>,
    /// Pages whose parents say something else of them.
    pub pages: Vec<PageKey>,
    /// Objects that nothing refers to.
    pub orphans: Vec<Target>,
}

/// Sums of the segment table and mapped blocks of the head: as the root says, and as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    pub said: (SegmentTotals, u64),
    pub found: (SegmentTotals, u64),
}

impl Corrections {
    pub fn is_empty(&self) -> bool {
        self.sums.is_none_or(|sums| sums.said == sums.found)
            && self.segments.is_empty()
            && self.map_objects.is_empty()
            && self.pages.is_empty()
            && self.orphans.is_empty()
    }
}

impl DiskState {
    /// Applies corrections that were found in the checkpoint that this state was just published as. No record may
    /// have been applied since. They become durable with the next checkpoint.
    pub(crate) async fn correct(&self, corrections: &Corrections) -> Result<(), DiskError> {
        let now = self.lsn();
        if let Some(Sums { said, found }) = corrections.sums {
            // By the difference: dead segments may have been deleted since.
            let mut core = self.pages.lock();
            let fix = |kept: u64, said: u64, found: u64| kept.wrapping_sub(said).wrapping_add(found);
            core.totals = SegmentTotals {
                segments: fix(core.totals.segments, said.0.segments, found.0.segments),
                live: fix(core.totals.live, said.0.live, found.0.live),
                blocks: fix(core.totals.blocks, said.0.blocks, found.0.blocks),
                bytes: fix(core.totals.bytes, said.0.bytes, found.0.bytes),
                payload_bytes: fix(core.totals.payload_bytes, said.0.payload_bytes, found.0.payload_bytes),
            };
            core.used_blocks = fix(core.used_blocks, said.1, found.1);
        }
        for (&seq, (stored, info)) in &corrections.segments {
            let _pins = self.pages.pin(leaf_of(seq).0, true).await?;
            if table::get(&mut self.pages.lock(), seq) != *stored {
                continue;
            }
            // When its last block died is not known: as late as possible, so that every snapshot that may show one
            // pins the segment.
            let info = SegmentInfo { changed: now, ..*info };
            table::put(&mut self.pages.lock(), seq, Some(info));
            self.meta.lock().dead.remove(&seq);
            self.note_if_dead(seq).await?;
        }
        for &key in &corrections.pages {
            let _pins = self.pages.pin(key, false).await?;
            // Writing a page anew counts it anew.
            self.pages.lock().cache.change(key, |_| ());
        }
        let mut meta = self.meta.lock();
        let next = meta.checkpoint + 1;
        for (number, &live) in &corrections.map_objects {
            if let Some(object) = meta.objects.get_mut(number) {
                object.live = live.min(object.bytes);
                object.died = if object.live == 0 { next } else { 0 };
            }
        }
        Ok(())
    }
}
