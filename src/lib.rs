//! logrbd: librados and librbd in Rust, with a log-structured virtual disk behind the RBD API.
//!
//! Rooms, top to bottom; a room uses only rooms below it: `capi` (the C functions), `image` (rbd semantics),
//! `disk` (the log-structured disk), `client` (handles and completions), `store` (RADOS object semantics), `osd` and `mon`
//! (the client of a Ceph cluster), `auth`, `net` and `wire` (its protocol). See docs/design.md.

// Files that integration tests share with those in here name the crate as they do.
#[cfg(test)]
extern crate self as logrbd;

mod aligned;
pub mod auth;
pub mod capi;
pub mod client;
pub mod conf;
mod crc;
pub mod disk;
pub mod env;
pub mod errno;
pub mod finisher;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod image;
mod log;
pub mod mon;
pub mod net;
pub mod osd;
pub mod runtime;
pub mod store;
mod sync;
pub mod wire;
