//! Deletes an image's objects: segments, map objects, and the header last.

use std::sync::Arc;

use super::shared::{run, store_error};
use super::{DiskNames, DiskResult};
use crate::store::{ListCursor, Op, PoolId, Store, Target};

/// Names listed at once.
const PAGE: usize = 1000;

pub(super) async fn remove(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<()> {
    let header = names.header();
    run(store, &header, vec![Op::AssertExists]).await?;
    // By listing, and not from the map: so also what a crash or a lost writer has left is found.
    remove_matching(store, names, names.pool).await?;
    if names.data_pool != names.pool {
        remove_matching(store, names, names.data_pool).await?;
    }
    run(store, &header, vec![Op::Remove]).await.map(drop)
}

async fn remove_matching(store: &Arc<dyn Store>, names: &DiskNames, pool: PoolId) -> DiskResult<()> {
    let prefixes = [names.segment_prefix(), names.map_prefix()];
    let mut cursor = ListCursor::begin();
    while cursor != ListCursor::End {
        let (entries, next) = store
            .list(pool, Some(names.namespace.clone()), cursor, PAGE)
            .await
            .map_err(|error| store_error(&names.header(), error))?;
        for entry in entries {
            if prefixes.iter().any(|prefix| entry.oid.starts_with(prefix.as_str())) {
                let target = Target::new(pool, names.namespace.clone(), entry.oid);
                match run(store, &target, vec![Op::Remove]).await {
                    Ok(_) => {}
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        cursor = next;
    }
    Ok(())
}
