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

pub type ImageResult<T> = Result<T, ImageError>;

/// Ends an operation by a rule of rbd's own.
pub fn refuse<T>(errno: Errno, what: impl Into<String>) -> ImageResult<T> {
    Err(ImageError::Errno { errno, what: what.into() })
}

impl ImageError {
    pub fn errno(&self) -> Errno {
        Errno::from(self)
    }
}

/// `None` instead of the error where ENOENT is an answer.
pub fn found<T>(result: ImageResult<T>) -> ImageResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if Errno::from(&error) == Errno::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}
