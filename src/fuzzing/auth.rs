//! What monitors and daemons say while one authenticates, and keyrings.

use super::same;
use crate::auth::cephx::{MonExchange, ServiceExchange, decode_service_grants, testing};
use crate::auth::{CryptoKey, keyring};
use crate::wire::denc::{Decoder, Encoder};
use crate::wire::types::EntityType;
use std::time::Duration;

/// Replies to a client. What is encrypted in them would hide behind its key: parts of the input are encrypted here with a
/// key that the client has. The first byte chooses the reply; parts begin with their length (u16).
pub fn cephx(data: &[u8]) -> bool {
    let [which, rest @ ..] = data else { return false };
    let mut d = Decoder::new(rest);
    let mut part = || {
        let length = d.u16().unwrap_or_default();
        d.raw(length.into()).unwrap_or_default().to_vec()
    };
    let ticket = testing::ticket();
    let key = ticket.session_key.clone();
    let sealed = |bytes: &[u8]| {
        key.seal(|e| {
            e.raw(bytes);
        })
    };
    let now = Duration::ZERO;
    let mut service = ServiceExchange::new(EntityType::OSD, &ticket, 1, 7);
    match which % 6 {
        0 => {
            let old = Some(ticket);
            MonExchange::again(key, 5, old).reply(rest, now).is_ok()
        }
        1 => {
            let (grant, bare, secret, extra) = (part(), part(), part(), part());
            let mut e = Encoder::new();
            e.u16(0x0100).u32(0).u8(1).u32(1).u32(0x20).u8(1).blob(&sealed(&grant));
            e.u8(0).blob(&bare);
            let mut inner = Encoder::new();
            inner.blob(&sealed(&secret));
            e.blob(&inner.finish()).blob(&extra);
            MonExchange::again(key, 5, Some(ticket)).reply(&e.finish(), now).is_ok()
        }
        2 => {
            let (grant, bare) = (part(), part());
            let mut e = Encoder::new();
            e.u16(0x0200).u32(0).u8(1).u32(1).u32(4).u8(1).blob(&sealed(&grant)).u8(0).blob(&bare);
            decode_service_grants(&e.finish(), &ticket, now).is_ok()
        }
        3 => service.challenge(&sealed(rest)).is_ok(),
        4 => {
            let mut e = Encoder::new();
            e.blob(&sealed(rest));
            service.reply(&e.finish()).is_ok()
        }
        _ => {
            let found = CryptoKey::decode(&mut Decoder::new(rest));
            if let Ok(key) = &found {
                let mut e = Encoder::new();
                key.encode(&mut e);
                same(key, CryptoKey::decode(&mut Decoder::new(&e.finish())));
            }
            found.is_ok() | MonExchange::new(key, rest, None).is_ok()
        }
    }
}

/// A keyring file.
pub fn keyring(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(|text| keyring::key_in(text, "client.admin").is_ok())
}
