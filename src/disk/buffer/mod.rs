//! Data that was accepted and is not yet in the map: the open batch and the records made from batches.

mod batch;
mod pieces;
mod pool;
mod ranges;
mod record;

pub(crate) use batch::{Batch, Place};
pub(crate) use pieces::Pieces;
pub(crate) use pool::BufferPool;
pub(crate) use ranges::{Ranges, Run};
pub(crate) use record::{Record, RecordSpec};

#[cfg(test)]
mod ranges_tests;
