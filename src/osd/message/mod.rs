//! The messages that clients and OSDs send each other.

mod backoff;
mod command;
mod list;
mod map;
mod op;
mod reply;
#[cfg(test)]
mod tests;
mod watch;

pub use backoff::Backoff;
pub use command::{CommandReply, encode_command};
pub use list::{ListResponse, ListedObject};
pub use map::MapMessage;
pub use op::{CLIENT_FEATURES, OpMessage};
pub use reply::{OpReply, Redirect};
pub use watch::{NotifyReplies, WatchNotify};

#[cfg(test)]
pub(crate) use tests::received;

/// osd_client_op_priority's default: what requests are sent with.
pub const PRIORITY_OP: u16 = 63;
