//! A world: one store, openers that take an image from each other, readers, faults, and an end at which everything
//! is looked at. All of it follows from a seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::life::{Over, compare, live};
use super::oracle::{Oracle, SECTOR, broken, stamps};
use super::plan::Plan;
use super::*;
use crate::disk::check::{Damage, check};
use crate::disk::sabotage::{Sabotage, listen, sabotage};
use crate::disk::ssd::volatile::VolatileDisk;
use crate::disk::{DiskError, SnapshotId};
use crate::env::Env;
use crate::store::{ListCursor, Op, OpOut, Request, Target};

pub(super) struct World {
    pub sim: Arc<Sim>,
    pub network: Network,
    pub names: DiskNames,
    pub plan: Plan,
    pub oracle: Arc<Oracle>,
    pub machines: Vec<VolatileDisk>,
    done: AtomicBool,
    /// Polls of the first opener's first host.
    steps: AtomicU64,
}

/// What became of a world.
pub(super) struct Outcome {
    /// The promise that was not kept.
    pub broken: Option<String>,
    pub trace: u64,
    pub steps: u64,
}

/// Runs the world of a seed; with a promise broken on purpose if one is named.
pub(super) fn run(seed: u64, plan: Plan, broken: Option<Sabotage>) -> Outcome {
    let sim = Sim::new(seed);
    let oracle = Arc::new(Oracle::new(plan.blocks() * 4096));
    listen(Some(oracle.clone()));
    sabotage(broken);
    let main = world(sim.clone(), plan, oracle);
    let result = catch_unwind(AssertUnwindSafe(|| sim.run(main)));
    sabotage(None);
    // What is left of a world that ended early goes, and must not end this one, too.
    let _ = catch_unwind(AssertUnwindSafe(|| sim.kill_all()));
    listen(None);
    let broken = result.as_ref().err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    });
    Outcome { broken, trace: sim.trace(), steps: result.unwrap_or(0) }
}

async fn world(sim: Arc<Sim>, plan: Plan, oracle: Arc<Oracle>) -> u64 {
    let network = Network::new(&sim);
    let store: Arc<dyn Store> = network.quiet_client();
    let pool = store.pool_lookup("rbd").await.unwrap();
    let data_pool = plan.payloads.then(|| network.erasure_coded_pool());
    let names = DiskNames::new(pool, "", "sim", data_pool);
    let size = plan.blocks() * 4096;
    let params = FormatParams {
        segment_bytes: plan.segment_bytes,
        payloads: plan.payloads,
        ..FormatParams::new(size, [3; 16])
    };
    Disk::format(&store, &names, &params).await.unwrap();
    let world = Arc::new(World {
        sim: sim.clone(),
        network,
        names,
        machines: (0..plan.machines)
            .map(|n| VolatileDisk { crashes: true, ..VolatileDisk::new(&format!("machine {n}")) })
            .collect(),
        plan,
        oracle,
        done: AtomicBool::new(false),
        steps: AtomicU64::new(0),
    });
    let mut openers = Vec::new();
    for opener in 0..world.plan.openers {
        openers.push(spawned(&sim.group(), opener_lives(world.clone(), opener)));
    }
    let mut readers = Vec::new();
    for _ in 0..world.plan.readers {
        let host = sim.group();
        readers.push(spawned(&host, read_along(world.clone(), host.clone())));
    }
    for opener in openers {
        opener.await.unwrap();
    }
    world.done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    // All that is still on its way arrives.
    sim.group().sleep(Duration::from_secs(1000)).await;
    world.last_look().await;
    world.steps.load(Ordering::SeqCst)
}

fn spawned<T: Send + 'static>(
    host: &Arc<Group>,
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::sync::oneshot::Receiver<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    host.spawn(Box::pin(async move {
        let _ = sender.send(future.await);
    }));
    receiver
}

/// The lives of an opener, one host after the other. A host that sleeps long is left alone, and goes on beside its
/// successor.
async fn opener_lives(world: Arc<World>, opener: u64) {
    let sim = world.sim.clone();
    let me = sim.group();
    let mut left = Vec::new();
    for number in 0..world.plan.lives {
        let host = sim.group();
        let first = opener == 0 && number == 0;
        host.doom(match &world.plan.first_doom {
            Some(dooms) if first => dooms.clone(),
            Some(_) | None => dooms(&sim),
        });
        let (result, life) = tokio::sync::oneshot::channel();
        let task = live(world.clone(), host.clone());
        host.spawn(Box::pin(async move {
            let _ = result.send(task.await);
        }));
        let patience = Duration::from_millis(sim.below([100, 10_000, 500_000][sim.below(3) as usize]));
        tokio::select! {
            biased;
            _ = life => {}
            () = me.sleep(patience) => {}
        }
        if first {
            world.steps.store(host.polls(), Ordering::SeqCst);
        }
        if sim.one_in(2) {
            host.kill();
        } else {
            left.push(host);
        }
        if sim.one_in(2) {
            me.sleep(Duration::from_millis(sim.below(3000))).await;
        }
    }
    if sim.one_in(2) {
        // The last zombies come back.
        me.sleep(Duration::from_secs(sim.below(400))).await;
    }
    left.iter().for_each(|host| host.kill());
}

/// A host's fate.
fn dooms(sim: &Sim) -> Vec<(u64, Doom)> {
    let mut dooms = Vec::new();
    let at = || sim.below(1 << (4 + sim.below(9)));
    if sim.one_in(2) {
        let ms = [100, 10_000, 300_000][sim.below(3) as usize];
        dooms.push((at(), Doom::Sleeps(Duration::from_millis(sim.below(ms)))));
    }
    if sim.one_in(3) {
        dooms.push((at(), Doom::Dies));
    }
    dooms.sort_by_key(|(at, _)| *at);
    dooms
}

/// Reads again and again without being the writer.
async fn read_along(world: Arc<World>, host: Arc<Group>) {
    let sim = &world.sim;
    let store = world.network.client(&host);
    let (names, options) = (world.names.clone(), world.plan.options.clone());
    let mut disk = None;
    while !world.done.load(Ordering::SeqCst) {
        // What was flushed to a local log is not for readers.
        let acked = if world.plan.machines > 0 { Vec::new() } else { world.oracle.acked_so_far() };
        let opened = match disk.take().filter(|_| !sim.one_in(10)) {
            Some(disk) => Ok(disk),
            None => Disk::open(store.clone(), names.clone(), options.clone(), host.clone()).await,
        };
        let read = match opened {
            Ok(disk) => read_once(&world, disk, &acked).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(reader) => disk = Some(reader),
            // A resize came between.
            Err(DiskError::OutOfRange { .. }) => {}
            Err(error) => broken("a reader can read", error.to_string()),
        }
        host.sleep(Duration::from_millis(sim.below([20, 2000][sim.below(2) as usize]))).await;
    }
}

async fn read_once(world: &World, disk: Arc<Disk>, acked: &[(u32, u64)]) -> DiskResult<Arc<Disk>> {
    let sectors = disk.size_bytes() / SECTOR;
    let first = world.sim.below(sectors + 1);
    let count = world.sim.below(sectors - first + 1);
    let mut data = vec![0xee; (count * SECTOR) as usize];
    disk.read(first * SECTOR, count * SECTOR, &mut data).await?;
    let lsn = disk.stats().applied_lsn;
    world.oracle.check_reader(lsn, first, &stamps(first, &data), acked);
    Ok(disk)
}

impl World {
    /// Whether an error may come from the faults that this world injects.
    pub fn is_fault(&self, error: &DiskError) -> bool {
        let io = matches!(error, DiskError::Store { .. } | DiskError::Failed { .. });
        self.plan.has_errors() && io
    }

    /// An error of the opener with this epoch: may it be?
    pub fn over(&self, epoch: u32, error: &DiskError) -> Over {
        let fenced = self.oracle.leader() > epoch;
        let fine = match error {
            DiskError::Fenced { mine, theirs } => mine < theirs,
            // Removed by another opener, or by the successor of a zombie.
            DiskError::NoSnapshot => {
                epoch != u32::MAX && (self.plan.openers > 1 || self.oracle.newest_epoch() > epoch)
            }
            // Another machine's, or that of a host that sleeps.
            DiskError::LocalLog { .. } => epoch == u32::MAX && self.plan.machines > 0,
            // Found while it did not get to know that it was fenced.
            DiskError::Corrupt { .. } => fenced && self.plan.has_errors() && epoch != u32::MAX,
            error => self.is_fault(error),
        };
        if !fine {
            broken("no error without a reason", format!("epoch {epoch}: {error}"));
        }
        Over
    }

    /// What an opener on a machine goes by.
    pub fn options_on(&self, machine: &VolatileDisk, host: &Arc<Group>) -> DiskOptions {
        let mut options = self.plan.options.clone();
        options.local.disk = Arc::new(VolatileDisk { env: Some(host.clone()), ..machine.clone() });
        options
    }

    pub fn leads(&self, epoch: u32) {
        if self.machines.is_empty() { self.oracle.leads(epoch) } else { self.oracle.leads_with_log(epoch) }
    }

    /// Nobody else is there, nothing goes wrong: what is there must be what was promised.
    async fn last_look(&self) {
        let store: Arc<dyn Store> = self.network.quiet_client();
        let host = self.sim.group();
        let (names, mut options) = (self.names.clone(), self.plan.options.clone());
        let failed = |error: DiskError| -> ! { broken("an image can be opened", error.to_string()) };
        let reader = Disk::open(store.clone(), names.clone(), options.clone(), host.clone()).await;
        let mark = reader.unwrap_or_else(|error| failed(error)).local_mark().await;
        let mark = mark.unwrap_or_else(|error| failed(error));
        for machine in &self.machines {
            let here = mark.as_ref().is_none_or(|mark| mark.host == machine.host);
            options = self.options_on(machine, &host);
            if !here {
                let disk = Disk::open(store.clone(), names.clone(), options.clone(), host.clone()).await;
                match disk.unwrap_or_else(|error| failed(error)).acquire().await {
                    Err(DiskError::LocalLog { .. }) => {}
                    outcome => broken("another host does not write", format!("{outcome:?}")),
                }
            }
        }
        if let Some(machine) =
            self.machines.iter().find(|m| mark.as_ref().is_none_or(|mark| mark.host == m.host))
        {
            options = self.options_on(machine, &host);
        }
        let disk = Disk::open(store.clone(), names.clone(), options.clone(), host.clone()).await;
        let disk = disk.unwrap_or_else(|error| failed(error));
        disk.acquire().await.unwrap_or_else(|error| failed(error));
        self.leads(disk.epoch().0);
        let head = self.oracle.head(disk.epoch().0);
        if disk.size_bytes() != head.size_bytes() {
            broken(
                "the state after a take-over is that of its last record",
                format!("size {}", disk.size_bytes()),
            );
        }
        self.read_all(&disk, "the state after a take-over is that of its last record", &head).await;
        for info in disk.snap_list().await.unwrap_or_else(|error| failed(error)) {
            if self.oracle.is_doomed(info.id.0) {
                disk.snap_remove(info.id).await.unwrap_or_else(|error| failed(error));
            } else {
                self.oracle.snapshot(&info);
            }
        }
        self.check_snapshots(&store, &host).await;
        disk.close().await.unwrap_or_else(|error| failed(error));
        drop(disk);
        // It goes on deleting what nobody needs.
        self.sim.group().sleep(Duration::from_secs(1000)).await;
        host.kill();
        self.check_snapshots(&store, &self.sim.group()).await;
        let host = self.sim.group();
        let report = check(store.clone(), names.clone(), options.clone(), host.clone(), &|_, _| ()).await;
        let report = report.unwrap_or_else(|error| failed(error));
        if report.worst() >= Damage::Wrong {
            broken("check finds nothing wrong", format!("{:?}", report.findings));
        }
        if self.plan.payloads && self.plan.first_doom.is_some() {
            return self.remove(&store).await;
        }
        self.rot(&store, &host, &head).await;
    }

    /// Where nobody was left beside his successor, nothing is left of the image in the end.
    async fn remove(&self, store: &Arc<dyn Store>) {
        const PROMISE: &str = "a removal leaves nothing behind";
        let removed = Disk::remove(store, &self.names, &|_, _| ()).await;
        removed.unwrap_or_else(|error| broken(PROMISE, error.to_string()));
        for pool in [self.names.pool, self.names.data_pool] {
            let left = store.list(pool, None, ListCursor::begin(), 10_000).await.unwrap().0;
            if let Some(left) = left.first() {
                broken(PROMISE, left.oid.to_string());
            }
        }
    }

    async fn read_all(&self, disk: &Disk, promise: &str, image: &oracle::Image) {
        let mut data = vec![0xee; image.size_bytes() as usize];
        if let Err(error) = disk.read(0, image.size_bytes(), &mut data).await {
            broken(promise, error.to_string());
        }
        compare(promise, "the last look", 0, &data, image);
    }

    async fn check_snapshots(&self, store: &Arc<dyn Store>, host: &Arc<Group>) {
        const PROMISE: &str = "a snapshot stays as it is";
        for (id, snap) in self.oracle.snaps() {
            let (names, options) = (self.names.clone(), self.plan.options.clone());
            let view = Disk::open_snapshot(store.clone(), names, SnapshotId(id), options, host.clone()).await;
            match view {
                Ok(view) => self.read_all(&view, PROMISE, &snap.image).await,
                Err(error) => broken(PROMISE, format!("snapshot {id} of record {}: {error}", snap.lsn)),
            }
        }
    }

    /// Bytes rot in the store: reads give an error or what was written.
    async fn rot(&self, store: &Arc<dyn Store>, host: &Arc<Group>, head: &oracle::Image) {
        let mut segments = Vec::new();
        let pools = [self.names.pool, self.names.data_pool];
        for &pool in if self.plan.payloads { &pools[..] } else { &pools[..1] } {
            let listed = store.list(pool, None, ListCursor::begin(), 10_000).await.unwrap().0;
            let found = listed.iter().filter(|entry| entry.oid.starts_with("lsvd_data."));
            segments.extend(found.map(|entry| Target::new(pool, "", &*entry.oid)));
        }
        for target in segments {
            let read = Request::new(target.clone(), vec![Op::Read { offset: 0, length: 0 }]);
            let mut reply = store.operate(read).await.unwrap();
            let Some(OpOut::Data(data)) = reply.ops.pop().map(|op| op.out) else { continue };
            let mut data = data.to_vec();
            for _ in 0..4 {
                let at = self.sim.below(data.len().max(1) as u64) as usize;
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 0x10;
                }
            }
            let write = Op::WriteFull { data: data.into() };
            store.operate(Request::new(target.clone(), vec![write])).await.unwrap();
        }
        let (names, options) = (self.names.clone(), self.plan.options.clone());
        let Ok(disk) = Disk::open(store.clone(), names, options, host.clone()).await else { return };
        for block in 0..head.size_bytes() / 4096 {
            let mut data = vec![0xee; 4096];
            if disk.read(block * 4096, 4096, &mut data).await.is_ok() {
                compare("every byte read is checked", "after rot", block * 8, &data, head);
            }
        }
    }
}
