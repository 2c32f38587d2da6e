//! The log-structured disk. docs/format.md has every byte, docs/disk.md the reasons.

mod api;
mod error;
mod names;
mod options;
mod sink;
mod types;

pub use api::{Compared, DiffRun, Disk, DiskResult};
pub use error::DiskError;
pub use names::{DiskNames, EPOCH_XATTR};
pub use options::{
    CacheOptions, DEFAULT_SEGMENT_BYTES, DiskOptions, DiskStats, FormatParams, MAX_SIZE_BYTES, SnapInfo,
};
pub use sink::ReadSink;
pub use types::*;
