//! rbd semantics over the log-structured disk: names, open and close, locks, watchers, metadata, resize,
//! snapshots.

mod error;

pub use error::ImageError;
