//! Copies of an image: what is looked at, or the image with its snapshots.

use std::sync::Arc;

use super::create::{CreateParams, create};
use super::error::{ImageError, ImageResult, refuse};
use super::header;
use super::image::{Image, OpenOptions, Which};
use super::options::{self, ImageOptions};
use super::pool::Pool;
use super::remove::remove;
use super::settings::Conf;
use super::snaps::{Progress, no_progress};
use crate::disk::{Disk, SnapshotId};
use crate::errno::Errno;

/// Bytes copied at once.
const CHUNK: u64 = 4 << 20;
/// A range of the image that one call of the disk's diff covers.
const STEP: u64 = 1 << 30;

/// Where a copy goes.
pub struct Destination<'a> {
    pub pool: &'a Pool,
    pub name: &'a str,
    pub options: &'a ImageOptions,
    pub conf: &'a Conf,
}

impl Image {
    /// Copies what is looked at into a new image, with metadata. EEXIST if the name is taken.
    pub async fn copy(self: &Arc<Self>, to: Destination<'_>, progress: Progress<'_>) -> ImageResult<()> {
        let size = self.size().await?;
        let made = self.make_destination(&to, size).await?;
        let copied = self.copy_to(&made, progress).await;
        finish(made, copied, &to).await
    }

    /// Copies what is looked at into an open image: EINVAL if that is smaller.
    pub async fn copy_to(self: &Arc<Self>, to: &Arc<Image>, progress: Progress<'_>) -> ImageResult<()> {
        let size = self.size().await?;
        let room = to.size().await?;
        if room < size {
            return refuse(Errno::EINVAL, format!("{size} bytes do not fit into an image of {room}"));
        }
        self.copy_metadata(to).await?;
        self.flush_for_copy().await?;
        let from = self.viewed().map(|snap| snap.id);
        self.copy_runs(to, &self.readable(), None, from, progress).await?;
        to.flush().await
    }

    /// Copies the image with all its snapshots up to the one that is looked at, or with all of them and its present
    /// state.
    pub async fn deep_copy(self: &Arc<Self>, to: Destination<'_>, progress: Progress<'_>) -> ImageResult<()> {
        let viewed = self.viewed();
        let mut snaps = self.snapshots().await?;
        if let Some(viewed) = &viewed {
            snaps.retain(|snap| snap.id <= viewed.id);
        }
        let first_size = match snaps.first() {
            Some(first) => first.size_bytes,
            None => self.size().await?,
        };
        let made = self.make_destination(&to, first_size).await?;
        let copied = self.deep_copy_to(&made, &snaps, viewed.is_none(), progress).await;
        finish(made, copied, &to).await
    }

    async fn deep_copy_to(
        self: &Arc<Self>,
        to: &Arc<Image>,
        snaps: &[crate::disk::SnapInfo],
        with_head: bool,
        progress: Progress<'_>,
    ) -> ImageResult<()> {
        self.copy_metadata(to).await?;
        let mut before: Option<SnapshotId> = None;
        for snap in snaps {
            to.resize(snap.size_bytes, true, no_progress()).await?;
            let options = self.settings.read().disk.clone();
            let store = self.pool.store.clone();
            let source =
                Disk::open_snapshot(store, self.names.clone(), snap.id, options, self.env.clone()).await?;
            let copied = self.copy_runs(to, &source, before, Some(snap.id), progress).await;
            let closed = source.close().await;
            copied?;
            closed?;
            to.snap_create(&snap.name).await?;
            if snap.protected {
                to.snap_protect(&snap.name, true).await?;
            }
            before = Some(snap.id);
        }
        if with_head {
            to.resize(self.size().await?, true, no_progress()).await?;
            self.flush_for_copy().await?;
            let _permit = self.read_permit().await?;
            self.copy_runs(to, &self.head, before, None, progress).await?;
        }
        to.flush().await
    }

    /// The map has what was flushed; a copy is to have what was written.
    async fn flush_for_copy(self: &Arc<Self>) -> ImageResult<()> {
        if self.viewed().is_none() { self.flush().await } else { Ok(()) }
    }

    async fn copy_runs(
        self: &Arc<Self>,
        to: &Arc<Image>,
        source: &Arc<Disk>,
        from: Option<SnapshotId>,
        until: Option<SnapshotId>,
        progress: Progress<'_>,
    ) -> ImageResult<()> {
        let size = source.size_bytes();
        let mut buffer = Vec::new();
        let mut at = 0;
        progress(0, size);
        while at < size {
            let step = STEP.min(size - at);
            for run in self.head.diff(from, until, at, step).await? {
                if !run.exists {
                    to.write_zeroes(run.offset, run.length).await?;
                    continue;
                }
                let mut done = 0;
                while done < run.length {
                    let here = CHUNK.min(run.length - done);
                    buffer.resize(here as usize, 0);
                    source.read(run.offset + done, here, &mut buffer).await?;
                    to.write(run.offset + done, &[&buffer]).await?;
                    done += here;
                    progress(run.offset + done, size);
                }
            }
            at += step;
        }
        progress(size, size);
        Ok(())
    }

    async fn copy_metadata(&self, to: &Arc<Image>) -> ImageResult<()> {
        for (key, value) in self.metadata_list("", 0).await? {
            let key = String::from_utf8_lossy(&key).into_owned();
            header::metadata_set(&to.pool, &to.id, &key, &value).await?;
        }
        Ok(())
    }

    /// A new image like this one, but for what the options say.
    async fn make_destination(&self, to: &Destination<'_>, size: u64) -> ImageResult<Arc<Image>> {
        let header = self.header().await?;
        let mut options = to.options.clone();
        let mut default = |option: i32, value: u64| -> ImageResult<()> {
            if options.is_set(option)? { Ok(()) } else { options.set_number(option, value) }
        };
        default(options::FEATURES, header.features)?;
        default(options::ORDER, u64::from(header.properties.order))?;
        default(options::STRIPE_UNIT, header.properties.stripe_unit)?;
        default(options::STRIPE_COUNT, header.properties.stripe_count)?;
        let params = CreateParams::from_options(to.pool, to.conf, &options).await?;
        create(to.pool, to.name, size, &params, self.env.as_ref()).await?;
        let which = Which::Name(to.name);
        Image::open(to.pool.clone(), which, OpenOptions::default(), to.conf.clone(), self.env.clone()).await
    }
}

/// Closes the copy; what is only half a copy goes again.
async fn finish(made: Arc<Image>, copied: ImageResult<()>, to: &Destination<'_>) -> ImageResult<()> {
    let env = made.env().clone();
    let closed = made.close().await;
    let outcome = copied.and(closed);
    if let Err(error) = &outcome {
        tracing::warn!("copy {}: {error}", to.name);
        if let Err(second) = remove(to.pool, to.name, to.conf, env, no_progress()).await {
            tracing::warn!("copy {}: cleaning up: {second}", to.name);
        }
    }
    outcome
}

/// Refuses to copy an image onto itself: EINVAL.
pub fn check_different(from: &Arc<Image>, to: &Arc<Image>) -> Result<(), ImageError> {
    if Arc::ptr_eq(from, to) || (from.pool.id == to.pool.id && from.id == to.id) {
        return refuse(Errno::EINVAL, "an image cannot be copied onto itself");
    }
    Ok(())
}
