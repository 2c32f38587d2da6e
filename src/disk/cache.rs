//! Blocks of the log that were read and checked: a cache that a scan does not empty (S3-FIFO).
//!
//! An entry is of a *place in the log*, and such a place never gets another content (docs/disk.md, "Reading"). So nothing
//! has ever to be invalidated: what is overwritten, discarded, rolled back, or written by another writer is somewhere else in
//! the map, and its old place is not asked for any more and falls out.
//!
//! S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023): new blocks go
//! into a small queue, a tenth of the room. Those that are asked for again there go on to the main queue; of the others only
//! the place is remembered for a while, and one that comes back goes to the main queue at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::{BLOCK_BYTES, Loc};
use crate::sync::Mutex;

const BLOCK: usize = BLOCK_BYTES as usize;
/// What an entry takes beside its block, in all tables.
const ENTRY_BYTES: u64 = 160;
/// Locks, so that requests on several processors seldom meet.
const SHARDS: usize = 8;
/// Blocks in the small queue: one in so many.
const SMALL_SHARE: usize = 10;
/// Hits that are counted.
const MAX_HITS: u8 = 3;

type Data = Arc<[u8; BLOCK]>;

pub(crate) struct ReadCache {
    shards: Vec<Mutex<Shard>>,
}

struct Entry {
    lba: u64,
    data: Data,
    hits: u8,
}

#[derive(Default)]
struct Shard {
    /// Blocks that there is room for.
    room: usize,
    entries: HashMap<Loc, Entry, BuildHasherDefault<Mix>>,
    small: VecDeque<Loc>,
    main: VecDeque<Loc>,
    /// Places that were in the small queue, oldest first.
    ghosts: VecDeque<Loc>,
    is_ghost: HashSet<Loc, BuildHasherDefault<Mix>>,
    /// The memory of the last block that fell out.
    spare: Option<Data>,
}

impl ReadCache {
    /// A cache that takes at most `bytes` of memory, as it is filled; of 0 bytes it keeps nothing.
    pub fn new(bytes: u64) -> ReadCache {
        let blocks = (bytes / (BLOCK_BYTES + ENTRY_BYTES)) as usize;
        let shards = if blocks < 64 * SHARDS { blocks.min(1) } else { SHARDS };
        let shard = || Mutex::new(Shard { room: blocks / shards, ..Shard::default() });
        ReadCache { shards: (0..shards).map(|_| shard()).collect() }
    }

    fn shard(&self, loc: Loc) -> Option<&Mutex<Shard>> {
        let mut mix = Mix::default();
        mix.write_u64(loc.segment.0);
        mix.write_u32(loc.unit);
        self.shards.get((mix.finish() >> 32) as usize % self.shards.len().max(1))
    }

    /// The block at a place of the log, if it is here and is that of this LBA.
    pub fn get(&self, loc: Loc, lba: u64) -> Option<Data> {
        let mut shard = self.shard(loc)?.lock();
        let entry = shard.entries.get_mut(&loc).filter(|entry| entry.lba == lba)?;
        entry.hits = (entry.hits + 1).min(MAX_HITS);
        Some(entry.data.clone())
    }

    /// Keeps a block that was read from `loc` and proved to be that of `lba`.
    pub fn insert(&self, loc: Loc, lba: u64, data: &[u8]) {
        let (Some(shard), Ok(data)) = (self.shard(loc), <&[u8; BLOCK]>::try_from(data)) else { return };
        shard.lock().insert(loc, lba, data);
    }

    /// Forgets all.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            *shard = Shard { room: shard.room, ..Shard::default() };
        }
    }
}

impl Shard {
    fn insert(&mut self, loc: Loc, lba: u64, data: &[u8; BLOCK]) {
        if self.entries.contains_key(&loc) {
            return;
        }
        while self.entries.len() >= self.room {
            self.evict();
        }
        let data = match self.spare.take() {
            Some(mut spare) => match Arc::get_mut(&mut spare) {
                Some(room) => {
                    *room = *data;
                    spare
                }
                // Somebody is still reading it.
                None => Arc::new(*data),
            },
            None => Arc::new(*data),
        };
        self.entries.insert(loc, Entry { lba, data, hits: 0 });
        if self.is_ghost.remove(&loc) {
            self.main.push_back(loc);
        } else {
            self.small.push_back(loc);
        }
    }

    /// Drops one block at least; there is one.
    fn evict(&mut self) {
        if self.small.len() * SMALL_SHARE >= self.room || self.main.is_empty() {
            let Some(loc) = self.small.pop_front() else { return };
            if self.entries.get(&loc).is_some_and(|entry| entry.hits > 0) {
                self.entries.entry(loc).and_modify(|entry| entry.hits = 0);
                self.main.push_back(loc);
                return;
            }
            self.drop_block(loc);
            self.remember(loc);
            return;
        }
        while let Some(loc) = self.main.pop_front() {
            match self.entries.get_mut(&loc) {
                Some(entry) if entry.hits > 0 => {
                    entry.hits -= 1;
                    self.main.push_back(loc);
                }
                Some(_) | None => return self.drop_block(loc),
            }
        }
    }

    fn drop_block(&mut self, loc: Loc) {
        self.spare = self.entries.remove(&loc).map(|entry| entry.data);
    }

    fn remember(&mut self, loc: Loc) {
        while self.ghosts.len() >= self.room {
            if let Some(old) = self.ghosts.pop_front() {
                self.is_ghost.remove(&old);
            }
        }
        if self.is_ghost.insert(loc) {
            self.ghosts.push_back(loc);
        }
    }
}

/// A quick hash of two numbers that nobody chooses on purpose.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = crate::env::splitmix64(self.0.rotate_left(23) ^ value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::SegmentSeq;
    use super::*;

    fn loc(n: u64) -> Loc {
        Loc { segment: SegmentSeq(1 + n / 1000), unit: (n % 1000) as u32 * 257 }
    }

    fn block(n: u64) -> [u8; BLOCK] {
        [(n % 251) as u8; BLOCK]
    }

    fn cache(blocks: u64) -> ReadCache {
        ReadCache::new(blocks * (BLOCK_BYTES + ENTRY_BYTES))
    }

    fn read(cache: &ReadCache, n: u64) -> bool {
        match cache.get(loc(n), n) {
            Some(data) => {
                assert!(*data == block(n), "{n}");
                true
            }
            None => {
                cache.insert(loc(n), n, &block(n));
                false
            }
        }
    }

    #[test]
    fn keeps_what_was_put_in_and_only_for_its_block() {
        let cache = cache(2048);
        (0..1000).for_each(|n| cache.insert(loc(n), n, &block(n)));
        assert!((0..1000).all(|n| read(&cache, n)));
        assert!(cache.get(loc(7), 8).is_none(), "the map says that another block is there");
        let held = cache.get(loc(7), 7).unwrap();
        cache.clear();
        assert!(cache.get(loc(7), 7).is_none());
        assert!(*held == block(7));
        let none = ReadCache::new(0);
        none.insert(loc(1), 1, &block(1));
        assert!(none.get(loc(1), 1).is_none());
    }

    #[test]
    fn never_more_than_there_is_room_for() {
        for room in [1, 7, 100, 2000] {
            let cache = cache(room);
            for n in 0..5000 {
                read(&cache, n * n % 3001);
                read(&cache, n % 11);
            }
            for shard in &cache.shards {
                let shard = shard.lock();
                assert!(shard.entries.len() <= shard.room && shard.ghosts.len() <= shard.room);
                assert_eq!(shard.small.len() + shard.main.len(), shard.entries.len());
                assert!(shard.is_ghost.len() <= shard.ghosts.len());
            }
        }
    }

    #[test]
    fn a_scan_does_not_push_out_what_is_read_often() {
        let cache = cache(1000);
        for _ in 0..5 {
            (0..500).for_each(|n| _ = read(&cache, n));
        }
        (10_000..40_000).for_each(|n| _ = read(&cache, n));
        let kept = (0..500).filter(|n| read(&cache, *n)).count();
        assert!(kept > 450, "{kept}");
        // And one that has become quiet makes room for others.
        for _ in 0..8 {
            (50_000..50_800).for_each(|n| _ = read(&cache, n));
        }
        let hits = (50_000..50_800).filter(|n| read(&cache, *n)).count();
        assert!(hits > 700, "{hits}");
    }
}
