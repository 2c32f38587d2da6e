//! Reads mapped blocks from the store, checks every one, and copies what was asked for.

use std::sync::Arc;

use bytes::Bytes;

use super::gc::Needed;
use super::log::{verify_slot, verify_summed};
use super::map::{ExtentMap, MapExtent};
use super::pages::all;
use super::read_fixed::{FIXED_BLOCKS, read_fixed, start};
use super::shared::{Shared, data_of, store_error};
use super::{BLOCK_BYTES, DiskError, DiskResult, Lba, Loc, ReadSink, SLOT_BYTES, SegmentSeq};
use crate::errno::Errno;
use crate::store::{Op, Reply, Request, Target};
use crate::wire::chunks::ChunkSums;

/// Store reads of one request that may be under way at once.
const READS_AT_ONCE: usize = 32;
/// The most that is read by one op: 2 MiB of data.
const MAX_RUN_BLOCKS: u32 = 512;
/// Runs of one segment that are at most so far apart are read by one op, with what lies between them.
pub(crate) const MAX_GAP_BYTES: u64 = 32 << 10;
/// The most that one op list reads, what lies between included.
const MAX_LIST_BYTES: u64 = 4 << 20;
/// Requests of more blocks are not served on the caller's thread, so that several of them use several processors.
const INLINE_BLOCKS: u64 = 16;
/// What requests of more blocks read is not kept in the cache: it would be copied once more, for a scan.
const KEPT_BLOCKS: u64 = 16;

/// The bytes that a caller asked for, and where they go.
pub(crate) struct Wanted<'a> {
    pub offset: u64,
    pub end: u64,
    pub sink: &'a mut dyn ReadSink,
}

impl Wanted<'_> {
    pub fn first_block(&self) -> u64 {
        self.offset / BLOCK_BYTES
    }

    pub fn end_block(&self) -> u64 {
        self.end.div_ceil(BLOCK_BYTES)
    }

    /// Whether what is read for it goes into the cache.
    pub fn is_kept(&self) -> bool {
        self.end_block() - self.first_block() <= KEPT_BLOCKS || self.sink.fills_cache()
    }

    /// Gives the caller what it wants of some blocks; `data` is one block, or `None` for zeroes.
    pub fn put(&mut self, block: u64, blocks: u64, data: Option<&[u8]>) {
        let start = block * BLOCK_BYTES;
        let from = start.max(self.offset);
        let to = ((block + blocks) * BLOCK_BYTES).min(self.end);
        if from >= to {
            return;
        }
        match data {
            Some(data) => {
                self.sink.put(from - self.offset, &data[(from - start) as usize..(to - start) as usize]);
            }
            None => self.sink.zero(from - self.offset, to - from),
        }
    }
}

/// A run of slots of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub lba: u64,
    pub blocks: u32,
    pub loc: Loc,
}

impl Run {
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.blocks) * SLOT_BYTES
    }

    /// Where its units end. What one op list reads is counted in units of places, which are those of the object, or lie a
    /// segment's size above them: `Shared::offset_of`.
    fn end_offset(&self) -> u64 {
        self.loc.byte_offset() + self.bytes()
    }
}

/// Reads `blocks` (ranges of blocks) as the map has them. Those whose segment does not exist are returned: the map
/// has changed since it was looked at, or the image is damaged. `needed` is told what is read from the store.
pub(crate) async fn read_mapped(
    shared: &Shared,
    map: &ExtentMap,
    blocks: &[(u64, u64)],
    wanted: &mut Wanted<'_>,
    admitted: bool,
    needed: Option<&mut Needed>,
) -> DiskResult<Vec<(u64, u64)>> {
    let mut extents: Vec<MapExtent> = Vec::new();
    for &(start, end) in blocks {
        let mut found = Vec::new();
        if !map.try_lookup(Lba(start), end - start, &mut found) {
            map.lookup(Lba(start), end - start, &mut found).await?;
        }
        extents.append(&mut found);
    }
    let keep = wanted.is_kept();
    let most = if admitted { FIXED_BLOCKS } else { MAX_RUN_BLOCKS };
    let mut uncached = Vec::new();
    for extent in extents {
        match extent.loc {
            None => wanted.put(extent.lba.0, u64::from(extent.blocks), None),
            Some(loc) => {
                let run = Run { lba: extent.lba.0, blocks: extent.blocks, loc };
                read_cached(shared, run, admitted, most, wanted, &mut uncached);
            }
        }
    }
    // As they lie in the log: what is near there is read together.
    uncached.sort_unstable_by_key(|run| run.loc);
    tell(&uncached, needed);
    let mut runs = Vec::new();
    match shared.fixed.as_deref().filter(|_| admitted) {
        Some(fixed) => {
            if uncached.len() > 1 {
                start(shared, map, fixed, &uncached, !keep);
            }
            let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
            read_fixed(shared, map, fixed, &uncached, keep, put, &mut runs);
        }
        None => runs = uncached,
    }
    let lists = in_lists(&runs);
    if let [list] = &lists[..] {
        let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
        return Ok(if read_list(shared, map, list, keep, put).await? { Vec::new() } else { list.blocks() });
    }
    let sink = crate::sync::Mutex::new(wanted);
    let done = all(
        lists.into_iter().map(|list| {
            let sink = &sink;
            async move {
                let mut put = |block: u64, data: &[u8]| sink.lock().put(block, 1, Some(data));
                let found = read_list(shared, map, &list, keep, &mut put).await?;
                Ok::<_, DiskError>(if found { Vec::new() } else { list.blocks() })
            }
        }),
        READS_AT_ONCE,
    )
    .await?;
    Ok(done.into_iter().flatten().collect())
}

/// Tells of runs that are read from the store, sorted by their places.
fn tell(runs: &[Run], needed: Option<&mut Needed>) {
    if let Some(needed) = needed {
        runs.iter().for_each(|run| needed.add(run.lba, run.blocks, run.loc));
    }
}

/// Runs of one segment that one op list reads.
pub(crate) struct List {
    pub segment: SegmentSeq,
    pub ops: Vec<Span>,
}

/// Neighbouring runs, and the bytes from the first one to the last, which one op reads.
pub(crate) struct Span {
    from: u64,
    to: u64,
    pub runs: Vec<Run>,
}

impl Span {
    /// The slots of one of its runs in what was read; fewer at the end of the object.
    pub fn slots<'a>(&self, run: &Run, raw: &'a [u8]) -> &'a [u8] {
        let from = ((run.loc.byte_offset() - self.from) as usize).min(raw.len());
        &raw[from..(from + run.bytes() as usize).min(raw.len())]
    }

    /// The same of sums of what was read, one for each slot's length from its begin on. None, where the run's slots lie otherwise.
    fn sums<'a>(&self, run: &Run, sums: &'a [u32]) -> &'a [u32] {
        let from = run.loc.byte_offset() - self.from;
        if !from.is_multiple_of(SLOT_BYTES) {
            return &[];
        }
        let first = ((from / SLOT_BYTES) as usize).min(sums.len());
        &sums[first..(first + run.blocks as usize).min(sums.len())]
    }
}

impl List {
    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.ops.iter().flat_map(|span| &span.runs)
    }

    fn blocks(&self) -> Vec<(u64, u64)> {
        self.runs().map(|run| (run.lba, run.lba + u64::from(run.blocks))).collect()
    }

    fn bytes(&self) -> u64 {
        self.ops.iter().map(|span| span.to - span.from).sum()
    }
}

/// The op lists that read runs, which are sorted by their places: a few ops for what lies near each other.
pub(crate) fn in_lists(runs: &[Run]) -> Vec<List> {
    let mut lists: Vec<List> = Vec::new();
    for run in runs {
        let (from, to) = (run.loc.byte_offset(), run.end_offset());
        let list = lists
            .last_mut()
            .filter(|list| list.segment == run.loc.segment && list.bytes() + (to - from) <= MAX_LIST_BYTES);
        let Some(list) = list else {
            let span = Span { from, to, runs: vec![*run] };
            lists.push(List { segment: run.loc.segment, ops: vec![span] });
            continue;
        };
        let most = u64::from(MAX_RUN_BLOCKS) * SLOT_BYTES;
        match list.ops.last_mut() {
            Some(span) if from <= span.to + MAX_GAP_BYTES && to.max(span.to) - span.from <= most => {
                span.to = span.to.max(to);
                span.runs.push(*run);
            }
            Some(_) | None => list.ops.push(Span { from, to, runs: vec![*run] }),
        }
    }
    lists
}

/// Gives what the cache has of a run; the rest, in runs of at most `most` blocks, goes to `missing`. A client that may be
/// fenced (a store that knows did not admit it) is given nothing.
fn read_cached(
    shared: &Shared,
    run: Run,
    admitted: bool,
    most: u32,
    wanted: &mut Wanted<'_>,
    missing: &mut Vec<Run>,
) {
    let usable = admitted || shared.fixed.is_none();
    let mut joins = false;
    for i in 0..run.blocks {
        let (lba, loc) = (run.lba + u64::from(i), run.loc.nth(i));
        if usable && let Some(data) = shared.cache.get(loc, lba) {
            wanted.put(lba, 1, Some(&data[..]));
            joins = false;
            continue;
        }
        match missing.last_mut().filter(|last| joins && last.blocks < most) {
            Some(last) => last.blocks += 1,
            None => missing.push(Run { lba, blocks: 1, loc }),
        }
        joins = true;
    }
}

/// Reads what a list names; false if the segment does not exist.
async fn read_list(
    shared: &Shared,
    map: &ExtentMap,
    list: &List,
    keep: bool,
    put: &mut (dyn FnMut(u64, &[u8]) + Send),
) -> DiskResult<bool> {
    match read_ops(shared, map, list, keep, put).await {
        // What nobody wants may have rotted between them: each alone.
        Err(error) if error.store_errno() == Some(Errno::EIO) && list.runs().nth(1).is_some() => {}
        done => return done,
    }
    for run in list.runs() {
        let alone = Span { from: run.loc.byte_offset(), to: run.end_offset(), runs: vec![*run] };
        if !read_ops(shared, map, &List { segment: list.segment, ops: vec![alone] }, keep, put).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One op list.
async fn read_ops(
    shared: &Shared,
    map: &ExtentMap,
    list: &List,
    keep: bool,
    put: &mut (dyn FnMut(u64, &[u8]) + Send),
) -> DiskResult<bool> {
    let chunks = ChunkSums::new(SLOT_BYTES as usize);
    let Some((target, spans)) = read_summed(shared, map, list, Some(chunks.clone())).await? else {
        return Ok(false);
    };
    for (span, raw) in list.ops.iter().zip(&spans) {
        // Of a list with one span, as far as the store has summed it up.
        let sums = chunks.of(raw).unwrap_or_default();
        for run in &span.runs {
            let slots = Slots { bytes: span.slots(run, raw), sums: span.sums(run, &sums) };
            put_run(shared, run, &target, slots, keep, put).map_err(|(block, error)| {
                tracing::error!("block {block}: {error}");
                error
            })?;
        }
    }
    Ok(true)
}

/// Slots that were read, and the sums of the first of them, where they are known: of all bytes of each.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    pub bytes: &'a [u8],
    pub sums: &'a [u32],
}

/// Checks and gives out the slots of a run; fails with the first block that is damaged.
pub(super) fn put_run(
    shared: &Shared,
    run: &Run,
    target: &Target,
    slots: Slots<'_>,
    keep: bool,
    put: &mut (dyn FnMut(u64, &[u8]) + Send),
) -> Result<(), (u64, DiskError)> {
    let (mut slots, mut sums) = (slots.bytes.chunks(SLOT_BYTES as usize), slots.sums.iter());
    for i in 0..run.blocks {
        let (block, loc) = (run.lba + u64::from(i), run.loc.nth(i));
        let slot = slots.next().unwrap_or_default();
        let verified = match sums.next() {
            Some(sum) => verify_summed(slot, Lba(block), *sum),
            None => verify_slot(slot, Lba(block)),
        };
        let data = verified.map_err(|error| (block, error.at(&target.oid, shared.offset_of(loc).0)))?;
        if keep {
            shared.cache.insert(loc, block, data);
        }
        put(block, data);
    }
    Ok(())
}

/// What an op list reads, unchecked: its object, and the bytes of each span. `None`: the object does not exist.
pub(crate) async fn read_spans(
    shared: &Shared,
    map: &ExtentMap,
    list: &List,
) -> DiskResult<Option<(Target, Vec<Bytes>)>> {
    read_summed(shared, map, list, None).await
}

/// [`read_spans`], with a wish for sums.
async fn read_summed(
    shared: &Shared,
    map: &ExtentMap,
    list: &List,
    chunks: Option<Arc<ChunkSums>>,
) -> DiskResult<Option<(Target, Vec<Bytes>)>> {
    let Some(first) = list.runs().next() else { return Ok(None) };
    let target = object_of(shared, map, first.loc)?;
    let request = Request { chunks, ..Request::new(target.clone(), ops_of(shared, list)) };
    let reply = shared.store.operate(request).await;
    match reply.and_then(Reply::ok).map_err(|source| store_error(&target, source)) {
        Ok(reply) => Ok(Some((target, spans_of(list, reply)))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The ops that read a list.
pub(super) fn ops_of(shared: &Shared, list: &List) -> Vec<Op> {
    // All of a segment's places are in one object.
    let base = list.runs().next().map_or(0, |first| first.loc.byte_offset() - shared.offset_of(first.loc).0);
    let op = |span: &Span| Op::Read { offset: span.from - base, length: span.to - span.from };
    list.ops.iter().map(op).collect()
}

/// The bytes of each span in the answer.
pub(super) fn spans_of(list: &List, mut reply: Reply) -> Vec<Bytes> {
    (0..list.ops.len()).map(|nth| data_of(&mut reply, nth)).collect()
}

/// The object in which a place of the map is.
fn object_of(shared: &Shared, map: &ExtentMap, loc: Loc) -> DiskResult<Target> {
    shared.object_of(map, loc).ok_or_else(|| DiskError::Corrupt {
        object: shared.names.segment(loc.segment).oid.to_string(),
        offset: 0,
        detail: "the map has blocks in its payload, and nobody wrote one".to_owned(),
    })
}

/// How far blocks were served without waiting.
pub(super) enum Served {
    All,
    /// What is missing is being loaded.
    Started,
    /// This run is missing, and nothing else.
    But(Run),
    No,
}

/// Serves blocks without waiting, if that can be done; parts may have been put already if not. The caller has been admitted
/// by the store ([`super::shared::Shared::mark`]), if that knows who is fenced.
pub(super) fn try_read_mapped(
    shared: &Shared,
    map: &ExtentMap,
    blocks: &[(u64, u64)],
    wanted: &mut Wanted<'_>,
    needed: Option<&mut Needed>,
) -> Served {
    let count: u64 = blocks.iter().map(|(start, end)| end - start).sum();
    if count > INLINE_BLOCKS {
        return Served::No;
    }
    let mut extents: Vec<MapExtent> = Vec::new();
    for &(start, end) in blocks {
        if !map.try_lookup(Lba(start), end - start, &mut extents) {
            return Served::No;
        }
    }
    let mut missing = Vec::new();
    for extent in extents {
        match extent.loc {
            None => wanted.put(extent.lba.0, u64::from(extent.blocks), None),
            Some(loc) => {
                let run = Run { lba: extent.lba.0, blocks: extent.blocks, loc };
                read_cached(shared, run, true, FIXED_BLOCKS, wanted, &mut missing);
            }
        }
    }
    if missing.is_empty() {
        return Served::All;
    }
    missing.sort_unstable_by_key(|run| run.loc);
    tell(&missing, needed);
    let Some(fixed) = shared.fixed.as_deref() else {
        return if let [run] = missing[..] { Served::But(run) } else { Served::No };
    };
    let keep = wanted.is_kept();
    let mut rest = Vec::new();
    let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
    read_fixed(shared, map, fixed, &missing, keep, put, &mut rest);
    if rest.is_empty() {
        Served::All
    } else if start(shared, map, fixed, &rest, false) {
        Served::Started
    } else {
        Served::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_near_is_read_together() {
        let run = |segment: u64, slot: u32, blocks: u32| Run {
            lba: segment * 10_000 + u64::from(slot),
            blocks,
            loc: Loc { segment: SegmentSeq(segment), unit: 8 }.nth(slot),
        };
        let runs =
            [run(1, 0, 1), run(1, 1, 2), run(1, 8, 1), run(1, 100, 1), run(2, 0, 512), run(2, 512, 512)];
        let lists = in_lists(&runs);
        let shape =
            |list: &List| list.ops.iter().map(|span| (span.from, span.runs.len())).collect::<Vec<_>>();
        assert_eq!(lists.iter().map(|list| list.segment.0).collect::<Vec<_>>(), [1, 2, 2]);
        assert_eq!(shape(&lists[0]), [(128, 3), (128 + 100 * SLOT_BYTES, 1)]);
        assert_eq!(lists[0].ops[0].to, 128 + 9 * SLOT_BYTES);
        assert_eq!(lists[1].bytes(), 512 * SLOT_BYTES);
        let blocks: u64 = lists.iter().flat_map(List::blocks).map(|(from, to)| to - from).sum();
        assert_eq!(blocks, runs.iter().map(|run| u64::from(run.blocks)).sum::<u64>());
    }

    #[test]
    fn sums_are_those_of_the_slots_of_a_run() {
        let run = |slot: u32, blocks: u32| Run {
            lba: 7,
            blocks,
            loc: Loc { segment: SegmentSeq(1), unit: 8 }.nth(slot),
        };
        let lists = in_lists(&[run(2, 1), run(4, 3)]);
        let span = &lists[0].ops[0];
        let sums = [20, 30, 40, 50];
        assert_eq!(span.sums(&span.runs[0], &sums), [20]);
        assert_eq!(span.sums(&span.runs[1], &sums), [40, 50], "what was not summed up is checked by itself");
        assert!(span.sums(&span.runs[1], &[]).is_empty());
        let beside = Loc { unit: run(4, 1).loc.unit + 1, ..run(4, 1).loc };
        assert!(span.sums(&Run { loc: beside, ..run(4, 1) }, &sums).is_empty());
    }
}
