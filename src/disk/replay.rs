//! Follows the log from a position to its end: what counts as valid, where the log ends, and when its end is a loss.
//!
//! Stores are atomic, so a record is there whole or not at all, and its header and extents decide. A block whose
//! slot has rotted fails alone, when it is read.

use bytes::Bytes;

use super::log::{
    FormatError, Index, RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use super::pages::all;
use super::payload::Records;
use super::sabotage::{Sabotage, broken};
use super::shared::{Shared, data_of, epoch_below, set_epoch, size_of};
use super::{DiskError, DiskResult, Lsn, RecordAt, SegmentSeq, WriterEpoch};
use crate::errno::Errno;
use crate::store::{Op, Target};

/// The first read at a place; doubled while records are small.
const FIRST_READ: u64 = 4 << 10;
const MAX_READ: u64 = 1 << 20;
/// Segments past the end that may exist without being part of the log: a writer has no more appends in flight.
pub(crate) const MAX_IN_FLIGHT: u32 = 16;
const HEADER: u64 = SEGMENT_HEADER_BYTES as u64;

/// A position in the log: what comes next is at `offset` of `segment` (0: the segment is still to be entered) and
/// follows the record `lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub segment: SegmentSeq,
    pub offset: u64,
    pub lsn: Lsn,
}

/// A valid record of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogRecord {
    pub header: RecordHeader,
    pub index: Index,
    pub segment: SegmentSeq,
    pub offset: u64,
    /// It is in a payload.
    pub payload: bool,
}

impl LogRecord {
    /// As what it is applied.
    pub fn at(&self) -> RecordAt {
        RecordAt {
            lsn: self.header.lsn,
            segment: self.segment,
            bytes: self.stored_bytes() as u32,
            payload: self.payload.then_some(self.header.epoch),
        }
    }

    /// Bytes of the segment that it takes, with the segment's header if it is the first.
    pub fn stored_bytes(&self) -> u64 {
        self.header.length() + if self.offset == HEADER { HEADER } else { 0 }
    }
}

#[derive(Debug)]
pub(crate) enum Step {
    Records(Vec<LogRecord>),
    /// Nothing more now.
    End,
    /// The segment of the position does not exist any more: a newer checkpoint is past it.
    Gone,
}

/// What there is at a segment's number.
#[derive(Debug)]
pub(crate) enum Peek {
    Missing,
    /// The log goes on with it.
    Next(SegmentHeader),
    /// Not part of the log; the bytes of its header, as far as there are any.
    Orphan(Option<SegmentHeader>, Bytes),
}

/// The log ends before a record that is known to have been durable.
pub(crate) struct Loss {
    pub knows: Lsn,
    pub error: DiskError,
}

#[derive(Clone)]
pub(crate) struct LogCursor {
    position: LogPosition,
    /// Epoch in the header of the last segment entered.
    epoch: WriterEpoch,
    entered: bool,
    /// Where its records are.
    records: Option<Records>,
    /// Epochs whose log was found to go on in a segment of a newer one: that segment, and the older epoch.
    ended: Vec<(SegmentSeq, WriterEpoch)>,
    /// A writer seals what it enters.
    seal: Option<WriterEpoch>,
    /// Why the entered segment has no record at the position although it has bytes there.
    damage: Option<DiskError>,
    read: u64,
}

impl LogCursor {
    pub fn new(position: LogPosition, seal: Option<WriterEpoch>) -> LogCursor {
        LogCursor {
            position,
            epoch: WriterEpoch(0),
            entered: false,
            records: None,
            ended: Vec::new(),
            seal,
            damage: None,
            read: FIRST_READ,
        }
    }

    /// Goes on as a writer's: seals what a reader's cursor has followed from the segment `first` on. What an older
    /// writer adds to the last of them before it is sealed is what the next step finds.
    pub async fn into_writers(
        mut self,
        shared: &Shared,
        first: SegmentSeq,
        epoch: WriterEpoch,
    ) -> DiskResult<LogCursor> {
        self.seal = Some(epoch);
        self.read = FIRST_READ;
        let cursor = &self;
        let followed = (first.0..self.next_segment().0).map(SegmentSeq);
        let sealed = followed.map(|segment| async move {
            if cursor.seal(shared, segment).await? {
                return Ok(());
            }
            // Only a newer root makes a segment deletable.
            let object = shared.names.segment(segment).oid.to_string();
            let detail = "a segment that replay needs is missing".to_owned();
            Err(DiskError::Corrupt { object, offset: 0, detail })
        });
        all(sealed, MAX_IN_FLIGHT as usize).await?;
        Ok(self)
    }

    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The epoch of the last segment entered: whose log this is the end of.
    pub fn epoch(&self) -> WriterEpoch {
        self.epoch
    }

    /// Epochs whose log has ended, and where that of a newer one goes on: what an older one has or will have from there on
    /// is part of no log.
    pub fn ended(&self) -> &[(SegmentSeq, WriterEpoch)] {
        &self.ended
    }

    /// The number that comes after the log's end.
    pub fn next_segment(&self) -> SegmentSeq {
        SegmentSeq(self.position.segment.0 + u64::from(self.entered))
    }

    /// The next records, in order.
    pub async fn step(&mut self, shared: &Shared) -> DiskResult<Step> {
        let mut looked_again = false;
        loop {
            if !self.entered {
                match self.peek(shared, self.position.segment).await? {
                    Peek::Next(header) => {
                        if !self.seal(shared, self.position.segment).await? {
                            continue;
                        }
                        self.entered = true;
                        self.records = Some(shared.records_of(&header));
                        if self.epoch != WriterEpoch(0) && self.epoch < header.epoch {
                            self.ended.push((self.position.segment, self.epoch));
                        }
                        self.epoch = header.epoch;
                        self.position.offset = self.position.offset.max(HEADER);
                    }
                    Peek::Missing if self.position.offset > 0 => return Ok(Step::Gone),
                    Peek::Missing | Peek::Orphan(..) => return Ok(Step::End),
                }
            }
            let records = match self.read_records(shared).await {
                Ok(records) => records,
                Err(error) if error.is_not_found() => return Ok(Step::Gone),
                Err(error) => return Err(error),
            };
            if !records.is_empty() {
                return Ok(Step::Records(records));
            }
            match self.peek(shared, self.next_segment()).await? {
                Peek::Next(_) => {
                    if let Some(damage) = self.damage.take() {
                        // Whoever wrote the next segment had judged so, too.
                        tracing::warn!("{damage}; the log goes on in the next segment");
                    }
                    self.position.segment = self.next_segment();
                    self.position.offset = 0;
                    self.entered = false;
                    looked_again = false;
                }
                // This segment may have grown, and the next one come, after it was read.
                Peek::Orphan(..) if !looked_again => looked_again = true,
                Peek::Missing | Peek::Orphan(..) => return Ok(Step::End),
            }
        }
    }

    /// Looks at a segment's number: does the log, which is at its end, go on there?
    pub async fn peek(&self, shared: &Shared, segment: SegmentSeq) -> DiskResult<Peek> {
        let target = shared.names.segment(segment);
        let mut reply =
            match shared.run(&target, vec![Op::Stat, Op::Read { offset: 0, length: HEADER }]).await {
                Ok(reply) => reply,
                Err(error) if error.is_not_found() => return Ok(Peek::Missing),
                Err(error) => return Err(error),
            };
        let raw = data_of(&mut reply, 1);
        if size_of(&reply, 0) == 0 {
            // Creating a segment writes its header in the same op list, so this is not one of ours.
            return Ok(Peek::Orphan(None, raw));
        }
        let header = SegmentHeader::decode(&raw).map_err(|error| error.at(&target.oid, 0))?;
        if header.uuid != shared.format.uuid {
            return Ok(Peek::Orphan(None, raw));
        }
        let stray = header.payload.is_some() && !shared.format.payloads;
        if header.seq != segment || header.segment_bytes != shared.format.segment_bytes || stray {
            let detail = "segment header: number or size".to_owned();
            return Err(DiskError::Corrupt { object: target.oid.to_string(), offset: 0, detail });
        }
        // Entering the log within a segment: what is before the position was accepted when it was checkpointed.
        let within = segment == self.position.segment && self.position.offset > 0;
        let hole = broken(Sabotage::ReplayPastHole) && header.prev_lsn > self.position.lsn;
        if header.epoch >= self.epoch && (within || header.prev_lsn == self.position.lsn || hole) {
            Ok(Peek::Next(header))
        } else {
            Ok(Peek::Orphan(Some(header), raw))
        }
    }

    /// Makes a segment refuse appends of older writers. False if it is gone.
    async fn seal(&self, shared: &Shared, segment: SegmentSeq) -> DiskResult<bool> {
        let Some(mine) = self.seal.filter(|_| !broken(Sabotage::TakeOverWithoutSeal)) else {
            return Ok(true);
        };
        let target = shared.names.segment(segment);
        match shared.run(&target, vec![epoch_below(mine), set_epoch(mine)]).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) if error.store_errno() == Some(Errno::ECANCELED) => {
                match shared.read_epoch(&target).await? {
                    // An earlier attempt of this take-over has sealed it.
                    Some(theirs) if theirs == mine => Ok(true),
                    Some(theirs) if theirs > mine => {
                        Err(DiskError::Fenced { mine: mine.0, theirs: theirs.0 })
                    }
                    Some(_) | None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Reads valid records from the position on, at most about `MAX_READ` bytes of log; empty at the segment's end.
    async fn read_records(&mut self, shared: &Shared) -> DiskResult<Vec<LogRecord>> {
        let segment = self.position.segment;
        let Records { target, base, length } = self.records(shared);
        let start = self.position.offset;
        let ops = vec![Op::Stat, Op::Read { offset: start, length: self.read }];
        let mut reply = shared.run(&target, ops).await?;
        let size = size_of(&reply, 0);
        if let Some(length) = length.filter(|length| *length > size) {
            // The stub came after it, so it was whole.
            let detail = format!("has {size} bytes, its stub says {length}");
            return Err(DiskError::Corrupt { object: target.oid.to_string(), offset: size, detail });
        }
        let size = length.unwrap_or(size);
        let chunk = data_of(&mut reply, 1);
        let mut records = Vec::new();
        self.damage = None;
        loop {
            let at = self.position.offset;
            let rest = chunk.get((at - start) as usize..).unwrap_or(&[]);
            if at >= size || (rest.len() < RECORD_HEADER_BYTES && !records.is_empty()) {
                break;
            }
            let header = match self.check(rest, size) {
                Ok(header) => header,
                Err(error) => {
                    self.damaged(&target, error)?;
                    break;
                }
            };
            let from = header.index_offset();
            let to = from + header.index_bytes();
            let index = match rest.get(from as usize..to as usize) {
                Some(index) => Bytes::copy_from_slice(index),
                None if !records.is_empty() => break,
                None => {
                    let read = Op::Read { offset: at + from, length: to - from };
                    data_of(&mut shared.run(&target, vec![read]).await?, 0)
                }
            };
            let index = match Index::decode(&header, segment, base + at, &index) {
                Ok(index) => index,
                Err(error) => {
                    self.damaged(&target, error)?;
                    break;
                }
            };
            if broken(Sabotage::ReplayStopsEarly) && at + header.length() >= size && header.slots > 0 {
                break;
            }
            self.position.offset += header.length();
            self.position.lsn = header.lsn;
            records.push(LogRecord { header, index, segment, offset: at, payload: base > 0 });
        }
        self.read = if records.len() > 1 { (self.read * 2).min(MAX_READ) } else { FIRST_READ };
        Ok(records)
    }

    /// Where the records of the position's segment are, which was entered.
    fn records(&self, shared: &Shared) -> Records {
        let appended =
            || Records { target: shared.names.segment(self.position.segment), base: 0, length: None };
        self.records.clone().unwrap_or_else(appended)
    }

    /// Decodes the header of the record at the position, and checks that it is the next one.
    fn check(&self, raw: &[u8], size: u64) -> Result<RecordHeader, FormatError> {
        let nonsense = |detail| FormatError::Nonsense { what: "record", detail };
        let header = RecordHeader::decode(raw)?;
        if self.position.offset + header.length() > size {
            return Err(FormatError::Short { what: "record" });
        }
        if header.epoch != self.epoch {
            return Err(nonsense("epoch"));
        }
        let follows = match header.kind {
            _ if broken(Sabotage::ReplayPastHole) => header.lsn > self.position.lsn,
            RecordKind::EpochStart { last } => last == self.position.lsn && header.lsn > last,
            RecordKind::Data
            | RecordKind::Resize { .. }
            | RecordKind::SnapCreate { .. }
            | RecordKind::Gc
            | RecordKind::Rollback { .. } => header.lsn.0 == self.position.lsn.0.wrapping_add(1),
        };
        if follows { Ok(header) } else { Err(nonsense("LSN")) }
    }

    fn damaged(&mut self, target: &Target, error: FormatError) -> DiskResult<()> {
        let error = error.at(&target.oid, self.position.offset);
        if matches!(error, DiskError::NewerFormat { .. }) {
            return Err(error);
        }
        self.damage = Some(error);
        Ok(())
    }

    /// At the end of the log: what speaks for something that had been durable and is missing. Bytes that are no record
    /// are taken as the end only if nothing speaks against it.
    ///
    /// Each record says up to which LSN all was durable when it was made. A writer whose records were thrown away by
    /// a take-over never knew a durable LSN past the end of what its successor found, because it could not go on
    /// from there. So a record that knows of more, or anything valid behind damage, tells of a loss, unless the log
    /// has grown since its end was seen: the caller looks again, and if the log reaches `knows`, nothing is lost.
    pub async fn loss(&self, shared: &Shared) -> DiskResult<Option<Loss>> {
        let end = self.position.lsn;
        if let Some(damage) = &self.damage
            && let Some(found) = self.resync(shared).await?
        {
            tracing::error!("{damage}, but record {found} comes after it");
            return Ok(Some(Loss { knows: Lsn(u64::MAX), error: damage.clone() }));
        }
        let numbers = (0..u64::from(MAX_IN_FLIGHT)).map(|n| SegmentSeq(self.next_segment().0 + n));
        let at_once = MAX_IN_FLIGHT as usize;
        let found = all(numbers.map(|segment| self.knowledge(shared, segment)), at_once).await?;
        for (segment, knows) in found.into_iter().flatten() {
            if knows > end {
                let object = shared.names.segment(self.next_segment()).oid.to_string();
                let detail = format!(
                    "record {} is missing, and segment {} knows of {}",
                    end.0 + 1,
                    segment.0,
                    knows.0
                );
                let loss = DiskError::Corrupt { object, offset: 0, detail };
                tracing::warn!("{loss}");
                return Ok(Some(Loss { knows, error: self.damage.clone().unwrap_or(loss) }));
            }
        }
        if let Some(damage) = &self.damage {
            tracing::warn!("{damage}; the log ends there, after record {}", end.0);
        }
        Ok(None)
    }

    /// Up to which LSN a segment past the log's end knows that all was durable; `None`: there is no such segment.
    async fn knowledge(&self, shared: &Shared, segment: SegmentSeq) -> DiskResult<Option<(SegmentSeq, Lsn)>> {
        let target = shared.names.segment(segment);
        let read = vec![Op::Read { offset: 0, length: FIRST_READ }];
        let raw = match shared.run(&target, read).await {
            Ok(mut reply) => data_of(&mut reply, 0),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(header) = SegmentHeader::decode(&raw) else { return Ok(None) };
        if header.uuid != shared.format.uuid || header.seq != segment {
            return Ok(None);
        }
        let raw = match header.payload {
            None => raw,
            Some(_) => {
                let read = vec![Op::Read { offset: 0, length: FIRST_READ }];
                match shared.run(&shared.records_of(&header).target, read).await {
                    Ok(mut reply) => data_of(&mut reply, 0),
                    // Of a writer whose log has ended before this.
                    Err(error) if error.is_not_found() => Bytes::new(),
                    Err(error) => return Err(error),
                }
            }
        };
        let mut knows = Lsn(0);
        if self.damage.is_some() && header.epoch >= self.epoch {
            // Where there is damage, the next segment's word for what came before it is enough.
            knows = header.prev_lsn;
        }
        let mut at = SEGMENT_HEADER_BYTES;
        while let Some(Ok(record)) = raw.get(at..).map(RecordHeader::decode) {
            knows = knows.max(record.durable);
            at += record.length() as usize;
        }
        Ok(Some((segment, knows)))
    }

    /// Looks for a later record of the damaged segment.
    async fn resync(&self, shared: &Shared) -> DiskResult<Option<u64>> {
        let target = self.records(shared).target;
        let offset = self.position.offset;
        let read = Op::Read { offset, length: u64::from(shared.format.segment_bytes).saturating_sub(offset) };
        let raw = data_of(&mut shared.run(&target, vec![read]).await?, 0);
        for at in (16..raw.len().saturating_sub(RECORD_HEADER_BYTES - 1)).step_by(16) {
            if let Ok(header) = RecordHeader::decode(&raw[at..])
                && header.epoch == self.epoch
                && header.lsn > self.position.lsn
            {
                return Ok(Some(header.lsn.0));
            }
        }
        Ok(None)
    }
}
