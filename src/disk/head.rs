//! The head's state as the log builds it up: turns records into changes of the map.

use std::sync::Arc;

use super::header::Header;
use super::log::{Extent, ExtentKind, RecordKind};
use super::pages::{Pages, StoreObjects};
use super::payload::PayloadEpochs;
use super::replay::{LogPosition, LogRecord};
use super::sabotage::{Sabotage, broken};
use super::shared::Shared;
use super::state::{DiskState, GcMove, RecordAt};
use super::{DiskResult, ExtentMap, Loc, Lsn, MapExtent, Pressure, RootBlob, SnapshotId, SnapshotRoot};

pub(crate) struct Head {
    pub shared: Arc<Shared>,
    pub state: Arc<DiskState>,
}

/// A snapshot, which never changes.
pub(crate) struct SnapshotView {
    pub id: SnapshotId,
    pub map: ExtentMap,
    pub size_bytes: u64,
    pub lsn: Lsn,
}

impl SnapshotView {
    pub async fn open(shared: &Arc<Shared>, id: SnapshotId) -> DiskResult<Arc<SnapshotView>> {
        let names = &shared.names;
        let snapshot = Header::snapshot(&shared.store, names, id).await?;
        let root = SnapshotRoot::decode(&snapshot.root, &names.header().oid)?;
        let limit = shared.options.map_memory_bytes as usize;
        let objects = Arc::new(StoreObjects::new(shared.store.clone(), names.clone()));
        let pages = Pages::open(objects, limit, [root.map, None]).await?;
        // Of a root that is newer than the snapshot: it has all payloads that the snapshot pins.
        let payloads = match shared.format.payloads {
            true => {
                let header = Header::read(&shared.store, names).await?;
                RootBlob::decode(&header.root, &names.header().oid)?.payloads
            }
            false => Vec::new(),
        };
        let map = ExtentMap::new(pages, PayloadEpochs::new(payloads));
        Ok(Arc::new(SnapshotView { id, map, size_bytes: root.size_bytes, lsn: root.lsn }))
    }
}

impl Head {
    /// The state of a root, and where the log goes on from it.
    pub async fn open(shared: &Arc<Shared>, root: &[u8]) -> DiskResult<(Arc<Head>, LogPosition)> {
        let root = RootBlob::decode(root, &shared.names.header().oid)?;
        let limit = shared.options.map_memory_bytes as usize;
        let state = DiskState::open(shared.store.clone(), shared.names.clone(), &root, limit).await?;
        let position = LogPosition {
            segment: root.replay.segment,
            offset: u64::from(root.replay.offset),
            lsn: root.lsn,
        };
        Ok((Arc::new(Head { shared: shared.clone(), state }), position))
    }

    pub fn size_bytes(&self) -> u64 {
        self.state.size_bytes()
    }

    /// The map's pressure if a record of these extents were to be applied.
    pub fn pressure_before<'a>(&self, extents: impl Iterator<Item = &'a (Extent, Option<Loc>)>) -> Pressure {
        self.state.pressure_before(extents.map(map_extent))
    }

    /// Whether the map has room for these records without a checkpoint.
    pub fn has_room_for<'a>(&self, extents: impl Iterator<Item = &'a (Extent, Option<Loc>)>) -> bool {
        self.state.has_room_for(extents.map(map_extent))
    }

    pub async fn apply_log(&self, record: &LogRecord) -> DiskResult<()> {
        let mut extents = &record.index.extents[..];
        if broken(Sabotage::ReplayForgetsDiscard) {
            // Holes come after the data.
            let data = extents.iter().take_while(|(extent, _)| extent.kind == ExtentKind::Data).count();
            extents = &extents[..data];
        }
        self.state.reach_local(record.header.local);
        self.apply(record.at(), record.header.kind, extents).await
    }

    pub async fn apply(
        &self,
        at: RecordAt,
        kind: RecordKind,
        extents: &[(Extent, Option<Loc>)],
    ) -> DiskResult<()> {
        match kind {
            RecordKind::Data => {
                let extents: Vec<_> = extents.iter().map(map_extent).collect();
                self.state.apply_data(at, &extents).await
            }
            RecordKind::Gc => {
                let moves: Vec<_> = extents
                    .iter()
                    .filter_map(|(extent, to)| {
                        let (from, to) = (extent.source?, (*to)?);
                        Some(GcMove { lba: extent.lba, blocks: extent.blocks, from, to })
                    })
                    .collect();
                self.state.apply_gc(at, &moves).await
            }
            RecordKind::Resize { size_bytes } => self.state.apply_resize(at, size_bytes).await,
            RecordKind::EpochStart { .. } | RecordKind::SnapCreate { .. } => self.state.apply_other(at).await,
            RecordKind::Rollback { .. } if broken(Sabotage::RollbackKeepsNewer) => {
                self.state.apply_other(at).await
            }
            RecordKind::Rollback { snapshot } => {
                let (store, names) = (&self.shared.store, &self.shared.names);
                let snapshot = Header::snapshot(store, names, SnapshotId(snapshot)).await?;
                let root = SnapshotRoot::decode(&snapshot.root, &names.header().oid)?;
                self.state.apply_rollback(at, &root).await
            }
        }
    }
}

fn map_extent((extent, loc): &(Extent, Option<Loc>)) -> MapExtent {
    let loc = match extent.kind {
        ExtentKind::Data => *loc,
        ExtentKind::Hole => None,
    };
    MapExtent { lba: extent.lba, blocks: extent.blocks, loc }
}
