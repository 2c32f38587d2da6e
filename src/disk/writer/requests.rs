//! Accepts whole-block writes and holes into the open batch, and records without data into the log.

use std::sync::Arc;

use super::{State, Writer};
use crate::disk::buffer::Pieces;
use crate::disk::log::RecordKind;
use crate::disk::sabotage::{Accepted, Sabotage, accepted, broken};
use crate::disk::ssd::Change;
use crate::disk::{BLOCK_BYTES, DiskError, DiskResult, Lsn, SnapInfo};

/// A write of at most so many blocks is never split over two records, so a crash leaves all of it or nothing: the
/// segment's rest is left empty rather (at most 3 % of a segment of 8 MiB).
const WHOLE_BLOCKS: u64 = 64;

/// A record without data that a caller may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NewRecord {
    Resize { size_bytes: u64 },
    Rollback { snapshot: u64 },
}

/// What a write of whole blocks is: data for them, or a hole.
pub(crate) enum Blocks<'a> {
    Data(&'a [&'a [u8]]),
    Hole,
}

impl Writer {
    /// Blocks that one request may bring into the buffer at once; larger ones come in parts.
    pub fn max_blocks(&self) -> u64 {
        u64::from(self.room_blocks / 2).clamp(1, 1 << 20)
    }

    /// Whether a write is acknowledged only when it is durable.
    fn writes_through(&self, state: &State) -> bool {
        let cache = &self.shared.options.cache;
        !cache.enabled
            || cache.max_dirty_bytes == 0
            || (cache.writethrough_until_flush && !state.flushed_once)
    }

    /// Writes whole blocks at once, if that needs no waiting; the ranges may not be locked by anyone.
    pub fn try_put(self: &Arc<Self>, lba: u64, blocks: u64, data: &[&[u8]]) -> Option<DiskResult<()>> {
        Some(self.try_accept(lba, blocks, data, false)?.map(drop))
    }

    /// As `try_put`, of a write that is acknowledged only when it is durable: it is accepted, and waits for this LSN.
    pub fn try_put_through(
        self: &Arc<Self>,
        lba: u64,
        blocks: u64,
        data: &[&[u8]],
    ) -> Option<DiskResult<Lsn>> {
        self.try_accept(lba, blocks, data, true)
    }

    fn try_accept(
        self: &Arc<Self>,
        lba: u64,
        blocks: u64,
        data: &[&[u8]],
        through: bool,
    ) -> Option<DiskResult<Lsn>> {
        if blocks > self.max_blocks() || !self.locks.is_free(lba, lba + blocks) {
            return None;
        }
        let mut state = self.state.lock();
        let behind = state.local.as_ref().is_some_and(|log| log.is_behind());
        if state.no_space.is_some() || state.gc_behind || behind || self.writes_through(&state) != through {
            return None;
        }
        if through && state.local.is_some() {
            // What it waits for is another thing.
            return None;
        }
        if let Err(error) = check(&state, lba, blocks) {
            return Some(Err(error));
        }
        // Someone may have locked the range meanwhile; whoever comes after this look waits for our lock on the state
        // before it reads.
        if !self.locks.is_free(lba, lba + blocks) {
            return None;
        }
        self.room.try_acquire_many(blocks as u32).ok()?.forget();
        self.put(&mut state, lba, blocks, &Blocks::Data(data), blocks as u32);
        let lsn = state.newest();
        let appends = self.pump(&mut state);
        let log = state.local.clone();
        drop(state);
        self.start(appends);
        self.start_local(log.as_ref());
        // ACK (write-back): the data is in the buffer, within the dirty limit; reads find it there, and a flush that
        // begins from now on waits for it. (Write-through: when this LSN is durable.)
        Some(Ok(lsn))
    }

    /// Accepts whole blocks. The caller holds a lock on the range. `None`: the write may be acknowledged; else when
    /// that LSN is durable.
    pub async fn put_blocks(
        self: &Arc<Self>,
        lba: u64,
        blocks: u64,
        what: Blocks<'_>,
    ) -> DiskResult<Option<Lsn>> {
        // A hole takes next to no room, but it must not be free either.
        let room = match what {
            Blocks::Data(_) => blocks as u32,
            Blocks::Hole => 1,
        };
        let permit = self.wait_for_room(room).await?;
        let mut state = self.state.lock();
        check(&state, lba, blocks)?;
        permit.forget();
        self.put(&mut state, lba, blocks, &what, room);
        // ACK (write-through): only when this LSN is durable. ACK (write-back): the data is in the buffer, within
        // the dirty limit; reads find it there, and a flush that begins from now on waits for it.
        let through = self.writes_through(&state).then(|| state.newest());
        let appends = self.pump(&mut state);
        let log = state.local.clone();
        drop(state);
        self.start(appends);
        self.start_local(log.as_ref());
        Ok(through)
    }

    /// Brings blocks into the open batch, and into a new one when it is full. `room` permits were taken.
    pub(super) fn put(
        self: &Arc<Self>,
        state: &mut State,
        lba: u64,
        blocks: u64,
        what: &Blocks<'_>,
        room: u32,
    ) {
        let mut pieces = match what {
            Blocks::Data(data) => Pieces::new(data),
            Blocks::Hole => Pieces::new(&[]),
        };
        let (mut at, end) = (lba, lba + blocks);
        let mut left = room;
        while at < end {
            let batch = self.open_batch(state);
            let wanted = match what {
                Blocks::Data(_) => end - at,
                Blocks::Hole => 1,
            };
            let n = batch.room_for(wanted);
            if n < wanted && wanted <= WHOLE_BLOCKS && !batch.is_whole_segment() {
                self.leave_segment(state);
                continue;
            }
            if n == 0 {
                self.close_batch(state);
                continue;
            }
            match what {
                Blocks::Data(data) => {
                    let data = Some((*data, at - lba));
                    accepted(self.epoch, batch.lsn, Accepted::Blocks { lba: at, blocks: n, data });
                    let mut same = pieces.clone();
                    let fresh = batch.put(at, n, &mut pieces) as u32;
                    batch.permits += fresh;
                    // After the batch has it, and before the lock is free: a record that is closed has all changes up to
                    // the newest one in the local log.
                    state.log_change(Change::Data, at, n, Some(&mut same));
                    state.dirty_blocks += fresh;
                    left -= fresh;
                    at += n;
                }
                Blocks::Hole => {
                    let n = (end - at).min(u64::from(u32::MAX));
                    accepted(self.epoch, batch.lsn, Accepted::Blocks { lba: at, blocks: n, data: None });
                    batch.punch(at, n);
                    let permits = left.min(1);
                    batch.permits += permits;
                    state.log_change(Change::Hole, at, n, None);
                    state.dirty_blocks += permits;
                    left -= permits;
                    at += n;
                }
            }
        }
        // Blocks that replaced older data of the same batch take no room.
        self.room.add_permits(left as usize);
    }

    /// Appends a record without data, after all that was accepted before it, and waits until it is applied.
    pub async fn append_record(self: &Arc<Self>, record: NewRecord) -> DiskResult<Lsn> {
        let lsn = {
            let mut state = self.state.lock();
            state.usable()?;
            let kind = match record {
                NewRecord::Resize { size_bytes } => {
                    state.size_bytes = size_bytes;
                    RecordKind::Resize { size_bytes }
                }
                NewRecord::Rollback { snapshot } => RecordKind::Rollback { snapshot },
            };
            self.push_record(&mut state, kind)
        };
        self.wait_durable(lsn).await?;
        self.wait_applied(lsn).await?;
        Ok(lsn)
    }
}

impl Writer {
    /// Makes a snapshot of all that was accepted until now. The caller holds `admin`.
    pub async fn snapshot(self: &Arc<Self>, mut info: SnapInfo) -> DiskResult<SnapInfo> {
        let (lsn, made) = {
            let mut state = self.state.lock();
            state.usable()?;
            let lsn = self.push_record(&mut state, RecordKind::SnapCreate { snapshot: info.id.0 });
            state.snapshots_under_way.push(lsn);
            info.lsn = lsn;
            let at = if broken(Sabotage::SnapshotWithoutBuffer) { state.applied } else { lsn };
            (lsn, Writer::want_snapshot(&mut state, at, info))
        };
        let durable = self.wait_durable(lsn).await;
        if let Err(error) = durable {
            // Whoever asked has an error, so the snapshot must not appear later, when there is room again.
            let mut state = self.state.lock();
            state.forget_snapshot();
            state.snapshots_under_way.retain(|under_way| *under_way != lsn);
            return Err(error);
        }
        let made = made.await.unwrap_or(Err(DiskError::Closed));
        if made.is_ok() {
            // After an error it may be in the header all the same, later too: it counts for as long as this writer lives.
            self.state.lock().snapshots_under_way.retain(|under_way| *under_way != lsn);
        }
        made
    }

    /// Refuses new writes from now on; what was accepted can still be flushed.
    pub fn set_draining(&self, draining: bool) {
        self.state.lock().draining = draining;
    }
}

pub(super) fn check(state: &State, lba: u64, blocks: u64) -> DiskResult<()> {
    state.usable()?;
    let size = state.size_bytes;
    // The last block of an image may be partly outside of it; a hole may reach to the end of that block.
    if lba + blocks > size.div_ceil(BLOCK_BYTES) {
        let (offset, length) = (lba * BLOCK_BYTES, blocks * BLOCK_BYTES);
        return Err(DiskError::OutOfRange { offset, length, size });
    }
    Ok(())
}
