//! What clients, images and lock classes send each other.

use super::{same, seal_end, twice};
use crate::client::notify;
use crate::image::header::{Properties, Timestamp, decode_u64, encode_u64};
use crate::image::notice::{Answer, Notice};
use crate::store::blocklist::Fenced;
use crate::store::lock::{
    AssertOp, BreakOp, LockInfo, LockOp, UnlockOp, decode_get_info, decode_names, encode_get_info,
    encode_names,
};
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::features;
use crate::wire::types::{EntityAddr, EntityName};

/// Notifications of image openers, and the answers to them.
pub fn image_notice(data: &[u8]) -> bool {
    twice(data, seal_end, |bytes| {
        let notice = Notice::decode(bytes);
        if let Some(notice) = &notice {
            same(notice, Notice::decode(&notice.encode()).ok_or(()));
        }
        let answer = Answer::decode(bytes);
        if let Some(answer) = answer {
            same(&answer, Answer::decode(&answer.encode()).ok_or(()));
        }
        notice.is_some() || answer.is_some()
    })
}

/// Values in the omap of an image's header.
pub fn image_header(data: &[u8]) -> bool {
    twice(data, seal_end, |bytes| {
        let properties = Properties::decode(bytes, "fuzz");
        if let Ok(properties) = &properties {
            same(properties, Properties::decode(&properties.encode(), "fuzz"));
        }
        let time = Timestamp::decode(bytes, "fuzz");
        if let Ok(time) = &time {
            same(time, Timestamp::decode(&time.encode(), "fuzz"));
        }
        let number = decode_u64(bytes, "fuzz");
        if let Ok(number) = &number {
            same(number, decode_u64(&encode_u64(*number), "fuzz"));
        }
        properties.is_ok() || time.is_ok() || number.is_ok()
    })
}

/// The answers to a notification, as `rados_decode_notify_response` gets them.
pub fn notify_reply(data: &[u8]) -> bool {
    let Some(reply) = notify::decode(data) else { return false };
    let out = notify::encode(&reply);
    assert_eq!(out, data[..out.len()]);
    same(&reply, notify::decode(&out).ok_or(()));
    true
}

/// Everything that class `lock` takes and answers.
pub fn cls_lock(data: &[u8]) -> bool {
    /// Decodes with `$decode`; what is accepted goes through `$encode` and `$decode` again.
    macro_rules! round {
        ($($decode:expr, $encode:expr;)*) => {{
            let mut any = false;
            $(if let Ok(value) = $decode(data) {
                same(&value, $decode(&$encode(&value)));
                any = true;
            })*
            any
        }};
    }
    let assert_locked = |input: &[u8]| AssertOp::decode(input, false);
    let set_cookie = |input: &[u8]| AssertOp::decode(input, true);
    round! {
        LockOp::decode, LockOp::encode;
        UnlockOp::decode, UnlockOp::encode;
        BreakOp::decode, BreakOp::encode;
        assert_locked, AssertOp::encode;
        set_cookie, AssertOp::encode;
        LockInfo::decode, LockInfo::encode;
        decode_get_info, |name: &String| encode_get_info(name);
        decode_names, |names: &Vec<String>| encode_names(names);
    }
}

/// Addresses and names of clients: as bytes, and as text.
pub fn addresses(data: &[u8]) -> bool {
    let round = |addr: &EntityAddr| {
        let mut encoder = Encoder::new();
        addr.encode(&mut encoder, features::MSG_ADDR2);
        same(addr, EntityAddr::decode(&mut Decoder::new(&encoder.finish())));
        addr.plain()
    };
    let binary = EntityAddr::decode(&mut Decoder::new(data));
    if let Ok(addr) = &binary {
        round(addr);
    }
    let Ok(text) = std::str::from_utf8(data) else { return binary.is_ok() };
    let (addr, name) = (EntityAddr::parse(text), EntityName::parse(text));
    if let Some(addr) = &addr {
        let printed = round(addr);
        let again = EntityAddr::parse(&printed).map(|again| EntityAddr { kind: addr.kind, ..again });
        same(addr, again.ok_or(printed));
    }
    let fenced = Fenced::parse(text);
    binary.is_ok() || addr.is_some() || name.is_some() || fenced.is_ok()
}

/// The decoder under it all, driven by the first half of the input on the second.
pub fn denc(data: &[u8]) -> bool {
    let (script, input) = data.split_at(data.len() / 2);
    let mut decoder = Decoder::new(input);
    let mut done = 0;
    for step in script {
        let before = decoder.remaining();
        let result = match step % 8 {
            0 => decoder.u8().map(drop),
            1 => decoder.u16().map(drop),
            2 => decoder.u32().map(drop),
            3 => decoder.u64().map(drop),
            4 => decoder.blob().map(drop),
            5 => decoder.string().map(drop),
            6 => decoder.raw(usize::from(step / 8)).map(drop),
            _ => decoder.section(step / 8).map(|(_, body)| assert!(body.remaining() + 6 <= before)),
        };
        assert!(decoder.remaining() <= before);
        match result {
            Ok(()) => done += 1,
            Err(Malformed) => break,
        }
    }
    done > 0
}
