//! What a write waits with and without garbage collection: 4k writes at random on a store in a folder, each measured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use logrbd::disk::{BLOCK_BYTES, CacheOptions, Disk, DiskNames, DiskOptions, DiskStats, FormatParams};
use logrbd::env::TokioEnv;
use logrbd::store::Store;
use logrbd::store::local::{LocalOptions, LocalStore};

use crate::chance::Chance;

pub struct Plan {
    pub blocks: u64,
    pub segment_bytes: u32,
    pub depth: usize,
    pub percent: u8,
    /// Overwrites before the measured ones, and those.
    pub warm_up: u64,
    pub overwrites: u64,
    pub seed: u64,
}

/// One run.
pub struct Latencies {
    pub gc: bool,
    /// When each write was done, in seconds since the first measured one, and how long it took.
    writes: Vec<(f32, Duration)>,
    took: Duration,
    stats: DiskStats,
}

impl Latencies {
    /// The time within which `share` of the writes were done.
    pub fn quantile(&self, share: f64) -> Duration {
        quantile(self.writes.iter().map(|write| write.1).collect(), share)
    }

    pub fn rate(&self) -> f64 {
        self.writes.len() as f64 / self.took.as_secs_f64()
    }

    pub const HEAD: &'static str =
        "depth  GC    writes/s    p50 us    p99 us  p99.9 us    max ms  copied/written";

    pub fn row(&self, depth: usize) -> String {
        let us = |share| self.quantile(share).as_secs_f64() * 1e6;
        format!(
            "{depth:5}  {:3}  {:9.0}  {:8.1}  {:8.1}  {:8.1}  {:8.2}  {:14.2}",
            if self.gc { "yes" } else { "no" },
            self.rate(),
            us(0.5),
            us(0.99),
            us(0.999),
            us(1.0) / 1e3,
            self.stats.gc_blocks as f64 / self.writes.len() as f64,
        )
    }

    /// The longest write that ended in each slice of the run, in milliseconds; 0: none ended in it.
    pub fn longest_over_time(&self) -> Vec<(f64, f64)> {
        const SLICES: usize = 200;
        let slice = self.took.as_secs_f64() / SLICES as f64;
        let mut longest = vec![Duration::ZERO; SLICES + 1];
        for &(at, took) in &self.writes {
            let of = &mut longest[((f64::from(at) / slice) as usize).min(SLICES)];
            *of = took.max(*of);
        }
        longest.iter().enumerate().map(|(n, took)| (n as f64 * slice, took.as_secs_f64() * 1e3)).collect()
    }
}

fn quantile(mut times: Vec<Duration>, share: f64) -> Duration {
    times.sort_unstable();
    let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

/// One run in a folder of its own under `folder`, which is removed again.
pub fn run(plan: &Plan, gc: bool, folder: &Path) -> Result<Latencies, Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    let folder = tempfile::tempdir_in(folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measured(plan, gc, folder.path()))
}

async fn measured(plan: &Plan, gc: bool, folder: &Path) -> Result<Latencies, Box<dyn std::error::Error>> {
    let store: Arc<dyn Store> = LocalStore::open(&folder.join("store"), "bench", LocalOptions::default())
        .map_err(|e| e.to_string())?;
    let pool = store.pool_lookup("rbd").await.map_err(|e| e.to_string())?;
    let names = DiskNames::new(pool, "", "bench", None);
    let size = plan.blocks * BLOCK_BYTES;
    let params = FormatParams { segment_bytes: plan.segment_bytes, ..FormatParams::new(size, [7; 16]) };
    Disk::format(&store, &names, &params).await?;
    let cache = CacheOptions { writethrough_until_flush: false, ..CacheOptions::default() };
    let options = DiskOptions { cache, gc, gc_utilisation_percent: plan.percent, ..DiskOptions::default() };
    let disk = Disk::open(store, names, options, TokioEnv::current()).await?;
    disk.acquire().await?;
    let data = vec![0x5a; 1 << 20];
    for at in (0..size).step_by(data.len()) {
        disk.write(at, &[&data[..]]).await?;
    }
    disk.flush().await?;
    let mut chance = Chance::new(plan.seed);
    write(&disk, plan, plan.blocks * plan.warm_up, &mut chance).await?;
    let before = disk.stats();
    let begin = Instant::now();
    let writes = write(&disk, plan, plan.blocks * plan.overwrites, &mut chance).await?;
    let took = begin.elapsed();
    let after = disk.stats();
    let stats = DiskStats { gc_blocks: after.gc_blocks - before.gc_blocks, ..after };
    disk.close().await?;
    Ok(Latencies { gc, writes, took, stats })
}

/// Writes `count` blocks at random, `plan.depth` at a time.
async fn write(
    disk: &Arc<Disk>,
    plan: &Plan,
    count: u64,
    chance: &mut Chance,
) -> Result<Vec<(f32, Duration)>, Box<dyn std::error::Error>> {
    let left = Arc::new(AtomicU64::new(count));
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..plan.depth {
        let (disk, left, blocks) = (disk.clone(), left.clone(), plan.blocks);
        let mut chance = Chance::new(chance.next());
        tasks.push(tokio::spawn(async move {
            let data = [0xa5; BLOCK_BYTES as usize];
            let mut done = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let at = chance.below(blocks) * BLOCK_BYTES;
                let sent = Instant::now();
                match disk.try_write(at, &[&data[..]]) {
                    Some(written) => written?,
                    None => disk.write(at, &[&data[..]]).await?,
                }
                done.push((begin.elapsed().as_secs_f32(), sent.elapsed()));
                tokio::task::consume_budget().await;
            }
            Ok::<_, logrbd::disk::DiskError>(done)
        }));
    }
    let mut all = Vec::with_capacity(count as usize);
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}
