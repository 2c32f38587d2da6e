//! The client: cluster handles, I/O contexts, completions, op lists, watches and listings, without raw pointers.

mod cluster;
mod completion;
mod connect;
mod context;
mod ioctx;
pub mod listing;
mod log_watch;
pub mod notify;
mod ops;
mod service;
mod session;
pub mod tmap;
mod watch;
mod writes;

pub use cluster::Cluster;
pub use completion::Completion;
pub use connect::ConnectError;
pub use context::Context;
pub use ioctx::{IoCtx, Settings};
pub use log_watch::LogCallback;
pub use ops::{OpList, Sink, Sinks};
pub use session::Session;
pub use watch::{Notification, Watcher};
pub use writes::Writes;

#[cfg(test)]
mod tests;
