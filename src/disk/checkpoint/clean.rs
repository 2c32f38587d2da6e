//! Keeps map objects few and full: live pages of objects that are mostly dead are marked changed, so that the next
//! checkpoint writes them anew and the old object dies.

use crate::disk::DiskError;
use crate::disk::names::MapObjectNumber;
use crate::disk::pages::{PageRef, codec};
use crate::disk::state::{DiskState, Meta, Pressure};

use super::RootBlob;

/// Live bytes moved for one checkpoint at most, if not a 64th of the map is more.
const MIN_BUDGET_BYTES: u64 = 8 << 20;
/// Objects there may be however small they are.
const FEW_OBJECTS: usize = 32;
/// Mean live bytes of an object, below which the smallest are joined.
const SMALL_BYTES: u64 = 1 << 20;
/// Numbers without an object after which no more are looked for.
const ORPHAN_GAP: u32 = 8;

impl Meta {
    /// Objects to be cleaned, emptiest first.
    pub(super) fn sparse_objects(&self) -> Vec<MapObjectNumber> {
        let mut alive: Vec<_> =
            self.objects.iter().filter(|(_, object)| object.died == 0).map(|(&n, &o)| (n, o)).collect();
        let total: u64 = alive.iter().map(|(_, object)| u64::from(object.live)).sum();
        let mut budget = MIN_BUDGET_BYTES.max(total / 64);
        alive.sort_by_key(|(number, object)| (object.live, *number));
        let allowed = FEW_OBJECTS + (total / SMALL_BYTES) as usize;
        let mut surplus = alive.len().saturating_sub(allowed);
        let mut chosen = Vec::new();
        for (number, object) in alive {
            let sparse = u64::from(object.live) * 2 < u64::from(object.bytes);
            if !sparse && surplus == 0 {
                continue;
            }
            surplus = surplus.saturating_sub(1);
            match budget.checked_sub(u64::from(object.live)) {
                Some(left) => budget = left,
                None => break,
            }
            chosen.push(number);
        }
        chosen
    }
}

impl DiskState {
    /// Marks the live pages of sparse map objects as changed. To be called before a checkpoint; costs a store read
    /// for each object that is cleaned.
    pub async fn clean_map(&self) -> Result<(), DiskError> {
        let sparse = self.meta.lock().sparse_objects();
        for number in sparse {
            if self.pressure() != Pressure::None {
                break;
            }
            self.clean_object(number).await?;
        }
        Ok(())
    }

    async fn clean_object(&self, number: MapObjectNumber) -> Result<(), DiskError> {
        let objects = self.pages.objects().clone();
        let bytes = objects.read_all(number).await?;
        let mut offset = 0;
        while offset < bytes.len() {
            let corrupt = |bad: codec::Bad| DiskError::Corrupt {
                object: objects.name(number),
                offset: (offset + bad.offset) as u64,
                detail: bad.detail,
            };
            let header = codec::decode_header(&bytes[offset..]).map_err(corrupt)?;
            let (key, length) = (header.key, header.length);
            let place = PageRef { object: number, offset: offset as u32, length };
            // The page's ancestors must be in memory before it may be changed.
            let _pins = match key.parent() {
                Some((parent, _)) => Some(self.pages.pin(parent, false).await?),
                None => None,
            };
            let mut core = self.pages.lock();
            let current = core.cache.entry(key).flatten().is_some_and(|child| child.page == place);
            if current && !core.cache.is_changed(key) && !core.cache.is_writing(key) {
                if !core.cache.contains(key) {
                    let (_, page) = codec::decode(&bytes[offset..]).map_err(corrupt)?;
                    core.cache.insert(key, page);
                }
                core.cache.mark_changed(key);
            }
            drop(core);
            offset += length as usize;
        }
        Ok(())
    }

    /// Removes map objects that an interrupted checkpoint left behind. Called by a new writer, which was opened from
    /// `root`, before its first checkpoint.
    pub async fn remove_orphans(&self, root: &RootBlob) -> Result<(), DiskError> {
        let mine = self.meta.lock().epoch;
        let objects = self.pages.objects().clone();
        for epoch in root.epoch.0..mine.0 {
            let mut counter = if epoch == root.epoch.0 { root.last_object } else { 0 };
            let mut missing = 0;
            while missing < ORPHAN_GAP {
                counter = match counter.checked_add(1) {
                    Some(counter) => counter,
                    None => break,
                };
                let number = MapObjectNumber(u64::from(epoch) << 32 | u64::from(counter));
                debug_assert!(!root.objects.contains_key(&number));
                missing = if objects.remove(number).await? { 0 } else { missing + 1 };
            }
        }
        Ok(())
    }
}
