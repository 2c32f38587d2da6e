//! How much of an image is used: exactly, from the maps, and what its log takes in the store.

use std::sync::Arc;

use super::header::Header;
use super::{BLOCK_BYTES, DiskNames, DiskResult, RootBlob, SLOT_BYTES};
use crate::store::Store;

/// What an image takes in the store, as of its newest checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Blocks that the head maps, in bytes.
    pub used_bytes: u64,
    /// Slots of the log that the head needs, with their trailers.
    pub live_log_bytes: u64,
    /// All segments that exist: live and dead blocks, headers, what snapshots pin.
    pub log_bytes: u64,
    pub segments: u64,
    /// Map objects.
    pub map_bytes: u64,
}

/// Reads it from the newest checkpoint's root: one small read.
pub async fn space(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<Space> {
    let header = Header::read(store, names).await?;
    let root = RootBlob::decode(&header.root, &names.header().oid)?;
    Ok(Space {
        used_bytes: root.used_blocks * BLOCK_BYTES,
        live_log_bytes: root.totals.live * SLOT_BYTES,
        log_bytes: root.totals.bytes,
        segments: root.totals.segments,
        map_bytes: root.objects.values().map(|object| u64::from(object.bytes)).sum(),
    })
}
