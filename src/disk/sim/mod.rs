//! Tests of the whole disk on one seeded executor: time is virtual, tasks run in an order drawn from the seed, op lists
//! travel for random times, hosts die at any moment. A failure prints the seed; LOGRBD_SEED replays it.

mod buffer_tests;
mod crash_tests;
mod defrag_tests;
pub(super) mod executor;
mod fault_tests;
mod fight_tests;
mod life;
mod model_tests;
mod network;
mod oracle;
mod pattern;
mod plan;
mod reader_tests;
mod region;
mod regression;
mod room_tests;
mod sabotage_tests;
mod world;
mod world_tests;

use std::sync::Arc;

pub(super) use executor::{Doom, Group, Sim};
pub(super) use network::{Faults, Network};

use super::testing::with_seeds;
use super::{CacheOptions, Disk, DiskNames, DiskOptions, DiskResult, FormatParams};
use crate::store::Store;

/// How many seeds a test runs: more when LOGRBD_SEEDS says so.
pub(super) fn seeds(count: u64) -> u64 {
    std::env::var("LOGRBD_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(count)
}

/// Runs a test once for each of so many seeds, each time on an executor of its own.
pub(super) fn in_sims<F: Future<Output = ()> + Send + 'static>(count: u64, test: impl Fn(Arc<Sim>) -> F) {
    with_seeds(count, |chance| {
        let sim = Sim::new(chance.next());
        sim.run(test(sim.clone()));
    });
}

/// A small disk in a simulated store.
pub(super) async fn format(network: &Network, blocks: u64) -> DiskNames {
    let store: Arc<dyn Store> = network.quiet_client();
    let pool = store.pool_lookup("rbd").await.unwrap();
    let names = DiskNames::new(pool, "", "sim", None);
    let params = FormatParams { segment_bytes: 1 << 20, ..FormatParams::new(blocks * 4096, [3; 16]) };
    Disk::format(&store, &names, &params).await.unwrap();
    names
}

/// Options small enough that everything happens often.
pub(super) fn options(write_back: bool) -> DiskOptions {
    DiskOptions {
        cache: CacheOptions {
            enabled: write_back,
            size_bytes: 1 << 20,
            max_dirty_bytes: 512 << 10,
            target_dirty_bytes: 256 << 10,
            writethrough_until_flush: false,
            ..CacheOptions::default()
        },
        checkpoint_log_bytes: 1 << 20,
        gc_record_bytes: 64 << 10,
        payload_share: 8,
        defrag_reads: 0,
        ..DiskOptions::default()
    }
}

/// A disk on a host of its own, opened for writing.
pub(super) async fn writer(
    network: &Network,
    group: &Arc<Group>,
    names: &DiskNames,
    options: DiskOptions,
) -> DiskResult<Arc<Disk>> {
    let disk = Disk::open(network.client(group), names.clone(), options, group.clone()).await?;
    disk.acquire().await?;
    Ok(disk)
}
