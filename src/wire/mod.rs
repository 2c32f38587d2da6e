//! Ceph's protocol as bytes: encodings, messages, msgr2 frames and connections. No I/O and no clock: bytes and time go
//! in, events and bytes come out.

pub(crate) mod banner;
mod buffers;
pub mod chunks;
pub mod codec;
#[cfg(test)]
mod codec_tests;
pub mod compress;
pub mod connection;
#[cfg(test)]
mod connection_tests;
pub mod control;
pub mod denc;
pub mod error;
pub mod features;
pub mod frame;
pub mod hash;
pub mod message;
pub mod output;
pub mod place;
pub mod secure;
mod session;
#[cfg(test)]
pub(crate) mod testing;
pub mod types;

pub use connection::ConnectionMode;
pub use error::WireError;
pub use message::{Message, MessageType};
