//! Changes of the segment table: blocks written, gained and lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dead::Dead;
use super::{DiskState, RecordAt};
use crate::disk::pages::{Core, Page};
use crate::disk::segments::{PAGE_SEGMENTS, SegmentInfo, SegmentPage, SegmentTotals, leaf_of};
use crate::disk::{DiskError, Lsn, SegmentSeq};

/// What happens to one segment.
#[derive(Clone, Default, Debug)]
pub(super) struct Change {
    /// The record that was appended to it.
    pub record: Option<RecordAt>,
    /// That record's blocks, and the LSNs that tell how old they are.
    pub written: Vec<(u32, Lsn)>,
    pub gained: u32,
    pub lost: u32,
}

/// A segment's entry; its page is pinned.
pub(super) fn get(core: &mut Core, seq: SegmentSeq) -> Option<SegmentInfo> {
    let (leaf, slot) = leaf_of(seq);
    match core.cache.get(leaf) {
        Some(Page::Segments(page)) => page.get(slot),
        Some(Page::Inner(_) | Page::Region(_)) | None => None,
    }
}

/// Sets a segment's entry; its page is pinned with its ancestors.
pub(super) fn put(core: &mut Core, seq: SegmentSeq, info: Option<SegmentInfo>) {
    let (leaf, slot) = leaf_of(seq);
    let old = core.cache.change(leaf, |page| {
        let Page::Segments(page) = page else { return None };
        let old = page.get(slot);
        Arc::<SegmentPage>::make_mut(page).set(slot, info);
        old
    });
    if let Some(old) = old {
        core.totals = core.totals.without(old);
    }
    if let Some(info) = info {
        core.totals = core.totals.with(info);
    }
}

impl SegmentTotals {
    fn with(self, info: SegmentInfo) -> SegmentTotals {
        SegmentTotals {
            segments: self.segments + 1,
            live: self.live + u64::from(info.live),
            blocks: self.blocks + u64::from(info.blocks),
            bytes: self.bytes + u64::from(info.bytes),
            payload_bytes: self.payload_bytes + info.payload_bytes(),
        }
    }

    fn without(self, info: SegmentInfo) -> SegmentTotals {
        SegmentTotals {
            segments: self.segments - 1,
            live: self.live - u64::from(info.live),
            blocks: self.blocks - u64::from(info.blocks),
            bytes: self.bytes - u64::from(info.bytes),
            payload_bytes: self.payload_bytes - info.payload_bytes(),
        }
    }
}

impl Change {
    /// The entry after the change, or why it makes no sense.
    fn apply(&self, lsn: Lsn, old: Option<SegmentInfo>) -> Result<SegmentInfo, String> {
        let mut info = match (old, self.record) {
            (Some(info), _) => info,
            (None, Some(at)) => {
                SegmentInfo { birth: at.lsn, changed: at.lsn, age: at.lsn, ..Default::default() }
            }
            (None, None) => return Err("is not in the segment table".into()),
        };
        let overflow = || "has more data than a segment can have".to_string();
        if let Some(at) = self.record {
            info.bytes = info.bytes.checked_add(at.bytes).ok_or_else(overflow)?;
            info.payload |= at.payload.is_some();
        }
        for &(blocks, age) in &self.written {
            let total = info.blocks.checked_add(blocks).ok_or_else(overflow)?;
            if total > 0 {
                let weight = |lsn: Lsn, blocks: u32| u128::from(lsn.0) * u128::from(blocks);
                let mean = (weight(info.age, info.blocks) + weight(age, blocks)) / u128::from(total);
                info.age = Lsn(mean as u64);
            }
            info.blocks = total;
        }
        if self.lost > 0 {
            info.changed = info.changed.max(lsn);
        }
        // A block of a record may be overwritten by the same record never; gained first, so that a block put to
        // the place where it was already does no harm.
        let gained = info.live.checked_add(self.gained).filter(|&live| live <= info.blocks + self.lost);
        info.live = gained.and_then(|live| live.checked_sub(self.lost)).ok_or_else(|| {
            format!(
                "would have {} + {} - {} live blocks of {}",
                info.live, self.gained, self.lost, info.blocks
            )
        })?;
        Ok(info)
    }
}

impl DiskState {
    pub(super) async fn change_segments(
        &self,
        lsn: Lsn,
        changes: BTreeMap<SegmentSeq, Change>,
    ) -> Result<(), DiskError> {
        check(changes.keys().next_back())?;
        if self.read_only {
            return Ok(());
        }
        let leaves: BTreeSet<_> = changes.keys().map(|&seq| leaf_of(seq).0).collect();
        let _pins = self.pages.pin_all(leaves, true).await?;
        let mut dead = Vec::new();
        {
            let mut core = self.pages.lock();
            for (seq, change) in changes {
                let old = get(&mut core, seq);
                let info = change.apply(lsn, old).map_err(|detail| DiskError::Invalid {
                    detail: format!("segment {:x} {detail} (record {})", seq.0, lsn.0),
                })?;
                put(&mut core, seq, Some(info));
                dead.push((seq, info));
            }
        }
        let mut meta = self.meta.lock();
        for (seq, info) in dead {
            if info.live == 0 {
                meta.dead.insert(seq, Dead::new(&info));
            } else {
                meta.dead.remove(&seq);
            }
        }
        Ok(())
    }

    /// Takes segments out of the table after their objects were removed.
    pub async fn segments_deleted(&self, segments: &[SegmentSeq]) -> Result<(), DiskError> {
        check(segments.iter().max())?;
        let leaves: BTreeSet<_> = segments.iter().map(|&seq| leaf_of(seq).0).collect();
        let mut pins = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            pins.push(self.pages.pin(leaf, false).await?);
        }
        let mut core = self.pages.lock();
        for &seq in segments {
            if let Some(info) = get(&mut core, seq) {
                assert!(info.live == 0, "segment {:x} with live blocks was deleted", seq.0);
                put(&mut core, seq, None);
            }
        }
        drop(core);
        let mut meta = self.meta.lock();
        for seq in segments {
            meta.dead.remove(seq);
        }
        Ok(())
    }

    /// Adds a segment to those that are known to be dead, if it is.
    pub(crate) async fn note_if_dead(&self, seq: SegmentSeq) -> Result<(), DiskError> {
        if self.meta.lock().dead.contains_key(&seq) {
            return Ok(());
        }
        let _pins = self.pages.pin(leaf_of(seq).0, false).await?;
        let mut core = self.pages.lock();
        if let Some(info) = get(&mut core, seq)
            && info.live == 0
        {
            // The lock on the pages keeps the entry as it is until it is noted.
            self.meta.lock().dead.insert(seq, Dead::new(&info));
        }
        Ok(())
    }

    /// What is known of a segment.
    pub async fn segment(&self, seq: SegmentSeq) -> Result<Option<SegmentInfo>, DiskError> {
        check(Some(&seq))?;
        let _pins = self.pages.pin(leaf_of(seq).0, false).await?;
        Ok(get(&mut self.pages.lock(), seq))
    }
}

fn check(seq: Option<&SegmentSeq>) -> Result<(), DiskError> {
    match seq {
        Some(seq) if (seq.0 / PAGE_SEGMENTS) >> 32 != 0 => {
            Err(DiskError::Invalid { detail: format!("segment number {:x} is too large", seq.0) })
        }
        Some(_) | None => Ok(()),
    }
}
