//! What can go wrong in the log-structured disk.

use crate::store::StoreError;

/// A disk's error; cheap to clone, because one failure answers every waiter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The store failed at `object`.
    #[error("{object}: {source}")]
    Store { object: String, source: StoreError },
    /// Bytes of the image that do not match their checksum or make no sense.
    #[error("{object} at byte {offset} is corrupt: {detail}")]
    Corrupt { object: String, offset: u64, detail: String },
    /// Another writer took the image over.
    #[error("epoch {mine} was fenced by epoch {theirs}")]
    Fenced { mine: u32, theirs: u32 },
    /// An earlier write failed for good; no more writes until the image is opened again.
    #[error("the image takes no more writes: {reason}")]
    Failed { reason: String },
    #[error("the image is read-only")]
    ReadOnly,
    #[error("byte range {offset}+{length} is outside of the image of {size} bytes")]
    OutOfRange { offset: u64, length: u64, size: u64 },
    #[error("{detail}")]
    Invalid { detail: String },
    /// Acknowledged changes are only in a log that is not to be had here.
    #[error(
        "{image}: changes that were flushed are only in the log {path} of host {host}, {why}: open the image there, or give \
         them up with `logrbd persistent-cache invalidate`"
    )]
    LocalLog { image: String, host: String, path: String, why: String },
    #[error("no such snapshot")]
    NoSnapshot,
    #[error("{object}: format version {found} is newer than {known}")]
    NewerFormat { object: String, found: u16, known: u16 },
    #[error("the image was closed")]
    Closed,
}

impl DiskError {
    /// Whether another may have written since: what this opener has in memory is no longer the image.
    pub fn is_fence(&self) -> bool {
        matches!(self, DiskError::Fenced { .. } | DiskError::Store { source: StoreError::Blocklisted, .. })
    }
}
