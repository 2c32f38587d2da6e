//! Segments whose records are in an erasure-coded pool (docs/disk.md, "Erasure-coded data pools").
//!
//! Such a segment is two objects: its *stub*, in the image's own pool, is what a segment is in every other respect
//! (its number, its exclusive creation, its seal); its *payload*, in the data pool, has the bytes. A payload's name has
//! the epoch of its writer, so what a writer that was fenced puts there late is never what a newer one's places mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::buffer::Record;
use super::log::SegmentHeader;
use super::pages::all;
use super::replay::MAX_IN_FLIGHT;
use super::sabotage::{Sabotage, broken};
use super::shared::{Shared, store_error, when_full};
use super::{DiskResult, ExtentMap, Loc, SegmentSeq, WriterEpoch};
use crate::store::{Op, Reply, Request, Summed, Target};
use crate::sync::Mutex;

/// Whose payloads there are: for each epoch that has written one, the first segment in which it did. The epochs of a log's
/// segments only grow, so this says of every such segment which epoch wrote it, and takes next to nothing.
#[derive(Debug, Default)]
pub(crate) struct PayloadEpochs {
    list: Mutex<Vec<(SegmentSeq, WriterEpoch)>>,
}

impl PayloadEpochs {
    pub fn new(list: Vec<(SegmentSeq, WriterEpoch)>) -> Arc<PayloadEpochs> {
        Arc::new(PayloadEpochs { list: Mutex::new(list) })
    }

    /// A record of this segment, whose records are in a payload, is about to be applied; segments come in their order.
    pub fn note(&self, segment: SegmentSeq, epoch: WriterEpoch) {
        let mut list = self.list.lock();
        if list.last().is_none_or(|(first, last)| *first < segment && *last < epoch) {
            list.push((segment, epoch));
        }
    }

    /// The epoch that wrote the payload of a segment.
    pub fn of(&self, segment: SegmentSeq) -> Option<WriterEpoch> {
        let list = self.list.lock();
        let after = list.partition_point(|(first, _)| *first <= segment);
        after.checked_sub(1).map(|n| list[n].1)
    }

    pub fn list(&self) -> Vec<(SegmentSeq, WriterEpoch)> {
        self.list.lock().clone()
    }

    pub fn len(&self) -> usize {
        self.list.lock().len()
    }

    /// A place in the list for each of its epochs, to be told which of them a scan of all segments comes upon.
    pub fn look(&self) -> Left {
        Left { list: self.list(), left: BTreeSet::new() }
    }

    /// Forgets epochs of which a scan that has gone through all segments found no payload. The newest stays: it may have
    /// written one since.
    pub fn forget(&self, look: &Left) {
        let gone =
            |entry: &(SegmentSeq, WriterEpoch)| look.list.contains(entry) && !look.left.contains(&entry.1);
        let newest = look.list.last();
        self.list.lock().retain(|entry| Some(entry) == newest || !gone(entry));
    }
}

/// Epochs of which there are payloads, as far as a scan has come.
pub(crate) struct Left {
    list: Vec<(SegmentSeq, WriterEpoch)>,
    left: BTreeSet<WriterEpoch>,
}

impl Left {
    /// There is a payload of this segment.
    pub fn found(&mut self, segment: SegmentSeq) {
        let after = self.list.partition_point(|(first, _)| *first <= segment);
        self.left.extend(after.checked_sub(1).map(|n| self.list[n].1));
    }
}

/// Where the records of a segment are.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    pub target: Target,
    /// What is added to a byte offset in `target` for the unit of a place.
    pub base: u64,
    /// Bytes of them, where that is known from the start.
    pub length: Option<u64>,
}

/// Removes payloads without a stub that epochs may have left whose log ended before a segment: none of theirs from there on is
/// or will be part of the log. A writer has no more of them than appends in flight.
pub(crate) async fn remove_ended(shared: &Shared, ended: &[(SegmentSeq, WriterEpoch)]) -> DiskResult<()> {
    if !shared.format.payloads || broken(Sabotage::PayloadsWithoutEpoch) {
        return Ok(());
    }
    let mut targets = BTreeSet::new();
    for &(first, epoch) in ended.iter().filter(|(_, epoch)| epoch.0 > 0) {
        let numbers = first.0..first.0 + u64::from(MAX_IN_FLIGHT);
        targets.extend(numbers.map(|seq| shared.names.payload(SegmentSeq(seq), epoch)));
    }
    let removals = targets.into_iter().map(|target| async move { shared.remove_payload(&target).await });
    all(removals, MAX_IN_FLIGHT as usize).await.map(drop)
}

impl Shared {
    /// Where the records of a segment with this header are.
    pub fn records_of(&self, header: &SegmentHeader) -> Records {
        match header.payload {
            None => Records { target: self.names.segment(header.seq), base: 0, length: None },
            Some(length) => Records {
                target: self.names.payload(header.seq, header.epoch),
                base: u64::from(self.format.segment_bytes),
                length: Some(u64::from(length)),
            },
        }
    }

    /// Byte offset of a place in the object that it is in, and whether that is a payload: such places begin where those of
    /// an appended segment end.
    pub fn offset_of(&self, loc: Loc) -> (u64, bool) {
        let at = loc.byte_offset();
        match at.checked_sub(u64::from(self.format.segment_bytes)) {
            Some(at) if self.format.payloads => (at, true),
            Some(_) | None => (at, false),
        }
    }

    /// The object that a place of the map is in. `None`: no epoch has written a payload there, so the map is damaged.
    pub fn object_of(&self, map: &ExtentMap, loc: Loc) -> Option<Target> {
        match self.offset_of(loc) {
            (_, false) => Some(self.names.segment(loc.segment)),
            (_, true) => Some(self.names.payload(loc.segment, map.payloads().of(loc.segment)?)),
        }
    }

    /// Puts a payload in its place: durable when this returns. Its name is of one segment of one epoch, whose writer never
    /// puts anything else there, so doing it again does no harm. Whole objects can be written to any pool.
    pub async fn put_payload(&self, epoch: WriterEpoch, record: &Record, makes_room: bool) -> DiskResult<()> {
        let target = self.names.payload(record.place.segment, epoch);
        let data = Summed { op: Op::WriteFull { data: record.bytes.clone() }, sum: record.sum };
        let mut request = Request::summed(target.clone(), vec![data]);
        request.flags = when_full(makes_room);
        let reply = self.store.operate(request).await;
        reply.and_then(Reply::ok).map(drop).map_err(|source| store_error(&target, source))
    }

    /// Removes a payload that no stub names or ever will, if it is there.
    pub async fn remove_payload(&self, target: &Target) -> DiskResult<()> {
        match self.remove(target, vec![]).await {
            Ok(_) => tracing::info!("{}: removed, nothing refers to it", target.oid),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
