//! The names of an image's objects.

use std::sync::Arc;

use super::header::Format;
use super::sabotage::{Sabotage, broken};
use super::{SegmentSeq, WriterEpoch};
use crate::store::{PoolId, Target};

/// xattr of the header and of each segment: the writer's epoch as decimal text.
pub const EPOCH_XATTR: &str = "lsvd.epoch";

/// Number of a map object: the writer's epoch in the upper 32 bits, a counter in the lower ones, so that an older
/// writer that still runs can never meet the names of its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct MapObjectNumber(pub u64);

/// Where an image's objects are. Header and map objects are in `pool`, segments in `data_pool`; if that is erasure-coded,
/// segments are in `pool`, and in `data_pool` the payloads of some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskNames {
    pub pool: PoolId,
    pub data_pool: PoolId,
    pub namespace: Arc<str>,
    pub image_id: Arc<str>,
    segments_in: PoolId,
}

impl DiskNames {
    /// `data_pool` `None`: segments live in `pool`, as librbd's data objects do without `--data-pool`.
    pub fn new(pool: PoolId, namespace: &str, image_id: &str, data_pool: Option<PoolId>) -> DiskNames {
        DiskNames {
            pool,
            data_pool: data_pool.unwrap_or(pool),
            namespace: namespace.into(),
            image_id: image_id.into(),
            segments_in: data_pool.unwrap_or(pool),
        }
    }

    /// The names of an image of this format.
    pub(crate) fn with_format(&self, format: &Format) -> DiskNames {
        let segments_in = if format.payloads { self.pool } else { self.data_pool };
        DiskNames { segments_in, ..self.clone() }
    }

    /// `lsvd_header.<id>`
    pub fn header(&self) -> Target {
        Target::new(self.pool, self.namespace.clone(), format!("lsvd_header.{}", self.image_id))
    }

    /// `lsvd_data.<id>.<number, 16 hex digits>`
    pub fn segment(&self, seq: SegmentSeq) -> Target {
        let oid = format!("{}{:016x}", self.segment_prefix(), seq.0);
        Target::new(self.segments_in, self.namespace.clone(), oid)
    }

    /// `lsvd_data.<id>.<number, 16 hex digits>.<epoch, 8 hex digits>`
    pub(crate) fn payload(&self, seq: SegmentSeq, epoch: WriterEpoch) -> Target {
        let epoch = if broken(Sabotage::PayloadsWithoutEpoch) { 0 } else { epoch.0 };
        let oid = format!("{}{:016x}.{epoch:08x}", self.segment_prefix(), seq.0);
        Target::new(self.data_pool, self.namespace.clone(), oid)
    }

    /// Of which payload this is the name.
    pub(crate) fn payload_of(&self, oid: &str) -> Option<(SegmentSeq, WriterEpoch)> {
        let (seq, epoch) = oid.strip_prefix(self.segment_prefix().as_str())?.split_once('.')?;
        let lengths = (seq.len(), epoch.len()) == (16, 8);
        let seq = u64::from_str_radix(seq, 16).ok().filter(|_| lengths)?;
        Some((SegmentSeq(seq), WriterEpoch(u32::from_str_radix(epoch, 16).ok()?)))
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
