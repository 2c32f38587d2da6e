//! Which ranges of the image are read in many pieces. What large requests and readahead need of the store is counted for each
//! aligned range; one that was read so often enough waits in a queue to be put together (`defrag`).
//!
//! A range counts once each time that it is read, in one request or in many: a request that covers a part which was
//! covered since the last count begins the next. What is known is bounded, and forgotten by the process's end: it is
//! only a hint.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::disk::read::MAX_GAP_BYTES;
use crate::disk::{DiskOptions, Loc, SLOT_BYTES, SegmentSeq};
use crate::sync::Mutex;

/// Ranges of which counts are kept, in each of two halves.
const HALF: usize = 4096;
/// Ranges that may wait.
const MOST_QUEUED: usize = 1024;
/// So long a range waits for others to share a record with.
const LULL: Duration = Duration::from_millis(200);
/// Parts of a range by which it is told whether it is being read once more.
const PARTS: u64 = 64;

/// What is a range, and when it is fragmented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grain {
    /// Blocks of a range.
    pub range_blocks: u64,
    /// Pieces are fragments when they have fewer blocks than this on average.
    piece_blocks: u64,
}

impl Grain {
    pub fn new(options: &DiskOptions) -> Grain {
        let range_blocks = options.defrag_range_blocks.max(1);
        Grain { range_blocks, piece_blocks: options.defrag_piece_blocks.clamp(1, range_blocks) }
    }

    /// Whether a range whose blocks are in these places is to be put together: it is in more than half as many as it
    /// has pieces.
    pub fn is_fragmented(&self, places: &Places) -> bool {
        places.count > self.range_blocks / self.piece_blocks / 2 && self.are_short(places)
    }

    fn are_short(&self, places: &Places) -> bool {
        places.count > 1 && places.count * self.piece_blocks > places.blocks
    }
}

/// How many places of the log some blocks are in. What is so near that one read takes both is one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Places {
    pub count: u64,
    pub blocks: u64,
    end: Option<(SegmentSeq, u64)>,
}

impl Places {
    /// Adds a run; runs come in the order of their places.
    pub fn add(&mut self, loc: Loc, blocks: u64) {
        let from = loc.byte_offset();
        let near =
            self.end.is_some_and(|(segment, end)| segment == loc.segment && from <= end + MAX_GAP_BYTES);
        self.count += u64::from(!near);
        self.blocks += blocks;
        self.end = Some((loc.segment, from + blocks * SLOT_BYTES));
    }
}

/// What one request needs of the store, for each range that it is in.
pub(crate) struct Needed {
    grain: Grain,
    first_block: u64,
    end_block: u64,
    ranges: Vec<Places>,
}

impl Needed {
    /// Adds a run of what is neither in the buffer nor in the cache; runs come in the order of their places.
    pub fn add(&mut self, lba: u64, blocks: u32, loc: Loc) {
        let first_range = self.first_block / self.grain.range_blocks;
        let (mut at, end) = (lba, lba + u64::from(blocks));
        while at < end {
            let range = at / self.grain.range_blocks;
            let here = end.min((range + 1) * self.grain.range_blocks) - at;
            if let Some(places) = range.checked_sub(first_range).and_then(|n| self.ranges.get_mut(n as usize))
            {
                places.add(loc.nth((at - lba) as u32), here);
            }
            at += here;
        }
    }

    /// The ranges of which it needed many pieces, and which of their parts the request covers.
    fn fragmented(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first_range = self.first_block / self.grain.range_blocks;
        let short = self.ranges.iter().enumerate().filter(|(_, places)| self.grain.are_short(places));
        short.map(move |(n, _)| {
            let range = first_range + n as u64;
            (range, self.parts(range))
        })
    }

    /// The parts of a range that are in the request as a whole.
    fn parts(&self, range: u64) -> u64 {
        let blocks = self.grain.range_blocks;
        let part = blocks.div_ceil(PARTS);
        let start = range * blocks;
        let from = self.first_block.saturating_sub(start).div_ceil(part);
        let to = (self.end_block - start).min(blocks) / part;
        let below = |n: u64| if n >= PARTS { u64::MAX } else { (1 << n) - 1 };
        below(to) & !below(from)
    }
}

/// The ranges that were read in many pieces, and those of them that are to be put together.
pub(crate) struct Fragments {
    /// Reads of a range until it is queued; 0: never.
    reads: u32,
    pub grain: Grain,
    /// Ranges that fill a record.
    enough: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// When the younger half is full, the older one is forgotten.
    young: BTreeMap<u64, Seen>,
    old: BTreeMap<u64, Seen>,
    queue: BTreeSet<u64>,
    /// Since when ranges wait for others.
    since: Duration,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    times: u32,
    /// Parts that were read since it was counted last.
    parts: u64,
}

impl Fragments {
    /// `record_blocks`: what one record can have.
    pub fn new(options: &DiskOptions, record_blocks: u64) -> Fragments {
        let grain = Grain::new(options);
        let enough = (record_blocks / grain.range_blocks).max(1) as usize;
        Fragments { reads: options.defrag_reads, grain, enough, table: Mutex::default() }
    }

    /// Begins to watch a request. `None`: it says nothing about how the image is read in order. `ahead`: it is readahead.
    pub fn watch(&self, first_block: u64, end_block: u64, ahead: bool) -> Option<Needed> {
        let large = ahead || end_block.saturating_sub(first_block) >= self.grain.piece_blocks;
        if self.reads == 0 || !large || first_block >= end_block {
            return None;
        }
        let ranges = (end_block - 1) / self.grain.range_blocks - first_block / self.grain.range_blocks + 1;
        let ranges = vec![Places::default(); ranges as usize];
        Some(Needed { grain: self.grain, first_block, end_block, ranges })
    }

    /// A request was served that needed this. True if there is now something to be put together that was not before.
    pub fn note(&self, needed: &Needed, now: Duration) -> bool {
        let mut fragmented = needed.fragmented().peekable();
        if fragmented.peek().is_none() {
            return false;
        }
        let mut table = self.table.lock();
        let before = table.queue.len();
        fragmented.for_each(|(range, parts)| table.see(range, parts, self.reads));
        let queued = table.queue.len();
        if before == 0 && queued > 0 {
            table.since = now;
        }
        queued > before && (before == 0 || (before < self.enough && queued >= self.enough))
    }

    /// How long the ranges that wait should go on waiting for others. `None`: there are none.
    pub fn due(&self, now: Duration) -> Option<Duration> {
        let table = self.table.lock();
        match table.queue.len() {
            0 => None,
            n if n >= self.enough => Some(Duration::ZERO),
            _ => Some((table.since + LULL).saturating_sub(now)),
        }
    }

    /// Takes the first range of the image that waits. Those that are left wait for others from now on.
    pub fn take(&self, now: Duration) -> Option<u64> {
        let mut table = self.table.lock();
        table.since = now;
        table.queue.pop_first()
    }

    /// A range that was taken is left for the next time.
    pub fn put_back(&self, range: u64) {
        self.table.lock().queue.insert(range);
    }
}

impl Table {
    fn see(&mut self, range: u64, parts: u64, reads: u32) {
        if parts == 0 || self.queue.contains(&range) {
            return;
        }
        let mut seen = self.young.remove(&range).or_else(|| self.old.remove(&range)).unwrap_or_default();
        if seen.times == 0 || seen.parts & parts != 0 {
            seen = Seen { times: seen.times.saturating_add(1), parts };
        } else {
            seen.parts |= parts;
        }
        // Where there is no room it is queued when it is read again.
        if seen.times >= reads && self.queue.len() < MOST_QUEUED {
            self.queue.insert(range);
            return;
        }
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(range, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(reads: u32) -> Fragments {
        Fragments::new(&DiskOptions { defrag_reads: reads, ..DiskOptions::default() }, 2000)
    }

    /// A request for blocks each of which is somewhere else.
    fn scattered(fragments: &Fragments, first: u64, end: u64) -> bool {
        let Some(mut needed) = fragments.watch(first, end, false) else { return false };
        for lba in first..end {
            needed.add(lba, 1, Loc { segment: SegmentSeq(lba), unit: 8 });
        }
        fragments.note(&needed, Duration::ZERO)
    }

    #[test]
    fn a_range_counts_once_for_each_time_that_it_is_read() {
        // One request or many, in order or not, in blocks that do not end where parts do.
        for step in [16, 17, 64, 256] {
            let fragments = fragments(2);
            let mut starts: Vec<u64> = (0..256).step_by(step).collect();
            starts.reverse();
            for at in starts {
                assert!(!scattered(&fragments, at, (at + step as u64).min(256)), "{step}: {at}");
            }
            assert!(scattered(&fragments, 100, 120), "{step}");
            assert_eq!(fragments.take(Duration::ZERO), Some(0));
            assert_eq!(fragments.take(Duration::ZERO), None);
        }
    }

    #[test]
    fn small_requests_and_large_pieces_do_not_count() {
        let fragments = fragments(1);
        assert!(!scattered(&fragments, 0, 15));
        assert!(scattered(&fragments, 0, 16));
        let mut needed = fragments.watch(512, 1024, false).unwrap();
        needed.add(512, 200, Loc { segment: SegmentSeq(1), unit: 8 });
        // What lies near in the log is one place.
        for n in 0..20 {
            needed.add(712 + n, 1, Loc { segment: SegmentSeq(2), unit: 8 }.nth(3 * n as u32));
        }
        needed.add(732, 36, Loc { segment: SegmentSeq(3), unit: 8 });
        assert!(!fragments.note(&needed, Duration::ZERO));
        // A piece of readahead, however small.
        assert!(fragments.watch(512, 516, true).is_some());
        assert!(fragments.watch(512, 516, false).is_none());
        assert!(self::fragments(0).watch(0, 256, false).is_none());
    }

    #[test]
    fn ranges_wait_for_others_and_come_in_the_order_of_the_image() {
        let fragments = fragments(1);
        assert!(scattered(&fragments, 9 * 256, 10 * 256), "the first");
        assert_eq!(fragments.due(Duration::ZERO), Some(LULL));
        assert_eq!(fragments.due(LULL / 2), Some(LULL / 2));
        for range in (1..7).rev() {
            assert_eq!(scattered(&fragments, range * 256, (range + 1) * 256), range == 1, "a record's worth");
        }
        assert_eq!(fragments.due(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(fragments.take(LULL), Some(1));
        assert_eq!(fragments.due(LULL), Some(LULL));
        fragments.put_back(1);
        let order: Vec<u64> = std::iter::from_fn(|| fragments.take(Duration::ZERO)).collect();
        assert_eq!(order, [1, 2, 3, 4, 5, 6, 9]);
        assert_eq!(fragments.due(Duration::ZERO), None);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let fragments = fragments(2);
        for range in 0..20_000 {
            scattered(&fragments, range * 256, range * 256 + 16);
        }
        let known = |fragments: &Fragments| {
            let table = fragments.table.lock();
            (table.young.len() + table.old.len(), table.queue.len())
        };
        assert!(known(&fragments).0 <= 2 * HALF);
        for range in 16_000..20_000 {
            scattered(&fragments, range * 256, range * 256 + 16);
        }
        assert_eq!(known(&fragments).1, MOST_QUEUED);
        // Those that found no room do when they are read again.
        let first = fragments.take(Duration::ZERO).unwrap();
        assert!(!scattered(&fragments, 19_999 * 256, 19_999 * 256 + 16));
        assert_eq!((first, known(&fragments).1), (16_000, MOST_QUEUED));
    }
}
