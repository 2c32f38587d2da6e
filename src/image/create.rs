//! New images: checks by librbd's rules, and the order of steps that survives a crash between any two of them.
//!
//! Order: a note in the directory, disk and header under a new id, the name's id object (from here on the image exists),
//! the directory, which drops the note. What a crash leaves before the id object cannot be reached, and a later creation
//! in the pool clears it away by the note; after it, whoever creates the name completes the directory.

use super::directory::{self, header_object};
use super::error::{ImageError, ImageResult, refuse};
use super::features;
use super::header::{self, Properties, Timestamp};
use super::maintain::{check_needs, check_size};
use super::options::{self, ImageOptions};
use super::pool::Pool;
use super::pool_meta;
use super::remove::finish_removal;
use super::settings::{Conf, CreateDefaults, Layers};
use super::snaps::no_progress;
use crate::disk::{Disk, DiskNames, FormatParams};
use crate::env::Env;
use crate::errno::Errno;
use crate::store::{PoolId, StoreError};

/// A creation that has not ended after this long never will.
const CREATION_MAX_S: u64 = 3600;
const ORDERS: std::ops::RangeInclusive<u8> = 12..=25;

/// What a new image is to be, all defaults filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateParams {
    pub order: u8,
    pub features: u64,
    pub stripe_unit: u64,
    pub stripe_count: u64,
    pub data_pool: Option<PoolId>,
    /// It is erasure-coded.
    pub payloads: bool,
    pub segment_bytes: u32,
}

impl CreateParams {
    /// EDOM for an order out of range, EINVAL for what does not fit together, ENOSYS for features that do not exist,
    /// ENOENT for a data pool that does not exist.
    pub async fn from_options(pool: &Pool, conf: &Conf, given: &ImageOptions) -> ImageResult<CreateParams> {
        let mut layers = Layers::of_conf(conf.clone());
        layers.pool = pool_meta::conf_overrides(pool).await?;
        let defaults = CreateDefaults::from_layers(&layers);
        let format = given.get_number(options::FORMAT).unwrap_or(2);
        // Whatever is not the old format is the newest one, as in librbd.
        if format == 1 {
            return refuse(Errno::EINVAL, format!("image format {format} is not supported"));
        }
        let order = match given.get_number(options::ORDER) {
            None | Some(0) => u64::from(defaults.order),
            Some(order) => order,
        };
        let Some(order) = u8::try_from(order).ok().filter(|order| ORDERS.contains(order)) else {
            return refuse(Errno::EDOM, format!("order {order} is not in the range [12, 25]"));
        };
        let (unit, count) = (
            given.get_number(options::STRIPE_UNIT).unwrap_or(defaults.stripe_unit),
            given.get_number(options::STRIPE_COUNT).unwrap_or(defaults.stripe_count),
        );
        let (stripe_unit, stripe_count) = stripes(order, unit, count)?;
        let mut bits = given.get_number(options::FEATURES).unwrap_or(defaults.features);
        bits |= given.get_number(options::FEATURES_SET).unwrap_or(0);
        bits &= !given.get_number(options::FEATURES_CLEAR).unwrap_or(0);
        let fancy = stripe_unit != 1 << order || stripe_count != 1;
        let data_pool = match given.get_text(options::DATA_POOL).map(str::to_owned).or(defaults.data_pool) {
            Some(name) => Some(pool.store.pool_lookup(&name).await?).filter(|id| *id != pool.id),
            None => None,
        };
        let features = settle_features(bits, fancy, data_pool.is_some())?;
        let payloads = match data_pool {
            Some(id) => pool.store.pool_stripe(id).await?.is_some(),
            None => false,
        };
        Ok(CreateParams {
            order,
            features,
            stripe_unit,
            stripe_count,
            data_pool,
            payloads,
            segment_bytes: defaults.segment_bytes,
        })
    }
}

/// Both or neither; the unit divides the object. Neither: whole objects.
fn stripes(order: u8, unit: u64, count: u64) -> ImageResult<(u64, u64)> {
    let object = 1u64 << order;
    match (unit, count) {
        (0, 0) => Ok((object, 1)),
        (0, _) | (_, 0) => refuse(Errno::EINVAL, "stripe unit and stripe count come together"),
        _ if unit > object || !object.is_multiple_of(unit) => {
            refuse(Errno::EINVAL, format!("stripe unit {unit} does not divide the object size {object}"))
        }
        _ => Ok((unit, count)),
    }
}

fn settle_features(bits: u64, fancy_stripes: bool, data_pool: bool) -> ImageResult<u64> {
    if bits & !features::ALL != 0 {
        return refuse(Errno::ENOSYS, format!("no such features: {:#x}", bits & !features::ALL));
    }
    check_needs(bits)?;
    if bits & features::JOURNALING != 0 {
        return refuse(Errno::EOPNOTSUPP, "journaling: the log needs no second one");
    }
    // These follow from the rest, or are not for callers to choose.
    let derived = features::STRIPINGV2
        | features::FAST_DIFF
        | features::DATA_POOL
        | features::OPERATIONS
        | features::MIGRATING
        | features::NON_PRIMARY
        | features::DIRTY_CACHE;
    let mut bits = bits & !derived;
    if fancy_stripes {
        bits |= features::STRIPINGV2;
    }
    if data_pool {
        bits |= features::DATA_POOL;
    }
    if bits & features::OBJECT_MAP != 0 {
        bits |= features::FAST_DIFF;
    }
    Ok(bits)
}

/// Makes an image. EEXIST if the name is taken, by us or by Ceph itself.
pub async fn create(
    pool: &Pool,
    name: &str,
    size: u64,
    params: &CreateParams,
    env: &dyn Env,
) -> ImageResult<String> {
    if name.is_empty() {
        return refuse(Errno::EINVAL, "an image needs a name");
    }
    if !pool.namespace.is_empty() && !pool_meta::namespace_exists(pool, &pool.namespace).await? {
        return refuse(Errno::ENOENT, format!("no namespace {}", pool.namespace));
    }
    if pool.store.pool_alignment(pool.id).await?.is_some() {
        // One with overwrites refuses what the directory needs, as in Ceph.
        return refuse(Errno::EINVAL, "the pool takes whole objects alone: it can be a data pool");
    }
    check_size(size, params.order, params.features)?;
    clear_way(pool, name).await?;
    clear_creations(pool, env).await?;
    let id = make_parts(pool, name, size, params, env).await?;
    match directory::claim(pool, name, &id).await {
        Ok(()) => {}
        Err(error) => {
            // Nobody knows of the new parts: they can go at once.
            let names = DiskNames::new(pool.id, &pool.namespace, &id, params.data_pool);
            match Disk::remove(&pool.store, &names, no_progress()).await {
                Ok(()) => directory::end_creation(pool, &id).await?,
                Err(second) => tracing::warn!("image id {id}: cleaning up: {second}"),
            }
            return Err(error);
        }
    }
    directory::enlist(pool, name, &id).await?;
    Ok(id)
}

/// EEXIST if the name is in use; what crashes left of the name is put right.
async fn clear_way(pool: &Pool, name: &str) -> ImageResult<()> {
    if directory::is_native(pool, name).await? {
        return refuse(Errno::EEXIST, format!("{name} is an image of Ceph's own format"));
    }
    for (id, removed) in directory::removals(pool).await? {
        if removed == name {
            finish_removal(pool, &removed, &id, no_progress()).await?;
        }
    }
    let Some(id) = directory::lookup(pool, name).await? else { return Ok(()) };
    match header::load(pool, &id).await {
        Ok(header) if header.removing => finish_removal(pool, name, &id, no_progress()).await,
        Ok(_) => {
            match directory::name_of(pool, &id).await? {
                // A rename that was cut short has claimed the name for nothing.
                Some(other)
                    if directory::lookup(pool, &other).await?.as_deref() == Some(&id) && other != name =>
                {
                    return directory::unclaim(pool, name, &id).await;
                }
                Some(_) => {}
                None => directory::enlist(pool, name, &id).await?,
            }
            refuse(Errno::EEXIST, format!("image {name} exists"))
        }
        // A removal has got further than its notes.
        Err(error) if error.errno() == Errno::ENOENT => directory::unclaim(pool, name, &id).await,
        Err(error) => Err(error),
    }
}

/// Removes objects of creations that were cut short long ago.
async fn clear_creations(pool: &Pool, env: &dyn Env) -> ImageResult<()> {
    let now_s = env.unix_time_ns() / 1_000_000_000;
    for (id, name, begun_s) in directory::creations(pool).await? {
        if begun_s + CREATION_MAX_S > now_s {
            continue;
        }
        if directory::lookup(pool, &name).await?.as_deref() == Some(&id) {
            directory::enlist(pool, &name, &id).await?;
            continue;
        }
        let data_pool = match header::load(pool, &id).await {
            Ok(header) => header.properties.data_pool,
            Err(error) if error.errno() == Errno::ENOENT => None,
            Err(error) => return Err(error),
        };
        let names = DiskNames::new(pool.id, &pool.namespace, &id, data_pool);
        match Disk::remove(&pool.store, &names, no_progress()).await {
            Ok(()) => {}
            Err(error) if Errno::from(&error) == Errno::ENOENT => {}
            Err(error) => return Err(error.into()),
        }
        directory::end_creation(pool, &id).await?;
        tracing::info!("image id {id} ({name}): what a creation left behind is gone");
    }
    Ok(())
}

/// The disk and a complete header under a new id.
async fn make_parts(
    pool: &Pool,
    name: &str,
    size: u64,
    params: &CreateParams,
    env: &dyn Env,
) -> ImageResult<String> {
    let properties = Properties {
        order: params.order,
        stripe_unit: params.stripe_unit,
        stripe_count: params.stripe_count,
        created: Timestamp::now(),
        data_pool: params.data_pool,
    };
    loop {
        let id = directory::new_id(env);
        let names = DiskNames::new(pool.id, &pool.namespace, &id, params.data_pool);
        directory::begin_creation(pool, name, &id, env.unix_time_ns() / 1_000_000_000).await?;
        let mut format = FormatParams::new(size, directory::new_uuid(env));
        format.segment_bytes = params.segment_bytes;
        format.payloads = params.payloads;
        match Disk::format(&pool.store, &names, &format).await {
            Ok(()) => {}
            Err(error) if Errno::from(&error) == Errno::EEXIST => {
                // Somebody else's id.
                directory::end_creation(pool, &id).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let ops = header::create_ops(&properties, params.features);
        return match pool.run(&header_object(&id), ops).await {
            Ok(_) => Ok(id),
            Err(error) => Err(ImageError::Store(error)),
        };
    }
}

/// Gives an image another name. ENOENT, EEXIST as one would expect; crash-safe as `directory` says.
pub async fn rename(pool: &Pool, from: &str, to: &str) -> ImageResult<String> {
    let Some(id) = directory::resolve(pool, from).await? else {
        return refuse(Errno::ENOENT, format!("no image {from}"));
    };
    if to.is_empty() {
        return refuse(Errno::EINVAL, "an image needs a name");
    }
    if from == to {
        return refuse(Errno::EEXIST, format!("image {to} exists"));
    }
    clear_way(pool, to).await?;
    // An image that is not listed (a creation was cut short) is now.
    if directory::name_of(pool, &id).await?.as_deref() != Some(from) {
        directory::enlist(pool, from, &id).await?;
    }
    directory::claim(pool, to, &id).await?;
    if let Err(error) = directory::relist(pool, from, to, &id).await {
        directory::unclaim(pool, to, &id).await?;
        return Err(error);
    }
    directory::unclaim(pool, from, &id).await?;
    // The header's watchers learn the new name.
    if let Err(StoreError::Op(errno)) = notify_update(pool, &id).await {
        tracing::debug!("image {to}: telling its openers: {errno}");
    }
    Ok(id)
}

async fn notify_update(pool: &Pool, id: &str) -> Result<(), StoreError> {
    let notice = super::notice::Notice::HeaderUpdate.encode();
    pool.store.notify(pool.target(&header_object(id)), notice.into(), 0).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_as_librbd() {
        assert_eq!(stripes(22, 0, 0).unwrap(), (4 << 20, 1));
        assert_eq!(stripes(22, 65536, 4).unwrap(), (65536, 4));
        for (unit, count) in [(65537, 4), (65536, 0), (0, 4), (8 << 20, 1)] {
            assert_eq!(stripes(22, unit, count).unwrap_err().errno(), Errno::EINVAL, "{unit} {count}");
        }
    }

    #[test]
    fn features_as_librbd() {
        let errno = |bits| settle_features(bits, false, false).unwrap_err().errno();
        assert_eq!(errno(4096), Errno::ENOSYS);
        assert_eq!(errno(8), Errno::EINVAL);
        assert_eq!(errno(64), Errno::EINVAL);
        assert_eq!(settle_features(3, true, false).unwrap(), 3);
        assert_eq!(settle_features(3, false, false).unwrap(), 1);
        assert_eq!(settle_features(61, false, false).unwrap(), 61);
        assert_eq!(settle_features(16, false, false).unwrap(), 0);
        assert_eq!(settle_features(12, false, false).unwrap(), 28);
    }
}
