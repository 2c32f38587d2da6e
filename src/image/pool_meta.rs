//! What belongs to a pool and not to an image: namespaces, metadata, initialisation, statistics.
//!
//! Namespaces and pool metadata are where Ceph keeps them (`rbd_namespace`, `rbd_info`, with Ceph's keys), so that
//! those that were made with Ceph's tools hold for us too.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::directory;
use super::error::{ImageResult, refuse};
use super::header;
use super::pool::{Pool, expect, set, unset};
use super::settings::{override_names, parse_size};
use crate::conf;
use crate::errno::Errno;
use crate::store::{Op, StoreError};

const NAMESPACES: &str = "rbd_namespace";
const NAME: &str = "name_";
const INFO: &str = "rbd_info";
const META: &str = "metadata_";
const CONF: &str = "conf_";
const APPLICATION: &str = "rbd";
/// The one option with a rule beyond type and limits: a power of two.
const GRANULARITY: &str = "rbd_discard_granularity_bytes";
/// What Ceph writes into a pool's `rbd_info` object once it is initialised.
const OVERWRITE_VALIDATED: &str = "overwrite validated";

/// EEXIST if it exists, EINVAL for no name, ENAMETOOLONG for one of more than 256 bytes (Ceph's default). Namespaces do not nest: they are always the pool's own.
pub async fn namespace_create(pool: &Pool, name: &str) -> ImageResult<()> {
    if name.is_empty() {
        return refuse(Errno::EINVAL, "a namespace needs a name");
    }
    let pool = &pool.default_namespace();
    if namespace_exists(pool, name).await? {
        return refuse(Errno::EEXIST, format!("namespace {name} exists"));
    }
    // ENAMETOOLONG is the store's to say. Nobody has this object, and removing it does nothing else.
    Pool { namespace: name.into(), ..pool.clone() }.remove("lsvd_probe").await?;
    let key = format!("{NAME}{name}");
    pool.run_creating(NAMESPACES, vec![set(&key, Bytes::new())]).await?;
    Ok(())
}

/// ENOENT if there is none, EBUSY while it has images.
pub async fn namespace_remove(pool: &Pool, name: &str) -> ImageResult<()> {
    let pool = &pool.default_namespace();
    if !namespace_exists(pool, name).await? {
        return refuse(Errno::ENOENT, format!("no namespace {name}"));
    }
    let inside = Pool { namespace: name.into(), ..pool.clone() };
    if !directory::list(&inside).await?.is_empty() || !directory::removals(&inside).await?.is_empty() {
        return refuse(Errno::EBUSY, format!("namespace {name} has images"));
    }
    let key = format!("{NAME}{name}");
    pool.run(NAMESPACES, vec![unset(&[&key])]).await?;
    Ok(())
}

pub async fn namespace_list(pool: &Pool) -> ImageResult<Vec<String>> {
    let entries = pool.default_namespace().omap_list(NAMESPACES, NAME, "", usize::MAX).await?;
    Ok(entries.iter().map(|(key, _)| String::from_utf8_lossy(&key[NAME.len()..]).into_owned()).collect())
}

pub async fn namespace_exists(pool: &Pool, name: &str) -> ImageResult<bool> {
    if name.is_empty() {
        return refuse(Errno::EINVAL, "a namespace has a name");
    }
    let key = format!("{NAME}{name}");
    Ok(pool.default_namespace().omap_get_one(NAMESPACES, &key).await?.is_some())
}

/// Marks the pool as one for images. EPERM where it already belongs to another application, unless forced.
pub async fn init(pool: &Pool, force: bool) -> ImageResult<()> {
    pool.store.application_enable(pool.id, APPLICATION, force).await?;
    let pool = pool.default_namespace();
    let known = pool.read_small(INFO, 64).await?.unwrap_or_default();
    if known != OVERWRITE_VALIDATED.as_bytes() {
        pool.run(INFO, vec![Op::WriteFull { data: Bytes::from_static(OVERWRITE_VALIDATED.as_bytes()) }])
            .await?;
    }
    Ok(())
}

pub async fn metadata_get(pool: &Pool, key: &str) -> ImageResult<Bytes> {
    match pool.default_namespace().omap_get_one(INFO, &format!("{META}{key}")).await? {
        Some(value) => Ok(value),
        None => refuse(Errno::ENOENT, format!("the pool has no metadata {key}")),
    }
}

/// EINVAL for a `conf_` key that names no option, or a value that the option cannot have.
pub async fn metadata_set(pool: &Pool, key: &str, value: &[u8]) -> ImageResult<()> {
    check_override(key, value)?;
    let op = set(&format!("{META}{key}"), Bytes::copy_from_slice(value));
    pool.default_namespace().run_creating(INFO, vec![op]).await?;
    Ok(())
}

/// ENOENT if it is not there.
pub async fn metadata_remove(pool: &Pool, key: &str) -> ImageResult<()> {
    let value = metadata_get(pool, key).await?;
    let key = format!("{META}{key}");
    let removed = pool.default_namespace().run(INFO, vec![expect(&key, value), unset(&[&key])]).await;
    match removed {
        Err(StoreError::Op(Errno::ECANCELED)) => refuse(Errno::ENOENT, format!("the pool has no {key}")),
        other => Ok(other.map(drop)?),
    }
}

pub async fn metadata_list(pool: &Pool, start: &str, max: usize) -> ImageResult<Vec<(Bytes, Bytes)>> {
    let after = if start.is_empty() { String::new() } else { format!("{META}{start}") };
    let found = pool.default_namespace().omap_list(INFO, META, &after, max).await?;
    Ok(found.into_iter().map(|(key, value)| (key.slice(META.len()..), value)).collect())
}

/// The options that the pool sets for its images.
pub async fn conf_overrides(pool: &Pool) -> ImageResult<BTreeMap<String, String>> {
    let prefix = format!("{META}{CONF}");
    let found = pool.default_namespace().omap_list(INFO, &prefix, "", usize::MAX).await?;
    Ok(header::overrides_of(found, prefix.len()))
}

/// Refuses `conf_` metadata that could not be used: EINVAL.
pub fn check_override(key: &str, value: &[u8]) -> ImageResult<()> {
    let Some(option) = key.strip_prefix(CONF) else { return Ok(()) };
    if !override_names().any(|(name, _)| name == option) {
        return refuse(Errno::EINVAL, format!("{option} is no option of an image"));
    }
    let value = String::from_utf8_lossy(value);
    let fits = option != GRANULARITY || parse_size(&value).is_some_and(u64::is_power_of_two);
    match conf::check(option, &value) {
        Ok(()) if fits => Ok(()),
        Ok(()) | Err(_) => refuse(Errno::EINVAL, format!("{option} cannot be {value:?}")),
    }
}

/// What `rbd_pool_stats_get` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolStats {
    pub images: u64,
    pub provisioned_bytes: u64,
    /// Counting each image at the largest size among it and its snapshots.
    pub max_provisioned_bytes: u64,
    pub snapshots: u64,
}
