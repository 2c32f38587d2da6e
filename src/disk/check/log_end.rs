//! Follows the log from the newest checkpoint to its end, as the next opener will.

use std::collections::BTreeMap;

use super::{Check, Damage, Kind};
use crate::disk::log::RecordKind;
use crate::disk::replay::{LogCursor, LogRecord, Step};
use crate::disk::{DiskError, DiskResult, SegmentSeq, WriterEpoch};

/// Where the log ends.
pub(super) struct LogEnd {
    /// The last segment of the log.
    pub last: SegmentSeq,
    /// The number that the next segment will have.
    pub next: SegmentSeq,
    /// Of the last Resize record that replay meets.
    pub size_bytes: Option<u64>,
    /// The log could not be followed: what is past this point is not judged.
    pub broken: bool,
    /// Segments of the tail whose records are in payloads, and who wrote them.
    pub payloads: BTreeMap<SegmentSeq, WriterEpoch>,
}

impl Check<'_> {
    pub(super) async fn log_end(&mut self) -> DiskResult<LogEnd> {
        let mut cursor = LogCursor::new(self.position(), None);
        let mut end = LogEnd {
            last: self.root.replay.segment,
            next: self.root.replay.segment,
            size_bytes: None,
            broken: false,
            payloads: BTreeMap::new(),
        };
        let mut suspect = None;
        loop {
            let step = match cursor.step(&self.shared).await {
                Ok(step) => step,
                Err(error @ DiskError::NewerFormat { .. }) => return Err(error),
                Err(error) => {
                    self.report.add_error(Kind::Log, Damage::Lost, &error, "");
                    end.broken = true;
                    break;
                }
            };
            match step {
                Step::Records(records) => {
                    self.count(&records, &mut end);
                    continue;
                }
                Step::Gone => {
                    let object = self.shared.names.segment(cursor.position().segment).oid;
                    let detail = "the segment that replay begins with is missing".to_owned();
                    self.report.add(Kind::Log, Damage::Lost, object, Some(cursor.position().offset), detail);
                    end.broken = true;
                    break;
                }
                Step::End => {}
            }
            // A writer may have gone on since the end was seen: look again, once, before it is called a loss.
            match suspect.take() {
                None => match cursor.loss(&self.shared).await? {
                    None => break,
                    loss => suspect = loss,
                },
                Some(loss) => {
                    let loss: crate::disk::replay::Loss = loss;
                    if cursor.position().lsn < loss.knows {
                        self.report.add_error(Kind::Log, Damage::Lost, &loss.error, "");
                        end.broken = true;
                    }
                    break;
                }
            }
        }
        end.last = cursor.position().segment;
        end.next = cursor.next_segment();
        Ok(end)
    }

    fn count(&mut self, records: &[LogRecord], end: &mut LogEnd) {
        for record in records {
            self.report.facts.replay_records += 1;
            self.report.facts.replay_bytes += record.stored_bytes();
            if record.payload {
                end.payloads.insert(record.segment, record.header.epoch);
                self.payloads.note(record.segment, record.header.epoch);
            }
            if let RecordKind::Resize { size_bytes } = record.header.kind {
                end.size_bytes = Some(size_bytes);
            }
            // A rollback's size is that of its snapshot.
            if let RecordKind::Rollback { snapshot } = record.header.kind {
                let root = self.snapshots.iter().find(|(entry, _)| entry.info.id.0 == snapshot);
                match root {
                    Some((_, root)) => end.size_bytes = Some(root.size_bytes),
                    None => {
                        let object = self.shared.names.segment(record.segment).oid;
                        let detail = format!("rolls back to snapshot {snapshot}, which does not exist");
                        self.report.add(Kind::Log, Damage::Lost, object, Some(record.offset), detail);
                    }
                }
            }
        }
    }
}
