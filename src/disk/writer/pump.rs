//! Decides what goes to the store now: which closed records, and when the open batch is closed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::append::Append;
use super::{Stage, State, Writer};
use crate::disk::replay::MAX_IN_FLIGHT;
use crate::disk::{BLOCK_BYTES, SegmentSeq};

impl Writer {
    /// To be called with the state locked, after any change of it; `start` what it returns when the lock is free.
    #[must_use]
    pub(super) fn pump(&self, state: &mut State) -> Vec<Append> {
        let mut appends = Vec::new();
        if state.failed.is_some() || state.no_space.is_some() {
            return appends;
        }
        loop {
            while let Some(append) = self.next_append(state) {
                appends.push(append);
            }
            if !self.should_close(state) {
                return appends;
            }
            self.close_batch(state);
        }
    }

    /// The next records that may be sent: those of one segment, as long as it has no append in flight.
    fn next_append(&self, state: &mut State) -> Option<Append> {
        if state.held_back || state.appends_in_flight >= self.shared.options.segments_in_flight.clamp(1, 16) {
            return None;
        }
        let mut busy: Option<SegmentSeq> = None;
        let mut first = None;
        for (at, queued) in state.queue.iter().enumerate() {
            match queued.stage {
                Stage::Durable => {}
                Stage::InFlight => busy = Some(queued.record.place.segment),
                Stage::Waiting if busy == Some(queued.record.place.segment) => {}
                Stage::Waiting => {
                    first = Some(at);
                    break;
                }
            }
        }
        let first = first?;
        let segment = state.queue[first].record.place.segment;
        if state.queue[first].record.payload {
            // A successor that finds no stubs looks for payloads in so many numbers.
            let oldest = state.queue.iter().find(|queued| queued.stage != Stage::Durable);
            let oldest = oldest.map_or(segment, |queued| queued.record.place.segment);
            if segment.0 - oldest.0 >= u64::from(MAX_IN_FLIGHT) {
                return None;
            }
        }
        if self.is_too_much(state, first, segment) {
            // Every request pumps, and should not look at all extents of the queue each time.
            state.held_back = true;
            return None;
        }
        let mut records = Vec::new();
        let now = self.shared.env.now();
        for queued in state.queue.iter_mut().skip(first) {
            if queued.record.place.segment != segment {
                break;
            }
            queued.stage = Stage::InFlight;
            queued.sent = now;
            records.push(queued.record.clone());
        }
        state.appends_in_flight += 1;
        Some(Append { records })
    }

    /// Whether the log with the records of this segment, the next ones to be sent, would have more than the map can take
    /// without a checkpoint: who opens the image after a crash has to keep the changes of all that was sent since the
    /// last one, and a reader takes none. They are sent when there is room, at the latest when all that was sent before
    /// is applied and no checkpoint is running. Either an earlier record is on its way or a checkpoint is running, so
    /// what ends next (an append, an apply, a checkpoint) looks again: it takes `held_back` away and pumps.
    fn is_too_much(&self, state: &State, first: usize, segment: SegmentSeq) -> bool {
        let alone = first == 0 && !state.checkpoint.running;
        let sent = state.queue.iter().enumerate();
        let sent = sent.take_while(|(at, queued)| *at < first || queued.record.place.segment == segment);
        !alone && !self.head.has_room_for(sent.flat_map(|(_, queued)| &queued.record.extents))
    }

    /// Whether the open batch is to be written now. While an append to its segment is under way it goes on
    /// gathering: those who wait for durability share the next append.
    fn should_close(&self, state: &State) -> bool {
        let Some(batch) = &state.active else { return false };
        let idle = state.queue.iter().all(|queued| queued.stage == Stage::Durable);
        let segment_free = state.queue.iter().all(|queued| {
            queued.stage == Stage::Durable || queued.record.place.segment != batch.place.segment
        });
        let cache = &self.shared.options.cache;
        let dirty_bytes = u64::from(state.dirty_blocks) * BLOCK_BYTES;
        let in_flight = self.shared.options.segments_in_flight.clamp(1, 16);
        segment_free
            && state.appends_in_flight < in_flight
            && ((state.wanted >= batch.lsn && !state.gathers(batch.lsn, self.shared.env.now()))
                || state.aged
                || (idle && (state.starving > 0 || dirty_bytes >= cache.target_dirty_bytes)))
    }

    pub(super) fn start(self: &Arc<Self>, appends: Vec<Append>) {
        for append in appends {
            self.start_append(append);
        }
    }

    /// Runs beside an open batch, and pushes it when it is old enough. It does not keep the writer alive.
    pub(super) fn start_ager(self: &Arc<Self>, state: &mut State) {
        if state.ager {
            return;
        }
        state.ager = true;
        let writer = Arc::downgrade(self);
        let env = self.shared.env.clone();
        let mut wait = self.shared.options.cache.max_dirty_age;
        self.shared.env.spawn(Box::pin(async move {
            loop {
                env.sleep(wait).await;
                match tick(&writer) {
                    Some(next) => wait = next,
                    None => return,
                }
            }
        }));
    }
}

/// One look at the open batch's age; when to look again, `None`: not before a new batch is opened.
fn tick(writer: &Weak<Writer>) -> Option<Duration> {
    const RETRY: Duration = Duration::from_secs(1);
    let writer = writer.upgrade()?;
    let mut state = writer.state.lock();
    let age = writer.shared.options.cache.max_dirty_age;
    let mut next = None;
    if state.failed.is_none() {
        if state.no_space.is_some() {
            // There may be room by now. Whoever waits has been told already.
            state.no_space = None;
            next = Some(age.max(RETRY));
        }
        if let Some(batch) = &state.active {
            let due = (batch.opened + age).saturating_sub(writer.shared.env.now());
            state.aged |= due.is_zero();
            next = Some(if due.is_zero() { age.max(Duration::from_millis(1)) } else { due });
        }
    }
    state.ager = next.is_some();
    let appends = writer.pump(&mut state);
    drop(state);
    writer.start(appends);
    next
}
