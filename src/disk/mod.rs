//! The log-structured disk. docs/format.md has every byte, docs/design.md the reasons.

mod error;

pub use error::DiskError;
