//! The map of an image each block of which was written once, in random order: made directly, page by page, for benches
//! and tests of images that nobody could write in a day.
//!
//! The pages are those that the writer of checkpoints makes of such an image (a test compares them), in its order and its
//! map objects. Any of them can be made by itself, so an image of 16 TiB needs neither its 22 GB of map nor its data.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::checkpoint::{OBJECT_BYTES, Object};
use super::map::Region;
use super::pages::codec::{HEADER_BYTES, encode};
use super::pages::{Child, FANOUT, Inner, Page, PageKey, PageRef, Tree};
use super::segments::{PAGE_SEGMENTS, SegmentPage, SegmentTotals};
use super::{
    BLOCK_BYTES, Loc, Lsn, MapObjectNumber, REGION_BLOCKS, Replay, RootBlob, SLOT_BYTES, SLOT_UNITS,
    SegmentInfo, SegmentSeq, WriterEpoch,
};

const EPOCH: WriterEpoch = WriterEpoch(1);
/// Share of a segment's slots that are live.
const LIVE_PERCENT: u64 = 70;
/// Units before a segment's first slot: headers of the segment and of its one record.
const FIRST_UNIT: u32 = 8;
/// Bytes of an entry of the segment table, and of the bitmap before them (docs/format.md).
const SEGMENT_ENTRY: usize = 36;
const SEGMENT_BITMAP: usize = PAGE_SEGMENTS as usize / 8;

/// Where such an image has its blocks, and its map.
pub struct Synthetic {
    /// A power of two.
    blocks: u64,
    bits: u32,
    seed: u64,
    /// Slots that each segment was written with, and how many of them are live.
    written: u64,
    live: u64,
    segments: u64,
    /// Pages of each level: (key of the first, pages).
    levels: Vec<(PageKey, u64)>,
    region_bytes: u32,
    /// For each map object the number of its first page, in the order of all pages, and its bytes.
    objects: Vec<(u64, u32)>,
}

impl Synthetic {
    /// `size_bytes` is a power of two, at least 32 MiB.
    pub fn new(size_bytes: u64, segment_bytes: u32, seed: u64) -> Synthetic {
        let blocks = size_bytes / BLOCK_BYTES;
        assert!(blocks.is_power_of_two() && blocks >= 2 * REGION_BLOCKS, "no suitable size: {size_bytes}");
        let written = (u64::from(segment_bytes) - 128) / (SLOT_BYTES + 16);
        let live = written * LIVE_PERCENT / 100;
        let segments = blocks.div_ceil(live);
        let mut levels = Vec::new();
        for (tree, leaves) in
            [(Tree::Map, blocks / REGION_BLOCKS), (Tree::Segments, segments / PAGE_SEGMENTS + 1)]
        {
            let mut pages = leaves;
            for level in 0..=tree.top_level() {
                levels.push((PageKey { tree, level, index: 0 }, pages));
                pages = pages.div_ceil(FANOUT as u64);
            }
        }
        let mut made = Synthetic {
            blocks,
            bits: blocks.trailing_zeros(),
            seed,
            written,
            live,
            segments,
            levels,
            region_bytes: 0,
            objects: Vec::new(),
        };
        made.region_bytes = made.encoded(PageKey { tree: Tree::Map, level: 0, index: 0 }).len() as u32;
        made.lay_out();
        made
    }

    /// Packs pages into objects as a checkpoint does.
    fn lay_out(&mut self) {
        let (mut first, mut bytes) = (0, 0);
        for number in 0..self.pages() {
            bytes += self.length(self.key(number));
            if bytes as usize >= OBJECT_BYTES || number + 1 == self.pages() {
                self.objects.push((first, bytes));
                (first, bytes) = (number + 1, 0);
            }
        }
    }

    pub fn size_bytes(&self) -> u64 {
        self.blocks * BLOCK_BYTES
    }

    pub fn regions(&self) -> u64 {
        self.blocks / REGION_BLOCKS
    }

    /// Segments of the log, from number 1 on.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Where a block is.
    pub fn place(&self, lba: u64) -> Loc {
        // A permutation of so many bits: each step can be undone.
        let mask = self.blocks - 1;
        let mut at = (lba ^ self.seed) & mask;
        for odd in [0x9e37_79b9_7f4a_7c15_u64, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            at = at.wrapping_mul(odd) & mask;
            at ^= at >> (self.bits / 2);
        }
        let (segment, nth) = (1 + at / self.live, at % self.live);
        // What is dead lies between what is live.
        let slot = nth * self.written / self.live;
        Loc { segment: SegmentSeq(segment), unit: FIRST_UNIT + slot as u32 * SLOT_UNITS }
    }

    pub fn objects(&self) -> impl Iterator<Item = MapObjectNumber> {
        (1..=self.objects.len() as u64).map(|counter| MapObjectNumber(u64::from(EPOCH.0) << 32 | counter))
    }

    /// Those that hold a page over leaves.
    pub fn inner_objects(&self) -> impl Iterator<Item = MapObjectNumber> {
        let ends = self.objects.iter().skip(1).map(|(first, _)| *first).chain([self.pages()]);
        let inner = |(first, end)| (first..end).any(|number| self.key(number).level > 0);
        let objects = self.objects().zip(self.objects.iter().map(|(first, _)| *first).zip(ends));
        objects.filter(move |(_, pages)| inner(*pages)).map(|(number, _)| number)
    }

    /// Bytes of all map objects.
    pub fn map_bytes(&self) -> u64 {
        self.objects.iter().map(|(_, bytes)| u64::from(*bytes)).sum()
    }

    /// The root of the checkpoint.
    pub fn root(&self) -> RootBlob {
        let object = |bytes| Object { born: 1, died: 0, bytes, live: bytes };
        let objects = self.objects.iter().map(|&(_, bytes)| object(bytes));
        let slots = self.segments * self.written;
        RootBlob {
            epoch: EPOCH,
            checkpoint: 1,
            lsn: Lsn(self.segments),
            replay: Replay { segment: SegmentSeq(self.segments + 1), offset: 0 },
            size_bytes: self.size_bytes(),
            used_blocks: self.blocks,
            local: crate::disk::LocalSeq(0),
            totals: SegmentTotals {
                segments: self.segments,
                live: self.blocks,
                blocks: slots,
                bytes: self.segments * u64::from(self.segment_bytes()),
                payload_bytes: 0,
            },
            last_object: self.objects.len() as u32,
            tops: [Tree::Map, Tree::Segments].map(|tree| Some(self.child(PageKey::top(tree)))),
            objects: self.objects().zip(objects).collect::<BTreeMap<_, _>>(),
            dropped: Vec::new(),
            payloads: Vec::new(),
        }
    }

    fn segment_bytes(&self) -> u32 {
        (self.written * (SLOT_BYTES + 16) + 128) as u32
    }

    /// Part of a map object; `None` if there is no such object.
    pub fn read(&self, object: MapObjectNumber, offset: u64, length: u64) -> Option<Bytes> {
        let n = (object.0 as u32).checked_sub(1).filter(|_| object.0 >> 32 == u64::from(EPOCH.0))? as usize;
        let &(first, bytes) = self.objects.get(n)?;
        let end = offset.saturating_add(length).min(u64::from(bytes));
        let (mut number, mut at) = (first, 0);
        let (mut out, mut begin) = (Vec::new(), None);
        while at < end {
            let key = self.key(number);
            let next = at + u64::from(self.length(key));
            if next > offset {
                begin.get_or_insert(at);
                out.extend_from_slice(&self.encoded(key));
            }
            (number, at) = (number + 1, next);
        }
        let Some(begin) = begin else { return Some(Bytes::new()) };
        Some(Bytes::from(out).slice((offset - begin) as usize..(end - begin) as usize))
    }

    fn pages(&self) -> u64 {
        self.levels.iter().map(|(_, pages)| pages).sum()
    }

    /// The `number`th page of all.
    fn key(&self, number: u64) -> PageKey {
        let mut left = number;
        for &(first, pages) in &self.levels {
            match left.checked_sub(pages) {
                Some(more) => left = more,
                None => return PageKey { index: left, ..first },
            }
        }
        unreachable!("there are not so many pages")
    }

    fn number(&self, key: PageKey) -> u64 {
        let before =
            self.levels.iter().take_while(|(first, _)| (first.tree, first.level) != (key.tree, key.level));
        before.map(|(_, pages)| pages).sum::<u64>() + key.index
    }

    fn pages_of(&self, tree: Tree, level: u8) -> u64 {
        let found = self.levels.iter().find(|(first, _)| (first.tree, first.level) == (tree, level));
        found.map_or(0, |(_, pages)| *pages)
    }

    fn children(&self, key: PageKey) -> u64 {
        let first = key.index * FANOUT as u64;
        (self.pages_of(key.tree, key.level - 1) - first).min(FANOUT as u64)
    }

    /// Segments of a leaf of the segment table: first and one past the last.
    fn segments_of(&self, index: u64) -> (u64, u64) {
        let first = index * PAGE_SEGMENTS;
        (first.max(1), (first + PAGE_SEGMENTS).min(self.segments + 1))
    }

    /// Live blocks in segments before this one.
    fn live_before(&self, segment: u64) -> u64 {
        (segment.max(1) - 1).saturating_mul(self.live).min(self.blocks)
    }

    fn length(&self, key: PageKey) -> u32 {
        let body = match (key.tree, key.level) {
            (Tree::Map, 0) => return self.region_bytes,
            (Tree::Segments, 0) => {
                let (first, end) = self.segments_of(key.index);
                SEGMENT_BITMAP + (end - first) as usize * SEGMENT_ENTRY
            }
            (Tree::Map | Tree::Segments, _) => {
                FANOUT / 8 + self.children(key) as usize * size_of::<[u64; 3]>()
            }
        };
        (HEADER_BYTES + body) as u32
    }

    fn child(&self, key: PageKey) -> Child {
        let (low, high) = key.leaves();
        let count = match key.tree {
            Tree::Map => (high * REGION_BLOCKS).min(self.blocks) - low * REGION_BLOCKS,
            Tree::Segments => self.live_before(high * PAGE_SEGMENTS) - self.live_before(low * PAGE_SEGMENTS),
        };
        let number = self.number(key);
        let n = self.objects.partition_point(|(first, _)| *first <= number) - 1;
        let offset = (self.objects[n].0..number).map(|before| self.length(self.key(before))).sum();
        let object = MapObjectNumber(u64::from(EPOCH.0) << 32 | (n as u64 + 1));
        Child { page: PageRef { object, offset, length: self.length(key) }, count }
    }

    fn encoded(&self, key: PageKey) -> Vec<u8> {
        let page = match (key.tree, key.level) {
            (Tree::Map, 0) => {
                let base = key.index * REGION_BLOCKS;
                Page::Region(Arc::new(Region::filled(|block| self.place(base + u64::from(block)))))
            }
            (Tree::Segments, 0) => {
                let mut page = SegmentPage::new();
                let (first, end) = self.segments_of(key.index);
                for segment in first..end {
                    page.set((segment % PAGE_SEGMENTS) as usize, Some(self.segment(segment)));
                }
                Page::Segments(Arc::new(page))
            }
            (Tree::Map | Tree::Segments, _) => {
                let mut inner = Inner::new();
                for slot in 0..self.children(key) as usize {
                    inner.children[slot] = Some(self.child(key.child(slot)));
                }
                Page::Inner(Arc::new(inner))
            }
        };
        let mut out = Vec::new();
        let length = encode(key, &page, &mut out);
        // All regions are packed alike, because each has blocks in old and in new segments.
        assert!(self.region_bytes == 0 || length == self.length(key), "{key:?} has {length} bytes");
        out
    }

    fn segment(&self, segment: u64) -> SegmentInfo {
        SegmentInfo {
            birth: Lsn(segment),
            changed: Lsn(self.segments),
            age: Lsn(segment),
            blocks: self.written as u32,
            live: (self.live_before(segment + 1) - self.live_before(segment)) as u32,
            bytes: self.segment_bytes(),
            payload: false,
        }
    }
}
