//! One row: overwrites until the state is steady, then those that count.

use std::time::Instant;

use logrbd::disk::{BLOCK_BYTES, DiskStats, SnapshotId};

use crate::load::{Load, Picker};
use crate::world::World;

/// Looks at the space in each overwrite.
pub const SAMPLES: u64 = 50;
/// Snapshots: one is made every so many samples, and the one before it removed in between.
const SNAPSHOT_EVERY: u64 = 20;

pub struct Plan {
    pub load: Load,
    pub blocks: u64,
    pub segment_bytes: u32,
    pub warm_up: u32,
    pub overwrites: u32,
    pub percent: u8,
    pub seed: u64,
}

/// A moment of a run.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Overwrites of the image until then.
    pub at: f64,
    /// Blocks written for each block of the user since the sample before.
    pub amplification: f64,
    /// Blocks in all segments that exist / live blocks.
    pub space: f64,
}

pub struct Outcome {
    pub load: Load,
    /// Blocks written (those of the user, and the copies) / blocks of the user, over the overwrites that count. What
    /// the buffer merged counts as written: it says nothing about the collector.
    pub amplification: f64,
    /// Bytes of the log / bytes of the user: with headers and trailers, without what the buffer merged.
    pub log: f64,
    /// The same with the map objects of the checkpoints.
    pub with_map: f64,
    /// Live blocks / blocks in all segments that exist, dead ones too: over the time, and at the worst moment.
    pub utilisation: f64,
    pub lowest: f64,
    /// After the last snapshot was removed and the collector has come to rest.
    pub at_end: f64,
    pub checkpoints: u64,
    pub writes_per_s: f64,
    pub samples: Vec<Sample>,
    /// Lowest that is allowed.
    floor: f64,
}

impl Outcome {
    pub const HEAD: &'static str =
        "load        goal  blocks  log bytes   +map  live: mean  lowest  at end  checkpoints  writes/s";

    pub fn row(&self) -> String {
        let goal = self.load.goal().map_or(String::from("   -"), |goal| format!("{goal:4.2}"));
        format!(
            "{:10}  {goal}  {:6.3}  {:9.3}  {:5.3}  {:10.3}  {:6.3}  {:6.3}  {:11}  {:8.0}{}",
            self.load.name(),
            self.amplification,
            self.log,
            self.with_map,
            self.utilisation,
            self.lowest,
            self.at_end,
            self.checkpoints,
            self.writes_per_s,
            if self.holds() { "" } else { "  MISSED" },
        )
    }

    /// Whether amplification and space are what they should be.
    pub fn holds(&self) -> bool {
        self.load.goal().is_none_or(|goal| self.amplification <= goal && self.utilisation >= self.floor)
            && self.at_end >= self.floor - 0.02
    }
}

pub fn run(plan: &Plan, step: impl Fn()) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(steady(plan, step))
}

async fn steady(plan: &Plan, step: impl Fn()) -> Outcome {
    let mut world = World::new(plan.blocks, plan.segment_bytes, plan.percent).await;
    let mut picker = Picker::new(plan.load, plan.blocks, plan.seed);
    let mut snapshots: Vec<SnapshotId> = Vec::new();
    let mut samples: Vec<Sample> = Vec::new();
    let mut begin: Option<(DiskStats, Instant)> = None;
    let warm_up = u64::from(plan.warm_up) * SAMPLES;
    let total = warm_up + u64::from(plan.overwrites) * SAMPLES;
    let writes = plan.blocks / SAMPLES;
    let mut last = world.stats().gc_blocks;
    for n in 0..total {
        if n == warm_up {
            begin = Some((world.stats(), Instant::now()));
        }
        if plan.load == Load::Snapshots && n % SNAPSHOT_EVERY == 0 {
            snapshots.push(world.snapshot(&format!("s{n}")).await);
        }
        if snapshots.len() > 1 && n % SNAPSHOT_EVERY == SNAPSHOT_EVERY / 2 {
            world.disk.snap_remove(snapshots.remove(0)).await.expect("snap_remove");
        }
        for _ in 0..writes {
            world.write(picker.pick()).await;
            if let Some((first, blocks)) = picker.trim() {
                world.trim(first, blocks).await;
            }
        }
        let copied = world.stats().gc_blocks;
        samples.push(Sample {
            at: (n + 1) as f64 / SAMPLES as f64,
            amplification: 1.0 + (copied - last) as f64 / writes as f64,
            space: world.blocks_in_segments().await / world.live() as f64,
        });
        last = copied;
        step();
    }
    world.disk.flush().await.expect("flush");
    let (begun, since) = begin.unwrap_or((world.stats(), Instant::now()));
    let (ended, took) = (world.stats(), since.elapsed().as_secs_f64());
    world.check().await;
    for snapshot in snapshots.drain(..) {
        world.disk.snap_remove(snapshot).await.expect("snap_remove");
    }
    let at_end = rest(&mut world).await;
    world.check().await;
    let blocks = (u64::from(plan.overwrites) * SAMPLES * writes) as f64;
    let user = blocks * BLOCK_BYTES as f64;
    let (log, map) = (ended.log_bytes - begun.log_bytes, ended.map_bytes - begun.map_bytes);
    let counted = &samples[warm_up as usize..];
    let mean = counted.iter().map(|sample| sample.space).sum::<f64>() / counted.len().max(1) as f64;
    let outcome = Outcome {
        load: plan.load,
        amplification: 1.0 + (ended.gc_blocks - begun.gc_blocks) as f64 / blocks,
        log: log as f64 / user,
        with_map: (log + map) as f64 / user,
        utilisation: 1.0 / mean,
        lowest: 1.0 / counted.iter().map(|sample| sample.space).fold(1.0, f64::max),
        at_end,
        checkpoints: ended.checkpoints - begun.checkpoints,
        writes_per_s: blocks / took,
        samples,
        floor: f64::from(plan.percent) / 100.0,
    };
    world.disk.close().await.expect("close");
    outcome
}

/// Live slots / segments when nothing more is given back, or after two seconds. Some writes make the collector look.
async fn rest(world: &mut World) -> f64 {
    let mut best = 0.0f64;
    for block in 0..200 {
        for n in 0..64 {
            world.write(block * 64 + n).await;
        }
        world.disk.flush().await.expect("flush");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        best = best.max(world.live() as f64 / world.blocks_in_segments().await);
    }
    best
}
