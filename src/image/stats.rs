//! What a pool's images add up to (`rbd_pool_stats_get`).

use std::sync::Arc;

use super::directory;
use super::error::{ImageResult, found};
use super::header;
use super::pool::Pool;
use super::pool_meta::PoolStats;
use super::settings::{Conf, Layers, Settings};
use crate::disk::{Disk, DiskNames};
use crate::env::Env;

/// Counts images, their sizes and snapshots. Images that go meanwhile are not counted.
pub async fn pool_stats(pool: &Pool, conf: &Conf, env: Arc<dyn Env>) -> ImageResult<PoolStats> {
    let mut stats = PoolStats::default();
    let options = Settings::from_layers(&Layers::of_conf(conf.clone())).disk;
    for (_, id) in directory::list(pool).await? {
        let Some(header) = found(header::load(pool, &id).await)? else { continue };
        let names = DiskNames::new(pool.id, &pool.namespace, &id, header.properties.data_pool);
        let disk = Disk::open(pool.store.clone(), names, options.clone(), env.clone()).await?;
        let size = disk.size_bytes();
        let snaps = disk.snap_list().await;
        disk.close().await?;
        let snaps = snaps?;
        stats.images += 1;
        stats.snapshots += snaps.len() as u64;
        stats.provisioned_bytes += size;
        stats.max_provisioned_bytes += snaps.iter().map(|snap| snap.size_bytes).fold(size, u64::max);
    }
    Ok(stats)
}
