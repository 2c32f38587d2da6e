//! cephx's structures: what is said in which bytes.
//!
//! | who | bytes |
//! |---|---|
//! | server's challenge | u8 1, u64 |
//! | request's and reply's head | u16 what; u16 what, i32 status |
//! | authenticate | u8 3, u64 client's challenge, u64 proof, ticket (of `auth`, to keep the global id), u32 services |
//! | ticket | u8 1, u64 number of the secret it is encrypted with, blob |
//! | grants | u8 1, u32 count; for each: u32 service, u8 1, sealed(u8 1, key, utime validity), u8 sealed?, blob(ticket) |
//! | authorizer | u8 1, u64 global id, u32 service, ticket, sealed(u8 2, u64 nonce, u8 has challenge, u64 challenge + 1) |
//! | authorizer's reply | sealed(u8 1 or 2, u64 nonce + 1, from 2 on blob(connection secret)) |
//!
//! "sealed" is a blob with the envelope of [`crate::auth::crypto`]. Facts from Ceph's src/auth/cephx/CephxProtocol.h and
//! from captured handshakes.

use crate::auth::key::CryptoKey;
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::types::Utime;

/// CEPHX_GET_AUTH_SESSION_KEY: proves who one is.
pub const GET_AUTH_SESSION_KEY: u16 = 0x0100;
/// CEPHX_GET_PRINCIPAL_SESSION_KEY: tickets for services, with the one of `auth`.
pub const GET_PRINCIPAL_SESSION_KEY: u16 = 0x0200;

/// CephXTicketBlob: what a service can read and we cannot.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TicketBlob {
    pub secret_id: u64,
    pub blob: Vec<u8>,
}

impl TicketBlob {
    pub fn encode(&self, e: &mut Encoder) {
        e.u8(1).u64(self.secret_id).blob(&self.blob);
    }

    pub fn decode(d: &mut Decoder) -> Result<TicketBlob, Malformed> {
        d.u8()?;
        let secret_id = d.u64()?;
        Ok(TicketBlob { secret_id, blob: d.blob()?.to_vec() })
    }
}

impl std::fmt::Debug for TicketBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TicketBlob {{ secret_id: {}, {} bytes }}", self.secret_id, self.blob.len())
    }
}

/// One ticket as a monitor hands it out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// CEPH_ENTITY_TYPE_*
    pub service: u32,
    pub session_key: CryptoKey,
    pub validity: Utime,
    pub ticket: TicketBlob,
}

/// CephXServerChallenge, and CephXAuthorizeChallenge within its envelope.
pub fn decode_challenge(bytes: &[u8]) -> Result<u64, Malformed> {
    let mut d = Decoder::new(bytes);
    d.u8()?;
    d.u64()
}

/// What shows that one has the key: both challenges sealed, that blob with its length XORed together in words of 8 bytes.
pub fn proof(key: &CryptoKey, server_challenge: u64, client_challenge: u64) -> u64 {
    let sealed = key.seal(|e| {
        e.u64(server_challenge).u64(client_challenge);
    });
    let mut e = Encoder::new();
    e.blob(&sealed);
    let bytes = e.finish();
    bytes.as_chunks::<8>().0.iter().fold(0, |sum, word| sum ^ u64::from_le_bytes(*word))
}

/// A request for the ticket of `auth`: head and CephXAuthenticate. `services` are wanted along with it.
pub fn encode_authenticate(
    e: &mut Encoder,
    client_challenge: u64,
    proof: u64,
    old: &TicketBlob,
    services: u32,
) {
    e.u16(GET_AUTH_SESSION_KEY).u8(3).u64(client_challenge).u64(proof);
    old.encode(e);
    e.u32(services);
}

/// The head of a reply: what was asked for, and 0 or -errno.
pub fn decode_reply_head(d: &mut Decoder) -> Result<(u16, i32), Malformed> {
    let what = d.u16()?;
    Ok((what, d.u32()? as i32))
}

/// Grants sealed with `key`. A ticket that is sealed itself is so with the session key of the ticket for the same service
/// that it replaces: `old_key` gives that.
pub fn decode_grants(
    d: &mut Decoder,
    key: &CryptoKey,
    old_key: impl Fn(u32) -> Option<CryptoKey>,
) -> Result<Vec<Grant>, Malformed> {
    d.u8()?;
    let count = d.u32()? as usize;
    // A grant takes 13 bytes at the least.
    if count > d.remaining() / 13 {
        return Err(Malformed);
    }
    let mut grants = Vec::new();
    for _ in 0..count {
        let service = d.u32()?;
        d.u8()?;
        let plain = key.open(d.blob()?)?;
        let mut body = Decoder::new(&plain);
        body.u8()?;
        let session_key = CryptoKey::decode(&mut body)?;
        let validity = Utime::decode(&mut body)?;
        let sealed = d.u8()? != 0;
        let bytes = d.blob()?;
        let ticket = if sealed {
            let plain = old_key(service).ok_or(Malformed)?.open(bytes)?;
            TicketBlob::decode(&mut Decoder::new(Decoder::new(&plain).blob()?))?
        } else {
            TicketBlob::decode(&mut Decoder::new(bytes))?
        };
        grants.push(Grant { service, session_key, validity, ticket });
    }
    Ok(grants)
}

/// The part of an authorizer that names the ticket: all but what is sealed.
pub fn encode_authorizer_base(e: &mut Encoder, global_id: u64, service: u32, ticket: &TicketBlob) {
    e.u8(1).u64(global_id).u32(service);
    ticket.encode(e);
}

/// CephXAuthorize, sealed: shows that one has the ticket's session key.
pub fn encode_authorize(e: &mut Encoder, key: &CryptoKey, nonce: u64, challenge: Option<u64>) {
    let sealed = key.seal(|e| {
        e.u8(2).u64(nonce).u8(challenge.is_some().into());
        e.u64(challenge.map_or(0, |challenge| challenge.wrapping_add(1)));
    });
    e.blob(&sealed);
}

/// CephXAuthorizeReply: the nonce + 1, and the connection secret if there is one.
pub fn decode_authorize_reply(bytes: &[u8], key: &CryptoKey) -> Result<(u64, Vec<u8>), Malformed> {
    let plain = key.open(Decoder::new(bytes).blob()?)?;
    let mut d = Decoder::new(&plain);
    let version = d.u8()?;
    let nonce_plus_one = d.u64()?;
    let secret = if version >= 2 { d.blob()?.to_vec() } else { Vec::new() };
    Ok((nonce_plus_one, secret))
}
