//! Records wait for the map's room: who opens the image after a crash can keep what was sent, nothing waits for ever, and what waits
//! costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use super::*;
use crate::disk::pages::Keeper;
use crate::disk::{DiskError, api_tests};
use crate::env::Env;
use crate::errno::Errno;
use crate::store::faulty::{Call, Fault, FaultyStore};
use crate::store::{Op, StoreError};

const MEMORY: u64 = 1 << 20;
/// Each block changes a leaf of its own, and the page over it.
const STEP: u64 = 256 * crate::disk::REGION_BLOCKS;
const BLOCKS: u64 = 1000;
/// Writes after which some are held back.
const HELD_BACK: u64 = 250;
const SLOW: Duration = Duration::from_secs(1000);

/// What happens to map objects that are written.
const GOES: u64 = 0;
const IS_SLOW: u64 = 1;
const FAILS: u64 = 2;

struct World {
    sim: Arc<Sim>,
    network: Network,
    names: DiskNames,
    options: DiskOptions,
    host: Arc<Group>,
    disk: Arc<Disk>,
    map: Arc<AtomicU64>,
}

impl World {
    async fn new(sim: &Arc<Sim>) -> World {
        let network = Network::new(sim);
        let names = format(&network, STEP * BLOCKS).await;
        let mut options = DiskOptions { gc: false, map_memory_bytes: MEMORY, ..options(true) };
        // Neither is what anything waits for here.
        options.checkpoint_log_bytes = 1 << 30;
        options.cache.max_dirty_bytes = 4 << 20;
        options.cache.target_dirty_bytes = 64 << 10;
        let (host, map) = (sim.group(), Arc::new(AtomicU64::new(GOES)));
        let policy = {
            let (map, prefix) = (map.clone(), names.map_prefix());
            move |call: &Call<'_>| {
                let writes = call.request.ops.iter().any(|(op, _)| matches!(op, Op::WriteFull { .. }));
                if !writes || !call.request.target.oid.starts_with(&prefix) {
                    return Fault::None;
                }
                match map.load(SeqCst) {
                    IS_SLOW => Fault::Delay { before: SLOW, after: Duration::ZERO },
                    FAILS => Fault::ErrorBefore(StoreError::Op(Errno::ENOSPC)),
                    _ => Fault::None,
                }
            }
        };
        let store = FaultyStore::new(network.client(&host), host.clone(), policy);
        let disk = Disk::open(store, names.clone(), options.clone(), host.clone()).await.unwrap();
        disk.acquire().await.unwrap();
        World { sim: sim.clone(), network, names, options, host, disk, map }
    }

    async fn write(&self, blocks: std::ops::Range<u64>) -> DiskResult<()> {
        for n in blocks {
            self.disk.write(n * STEP * 4096, &[&[n as u8 | 1; 4096]]).await?;
        }
        Ok(())
    }

    /// Writes until records are held back: a checkpoint is under way, and ends in `SLOW`.
    async fn hold_back(&self) {
        self.map.store(IS_SLOW, SeqCst);
        for n in 0..HELD_BACK {
            self.write(n..n + 1).await.unwrap();
            self.host.sleep(Duration::from_millis(100)).await;
        }
        let stats = self.disk.stats();
        assert!(stats.dirty_bytes > 50 * 4096, "nothing is held back: {stats:?}");
    }

    fn looks(&self) -> u64 {
        self.disk.writer().unwrap().head.state.looks.load(SeqCst)
    }

    /// The host dies; what who comes next keeps of the log, if it takes no checkpoint, and the blocks that it finds.
    async fn crash(&self) -> (usize, u64) {
        self.host.kill();
        let host = self.sim.group();
        let options = DiskOptions { map_memory_bytes: 64 * MEMORY, ..self.options.clone() };
        let disk = writer(&self.network, &host, &self.names, options).await.unwrap();
        let held = disk.writer().unwrap().head.state.pages.lock().cache.held(Keeper::Successor);
        let mut found = 0;
        for n in 0..BLOCKS {
            found += u64::from(api_tests::read(&disk, n * STEP * 4096, 1).await[0] == n as u8 | 1);
        }
        (held, found)
    }
}

#[test]
fn who_opens_after_a_crash_has_room_for_what_was_sent() {
    in_sims(seeds(5), crashes);
}

async fn crashes(sim: Arc<Sim>) {
    let world = World::new(&sim).await;
    world.hold_back().await;
    let (held, found) = world.crash().await;
    assert!(held < MEMORY as usize, "{held} bytes");
    assert!(held > MEMORY as usize / 2 && found > 30, "{held} bytes, {found} blocks");
}

#[test]
fn what_is_held_back_comes_with_the_checkpoint_and_costs_nothing_until_then() {
    in_sims(seeds(5), slow);
}

async fn slow(sim: Arc<Sim>) {
    let world = World::new(&sim).await;
    world.hold_back().await;
    let (looks, begin) = (world.looks(), world.host.now());
    world.write(HELD_BACK..HELD_BACK + 200).await.unwrap();
    assert!(world.looks() <= looks + 2, "{} looks at what is held back", world.looks() - looks);
    world.disk.flush().await.unwrap();
    // More than one checkpoint was needed; none of them was waited for in vain.
    let took = world.host.now() - begin;
    assert!(took > SLOW / 2 && took < SLOW * 12, "{took:?}");
    world.map.store(GOES, SeqCst);
    world.disk.close().await.unwrap();
    let (_, found) = world.crash().await;
    assert_eq!(found, HELD_BACK + 200);
}

#[test]
fn checkpoints_that_fail_do_not_stop_the_log() {
    in_sims(seeds(5), fails);
}

async fn fails(sim: Arc<Sim>) {
    let world = World::new(&sim).await;
    world.hold_back().await;
    world.map.store(FAILS, SeqCst);
    world.write(HELD_BACK..BLOCKS).await.unwrap();
    world.disk.flush().await.unwrap();
    world.disk.flush().await.unwrap();
    let (_, found) = world.crash().await;
    assert_eq!(found, BLOCKS);
}

#[test]
fn a_fenced_writer_learns_of_it_although_its_records_are_held_back() {
    in_sims(seeds(5), fenced);
}

async fn fenced(sim: Arc<Sim>) {
    let world = World::new(&sim).await;
    world.hold_back().await;
    let host = sim.group();
    let disk = writer(&world.network, &host, &world.names, world.options.clone()).await.unwrap();
    assert!(matches!(world.disk.flush().await, Err(DiskError::Fenced { .. })));
    assert!(matches!(world.write(0..1).await, Err(DiskError::Fenced { .. })));
    disk.flush().await.unwrap();
}
