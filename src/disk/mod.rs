//! The log-structured disk. docs/format.md has every byte, docs/disk.md the reasons.

mod error;
mod types;

pub use error::DiskError;
pub use types::*;
