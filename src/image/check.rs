//! Checks an image and the pool's names of images; repairs, as the image's only writer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::directory::{self, DIRECTORY};
use super::error::{ImageResult, found, refuse};
use super::header;
use super::image::{Image, OpenOptions, Which};
use super::pool::Pool;
use super::settings::{Conf, Layers, Settings};
use crate::disk::check::{self, Progress, Report};
use crate::disk::usage::{self, Space};
use crate::disk::{DiskNames, SnapshotId};
use crate::env::Env;
use crate::errno::Errno;

/// Bytes of an image that one step of a count covers.
const STEP: u64 = 1 << 34;

/// Reads all of an image's state, takes no lock and changes nothing. ENOENT if there is no such image.
pub async fn check(
    pool: &Pool,
    name: &str,
    conf: Conf,
    env: Arc<dyn Env>,
    progress: &Progress,
) -> ImageResult<Report> {
    let (names, settings) = parts(pool, name, &conf).await?;
    Ok(check::check(pool.store.clone(), names, settings.disk, env, progress).await?)
}

/// Repairs what a check has found. EBUSY if someone else has the image open: then nothing was changed.
pub async fn repair(
    pool: &Pool,
    name: &str,
    conf: Conf,
    env: Arc<dyn Env>,
    before: Report,
    progress: &Progress,
) -> ImageResult<Report> {
    // Garbage collection would move what is being counted.
    let quiet: Conf = Arc::new(move |key| match key {
        "logrbd_gc" => Some("false".to_owned()),
        key => conf(key),
    });
    let image =
        Image::open(pool.clone(), Which::Name(name), OpenOptions::default(), quiet, env.clone()).await?;
    let outcome = repair_open(&image, env, before, progress).await;
    let closed = image.close().await;
    let report = outcome?;
    closed?;
    Ok(report)
}

async fn repair_open(
    image: &Arc<Image>,
    env: Arc<dyn Env>,
    before: Report,
    progress: &Progress,
) -> ImageResult<Report> {
    if image.watchers().await?.len() > 1 {
        return refuse(Errno::EBUSY, format!("image {} is open elsewhere", image.name().await?));
    }
    image.acquire_lock().await?;
    let settings = image.settings.read().disk.clone();
    let (store, names) = (image.pool.store.clone(), image.names.clone());
    Ok(check::repair(&image.head, store, names, settings, env, before, progress).await?)
}

async fn parts(pool: &Pool, name: &str, conf: &Conf) -> ImageResult<(DiskNames, Settings)> {
    let Some(id) = directory::resolve(pool, name).await? else {
        return refuse(Errno::ENOENT, format!("no image {name}"));
    };
    let data_pool = header::load(pool, &id).await?.properties.data_pool;
    let settings = Settings::from_layers(&Layers::of_conf(conf.clone()));
    Ok((DiskNames::new(pool.id, &pool.namespace, &id, data_pool), settings))
}

/// What an image takes in the store.
pub async fn space(pool: &Pool, name: &str, conf: &Conf) -> ImageResult<Space> {
    let (names, _) = parts(pool, name, conf).await?;
    Ok(usage::space(&pool.store, &names).await?)
}

/// Size and used bytes of a state of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// `None`: the head.
    pub snapshot: Option<String>,
    pub provisioned_bytes: u64,
    /// What differs from the snapshot before, whole blocks clipped to the size: as `rbd du` counts.
    pub used_bytes: u64,
}

/// The use of each snapshot, in the order in which they were made, and of the head.
pub async fn usage(pool: &Pool, name: &str, conf: Conf, env: Arc<dyn Env>) -> ImageResult<Vec<Usage>> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let image = Image::open(pool.clone(), Which::Name(name), options, conf, env).await?;
    let outcome = usage_of(&image).await;
    image.close().await?;
    outcome
}

async fn usage_of(image: &Arc<Image>) -> ImageResult<Vec<Usage>> {
    let mut all = Vec::new();
    let mut before: Option<SnapshotId> = None;
    for snapshot in image.snapshots().await? {
        let size = snapshot.size_bytes;
        let used_bytes = used(image, before, Some(snapshot.id), size).await?;
        all.push(Usage { snapshot: Some(snapshot.name), provisioned_bytes: size, used_bytes });
        before = Some(snapshot.id);
    }
    image.head.refresh().await?;
    let size = image.head.size_bytes();
    let used_bytes = used(image, before, None, size).await?;
    all.push(Usage { snapshot: None, provisioned_bytes: size, used_bytes });
    Ok(all)
}

async fn used(
    image: &Image,
    from: Option<SnapshotId>,
    to: Option<SnapshotId>,
    size: u64,
) -> ImageResult<u64> {
    let mut sum = 0;
    let mut offset = 0;
    while offset < size {
        let length = STEP.min(size - offset);
        let runs = image.head.diff(from, to, offset, length).await?;
        sum += runs.iter().filter(|run| run.exists).map(|run| run.length).sum::<u64>();
        offset += length;
    }
    Ok(sum)
}

/// What is wrong with the names of a pool's images: the object, and what about it.
pub async fn check_names(pool: &Pool) -> ImageResult<Vec<(String, String)>> {
    let mut wrong: Vec<(String, String)> = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let entries = pool.omap_list(DIRECTORY, "", "", usize::MAX).await?;
    let mut ids = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut passing = BTreeSet::new();
    for (key, value) in &entries {
        let key = text(key);
        if let Some(name) = key.strip_prefix("name_") {
            names.insert(name.to_owned(), text(value));
        } else if let Some(id) = key.strip_prefix("id_") {
            ids.insert(id.to_owned(), text(value));
        } else if let Some(id) = key.strip_prefix("removing_").or_else(|| key.strip_prefix("creating_")) {
            passing.insert(id.to_owned());
        } else {
            wrong.push((DIRECTORY.into(), format!("entry {key} is of no known kind")));
        }
    }
    for (name, id) in &names {
        if ids.get(id) != Some(name) {
            wrong.push((
                DIRECTORY.into(),
                format!("{name} stands for {id}, which stands for {:?}", ids.get(id)),
            ));
        }
        match directory::lookup(pool, name).await? {
            Some(found) if found == *id => {}
            other => {
                wrong.push((directory::id_object(name), format!("holds {other:?}, the directory says {id}")));
            }
        }
        if found(header::load(pool, id).await)?.is_none() && !passing.contains(id) {
            wrong.push((directory::header_object(id), format!("missing; {name} is listed with it")));
        }
    }
    for (id, name) in &ids {
        if names.get(name) != Some(id) {
            wrong.push((DIRECTORY.into(), format!("id {id} stands for {name}, which is not listed with it")));
        }
    }
    Ok(wrong)
}
