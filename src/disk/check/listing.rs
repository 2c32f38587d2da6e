//! What there is of the image in the store, beside what its root names.

use super::log_end::LogEnd;
use super::trees::Counted;
use super::{Check, Damage, Kind};
use crate::disk::checkpoint::is_pinned;
use crate::disk::names::MapObjectNumber;
use crate::disk::replay::MAX_IN_FLIGHT;
use crate::disk::shared::{size_of, store_error};
use crate::disk::{DiskNames, DiskResult, SegmentSeq, WriterEpoch};
use crate::store::{ListCursor, Op, PoolId, Store};

/// Names listed at once.
const PAGE: usize = 1000;

/// The numbers of all segments and map objects that exist.
pub(super) struct Existing {
    pub segments: Vec<SegmentSeq>,
    pub objects: Vec<MapObjectNumber>,
    pub payloads: Vec<(SegmentSeq, WriterEpoch)>,
}

impl Existing {
    pub async fn list(store: &dyn Store, names: &DiskNames) -> DiskResult<Existing> {
        let mut existing = Existing { segments: Vec::new(), objects: Vec::new(), payloads: Vec::new() };
        existing.add(store, names, names.pool).await?;
        if names.data_pool != names.pool {
            existing.add(store, names, names.data_pool).await?;
        }
        existing.segments.sort_unstable();
        existing.objects.sort_unstable();
        existing.payloads.sort_unstable();
        Ok(existing)
    }

    async fn add(&mut self, store: &dyn Store, names: &DiskNames, pool: PoolId) -> DiskResult<()> {
        let (segments, objects) = (names.segment_prefix(), names.map_prefix());
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let mut cursor = ListCursor::begin();
        while cursor != ListCursor::End {
            let (entries, next) = store
                .list(pool, Some(names.namespace.clone()), cursor, PAGE)
                .await
                .map_err(|error| store_error(&names.header(), error))?;
            for entry in entries {
                if let Some(n) = entry.oid.strip_prefix(segments.as_str()).and_then(number) {
                    self.segments.push(SegmentSeq(n));
                } else if let Some(n) = entry.oid.strip_prefix(objects.as_str()).and_then(number) {
                    self.objects.push(MapObjectNumber(n));
                } else {
                    self.payloads.extend(names.payload_of(&entry.oid));
                }
            }
            cursor = next;
        }
        Ok(())
    }
}

impl Check<'_> {
    pub(super) async fn listing(&mut self, counted: &Counted, end: &LogEnd) -> DiskResult<()> {
        let existing = Existing::list(&*self.shared.store, &self.shared.names).await?;
        let names = self.shared.names.clone();
        let known = |seq: &SegmentSeq| counted.table.contains_key(seq) || counted.named.contains(seq);
        let mut next = end.next.0;
        for seq in &existing.segments {
            let object = names.segment(*seq).oid;
            if known(seq) || (self.root.replay.segment.0..next).contains(&seq.0) || end.broken {
                continue;
            }
            if seq.0 >= next + u64::from(MAX_IN_FLIGHT) {
                // A writer may have gone on since.
                let facts = self.report.facts.clone();
                next = self.log_end().await?.next.0;
                self.report.facts = facts;
            }
            if seq.0 < self.root.replay.segment.0 {
                let detail = "nothing refers to this segment".to_owned();
                self.report.add(Kind::Orphan, Damage::Space, object, None, detail);
                self.corrections.orphans.push(names.segment(*seq));
            } else if seq.0 >= next && seq.0 < next + u64::from(MAX_IN_FLIGHT) {
                let detail = "past the end of the log; a writer will replace it".to_owned();
                self.report.add(Kind::Orphan, Damage::Note, object, None, detail);
            } else if seq.0 >= next {
                let detail = "far past the end of the log".to_owned();
                self.report.add(Kind::Orphan, Damage::Space, object, None, detail);
                self.corrections.orphans.push(names.segment(*seq));
            }
        }
        self.judge_payloads(counted, end, &existing);
        self.map_objects(counted, &existing).await
    }

    /// Payloads that no stub of the log names.
    fn judge_payloads(&mut self, counted: &Counted, end: &LogEnd, existing: &Existing) {
        if end.broken {
            return;
        }
        for &(seq, epoch) in &existing.payloads {
            // The table says it of all segments, unless it is damaged.
            let named = counted.table.get(&seq).map_or(counted.named.contains(&seq), |info| info.payload);
            let owner = end.payloads.get(&seq).copied().or(self.payloads.of(seq).filter(|_| named));
            if owner == Some(epoch) {
                continue;
            }
            let target = self.shared.names.payload(seq, epoch);
            if epoch >= self.epoch {
                let detail = "its stub is not there yet".to_owned();
                self.report.add(Kind::Orphan, Damage::Note, target.oid, None, detail);
            } else {
                let detail = "no stub has this payload".to_owned();
                self.report.add(Kind::Orphan, Damage::Space, &target.oid, None, detail);
                self.corrections.orphans.push(target);
            }
        }
    }

    async fn map_objects(&mut self, counted: &Counted, existing: &Existing) -> DiskResult<()> {
        for number in &existing.objects {
            if self.root.objects.contains_key(number) {
                continue;
            }
            let object = self.objects.name(*number);
            let newer = number.0 >> 32 > u64::from(self.root.epoch.0)
                || (number.0 >> 32 == u64::from(self.root.epoch.0)
                    && number.0 as u32 > self.root.last_object);
            if newer {
                let detail = "of a checkpoint that is not published".to_owned();
                self.report.add(Kind::Orphan, Damage::Note, object, None, detail);
            } else {
                let detail = "no checkpoint has this map object".to_owned();
                self.report.add(Kind::Orphan, Damage::Space, object, None, detail);
                self.corrections.orphans.push(self.shared.names.map_object(*number));
            }
        }
        let mut moments: Vec<u64> = self.snapshots.iter().map(|(_, root)| root.checkpoint).collect();
        moments.sort_unstable();
        for (number, object) in self.root.objects.clone() {
            let name = self.objects.name(number);
            let needed = object.died == 0 || is_pinned(&moments, object.born, object.died);
            let target = self.shared.names.map_object(number);
            match self.shared.run(&target, vec![Op::Stat]).await {
                Ok(reply) if size_of(&reply, 0) == u64::from(object.bytes) => {}
                Ok(reply) => {
                    let detail = format!("has {} bytes, the root says {}", size_of(&reply, 0), object.bytes);
                    let damage = if needed { Damage::Wrong } else { Damage::Note };
                    self.report.add(Kind::MapObject, damage, &name, None, detail);
                }
                Err(error) if error.is_not_found() && !needed => {}
                Err(error) if error.is_not_found() => {
                    let detail = "missing, and still needed".to_owned();
                    self.report.add(Kind::MapObject, Damage::Lost, &name, None, detail);
                }
                Err(error) => self.report.add_error(Kind::MapObject, Damage::Lost, &error, &name),
            }
            let reached = counted.page_bytes.get(&number).copied().unwrap_or(0);
            if !counted.incomplete && reached != u64::from(object.live) {
                let detail = format!("{reached} bytes of it are reached, the root says {}", object.live);
                self.report.add(Kind::MapObject, Damage::Wrong, &name, None, detail);
                self.corrections.map_objects.insert(number, reached as u32);
            }
        }
        Ok(())
    }
}
