//! Changes of an image as a whole: size, features, metadata.

use std::sync::Arc;

use bytes::Bytes;

use super::error::{ImageResult, refuse};
use super::features;
use super::header;
use super::image::Image;
use super::pool_meta::check_override;
use super::settings::Settings;
use super::snaps::Progress;
use crate::disk::MAX_SIZE_BYTES;
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

impl Image {
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
        let _permit = self.permit().await?;
        let _one = self.maintenance.lock().await;
        let old = self.head.size_bytes();
        if size < old && !allow_shrink {
            return refuse(Errno::EINVAL, format!("{size} bytes are less than the image's {old}"));
        }
        if size < old {
            // What is cut off may still be on its way.
            self.tracker.all().await;
        }
        if size != old {
            self.head.resize(size).await?;
        }
        progress(1, 1);
        self.announce_update().await;
        Ok(())
    }

    /// Switches features on or off: EINVAL for those that cannot be, that are so already, or whose needs are not met.
    pub async fn update_features(self: &Arc<Self>, wanted: u64, on: bool) -> ImageResult<()> {
        self.check_writable()?;
        let changeable = if on { features::MUTABLE } else { features::MUTABLE | features::DISABLE_ONLY };
        if wanted == 0 || wanted & !changeable != 0 {
            return refuse(Errno::EINVAL, format!("features {wanted:#x} cannot be switched"));
        }
        let _permit = self.permit().await?;
        let _one = self.maintenance.lock().await;
        let now = header::load(&self.pool, &self.id).await?.features;
        let new = if on { switched_on(now, wanted)? } else { switched_off(now, wanted)? };
        header::set_features(&self.pool, &self.id, new).await?;
        self.announce_update().await;
        Ok(())
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
        header::metadata_list(&self.pool, &self.id, start, max).await
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
