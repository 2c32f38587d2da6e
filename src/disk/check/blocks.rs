//! Reads every segment once: its header, each record, each slot, and each place that a map names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::log_end::LogEnd;
use super::trees::{Counted, Entry};
use super::{Check, Damage, Kind, View};
use crate::disk::log::{ExtentKind, Index, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, verify_slot};
use crate::disk::pages::Pages;
use crate::disk::payload::Records;
use crate::disk::reader::Reader;
use crate::disk::shared::{Shared, data_of, size_of};
use crate::disk::{
    BLOCK_BYTES, DiskError, DiskResult, ExtentMap, Lba, Loc, Lsn, SLOT_BYTES, SegmentInfo, SegmentSeq,
};
use crate::store::{Op, StoreError, Target};

/// Where a segment cannot be read as a whole, what can be read of it is found to this many bytes: a slot's alignment.
const PIECE: u64 = 16;

/// What the records of a segment add up to, as far as the checkpoint covers them.
#[derive(Clone, Copy, Default)]
struct Sums {
    first: Lsn,
    blocks: u64,
    bytes: u64,
    payload: bool,
}

/// A run of slots that a record describes.
#[derive(Clone, Copy)]
struct Described {
    unit: u32,
    blocks: u32,
    lba: u64,
}

/// A slot that does not match its checksum or address, while nothing that was looked at needs it.
struct Bad {
    lba: u64,
    detail: String,
}

pub(super) struct Scan {
    sums: HashMap<SegmentSeq, Sums>,
    /// By segment and unit.
    bad: BTreeMap<(SegmentSeq, u32), Bad>,
    replay: (SegmentSeq, u64),
    tail: std::ops::RangeInclusive<u64>,
    done_bytes: u64,
    total_bytes: u64,
}

impl Scan {
    pub async fn new(check: &Check<'_>, end: &LogEnd) -> DiskResult<Scan> {
        let root = &check.root;
        let tail = root.replay.segment.0..=end.last.0;
        Ok(Scan {
            sums: HashMap::new(),
            bad: BTreeMap::new(),
            replay: (root.replay.segment, u64::from(root.replay.offset)),
            tail,
            done_bytes: 0,
            total_bytes: root.totals.bytes + check.report.facts.replay_bytes,
        })
    }

    /// Verifies the places of a lot of map entries, segment by segment.
    pub async fn look(&mut self, check: &mut Check<'_>, mut lot: Vec<Entry>) -> DiskResult<()> {
        lot.sort_unstable_by_key(|entry| (entry.loc.segment, entry.loc.unit, entry.lba));
        for entries in lot.chunk_by(|a, b| a.loc.segment == b.loc.segment) {
            self.segment(check, entries[0].loc.segment, entries).await?;
        }
        Ok(())
    }

    /// Reads the segments that no map names; compares counts; says who needs what cannot be read.
    pub async fn finish(&mut self, check: &mut Check<'_>, counted: &Counted) -> DiskResult<()> {
        let rest: Vec<SegmentSeq> =
            counted.table.keys().copied().chain(self.tail.clone().map(SegmentSeq)).collect();
        for seq in rest {
            if !self.sums.contains_key(&seq) {
                self.segment(check, seq, &[]).await?;
            }
        }
        self.compare(check, counted);
        self.unneeded(check).await?;
        affected(check).await
    }

    async fn segment(&mut self, check: &mut Check<'_>, seq: SegmentSeq, entries: &[Entry]) -> DiskResult<()> {
        let found = whole_segment(check, seq, entries).await?;
        let (object, raw, base) = match found {
            Whole { object, raw: Some(raw), base } => (object, raw, base),
            Whole { object, raw: None, .. } => {
                for entry in entries {
                    let at = check.shared.offset_of(entry.loc).0;
                    let blocks = u64::from(entry.blocks);
                    let detail = "the segment is missing".to_owned();
                    check.report.add_lost(object.clone(), at, detail, Lba(entry.lba), blocks, entry.view);
                    mark(check, entry.loc);
                }
                return Ok(());
            }
        };
        let described = if self.sums.contains_key(&seq) {
            None
        } else {
            let described = self.records(check, seq, &object, &raw, base);
            self.done_bytes += raw.len() as u64;
            (check.progress)(self.done_bytes.min(self.total_bytes), self.total_bytes);
            Some(described)
        };
        let mut strays = 0;
        for entry in entries {
            for i in 0..entry.blocks {
                let (loc, lba) = (entry.loc.nth(i), entry.lba + u64::from(i));
                let offset = loc.byte_offset().checked_sub(base);
                match verify_slot(offset.map_or(&[], |offset| slot_of(&raw, offset)), Lba(lba)) {
                    Ok(_) => check.report.facts.blocks_checked += 1,
                    Err(error) => {
                        self.bad.remove(&(seq, loc.unit));
                        let (at, detail) = (check.shared.offset_of(loc).0, error.to_string());
                        check.report.add_lost(object.clone(), at, detail, Lba(lba), 1, entry.view);
                        mark(check, loc);
                        continue;
                    }
                }
                if described.as_ref().is_some_and(|described| !describes(described, loc.unit, lba)) {
                    strays += 1;
                }
            }
        }
        if strays > 0 {
            let detail = format!("{strays} blocks can be read, but no sound record describes them");
            check.report.add(Kind::Record, Damage::Wrong, &object, None, detail);
        }
        Ok(())
    }

    /// Checks the segment's header, records and slots.
    fn records(
        &mut self,
        check: &mut Check<'_>,
        seq: SegmentSeq,
        object: &str,
        raw: &Bytes,
        base: u64,
    ) -> Vec<Described> {
        let report = &mut check.report;
        let mut wrong = |kind, at: u64, detail: String| {
            report.add(kind, Damage::Wrong, object, Some(at), detail);
        };
        let mut described = Vec::new();
        let mut sums = Sums { payload: base > 0, ..Sums::default() };
        let header = match SegmentHeader::decode(raw) {
            Ok(header) => Some(header),
            Err(error) => {
                wrong(Kind::Segment, 0, error.to_string());
                None
            }
        };
        if let Some(header) = &header
            && (header.uuid != check.shared.format.uuid
                || header.seq != seq
                || header.segment_bytes != check.shared.format.segment_bytes)
        {
            wrong(Kind::Segment, 0, "its header is that of another segment or image".to_owned());
        }
        let mut offset = SEGMENT_HEADER_BYTES as u64;
        let mut last = header.as_ref().map_or(Lsn(0), |header| header.prev_lsn);
        while let Some(rest) = raw.get(offset as usize..) {
            // What follows may be a torn append, or damage: the table's sums tell.
            let Ok(record) = RecordHeader::decode(rest) else { break };
            if record.lsn <= last || header.as_ref().is_some_and(|header| header.epoch != record.epoch) {
                break;
            }
            let from = record.index_offset() as usize;
            let index = rest.get(from..from + record.index_bytes() as usize).unwrap_or_default();
            let index = match Index::decode(&record, seq, base + offset, index) {
                Ok(index) => index,
                Err(_) => break,
            };
            for (extent, loc) in &index.extents {
                let (ExtentKind::Data, Some(loc)) = (extent.kind, *loc) else { continue };
                described.push(Described { unit: loc.unit, blocks: extent.blocks, lba: extent.lba.0 });
                for i in 0..extent.blocks {
                    let (loc, lba) = (loc.nth(i), extent.lba.0 + u64::from(i));
                    if let Err(error) = verify_slot(slot_of(raw, loc.byte_offset() - base), Lba(lba)) {
                        self.bad.insert((seq, loc.unit), Bad { lba, detail: error.to_string() });
                    }
                }
            }
            if seq < self.replay.0 || (seq == self.replay.0 && offset < self.replay.1) {
                if sums.bytes == 0 {
                    sums.first = record.lsn;
                    sums.bytes = SEGMENT_HEADER_BYTES as u64;
                }
                sums.blocks += u64::from(record.slots);
                sums.bytes += record.length();
            }
            last = record.lsn;
            offset += record.length();
        }
        self.sums.insert(seq, sums);
        described
    }

    /// The segment table beside what the segments and the maps say.
    fn compare(&self, check: &mut Check<'_>, counted: &Counted) {
        let names = check.shared.names.clone();
        let report = &mut check.report;
        for (&seq, info) in &counted.table {
            let object = names.segment(seq).oid;
            let live = counted.live.get(&seq).copied().unwrap_or(0);
            let mut right = SegmentInfo { live, ..*info };
            if live != info.live && !counted.incomplete {
                let detail =
                    format!("the map has {live} of its blocks, the segment table says {}", info.live);
                report.add(Kind::SegmentCount, Damage::Wrong, &object, None, detail);
            }
            let Some(sums) = self.sums.get(&seq) else {
                if info.live == 0 && !counted.named.contains(&seq) {
                    let detail = "deleted, and still in the segment table".to_owned();
                    report.add(Kind::Segment, Damage::Note, &object, None, detail);
                }
                continue;
            };
            report.facts.log_bytes += sums.bytes;
            let same = (sums.blocks, sums.bytes, sums.first)
                == (u64::from(info.blocks), u64::from(info.bytes), info.birth);
            if !same && info.live == 0 && live == 0 && !counted.named.contains(&seq) && seq < self.replay.0 {
                // Deleted once, and created again by an op list of an older writer that came late.
                let detail = "dead, and not as the segment table has it: it will be deleted".to_owned();
                report.add(Kind::Segment, Damage::Note, &object, None, detail);
                continue;
            }
            if sums.bytes < u64::from(info.bytes) {
                let detail = format!("its sound records end after {} of {} bytes", sums.bytes, info.bytes);
                report.add(Kind::Record, Damage::Wrong, &object, Some(sums.bytes), detail);
            } else if !same || sums.payload != info.payload {
                let detail = format!(
                    "has {} blocks in {} bytes from record {} on, the segment table says {} in {} from {} on",
                    sums.blocks, sums.bytes, sums.first.0, info.blocks, info.bytes, info.birth.0
                );
                report.add(Kind::SegmentCount, Damage::Wrong, &object, None, detail);
                right = SegmentInfo {
                    blocks: sums.blocks as u32,
                    bytes: sums.bytes as u32,
                    birth: sums.first,
                    payload: sums.payload,
                    ..right
                };
            }
            if right != *info && !counted.incomplete {
                check.corrections.segments.insert(seq, (Some(*info), right));
            }
        }
        if counted.incomplete {
            return;
        }
        for (&seq, &live) in &counted.live {
            if !counted.table.contains_key(&seq) {
                let detail = format!("the map has {live} of its blocks, the segment table does not have it");
                report.add(Kind::SegmentCount, Damage::Wrong, names.segment(seq).oid, None, detail);
                if let Some(sums) = self.sums.get(&seq) {
                    let (birth, age) = (sums.first, sums.first);
                    let (blocks, bytes) = (sums.blocks as u32, sums.bytes as u32);
                    let info = SegmentInfo {
                        birth,
                        changed: birth,
                        age,
                        blocks,
                        live,
                        bytes,
                        payload: sums.payload,
                    };
                    check.corrections.segments.insert(seq, (None, info));
                }
            }
        }
    }

    /// Damaged slots that no checkpoint's map names: those of the log's tail may be needed by what replay makes.
    async fn unneeded(&mut self, check: &mut Check<'_>) -> DiskResult<()> {
        let mut reader: Option<Arc<Reader>> = None;
        for ((seq, unit), bad) in std::mem::take(&mut self.bad) {
            let loc = Loc { segment: seq, unit };
            let object = check.object_of(loc);
            if self.tail.contains(&seq.0) {
                if reader.is_none() {
                    // If the log cannot be replayed, that is a finding already.
                    reader = Reader::open(&Arc::new(check.shared.clone())).await.ok();
                }
                if let Some(reader) = &reader {
                    let mut found = Vec::new();
                    reader.head().state.map().lookup(Lba(bad.lba), 1, &mut found).await?;
                    if found.iter().any(|extent| extent.loc == Some(loc)) {
                        check.report.add_lost(
                            object,
                            check.shared.offset_of(loc).0,
                            bad.detail,
                            Lba(bad.lba),
                            1,
                            View::Head,
                        );
                        mark(check, loc);
                        continue;
                    }
                }
            }
            let detail = format!("{}; block {} was written again since", bad.detail, bad.lba);
            let at = check.shared.offset_of(loc).0;
            check.report.add(Kind::DeadBlock, Damage::Note, object, Some(at), detail);
        }
        Ok(())
    }
}

/// Remembers where the newest lost block is, for `affected`.
fn mark(check: &mut Check<'_>, loc: Loc) {
    if let Some(finding) = check.report.findings.last_mut() {
        finding.place.get_or_insert(loc);
    }
}

/// A block that one state cannot read may be part of others, too.
async fn affected(check: &mut Check<'_>) -> DiskResult<()> {
    let lost: Vec<usize> =
        (0..check.report.findings.len()).filter(|&n| check.report.findings[n].place.is_some()).collect();
    if lost.is_empty() {
        return Ok(());
    }
    written_since(check, &lost).await?;
    for (snapshot, root) in &check.snapshots {
        let view = View::Snapshot(snapshot.info.id);
        let Ok(pages) = Pages::open(check.objects.clone(), 16 << 20, [root.map, None]).await else {
            continue;
        };
        let map = ExtentMap::new(pages, Arc::default());
        for &n in &lost {
            let finding = &mut check.report.findings[n];
            let (Some((offset, length, views)), Some(place)) = (&mut finding.lost, finding.place) else {
                continue;
            };
            if views.contains(&view) {
                continue;
            }
            let first = *offset / BLOCK_BYTES;
            let mut found = Vec::new();
            if map.lookup(Lba(first), *length / BLOCK_BYTES, &mut found).await.is_err() {
                continue;
            }
            if found.iter().any(|extent| extent.loc == Some(place.nth((extent.lba.0 - first) as u32))) {
                views.push(view);
            }
        }
    }
    settle(check);
    Ok(())
}

/// The newest checkpoint's map is not yet the head's: what the log's tail has written again is not lost there.
async fn written_since(check: &mut Check<'_>, lost: &[usize]) -> DiskResult<()> {
    if check.report.facts.replay_records == 0 {
        return Ok(());
    }
    let Ok(reader) = Reader::open(&Arc::new(check.shared.clone())).await else { return Ok(()) };
    let map = reader.head().state.map();
    for &n in lost {
        let finding = &mut check.report.findings[n];
        let (Some((offset, length, views)), Some(place)) = (&mut finding.lost, finding.place) else {
            continue;
        };
        let first = *offset / BLOCK_BYTES;
        let mut found = Vec::new();
        map.lookup(Lba(first), *length / BLOCK_BYTES, &mut found).await?;
        if !found.iter().any(|extent| extent.loc == Some(place.nth((extent.lba.0 - first) as u32))) {
            views.retain(|view| *view != View::Head);
        }
    }
    Ok(())
}

/// What no state needs any more is only a note.
fn settle(check: &mut Check<'_>) {
    for finding in &mut check.report.findings {
        if finding.kind == Kind::Block && finding.lost.as_ref().is_some_and(|(_, _, views)| views.is_empty())
        {
            finding.lost = None;
            finding.kind = Kind::DeadBlock;
            finding.damage = Damage::Note;
            finding.detail += "; written again since";
        }
    }
}

fn describes(described: &[Described], unit: u32, lba: u64) -> bool {
    // Records follow one another, so this is sorted.
    let n = described.partition_point(|run| run.unit <= unit);
    let Some(run) = n.checked_sub(1).map(|n| described[n]) else { return false };
    let slots = u64::from(unit - run.unit) * 16 / SLOT_BYTES;
    slots < u64::from(run.blocks) && run.lba + slots == lba
}

fn slot_of(raw: &[u8], offset: u64) -> &[u8] {
    let from = (offset as usize).min(raw.len());
    &raw[from..(from + SLOT_BYTES as usize).min(raw.len())]
}

/// A segment's records.
struct Whole {
    /// The object that they are in.
    object: String,
    /// `None`: it is missing.
    raw: Option<Bytes>,
    /// What the units of its places have beside the byte offset.
    base: u64,
}

/// Reads a segment, whose records may be in a payload: its stub says so, or else the map's places in it (`entries`).
async fn whole_segment(check: &mut Check<'_>, seq: SegmentSeq, entries: &[Entry]) -> DiskResult<Whole> {
    let shared = check.shared.clone();
    let target = shared.names.segment(seq);
    let stub = match read_whole(&shared, &target).await {
        Ok(raw) => Some(raw),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error),
    };
    let header = stub.as_ref().and_then(|raw| SegmentHeader::decode(raw).ok());
    let records = match header.filter(|header| header.payload.is_some() && header.seq == seq) {
        Some(header) => shared.records_of(&header),
        None => match entries.iter().find(|entry| shared.offset_of(entry.loc).1) {
            Some(entry) if check.payload_of(entry.loc).is_some() => {
                let detail = "its stub is missing or damaged, so it cannot be cleaned".to_owned();
                check.report.add(Kind::Segment, Damage::Wrong, &target.oid, None, detail);
                let target = check.payload_of(entry.loc).unwrap_or(target);
                Records { target, base: u64::from(shared.format.segment_bytes), length: None }
            }
            Some(_) | None => return Ok(Whole { object: target.oid.to_string(), raw: stub, base: 0 }),
        },
    };
    let object = records.target.oid.to_string();
    match read_whole(&shared, &records.target).await {
        Ok(raw) => {
            let length = records.length.unwrap_or(raw.len() as u64);
            if length > raw.len() as u64 {
                let detail = format!("has {} bytes, its stub says {length}", raw.len());
                check.report.add(Kind::Segment, Damage::Wrong, &object, None, detail);
            }
            let length = (length as usize).min(raw.len());
            Ok(Whole { object, raw: Some(raw.slice(..length)), base: records.base })
        }
        Err(error) if error.is_not_found() => Ok(Whole { object, raw: None, base: records.base }),
        Err(error) => Err(error),
    }
}

/// All of an object's bytes. Parts that the store cannot read are zeroes, which no checksum takes for sound.
async fn read_whole(shared: &Shared, target: &Target) -> DiskResult<Bytes> {
    let size = size_of(&shared.run(target, vec![Op::Stat]).await?, 0);
    // A segment is never longer than this, whatever the store says.
    let size = size.min(64 << 20);
    match shared.run(target, vec![Op::Read { offset: 0, length: size }]).await {
        Ok(mut reply) => return Ok(data_of(&mut reply, 0)),
        Err(error) if is_damage(&error) => {}
        Err(error) => return Err(error),
    }
    // What can be read may be any part: halves of halves, until a part is smaller than any block of checksums.
    let mut raw = vec![0; size as usize];
    let mut parts = vec![(0, size)];
    while let Some((offset, length)) = parts.pop() {
        match shared.run(target, vec![Op::Read { offset, length }]).await {
            Ok(mut reply) => {
                let data = data_of(&mut reply, 0);
                raw[offset as usize..][..data.len()].copy_from_slice(&data);
            }
            Err(error) if is_damage(&error) && length > PIECE => {
                let half = (length / 2).next_multiple_of(PIECE);
                parts.extend([(offset, half), (offset + half, length - half)]);
            }
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(raw.into())
}

/// The store has the object, and cannot read this part of it.
fn is_damage(error: &DiskError) -> bool {
    matches!(error, DiskError::Store { source: StoreError::Corrupt { .. } | StoreError::Io { .. }, .. })
        || error.store_errno() == Some(crate::errno::Errno::EIO)
}
