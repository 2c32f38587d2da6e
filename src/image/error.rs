//! What can go wrong with an image.

use crate::disk::DiskError;
use crate::errno::Errno;
use crate::store::StoreError;

/// An image operation's error. The errno of each is chosen in `errno.rs`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// A rule of rbd's own (name taken, read-only image, snapshot protected, ...).
    #[error("{what}: {errno}")]
    Errno { errno: Errno, what: String },
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
