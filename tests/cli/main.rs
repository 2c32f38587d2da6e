//! The command-line tool on a local store: what it prints, how it exits, and what it repairs.

// These are all tests; clippy knows only functions that are marked as such.
#![allow(clippy::unwrap_used)]

mod check;
mod place;
mod usage;
