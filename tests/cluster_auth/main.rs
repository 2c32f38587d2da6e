//! cephx on a real cluster over longer than its tickets hold, and what short-lived tickets do to sessions.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // Not all that the other tests use is used here.
#[path = "../cluster_net/cluster.rs"]
mod cluster;
#[allow(dead_code)] // As above.
#[path = "../cluster_net/peers.rs"]
mod peers;
mod renewal;
#[allow(dead_code)] // As above.
#[path = "../cluster_mon/world.rs"]
mod world;
