//! Ceph's protocol as bytes: encodings, messages, msgr2 frames and connections. No I/O and no clock: bytes and time go
//! in, events and bytes come out.

pub mod denc;
pub mod features;
pub mod message;
pub mod types;

pub use message::{Message, MessageType};
