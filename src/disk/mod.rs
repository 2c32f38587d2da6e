//! The log-structured disk. docs/format.md has every byte, docs/disk.md the reasons.

mod api;
pub mod checkpoint;
mod error;
pub mod map;
mod names;
mod options;
mod pages;
pub mod segments;
mod sink;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;
mod types;

pub use api::{Compared, DiffRun, Disk, DiskResult};
pub use checkpoint::{Deletable, Frozen, Replay, RootBlob, SnapshotPin, SnapshotRoot};
pub use error::DiskError;
pub use map::{ExtentMap, MapExtent};
pub use names::{DiskNames, EPOCH_XATTR, MapObjectNumber};
pub use options::{
    CacheOptions, DEFAULT_SEGMENT_BYTES, DiskOptions, DiskStats, FormatParams, MAX_SIZE_BYTES, SnapInfo,
};
pub use segments::{SegmentInfo, SegmentTable, SegmentTotals};
pub use sink::ReadSink;
pub use state::{DiskState, GcMove, Pressure, RecordAt};
pub use types::*;
