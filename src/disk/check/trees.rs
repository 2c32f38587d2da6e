//! Walks the page trees of the head and of all snapshots: checks every page, counts what the maps name, and hands out
//! the maps' entries in lots.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Check, Damage, Kind, View};
use crate::disk::names::MapObjectNumber;
use crate::disk::pages::{Child, Page, PageKey, PageRef, Tree, fetch};
use crate::disk::segments::{PAGE_SEGMENTS, SegmentInfo};
use crate::disk::state::Sums;
use crate::disk::{BLOCK_BYTES, DiskResult, Loc, REGION_BLOCKS, SegmentSeq, SegmentTotals};

/// Entries of a lot: bounds memory to about 160 MiB.
const LOT: usize = 4 << 20;

/// A run of blocks as a map has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub loc: Loc,
    pub blocks: u32,
    pub lba: u64,
    /// The first of the states that has it.
    pub view: View,
}

/// Why a page is visited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Head,
    /// Cut off by a discard and not yet looked at by the writer: its blocks count as live.
    Dropped,
    Table,
    Snapshot,
}

struct Todo {
    key: PageKey,
    child: Child,
    view: View,
    role: Role,
}

/// What the trees add up to.
#[derive(Default)]
pub(super) struct Counted {
    /// The segment table.
    pub table: BTreeMap<SegmentSeq, SegmentInfo>,
    /// Blocks that the head's map has in each segment.
    pub live: HashMap<SegmentSeq, u32>,
    /// Segments that any state's map names.
    pub named: BTreeSet<SegmentSeq>,
    /// Bytes of pages of the newest checkpoint in each map object.
    pub page_bytes: BTreeMap<MapObjectNumber, u64>,
    pub mapped: u64,
    /// Pages could not be read, so no count can be judged.
    pub incomplete: bool,
}

pub(super) struct Trees {
    todo: Vec<Todo>,
    seen: HashSet<PageRef>,
    counted: Counted,
    pages: u64,
}

impl Trees {
    pub fn new(check: &Check<'_>) -> Trees {
        let mut todo = Vec::new();
        // The last is visited first: table, head, what was cut off, then the snapshots, the newest first.
        for (snapshot, root) in &check.snapshots {
            let view = View::Snapshot(snapshot.info.id);
            todo.extend(root.map.map(|child| Todo {
                key: PageKey::top(Tree::Map),
                child,
                view,
                role: Role::Snapshot,
            }));
        }
        for dropped in check.dropped() {
            let child = Child { page: dropped.page, count: u64::MAX };
            todo.push(Todo { key: dropped.key, child, view: View::Head, role: Role::Dropped });
        }
        for (tree, role) in [(Tree::Map, Role::Head), (Tree::Segments, Role::Table)] {
            if let Some(child) = check.root.tops[tree as usize] {
                todo.push(Todo { key: PageKey::top(tree), child, view: View::Head, role });
            }
        }
        Trees { todo, seen: HashSet::new(), counted: Counted::default(), pages: 0 }
    }

    /// The next entries of the maps; `None` when all pages were visited.
    pub async fn next_lot(&mut self, check: &mut Check<'_>) -> DiskResult<Option<Vec<Entry>>> {
        let mut lot = Vec::new();
        while let Some(todo) = self.todo.pop() {
            self.visit(check, todo, &mut lot).await;
            if lot.len() >= LOT {
                break;
            }
        }
        self.counted.named.extend(lot.iter().map(|entry| entry.loc.segment));
        Ok((!lot.is_empty()).then_some(lot))
    }

    async fn visit(&mut self, check: &mut Check<'_>, todo: Todo, lot: &mut Vec<Entry>) {
        let Todo { key, child, view, role } = todo;
        let counts = role != Role::Snapshot;
        if !self.seen.insert(child.page) && !counts {
            return;
        }
        self.pages += 1;
        if counts {
            *self.counted.page_bytes.entry(child.page.object).or_default() += u64::from(child.page.length);
        }
        if !check.root.objects.contains_key(&child.page.object) {
            let object = check.objects.name(child.page.object);
            let detail = format!("holds page {key:?}, but the root's table of map objects does not have it");
            check.report.add(Kind::MapObject, Damage::Wrong, object, None, detail);
        }
        let page = match fetch(&*check.objects, key, child.page).await {
            Ok(page) => page,
            Err(error) => {
                self.counted.incomplete = true;
                let object = check.objects.name(child.page.object);
                check.report.add_error(Kind::Page, Damage::Lost, &error, "");
                if let Some(finding) = check.report.findings.last_mut() {
                    if finding.object.is_empty() {
                        finding.object = object;
                    }
                    finding.offset.get_or_insert(u64::from(child.page.offset));
                    if key.tree == Tree::Map && role != Role::Dropped {
                        let (first, end) = key.leaves();
                        let bytes = |leaf: u64| leaf.saturating_mul(REGION_BLOCKS * BLOCK_BYTES);
                        finding.lost = Some((bytes(first), bytes(end - first), vec![view]));
                    }
                }
                return;
            }
        };
        match page {
            Page::Inner(inner) => {
                let sum = inner.children.iter().flatten().map(|child| child.count).sum();
                self.compare(check, key, child, sum);
                for (slot, child) in inner.children.iter().enumerate() {
                    if let Some(child) = *child {
                        self.todo.push(Todo { key: key.child(slot), child, view, role });
                    }
                }
            }
            Page::Region(region) => {
                self.compare(check, key, child, u64::from(region.mapped()));
                if role == Role::Head {
                    self.counted.mapped += u64::from(region.mapped());
                }
                let base = key.index * REGION_BLOCKS;
                region.runs(0, REGION_BLOCKS as u32, |first, blocks, loc| {
                    let Some(loc) = loc else { return };
                    if counts {
                        *self.counted.live.entry(loc.segment).or_default() += blocks;
                    }
                    if role != Role::Dropped {
                        lot.push(Entry { loc, blocks, lba: base + u64::from(first), view });
                    }
                });
            }
            Page::Segments(page) => {
                self.compare(check, key, child, page.live());
                for (slot, info) in page.iter() {
                    let seq = SegmentSeq(key.index * PAGE_SEGMENTS + slot as u64);
                    self.counted.table.insert(seq, info);
                }
            }
        }
    }

    /// A parent says how much its child's subtree holds.
    fn compare(&self, check: &mut Check<'_>, key: PageKey, child: Child, found: u64) {
        if child.count != u64::MAX && child.count != found {
            let object = check.objects.name(child.page.object);
            let detail = format!("page {key:?} holds {found} blocks, its parent says {}", child.count);
            let at = Some(u64::from(child.page.offset));
            check.report.add(Kind::PageCount, Damage::Wrong, object, at, detail);
            check.corrections.pages.push(key);
        }
    }

    /// Compares the sums with what the root says.
    pub fn finish(self, check: &mut Check<'_>) -> Counted {
        let (counted, root) = (self.counted, &check.root);
        check.report.facts.map_pages = self.pages;
        check.report.facts.used_bytes = counted.mapped * BLOCK_BYTES;
        check.report.facts.segments = counted.table.len() as u64;
        if counted.incomplete {
            return counted;
        }
        let header = check.shared.names.header().oid;
        if counted.mapped != root.used_blocks {
            let detail = format!("the map has {} blocks, the root says {}", counted.mapped, root.used_blocks);
            check.report.add(Kind::UsedBlocks, Damage::Wrong, &header, None, detail);
        }
        let mut totals = SegmentTotals::default();
        for info in counted.table.values() {
            totals.segments += 1;
            totals.live += u64::from(info.live);
            totals.blocks += u64::from(info.blocks);
            totals.bytes += u64::from(info.bytes);
            totals.payload_bytes += info.payload_bytes();
        }
        check.corrections.sums =
            Some(Sums { said: (root.totals, root.used_blocks), found: (totals, counted.mapped) });
        if totals != root.totals {
            let detail = format!("the segment table adds up to {totals:?}, the root says {:?}", root.totals);
            check.report.add(Kind::Totals, Damage::Wrong, &header, None, detail);
        }
        counted
    }
}
