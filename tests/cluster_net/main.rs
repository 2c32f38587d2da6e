//! Connections to the daemons of a real cluster.
#![allow(clippy::unwrap_used)]

mod cluster;
mod peers;
mod session;
