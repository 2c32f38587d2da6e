//! One opener's life: takes the image over, checks all that it finds, works, and ends as its host does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::oracle::{Image, SECTOR, broken, sector, stamps};
use super::world::World;
use super::*;
use crate::disk::{DiskError, SnapshotId};
use crate::env::Env;

/// One opener on its host.
pub(super) struct Life {
    pub world: Arc<World>,
    pub host: Arc<Group>,
    store: Arc<dyn Store>,
    disk: Arc<Disk>,
    epoch: u32,
    /// Requests of the regions share it; what changes the whole image has it alone.
    gate: tokio::sync::RwLock<()>,
    ended: AtomicBool,
    flush_begun: AtomicBool,
}

/// The life is over before its time: fenced, or a fault.
pub(super) struct Over;
pub(super) type Lives<T> = Result<T, Over>;

/// Whether it went on to its end.
pub(super) async fn live(world: Arc<World>, host: Arc<Group>) -> Lives<()> {
    let faults = Arc::new(world.plan.faults());
    let store = world.network.faulty_client(&host, faults);
    let (names, mut options) = (world.names.clone(), world.plan.options.clone());
    if !world.machines.is_empty() {
        // Mostly on the first one.
        let machine = world.sim.below(4) / 3 % world.machines.len() as u64;
        options = world.options_on(&world.machines[machine as usize], &host);
    }
    let disk = Disk::open(store.clone(), names, options, host.clone()).await;
    let disk = disk.map_err(|error| world.over(u32::MAX, &error))?;
    disk.warm();
    // The epoch is known to us only when we have it.
    disk.acquire().await.map_err(|error| world.over(u32::MAX, &error))?;
    let epoch = disk.epoch().0;
    let life = Arc::new(Life {
        world,
        host,
        store,
        disk,
        epoch,
        gate: tokio::sync::RwLock::new(()),
        ended: AtomicBool::new(false),
        flush_begun: AtomicBool::new(false),
    });
    life.clone().begin().await?;
    let mut tasks = Vec::new();
    for region in 0..life.world.plan.regions {
        tasks.push(life.spawn(work(life.clone(), region)));
    }
    tasks.push(life.spawn(administer(life.clone())));
    let mut outcome = Ok(());
    for task in tasks {
        if task.await.unwrap_or(Err(Over)).is_err() {
            outcome = Err(Over);
        }
    }
    outcome?;
    life.end().await
}

impl Life {
    fn spawn(
        &self,
        task: impl Future<Output = Lives<()>> + Send + 'static,
    ) -> tokio::sync::oneshot::Receiver<Lives<()>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.host.spawn(Box::pin(async move {
            let _ = sender.send(task.await);
        }));
        receiver
    }

    fn below(&self, limit: u64) -> u64 {
        self.world.sim.below(limit)
    }

    fn dies_soon(&self) {
        self.host.doom(vec![(self.host.polls() + self.below(40), Doom::Dies)]);
    }

    fn over(&self, error: &DiskError) -> Over {
        self.ended.store(true, Ordering::SeqCst);
        self.world.over(self.epoch, error)
    }

    fn tried<T>(&self, result: DiskResult<T>) -> Lives<T> {
        result.map_err(|error| self.over(&error))
    }

    fn go_on(&self) -> Lives<()> {
        if self.ended.load(Ordering::SeqCst) { Err(Over) } else { Ok(()) }
    }

    fn acked(&self, lsn: u64) {
        self.world.oracle.acked(self.epoch, lsn);
    }

    /// In the store, or, with a local log, there.
    fn acked_somewhere(&self, lsn: u64, changes: usize) {
        if self.world.machines.is_empty() {
            self.acked(lsn);
        } else {
            self.world.oracle.acked_changes(self.epoch, changes);
        }
    }

    fn head(&self) -> Image {
        self.world.oracle.head(self.epoch)
    }

    /// Right after the take-over.
    async fn begin(self: Arc<Self>) -> Lives<()> {
        let oracle = &self.world.oracle;
        self.world.leads(self.epoch);
        self.check_all("the state after a take-over is that of its last record").await?;
        let known = oracle.snaps();
        let found = self.tried(self.disk.snap_list().await)?;
        for (id, snap) in known {
            if !oracle.is_doomed(id) && !found.iter().any(|info| info.id.0 == id) {
                broken("a snapshot stays", format!("{id} of record {} is not in the list", snap.lsn));
            }
        }
        for info in found.iter().filter(|info| !oracle.is_doomed(info.id.0)) {
            // Also those whose maker never learned that it had made them.
            oracle.snapshot(info);
            if self.below(2) == 0 {
                self.check_snapshot(info.id.0).await?;
            }
        }
        let first = oracle.snaps().first().map(|(id, _)| *id).filter(|_| self.below(4) == 0);
        if let Some(id) = oracle.rolled_back().filter(|_| self.below(2) == 0).or(first) {
            // While all that was replayed is still to be replayed by the next one.
            oracle.doom(id);
            self.tried(self.disk.snap_remove(SnapshotId(id)).await)?;
            if self.below(2) == 0 {
                self.dies_soon();
            }
        }
        let whole = self.world.plan.blocks() * 4096;
        if self.disk.size_bytes() != whole {
            self.tried(self.disk.resize(whole).await)?;
            self.acked(oracle.newest(self.epoch));
        }
        Ok(())
    }

    /// All of the image is what was accepted; nothing is written meanwhile.
    async fn check_all(&self, promise: &str) -> Lives<()> {
        let head = self.head();
        if self.disk.size_bytes() != head.size_bytes() {
            broken(promise, format!("size {} instead of {}", self.disk.size_bytes(), head.size_bytes()));
        }
        self.check_range(promise, &head, 0, head.sectors.len() as u64).await
    }

    async fn check_range(&self, promise: &str, head: &Image, first: u64, count: u64) -> Lives<()> {
        let mut data = vec![0xee; (count * SECTOR) as usize];
        let read = self.disk.read(first * SECTOR, count * SECTOR, &mut data).await;
        if !self.disk.is_writer() && self.world.oracle.newest_epoch() > self.epoch {
            // A released image belongs to the next one, who may have made it smaller.
            return match read {
                Err(DiskError::OutOfRange { .. }) => Ok(()),
                read => self.tried(read),
            };
        }
        self.tried(read)?;
        compare(promise, &format!("epoch {}", self.epoch), first, &data, head);
        Ok(())
    }

    async fn check_snapshot(&self, id: u64) -> Lives<()> {
        let oracle = &self.world.oracle;
        let (names, options) = (self.world.names.clone(), self.world.plan.options.clone());
        let Some((_, snap)) = oracle.snaps().into_iter().find(|(known, _)| *known == id) else {
            return Ok(());
        };
        let opened =
            Disk::open_snapshot(self.store.clone(), names, SnapshotId(id), options, self.host.clone()).await;
        let mut data = vec![0xee; snap.image.size_bytes() as usize];
        let read = match opened {
            Ok(view) => view.read(0, snap.image.size_bytes(), &mut data).await,
            Err(error) => Err(error),
        };
        match read {
            // Removed by someone meanwhile.
            _ if oracle.is_doomed(id) => Ok(()),
            Ok(()) => {
                compare("a snapshot stays as it is", &format!("snapshot {id}"), 0, &data, &snap.image);
                Ok(())
            }
            Err(DiskError::Fenced { .. }) => Err(self.over(&DiskError::Fenced { mine: 0, theirs: 1 })),
            Err(error) if !self.world.is_fault(&error) => {
                broken("a snapshot stays as it is", format!("snapshot {id}: {error}"))
            }
            Err(error) => Err(self.over(&error)),
        }
    }

    async fn end(&self) -> Lives<()> {
        let newest = self.world.oracle.newest(self.epoch);
        match self.below(4) {
            0 => {
                self.tried(self.disk.close().await)?;
                self.acked(newest);
            }
            1 => {
                self.tried(self.disk.release().await)?;
                self.acked(newest);
                if self.world.plan.openers == 1 {
                    self.check_all("a released image is what was written").await?;
                }
            }
            2 => self.flush().await?,
            _ => {}
        }
        Ok(())
    }

    async fn flush(&self) -> Lives<()> {
        let oracle = &self.world.oracle;
        let (newest, changes) = (oracle.newest(self.epoch), oracle.changes(self.epoch, None));
        self.flush_begun.store(true, Ordering::SeqCst);
        self.tried(self.disk.flush().await)?;
        self.acked_somewhere(newest, changes);
        Ok(())
    }

    fn writes_through(&self) -> bool {
        let cache = &self.world.plan.options.cache;
        !cache.enabled || (cache.writethrough_until_flush && !self.flush_begun.load(Ordering::SeqCst))
    }
}

/// Bytes that were read against the image that they should be of.
pub(super) fn compare(promise: &str, what: &str, first: u64, data: &[u8], image: &Image) {
    let found = stamps(first, data);
    let wanted = &image.sectors[first as usize..first as usize + found.len()];
    if found != wanted {
        let at = found.iter().zip(wanted).position(|(found, wanted)| found != wanted).unwrap_or(0);
        let wrong = found.iter().zip(wanted).filter(|(found, wanted)| found != wanted).count();
        let detail = format!(
            "{what}: sector {} has stamp {} instead of {}; {wrong} of {} are wrong",
            first + at as u64,
            found[at],
            wanted[at],
            found.len()
        );
        broken(promise, detail);
    }
}

/// Random requests on one region, which no other task of this host writes to.
async fn work(life: Arc<Life>, region: u64) -> Lives<()> {
    let (world, oracle) = (life.world.clone(), life.world.oracle.clone());
    let sectors = world.plan.region_blocks * 8;
    let first = region * sectors;
    for _ in 0..world.plan.requests {
        let shared = life.gate.read().await;
        life.go_on()?;
        let align = [1, 8, 8, 8][life.below(4) as usize];
        let most = [1, 2, 8, 64][life.below(4) as usize] * 8 / align;
        let count = (1 + life.below(most)).min(sectors / align) * align;
        let from = first + life.below((sectors - count) / align + 1) * align;
        let (offset, length) = (from * SECTOR, count * SECTOR);
        if world.plan.defragments()
            && life.below(3) == 0
            && let Ok(writer) = life.disk.writer()
        {
            writer.put_together(from / 8 / world.plan.options.defrag_range_blocks);
        }
        let mut written = None;
        match life.below(100) {
            0..50 => {
                let stamp = oracle.next_stamp();
                let data: Vec<u8> = (from..from + count).flat_map(|number| sector(stamp, number)).collect();
                let cut = life.below(count + 1) * SECTOR;
                let pieces = [&data[..cut as usize], &data[cut as usize..]];
                match life.disk.try_write(offset, &pieces) {
                    Some(done) => life.tried(done)?,
                    None => life.tried(life.disk.write(offset, &pieces).await)?,
                }
                written = Some(stamp);
            }
            50..65 => {
                life.tried(life.disk.discard(offset, length).await)?;
                written = Some(0);
            }
            65..75 => life.flush().await?,
            75..92 => {
                // What the range holds does not change meanwhile.
                let head = life.head();
                life.check_range("a writer reads what it wrote", &head, from, count).await?;
            }
            _ => {
                drop(shared);
                life.host.sleep(Duration::from_millis(life.below(300))).await;
                continue;
            }
        }
        let Some(stamp) = written else { continue };
        let head = life.head();
        if head.sectors[from as usize..(from + count) as usize].iter().any(|&found| found != stamp) {
            broken("what is acknowledged was accepted", format!("sectors {from}+{count}, stamp {stamp}"));
        }
        if life.writes_through() {
            let (first, end) = (from / 8, (from + count).div_ceil(8));
            let changes = oracle.changes(life.epoch, Some((first, end)));
            life.acked_somewhere(oracle.newest_at(life.epoch, first, end), changes);
        }
    }
    Ok(())
}

/// Snapshots, rollbacks, resizes, diffs beside the requests.
async fn administer(life: Arc<Life>) -> Lives<()> {
    let plan = &life.world.plan;
    let oracle = life.world.oracle.clone();
    let whole = plan.blocks() * 4096;
    for _ in 0..life.below(8) {
        life.host.sleep(Duration::from_millis(life.below([10, 100, 1000][life.below(3) as usize]))).await;
        life.go_on()?;
        let snaps = oracle.snaps();
        let some = (!snaps.is_empty()).then(|| snaps[life.below(snaps.len() as u64) as usize].clone());
        match (life.below(12), some) {
            (0..5, _) if plan.snapshots => {
                let shared = life.gate.read().await;
                life.go_on()?;
                let info = life.tried(life.disk.snap_create("s").await)?;
                drop(shared);
                let snap = oracle.snapshot(&info);
                oracle.acked(snap.epoch, snap.lsn);
                if info.size_bytes != snap.image.size_bytes() {
                    broken("a snapshot is what it was asked for", format!("size {}", info.size_bytes));
                }
                life.check_snapshot(info.id.0).await?;
            }
            (5, Some((id, _))) => life.check_snapshot(id).await?,
            (6, Some((id, _))) => {
                oracle.doom(id);
                life.tried(life.disk.snap_remove(SnapshotId(id)).await)?;
            }
            (7..9, Some((id, _))) => {
                let alone = life.gate.write().await;
                life.go_on()?;
                if life.below(3) == 0 {
                    life.dies_soon();
                }
                life.tried(life.disk.rollback(SnapshotId(id), &|_, _| ()).await)?;
                life.acked(oracle.newest(life.epoch));
                life.check_all("a rollback gives back the snapshot").await?;
                drop(alone);
                if life.below(2) == 0 {
                    oracle.doom(id);
                    life.tried(life.disk.snap_remove(SnapshotId(id)).await)?;
                }
            }
            (9, some) => {
                let _alone = life.gate.write().await;
                life.go_on()?;
                // A zombie's own state has nothing to do with its successors' snapshots.
                let some = some.filter(|(_, snap)| snap.epoch <= life.epoch);
                diff(&life, some.map(|(id, snap)| (id, snap.image, snap.lsn))).await?;
            }
            (10, _) if plan.resizes => {
                let _alone = life.gate.write().await;
                life.go_on()?;
                for bytes in [life.below(whole / SECTOR) * SECTOR, whole] {
                    life.tried(life.disk.resize(bytes).await)?;
                    life.acked(oracle.newest(life.epoch));
                    life.check_all("what a resize cut off is gone, the rest is not").await?;
                }
            }
            _ => {
                let _alone = life.gate.write().await;
                life.go_on()?;
                life.check_all("a writer reads what it wrote").await?;
            }
        }
    }
    Ok(())
}

/// The difference from a snapshot, or from nothing, to now: all that differs, and nothing that was not touched.
async fn diff(life: &Life, from: Option<(u64, Image, u64)>) -> Lives<()> {
    const PROMISE: &str = "a diff has what changed and nothing else";
    let head = life.head();
    let id = from.as_ref().map(|(id, ..)| SnapshotId(*id));
    let runs = match life.disk.diff(id, None, 0, head.size_bytes()).await {
        Err(DiskError::NoSnapshot)
            if from.as_ref().is_some_and(|(id, ..)| life.world.oracle.is_doomed(*id)) =>
        {
            return Ok(());
        }
        runs => life.tried(runs)?,
    };
    for block in 0..head.size_bytes().div_ceil(4096) {
        let range = |image: &Image| {
            let end = image.sectors.len().min((block as usize + 1) * 8);
            image.sectors.get(block as usize * 8..end).unwrap_or(&[]).to_vec()
        };
        let now = range(&head);
        let (before, since) = match &from {
            Some((_, image, lsn)) => (range(image), *lsn),
            None => (vec![0; now.len()], 0),
        };
        let found = runs.iter().any(|run| (run.offset..run.offset + run.length).contains(&(block * 4096)));
        if !found && now != before {
            broken(PROMISE, format!("block {block} differs from {id:?}, and the diff has {runs:?}"));
        }
        if found && !head.touched_after(block, since) {
            broken(PROMISE, format!("block {block} was not touched since {id:?}, and the diff has it"));
        }
    }
    Ok(())
}
