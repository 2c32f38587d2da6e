//! The writer of one epoch: accepts writes into the buffer, brings them to the log, applies them to the map.
//!
//! One lock guards the state below; it is never held over an await. Whoever changes the state calls `pump`, which
//! says what is to be sent now. Each append is a task of its own; one task at a time applies.

mod append;
mod apply;
mod checkpoint;
mod crowd;
mod gc;
mod local;
mod pump;
mod requests;
mod wait;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::sync::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::buffer::{Batch, BufferPool, Place, Record, RecordSpec};
use super::gc::{Bound, Fragments, record_slots};
use super::head::Head;
use super::log::{RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES};
use super::range_lock::RangeLocks;
use super::sabotage::{Accepted, Sabotage, accepted, broken};
use super::shared::Shared;
use super::ssd::LocalLog;
use super::{DiskError, DiskResult, DiskStats, LocalSeq, Lsn, RootBlob, SLOT_BYTES, SegmentSeq, WriterEpoch};
use checkpoint::Checkpoints;
use crowd::Crowd;
use wait::Waiter;

pub(crate) use requests::{Blocks, NewRecord};

const HEADERS: u64 = (SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES) as u64;
/// A segment with less room than this is left alone: a record of a few blocks is not worth its header.
const MIN_ROOM: u64 = 16 * SLOT_BYTES;

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub epoch: WriterEpoch,
    pub head: Arc<Head>,
    pub locks: Arc<RangeLocks>,
    /// Held by operations on snapshots, resizes and deletions, one at a time.
    pub admin: tokio::sync::Mutex<()>,
    pool: Arc<BufferPool>,
    /// Room for dirty blocks; waiters are served in their order.
    room: Semaphore,
    room_blocks: u32,
    state: Mutex<State>,
    /// Told when the store has no room, so that writers who wait for room in the buffer learn of it.
    no_space: Notify,
    gc: gc::GcSignal,
    gc_bound: Bound,
    /// What is read in many pieces.
    fragments: Fragments,
    local: local::Local,
    /// The root that this writer began with, until what interrupted checkpoints left behind it is removed.
    begun_with: tokio::sync::Mutex<Option<RootBlob>>,
    /// Older epochs, and where their logs ended: what they left there is removed at the same time.
    ended: Vec<(SegmentSeq, WriterEpoch)>,
    ended_removed: AtomicBool,
}

/// Where a record is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    InFlight,
    Durable,
}

struct Queued {
    record: Arc<Record>,
    stage: Stage,
    /// When it was last sent.
    sent: Duration,
}

struct State {
    /// Set once: nothing is written any more.
    failed: Option<DiskError>,
    /// Writes are refused, what was accepted is still brought home.
    draining: bool,
    active: Option<Batch>,
    /// Closed records that are not yet applied, ascending by LSN.
    queue: VecDeque<Queued>,
    /// Where the next batch goes; offset 0: it creates the segment.
    segment: SegmentSeq,
    offset: u64,
    next_lsn: Lsn,
    durable: Lsn,
    applied: Lsn,
    /// Someone waits until this LSN is durable.
    wanted: Lsn,
    crowd: Crowd,
    /// The open batch is old enough to be written.
    aged: bool,
    /// Writers that wait for room in the buffer.
    starving: u32,
    dirty_blocks: u32,
    appends_in_flight: u32,
    /// The next records to be sent are too much for the map, and nothing has happened since that makes them less.
    held_back: bool,
    durable_waiters: BTreeMap<Lsn, Vec<Waiter>>,
    applied_waiters: BTreeMap<Lsn, Vec<Waiter>>,
    /// The store had no room for the first record that is not durable.
    no_space: Option<DiskError>,
    /// An append that finds no room is sent once more.
    try_again: bool,
    flushed_once: bool,
    applying: bool,
    ager: bool,
    /// Where the record after the last applied one begins.
    position: (SegmentSeq, u64),
    checkpoint: Checkpoints,
    /// Records of snapshots that are begun, and not known to be in the header, or never to come there.
    snapshots_under_way: Vec<Lsn>,
    /// Writes wait until garbage collection has caught up.
    gc_behind: bool,
    /// The collector found nothing to clean, or does not run, so nobody waits for it.
    gc_helpless: bool,
    /// The user's part of the log, in bytes, beyond which writes wait for the next record of a round.
    gc_round_limit: u64,
    /// Bytes applied since the garbage collector last looked.
    gc_bytes: u64,
    /// The local log, while it is used.
    local: Option<Arc<LocalLog>>,
    /// The newest change that is in the local log, or was replayed from it; 0 where there was none.
    local_newest: LocalSeq,
    /// The newest record that only the store's log has: what is accepted after it counts only where it is durable.
    barrier: Lsn,
    size_bytes: u64,
    stats: DiskStats,
}

/// Where a writer begins: right after its EpochStart record.
pub(crate) struct Start {
    pub epoch: WriterEpoch,
    pub lsn: Lsn,
    pub segment: SegmentSeq,
    pub offset: u64,
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        head: Arc<Head>,
        start: Start,
        stats: DiskStats,
        begun_with: Option<RootBlob>,
        ended: Vec<(SegmentSeq, WriterEpoch)>,
    ) -> Arc<Writer> {
        let room_blocks = (shared.options.dirty_limit() / SLOT_BYTES).min(1 << 28) as u32;
        let size_bytes = head.size_bytes();
        Arc::new(Writer {
            epoch: start.epoch,
            head,
            locks: Arc::new(RangeLocks::default()),
            admin: tokio::sync::Mutex::new(()),
            pool: BufferPool::new(),
            room: Semaphore::new(room_blocks as usize),
            room_blocks,
            state: Mutex::new(State {
                failed: None,
                draining: false,
                active: None,
                queue: VecDeque::new(),
                segment: start.segment,
                offset: start.offset,
                next_lsn: Lsn(start.lsn.0 + 1),
                durable: start.lsn,
                applied: start.lsn,
                wanted: Lsn(0),
                crowd: Crowd::default(),
                aged: false,
                starving: 0,
                dirty_blocks: 0,
                appends_in_flight: 0,
                held_back: false,
                durable_waiters: BTreeMap::new(),
                applied_waiters: BTreeMap::new(),
                no_space: None,
                try_again: false,
                flushed_once: false,
                applying: false,
                ager: false,
                position: (start.segment, start.offset),
                checkpoint: Checkpoints::after(Lsn(stats.checkpoint_lsn)),
                snapshots_under_way: Vec::new(),
                gc_behind: false,
                gc_helpless: true,
                gc_round_limit: u64::MAX,
                gc_bytes: 0,
                local: None,
                local_newest: LocalSeq(0),
                barrier: Lsn(0),
                size_bytes,
                stats,
            }),
            local: local::Local::default(),
            no_space: Notify::new(),
            gc: gc::GcSignal::default(),
            gc_bound: Bound::new(&shared),
            fragments: Fragments::new(&shared.options, record_slots(&shared)),
            begun_with: tokio::sync::Mutex::new(begun_with),
            ended_removed: AtomicBool::new(!shared.format.payloads),
            ended,
            shared,
        })
    }

    pub fn size_bytes(&self) -> u64 {
        self.state.lock().size_bytes
    }

    pub fn stats(&self) -> DiskStats {
        let (totals, dead_bytes) = (self.head.state.totals(), self.head.state.dead_bytes());
        let state = self.state.lock();
        DiskStats {
            durable_lsn: state.durable.0,
            applied_lsn: state.applied.0,
            dirty_bytes: u64::from(state.dirty_blocks) * super::BLOCK_BYTES,
            segment_bytes: totals.bytes,
            segment_blocks: totals.blocks,
            dead_bytes,
            ..state.stats
        }
    }

    /// The failure after which nothing is written any more.
    pub fn failure(&self) -> Option<DiskError> {
        self.state.lock().failed.clone()
    }

    /// Calls `each` with what the buffer has of blocks `start..end`, from the newest layer to the oldest, and returns
    /// what it does not have. A block is in the buffer until the map has it, so a reader that then looks in the map
    /// finds the rest. An error once this writer knows that it is fenced: neither buffer nor map are the image then.
    pub fn read_buffer(
        &self,
        start: u64,
        end: u64,
        mut each: impl FnMut(u64, u64, Option<&[u8]>),
    ) -> DiskResult<Vec<(u64, u64)>> {
        let mut missing = vec![(start, end)];
        if broken(Sabotage::ReadWithoutBuffer) {
            return Ok(missing);
        }
        let state = self.state.lock();
        if let Some(error) = state.failed.as_ref().filter(|error| error.is_fence()) {
            return Err(error.clone());
        }
        if let Some(batch) = &state.active {
            missing = look(batch.ranges(), |slot| batch.slot(slot), missing, &mut each);
        }
        for queued in state.queue.iter().rev() {
            if missing.is_empty() {
                break;
            }
            if queued.stage != Stage::Waiting && broken(Sabotage::BufferDroppedEarly) {
                continue;
            }
            let record = &queued.record;
            missing = look(&record.ranges, |slot| record.slot(slot), missing, &mut each);
        }
        Ok(missing)
    }
}

/// Looks for `missing` in one layer: `each(block, blocks, data)`, data a block at a time.
fn look<'a>(
    ranges: &super::buffer::Ranges,
    slot: impl Fn(u32) -> &'a [u8],
    missing: Vec<(u64, u64)>,
    each: &mut impl FnMut(u64, u64, Option<&[u8]>),
) -> Vec<(u64, u64)> {
    if ranges.is_empty() {
        return missing;
    }
    let mut rest = Vec::new();
    for (start, end) in missing {
        ranges.walk(
            start,
            end,
            |at, run| match run.slot {
                Some(first) => {
                    (0..run.blocks).for_each(|i| each(at + i, 1, Some(slot(first + i as u32))));
                }
                None => each(at, run.blocks, None),
            },
            |start, end| rest.push((start, end)),
        );
    }
    rest
}

impl State {
    /// The LSN of the newest thing accepted.
    fn newest(&self) -> Lsn {
        match &self.active {
            Some(batch) => batch.lsn,
            None => Lsn(self.next_lsn.0 - 1),
        }
    }

    fn usable(&self) -> DiskResult<()> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.draining => Err(DiskError::ReadOnly),
            None => Ok(()),
        }
    }

    /// The place of the next record, and the bytes that it may have.
    fn next_place(&mut self, segment_bytes: u32) -> (Place, u64) {
        let segment_bytes = u64::from(segment_bytes);
        if self.offset > 0 && segment_bytes - self.offset < MIN_ROOM {
            self.segment = SegmentSeq(self.segment.0 + 1);
            self.offset = 0;
        }
        let offset = self.offset.max(SEGMENT_HEADER_BYTES as u64);
        (Place { segment: self.segment, offset }, segment_bytes - offset)
    }

    fn enqueue(&mut self, record: Record) {
        debug_assert_eq!(record.lsn, self.next_lsn);
        self.offset = record.end();
        if record.payload {
            // Nothing can be appended to it.
            (self.segment, self.offset) = (SegmentSeq(record.place.segment.0 + 1), 0);
        }
        self.next_lsn = Lsn(record.lsn.0 + 1);
        self.queue.push_back(Queued {
            record: Arc::new(record),
            stage: Stage::Waiting,
            sent: Duration::ZERO,
        });
    }
}

impl Writer {
    fn spec(&self, state: &State) -> RecordSpec {
        RecordSpec {
            uuid: self.shared.format.uuid,
            epoch: self.epoch,
            segment_bytes: self.shared.format.segment_bytes,
            durable: state.durable,
            // The batch that is open, if there is one, is what becomes this record.
            local: state.local_newest,
            payload: false,
        }
    }

    /// Closes the open batch, if there is one: it gets its place in the queue.
    fn close_batch(&self, state: &mut State) {
        if let Some(batch) = state.active.take() {
            state.aged = false;
            let spec = RecordSpec { payload: self.is_payload(&batch), ..self.spec(state) };
            state.enqueue(batch.close(&spec, &self.pool));
        }
    }

    /// Whether a batch goes into a payload of its own: it begins a segment, and is most of one.
    fn is_payload(&self, batch: &Batch) -> bool {
        let format = &self.shared.format;
        format.payloads
            && batch.place.creates_segment()
            && batch.bytes() >= u64::from(format.segment_bytes) / self.shared.options.payload_share.max(1)
    }

    /// Closes the open batch and goes on in the next segment.
    fn leave_segment(&self, state: &mut State) {
        match &state.active {
            Some(batch) if batch.is_empty() => state.active = None,
            Some(_) | None => self.close_batch(state),
        }
        if state.offset > 0 {
            state.segment = SegmentSeq(state.segment.0 + 1);
            state.offset = 0;
        }
    }

    /// The open batch, made if there is none.
    fn open_batch<'a>(self: &Arc<Self>, state: &'a mut State) -> &'a mut Batch {
        if state.active.is_none() {
            let (place, capacity) = state.next_place(self.shared.format.segment_bytes);
            let now = self.shared.env.now();
            state.active = Some(Batch::new(&self.pool, state.next_lsn, place, capacity, now));
            self.start_ager(state);
        }
        state.active.as_mut().expect("made above")
    }

    /// Appends a record without data, after all that was accepted before.
    fn push_record(&self, state: &mut State, kind: RecordKind) -> Lsn {
        self.close_batch(state);
        let (place, capacity) = state.next_place(self.shared.format.segment_bytes);
        debug_assert!(capacity >= HEADERS);
        let lsn = state.next_lsn;
        self.log_barrier(state, lsn);
        let record = Record::without_data(&self.spec(state), &self.pool, lsn, kind, place);
        accepted(self.epoch, lsn, Accepted::Record(kind));
        state.enqueue(record);
        lsn
    }
}
