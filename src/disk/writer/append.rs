//! One append: the op list that makes records durable, and what its outcome means.

use std::sync::Arc;

use super::super::takeover::create_segment;
use super::wait::Waiter;
use super::{Stage, State, Writer};
use crate::disk::buffer::Record;
use crate::disk::log::RecordKind;
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::shared::{epoch_is, store_error, when_full};
use crate::disk::{DiskError, DiskResult, LocalSeq, Lsn};
use crate::errno::Errno;
use crate::store::{Op, Reply, Request, StoreResult, Summed};

/// Neighbouring records of one segment that are sent together.
pub(super) struct Append {
    pub records: Vec<Arc<Record>>,
}

impl Writer {
    /// Sends an append; what follows is done by whoever brings the store's answer.
    pub(super) fn start_append(self: &Arc<Self>, append: Append) {
        let records = append.records;
        let Some(first) = records.first() else { return };
        let (segment, creates) = (first.place.segment, first.place.creates_segment());
        let makes_room = records.iter().all(|record| record.makes_room());
        let writer = self.clone();
        if first.payload {
            return self.shared.env.spawn_here(Box::pin(async move {
                let made = writer.append_payload(&records[0], makes_room).await;
                writer.appended(&records, made);
            }));
        }
        let writes: Vec<Summed> = records.iter().map(|record| record.write()).collect();
        if creates {
            return self.shared.env.spawn_here(Box::pin(async move {
                let made = create_segment(&writer.shared, writer.epoch, segment, writes, makes_room).await;
                writer.appended(&records, made);
            }));
        }
        // A sealed segment has a newer epoch: then nothing is written.
        let mut ops = vec![epoch_is(self.epoch).into()];
        if broken(Sabotage::AppendWithoutEpoch) {
            ops.clear();
        }
        ops.extend(writes);
        let target = self.shared.names.segment(segment);
        let mut request = Request::summed(target.clone(), ops);
        request.flags = when_full(makes_room);
        let done = Box::new(move |reply: StoreResult<Reply>| match reply.and_then(Reply::ok) {
            Ok(_) => writer.appended(&records, Ok(())),
            Err(source) => writer.append_failed(records, store_error(&target, source)),
        });
        if let Some((request, done)) = self.shared.store.submit(request, done) {
            let answer = self.shared.store.operate(request);
            self.shared.env.spawn_here(Box::pin(async move { done(answer.await) }));
        }
    }

    fn append_failed(self: &Arc<Self>, records: Vec<Arc<Record>>, error: DiskError) {
        if !matches!(error.store_errno(), Some(Errno::ECANCELED | Errno::ENOENT)) {
            return self.appended(&records, Err(error));
        }
        // Sealed, or collected and deleted by a newer writer.
        let writer = self.clone();
        self.shared.env.spawn(Box::pin(async move {
            let error = writer.shared.unless_fenced(writer.epoch, error).await;
            writer.appended(&records, Err(error));
        }));
    }

    /// A segment whose records are in its payload. The stub is what makes it part of the log, as the creation of any other
    /// segment does, so it comes when the payload is durable.
    async fn append_payload(&self, record: &Record, makes_room: bool) -> DiskResult<()> {
        let segment = record.place.segment;
        let stub = vec![Op::Write { offset: 0, data: record.stub() }.into()];
        if broken(Sabotage::StubBeforePayload) {
            create_segment(&self.shared, self.epoch, segment, stub.clone(), makes_room).await?;
            return self.shared.put_payload(self.epoch, record, makes_room).await;
        }
        self.shared.put_payload(self.epoch, record, makes_room).await?;
        create_segment(&self.shared, self.epoch, segment, stub, makes_room).await
    }

    fn appended(self: &Arc<Self>, records: &[Arc<Record>], mut outcome: DiskResult<()>) {
        if broken(Sabotage::FencedAcknowledges) && matches!(outcome, Err(DiskError::Fenced { .. })) {
            outcome = Ok(());
        }
        let mut told = Vec::new();
        let mut state = self.state.lock();
        state.appends_in_flight -= 1;
        state.held_back = false;
        match outcome {
            Ok(()) => {
                set_stage(&mut state, records, Stage::Durable);
                state.stats.appends += 1;
                state.stats.records += records.len() as u64;
                state.stats.log_bytes += records.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
                for record in records.iter().filter(|record| record.kind == RecordKind::Gc) {
                    state.stats.gc_bytes += record.bytes.len() as u64;
                    state.stats.gc_blocks +=
                        record.extents.iter().map(|(extent, _)| u64::from(extent.blocks)).sum::<u64>();
                }
                state.stats.segments += records.iter().filter(|r| r.place.creates_segment()).count() as u64;
                let first = records.first().map(|record| record.lsn);
                let sent = state
                    .queue
                    .iter()
                    .find(|queued| Some(queued.record.lsn) == first)
                    .map(|queued| queued.sent);
                told = self.advance_durable(&mut state);
                self.let_go(&mut state, told.len(), sent.unwrap_or_default());
            }
            Err(error) if error.is_no_space() => {
                // No effect, and no failure: the same bytes go to the same place when there is room.
                set_stage(&mut state, records, Stage::Waiting);
                let first = records.first().map_or(Lsn(0), |record| record.lsn);
                if std::mem::take(&mut state.try_again) {
                    // Someone has come to wait for these records since they were sent.
                    let appends = self.pump(&mut state);
                    drop(state);
                    return self.start(appends);
                }
                tracing::warn!("{error}; record {} waits for room", first.0);
                self.out_of_space(&mut state, first, error);
            }
            // The outcome may be unknown (the op may have happened): this writer cannot go on from here.
            Err(error) => self.fail(&mut state, error),
        }
        let appends = self.pump(&mut state);
        let apply = self.is_to_apply(&mut state);
        drop(state);
        self.start(appends);
        for waiter in told {
            // ACK (flush, write-through): every record up to the waiter's is durable in the store, contiguously.
            waiter.tell(Ok(()));
        }
        if apply {
            self.start_applying();
        }
    }

    /// The durable LSN goes up to the last record before which there is no gap. Only this makes a flush complete, of those that are
    /// returned.
    #[must_use]
    fn advance_durable(&self, state: &mut State) -> Vec<Waiter> {
        let mut drained = LocalSeq(0);
        for queued in &state.queue {
            if queued.stage != Stage::Durable {
                if broken(Sabotage::FlushOverGap) {
                    continue;
                }
                break;
            }
            state.durable = state.durable.max(queued.record.lsn);
            drained = drained.max(queued.record.local);
        }
        if let Some(log) = &state.local {
            log.drained(drained);
        }
        let done = state.durable;
        let later = state.durable_waiters.split_off(&Lsn(done.0 + 1));
        std::mem::replace(&mut state.durable_waiters, later).into_values().flatten().collect()
    }

    fn out_of_space(self: &Arc<Self>, state: &mut State, first: Lsn, error: DiskError) {
        for waiter in state.durable_waiters.split_off(&first).into_values().flatten() {
            waiter.tell(Err(error.clone()));
        }
        state.wanted = state.wanted.min(Lsn(first.0 - 1));
        state.no_space = Some(error);
        self.no_space.notify_waiters();
        if let Some(log) = &state.local {
            log.moved.notify_waiters();
        }
        self.start_ager(state);
    }

    /// For good: the image takes no more writes through this opener.
    pub(super) fn fail(&self, state: &mut State, error: DiskError) {
        if state.failed.is_some() {
            return;
        }
        tracing::error!("the image takes no more writes: {error}");
        if let Some(log) = state.local.take() {
            log.end();
        }
        self.let_go_of_log();
        // Who is fenced is told so, however often it asks.
        let sticky = match error.is_fence() {
            true => error,
            false => DiskError::Failed { reason: error.to_string() },
        };
        state.failed = Some(sticky.clone());
        self.set_gc_behind(state, false);
        let durable = std::mem::take(&mut state.durable_waiters);
        let applied = std::mem::take(&mut state.applied_waiters);
        for waiter in durable.into_values().chain(applied.into_values()).flatten() {
            waiter.tell(Err(sticky.clone()));
        }
        state.checkpoint.fail(&sticky);
        self.room.close();
    }
}

fn set_stage(state: &mut State, records: &[Arc<Record>], stage: Stage) {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
    for queued in &mut state.queue {
        if (first.lsn..=last.lsn).contains(&queued.record.lsn) {
            queued.stage = stage;
        }
    }
}
