//! What a page is: its identity, its place in the store, and the inner page of the trees.

use std::sync::Arc;

use crate::disk::map::Region;
use crate::disk::names::MapObjectNumber;
use crate::disk::segments::SegmentPage;

/// Children of an inner page.
pub(crate) const FANOUT: usize = 256;
const FANOUT_BITS: u32 = 8;

/// The two trees of an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Tree {
    /// LBA to place in the log; leaves are regions.
    Map,
    /// Segment number to what is known of the segment.
    Segments,
}

impl Tree {
    /// Level of the top page; leaves are level 0. The map's top page covers 2^64 bytes; the segment
    /// table's covers 2^41 segments.
    pub const fn top_level(self) -> u8 {
        match self {
            Tree::Map => 5,
            Tree::Segments => 4,
        }
    }
}

/// A page's identity; also stored in the page, so that a page read from a wrong place is found out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PageKey {
    pub tree: Tree,
    pub level: u8,
    /// Number of the page within its level.
    pub index: u64,
}

impl PageKey {
    pub const fn top(tree: Tree) -> PageKey {
        PageKey { tree, level: tree.top_level(), index: 0 }
    }

    pub fn is_top(self) -> bool {
        self.level == self.tree.top_level()
    }

    /// The parent and the slot in it; `None` for the top page.
    pub fn parent(self) -> Option<(PageKey, usize)> {
        if self.is_top() {
            return None;
        }
        let slot = (self.index & (FANOUT as u64 - 1)) as usize;
        Some((PageKey { level: self.level + 1, index: self.index >> FANOUT_BITS, ..self }, slot))
    }

    pub fn child(self, slot: usize) -> PageKey {
        PageKey { level: self.level - 1, index: self.index << FANOUT_BITS | slot as u64, ..self }
    }

    /// The ancestor at `level`.
    pub fn ancestor(self, level: u8) -> PageKey {
        PageKey { level, index: self.index >> (FANOUT_BITS * u32::from(level - self.level)), ..self }
    }

    /// Indices of the leaves below: first and one past the last.
    pub fn leaves(self) -> (u64, u64) {
        let shift = FANOUT_BITS * u32::from(self.level);
        (self.index << shift, (self.index + 1) << shift)
    }
}

impl std::hash::Hash for PageKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // The index stays below 2^41 (see `Tree::top_level`).
        state
            .write_u64(self.index << 8 | u64::from(self.level) << 1 | u64::from(self.tree == Tree::Segments));
    }
}

/// Where a page is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct PageRef {
    pub object: MapObjectNumber,
    pub offset: u32,
    pub length: u32,
}

/// A child of an inner page: where it is, and what its subtree holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Child {
    pub page: PageRef,
    /// Map: mapped blocks. Segments: live blocks in the head.
    pub count: u64,
}

/// An inner page.
///
/// `None` where a child has no stored page. A changed child's entry is that of its last stored version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Inner {
    pub children: Vec<Option<Child>>,
}

impl Inner {
    pub fn new() -> Inner {
        Inner { children: vec![None; FANOUT] }
    }

    pub fn is_empty(&self) -> bool {
        self.children.iter().all(Option::is_none)
    }
}

/// A page in memory. Cheap to clone; changed by copying while someone else holds it.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    Inner(Arc<Inner>),
    Region(Arc<Region>),
    Segments(Arc<SegmentPage>),
}

impl Page {
    pub fn empty(key: PageKey) -> Page {
        match (key.level, key.tree) {
            (0, Tree::Map) => Page::Region(Arc::new(Region::new())),
            (0, Tree::Segments) => Page::Segments(Arc::new(SegmentPage::new())),
            _ => Page::Inner(Arc::new(Inner::new())),
        }
    }

    /// Whether the page holds nothing and need not be stored.
    pub fn is_empty(&self) -> bool {
        match self {
            Page::Inner(inner) => inner.is_empty(),
            Page::Region(region) => region.mapped() == 0,
            Page::Segments(page) => page.is_empty(),
        }
    }

    /// Bytes of memory that the page takes: with what the cache needs for it, and a checkpoint that writes it.
    pub fn memory(&self) -> usize {
        // The slot in a table that may be half empty, an entry in a ring and in the list of changes; in a checkpoint, the
        // frozen page, its new place, and the place's way to the parent.
        const OVERHEAD: usize = 384;
        let (own, beside) = match self {
            Page::Inner(inner) => {
                (size_of::<Inner>(), inner.children.capacity() * size_of::<Option<Child>>())
            }
            Page::Region(region) => (size_of::<Region>(), region.memory()),
            Page::Segments(page) => (size_of::<SegmentPage>(), page.memory()),
        };
        OVERHEAD + allocated(2 * size_of::<usize>() + own) + allocated(beside)
    }
}

/// What an allocator takes for so many bytes, at least: a word before them, in steps of 16.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + size_of::<usize>()).next_multiple_of(16) }
}
