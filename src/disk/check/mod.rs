//! Checks everything that an image has in the store, and puts right what can be put right without inventing data
//! (docs/check.md).
//!
//! Nothing of the engine's running state is trusted: trees are walked from the roots that the header names, live
//! blocks are counted from the maps, and each place that a map names is read.

mod blocks;
mod finding;
mod listing;
mod log_end;
mod repair;
mod trees;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::cache::ReadCache;
use super::header::{Header, SNAP_PREFIX, Snapshot};
use super::pages::{Dropped, MapObjects, StoreObjects};
use super::payload::PayloadEpochs;
use super::replay::LogPosition;
use super::shared::Shared;
use super::{
    DiskError, DiskNames, DiskOptions, DiskResult, Loc, RootBlob, SnapshotId, SnapshotRoot, WriterEpoch,
};
use crate::env::Env;
use crate::store::{Op, OpOut, Store, Target};

use super::state::Corrections;
pub use finding::{Damage, Facts, Finding, Kind, Report, View};
pub use repair::repair;

/// Omap values asked for at once.
const PAGE: u64 = 512;
/// Times that a check begins again because a writer changed the image meanwhile.
const ATTEMPTS: u32 = 4;

/// Told of the bytes of log that were read: done, and all there are to read.
pub type Progress = dyn Fn(u64, u64) + Send + Sync;

/// Reads all of an image's state and says what is wrong with it. Takes no lock and changes nothing.
///
/// An image in use moves on while it is checked; then what looks wrong may only be what is gone by now, so the check
/// begins again, and in the end [`Report::moved`] says that it could not get a consistent view. Errors: `Store` with
/// ENOENT if there is no header; anything else is a finding.
pub async fn check(
    store: Arc<dyn Store>,
    names: DiskNames,
    options: DiskOptions,
    env: Arc<dyn Env>,
    progress: &Progress,
) -> DiskResult<Report> {
    let mut attempt = 1;
    loop {
        let (report, _, version) = check_once(&store, &names, &options, &env, progress).await?;
        let now = version_of(&store, &names).await?;
        if now == version || report.is_clean() {
            return Ok(report);
        }
        if attempt == ATTEMPTS {
            return Ok(Report { moved: true, ..report });
        }
        attempt += 1;
    }
}

/// Version of the header object: changes with each checkpoint, snapshot and take-over.
async fn version_of(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<u64> {
    super::shared::run(store, &names.header(), vec![Op::AssertExists]).await.map(|reply| reply.version)
}

/// What one check works with.
struct Check<'a> {
    shared: Shared,
    objects: Arc<dyn MapObjects>,
    root: RootBlob,
    epoch: WriterEpoch,
    payloads: Arc<PayloadEpochs>,
    snapshots: Vec<(Snapshot, SnapshotRoot)>,
    report: Report,
    corrections: Corrections,
    progress: &'a Progress,
}

async fn check_once(
    store: &Arc<dyn Store>,
    names: &DiskNames,
    options: &DiskOptions,
    env: &Arc<dyn Env>,
    progress: &Progress,
) -> DiskResult<(Report, Corrections, u64)> {
    let mut report = Report::default();
    let header = match Header::read(store, names).await {
        Ok(header) => header,
        Err(error @ DiskError::Corrupt { .. }) => {
            report.add_error(Kind::Header, Damage::Lost, &error, "");
            return Ok((report, Corrections::default(), version_of(store, names).await?));
        }
        Err(error) => return Err(error),
    };
    let snapshots = read_snapshots(store, names, &mut report).await?;
    let root = match RootBlob::decode(&header.root, &names.header().oid) {
        Ok(root) => root,
        Err(error @ DiskError::NewerFormat { .. }) => return Err(error),
        Err(error) => {
            report.add_error(Kind::Header, Damage::Lost, &error, "");
            return Ok((report, Corrections::default(), header.version));
        }
    };
    let shared = Shared {
        store: store.clone(),
        names: names.with_format(&header.format),
        options: options.clone(),
        env: env.clone(),
        format: header.format,
        // Everything is looked at as it is now.
        fixed: None,
        cache: Arc::new(ReadCache::new(0)),
        fetches: Arc::default(),
    };
    let objects = Arc::new(StoreObjects::new(store.clone(), names.clone()));
    let mut check = Check {
        shared,
        objects,
        payloads: PayloadEpochs::new(root.payloads.clone()),
        root,
        epoch: header.epoch,
        snapshots,
        report,
        corrections: Corrections::default(),
        progress,
    };
    check.run().await?;
    Ok((check.report, check.corrections, header.version))
}

impl Check<'_> {
    async fn run(&mut self) -> DiskResult<()> {
        if self.root.epoch.0 > 0 && self.root.replay.segment.0 == 0 {
            let detail = "the replay position has no segment".to_owned();
            self.report.add(Kind::Header, Damage::Lost, self.shared.names.header().oid, None, detail);
        }
        let end = self.log_end().await?;
        let mut trees = trees::Trees::new(self);
        let mut scan = blocks::Scan::new(self, &end).await?;
        // Entries come in lots, so that memory stays bounded whatever the size of the image.
        loop {
            let lot = trees.next_lot(self).await?;
            let Some(lot) = lot else { break };
            scan.look(self, lot).await?;
        }
        let counted = trees.finish(self);
        scan.finish(self, &counted).await?;
        self.listing(&counted, &end).await?;
        self.report.facts.size_bytes = end.size_bytes.unwrap_or(self.root.size_bytes);
        self.report.facts.snapshots = self.snapshots.len() as u64;
        self.report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.damage));
        Ok(())
    }

    /// The payload in which a place of a map is.
    fn payload_of(&self, loc: Loc) -> Option<Target> {
        self.payloads.of(loc.segment).map(|epoch| self.shared.names.payload(loc.segment, epoch))
    }

    /// The name of the object in which a place is.
    fn object_of(&self, loc: Loc) -> String {
        let payload = if self.shared.offset_of(loc).1 { self.payload_of(loc) } else { None };
        payload.unwrap_or_else(|| self.shared.names.segment(loc.segment)).oid.to_string()
    }

    fn position(&self) -> LogPosition {
        let replay = self.root.replay;
        LogPosition { segment: replay.segment, offset: u64::from(replay.offset), lsn: self.root.lsn }
    }

    /// The subtrees that were cut off and are still counted.
    fn dropped(&self) -> Vec<Dropped> {
        self.root.dropped.clone()
    }
}

/// Each snapshot is judged by itself.
async fn read_snapshots(
    store: &Arc<dyn Store>,
    names: &DiskNames,
    report: &mut Report,
) -> DiskResult<Vec<(Snapshot, SnapshotRoot)>> {
    let target = names.header();
    let last = match Header::snap_seq(store, names).await {
        Ok(last) => last,
        Err(error @ DiskError::Corrupt { .. }) => {
            report.add_error(Kind::Header, Damage::Wrong, &error, "");
            u64::MAX
        }
        Err(error) => return Err(error),
    };
    let mut found: BTreeMap<SnapshotId, (Snapshot, SnapshotRoot)> = BTreeMap::new();
    let mut after = Bytes::new();
    loop {
        let prefix = Bytes::from_static(SNAP_PREFIX.as_bytes());
        let ops = vec![Op::OmapGetVals { after: after.clone(), prefix, max: PAGE }];
        let mut reply = super::shared::run(store, &target, ops).await?;
        let Some(OpOut::Pairs { pairs, more }) = reply.ops.pop().map(|op| op.out) else { break };
        for (key, value) in &pairs {
            let place = format!("{}: {}", target.oid, String::from_utf8_lossy(key));
            let decoded = Snapshot::decode(&target.oid, value)
                .and_then(|snapshot| Ok((SnapshotRoot::decode(&snapshot.root, &target.oid)?, snapshot)));
            match decoded {
                Ok((root, snapshot)) => {
                    let info = &snapshot.info;
                    let wrong = if *key != Snapshot::key(info.id) {
                        Some("its key is that of another snapshot")
                    } else if info.lsn != root.lsn || info.size_bytes != root.size_bytes {
                        Some("its entry and its root differ in LSN or size")
                    } else if info.id.0 > last {
                        Some("its id is above the last one given")
                    } else {
                        None
                    };
                    if let Some(detail) = wrong {
                        report.add(Kind::Snapshot, Damage::Wrong, place, None, detail.to_owned());
                    }
                    found.insert(info.id, (snapshot, root));
                }
                Err(error) => report.add_error(Kind::Snapshot, Damage::Lost, &error, &place),
            }
        }
        match pairs.into_iter().next_back() {
            Some((key, _)) if more => after = key,
            Some(_) | None => break,
        }
    }
    Ok(found.into_values().collect())
}
