//! Becoming the writer: takes the epoch, seals and replays the log, creates the next segment.
//!
//! Safe against older writers that still run, and against a crash at any await: until the newcomer's own segment
//! exists, whatever an older writer manages to append is found and replayed by the next newcomer; from then on
//! nothing of an older writer can become part of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::buffer::{BufferPool, Place, Record, RecordSpec};
use super::head::Head;
use super::header::Header;
use super::log::{RecordKind, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::payload::remove_ended;
use super::reader::{Lender, Lent, Reader, Replayed};
use super::replay::{LogCursor, LogPosition, Loss, Peek, Step};
use super::sabotage::{Accepted, Sabotage, accepted, broken};
use super::shared::{Shared, data_of, epoch_at_most, epoch_is, get_epoch, set_epoch, store_error, when_full};
use super::ssd::{self, LocalChanges, MARK_KEY};
use super::writer::{Start, Writer};
use super::{
    DiskError, DiskResult, DiskStats, LocalSeq, Lsn, Pressure, Replay, RootBlob, SegmentSeq, WriterEpoch,
};
use crate::errno::Errno;
use crate::store::{Op, Reply, Request, Summed};

/// LSNs that a lost writer may have used past the end of the log are never used again: it cannot have had so many
/// records under way.
const LSN_JUMP: u64 = 1 << 20;
/// Epochs before this one whose payloads without a stub are looked for.
const MOST_ENDED: usize = 4;
/// Attempts to take the epoch while others take it, too.
const EPOCH_ATTEMPTS: u32 = 16;
/// Attempts to create a segment while late op lists of older writers put theirs at its number.
const CREATE_ATTEMPTS: u32 = 16;

/// How creating a segment ended.
pub(crate) enum Created {
    Yes,
    /// The number is part of another writer's log.
    Taken {
        by: WriterEpoch,
    },
    /// What is not part of the log at this number is not what it was: an op list of an older writer came late.
    Changed,
}

/// Takes the image over, whoever was its writer before. What this opener has replayed as a reader it need not again.
pub(crate) async fn take_over(
    shared: &Arc<Shared>,
    reader: &Reader,
    local: LocalChanges,
) -> DiskResult<Arc<Writer>> {
    let epoch = take_epoch(shared).await?;
    let mut lender = reader.lender().await;
    match replay(shared, epoch, &mut lender, local).await {
        Ok(writer) => {
            lender.handed_over();
            Ok(writer)
        }
        Err(error) => Err(shared.unless_fenced(epoch, error).await),
    }
}

/// Where replay begins: with a view of this root that the reader has, or else with the root itself.
async fn begin(
    shared: &Arc<Shared>,
    epoch: WriterEpoch,
    header: &Header,
    lender: &mut Lender<'_>,
) -> DiskResult<Lent> {
    if let Some(lent) = lender.lend(&header.root) {
        let first = lent.head.state.published_segment();
        let cursor = lent.cursor.into_writers(shared, first, epoch).await?;
        return Ok(Lent { cursor, ..lent });
    }
    let (head, position) = Head::open(shared, &header.root).await?;
    let cursor = LogCursor::new(position, Some(epoch));
    Ok(Lent { head, cursor, replayed: Replayed::default() })
}

async fn replay(
    shared: &Arc<Shared>,
    epoch: WriterEpoch,
    lender: &mut Lender<'_>,
    local: LocalChanges,
) -> DiskResult<Arc<Writer>> {
    let begun = shared.env.now();
    // Nobody with a lower epoch can change the header from here on.
    let header = Header::read(&shared.store, &shared.names).await?;
    if header.epoch != epoch {
        return Err(DiskError::Fenced { mine: epoch.0, theirs: header.epoch.0 });
    }
    let left = match header.local_mark.clone() {
        Ok(None) => None,
        mark if local == LocalChanges::GiveUp => {
            let key = vec![Bytes::from_static(MARK_KEY.as_bytes())];
            Header::update(&shared.store, &shared.names, epoch, BTreeMap::new(), key).await?;
            let log = match mark {
                Ok(mark) => mark.map(|mark| mark.path).unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            tracing::warn!("{}: what only a local log had is given up: {log}", shared.names.header().oid);
            None
        }
        Ok(Some(mark)) => Some(ssd::find(shared, mark).await?),
        Err(error) => return Err(error),
    };
    let root = RootBlob::decode(&header.root, &shared.names.header().oid)?;
    let Lent { head, mut cursor, mut replayed } = begin(shared, epoch, &header, lender).await?;
    head.state.set_epoch(epoch);
    let mut stats =
        DiskStats { checkpoint_lsn: root.lsn.0, replay_bytes: replayed.bytes, ..DiskStats::default() };
    let root_epoch = root.epoch;
    let mut begun_with = Some(root);
    let mut checked = false;
    let mut roomy = true;
    let mut suspect: Option<Loss> = None;
    loop {
        if roomy && head.state.pressure() >= Pressure::Checkpoint {
            let position = cursor.position();
            roomy = make_room(shared, &head, position, &cursor, &mut begun_with, &mut stats).await?;
        }
        let before = cursor.position();
        match cursor.step(shared).await? {
            Step::Records(records) => {
                let extents = records.iter().flat_map(|record| &record.index.extents);
                if roomy && head.pressure_before(extents) >= Pressure::Checkpoint {
                    roomy = make_room(shared, &head, before, &cursor, &mut begun_with, &mut stats).await?;
                }
                for record in &records {
                    head.apply_log(record).await?;
                }
                let before = replayed.bytes;
                replayed.add(&records);
                stats.replay_bytes += replayed.bytes - before;
                continue;
            }
            Step::Gone => {
                let object = shared.names.segment(cursor.position().segment).oid.to_string();
                let detail = "the segment that replay begins with is missing".to_owned();
                return Err(DiskError::Corrupt { object, offset: cursor.position().offset, detail });
            }
            Step::End => {}
        }
        if !checked {
            match suspect.take() {
                Some(Loss { knows, error }) if cursor.position().lsn < knows => return Err(error),
                Some(_) => {}
                None => suspect = cursor.loss(shared).await?,
            }
            if suspect.is_some() {
                // An older newcomer, late like us, may have gone on since we saw the end: look again, once.
                continue;
            }
            checked = true;
        }
        if let Some(start) = create_first(shared, &cursor, &head, epoch).await? {
            (stats.replayed_records, stats.replayed_bytes) = (replayed.records, replayed.bytes);
            tracing::info!(
                "{}: epoch {}, replayed {} records, {} bytes, in {:.3} s",
                shared.names.header().oid,
                epoch.0,
                stats.replayed_records,
                stats.replayed_bytes,
                shared.env.now().saturating_sub(begun).as_secs_f64()
            );
            start_warming(shared, &head);
            stats.replay_bytes += start.offset;
            // Those whose log has ended here or before, as far as the root does not know of it.
            let mut ended = cursor.ended().to_vec();
            let possible = (root_epoch.0..epoch.0).rev().take(MOST_ENDED).map(WriterEpoch);
            ended.extend(possible.chain([cursor.epoch()]).map(|older| (start.segment, older)));
            let writer = Writer::new(shared.clone(), head, start, stats, begun_with, ended);
            writer.begin_local(left).await?;
            writer.start_gc();
            return Ok(writer);
        }
        // An older writer was faster: its segment is part of the log.
    }
}

/// Publishes what is replayed, up to `position`, before the changed pages take more memory than the map may have. It is final: no older
/// writer can add to segments that are sealed, and whoever comes next would accept the same records. False: it could
/// not be done, and memory has to do.
async fn make_room(
    shared: &Shared,
    head: &Head,
    position: LogPosition,
    cursor: &LogCursor,
    begun_with: &mut Option<RootBlob>,
    stats: &mut DiskStats,
) -> DiskResult<bool> {
    // As before any writer's first checkpoint: the next one looks only for what was left after the published one.
    if let Some(root) = begun_with {
        if let Err(error) = head.state.remove_orphans(root).await {
            tracing::warn!("no checkpoint during replay: {error}");
            return Ok(false);
        }
        *begun_with = None;
    }
    if let Err(error) = remove_ended(shared, cursor.ended()).await {
        tracing::warn!("no checkpoint during replay: {error}");
        return Ok(false);
    }
    let replay = Replay { segment: position.segment, offset: position.offset as u32 };
    let Some(frozen) = head.state.freeze(replay)? else { return Ok(false) };
    let no_pairs = |_: &RootBlob| BTreeMap::new();
    match frozen.commit(&shared.store, &shared.names.header(), no_pairs).await {
        Ok((_, root)) => {
            tracing::info!("{}: checkpoint at {} during replay", shared.names.header().oid, root.lsn.0);
            stats.checkpoint_lsn = root.lsn.0;
            stats.replay_bytes = 0;
            stats.checkpoints += 1;
            Ok(true)
        }
        Err(error @ DiskError::Fenced { .. }) => Err(error),
        // It may be published or not: the next checkpoint decides.
        Err(error) => {
            tracing::warn!("no checkpoint during replay: {error}");
            Ok(false)
        }
    }
}

/// Loads the map's inner pages beside what the opener does. What cannot be loaded now fails when it is needed.
pub(crate) fn start_warming(shared: &Arc<Shared>, head: &Head) {
    let state = head.state.clone();
    shared.env.spawn(Box::pin(async move {
        if let Err(error) = state.warm().await {
            tracing::debug!("loading inner pages of the map: {error}");
        }
    }));
}

async fn take_epoch(shared: &Shared) -> DiskResult<WriterEpoch> {
    let target = shared.names.header();
    for _ in 0..EPOCH_ATTEMPTS {
        let current = shared
            .read_epoch(&target)
            .await?
            .ok_or_else(|| store_error(&target, crate::store::StoreError::Op(Errno::ENOENT)))?;
        if let Some(mine) = Header::take_epoch(&shared.store, &shared.names, current).await? {
            return Ok(mine);
        }
    }
    Err(DiskError::Failed { reason: format!("{}: others keep taking the image over", target.oid) })
}

/// Creates the segment after the log's end, with an EpochStart record. `None`: the number is taken by a segment that
/// may belong to the log.
async fn create_first(
    shared: &Arc<Shared>,
    cursor: &LogCursor,
    head: &Head,
    epoch: WriterEpoch,
) -> DiskResult<Option<Start>> {
    let last = cursor.position().lsn;
    let lsn = Lsn(last.0 + LSN_JUMP);
    let spec = RecordSpec {
        uuid: shared.format.uuid,
        epoch,
        segment_bytes: shared.format.segment_bytes,
        durable: last,
        local: LocalSeq(0),
        payload: false,
    };
    let segment = cursor.next_segment();
    let place = Place { segment, offset: SEGMENT_HEADER_BYTES as u64 };
    let kind = RecordKind::EpochStart { last };
    let record = Record::without_data(&spec, &BufferPool::new(), lsn, kind, place);
    accepted(epoch, lsn, Accepted::Epoch { last, after: cursor.epoch() });
    match cursor.peek(shared, segment).await? {
        Peek::Next(_) => return Ok(None),
        Peek::Missing => {
            let ops = vec![Op::Create { exclusive: true }.into(), set_epoch(epoch).into(), record.write()];
            match operate(shared, segment, ops, true).await {
                Ok(_) => {}
                Err(error) if error.store_errno() == Some(Errno::EEXIST) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Peek::Orphan(header, raw) => {
            if let Some(theirs) = header.map(|header| header.epoch).filter(|theirs| *theirs >= epoch) {
                return Err(DiskError::Fenced { mine: epoch.0, theirs: theirs.0 });
            }
            match replace_orphan(shared, epoch, segment, raw, vec![record.write()], true).await? {
                Created::Yes => {}
                Created::Taken { .. } | Created::Changed => return Ok(None),
            }
        }
    }
    confirm_creation(shared, epoch, segment).await?;
    head.apply(record.at(epoch), kind, &[]).await?;
    Ok(Some(Start { epoch, lsn, segment, offset: record.end() }))
}

/// Creates a segment of a writer that runs. `writes` put its header and first records in place.
pub(crate) async fn create_segment(
    shared: &Shared,
    epoch: WriterEpoch,
    segment: SegmentSeq,
    writes: Vec<Summed>,
    makes_room: bool,
) -> DiskResult<()> {
    for _ in 0..CREATE_ATTEMPTS {
        match try_create_segment(shared, epoch, segment, &writes, makes_room).await? {
            Created::Yes => return Ok(()),
            Created::Taken { by } => return Err(DiskError::Fenced { mine: epoch.0, theirs: by.0 }),
            Created::Changed => {}
        }
    }
    let object = shared.names.segment(segment).oid;
    Err(DiskError::Failed { reason: format!("{object}: others keep replacing it") })
}

async fn try_create_segment(
    shared: &Shared,
    epoch: WriterEpoch,
    segment: SegmentSeq,
    writes: &[Summed],
    makes_room: bool,
) -> DiskResult<Created> {
    let mut ops = vec![Op::Create { exclusive: true }.into(), set_epoch(epoch).into()];
    ops.extend_from_slice(writes);
    match operate(shared, segment, ops, makes_room).await {
        Ok(_) => {
            confirm_creation(shared, epoch, segment).await?;
            return Ok(Created::Yes);
        }
        Err(error) if error.store_errno() == Some(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    // The number is taken: by an orphan of an older writer, which never was part of the log, or by a newcomer.
    let target = shared.names.segment(segment);
    let read = Op::Read { offset: 0, length: SEGMENT_HEADER_BYTES as u64 };
    let mut reply = match shared.run(&target, vec![get_epoch(), read]).await {
        Ok(reply) => reply,
        // A newcomer's, who has deleted it since.
        Err(error) if error.is_not_found() => return Err(shared.unless_fenced(epoch, error).await),
        Err(error) => return Err(error),
    };
    let sealed = super::shared::epoch_of(&mut reply, 0, &target)?;
    let raw = data_of(&mut reply, 1);
    let theirs = SegmentHeader::decode(&raw).map_or(sealed, |header| header.epoch.max(sealed));
    if theirs > epoch || SegmentHeader::decode(&raw).is_ok_and(|header| header.epoch == epoch) {
        return Ok(Created::Taken { by: theirs });
    }
    let created = replace_orphan(shared, epoch, segment, raw, writes.to_vec(), makes_room).await?;
    if matches!(created, Created::Yes) {
        confirm_creation(shared, epoch, segment).await?;
    }
    Ok(created)
}

/// A creation counts only if the header has the writer's epoch still, after it took effect. If so, no newcomer had
/// begun by then, and the next one finds the segment. Otherwise the number may be one that a newcomer has used,
/// collected and deleted long ago: this op list came late (a paused host), "exclusive" said nothing, and what it
/// holds is part of no log.
async fn confirm_creation(shared: &Shared, mine: WriterEpoch, segment: SegmentSeq) -> DiskResult<()> {
    if shared.read_epoch(&shared.names.header()).await? == Some(mine) || broken(Sabotage::CreationUnconfirmed)
    {
        return Ok(());
    }
    let header = Header::read(&shared.store, &shared.names).await?;
    let target = shared.names.segment(segment);
    if RootBlob::decode(&header.root, &shared.names.header().oid)?.replay.segment > segment {
        // Nobody will ever look for it.
        if let Err(error) = shared.remove(&target, vec![epoch_is(mine)]).await {
            tracing::warn!("{}: left behind: {error}", target.oid);
        } else if shared.format.payloads {
            let payload = shared.names.payload(segment, mine);
            if let Err(error) = shared.remove_payload(&payload).await {
                tracing::warn!("{error}; left behind");
            }
        }
    }
    Err(DiskError::Fenced { mine: mine.0, theirs: header.epoch.0 })
}

/// Replaces a segment that is not part of the log. It must still be the one whose header is `raw`, so that a
/// repetition of this op list that comes late does not hit what has taken its place.
async fn replace_orphan(
    shared: &Shared,
    epoch: WriterEpoch,
    segment: SegmentSeq,
    raw: Bytes,
    writes: Vec<Summed>,
    makes_room: bool,
) -> DiskResult<Created> {
    let is_orphan = Op::CmpExt { offset: 0, data: raw };
    let ops = [epoch_at_most(epoch), is_orphan, Op::Truncate { size: 0 }, set_epoch(epoch)];
    let ops = ops.map(Summed::from).into_iter().chain(writes).collect();
    tracing::info!("{}: replacing an orphan", shared.names.segment(segment).oid);
    match operate(shared, segment, ops, makes_room).await {
        Ok(_) => Ok(Created::Yes),
        Err(error) => {
            let target = shared.names.segment(segment);
            match shared.read_epoch(&target).await? {
                Some(by) if by > epoch => Ok(Created::Taken { by }),
                Some(_) if error.is_mismatch() => Ok(Created::Changed),
                // Someone else replaced it, or a lost reply was of a success: not to be told apart here.
                Some(_) | None => Err(error),
            }
        }
    }
}

async fn operate(
    shared: &Shared,
    segment: SegmentSeq,
    ops: Vec<Summed>,
    makes_room: bool,
) -> DiskResult<Reply> {
    let target = shared.names.segment(segment);
    let mut request = Request::summed(target.clone(), ops);
    request.flags = when_full(makes_room);
    let reply = shared.store.operate(request).await;
    reply.and_then(Reply::ok).map_err(|source| store_error(&target, source))
}
