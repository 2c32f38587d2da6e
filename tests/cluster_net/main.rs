//! Connections to the daemons of a real cluster.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // Not all that the other tests use is used here.
mod cluster;
mod peers;
mod session;
