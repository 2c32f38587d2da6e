//! The pages in memory: which are changed, which may go, and how many bytes they take.
//!
//! Pure bookkeeping, no I/O and no lock. A page that is changed, being written or pinned stays; of the others those
//! that were not used for a while go first (CLOCK), leaves before inner pages. The top pages always stay.
//!
//! Invariant: the parent of a changed page is in memory and changed too.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::page::{Child, Inner, Page, PageKey, PageRef, Tree};

/// Spreads the one u64 that a `PageKey` hashes to (Fibonacci hashing).
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

/// A leaf in memory beside what is stored of it.
const LEAF_OVERHEAD: usize = 512;
/// A leaf of which nothing is known: a region that was written at random.
const UNKNOWN_LEAF: usize = 22 << 10;

struct Slot {
    page: Page,
    /// Tells this slot from an earlier one of the same key.
    ticket: u64,
    bytes: usize,
    pins: u32,
    referenced: bool,
    /// Changed since the last freeze.
    changed: bool,
    /// Part of the checkpoint that is being written.
    writing: bool,
    /// That checkpoint still needs this version: it was neither encoded nor changed since the freeze.
    frozen: bool,
    /// Has an entry in a ring.
    in_ring: bool,
}

impl Slot {
    fn held(&self) -> bool {
        self.changed || self.writing
    }

    fn evictable(&self) -> bool {
        !self.held() && self.pins == 0
    }
}

/// A pin's key and the ticket of the slot that it pinned.
pub(crate) type Pin = (PageKey, u64);

/// Where a page is to be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    InMemory,
    /// This page, itself or the nearest ancestor that is missing, must be read first.
    Stored(PageKey, PageRef),
    /// There is no such page, nor any other under this one.
    Nowhere(PageKey),
}

/// A changed page as it was at the freeze.
#[derive(Clone)]
pub(crate) struct FrozenPage {
    pub key: PageKey,
    pub ticket: u64,
    /// `None`: it is encoded.
    pub page: Option<Page>,
    /// Its stored version, which the checkpoint replaces.
    pub old: Option<Child>,
}

/// How many pages are changed, and how many changed or being written.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Held {
    changed: usize,
    held: usize,
}

/// For whom what a change takes is estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keeper {
    /// Who writes checkpoints: while one is written, what is changed is there twice, and what is encoded, too.
    Writer,
    /// Who opens the image after a crash: all that is in no published checkpoint, once.
    Successor,
}

pub(crate) struct Cache {
    slots: HashMap<PageKey, Slot, BuildHasherDefault<KeyHasher>>,
    /// Leaves, inner pages.
    rings: [VecDeque<Pin>; 2],
    /// Every key that became changed since the last freeze; may name pages that are gone.
    changed: Vec<PageKey>,
    /// Stored versions of the top pages, which have no parent.
    tops: [Option<Child>; 2],
    limit: usize,
    bytes: usize,
    /// Of these, bytes of pages that are changed or being written.
    held: usize,
    /// Leaves of the segment table that are changed, and those that are held.
    table: Held,
    /// Bytes of old versions that the checkpoint being written holds.
    copies: usize,
    /// Bytes of encoded pages on their way to the store.
    encoded: usize,
    /// Bytes of what is no page and shares the limit.
    beside: usize,
    next_ticket: u64,
}

impl Cache {
    pub fn new(limit: usize) -> Cache {
        Cache {
            slots: HashMap::default(),
            rings: [VecDeque::new(), VecDeque::new()],
            changed: Vec::new(),
            tops: [None; 2],
            limit,
            bytes: 0,
            held: 0,
            table: Held::default(),
            copies: 0,
            encoded: 0,
            beside: 0,
            next_ticket: 1,
        }
    }

    /// What pages may take. However much else there is, they keep half of the limit.
    pub fn limit(&self) -> usize {
        self.limit - self.beside.min(self.limit / 2)
    }

    /// Bytes of what is no page and shares the limit.
    pub fn beside(&self) -> usize {
        self.beside
    }

    pub fn set_beside(&mut self, bytes: usize) {
        self.beside = bytes;
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.evict();
    }

    /// Bytes of all pages in memory, also those that are encoded and on their way to the store.
    pub fn bytes(&self) -> usize {
        self.bytes + self.copies + self.encoded
    }

    /// Bytes that cannot be given back before a checkpoint.
    pub fn held(&self, keeper: Keeper) -> usize {
        match keeper {
            Keeper::Writer => self.held + self.copies + self.encoded,
            Keeper::Successor => self.held,
        }
    }

    /// Leaves of the segment table for which a change takes nothing more.
    pub fn held_table_leaves(&self, keeper: Keeper) -> usize {
        match keeper {
            Keeper::Writer => self.table.changed,
            Keeper::Successor => self.table.held,
        }
    }

    /// What the checkpoint has encoded and not written yet; clean pages make room for it.
    pub fn set_encoded(&mut self, bytes: usize) {
        self.encoded = bytes;
        self.evict();
    }

    pub fn contains(&self, key: PageKey) -> bool {
        self.slots.contains_key(&key)
    }

    /// The page, if it is in memory; counts as a use.
    pub fn get(&mut self, key: PageKey) -> Option<&Page> {
        let slot = self.slots.get_mut(&key)?;
        slot.referenced = true;
        Some(&slot.page)
    }

    pub fn peek(&self, key: PageKey) -> Option<&Page> {
        self.slots.get(&key).map(|slot| &slot.page)
    }

    pub fn is_changed(&self, key: PageKey) -> bool {
        self.slots.get(&key).is_some_and(|slot| slot.changed)
    }

    pub fn is_writing(&self, key: PageKey) -> bool {
        self.slots.get(&key).is_some_and(|slot| slot.writing)
    }

    /// Adds an unchanged page that is not in memory yet.
    pub fn insert(&mut self, key: PageKey, page: Page) {
        let bytes = page.memory();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let slot = Slot {
            page,
            ticket,
            bytes,
            pins: 0,
            referenced: true,
            changed: false,
            writing: false,
            frozen: false,
            in_ring: false,
        };
        let old = self.slots.insert(key, slot);
        debug_assert!(old.is_none(), "{key:?} was in memory already");
        self.bytes += bytes;
        self.enter_ring(key);
    }

    /// Forgets a page in whatever state it is.
    pub fn remove(&mut self, key: PageKey) -> Option<Page> {
        let slot = self.slots.remove(&key)?;
        self.bytes -= slot.bytes;
        if slot.held() {
            self.held -= slot.bytes;
        }
        if is_table_leaf(key) {
            self.table.changed -= usize::from(slot.changed);
            self.table.held -= usize::from(slot.held());
        }
        if slot.frozen {
            self.copies += slot.bytes;
        }
        Some(slot.page)
    }

    pub fn pin(&mut self, key: PageKey) -> Option<Pin> {
        let slot = self.slots.get_mut(&key)?;
        slot.pins += 1;
        slot.referenced = true;
        Some((key, slot.ticket))
    }

    pub fn unpin(&mut self, (key, ticket): Pin) {
        if let Some(slot) = self.slots.get_mut(&key)
            && slot.ticket == ticket
        {
            slot.pins -= 1;
            self.enter_ring(key);
        }
    }

    /// About how many bytes more are held when this page is changed, or made if it is `new` and there is none; those
    /// above it aside.
    pub fn cost_of_change(&self, page: PageKey, new: bool, keeper: Keeper) -> usize {
        match self.slots.get(&page) {
            Some(slot) if slot.changed || (slot.writing && keeper == Keeper::Successor) => 0,
            Some(slot) => slot.bytes,
            None => match self.find_missing(page) {
                Found::InMemory | Found::Nowhere(_) if !new => 0,
                Found::InMemory | Found::Nowhere(_) => Page::empty(page).memory(),
                Found::Stored(..) if page.level > 0 => Page::empty(page).memory(),
                // In memory it takes what it takes stored, and what the cache needs.
                Found::Stored(key, child) if key == page => child.length as usize + LEAF_OVERHEAD,
                Found::Stored(..) => UNKNOWN_LEAF,
            },
        }
    }

    /// Marks a page and its ancestors, which must be in memory, as changed.
    pub fn mark_changed(&mut self, key: PageKey) {
        let mut next = Some(key);
        while let Some(key) = next {
            let slot = self.slots.get_mut(&key).expect("ancestors of a changed page are pinned or changed");
            if slot.changed {
                break;
            }
            if is_table_leaf(key) {
                self.table.changed += 1;
                self.table.held += usize::from(!slot.held());
            }
            if !slot.held() {
                self.held += slot.bytes;
            }
            slot.changed = true;
            self.changed.push(key);
            next = key.parent().map(|(parent, _)| parent);
        }
    }

    /// Changes a page, which must be in memory with its ancestors.
    pub fn change<R>(&mut self, key: PageKey, change: impl FnOnce(&mut Page) -> R) -> R {
        self.mark_changed(key);
        self.edit(key, change)
    }

    /// Changes a page without marking it: for what the stored version has already.
    fn edit<R>(&mut self, key: PageKey, change: impl FnOnce(&mut Page) -> R) -> R {
        let slot = self.slots.get_mut(&key).expect("a page that is changed is in memory");
        if std::mem::take(&mut slot.frozen) {
            self.copies += slot.bytes;
        }
        let result = change(&mut slot.page);
        let bytes = slot.page.memory();
        self.bytes = self.bytes - slot.bytes + bytes;
        if slot.held() {
            self.held = self.held - slot.bytes + bytes;
        }
        slot.bytes = bytes;
        result
    }

    /// The stored version of `key` as its parent says, if that is in memory.
    pub fn entry(&self, key: PageKey) -> Option<Option<Child>> {
        let Some((parent, slot)) = key.parent() else { return Some(self.tops[key.tree as usize]) };
        match self.peek(parent)? {
            Page::Inner(inner) => Some(inner.children[slot]),
            Page::Region(_) | Page::Segments(_) => None,
        }
    }

    /// Where a page is to be found.
    pub fn find(&mut self, key: PageKey) -> Found {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.referenced = true;
            return Found::InMemory;
        }
        self.find_missing(key)
    }

    /// Where a page is to be found that is not in memory.
    fn find_missing(&self, key: PageKey) -> Found {
        let mut missing = key;
        loop {
            match (self.entry(missing), missing.parent()) {
                (Some(Some(child)), _) => return Found::Stored(missing, child.page),
                (Some(None), _) | (None, None) => return Found::Nowhere(missing),
                (None, Some((parent, _))) => missing = parent,
            }
        }
    }

    /// Sets the entry of `key` in its parent; `changed` says whether the parent is thereby changed.
    pub fn set_entry(&mut self, key: PageKey, child: Option<Child>, changed: bool) {
        let Some((parent, slot)) = key.parent() else {
            self.tops[key.tree as usize] = child;
            return;
        };
        let set = |page: &mut Page| {
            if let Page::Inner(inner) = page {
                Arc::<Inner>::make_mut(inner).children[slot] = child;
            }
        };
        if changed {
            self.change(parent, set);
        } else {
            self.edit(parent, set);
        }
    }

    /// Takes the changed pages, lower levels first. They stay in memory until `finish`.
    pub fn freeze(&mut self) -> Vec<FrozenPage> {
        let mut frozen = Vec::with_capacity(self.changed.len());
        for key in std::mem::take(&mut self.changed) {
            let old = self.entry(key).flatten();
            if let Some(slot) = self.slots.get_mut(&key)
                && slot.changed
            {
                debug_assert!(!slot.writing, "one checkpoint at a time");
                self.table.changed -= usize::from(is_table_leaf(key));
                slot.changed = false;
                slot.writing = true;
                slot.frozen = true;
                frozen.push(FrozenPage { key, ticket: slot.ticket, page: Some(slot.page.clone()), old });
            }
        }
        frozen.sort_unstable_by_key(|page| page.key);
        frozen
    }

    /// The checkpoint has encoded a page and needs this version no more.
    pub fn encoded(&mut self, key: PageKey, ticket: u64, page: Page) {
        match self.slots.get_mut(&key) {
            Some(slot) if slot.ticket == ticket && slot.frozen => slot.frozen = false,
            Some(_) | None => self.copies -= page.memory(),
        }
    }

    /// Ends the writing of a frozen page: it was stored, or (`failed`) counts as changed again.
    /// False if it was dropped since the freeze.
    pub fn finish(&mut self, key: PageKey, ticket: u64, failed: bool) -> bool {
        let Some(slot) = self.slots.get_mut(&key) else { return false };
        if slot.ticket != ticket {
            return false;
        }
        debug_assert!(slot.writing);
        slot.writing = false;
        slot.frozen = false;
        if failed && !slot.changed {
            slot.changed = true;
            self.changed.push(key);
            self.table.changed += usize::from(is_table_leaf(key));
        }
        if !slot.changed {
            self.held -= slot.bytes;
            self.table.held -= usize::from(is_table_leaf(key));
            self.enter_ring(key);
        }
        true
    }

    /// After the last `finish` of a checkpoint: its copies are gone.
    pub fn finished(&mut self) {
        (self.copies, self.encoded) = (0, 0);
        self.evict();
    }

    /// Removes all pages for which `gone` says so.
    pub fn remove_where(&mut self, gone: impl Fn(PageKey) -> bool) {
        let keys: Vec<PageKey> = self.slots.keys().copied().filter(|&key| gone(key)).collect();
        for key in keys {
            self.remove(key);
        }
    }

    /// Gives pages back until the limit is kept or nothing more can go.
    pub fn evict(&mut self) {
        for ring in 0..self.rings.len() {
            // Twice around: the first time takes away the marks of use.
            let mut steps = 2 * self.rings[ring].len();
            while self.bytes() > self.limit() && steps > 0 {
                steps -= 1;
                let Some((key, ticket)) = self.rings[ring].pop_front() else { break };
                let Some(slot) = self.slots.get_mut(&key) else { continue };
                if slot.ticket != ticket {
                    continue;
                }
                if !slot.evictable() {
                    // It comes back when it may go.
                    slot.in_ring = false;
                } else if slot.referenced {
                    slot.referenced = false;
                    self.rings[ring].push_back((key, ticket));
                } else {
                    self.remove(key);
                }
            }
        }
    }

    /// Whether what is counted is what is there.
    #[cfg(test)]
    pub fn is_counted(&self) -> bool {
        let held = || self.slots.iter().filter(|(_, slot)| slot.held());
        let leaves = |changed: bool| {
            held().filter(|(key, slot)| is_table_leaf(**key) && (slot.changed || !changed)).count()
        };
        self.bytes == self.slots.values().map(|slot| slot.bytes).sum::<usize>()
            && self.held == held().map(|(_, slot)| slot.bytes).sum::<usize>()
            && self.table == Held { changed: leaves(true), held: leaves(false) }
    }

    fn enter_ring(&mut self, key: PageKey) {
        if key.is_top() {
            return;
        }
        if let Some(slot) = self.slots.get_mut(&key)
            && slot.evictable()
            && !slot.in_ring
        {
            slot.in_ring = true;
            self.rings[usize::from(key.level > 0)].push_back((key, slot.ticket));
        }
    }
}

fn is_table_leaf(key: PageKey) -> bool {
    key.tree == Tree::Segments && key.level == 0
}
