//! What a check found.

use crate::disk::{BLOCK_BYTES, DiskError, Lba, Loc, SnapshotId};

/// How bad a finding is, from harmless to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Damage {
    /// Nothing is wrong with the image: a trace of a crash that the next writer takes care of.
    Note,
    /// Space that nothing uses and that was not given back. Can be repaired.
    Space,
    /// Bookkeeping that contradicts itself, while all data can be read.
    Wrong,
    /// Something cannot be read.
    Lost,
}

impl Damage {
    pub fn word(self) -> &'static str {
        match self {
            Damage::Note => "note",
            Damage::Space => "space",
            Damage::Wrong => "wrong",
            Damage::Lost => "lost",
        }
    }
}

/// What a finding is about. The words are for scripts and do not change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Header,
    Snapshot,
    Page,
    PageCount,
    UsedBlocks,
    MapObject,
    Block,
    DeadBlock,
    Record,
    Segment,
    SegmentCount,
    Totals,
    Log,
    Orphan,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Header => "header",
            Kind::Snapshot => "snapshot",
            Kind::Page => "map-page",
            Kind::PageCount => "map-count",
            Kind::UsedBlocks => "used-blocks",
            Kind::MapObject => "map-object",
            Kind::Block => "block",
            Kind::DeadBlock => "dead-block",
            Kind::Record => "record",
            Kind::Segment => "segment",
            Kind::SegmentCount => "segment-count",
            Kind::Totals => "totals",
            Kind::Log => "log",
            Kind::Orphan => "orphan",
        }
    }
}

/// Which state of the image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum View {
    Head,
    Snapshot(SnapshotId),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub kind: Kind,
    pub damage: Damage,
    /// The object that it is in.
    pub object: String,
    /// Byte offset in the object, where there is one.
    pub offset: Option<u64>,
    pub detail: String,
    /// What of the image cannot be read: offset and length in bytes, and in which states.
    pub lost: Option<(u64, u64, Vec<View>)>,
    pub repaired: bool,
    /// Where the first block of `lost` is.
    pub(super) place: Option<Loc>,
}

/// Figures of the image, for people.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Facts {
    pub size_bytes: u64,
    /// Mapped blocks of the newest checkpoint, in bytes.
    pub used_bytes: u64,
    pub snapshots: u64,
    pub segments: u64,
    /// Bytes of the segments' records.
    pub log_bytes: u64,
    /// Blocks that were read and verified, for each state that has them.
    pub blocks_checked: u64,
    pub map_pages: u64,
    /// Records that the next opener replays, and their bytes.
    pub replay_records: u64,
    pub replay_bytes: u64,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    /// The worst first.
    pub findings: Vec<Finding>,
    pub facts: Facts,
    /// A writer kept changing the image, and findings may only be traces of that.
    pub moved: bool,
}

impl Report {
    /// Nothing but notes.
    pub fn is_clean(&self) -> bool {
        self.worst() == Damage::Note
    }

    /// The worst that is left.
    pub fn worst(&self) -> Damage {
        let left = self.findings.iter().filter(|finding| !finding.repaired);
        left.map(|finding| finding.damage).max().unwrap_or(Damage::Note)
    }

    pub(super) fn add(
        &mut self,
        kind: Kind,
        damage: Damage,
        object: impl ToString,
        offset: Option<u64>,
        detail: String,
    ) -> &mut Finding {
        let object = object.to_string();
        self.findings.push(Finding {
            kind,
            damage,
            object,
            offset,
            detail,
            lost: None,
            repaired: false,
            place: None,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// A finding from an error; `place` where the error names none.
    pub(super) fn add_error(&mut self, kind: Kind, damage: Damage, error: &DiskError, place: &str) {
        let (object, offset, detail) = match error {
            DiskError::Corrupt { object, offset, detail } => (object.clone(), Some(*offset), detail.clone()),
            DiskError::Store { object, source } => (object.clone(), None, source.to_string()),
            other => (String::new(), None, other.to_string()),
        };
        let object = if place.is_empty() { object } else { place.to_owned() };
        self.add(kind, damage, object, offset, detail);
    }

    /// Blocks of the image that cannot be read. Neighbours with one cause become one finding.
    pub(super) fn add_lost(
        &mut self,
        object: String,
        at: u64,
        detail: String,
        lba: Lba,
        blocks: u64,
        view: View,
    ) {
        let (offset, length) = (lba.0 * BLOCK_BYTES, blocks * BLOCK_BYTES);
        if let Some(Finding { kind: Kind::Block, object: last, detail: cause, lost: Some(lost), .. }) =
            self.findings.last_mut()
            && *last == object
            && *cause == detail
        {
            let end = lost.0 + lost.1;
            if (lost.0..end).contains(&offset) && offset + length <= end {
                // The same place in another state's map.
                if !lost.2.contains(&view) {
                    lost.2.push(view);
                }
                return;
            }
            if end == offset && lost.2 == [view] {
                lost.1 += length;
                return;
            }
        }
        self.add(Kind::Block, Damage::Lost, object, Some(at), detail).lost =
            Some((offset, length, vec![view]));
    }
}
