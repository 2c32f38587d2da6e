//! Reads what is to be copied: what lives in a segment, from the segment's own records, checked against the map; or what the map
//! has of some blocks, wherever it is.

use bytes::Bytes;

use crate::disk::log::{
    ExtentKind, Index, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, verify_slot,
};
use crate::disk::pages::all;
use crate::disk::payload::Records;
use crate::disk::read::{List, Run, in_lists, read_spans};
use crate::disk::shared::{Shared, data_of};
use crate::disk::{DiskResult, ExtentMap, Lba, Loc, SLOT_BYTES, SegmentSeq};
use crate::store::{Op, Target};

/// Bytes read at once: a large segment is not held in memory as a whole, and a foreground read does not wait long.
const WINDOW_BYTES: u64 = 1 << 20;

/// Slots that live, with their trailers, neighbouring in the image and in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LiveRun {
    pub lba: Lba,
    pub blocks: u32,
    pub from: Loc,
    pub slots: Bytes,
}

impl LiveRun {
    /// Its first `blocks` blocks, and the rest if there is one.
    pub fn split_at(self, blocks: u32) -> (LiveRun, Option<LiveRun>) {
        if self.blocks <= blocks {
            return (self, None);
        }
        let at = blocks as usize * SLOT_BYTES as usize;
        let rest = LiveRun {
            lba: Lba(self.lba.0 + u64::from(blocks)),
            blocks: self.blocks - blocks,
            from: self.from.nth(blocks),
            slots: self.slots.slice(at..),
        };
        (LiveRun { blocks, slots: self.slots.slice(..at), ..self }, Some(rest))
    }
}

/// What a segment's records say about a run of its slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Written {
    lba: Lba,
    blocks: u32,
    loc: Loc,
}

/// Reads a segment piece by piece.
struct SegmentReader<'a> {
    shared: &'a Shared,
    records: Records,
    /// Offset of `window` in the segment.
    at: u64,
    window: Bytes,
}

impl SegmentReader<'_> {
    /// `length` bytes at `offset`, fewer at the end of the object.
    async fn get(&mut self, offset: u64, length: u64) -> DiskResult<Bytes> {
        let end = offset + length;
        if offset < self.at || end > self.at + self.window.len() as u64 {
            let read = Op::Read { offset, length: length.max(WINDOW_BYTES) };
            self.window = data_of(&mut self.shared.run(&self.records.target, vec![read]).await?, 0);
            self.at = offset;
        }
        let from = ((offset - self.at) as usize).min(self.window.len());
        let to = ((end - self.at) as usize).min(self.window.len());
        Ok(self.window.slice(from..to))
    }
}

/// The live slots of `segment`, in the order of the log. Slots whose checksum does not match are left out: they
/// stay where they are, so that whoever reads them gets the error that is due. The map may change right after the
/// look; applying the copies looks again.
pub(crate) async fn live_runs(
    shared: &Shared,
    map: &ExtentMap,
    segment: SegmentSeq,
) -> DiskResult<Vec<LiveRun>> {
    let records = Records { target: shared.names.segment(segment), base: 0, length: None };
    let mut reader = SegmentReader { shared, records, at: 0, window: Bytes::new() };
    let raw = reader.get(0, SEGMENT_HEADER_BYTES as u64).await?;
    let header = SegmentHeader::decode(&raw).map_err(|error| error.at(&reader.records.target.oid, 0))?;
    if header.payload.is_some() {
        reader.records = shared.records_of(&SegmentHeader { seq: segment, ..header });
        reader.window = Bytes::new();
    }
    let Records { target: Target { oid: object, .. }, base, .. } = reader.records.clone();
    let mut live = Vec::new();
    let mut offset = SEGMENT_HEADER_BYTES as u64;
    loop {
        let raw = reader.get(offset, RECORD_HEADER_BYTES as u64).await?;
        // The log of this segment may end with bytes that never were part of it.
        let Ok(header) = RecordHeader::decode(&raw) else { break };
        let index_bytes = header.index_bytes();
        let raw = reader.get(offset + header.index_offset(), index_bytes).await?;
        let Ok(index) = Index::decode(&header, segment, base + offset, &raw) else { break };
        for (extent, loc) in &index.extents {
            if let (ExtentKind::Data, Some(loc)) = (extent.kind, *loc) {
                let written = Written { lba: extent.lba, blocks: extent.blocks, loc };
                look(&mut reader, map, written, &object, &mut live).await?;
            }
        }
        offset += header.length();
    }
    Ok(live)
}

/// Appends those parts of a written run to which the map still points.
async fn look(
    reader: &mut SegmentReader<'_>,
    map: &ExtentMap,
    written: Written,
    object: &str,
    live: &mut Vec<LiveRun>,
) -> DiskResult<()> {
    let mut runs = Vec::new();
    map.lookup(written.lba, u64::from(written.blocks), &mut runs).await?;
    for run in runs {
        let skipped = (run.lba.0 - written.lba.0) as u32;
        let from = written.loc.nth(skipped);
        if run.loc != Some(from) {
            continue;
        }
        // In pieces, so that what is kept is a copy of the live slots alone.
        let mut done = 0;
        while done < run.blocks {
            let blocks = (run.blocks - done).min((WINDOW_BYTES / SLOT_BYTES) as u32);
            let place = from.nth(done);
            let at = reader.shared.offset_of(place).0;
            let slots = reader.get(at, u64::from(blocks) * SLOT_BYTES).await?;
            keep_sound(Lba(run.lba.0 + u64::from(done)), blocks, place, &slots, object, live);
            done += blocks;
        }
    }
    Ok(())
}

/// Op lists under way at once that read runs of the map.
const LISTS_AT_ONCE: usize = 4;

/// The slots of `runs`, which are from the map, in no order. Those that do not match their checksums, or cannot be
/// read, are left out. `None`: `go_on` said no meanwhile.
pub(crate) async fn slots_of(
    shared: &Shared,
    map: &ExtentMap,
    mut runs: Vec<Run>,
    go_on: &(impl Fn() -> bool + Sync),
) -> Option<Vec<LiveRun>> {
    runs.sort_unstable_by_key(|run| run.loc);
    let reads = in_lists(&runs).into_iter().map(|list| async move {
        if !go_on() {
            return Err(());
        }
        let read = read_list(shared, map, &list).await;
        Ok(read.unwrap_or_else(|error| {
            tracing::warn!("segment {:x} is not read to be copied: {error}", list.segment.0);
            Vec::new()
        }))
    });
    let read = all(reads, LISTS_AT_ONCE).await.ok()?;
    Some(read.into_iter().flatten().collect())
}

/// Nothing of a segment that is gone: its blocks were overwritten since the look at the map.
async fn read_list(shared: &Shared, map: &ExtentMap, list: &List) -> DiskResult<Vec<LiveRun>> {
    let mut live = Vec::new();
    let Some((object, spans)) = read_spans(shared, map, list).await? else { return Ok(live) };
    for (span, raw) in list.ops.iter().zip(&spans) {
        for run in &span.runs {
            let slots = span.slots(run, raw);
            keep_sound(Lba(run.lba), run.blocks, run.loc, slots, &object.oid, &mut live);
        }
    }
    Ok(live)
}

/// Appends the slots that verify, as one run or more.
fn keep_sound(lba: Lba, blocks: u32, from: Loc, slots: &[u8], object: &str, live: &mut Vec<LiveRun>) {
    let slot = |i: u32| {
        let at = i as usize * SLOT_BYTES as usize;
        slots.get(at..at + SLOT_BYTES as usize).unwrap_or_default()
    };
    let mut start = 0;
    let mut keep = |start: u32, end: u32| {
        if start < end {
            let (low, high) = (start as usize * SLOT_BYTES as usize, end as usize * SLOT_BYTES as usize);
            live.push(LiveRun {
                lba: Lba(lba.0 + u64::from(start)),
                blocks: end - start,
                from: from.nth(start),
                slots: Bytes::copy_from_slice(&slots[low..high]),
            });
        }
    };
    for i in 0..blocks {
        if let Err(error) = verify_slot(slot(i), Lba(lba.0 + u64::from(i))) {
            tracing::error!("{}", error.at(object, from.nth(i).byte_offset()));
            keep(start, i);
            start = i + 1;
        }
    }
    keep(start, blocks);
}
