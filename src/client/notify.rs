//! The answer to a notification as `rados_notify2` hands it out and `rados_decode_notify_response` reads it.
//!
//! Little-endian: number of acks u32, each {gid u64, cookie u64, length u32, payload}; number of timeouts u32, each
//! {gid u64, cookie u64}.

use bytes::Bytes;

use crate::store::{NotifyAck, NotifyReply};

pub fn encode(reply: &NotifyReply) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&(reply.acks.len() as u32).to_le_bytes());
    for ack in &reply.acks {
        out.extend_from_slice(&ack.notifier_gid.to_le_bytes());
        out.extend_from_slice(&ack.cookie.to_le_bytes());
        out.extend_from_slice(&(ack.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&ack.payload);
    }
    out.extend_from_slice(&(reply.timeouts.len() as u32).to_le_bytes());
    for (gid, cookie) in &reply.timeouts {
        out.extend_from_slice(&gid.to_le_bytes());
        out.extend_from_slice(&cookie.to_le_bytes());
    }
    out
}

/// `None` if the bytes make no sense.
pub fn decode(mut bytes: &[u8]) -> Option<NotifyReply> {
    fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(len)?;
        *bytes = rest;
        Some(taken)
    }
    fn u32_of(bytes: &mut &[u8]) -> Option<u32> {
        Some(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?))
    }
    fn u64_of(bytes: &mut &[u8]) -> Option<u64> {
        Some(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?))
    }
    let from = &mut bytes;
    // Collecting stops at the first that is cut short, so a count that lies costs no memory.
    let acks = (0..u32_of(from)?)
        .map(|_| {
            let (notifier_gid, cookie) = (u64_of(from)?, u64_of(from)?);
            let len = u32_of(from)? as usize;
            Some(NotifyAck { notifier_gid, cookie, payload: Bytes::copy_from_slice(take(from, len)?) })
        })
        .collect::<Option<Vec<_>>>()?;
    let timeouts =
        (0..u32_of(from)?).map(|_| Some((u64_of(from)?, u64_of(from)?))).collect::<Option<Vec<_>>>()?;
    Some(NotifyReply { acks, timeouts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> NotifyReply {
        let ack = |n: u64, payload: &'static [u8]| NotifyAck {
            notifier_gid: n,
            cookie: n + 1,
            payload: Bytes::from_static(payload),
        };
        NotifyReply { acks: vec![ack(5, b"yes"), ack(7, b"")], timeouts: vec![(9, 10)] }
    }

    #[test]
    fn round_trip() {
        assert_eq!(decode(&encode(&reply())), Some(reply()));
        assert_eq!(encode(&NotifyReply::default()), [0; 8]);
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = encode(&reply());
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]), None, "{len}");
        }
    }

    #[test]
    fn counts_may_lie() {
        assert_eq!(decode(&[0xff; 4]), None);
        assert_eq!(decode(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
