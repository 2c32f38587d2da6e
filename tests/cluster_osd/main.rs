//! The OSD client on real clusters: what requests answer, and that none is lost, repeated or overtaken while OSDs die,
//! come back and hand their placement groups on.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // Not all that the other tests use is used here.
#[path = "../cluster_net/cluster.rs"]
mod cluster;
mod faults;
mod fences;
mod talk;
mod world;
