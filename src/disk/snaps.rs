//! Snapshots as the writer handles them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::header::{Header, Snapshot};
use super::sabotage::{Sabotage, broken};
use super::writer::{NewRecord, Writer};
use super::{DiskResult, Lsn, SnapInfo, SnapshotId};

pub(super) async fn create(writer: &Arc<Writer>, name: &str) -> DiskResult<SnapInfo> {
    let _admin = writer.admin.lock().await;
    let shared = &writer.shared;
    let last = Header::snap_seq(&shared.store, &shared.names).await?;
    let info = SnapInfo {
        id: SnapshotId(last + 1),
        name: name.to_owned(),
        size_bytes: 0,
        lsn: Lsn(0),
        timestamp_ns: shared.env.unix_time_ns(),
        protected: false,
    };
    writer.snapshot(info).await
}

pub(super) async fn remove(writer: &Arc<Writer>, id: SnapshotId) -> DiskResult<()> {
    let admin = writer.admin.lock().await;
    let shared = &writer.shared;
    Header::snapshot(&shared.store, &shared.names, id).await?;
    // A replay must not meet a Rollback record whose snapshot is gone.
    if !broken(Sabotage::SnapshotRemovedEarly) {
        writer.checkpoint().await?;
    }
    let remove = vec![Snapshot::key(id)];
    Header::update(&shared.store, &shared.names, writer.epoch, BTreeMap::new(), remove).await?;
    drop(admin);
    writer.start_deleting();
    writer.gc_unpinned();
    Ok(())
}

pub(super) async fn change(
    writer: &Arc<Writer>,
    id: SnapshotId,
    change: impl FnOnce(&mut SnapInfo),
) -> DiskResult<()> {
    let _admin = writer.admin.lock().await;
    let shared = &writer.shared;
    let mut snapshot = Header::snapshot(&shared.store, &shared.names, id).await?;
    change(&mut snapshot.info);
    let set = BTreeMap::from([(Snapshot::key(id), snapshot.encode())]);
    Header::update(&shared.store, &shared.names, writer.epoch, set, Vec::new()).await
}

pub(super) async fn rollback(
    writer: &Arc<Writer>,
    id: SnapshotId,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> DiskResult<()> {
    let _admin = writer.admin.lock().await;
    let shared = &writer.shared;
    Header::snapshot(&shared.store, &shared.names, id).await?;
    progress(0, 1);
    // Nothing is written beside it: the record takes effect on the map only when it is applied.
    let guard = writer.locks.lock(0, u64::MAX).await;
    writer.append_record(NewRecord::Rollback { snapshot: id.0 }).await?;
    drop(guard);
    writer.checkpoint().await?;
    progress(1, 1);
    Ok(())
}
