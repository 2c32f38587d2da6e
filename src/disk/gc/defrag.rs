//! Defragmentation: copies ranges of the image that are often read in many pieces, each into one piece.
//!
//! The copies are Gc records, so that a block moves only if the map still points to the place from which it was read. What a
//! snapshot pins stays where it is: the place would not be given back, and the range would take space twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::collect::{LiveRun, slots_of};
use super::fragments::{Fragments, Places};
use super::victims::is_pinned;
use super::{GcBatch, GcLog, record_slots, take_record};
use crate::disk::read::Run;
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::shared::{Shared, store_error};
use crate::disk::state::DiskState;
use crate::disk::{DiskResult, ExtentMap, Lba, Lsn, SLOT_BYTES};

/// Ranges that one step looks at: most may be in one piece by now.
const MOST_LOOKS: usize = 64;
/// Room that a store must have: so many records, and this share of all. A copy that finds none would be in the way of what
/// makes room.
const ROOM_RECORDS: u64 = 16;
const ROOM_SHARE: u64 = 32;
/// How long the store may take to say how much room it has.
const PATIENCE: Duration = Duration::from_secs(1);

/// Copies what is queued.
pub(crate) struct Defrag {
    shared: Arc<Shared>,
    state: Arc<DiskState>,
}

impl Defrag {
    pub fn new(shared: Arc<Shared>, state: Arc<DiskState>) -> Defrag {
        Defrag { shared, state }
    }

    /// Whether the store has room to spare, as far as it can tell now: garbage collection does not wait for lost monitors.
    pub async fn has_room(&self) -> DiskResult<bool> {
        let stat = tokio::select! {
            biased;
            stat = self.shared.store.cluster_stat() => stat,
            () = self.shared.env.sleep(PATIENCE) => return Ok(false),
        };
        let stat = stat.map_err(|source| store_error(&self.shared.names.header(), source))?;
        let records = ROOM_RECORDS * record_slots(&self.shared) * SLOT_BYTES / 1024;
        Ok(stat.available_kib > records.max(stat.total_kib / ROOM_SHARE))
    }

    /// Copies a record's worth of the ranges that wait, at least one of them; the blocks that it copied. Ends early, and
    /// puts the ranges back, when `go_on` says that something else is more urgent.
    pub async fn step(
        &self,
        log: &(impl GcLog + Sync),
        fragments: &Fragments,
        go_on: &(impl Fn() -> bool + Sync),
    ) -> DiskResult<u64> {
        let map = self.state.map();
        let room = record_slots(&self.shared);
        let newest_snapshot = log.snapshots().await?.into_iter().max();
        let (mut runs, mut ranges, mut blocks) = (Vec::new(), Vec::new(), 0);
        for _ in 0..MOST_LOOKS {
            let Some(range) = fragments.take(self.shared.env.now()) else { break };
            let (found, more) = self.movable(&map, fragments, range, newest_snapshot).await?;
            if found.is_empty() {
                continue;
            }
            if blocks > 0 && blocks + more > room {
                // It shall be in one piece.
                fragments.put_back(range);
                break;
            }
            blocks += more;
            runs.extend(found);
            ranges.push(range);
        }
        let put_back = || ranges.iter().for_each(|&range| fragments.put_back(range));
        let Some(mut slots) = slots_of(&self.shared, &map, runs, go_on).await else {
            put_back();
            return Ok(0);
        };
        slots.sort_by_key(|run| run.lba);
        if broken(Sabotage::DefragNamesNewest) {
            slots = name_newest(&map, slots).await?;
        }
        let mut left = VecDeque::from(slots);
        let mut copied = 0;
        while !left.is_empty() {
            if !go_on() {
                put_back();
                break;
            }
            let runs = take_record(&mut left, room);
            let here: u64 = runs.iter().map(|run| u64::from(run.blocks)).sum();
            log.append_gc(GcBatch::new(runs)).await?;
            copied += here;
        }
        tracing::debug!("defragmentation: {copied} blocks of {} ranges copied", ranges.len());
        Ok(copied)
    }

    /// The runs of a range that are to be put together, and their blocks: none, if those that no snapshot pins are in
    /// few places.
    async fn movable(
        &self,
        map: &ExtentMap,
        fragments: &Fragments,
        range: u64,
        newest_snapshot: Option<Lsn>,
    ) -> DiskResult<(Vec<Run>, u64)> {
        let (mut found, mut runs) = (Vec::new(), Vec::new());
        let blocks = fragments.grain.range_blocks;
        map.lookup(Lba(range * blocks), blocks, &mut found).await?;
        for extent in found {
            let Some(loc) = extent.loc else { continue };
            // Without one there is nothing to ask the table for.
            if newest_snapshot.is_some() {
                let info = self.state.segment(loc.segment).await?;
                if info.is_none_or(|info| is_pinned(&info, newest_snapshot)) {
                    continue;
                }
            }
            runs.push(Run { lba: extent.lba.0, blocks: extent.blocks, loc });
        }
        runs.sort_unstable_by_key(|run| run.loc);
        let mut places = Places::default();
        runs.iter().for_each(|run| places.add(run.loc, u64::from(run.blocks)));
        Ok(if fragments.grain.is_fragmented(&places) { (runs, places.blocks) } else { (Vec::new(), 0) })
    }
}

/// What must not be: the source of a copy is where the block is when its record is made, not where it was read.
async fn name_newest(map: &ExtentMap, slots: Vec<LiveRun>) -> DiskResult<Vec<LiveRun>> {
    let mut renamed = Vec::new();
    let mut left = VecDeque::from(slots);
    while let Some(run) = left.pop_front() {
        let (block, rest) = run.split_at(1);
        left.extend(rest);
        let mut found = Vec::new();
        map.lookup(block.lba, 1, &mut found).await?;
        let from = found.first().and_then(|extent| extent.loc);
        renamed.push(LiveRun { from: from.unwrap_or(block.from), ..block });
    }
    renamed.sort_by_key(|run| run.lba);
    Ok(renamed)
}
