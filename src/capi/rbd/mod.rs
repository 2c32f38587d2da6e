//! The C functions of librbd, by subject.
//!
//! Some arguments are there for the ABI only and never looked at.

#![allow(unused_variables)]

pub mod aio;
pub mod clone;
pub mod copy;
pub mod create;
pub mod encryption;
pub mod features;
pub mod group;
mod handles;
pub mod image;
pub mod io;
pub mod lock;
pub mod metadata;
pub mod migration;
pub mod mirror_aio;
pub mod mirror_image;
pub mod mirror_peer;
pub mod open;
pub mod options;
pub mod pool;
pub mod resize;
pub mod snap;
pub mod snap_info;
pub mod trash;
pub mod watch;
