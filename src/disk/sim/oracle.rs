//! Knows what every record holds, because it listens while the engine accepts requests; says what an image may hold
//! after a take-over, and whether an acknowledgement was true.
//!
//! Content is counted in sectors of 512 bytes, each with the stamp of the request that wrote it, so that bytes that
//! nobody wrote give themselves away. Epochs form a tree: each begins after a record of another one. What the newest
//! epoch descends from is the log.

use std::collections::BTreeMap;

use crate::disk::log::RecordKind;
use crate::disk::sabotage::{Accepted, Listener};
use crate::disk::{Lsn, SnapInfo, WriterEpoch};
use crate::sync::Mutex;

pub(super) const SECTOR: u64 = 512;
const SECTORS: u64 = 4096 / SECTOR;

/// Ends the world: a promise was not kept.
pub(super) fn broken(promise: &str, detail: String) -> ! {
    panic!("PROMISE BROKEN: {promise}: {detail}")
}

/// The bytes of a sector.
pub(super) fn sector(stamp: u32, number: u64) -> Vec<u8> {
    let mut unit = [0; 16];
    if stamp > 0 {
        unit[..8].copy_from_slice(&u64::from(stamp).to_le_bytes());
        unit[8..].copy_from_slice(&number.to_le_bytes());
    }
    unit.repeat(SECTOR as usize / 16)
}

/// The stamps of bytes that begin at sector `first`.
pub(super) fn stamps(first: u64, data: &[u8]) -> Vec<u32> {
    let stamp = |(at, raw): (usize, &[u8])| {
        let number = first + at as u64;
        let stamp = raw.first_chunk::<8>().map_or(0, |raw| u64::from_le_bytes(*raw));
        let known = u32::try_from(stamp).unwrap_or(u32::MAX);
        if raw != &sector(known, number)[..raw.len()] {
            broken("a read gives what was written", format!("sector {number} holds bytes that nobody wrote"));
        }
        known
    };
    data.chunks(SECTOR as usize).enumerate().map(stamp).collect()
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Image {
    /// A stamp for each sector; 0: zeroes.
    pub sectors: Vec<u32>,
    /// For each block, the LSN that last touched it.
    touched: BTreeMap<u64, u64>,
}

impl Image {
    pub fn new(size_bytes: u64) -> Image {
        Image { sectors: vec![0; (size_bytes / SECTOR) as usize], touched: BTreeMap::new() }
    }

    pub fn size_bytes(&self) -> u64 {
        self.sectors.len() as u64 * SECTOR
    }

    /// Blocks that were touched after `lsn`.
    pub fn touched_after(&self, block: u64, lsn: u64) -> bool {
        self.touched.get(&block).is_some_and(|&at| at > lsn)
    }

    fn apply(&mut self, lsn: u64, change: &Change) {
        match change {
            Change::Blocks { lba, blocks, stamps } => {
                let first = (lba * SECTORS) as usize;
                let end = ((lba + blocks) * SECTORS).min(self.sectors.len() as u64) as usize;
                for at in first..end {
                    self.sectors[at] = stamps.as_ref().map_or(0, |stamps| stamps[at - first]);
                }
                self.touched.extend((*lba..lba + blocks).map(|block| (block, lsn)));
            }
            Change::Resize(bytes) => {
                let (old, new) = (self.sectors.len() as u64, bytes / SECTOR);
                self.sectors.resize(new as usize, 0);
                let cut = old.min(new) / SECTORS..old.div_ceil(SECTORS);
                self.touched.extend(cut.map(|block| (block, lsn)));
            }
            Change::Rollback(image) => {
                self.sectors.clone_from(&image.sectors);
                let blocks = self.sectors.len() as u64 / SECTORS + 1;
                self.touched.extend((0..blocks).map(|block| (block, lsn)));
            }
            Change::Nothing => {}
        }
    }
}

enum Change {
    Blocks { lba: u64, blocks: u64, stamps: Option<Vec<u32>> },
    Resize(u64),
    Rollback(Image),
    Nothing,
}

struct Epoch {
    after: u32,
    last: u64,
    start: u64,
    base: Image,
    head: Image,
    changes: Vec<(u64, Change)>,
    /// LSNs of its SnapCreate records, by the snapshot's id.
    snapshots: Vec<(u64, u64)>,
}

impl Epoch {
    /// How many of its changes are in records up to `lsn`.
    fn done(&self, lsn: u64) -> usize {
        self.changes.iter().take_while(|(at, _)| *at <= lsn).count()
    }
}

#[derive(Clone)]
pub(super) struct Snap {
    pub image: Image,
    pub epoch: u32,
    pub lsn: u64,
    /// Someone has begun to remove it.
    pub doomed: bool,
}

#[derive(Default)]
struct State {
    empty: Image,
    epochs: BTreeMap<u32, Epoch>,
    /// For each epoch, the greatest LSN that was acknowledged as durable.
    acked: BTreeMap<u32, u64>,
    /// For each epoch with a local log, how many of its changes were acknowledged as durable, there or in the store.
    acked_changes: BTreeMap<u32, usize>,
    /// The newest epoch whose writer was let in.
    leader: u32,
    snaps: BTreeMap<u64, Snap>,
    /// The snapshot of the newest rollback.
    rolled_back: Option<u64>,
    stamp: u32,
}

pub(super) struct Oracle {
    state: Mutex<State>,
}

impl State {
    fn at(&self, epoch: u32, lsn: u64) -> Option<Image> {
        if epoch == 0 {
            return Some(self.empty.clone());
        }
        let epoch = self.epochs.get(&epoch)?;
        let mut image = epoch.base.clone();
        for (at, change) in epoch.changes.iter().take_while(|(at, _)| *at <= lsn) {
            image.apply(*at, change);
        }
        Some(image)
    }

    /// How much of `epoch` is in the log of which `(of, upto)` is the end; 0: nothing.
    fn covered(&self, epoch: u32, of: u32, upto: u64) -> u64 {
        let (mut of, mut upto) = (of, upto);
        while of > epoch {
            let Some(child) = self.epochs.get(&of) else { return 0 };
            (of, upto) = (child.after, child.last);
        }
        if of == epoch { upto } else { 0 }
    }
}

impl Oracle {
    pub fn new(size_bytes: u64) -> Oracle {
        Oracle { state: Mutex::new(State { empty: Image::new(size_bytes), ..State::default() }) }
    }

    pub fn next_stamp(&self) -> u32 {
        let mut state = self.state.lock();
        state.stamp += 1;
        state.stamp
    }

    /// What a writer's image holds now: all that it has accepted.
    pub fn head(&self, epoch: u32) -> Image {
        self.state.lock().epochs.get(&epoch).map_or(Image::default(), |epoch| epoch.head.clone())
    }

    /// The newest LSN that an epoch has accepted.
    pub fn newest(&self, epoch: u32) -> u64 {
        let state = self.state.lock();
        state.epochs.get(&epoch).and_then(|epoch| epoch.changes.last()).map_or(0, |(lsn, _)| *lsn)
    }

    /// The LSN that last touched a range of blocks in an epoch.
    pub fn newest_at(&self, epoch: u32, first: u64, end: u64) -> u64 {
        let state = self.state.lock();
        let changes = state.epochs.get(&epoch).map_or(&[][..], |epoch| &epoch.changes);
        let touches = |change: &Change| matches!(change, Change::Blocks { lba, blocks, .. } if *lba < end && first < lba + blocks);
        changes.iter().rev().find(|(_, change)| touches(change)).map_or(0, |(lsn, _)| *lsn)
    }

    /// How many changes an epoch has accepted, all or up to the newest one that touched a range of blocks.
    pub fn changes(&self, epoch: u32, range: Option<(u64, u64)>) -> usize {
        let state = self.state.lock();
        let changes = state.epochs.get(&epoch).map_or(&[][..], |epoch| &epoch.changes);
        let Some((first, end)) = range else { return changes.len() };
        let touches = |change: &Change| matches!(change, Change::Blocks { lba, blocks, .. } if *lba < end && first < lba + blocks);
        changes.iter().rposition(|(_, change)| touches(change)).map_or(0, |at| at + 1)
    }

    /// Someone was told that so many changes are durable in the local log.
    pub fn acked_changes(&self, epoch: u32, changes: usize) {
        let mut state = self.state.lock();
        let known = state.acked_changes.entry(epoch).or_default();
        *known = changes.max(*known);
        if state.leader > epoch {
            let upto = state.covered(epoch, state.leader, u64::MAX);
            let there = state.epochs.get(&epoch).map_or(0, |epoch| epoch.done(upto));
            if there < changes {
                let detail = format!(
                    "epoch {epoch} acknowledged {changes} changes, and epoch {} has {there} of them",
                    state.leader
                );
                broken("a zombie acknowledges nothing", detail);
            }
        }
    }

    pub fn leader(&self) -> u32 {
        self.state.lock().leader
    }

    /// The newest epoch whose writer has begun, let in or not.
    pub fn newest_epoch(&self) -> u32 {
        self.state.lock().epochs.keys().next_back().copied().unwrap_or(0)
    }

    /// All acknowledgements so far.
    pub fn acked_so_far(&self) -> Vec<(u32, u64)> {
        self.state.lock().acked.iter().map(|(&epoch, &lsn)| (epoch, lsn)).collect()
    }

    /// Someone was told that all up to `lsn` is durable.
    pub fn acked(&self, epoch: u32, lsn: u64) {
        let mut state = self.state.lock();
        let known = state.acked.entry(epoch).or_default();
        *known = lsn.max(*known);
        let leader = state.leader;
        if leader > epoch && lsn > 0 {
            let upto = state.covered(epoch, leader, u64::MAX);
            if upto < lsn {
                let detail = format!(
                    "epoch {epoch} acknowledged record {lsn}, and epoch {leader} has its records only up to {upto}"
                );
                broken("a zombie acknowledges nothing", detail);
            }
        }
    }

    /// A writer was let in: all that older ones acknowledged must be in its log.
    pub fn leads(&self, epoch: u32) {
        let mut state = self.state.lock();
        for (&older, &lsn) in state.acked.range(..epoch) {
            let upto = state.covered(older, epoch, u64::MAX);
            if upto < lsn {
                let detail = format!(
                    "epoch {older} acknowledged record {lsn}, and epoch {epoch} goes on from record {upto} of it"
                );
                broken("what was flushed is there", detail);
            }
        }
        if !state.epochs.contains_key(&epoch) {
            broken("one writer", format!("epoch {epoch} never began"));
        }
        state.leader = state.leader.max(epoch);
    }

    /// A writer was let in whose machine has the log of the one before, or all of whose changes are in the store: what it
    /// holds is what the one before held at some moment, and that is not before its last acknowledgement.
    pub fn leads_with_log(&self, epoch: u32) {
        {
            let mut state = self.state.lock();
            let before = state.leader;
            let head = state.epochs.get(&epoch).map_or(Image::default(), |epoch| epoch.head.clone());
            let acked = state.acked_changes.get(&before).copied().unwrap_or(0);
            let covered = state.covered(before, epoch, u64::MAX);
            // One that hears late that it was let in is no successor of the newest.
            if let Some(older) = state.epochs.get(&before).filter(|_| before < epoch) {
                let mut image = older.base.clone();
                let done = older.done(covered).max(acked);
                let mut is_prefix = false;
                for (n, (lsn, change)) in older.changes.iter().enumerate() {
                    is_prefix |= n >= done && image.sectors == head.sectors;
                    image.apply(*lsn, change);
                }
                is_prefix |= image.sectors == head.sectors;
                if !is_prefix {
                    let detail = format!(
                        "epoch {epoch} goes on from record {covered} of epoch {before}, which acknowledged {acked} changes, and holds \
                         what that never held after it"
                    );
                    broken("what was flushed to a local log is there, and a prefix", detail);
                }
            }
            // From here on it is this one's to keep: replay has brought it to the store.
            let newest =
                state.epochs.get(&epoch).and_then(|epoch| epoch.changes.last()).map_or(0, |(lsn, _)| *lsn);
            state.acked.insert(epoch, newest);
        }
        self.leads(epoch);
    }

    /// Whether `found` is what a reader may see that has followed the log to `lsn`, when `acked` had been
    /// acknowledged before it looked.
    pub fn check_reader(&self, lsn: u64, first: u64, found: &[u32], acked: &[(u32, u64)]) {
        let state = self.state.lock();
        let mut seen = Vec::new();
        let mut epochs: Vec<u32> =
            state.epochs.iter().filter(|(_, e)| e.start <= lsn).map(|(&n, _)| n).collect();
        epochs.push(0);
        for epoch in epochs.into_iter().rev() {
            let Some(image) = state.at(epoch, lsn) else { continue };
            let here = image.sectors.get(first as usize..first as usize + found.len());
            if here != Some(found) {
                continue;
            }
            let lost = acked.iter().find(|&&(of, acked)| state.covered(of, epoch, lsn) < acked);
            match lost {
                None => return,
                Some(lost) => seen.push((epoch, *lost)),
            }
        }
        if seen.is_empty() {
            broken("a reader sees a prefix", format!("no epoch held this after record {lsn}"));
        }
        broken(
            "a reader sees what was flushed",
            format!("at record {lsn}; (epoch, what it lacks): {seen:?}"),
        );
    }

    /// `snap_create` returned it, or it is in the list of snapshots of a writer.
    pub fn snapshot(&self, info: &SnapInfo) -> Snap {
        let mut state = self.state.lock();
        let (id, lsn) = (info.id.0, info.lsn.0);
        if let Some(known) = state.snaps.get(&id).filter(|known| known.lsn == lsn) {
            return known.clone();
        }
        let made = state.epochs.iter().rev().find(|(_, epoch)| epoch.snapshots.contains(&(id, lsn)));
        let Some(epoch) = made.map(|(&epoch, _)| epoch) else {
            broken("a snapshot is what it was asked for", format!("nobody made snapshot {id} at {lsn}"));
        };
        let image = state.at(epoch, lsn).unwrap_or_default();
        let snap = Snap { image, epoch, lsn, doomed: false };
        state.snaps.insert(id, snap.clone());
        snap
    }

    /// Snapshots that must be there.
    pub fn snaps(&self) -> Vec<(u64, Snap)> {
        let state = self.state.lock();
        state.snaps.iter().filter(|(_, snap)| !snap.doomed).map(|(&id, snap)| (id, snap.clone())).collect()
    }

    /// The snapshot of the newest rollback, if it must still be there.
    pub fn rolled_back(&self) -> Option<u64> {
        let state = self.state.lock();
        state.rolled_back.filter(|id| state.snaps.get(id).is_some_and(|snap| !snap.doomed))
    }

    pub fn doom(&self, id: u64) {
        if let Some(snap) = self.state.lock().snaps.get_mut(&id) {
            snap.doomed = true;
        }
    }

    pub fn is_doomed(&self, id: u64) -> bool {
        self.state.lock().snaps.get(&id).is_some_and(|snap| snap.doomed)
    }
}

impl Listener for Oracle {
    fn accepted(&self, epoch: WriterEpoch, lsn: Lsn, what: Accepted<'_>) {
        let mut state = self.state.lock();
        let (number, lsn) = (epoch.0, lsn.0);
        let change = match what {
            Accepted::Epoch { last, after } => {
                let Some(base) = state.at(after.0, last.0) else {
                    broken(
                        "one writer",
                        format!("epoch {number} goes on from epoch {}, which never was", after.0),
                    );
                };
                let epoch = Epoch {
                    after: after.0,
                    last: last.0,
                    start: lsn,
                    head: base.clone(),
                    base,
                    changes: Vec::new(),
                    snapshots: Vec::new(),
                };
                state.epochs.insert(number, epoch);
                return;
            }
            Accepted::Blocks { lba, blocks, data } => {
                let stamps = data.map(|(pieces, skip)| {
                    let all: Vec<u8> = pieces.concat();
                    let from = (skip * 4096) as usize;
                    stamps(lba * SECTORS, &all[from..from + (blocks * 4096) as usize])
                });
                Change::Blocks { lba, blocks, stamps }
            }
            Accepted::Record(RecordKind::Resize { size_bytes }) => Change::Resize(size_bytes),
            Accepted::Record(RecordKind::Rollback { snapshot }) => match state.snaps.get(&snapshot) {
                Some(snap) => {
                    let image = snap.image.clone();
                    state.rolled_back = Some(snapshot);
                    Change::Rollback(image)
                }
                None => broken("a snapshot is what it was asked for", format!("rollback to {snapshot}")),
            },
            Accepted::Record(RecordKind::SnapCreate { snapshot }) => {
                if let Some(epoch) = state.epochs.get_mut(&number) {
                    epoch.snapshots.push((snapshot, lsn));
                }
                Change::Nothing
            }
            Accepted::Record(RecordKind::Data | RecordKind::EpochStart { .. } | RecordKind::Gc) => {
                Change::Nothing
            }
        };
        let Some(epoch) = state.epochs.get_mut(&number) else {
            broken("one writer", format!("epoch {number} writes and never began"));
        };
        epoch.head.apply(lsn, &change);
        epoch.changes.push((lsn, change));
    }
}
