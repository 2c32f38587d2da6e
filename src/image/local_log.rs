//! Opening an image that has, or may get, changes that only a local log has (docs/disk.md, "The local log").

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::ImageResult;
use super::gate::Permit;
use super::image::Image;
use crate::disk::DiskError;
use crate::disk::ssd::{LocalChanges, LocalMark};

impl Image {
    /// An opener that may write. `LocalLog` where the newest changes are in a log that is not to be had here. While the
    /// lock's owner lives it is to be had: the owner drains it when another wants the lock (a live migration opens the image
    /// while the other side still runs).
    pub(super) async fn look_at_local_log(self: &Arc<Self>) -> ImageResult<()> {
        let mark = match self.head.local_mark().await {
            // One that has rotted is given up as any other.
            Err(DiskError::Corrupt { .. }) if self.local == LocalChanges::GiveUp => {
                return self.wait_for_permit().await.map(drop);
            }
            mark => mark?,
        };
        let own = self.settings.read().disk.local.log.is_some();
        self.locks_reads.store(own || mark.is_some(), Ordering::Release);
        let Some(mark) = mark else { return Ok(()) };
        if self.local == LocalChanges::Replay {
            if self.owner_lives().await? {
                return Ok(());
            }
            self.head.find_local(mark).await?;
        }
        // Now, so that nothing older is seen than what was flushed.
        self.wait_for_permit().await.map(drop)
    }

    /// The right to read, where that needs the lock.
    pub(super) async fn read_permit(self: &Arc<Self>) -> ImageResult<Option<Permit>> {
        if self.locks_reads.load(Ordering::Acquire) && self.view.read().is_none() {
            return self.permit().await.map(Some);
        }
        Ok(None)
    }

    /// The mark of a log that has changes which the store does not have.
    pub async fn local_mark(&self) -> ImageResult<Option<LocalMark>> {
        Ok(self.head.local_mark().await?)
    }
}
