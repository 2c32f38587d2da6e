//! Part of an image that one task writes to, and what a crash may leave of it: the state after one of its requests,
//! not older than the last flush, and in step with the other regions.

use std::sync::Arc;

use crate::sync::Mutex;

use super::pattern::Work;
use super::{Group, Network, Sim};
use crate::disk::{Disk, DiskNames, DiskOptions, DiskResult, SnapshotId};

/// A clock that ticks with every request and acknowledgement of all regions.
pub(super) type Ticks = Arc<Mutex<u64>>;

fn tick(ticks: &Ticks) -> u64 {
    let mut ticks = ticks.lock();
    *ticks += 1;
    *ticks
}

#[derive(Clone)]
struct Step {
    work: Work,
    issued: u64,
    /// 0: it was not acknowledged.
    acked: u64,
}

pub(super) struct Region {
    start: u64,
    base: Vec<u8>,
    steps: Vec<Step>,
    /// Steps that a completed flush covers.
    flushed: usize,
}

impl Region {
    pub fn new(start_block: u64, blocks: u64) -> Arc<Mutex<Region>> {
        let base = vec![0; blocks as usize * 4096];
        Arc::new(Mutex::new(Region { start: start_block * 4096, base, steps: Vec::new(), flushed: 0 }))
    }

    fn end(&self) -> u64 {
        self.start + self.base.len() as u64
    }

    /// The states after each step, the base first.
    fn states(&self) -> Vec<Vec<u8>> {
        let mut image = vec![0; self.end() as usize];
        image[self.start as usize..].copy_from_slice(&self.base);
        let mut states = vec![self.base.clone()];
        for step in &self.steps {
            step.work.apply(&mut image);
            states.push(image[self.start as usize..].to_vec());
        }
        states
    }

    /// Numbers of steps after which the region may have been as it was found, ascending. `half`: the step after it
    /// may be half done.
    fn explain(&self, found: &[u8], least: usize) -> Vec<usize> {
        let states = self.states();
        (least..states.len())
            .filter(|&n| {
                states[n] == found
                    || self
                        .steps
                        .get(n)
                        .is_some_and(|step| step.work.may_be_half_done(self.start, &states[n], found))
            })
            .collect()
    }
}

/// Opens snapshots from a host.
pub(super) struct Opener {
    pub network: Network,
    pub names: DiskNames,
    pub options: DiskOptions,
    pub host: Arc<Group>,
}

impl Opener {
    async fn open(&self, id: SnapshotId) -> DiskResult<Arc<Disk>> {
        let store = self.network.client(&self.host);
        Disk::open_snapshot(store, self.names.clone(), id, self.options.clone(), self.host.clone()).await
    }
}

/// Snapshots that were acknowledged, with what they showed then.
pub(super) type Snapshots = Arc<Mutex<Vec<(SnapshotId, Vec<u8>)>>>;

/// Makes a snapshot while the regions are written to: it shows each as it was after some request, with all that was
/// acknowledged before the call and nothing that was made after it had returned.
pub(super) async fn snapshot(
    disk: &Disk,
    opener: &Opener,
    regions: &[Arc<Mutex<Region>>],
    snapshots: &Snapshots,
) -> DiskResult<()> {
    let acked =
        |region: &Arc<Mutex<Region>>| region.lock().steps.iter().filter(|step| step.acked > 0).count();
    let before: Vec<usize> = regions.iter().map(acked).collect();
    let info = disk.snap_create("snapshot").await?;
    let after: Vec<usize> = regions.iter().map(|region| region.lock().steps.len()).collect();
    let view = opener.open(info.id).await?;
    let mut content = vec![0xee; info.size_bytes as usize];
    view.read(0, info.size_bytes, &mut content).await?;
    for ((region, before), after) in regions.iter().zip(before).zip(after) {
        let region = region.lock();
        let found = &content[region.start as usize..region.end() as usize];
        let explained = region.explain(found, before);
        let fits = explained.iter().any(|&n| (before..=after).contains(&n));
        assert!(fits, "snapshot shows steps {explained:?} of {before} to {after}");
    }
    snapshots.lock().push((info.id, content));
    Ok(())
}

/// Snapshots show what they always did. Some are removed.
pub(super) async fn check_snapshots(sim: &Sim, disk: &Disk, opener: &Opener, snapshots: &Snapshots) {
    let known = snapshots.lock().clone();
    for (id, content) in known {
        let view = opener.open(id).await.unwrap();
        let mut found = vec![0xee; content.len()];
        view.read(0, content.len() as u64, &mut found).await.unwrap();
        assert!(found == content, "snapshot {} has changed", id.0);
        if sim.one_in(3) {
            // Gone for the test from here on, whether the host lives to remove it or not.
            snapshots.lock().retain(|(other, _)| *other != id);
            disk.snap_remove(id).await.unwrap();
        }
    }
}

/// Random requests on a region until one fails or `count` are done. The error that ended it.
pub(super) async fn work(
    sim: Arc<Sim>,
    disk: Arc<Disk>,
    region: Arc<Mutex<Region>>,
    ticks: Ticks,
    count: u64,
) -> DiskResult<()> {
    for _ in 0..count {
        if sim.one_in(8) {
            let covered = region.lock().steps.iter().filter(|step| step.acked > 0).count();
            disk.flush().await?;
            let mut region = region.lock();
            region.flushed = region.flushed.max(covered);
            continue;
        }
        let (at, work) = {
            let mut region = region.lock();
            let issued = tick(&ticks);
            let work = Work::random(&sim, region.start, region.end(), issued);
            region.steps.push(Step { work: work.clone(), issued, acked: 0 });
            (region.steps.len() - 1, work)
        };
        match &work {
            Work::Write { offset, data } => match disk.try_write(*offset, &[data]) {
                Some(done) => done?,
                None => disk.write(*offset, &[data]).await?,
            },
            Work::Punch { offset, length } => disk.discard(*offset, *length).await?,
        }
        region.lock().steps[at].acked = tick(&ticks);
        if sim.one_in(10) {
            let (start, want) = {
                let region = region.lock();
                (region.start, region.states().pop().unwrap())
            };
            let mut found = vec![0xee; want.len()];
            disk.read(start, want.len() as u64, &mut found).await?;
            assert!(found == want, "a writer does not see its own writes");
        }
    }
    Ok(())
}

/// Reads all regions after a take-over and checks that they are what a crash may leave. They go on from there.
pub(super) async fn check(disk: &Disk, regions: &[Arc<Mutex<Region>>]) -> DiskResult<()> {
    let mut found = Vec::new();
    for region in regions {
        let (start, length) = {
            let region = region.lock();
            (region.start, region.base.len() as u64)
        };
        let mut content = vec![0xee; length as usize];
        disk.read(start, length, &mut content).await?;
        found.push(content);
    }
    let mut feasible = Vec::new();
    for (region, found) in regions.iter().zip(&found) {
        let region = region.lock();
        let explained = region.explain(found, region.flushed);
        if explained.is_empty() {
            let states = region.states();
            let which: Vec<_> = (0..states.len()).filter(|&n| states[n] == *found).collect();
            let blocks: Vec<_> = (0..found.len() / 4096)
                .map(|b| {
                    let range = b * 4096..(b + 1) * 4096;
                    (0..states.len()).rfind(|&n| states[n][range.clone()] == found[range.clone()])
                })
                .collect();
            panic!(
                "region at {}: no prefix of {} steps (flushed {}) is what was found; equal to {which:?}; last equal \
                 step of each block: {blocks:?}",
                region.start,
                region.steps.len(),
                region.flushed
            );
        }
        feasible.push(explained);
    }
    // One order for all: if a request was acknowledged before another was made, the second is not there without the
    // first. From the latest explanation down to one where all agree.
    let mut chosen: Vec<usize> = feasible.iter().map(|explained| explained.len() - 1).collect();
    'again: loop {
        for (lost_in, lost) in regions.iter().enumerate() {
            let first_lost = lost.lock().steps.get(feasible[lost_in][chosen[lost_in]]).cloned();
            let Some(first_lost) = first_lost.filter(|step| step.acked > 0) else { continue };
            for (kept_in, kept) in regions.iter().enumerate() {
                let steps = feasible[kept_in][chosen[kept_in]];
                let Some(last_kept) = steps.checked_sub(1).map(|n| kept.lock().steps[n].clone()) else {
                    continue;
                };
                if first_lost.acked < last_kept.issued && kept_in != lost_in {
                    assert!(chosen[kept_in] > 0, "a later request is there and an earlier one is not");
                    chosen[kept_in] -= 1;
                    continue 'again;
                }
            }
        }
        break;
    }
    for (region, found) in regions.iter().zip(found) {
        let mut region = region.lock();
        region.base = found;
        region.steps.clear();
        region.flushed = 0;
    }
    Ok(())
}
