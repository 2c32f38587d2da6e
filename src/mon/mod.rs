//! The monitor client: finding monitors, keeping a session with one, subscriptions, versions and commands.

mod client;
mod credentials;
mod error;
mod options;

pub use client::{CommandReply, MonClient, MonSink, MonTarget};
pub use credentials::Credentials;
pub use error::MonError;
pub use options::MonOptions;
