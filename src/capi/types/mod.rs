//! The public C types, callbacks and constants, by header.

mod rados;
mod rbd;

pub use rados::*;
pub use rbd::*;
