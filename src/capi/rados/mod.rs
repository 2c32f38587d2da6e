//! The C functions of librados, by subject.
//!
//! Some arguments are there for the ABI only and never looked at.

#![allow(unused_variables)]

pub mod aio;
pub mod cluster;
pub mod command;
pub mod completion;
pub mod conf;
pub(super) mod handles;
pub mod io;
pub mod ioctx;
mod iters;
pub mod list;
pub mod lock;
pub mod misc;
pub mod omap;
mod oplist;
pub mod pool;
pub mod read_op;
mod requests;
pub mod snap;
pub mod versioned;
pub mod watch;
pub mod write_op;
pub mod write_op_omap;
pub mod xattr;
