//! The OSD map and CRUSH beside Ceph's own tools: what crushtool, osdmaptool and a cluster's monitors say is right.
//!
//! Maps are made from a seed; a failure prints LOGRBD_SEED=n, which replays one. LOGRBD_MAPS=n tries more of them.

// These are all tests; clippy knows only functions that are marked as such.
#![allow(clippy::unwrap_used)]

#[path = "../../src/osd/map/sample.rs"]
#[allow(dead_code, reason = "tests of the room need more of it")]
mod sample;

mod chance;
mod crush_text;
mod crushtool;
mod monitor;
mod osdmaptool;
mod tools;
