//! A record: 64 bytes of header, slots, and the extents that say what the slots are.

use super::{FormatError, u16_at, u32_at, u64_at};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{
    BLOCK_BYTES, Lba, Loc, LocalSeq, Lsn, MAX_SIZE_BYTES, SLOT_BYTES, SLOT_UNITS, SegmentSeq, UNIT_BYTES,
    WriterEpoch,
};

pub(crate) const RECORD_HEADER_BYTES: usize = 64;
pub(crate) const EXTENT_BYTES: usize = 16;
pub(crate) const GC_EXTENT_BYTES: usize = 32;
const MAGIC: &[u8; 4] = b"LSVR";
const FORMAT: u8 = 1;
/// Of a record that says how far the local log has come: older code must not go on without knowing of that log.
const FORMAT_LOCAL: u8 = 2;
/// LBA + blocks of an extent is at most this.
const MAX_BLOCKS: u64 = MAX_SIZE_BYTES / BLOCK_BYTES;
const WHAT: &str = "record";

/// What a record is, with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Blocks written and holes made.
    Data,
    /// A writer's first record: `last` is the LSN before it.
    EpochStart {
        last: Lsn,
    },
    Resize {
        size_bytes: u64,
    },
    SnapCreate {
        snapshot: u64,
    },
    /// Copies made by garbage collection.
    Gc,
    Rollback {
        snapshot: u64,
    },
}

impl RecordKind {
    fn parts(self) -> (u8, u64) {
        match self {
            RecordKind::Data => (1, 0),
            RecordKind::EpochStart { last } => (2, last.0),
            RecordKind::Resize { size_bytes } => (3, size_bytes),
            RecordKind::SnapCreate { snapshot } => (4, snapshot),
            RecordKind::Gc => (5, 0),
            RecordKind::Rollback { snapshot } => (6, snapshot),
        }
    }

    fn from_parts(kind: u8, argument: u64) -> Option<RecordKind> {
        match kind {
            1 if argument == 0 => Some(RecordKind::Data),
            2 => Some(RecordKind::EpochStart { last: Lsn(argument) }),
            3 if argument <= MAX_SIZE_BYTES => Some(RecordKind::Resize { size_bytes: argument }),
            4 => Some(RecordKind::SnapCreate { snapshot: argument }),
            5 if argument == 0 => Some(RecordKind::Gc),
            6 => Some(RecordKind::Rollback { snapshot: argument }),
            _ => None,
        }
    }

    pub fn extent_bytes(self) -> usize {
        match self {
            RecordKind::Gc => GC_EXTENT_BYTES,
            RecordKind::Data
            | RecordKind::EpochStart { .. }
            | RecordKind::Resize { .. }
            | RecordKind::SnapCreate { .. }
            | RecordKind::Rollback { .. } => EXTENT_BYTES,
        }
    }

    fn has_extents(self) -> bool {
        matches!(self, RecordKind::Data | RecordKind::Gc)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub kind: RecordKind,
    pub lsn: Lsn,
    pub epoch: WriterEpoch,
    pub extents: u32,
    pub slots: u32,
    /// When the record was made, all records up to this one were durable.
    pub durable: Lsn,
    pub extents_crc: u32,
    /// After this record the image has all changes of the local log up to this one; 0: the record does not say.
    pub local: LocalSeq,
}

impl RecordHeader {
    /// Bytes of the whole record.
    pub fn length(&self) -> u64 {
        record_bytes(self.kind, self.slots, self.extents)
    }

    /// Offset of the extents within the record.
    pub fn index_offset(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.slots) * SLOT_BYTES
    }

    pub fn index_bytes(&self) -> u64 {
        u64::from(self.extents) * self.kind.extent_bytes() as u64
    }

    /// Encodes the header; the record's length must be below 4 GiB, which its segment's size sees to.
    pub fn encode(&self, out: &mut [u8]) {
        let (kind, argument) = self.kind.parts();
        out[..RECORD_HEADER_BYTES].fill(0);
        out[0..4].copy_from_slice(MAGIC);
        out[4] = if self.local == LocalSeq(0) { FORMAT } else { FORMAT_LOCAL };
        out[5] = kind;
        out[8..16].copy_from_slice(&self.lsn.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[20..24].copy_from_slice(&self.extents.to_le_bytes());
        out[24..28].copy_from_slice(&self.slots.to_le_bytes());
        out[28..32].copy_from_slice(&(self.length() as u32).to_le_bytes());
        out[32..40].copy_from_slice(&argument.to_le_bytes());
        out[40..48].copy_from_slice(&self.local.0.to_le_bytes());
        out[48..56].copy_from_slice(&self.durable.0.to_le_bytes());
        out[56..60].copy_from_slice(&self.extents_crc.to_le_bytes());
        let crc = crate::crc::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
    }

    /// Decodes a header. What it promises is consistent in itself; `length()` is bounded only by 4 GiB.
    pub fn decode(bytes: &[u8]) -> Result<RecordHeader, FormatError> {
        if bytes.len() < RECORD_HEADER_BYTES {
            return Err(FormatError::Short { what: WHAT });
        }
        if &bytes[0..4] != MAGIC {
            return Err(FormatError::Magic { what: WHAT });
        }
        if crate::crc::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        if bytes[4] > FORMAT_LOCAL {
            return Err(FormatError::Newer {
                what: WHAT,
                found: u16::from(bytes[4]),
                known: u16::from(FORMAT_LOCAL),
            });
        }
        let nonsense = |detail| FormatError::Nonsense { what: WHAT, detail };
        let kind = RecordKind::from_parts(bytes[5], u64_at(bytes, 32)).ok_or(nonsense("kind or argument"))?;
        let local = LocalSeq(u64_at(bytes, 40));
        let format = if local == LocalSeq(0) { FORMAT } else { FORMAT_LOCAL };
        if bytes[4] != format || u16_at(bytes, 6) != 0 {
            return Err(nonsense("reserved fields are not zero"));
        }
        let header = RecordHeader {
            kind,
            lsn: Lsn(u64_at(bytes, 8)),
            epoch: WriterEpoch(u32_at(bytes, 16)),
            extents: u32_at(bytes, 20),
            slots: u32_at(bytes, 24),
            durable: Lsn(u64_at(bytes, 48)),
            extents_crc: u32_at(bytes, 56),
            local,
        };
        if header.length() != u64::from(u32_at(bytes, 28)) {
            return Err(nonsense("length"));
        }
        if !kind.has_extents() && (header.extents != 0 || header.slots != 0) {
            return Err(nonsense("extents in a record without data"));
        }
        if header.durable >= header.lsn {
            return Err(nonsense("durable LSN"));
        }
        Ok(header)
    }
}

/// Bytes of a record of this kind.
pub(crate) fn record_bytes(kind: RecordKind, slots: u32, extents: u32) -> u64 {
    RECORD_HEADER_BYTES as u64
        + u64::from(slots) * SLOT_BYTES
        + u64::from(extents) * kind.extent_bytes() as u64
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtentKind {
    Data,
    Hole,
}

/// Where a Gc record's copies come from.
pub(crate) type GcSource = Loc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub lba: Lba,
    pub blocks: u32,
    pub kind: ExtentKind,
    /// Gc records: the place of the first block's source; the others follow it slot by slot.
    pub source: Option<GcSource>,
}

impl Extent {
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lba.0.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.push(match self.kind {
            ExtentKind::Data => 0,
            ExtentKind::Hole => 1,
        });
        out.extend_from_slice(&[0; 3]);
        if let Some(source) = self.source {
            out.extend_from_slice(&source.segment.0.to_le_bytes());
            out.extend_from_slice(&source.unit.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
        }
    }
}

/// A record's decoded extents, each with the place of its first slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub extents: Vec<(Extent, Option<Loc>)>,
}

impl Index {
    /// Decodes the extents of a record whose header is at byte `offset` of `segment`. `bytes` are those of the
    /// extents alone, so their number was bounded by what the segment holds.
    pub fn decode(
        header: &RecordHeader,
        segment: SegmentSeq,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Index, FormatError> {
        let nonsense = |detail| FormatError::Nonsense { what: WHAT, detail };
        if (bytes.len() as u64) < header.index_bytes() {
            return Err(FormatError::Short { what: WHAT });
        }
        let bytes = &bytes[..header.index_bytes() as usize];
        if crate::crc::crc32c(bytes) != header.extents_crc && !broken(Sabotage::ReplayTornRecord) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let first = (offset + RECORD_HEADER_BYTES as u64) / UNIT_BYTES;
        let first = u32::try_from(first).map_err(|_| nonsense("offset"))?;
        let mut slot = 0;
        let mut extents = Vec::with_capacity(header.extents as usize);
        for raw in bytes.chunks_exact(header.kind.extent_bytes()) {
            let blocks = u32_at(raw, 8);
            let lba = u64_at(raw, 0);
            let kind = match raw[12] {
                0 => ExtentKind::Data,
                1 if header.kind == RecordKind::Data => ExtentKind::Hole,
                _ => return Err(nonsense("kind of an extent")),
            };
            if blocks == 0 || lba.checked_add(u64::from(blocks)).is_none_or(|end| end > MAX_BLOCKS) {
                return Err(nonsense("range of an extent"));
            }
            if raw[13..16] != [0; 3] {
                return Err(nonsense("reserved bytes are not zero"));
            }
            let source = match header.kind {
                RecordKind::Gc => {
                    if u32_at(raw, 28) != 0 {
                        return Err(nonsense("reserved bytes are not zero"));
                    }
                    let source = Loc { segment: SegmentSeq(u64_at(raw, 16)), unit: u32_at(raw, 24) };
                    if u64::from(source.unit) + u64::from(blocks) * u64::from(SLOT_UNITS) > 1 << 32 {
                        return Err(nonsense("source of a copy"));
                    }
                    Some(source)
                }
                RecordKind::Data
                | RecordKind::EpochStart { .. }
                | RecordKind::Resize { .. }
                | RecordKind::SnapCreate { .. }
                | RecordKind::Rollback { .. } => None,
            };
            let loc = match kind {
                ExtentKind::Hole => None,
                ExtentKind::Data => {
                    let at = slot;
                    slot = u32::checked_add(slot, blocks)
                        .filter(|&slots| slots <= header.slots)
                        .ok_or(nonsense("more blocks than slots"))?;
                    Some(Loc { segment, unit: first }.nth(at))
                }
            };
            extents.push((Extent { lba: Lba(lba), blocks, kind, source }, loc));
        }
        if slot != header.slots {
            return Err(nonsense("more slots than blocks"));
        }
        Ok(Index { extents })
    }
}
