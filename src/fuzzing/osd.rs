//! What OSDs and monitors send to the OSD client.

use bytes::Bytes;

use super::same;
use crate::osd::message::{
    Backoff, CommandReply, ListResponse, MapMessage, NotifyReplies, OpReply, WatchNotify,
};
use crate::wire::{Message, MessageType};

/// Messages: a byte of version, two of the front's length, front and data.
pub fn osd_message(data: &[u8]) -> bool {
    let [version, a, b, rest @ ..] = data else { return false };
    let front = usize::from(u16::from_le_bytes([*a, *b])).min(rest.len());
    let (front, data) = rest.split_at(front);
    let mut message =
        Message::new(MessageType::OSD_OPREPLY, u16::from(*version), 1, Bytes::copy_from_slice(front));
    if !data.is_empty() {
        message.data.push(Bytes::copy_from_slice(data));
    }
    let reply = OpReply::decode(&message);
    if let Ok(reply) = &reply {
        let bytes: usize = reply.answer.ops.iter().map(|op| op.output.len()).sum();
        assert!(bytes <= data.len());
    }
    let notify = WatchNotify::decode(&message);
    let map = MapMessage::decode(&message);
    if let Ok(map) = &map {
        assert!(map.last() == 0 || !(map.full.is_empty() && map.incrementals.is_empty()));
    }
    let backoff = Backoff::decode(front);
    if let Ok(backoff) = &backoff {
        same(backoff, Backoff::decode(&backoff.encode().front));
    }
    let command = CommandReply::decode(&message);
    let replies = NotifyReplies::decode(&message.front);
    let list = ListResponse::decode(&message.front);
    reply.is_ok()
        | notify.is_ok()
        | map.is_ok()
        | backoff.is_ok()
        | command.is_ok()
        | replies.is_ok()
        | list.is_ok()
}
