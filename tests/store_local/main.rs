//! The local store: against the model, over several processes, killed, damaged, full.

// These are all tests; clippy knows only functions that are marked as such.
#![allow(clippy::unwrap_used)]

mod admin;
mod child;
mod damage;
mod damaged_db;
mod folder;
mod full;
mod r#gen;
mod kill;
mod model;
mod pack;
mod processes;
mod spare;
mod speed;
