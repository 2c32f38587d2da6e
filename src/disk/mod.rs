//! The log-structured disk. docs/format.md has every byte, docs/disk.md the reasons.

mod api;
mod api_read;
#[cfg(test)]
mod api_tests;
mod buffer;
mod cache;
pub mod check;
pub mod checkpoint;
mod copies;
#[cfg(test)]
mod damage_tests;
mod diff;
mod error;
mod fetch;
#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod fixed_tests;
#[cfg(test)]
mod full_tests;
mod gc;
mod head;
pub(crate) mod header;
pub(crate) mod log;
pub mod map;
mod names;
mod options;
pub(crate) mod pages;
mod payload;
#[cfg(test)]
mod payload_tests;
mod range_lock;
mod read;
mod read_fixed;
mod reader;
mod remove;
#[cfg(test)]
mod remove_tests;
mod replay;
#[cfg(test)]
mod replay_tests;
pub(crate) mod sabotage;
pub mod segments;
mod shared;
#[cfg(test)]
mod sim;
mod sink;
mod snaps;
#[cfg(test)]
mod speed_tests;
pub mod ssd;
pub mod state;
#[doc(hidden)]
pub mod synthetic;
#[cfg(test)]
mod synthetic_tests;
mod takeover;
#[cfg(test)]
pub(crate) mod testing;
mod types;
pub mod usage;
mod write;
mod writer;

pub use api::{Accepted, Compared, DiffRun, Disk, DiskResult};
pub use api_read::Tried;
pub use checkpoint::{Deletable, Frozen, Replay, RootBlob, SnapshotPin, SnapshotRoot};
pub use diff::DiffExtent;
pub use error::DiskError;
pub use fetch::Fetch;
pub use map::{ExtentMap, MapExtent};
pub use names::{DiskNames, EPOCH_XATTR, MapObjectNumber};
pub use options::{
    CacheOptions, DEFAULT_SEGMENT_BYTES, DiskOptions, DiskStats, FormatParams, MAX_SIZE_BYTES, SnapInfo,
};
pub use remove::RemoveProgress;
pub use segments::{SegmentInfo, SegmentTotals};
pub use sink::ReadSink;
pub use state::{DiskState, GcMove, Pressure, RecordAt};
pub use types::*;
