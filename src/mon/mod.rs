//! The monitor client: finding monitors, keeping a session with one, subscriptions, versions and commands.
//!
//! `client` is what others use; `session` finds monitors and keeps a session (with `hunt`, which chooses whom to try);
//! `handle` sorts what comes; `state` is what they share. `tell` asks one certain monitor, `mgr` the active manager.
//! `service`: this client as a daemon that the manager shows. `messages`, `monmap` and `log` are the encodings; `hosts` reads `mon_host`, `dns` asks for SRV records where it is empty.
//!
//! Locks: `MonClient::state` before `Mgr::state`; neither is held while a sink or a connection's `close` is called.

mod client;
mod credentials;
mod dns;
mod error;
mod handle;
mod hosts;
mod hunt;
mod log;
pub mod messages;
mod mgr;
mod monmap;
mod options;
mod service;
mod session;
mod state;
mod subs;
mod tell;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use client::{ConfigSink, LogSink, MonClient, MonSink, MonTarget, OpTimeout};
pub use credentials::Credentials;
#[cfg(test)]
pub use dns::sample as dns_answer;
pub use error::MonError;
pub use log::{LogEntry, LogLevel};
pub use messages::CommandReply;
pub use mgr::MgrMap;
pub use monmap::{MonInfo, MonMap};
pub use options::MonOptions;
pub use service::{Configure as MgrConfigure, DaemonConfig, Pairs, ServiceDaemon};
#[cfg(any(test, feature = "fuzzing"))]
pub use {dns::accepts as is_dns_answer, hosts::is_addresses, log::decode as decode_log};
