//! The monitor client on real clusters: what it is told, what it answers like librados, and how it gets over monitors that
//! stop, die and come back.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // Not all that the other tests use is used here.
#[path = "../cluster_net/cluster.rs"]
mod cluster;
mod daemons;
mod failures;
mod refusals;
mod talk;
mod world;
