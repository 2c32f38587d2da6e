//! rbd semantics over the log-structured disk: names, open and close, locks, watchers, metadata, resize,
//! snapshots.

mod advisory;
mod check;
mod cls_lock;
mod codec;
mod copy;
mod create;
mod diff;
mod directory;
mod error;
pub mod features;
mod gate;
pub(crate) mod header;
#[allow(clippy::module_inception)]
mod image;
mod io;
mod local_log;
mod lock;
mod maintain;
pub(crate) mod notice;
mod options;
mod override_table;
mod pool;
pub mod pool_meta;
mod read_lock;
mod readahead;
mod remove;
mod settings;
mod snaps;
mod stats;
mod tracker;
mod watch;

pub use check::{Usage, check, check_names, repair, space, usage};
pub use cls_lock::{LockInfo, LockType, Locker};
pub use copy::{Destination, check_different};
pub use create::{CreateParams, create, rename};
pub use directory::{list, name_of, resolve};
pub use error::{ImageError, ImageResult, found};
pub use header::{Header, Properties, Timestamp};
pub use image::{Image, OpenOptions, UpdateCallback, Which};
pub use io::{CompareOutcome, ImageAccepted, ImageFetch, TriedRead, total};
pub use lock::Owner;
pub use options::ImageOptions;
pub use pool::Pool;
pub use remove::remove;
pub use settings::{Conf, Layers, Source, no_conf, override_names};
pub use snaps::{Progress, no_progress};
pub use stats::pool_stats;
pub use tracker::Ticket;
pub use watch::Watcher;

#[cfg(test)]
mod tests;
