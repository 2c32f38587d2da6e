//! MOSDBackoff: an OSD asks to be left alone with a range of objects, and takes that back.

use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::message::{Message, MessageType};
use crate::wire::types::{Hobject, Spg};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backoff {
    pub pgid: Spg,
    pub epoch: u32,
    /// See [`codes::backoff`](crate::osd::codes::backoff).
    pub op: u8,
    /// Unique within the session.
    pub id: u64,
    pub begin: Hobject,
    /// The first object past the range; equal to `begin`: this object alone.
    pub end: Hobject,
}

impl Backoff {
    pub fn decode(front: &[u8]) -> Result<Backoff, Malformed> {
        let d = &mut Decoder::new(front);
        Ok(Backoff {
            pgid: Spg::decode(d)?,
            epoch: d.u32()?,
            op: d.u8()?,
            id: d.u64()?,
            begin: Hobject::decode(d)?,
            end: Hobject::decode(d)?,
        })
    }

    pub fn encode(&self) -> Message {
        let mut e = Encoder::new();
        self.pgid.encode(&mut e);
        e.u32(self.epoch).u8(self.op).u64(self.id);
        self.begin.encode(&mut e);
        self.end.encode(&mut e);
        let mut message = Message::new(MessageType::OSD_BACKOFF, 1, 1, e.finish());
        // It must not overtake requests, nor they it.
        message.priority = super::PRIORITY_OP;
        message
    }
}
