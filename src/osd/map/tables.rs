//! Mappings of placement groups, kept from their first use on: one table a pool.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::{Pool, UpActing};

/// Groups of a pool above this are mapped anew each time (mon_max_pool_pg_num is 65,536 by default).
const MAX_GROUPS: u32 = 1 << 22;
const CHUNK: usize = 256;

type Slot = OnceLock<Arc<UpActing>>;
type Chunk = OnceLock<Box<[Slot]>>;

/// Memory is taken when a group is first asked for: a pool's list of chunks, then a chunk.
#[derive(Debug)]
pub(super) struct Table {
    groups: u32,
    chunks: OnceLock<Box<[Chunk]>>,
}

/// By pool. Shared between epochs in which nothing changed that moves groups of that pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables(BTreeMap<i64, Arc<Table>>);

impl Table {
    fn new(groups: u32) -> Table {
        Table { groups, chunks: OnceLock::new() }
    }

    /// The mapping of the group with this number; `compute` may run twice where two threads ask at once.
    pub fn get(&self, seed: u32, compute: impl FnOnce() -> UpActing) -> Arc<UpActing> {
        if seed >= self.groups || self.groups > MAX_GROUPS {
            return Arc::new(compute());
        }
        let empty = |count: usize| std::iter::repeat_with(OnceLock::new).take(count);
        let count = (self.groups as usize).div_ceil(CHUNK);
        let chunks = self.chunks.get_or_init(|| empty(count).collect());
        let slots = chunks[seed as usize / CHUNK]
            .get_or_init(|| std::iter::repeat_with(OnceLock::new).take(CHUNK).collect());
        let slot = &slots[seed as usize % CHUNK];
        if let Some(known) = slot.get() {
            return known.clone();
        }
        // Not within get_or_init: a slow mapping must not make other threads wait for it.
        let computed = Arc::new(compute());
        slot.get_or_init(|| computed).clone()
    }
}

impl Tables {
    pub fn of(pools: &BTreeMap<i64, Pool>) -> Tables {
        Tables(pools.iter().map(|(&id, pool)| (id, Arc::new(Table::new(pool.pg_num)))).collect())
    }

    pub fn table(&self, pool: i64) -> Option<&Table> {
        self.0.get(&pool).map(Arc::as_ref)
    }

    /// Takes over from an earlier epoch the tables of the pools for which `same` holds.
    pub fn keep(&mut self, earlier: &Tables, same: impl Fn(i64) -> bool) {
        for (id, table) in &mut self.0 {
            if let Some(known) = earlier.0.get(id).filter(|known| known.groups == table.groups && same(*id)) {
                *table = known.clone();
            }
        }
    }
}
