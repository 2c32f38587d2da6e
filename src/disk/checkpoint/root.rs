//! The root of a checkpoint, as it is stored in the header's omap, and the short form that a snapshot keeps.

use std::collections::BTreeMap;

use crate::disk::names::MapObjectNumber;
use crate::disk::pages::codec::{Bad, bad, get_ref, get_u32, get_u64, put_ref};
use crate::disk::pages::{Child, Dropped, PageKey, Tree};
use crate::disk::segments::SegmentTotals;
use crate::disk::{DiskError, LocalSeq, Lsn, SegmentSeq, WriterEpoch};

const ROOT_MAGIC: [u8; 4] = *b"LSVC";
const SNAPSHOT_MAGIC: [u8; 4] = *b"LSVK";
const VERSION: u16 = 1;
/// Of a root that says how far the local log has come.
const VERSION_LOCAL: u16 = 2;
/// Of a root that names epochs with payloads, and may say that, too.
const VERSION_PAYLOADS: u16 = 3;
const CHILD_BYTES: usize = 24;
const ROOT_FIXED_BYTES: usize = 160;
const SNAPSHOT_BYTES: usize = 64;
const OBJECT_BYTES: usize = 32;
const DROPPED_BYTES: usize = 40;
const PAYLOADS_FIXED_BYTES: usize = 16;
const PAYLOAD_BYTES: usize = 16;

/// Where replay begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Replay {
    pub segment: SegmentSeq,
    /// Byte offset of the first record after the checkpoint.
    pub offset: u32,
}

/// A map object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    /// Number of the checkpoint that wrote it.
    pub born: u64,
    /// Number of the first checkpoint that does not reach it; 0 while it is reached.
    pub died: u64,
    pub bytes: u32,
    /// Bytes of pages that the newest checkpoint reaches.
    pub live: u32,
}

/// The root of a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootBlob {
    pub epoch: WriterEpoch,
    /// Ascending, never reused by a published root.
    pub checkpoint: u64,
    /// The last record that the checkpoint has.
    pub lsn: Lsn,
    pub replay: Replay,
    pub size_bytes: u64,
    pub used_blocks: u64,
    /// The checkpoint has all changes of the local log up to this one.
    pub local: LocalSeq,
    pub totals: SegmentTotals,
    /// Counter of the last map object of `epoch`: numbers above it belong to no root.
    pub last_object: u32,
    /// Top pages of the map and of the segment table; `None` if empty.
    pub(crate) tops: [Option<Child>; 2],
    pub objects: BTreeMap<MapObjectNumber, Object>,
    pub(crate) dropped: Vec<Dropped>,
    /// Epochs that have written payloads, each with the first segment of which it did; ascending.
    pub(crate) payloads: Vec<(SegmentSeq, WriterEpoch)>,
}

/// What a snapshot keeps of the checkpoint that was taken exactly at its LSN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotRoot {
    pub checkpoint: u64,
    pub lsn: Lsn,
    pub size_bytes: u64,
    pub(crate) map: Option<Child>,
}

/// Length of a root with so many map objects, dropped subtrees and epochs with payloads.
pub(crate) fn root_bytes(objects: usize, dropped: usize, payloads: usize) -> usize {
    let more = if payloads > 0 { PAYLOADS_FIXED_BYTES + payloads * PAYLOAD_BYTES } else { 0 };
    ROOT_FIXED_BYTES + objects * OBJECT_BYTES + dropped * DROPPED_BYTES + more + 4
}

impl RootBlob {
    pub fn snapshot(&self) -> SnapshotRoot {
        SnapshotRoot {
            checkpoint: self.checkpoint,
            lsn: self.lsn,
            size_bytes: self.size_bytes,
            map: self.tops[Tree::Map as usize],
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let length = root_bytes(self.objects.len(), self.dropped.len(), self.payloads.len());
        let version = match (self.payloads.is_empty(), self.local) {
            (false, _) => VERSION_PAYLOADS,
            (true, LocalSeq(0)) => VERSION,
            (true, _) => VERSION_LOCAL,
        };
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&ROOT_MAGIC);
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        put_u32(&mut out, length as u32);
        put_u32(&mut out, self.epoch.0);
        put_u64(&mut out, self.checkpoint);
        put_u64(&mut out, self.lsn.0);
        put_u64(&mut out, self.replay.segment.0);
        put_u32(&mut out, self.replay.offset);
        put_u32(&mut out, self.last_object);
        put_u64(&mut out, self.size_bytes);
        put_u64(&mut out, self.used_blocks);
        for total in [self.totals.segments, self.totals.live, self.totals.blocks, self.totals.bytes] {
            put_u64(&mut out, total);
        }
        for top in self.tops {
            put_child(&mut out, top);
        }
        put_u32(&mut out, self.objects.len() as u32);
        put_u32(&mut out, self.dropped.len() as u32);
        put_u64(&mut out, self.local.0);
        debug_assert_eq!(out.len(), ROOT_FIXED_BYTES);
        for (number, object) in &self.objects {
            put_u64(&mut out, number.0);
            put_u64(&mut out, object.born);
            put_u64(&mut out, object.died);
            put_u32(&mut out, object.bytes);
            put_u32(&mut out, object.live);
        }
        for dropped in &self.dropped {
            put_u64(&mut out, dropped.key.index);
            put_u64(&mut out, u64::from(dropped.key.level));
            put_u64(&mut out, dropped.lsn.0);
            put_ref(&mut out, dropped.page);
        }
        if !self.payloads.is_empty() {
            put_u64(&mut out, self.totals.payload_bytes);
            put_u64(&mut out, self.payloads.len() as u64);
            for (segment, epoch) in &self.payloads {
                put_u64(&mut out, segment.0);
                put_u64(&mut out, u64::from(epoch.0));
            }
        }
        put_crc(&mut out);
        out
    }

    /// Reads a root; `object` names the place for the error.
    pub fn decode(bytes: &[u8], object: &str) -> Result<RootBlob, DiskError> {
        check_frame(bytes, ROOT_MAGIC, VERSION_PAYLOADS, object)?;
        decode_root(bytes).map_err(|bad| corrupt(object, bad))
    }
}

impl SnapshotRoot {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SNAPSHOT_BYTES);
        out.extend_from_slice(&SNAPSHOT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        put_u32(&mut out, SNAPSHOT_BYTES as u32);
        put_u64(&mut out, self.checkpoint);
        put_u64(&mut out, self.lsn.0);
        put_u64(&mut out, self.size_bytes);
        put_child(&mut out, self.map);
        put_crc(&mut out);
        debug_assert_eq!(out.len(), SNAPSHOT_BYTES);
        out
    }

    pub fn decode(bytes: &[u8], object: &str) -> Result<SnapshotRoot, DiskError> {
        check_frame(bytes, SNAPSHOT_MAGIC, VERSION, object)?;
        if bytes.len() != SNAPSHOT_BYTES {
            return Err(corrupt(object, Bad { offset: 8, detail: "wrong length".into() }));
        }
        let map = get_child(bytes, 36).map_err(|bad| corrupt(object, bad))?;
        Ok(SnapshotRoot {
            checkpoint: get_u64(bytes, 12),
            lsn: Lsn(get_u64(bytes, 20)),
            size_bytes: get_u64(bytes, 28),
            map,
        })
    }
}

/// Checks magic, version, length and checksum.
fn check_frame(bytes: &[u8], magic: [u8; 4], known: u16, object: &str) -> Result<(), DiskError> {
    let wrong = |offset, detail: &str| Err(corrupt(object, Bad { offset, detail: detail.into() }));
    if bytes.len() < 16 || bytes[..4] != magic {
        return wrong(0, "no checkpoint root");
    }
    let found = u16::from_le_bytes([bytes[4], bytes[5]]);
    if found > known {
        return Err(DiskError::NewerFormat { object: object.into(), found, known });
    }
    if found == 0 || bytes[6..8] != [0; 2] {
        return wrong(4, "version or reserved bytes");
    }
    if get_u32(bytes, 8) as usize != bytes.len() {
        return wrong(8, "length does not match");
    }
    let at = bytes.len() - 4;
    if get_u32(bytes, at) != crate::crc::crc32c(&bytes[..at]) {
        return wrong(at, "checksum does not match");
    }
    Ok(())
}

fn decode_root(bytes: &[u8]) -> Result<RootBlob, Bad> {
    if bytes.len() < ROOT_FIXED_BYTES + 4 {
        return bad(8, "too short for a root");
    }
    let objects_count = get_u32(bytes, ROOT_FIXED_BYTES - 16) as usize;
    let dropped_count = get_u32(bytes, ROOT_FIXED_BYTES - 12) as usize;
    let body = &bytes[ROOT_FIXED_BYTES..bytes.len() - 4];
    // Both counts are below 2^32, so nothing overflows.
    let tables = objects_count * OBJECT_BYTES + dropped_count * DROPPED_BYTES;
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    let with_payloads = version == VERSION_PAYLOADS;
    if body.len() < tables || (body.len() > tables) != with_payloads {
        return bad(ROOT_FIXED_BYTES - 16, format!("{objects_count} objects, {dropped_count} dropped"));
    }
    let local = LocalSeq(get_u64(bytes, ROOT_FIXED_BYTES - 8));
    if !with_payloads && (local == LocalSeq(0)) != (version == VERSION) {
        return bad(ROOT_FIXED_BYTES - 8, "a position in the local log, and the version does not say so");
    }
    let (body, payloads_raw) = body.split_at(tables);
    let (payload_bytes, payloads) = decode_payloads(payloads_raw, ROOT_FIXED_BYTES + tables)?;
    let (objects_raw, dropped_raw) = body.split_at(objects_count * OBJECT_BYTES);
    let mut objects = BTreeMap::new();
    for (i, raw) in objects_raw.chunks_exact(OBJECT_BYTES).enumerate() {
        let object = Object {
            born: get_u64(raw, 8),
            died: get_u64(raw, 16),
            bytes: get_u32(raw, 24),
            live: get_u32(raw, 28),
        };
        let number = MapObjectNumber(get_u64(raw, 0));
        let sane = object.live <= object.bytes && (object.died == 0) == (object.live > 0);
        if !sane || objects.insert(number, object).is_some() {
            return bad(
                ROOT_FIXED_BYTES + i * OBJECT_BYTES,
                format!("map object {:x}: {object:?}", number.0),
            );
        }
    }
    let mut dropped = Vec::with_capacity(dropped_count);
    for (i, raw) in dropped_raw.chunks_exact(DROPPED_BYTES).enumerate() {
        let at = ROOT_FIXED_BYTES + objects_raw.len() + i * DROPPED_BYTES;
        let (index, level) = (get_u64(raw, 0), get_u64(raw, 8));
        let top = u64::from(Tree::Map.top_level());
        if level >= top || index >> (8 * (top - level)) != 0 {
            return bad(at, format!("dropped page {index} of level {level}"));
        }
        dropped.push(Dropped {
            key: PageKey { tree: Tree::Map, level: level as u8, index },
            lsn: Lsn(get_u64(raw, 16)),
            page: get_ref(raw, 24)?,
        });
    }
    Ok(RootBlob {
        epoch: WriterEpoch(get_u32(bytes, 12)),
        checkpoint: get_u64(bytes, 16),
        lsn: Lsn(get_u64(bytes, 24)),
        replay: Replay { segment: SegmentSeq(get_u64(bytes, 32)), offset: get_u32(bytes, 40) },
        last_object: get_u32(bytes, 44),
        size_bytes: get_u64(bytes, 48),
        used_blocks: get_u64(bytes, 56),
        local,
        totals: SegmentTotals {
            segments: get_u64(bytes, 64),
            live: get_u64(bytes, 72),
            blocks: get_u64(bytes, 80),
            bytes: get_u64(bytes, 88),
            payload_bytes,
        },
        tops: [get_child(bytes, 96)?, get_child(bytes, 120)?],
        objects,
        dropped,
        payloads,
    })
}

/// What follows the tables of a root, if anything: bytes in payloads, and the epochs that wrote them. `at`: where it begins.
fn decode_payloads(raw: &[u8], at: usize) -> Result<(u64, Vec<(SegmentSeq, WriterEpoch)>), Bad> {
    if raw.is_empty() {
        return Ok((0, Vec::new()));
    }
    if raw.len() < PAYLOADS_FIXED_BYTES {
        return bad(at, "epochs with payloads are cut off");
    }
    let (fixed, entries) = raw.split_at(PAYLOADS_FIXED_BYTES);
    let count = get_u64(fixed, 8);
    if count == 0 || count.checked_mul(PAYLOAD_BYTES as u64) != Some(entries.len() as u64) {
        return bad(at + 8, format!("{count} epochs with payloads"));
    }
    let mut payloads: Vec<(SegmentSeq, WriterEpoch)> = Vec::with_capacity(entries.len() / PAYLOAD_BYTES);
    for (i, entry) in entries.chunks_exact(PAYLOAD_BYTES).enumerate() {
        let (segment, epoch) = (SegmentSeq(get_u64(entry, 0)), get_u64(entry, 8));
        let epoch = u32::try_from(epoch).map(WriterEpoch);
        match (payloads.last(), epoch) {
            (None, Ok(epoch)) => payloads.push((segment, epoch)),
            (Some(last), Ok(epoch)) if last.0 < segment && last.1 < epoch => payloads.push((segment, epoch)),
            _ => {
                return bad(
                    at + PAYLOADS_FIXED_BYTES + i * PAYLOAD_BYTES,
                    "epochs with payloads do not ascend",
                );
            }
        }
    }
    Ok((get_u64(fixed, 0), payloads))
}

fn corrupt(object: &str, bad: Bad) -> DiskError {
    DiskError::Corrupt { object: object.into(), offset: bad.offset as u64, detail: bad.detail }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_crc(out: &mut Vec<u8>) {
    let crc = crate::crc::crc32c(out);
    put_u32(out, crc);
}

/// 24 bytes; a length of zero says that there is none.
fn put_child(out: &mut Vec<u8>, child: Option<Child>) {
    match child {
        Some(child) => {
            put_ref(out, child.page);
            put_u64(out, child.count);
        }
        None => out.extend_from_slice(&[0; CHILD_BYTES]),
    }
}

fn get_child(bytes: &[u8], at: usize) -> Result<Option<Child>, Bad> {
    if bytes[at..at + CHILD_BYTES] == [0; CHILD_BYTES] {
        return Ok(None);
    }
    Ok(Some(Child { page: get_ref(bytes, at)?, count: get_u64(bytes, at + 16) }))
}
