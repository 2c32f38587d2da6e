//! What this room keeps in the omap of `lsvd_header.<id>`, beside the disk's own keys.
//!
//! | key | value |
//! |---|---|
//! | `image` | [`Properties`]: fixed at creation |
//! | `image.features` | feature bits, u64 |
//! | `image.access`, `image.modify` | timestamps: seconds u64, nanoseconds u32 |
//! | `image.snap_limit` | u64; absent: no limit |
//! | `image.removing` | the image is being removed: it cannot be opened |
//! | `meta.<key>` | metadata of the user (`rbd_metadata_*`), as it is |
//!
//! All but metadata are `codec` values of version 1.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::codec::{Reader, Writer};
use super::directory::header_object;
use super::error::{ImageResult, refuse};
use super::pool::{Pool, set, unset};
use crate::errno::Errno;
use crate::store::{Op, PoolId};

const PROPERTIES: &str = "image";
const FEATURES: &str = "image.features";
const ACCESSED: &str = "image.access";
const MODIFIED: &str = "image.modify";
const SNAP_LIMIT: &str = "image.snap_limit";
const REMOVING: &str = "image.removing";
const META: &str = "meta.";
const VERSION: u8 = 1;
/// In place of a data pool: there is none.
const NO_POOL: u64 = u64::MAX;

/// A point in time, as `struct timespec` has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp {
    pub seconds: u64,
    pub nanoseconds: u32,
}

impl Timestamp {
    pub fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        Writer::new(VERSION).u64(self.seconds).u32(self.nanoseconds).finish()
    }

    pub(crate) fn decode(bytes: &[u8], what: &str) -> ImageResult<Timestamp> {
        let mut reader = Reader::new(bytes, VERSION, what)?;
        Ok(Timestamp { seconds: reader.u64()?, nanoseconds: reader.u32()? })
    }
}

/// What never changes about an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Properties {
    /// Object size as a power of two, as `rbd_stat` and the striping rules see it; the log has its own segments.
    pub order: u8,
    pub stripe_unit: u64,
    pub stripe_count: u64,
    pub created: Timestamp,
    /// Where segments are, if not in the header's pool.
    pub data_pool: Option<PoolId>,
}

impl Properties {
    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(VERSION)
            .u8(self.order)
            .u64(self.stripe_unit)
            .u64(self.stripe_count)
            .u64(self.created.seconds)
            .u32(self.created.nanoseconds)
            .u64(self.data_pool.map_or(NO_POOL, |pool| pool.0 as u64))
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8], what: &str) -> ImageResult<Properties> {
        let mut reader = Reader::new(bytes, VERSION, what)?;
        let order = reader.u8()?;
        if !(12..=25).contains(&order) {
            return refuse(Errno::EIO, format!("{what} is corrupt: order {order}"));
        }
        Ok(Properties {
            order,
            stripe_unit: reader.u64()?,
            stripe_count: reader.u64()?,
            created: Timestamp { seconds: reader.u64()?, nanoseconds: reader.u32()? },
            data_pool: Some(reader.u64()?).filter(|pool| *pool != NO_POOL).map(|pool| PoolId(pool as i64)),
        })
    }
}

/// All of the above but metadata, read at once.
#[derive(Clone, Debug)]
pub struct Header {
    pub properties: Properties,
    pub features: u64,
    pub accessed: Timestamp,
    pub modified: Timestamp,
    pub snap_limit: Option<u64>,
    pub removing: bool,
}

pub(crate) fn encode_u64(value: u64) -> Vec<u8> {
    Writer::new(VERSION).u64(value).finish()
}

pub(crate) fn decode_u64(bytes: &[u8], what: &str) -> ImageResult<u64> {
    Reader::new(bytes, VERSION, what)?.u64()
}

/// The ops that complete a new header.
pub fn create_ops(properties: &Properties, features: u64) -> Vec<Op> {
    vec![set(PROPERTIES, properties.encode()), set(FEATURES, encode_u64(features))]
}

/// Reads a header. ENOENT if there is none, or no complete one.
pub async fn load(pool: &Pool, id: &str) -> ImageResult<Header> {
    let oid = header_object(id);
    let keys = [PROPERTIES, FEATURES, ACCESSED, MODIFIED, SNAP_LIMIT, REMOVING];
    let values = pool.omap_get(&oid, &keys).await?;
    let get = |key: &str| values.get(key.as_bytes());
    let Some(properties) = get(PROPERTIES) else {
        return refuse(Errno::ENOENT, format!("{oid}: no image is described here"));
    };
    let properties = Properties::decode(properties, &oid)?;
    let time = |key: &str| match get(key) {
        Some(value) => Timestamp::decode(value, &oid),
        None => Ok(properties.created),
    };
    Ok(Header {
        features: get(FEATURES).map_or(Ok(0), |value| decode_u64(value, &oid))?,
        accessed: time(ACCESSED)?,
        modified: time(MODIFIED)?,
        snap_limit: get(SNAP_LIMIT).map(|value| decode_u64(value, &oid)).transpose()?,
        removing: get(REMOVING).is_some(),
        properties,
    })
}

/// Changes a key of an existing header: it must not come to life again under a late update.
async fn update(pool: &Pool, id: &str, op: Op) -> ImageResult<()> {
    pool.run(&header_object(id), vec![Op::AssertExists, op]).await?;
    Ok(())
}

pub async fn set_features(pool: &Pool, id: &str, features: u64) -> ImageResult<()> {
    update(pool, id, set(FEATURES, encode_u64(features))).await
}

pub async fn set_accessed(pool: &Pool, id: &str, time: Timestamp) -> ImageResult<()> {
    update(pool, id, set(ACCESSED, time.encode())).await
}

pub async fn set_modified(pool: &Pool, id: &str, time: Timestamp) -> ImageResult<()> {
    update(pool, id, set(MODIFIED, time.encode())).await
}

/// `None`: no limit.
pub async fn set_snap_limit(pool: &Pool, id: &str, limit: Option<u64>) -> ImageResult<()> {
    let op = limit.map_or_else(|| unset(&[SNAP_LIMIT]), |limit| set(SNAP_LIMIT, encode_u64(limit)));
    update(pool, id, op).await
}

/// Marks the image as going, or not; false if its header is gone already.
pub async fn set_removing(pool: &Pool, id: &str, removing: bool) -> ImageResult<bool> {
    let op = if removing { set(REMOVING, encode_u64(1)) } else { unset(&[REMOVING]) };
    match update(pool, id, op).await {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Errno::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// One metadata value; ENOENT if it is not there.
pub async fn metadata_get(pool: &Pool, id: &str, key: &str) -> ImageResult<Bytes> {
    match pool.omap_get_one(&header_object(id), &format!("{META}{key}")).await? {
        Some(value) => Ok(value),
        None => refuse(Errno::ENOENT, format!("no metadata {key}")),
    }
}

pub async fn metadata_set(pool: &Pool, id: &str, key: &str, value: &[u8]) -> ImageResult<()> {
    update(pool, id, set(&format!("{META}{key}"), Bytes::copy_from_slice(value))).await
}

pub async fn metadata_remove(pool: &Pool, id: &str, key: &str) -> ImageResult<()> {
    update(pool, id, unset(&[&format!("{META}{key}")])).await
}

/// Metadata after `start`, at most `max`, by key.
pub async fn metadata_list(
    pool: &Pool,
    id: &str,
    start: &str,
    max: usize,
) -> ImageResult<Vec<(Bytes, Bytes)>> {
    let after = if start.is_empty() { String::new() } else { format!("{META}{start}") };
    let found = pool.omap_list(&header_object(id), META, &after, max).await?;
    Ok(found.into_iter().map(|(key, value)| (key.slice(META.len()..), value)).collect())
}

/// All `conf_<option>` metadata: options that hold for this image only.
pub async fn conf_overrides(pool: &Pool, id: &str) -> ImageResult<BTreeMap<String, String>> {
    let found = pool.omap_list(&header_object(id), &format!("{META}conf_"), "", usize::MAX).await?;
    Ok(overrides_of(found, META.len() + "conf_".len()))
}

/// Option names and values of entries whose keys have `skip` bytes before the name.
pub fn overrides_of(entries: Vec<(Bytes, Bytes)>, skip: usize) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    entries.into_iter().map(|(key, value)| (text(&key[skip..]), text(&value))).collect()
}
