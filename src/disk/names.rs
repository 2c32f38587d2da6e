//! The names of an image's objects.

use std::sync::Arc;

use super::SegmentSeq;
use crate::store::{PoolId, Target};

/// xattr of the header and of each segment: the writer's epoch as decimal text.
pub const EPOCH_XATTR: &str = "lsvd.epoch";

/// Number of a map object: the writer's epoch in the upper 32 bits, a counter in the lower ones, so that an older
/// writer that still runs can never meet the names of its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct MapObjectNumber(pub u64);

/// Where an image's objects are. Header and map objects are in `pool`, segments in `data_pool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskNames {
    pub pool: PoolId,
    pub data_pool: PoolId,
    pub namespace: Arc<str>,
    pub image_id: Arc<str>,
}

impl DiskNames {
    /// `data_pool` `None`: segments live in `pool`, as librbd's data objects do without `--data-pool`.
    pub fn new(pool: PoolId, namespace: &str, image_id: &str, data_pool: Option<PoolId>) -> DiskNames {
        DiskNames {
            pool,
            data_pool: data_pool.unwrap_or(pool),
            namespace: namespace.into(),
            image_id: image_id.into(),
        }
    }

    /// `lsvd_header.<id>`
    pub fn header(&self) -> Target {
        Target::new(self.pool, self.namespace.clone(), format!("lsvd_header.{}", self.image_id))
    }

    /// `lsvd_data.<id>.<number, 16 hex digits>`
    pub fn segment(&self, seq: SegmentSeq) -> Target {
        let oid = format!("{}{:016x}", self.segment_prefix(), seq.0);
        Target::new(self.data_pool, self.namespace.clone(), oid)
    }

    /// `lsvd_map.<id>.<number, 16 hex digits>`
    pub fn map_object(&self, number: MapObjectNumber) -> Target {
        let oid = format!("{}{:016x}", self.map_prefix(), number.0);
        Target::new(self.pool, self.namespace.clone(), oid)
    }

    /// What the names of all segments begin with.
    pub fn segment_prefix(&self) -> String {
        format!("lsvd_data.{}.", self.image_id)
    }

    /// What the names of all map objects begin with.
    pub fn map_prefix(&self) -> String {
        format!("lsvd_map.{}.", self.image_id)
    }
}
