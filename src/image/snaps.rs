//! Snapshots: names, limits and protection by librbd's rules, over the disk's pins.

use std::sync::Arc;

use super::error::{ImageError, ImageResult, refuse};
use super::features;
use super::header;
use super::image::Image;
use super::notice::Maintenance;
use crate::disk::{DiskError, SnapInfo, SnapshotId};
use crate::errno::Errno;

/// How far a long operation is: done, total. Must not block.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

pub fn no_progress() -> Progress<'static> {
    &|_, _| {}
}

impl Image {
    /// All snapshots, ascending by id.
    pub async fn snapshots(&self) -> ImageResult<Vec<SnapInfo>> {
        Ok(self.head.snap_list().await?)
    }

    /// ENOENT if there is none.
    pub async fn snapshot(&self, name: &str) -> ImageResult<SnapInfo> {
        match self.snapshots().await?.into_iter().find(|snap| snap.name == name) {
            Some(snap) => Ok(snap),
            None => refuse(Errno::ENOENT, format!("image {} has no snapshot {name:?}", self.id)),
        }
    }

    pub async fn snapshot_by_id(&self, id: SnapshotId) -> ImageResult<SnapInfo> {
        match self.head.snap(id).await {
            Ok(snap) => Ok(snap),
            Err(DiskError::NoSnapshot) => {
                refuse(Errno::ENOENT, format!("image {} has no snapshot with id {}", self.id, id.0))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a snapshot of all that was written. EEXIST if the name is taken, EDQUOT past the image's limit.
    pub async fn snap_create(self: &Arc<Self>, name: &str) -> ImageResult<()> {
        self.maintain(Maintenance::SnapCreate { name: name.to_owned() }).await
    }

    pub(super) async fn apply_snap_create(self: &Arc<Self>, name: &str) -> ImageResult<()> {
        let snaps = self.snapshots().await?;
        if snaps.iter().any(|snap| snap.name == name) {
            return refuse(Errno::EEXIST, format!("image {} has a snapshot {name:?}", self.id));
        }
        let limit = header::load(&self.pool, &self.id).await?.snap_limit;
        if limit.is_some_and(|limit| snaps.len() as u64 >= limit) {
            return refuse(Errno::EDQUOT, format!("image {} has {} snapshots", self.id, snaps.len()));
        }
        self.head.snap_create(name).await?;
        Ok(())
    }

    /// ENOENT if there is none, EBUSY while it is protected.
    pub async fn snap_remove(self: &Arc<Self>, name: &str, unprotect: bool) -> ImageResult<()> {
        let id = self.snapshot(name).await?.id;
        self.snap_remove_id(id, unprotect).await
    }

    pub async fn snap_remove_id(self: &Arc<Self>, id: SnapshotId, unprotect: bool) -> ImageResult<()> {
        self.snapshot_by_id(id).await?;
        self.maintain(Maintenance::SnapRemove { id: id.0, unprotect }).await
    }

    pub(super) async fn apply_snap_remove(&self, id: SnapshotId, unprotect: bool) -> ImageResult<()> {
        let snap = self.snapshot_by_id(id).await?;
        if snap.protected {
            if !unprotect {
                return refuse(Errno::EBUSY, format!("snapshot {:?} is protected", snap.name));
            }
            self.head.snap_protect(id, false).await?;
        }
        self.head.snap_remove(id).await?;
        Ok(())
    }

    /// ENOENT if there is none, EEXIST if the new name is taken.
    pub async fn snap_rename(self: &Arc<Self>, from: &str, to: &str) -> ImageResult<()> {
        self.check_open_for_changes()?;
        self.snapshot(from).await?;
        self.maintain(Maintenance::SnapRename { from: from.to_owned(), to: to.to_owned() }).await
    }

    pub(super) async fn apply_snap_rename(&self, from: &str, to: &str) -> ImageResult<()> {
        let snaps = self.snapshots().await?;
        if snaps.iter().any(|snap| snap.name == to) {
            return refuse(Errno::EEXIST, format!("image {} has a snapshot {to:?}", self.id));
        }
        let Some(snap) = snaps.iter().find(|snap| snap.name == from) else {
            return Err(ImageError::Disk(DiskError::NoSnapshot));
        };
        self.head.snap_rename(snap.id, to).await?;
        Ok(())
    }

    /// EBUSY if it is protected already (EINVAL if it is not, when unprotecting); ENOSYS without layering.
    pub async fn snap_protect(self: &Arc<Self>, name: &str, protect: bool) -> ImageResult<()> {
        self.check_open_for_changes()?;
        if self.header().await?.features & features::LAYERING == 0 {
            return refuse(Errno::ENOSYS, format!("image {} has no layering", self.id));
        }
        self.snapshot(name).await?;
        self.maintain(Maintenance::SnapProtect { name: name.to_owned(), protect }).await
    }

    pub(super) async fn apply_snap_protect(&self, name: &str, protect: bool) -> ImageResult<()> {
        let snap = self.snapshot(name).await?;
        match (protect, snap.protected) {
            (true, true) => refuse(Errno::EBUSY, format!("snapshot {name:?} is protected")),
            (false, false) => refuse(Errno::EINVAL, format!("snapshot {name:?} is not protected")),
            (true, false) | (false, true) => Ok(self.head.snap_protect(snap.id, protect).await?),
        }
    }

    /// Makes the image what the snapshot is. ENOENT if there is none, EROFS while looking at a snapshot.
    pub async fn snap_rollback(self: &Arc<Self>, name: &str, progress: Progress<'_>) -> ImageResult<()> {
        self.check_open_for_changes()?;
        let id = self.snapshot(name).await?.id;
        self.check_writable()?;
        self.tracker.all().await;
        // Nobody does this for another opener: its own writes are in question.
        let _permit = self.wait_for_permit().await?;
        let _one = self.maintenance.lock().await;
        self.head.rollback(id, progress).await?;
        self.announce_update().await;
        Ok(())
    }

    /// `None`: no limit.
    pub async fn snap_limit(&self) -> ImageResult<Option<u64>> {
        Ok(self.header().await?.snap_limit)
    }

    /// ERANGE if there are more snapshots than that already.
    pub async fn set_snap_limit(self: &Arc<Self>, limit: Option<u64>) -> ImageResult<()> {
        self.check_open_for_changes()?;
        let _one = self.maintenance.lock().await;
        let count = self.snapshots().await?.len() as u64;
        if limit.is_some_and(|limit| limit < count) {
            return refuse(Errno::ERANGE, format!("image {} has {count} snapshots", self.id));
        }
        header::set_snap_limit(&self.pool, &self.id, limit).await?;
        self.announce_update().await;
        Ok(())
    }
}
