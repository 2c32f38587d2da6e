//! Structures that no captured handshake shows.

use super::proto::{self, TicketBlob};
use crate::auth::key::CryptoKey;
use crate::wire::denc::{Decoder, Encoder, Malformed};

fn key(n: u8) -> CryptoKey {
    let mut e = Encoder::new();
    e.u16(1).u64(0).u16(16).raw(&[n; 16]);
    CryptoKey::decode(&mut Decoder::new(&e.finish())).unwrap()
}

/// Grants as a monitor writes them; `sealed`: the ticket with this key.
fn grants(count: u32, owner: &CryptoKey, sealed: Option<&CryptoKey>) -> bytes::Bytes {
    let mut e = Encoder::new();
    e.u8(1).u32(count).u32(0x20).u8(1);
    e.blob(&owner.seal(|e| {
        e.u8(1);
        key(9).encode(e);
        e.u32(3600).u32(0);
    }));
    let mut ticket = Encoder::new();
    TicketBlob { secret_id: 7, blob: vec![1, 2, 3] }.encode(&mut ticket);
    let ticket = ticket.finish();
    match sealed {
        None => e.u8(0).blob(&ticket),
        Some(old) => e.u8(1).blob(&old.seal(|e| {
            e.blob(&ticket);
        })),
    };
    e.finish()
}

#[test]
fn a_renewed_ticket_is_sealed_with_the_old_session_key() {
    let bytes = grants(1, &key(1), Some(&key(2)));
    let decode =
        |old: Option<CryptoKey>| proto::decode_grants(&mut Decoder::new(&bytes), &key(1), |_| old.clone());
    let got = decode(Some(key(2))).unwrap();
    assert_eq!((got[0].service, got[0].ticket.secret_id, &got[0].ticket.blob[..]), (0x20, 7, &[1, 2, 3][..]));
    assert_eq!(got[0].session_key, key(9));
    assert_eq!(decode(Some(key(3))), Err(Malformed));
    assert_eq!(decode(None), Err(Malformed));
}

#[test]
fn counts_are_bounded_by_the_input() {
    for count in [2, 3, u32::MAX] {
        let bytes = grants(count, &key(1), None);
        assert_eq!(proto::decode_grants(&mut Decoder::new(&bytes), &key(1), |_| None), Err(Malformed));
    }
    let good = grants(1, &key(1), None);
    assert_eq!(proto::decode_grants(&mut Decoder::new(&good), &key(1), |_| None).unwrap().len(), 1);
    assert_eq!(proto::decode_grants(&mut Decoder::new(&good), &key(2), |_| None), Err(Malformed));
    for length in 0..good.len() {
        assert!(proto::decode_grants(&mut Decoder::new(&good[..length]), &key(1), |_| None).is_err());
    }
}
