//! What can go wrong in a store.

use std::borrow::Cow;

use crate::errno::Errno;

/// A store's error; cheap to clone, because one failure may answer many waiters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The errno with which the store answered an op list (the OSD's own answer on a cluster).
    #[error("{0}")]
    Op(Errno),
    /// Stored bytes do not match their checksum or make no sense.
    #[error("{object} is corrupt: {detail}")]
    Corrupt { object: String, detail: Cow<'static, str> },
    /// The device or file system failed.
    #[error("{object}: I/O error: {detail}")]
    Io { object: String, detail: String },
    /// No room. The op list had no effect.
    #[error("no space left in the store")]
    NoSpace,
    #[error("no such pool")]
    NoPool,
    /// This client was fenced.
    #[error("this client is blocklisted")]
    Blocklisted,
    #[error("the client was shut down")]
    ShutDown,
    #[error("timed out")]
    TimedOut,
    /// The folder or cluster is not one that this version can use; nothing was changed.
    #[error("{place}: {reason}")]
    Refused { place: String, reason: Cow<'static, str> },
    #[error("{what} is not supported by this store")]
    Unsupported { what: &'static str },
}

impl StoreError {
    pub fn is(&self, errno: Errno) -> bool {
        Errno::from(self) == errno
    }
}
