//! Reads mapped blocks from the store, checks every one, and copies what was asked for.

use std::cell::RefCell;

use super::log::verify_slot;
use super::map::{ExtentMap, MapExtent};
use super::pages::all;
use super::shared::{Shared, data_of};
use super::{BLOCK_BYTES, DiskError, DiskResult, Lba, Loc, ReadSink, SLOT_BYTES, SegmentSeq};
use crate::store::{Fixed, Op, Target};

/// Store reads of one request that may be under way at once.
const READS_AT_ONCE: usize = 32;
/// The most that is read by one op: 2 MiB of data.
const MAX_RUN_BLOCKS: u32 = 512;
/// The most that is read at once by the short way: each thread that reads has a buffer of that size.
const FIXED_BLOCKS: u32 = 64;
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
    fn is_kept(&self) -> bool {
        self.end_block() - self.first_block() <= KEPT_BLOCKS
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
struct Run {
    lba: u64,
    blocks: u32,
    loc: Loc,
}

/// Reads `blocks` (ranges of blocks) as the map has them. Those whose segment does not exist are returned: the map
/// has changed since it was looked at, or the image is damaged.
pub(crate) async fn read_mapped(
    shared: &Shared,
    map: &ExtentMap,
    blocks: &[(u64, u64)],
    wanted: &mut Wanted<'_>,
    admitted: bool,
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
    let mut runs = Vec::new();
    let mut names = NameOfLast::default();
    for run in uncached {
        let fixed = if admitted {
            let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
            read_fixed(shared, run, names.of(shared, run), keep, put)
        } else {
            Fixed::Unknown
        };
        match fixed {
            Fixed::Read => {}
            Fixed::Busy | Fixed::Unknown => runs.push(run),
        }
    }
    let mut gone = Vec::new();
    if runs.is_empty() {
        return Ok(gone);
    }
    if let [run] = runs[..] {
        let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
        if !read_run(shared, run, keep, put).await? {
            gone.push((run.lba, run.lba + u64::from(run.blocks)));
        }
        return Ok(gone);
    }
    let sink = crate::sync::Mutex::new(wanted);
    let done = all(
        runs.into_iter().map(|run| {
            let sink = &sink;
            async move {
                let mut put = |block: u64, data: &[u8]| sink.lock().put(block, 1, Some(data));
                Ok::<_, DiskError>((run, read_run(shared, run, keep, &mut put).await?))
            }
        }),
        READS_AT_ONCE,
    )
    .await?;
    gone.extend(
        done.into_iter()
            .filter(|(_, found)| !found)
            .map(|(run, _)| (run.lba, run.lba + u64::from(run.blocks))),
    );
    Ok(gone)
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

/// One store read; false if the segment does not exist.
async fn read_run(
    shared: &Shared,
    run: Run,
    keep: bool,
    put: &mut (dyn FnMut(u64, &[u8]) + Send),
) -> DiskResult<bool> {
    let target = shared.names.segment(run.loc.segment);
    let length = u64::from(run.blocks) * SLOT_BYTES;
    let offset = run.loc.byte_offset();
    let raw = match shared.run(&target, vec![Op::Read { offset, length }]).await {
        Ok(mut reply) => data_of(&mut reply, 0),
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    for i in 0..run.blocks {
        let from = (u64::from(i) * SLOT_BYTES) as usize;
        let block = run.lba + u64::from(i);
        let slot = raw.get(from..(from + SLOT_BYTES as usize).min(raw.len())).unwrap_or(&[]);
        match verify_slot(slot, Lba(block)) {
            Ok(data) => {
                if keep {
                    shared.cache.insert(run.loc.nth(i), block, data);
                }
                put(block, data);
            }
            Err(error) => {
                let error = error.at(&target.oid, offset + from as u64);
                tracing::error!("block {block}: {error}");
                return Err(error);
            }
        }
    }
    Ok(true)
}

/// The name of the segment that was asked for last: runs of one segment come in a row.
#[derive(Default)]
struct NameOfLast(Option<(SegmentSeq, Target)>);

impl NameOfLast {
    fn of(&mut self, shared: &Shared, run: Run) -> &Target {
        let segment = run.loc.segment;
        if self.0.as_ref().is_none_or(|(last, _)| *last != segment) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (segment, shared.names.segment(segment))).1
    }
}

thread_local! {
    static SLOTS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads a run by the short way. Segments are what it is made for: a place in the log that a map names has had one content
/// and never gets another one. Blocks that do not prove to be what they should are left to an op list.
fn read_fixed(
    shared: &Shared,
    run: Run,
    target: &Target,
    keep: bool,
    put: &mut dyn FnMut(u64, &[u8]),
) -> Fixed {
    let Some(fixed) = &shared.fixed else { return Fixed::Unknown };
    let length = run.blocks as usize * SLOT_BYTES as usize;
    SLOTS.with_borrow_mut(|slots| {
        if slots.len() < length {
            slots.resize(length, 0);
        }
        let slots = &mut slots[..length];
        match fixed.read(target, run.loc.byte_offset(), slots) {
            Fixed::Read => {}
            other => return other,
        }
        for (i, slot) in (0..).zip(slots.chunks(SLOT_BYTES as usize)) {
            let block = run.lba + u64::from(i);
            match verify_slot(slot, Lba(block)) {
                Ok(data) => {
                    if keep {
                        shared.cache.insert(run.loc.nth(i), block, data);
                    }
                    put(block, data);
                }
                Err(_) => {
                    fixed.forget(target);
                    return Fixed::Unknown;
                }
            }
        }
        Fixed::Read
    })
}

/// Serves blocks without waiting, if that can be done; parts may have been put already if not. The caller has been admitted
/// by the store ([`super::shared::Shared::mark`]), if that knows who is fenced.
pub(crate) fn try_read_mapped(
    shared: &Shared,
    map: &ExtentMap,
    blocks: &[(u64, u64)],
    wanted: &mut Wanted<'_>,
) -> bool {
    let count: u64 = blocks.iter().map(|(start, end)| end - start).sum();
    if count > INLINE_BLOCKS {
        return false;
    }
    let mut extents: Vec<MapExtent> = Vec::new();
    for &(start, end) in blocks {
        if !map.try_lookup(Lba(start), end - start, &mut extents) {
            return false;
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
    let keep = wanted.is_kept();
    let mut names = NameOfLast::default();
    missing.into_iter().all(|run| {
        let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
        read_fixed(shared, run, names.of(shared, run), keep, put) == Fixed::Read
    })
}
