//! MWatchNotify: an OSD tells a watcher of a notification, or a notifier that all watchers have answered.

use bytes::Bytes;

use crate::wire::denc::{Decoder, Malformed};
use crate::wire::message::Message;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchNotify {
    /// Of the watch; at the end of a notification, the notifier's.
    pub cookie: u64,
    pub notify_id: u64,
    /// See [`codes::watch_event`](crate::osd::codes::watch_event).
    pub event: u8,
    pub payload: Bytes,
    /// At the end of a notification: 0, or -ETIMEDOUT if somebody did not answer.
    pub result: i32,
    pub notifier_gid: u64,
    /// At the end of a notification: [`NotifyReplies`].
    pub replies: Bytes,
}

impl WatchNotify {
    pub fn decode(message: &Message) -> Result<WatchNotify, Malformed> {
        let d = &mut Decoder::new(&message.front);
        let version = d.u8()?;
        let event = d.u8()?;
        let cookie = d.u64()?;
        d.u64()?; // version of the object
        let notify_id = d.u64()?;
        let payload = if version >= 1 { message.front.slice_ref(d.blob()?) } else { Bytes::new() };
        let result = if message.version >= 2 { d.u32()? as i32 } else { 0 };
        let notifier_gid = if message.version >= 3 { d.u64()? } else { 0 };
        let replies = message.data.first().cloned().unwrap_or_default();
        Ok(WatchNotify { cookie, notify_id, event, payload, result, notifier_gid, replies })
    }
}

/// Who answered a notification with what, and who did not, in the order in which the OSD lists them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotifyReplies {
    /// (gid, cookie, answer)
    pub acks: Vec<(u64, u64, Bytes)>,
    /// (gid, cookie)
    pub timeouts: Vec<(u64, u64)>,
}

impl NotifyReplies {
    pub fn decode(bytes: &Bytes) -> Result<NotifyReplies, Malformed> {
        if bytes.is_empty() {
            return Ok(NotifyReplies::default());
        }
        let d = &mut Decoder::new(bytes);
        let count = d.u32()? as usize;
        if count > d.remaining() / 20 {
            return Err(Malformed);
        }
        let mut acks = Vec::with_capacity(count);
        for _ in 0..count {
            let (gid, cookie) = (d.u64()?, d.u64()?);
            acks.push((gid, cookie, bytes.slice_ref(d.blob()?)));
        }
        let count = d.u32()? as usize;
        if count > d.remaining() / 16 {
            return Err(Malformed);
        }
        let timeouts = (0..count).map(|_| Ok((d.u64()?, d.u64()?))).collect::<Result<_, Malformed>>()?;
        Ok(NotifyReplies { acks, timeouts })
    }
}
