//! Checkpoints: freeze the changed pages, write them into new map objects, publish the root, clean up.
//!
//! Order of the steps, and why each may fail or be cut off by a crash:
//! 1. freeze: memory only;
//! 2. write: new objects under numbers that were never used; the old root does not know them;
//! 3. publish: one op list on the header, guarded by the writer's epoch; before it the old root is whole, after it
//!    the new one;
//! 4. delete: only what the published root does not reach and no snapshot pins. What could not be deleted is in the
//!    published root's table still and is deleted after a later checkpoint.

mod clean;
mod delete;
mod publish;
mod root;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use delete::is_pinned;
pub use delete::{Deletable, SnapshotPin};
pub use publish::{ROOT_KEY, publish_ops};
pub(crate) use root::root_bytes;
pub use root::{Object, Replay, RootBlob, SnapshotRoot};
pub use write::Frozen;
pub(crate) use write::OBJECT_BYTES;
