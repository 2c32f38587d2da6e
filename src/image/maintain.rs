//! Changes of an image as a whole: size, features, metadata.

use std::sync::Arc;

use bytes::Bytes;

use super::error::{ImageError, ImageResult, refuse};
use super::features;
use super::gate::Permit;
use super::header;
use super::image::Image;
use super::notice::{Answer, Maintenance, Notice};
use super::pool_meta::check_override;
use super::settings::Settings;
use super::snaps::Progress;
use crate::disk::{MAX_SIZE_BYTES, SnapshotId};
use crate::errno::Errno;

/// Objects that librbd's object map can describe.
const OBJECT_MAP_MAX: u64 = 256_000_000;

/// Refuses sizes that no image of this kind can have: EINVAL.
pub fn check_size(size: u64, order: u8, features: u64) -> ImageResult<()> {
    let objects = (size >> order) + u64::from(size & ((1 << order) - 1) != 0);
    if size > MAX_SIZE_BYTES || (features & features::OBJECT_MAP != 0 && objects > OBJECT_MAP_MAX) {
        return refuse(Errno::EINVAL, format!("a size of {size} bytes is too large"));
    }
    Ok(())
}

/// How far a maintenance operation came.
pub(super) enum Tried {
    Permit,
    Change,
}

impl Image {
    /// Does something that needs the exclusive lock. Where another opener keeps the lock, that one does it.
    pub(super) async fn maintain(self: &Arc<Self>, what: Maintenance) -> ImageResult<()> {
        self.check_open_for_changes()?;
        match self.maintain_here(&what).await {
            Err((error, Tried::Permit)) if error.errno() == Errno::EROFS => self.ask_owner(what, error).await,
            other => other.map_err(|(error, _)| error),
        }
    }

    /// Does it in this opener.
    ///
    /// Requests that were issued before are waited for first (they belong into a snapshot, and a shrinking image cuts
    /// them off), and before the permit: some of them may be waiting for one, and the gate for this one.
    pub(super) async fn maintain_here(
        self: &Arc<Self>,
        what: &Maintenance,
    ) -> Result<(), (ImageError, Tried)> {
        self.tracker.all().await;
        let permit = self.wait_for_permit().await.map_err(|error| (error, Tried::Permit))?;
        self.apply(what, &permit).await.map_err(|error| (error, Tried::Change))
    }

    /// Lets the lock's owner do it: its answer, or `refused` if there is none.
    async fn ask_owner(&self, what: Maintenance, refused: ImageError) -> ImageResult<()> {
        let Some(reply) = self.send_notice(&Notice::Maintain(what)).await else { return Err(refused) };
        if !reply.timeouts.is_empty() {
            return refuse(Errno::ETIMEDOUT, format!("image {}: the lock's owner does not answer", self.id));
        }
        match reply.acks.iter().find_map(|ack| Answer::decode(&ack.payload)) {
            Some(Answer::Done) => Ok(()),
            Some(Answer::Failed(errno)) => {
                refuse(errno, format!("image {}: the lock's owner could not do it", self.id))
            }
            Some(Answer::Releasing | Answer::Refused(_)) | None => Err(refused),
        }
    }

    /// The change itself. One permit is all that it may hold: asking for a second one could wait for ever.
    async fn apply(self: &Arc<Self>, what: &Maintenance, _permit: &Permit) -> ImageResult<()> {
        let _one = self.maintenance.lock().await;
        match what {
            Maintenance::Resize { size, allow_shrink } => self.apply_resize(*size, *allow_shrink).await?,
            Maintenance::SnapCreate { name } => self.apply_snap_create(name).await?,
            Maintenance::SnapRemove { id, unprotect } => {
                self.apply_snap_remove(SnapshotId(*id), *unprotect).await?;
            }
            Maintenance::SnapRename { from, to } => self.apply_snap_rename(from, to).await?,
            Maintenance::SnapProtect { name, protect } => self.apply_snap_protect(name, *protect).await?,
            Maintenance::Features { bits, on } => self.apply_features(*bits, *on).await?,
        }
        self.announce_update().await;
        Ok(())
    }

    /// Changes the size. EINVAL if that shrinks the image and must not.
    pub async fn resize(
        self: &Arc<Self>,
        size: u64,
        allow_shrink: bool,
        progress: Progress<'_>,
    ) -> ImageResult<()> {
        self.check_writable()?;
        let header = self.header().await?;
        check_size(size, header.properties.order, header.features)?;
        self.maintain(Maintenance::Resize { size, allow_shrink }).await?;
        progress(1, 1);
        Ok(())
    }

    async fn apply_resize(&self, size: u64, allow_shrink: bool) -> ImageResult<()> {
        let old = self.head.size_bytes();
        if size < old && !allow_shrink {
            return refuse(Errno::EINVAL, format!("{size} bytes are less than the image's {old}"));
        }
        if size != old {
            self.head.resize(size).await?;
        }
        Ok(())
    }

    /// Switches features on or off: EINVAL for those that cannot be, that are so already, or whose needs are not met.
    pub async fn update_features(self: &Arc<Self>, wanted: u64, on: bool) -> ImageResult<()> {
        self.check_writable()?;
        let changeable = if on { features::MUTABLE } else { features::MUTABLE | features::DISABLE_ONLY };
        if wanted == 0 || wanted & !changeable != 0 {
            return refuse(Errno::EINVAL, format!("features {wanted:#x} cannot be switched"));
        }
        self.maintain(Maintenance::Features { bits: wanted, on }).await
    }

    async fn apply_features(&self, wanted: u64, on: bool) -> ImageResult<()> {
        let now = header::load(&self.pool, &self.id).await?.features;
        let new = if on { switched_on(now, wanted)? } else { switched_off(now, wanted)? };
        header::set_features(&self.pool, &self.id, new).await
    }

    pub async fn metadata_get(&self, key: &str) -> ImageResult<Bytes> {
        header::metadata_get(&self.pool, &self.id, key).await
    }

    /// EINVAL for a `conf_` key that names no option, or a value that the option cannot have.
    pub async fn metadata_set(self: &Arc<Self>, key: &str, value: &[u8]) -> ImageResult<()> {
        self.check_writable()?;
        check_override(key, value)?;
        header::metadata_set(&self.pool, &self.id, key, value).await?;
        self.metadata_changed(key).await
    }

    /// ENOENT if it is not there.
    pub async fn metadata_remove(self: &Arc<Self>, key: &str) -> ImageResult<()> {
        self.check_writable()?;
        header::metadata_get(&self.pool, &self.id, key).await?;
        header::metadata_remove(&self.pool, &self.id, key).await?;
        self.metadata_changed(key).await
    }

    /// Options of the image that can change while it is open hold from now on.
    async fn metadata_changed(&self, key: &str) -> ImageResult<()> {
        if key.starts_with("conf_") {
            let settings = Settings::from_layers(&self.layers().await?);
            *self.settings.write() = settings;
        }
        self.announce_update().await;
        Ok(())
    }

    /// Entries after `start`, at most `max` of them (0: all), by key.
    pub async fn metadata_list(&self, start: &str, max: u64) -> ImageResult<Vec<(Bytes, Bytes)>> {
        let max = if max == 0 { usize::MAX } else { usize::try_from(max).unwrap_or(usize::MAX) };
        let mut found = header::metadata_list(&self.pool, &self.id, start, max).await?;
        // Names after the empty one, which librbd never lists.
        if found.first().is_some_and(|(key, _)| key.is_empty()) {
            found.remove(0);
            if found.len() + 1 == max {
                let last = found.last().map(|(key, _)| String::from_utf8_lossy(key).into_owned());
                let last = last.unwrap_or_default();
                found.extend(header::metadata_list(&self.pool, &self.id, &last, 1).await?);
            }
        }
        Ok(found)
    }
}

fn switched_on(now: u64, wanted: u64) -> ImageResult<u64> {
    let new = now | wanted;
    if wanted & now != 0 {
        return refuse(Errno::EINVAL, format!("features {:#x} are on already", wanted & now));
    }
    if wanted & features::JOURNALING != 0 {
        return refuse(Errno::EOPNOTSUPP, "journaling: the log needs no second one");
    }
    check_needs(new)?;
    // Fast-diff and the object map come together.
    Ok(if wanted & features::OBJECT_MAP != 0 { new | features::FAST_DIFF } else { new })
}

fn switched_off(now: u64, wanted: u64) -> ImageResult<u64> {
    if wanted & !now != 0 {
        return refuse(Errno::EINVAL, format!("features {:#x} are off already", wanted & !now));
    }
    let mut new = now & !wanted;
    if wanted & features::OBJECT_MAP != 0 {
        new &= !features::FAST_DIFF;
    }
    if wanted & features::FAST_DIFF != 0 {
        new &= !features::OBJECT_MAP;
    }
    check_needs(new)?;
    Ok(new)
}

/// EINVAL where a feature lacks one that it needs.
pub fn check_needs(bits: u64) -> ImageResult<()> {
    let lock_needed = features::OBJECT_MAP | features::JOURNALING;
    if bits & lock_needed != 0 && bits & features::EXCLUSIVE_LOCK == 0 {
        return refuse(Errno::EINVAL, "object-map and journaling need exclusive-lock");
    }
    Ok(())
}
