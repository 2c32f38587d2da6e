//! The exchange with a monitor: its challenge, our proof, its tickets.

use std::time::Duration;

use bytes::Bytes;

use super::proto::{self, TicketBlob};
use super::tickets::{Ticket, Tickets};
use crate::auth::AuthError;
use crate::auth::key::CryptoKey;
use crate::errno::Errno;
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::types::EntityType;

const AUTH: u32 = EntityType::AUTH.0 as u32;

/// One exchange: with a connection's handshake, or later over its session.
pub struct MonExchange {
    key: CryptoKey,
    server_challenge: u64,
    /// The ticket of `auth` that is to be replaced.
    old: Option<Ticket>,
}

/// What a monitor gave.
pub struct Proven {
    /// Those of `auth` and of the services asked for, as far as the monitor has them.
    pub tickets: Tickets,
    /// Of the ticket of `auth`: signs this connection's handshake.
    pub session_key: CryptoKey,
    /// Empty in crc mode, and over a session.
    pub connection_secret: Vec<u8>,
}

impl MonExchange {
    /// `challenge` is the payload of the monitor's first answer. `old`: what proves that our global id is ours.
    pub fn new(key: CryptoKey, challenge: &[u8], old: Option<Ticket>) -> Result<MonExchange, AuthError> {
        let server_challenge =
            proto::decode_challenge(challenge).map_err(|_| malformed("server challenge"))?;
        Ok(MonExchange { key, server_challenge, old })
    }

    /// The number the monitor chose for its session, with which its tickets can be renewed later too.
    pub fn server_challenge(&self) -> u64 {
        self.server_challenge
    }

    /// The same session again, for new tickets.
    pub fn again(key: CryptoKey, server_challenge: u64, old: Option<Ticket>) -> MonExchange {
        MonExchange { key, server_challenge, old }
    }

    pub fn request(&self, client_challenge: u64, services: u32) -> Bytes {
        let proof = proto::proof(&self.key, self.server_challenge, client_challenge);
        let nothing = TicketBlob::default();
        let old = self.old.as_ref().map_or(&nothing, |ticket| &ticket.blob);
        let mut e = Encoder::new();
        proto::encode_authenticate(&mut e, client_challenge, proof, old, services);
        e.finish()
    }

    /// The reply to [`MonExchange::request`].
    pub fn reply(&self, payload: &[u8], now: Duration) -> Result<Proven, AuthError> {
        let mut d = Decoder::new(payload);
        check_head(&mut d, proto::GET_AUTH_SESSION_KEY)?;
        self.grants(&mut d, now).map_err(|_| malformed("tickets of the monitor"))
    }

    fn grants(&self, d: &mut Decoder, now: Duration) -> Result<Proven, Malformed> {
        let old_key =
            |service| self.old.as_ref().filter(|_| service == AUTH).map(|old| old.session_key.clone());
        let mut tickets = Tickets::default();
        for grant in proto::decode_grants(d, &self.key, old_key)? {
            tickets.add(grant, now);
        }
        let session_key = tickets.session_key(AUTH).ok_or(Malformed)?;
        let mut connection_secret = Vec::new();
        if d.remaining() > 0 {
            let sealed = d.blob()?;
            if !sealed.is_empty() {
                let plain = session_key.open(Decoder::new(sealed).blob()?)?;
                connection_secret = Decoder::new(&plain).blob()?.to_vec();
            }
            let extra = d.blob()?;
            if !extra.is_empty() {
                let grants = proto::decode_grants(&mut Decoder::new(extra), &session_key, |_| None)?;
                // The first one of `auth` is what counts; Ceph before 16.2.1 gives another one here.
                for grant in grants.into_iter().filter(|grant| grant.service != AUTH) {
                    tickets.add(grant, now);
                }
            }
        }
        Ok(Proven { tickets, session_key, connection_secret })
    }
}

/// A request for tickets, proven with the one of `auth`. `services` is a mask.
pub fn service_tickets_request(auth: &Ticket, global_id: u64, nonce: u64, services: u32) -> Bytes {
    let mut e = Encoder::new();
    e.u16(proto::GET_PRINCIPAL_SESSION_KEY);
    proto::encode_authorizer_base(&mut e, global_id, AUTH, &auth.blob);
    proto::encode_authorize(&mut e, &auth.session_key, nonce, None);
    e.u8(1).u32(services);
    e.finish()
}

/// The reply to [`service_tickets_request`].
pub fn decode_service_grants(payload: &[u8], auth: &Ticket, now: Duration) -> Result<Tickets, AuthError> {
    let mut d = Decoder::new(payload);
    check_head(&mut d, proto::GET_PRINCIPAL_SESSION_KEY)?;
    let grants = proto::decode_grants(&mut d, &auth.session_key, |_| None)
        .map_err(|_| malformed("service tickets of the monitor"))?;
    let mut tickets = Tickets::default();
    for grant in grants.into_iter().filter(|grant| grant.service != AUTH) {
        tickets.add(grant, now);
    }
    Ok(tickets)
}

fn check_head(d: &mut Decoder, asked: u16) -> Result<(), AuthError> {
    let (what, status) = proto::decode_reply_head(d).map_err(|_| malformed("reply of the monitor"))?;
    if what != asked {
        return Err(malformed("reply of the monitor: not what was asked for"));
    }
    if status < 0 {
        let detail = "the monitor gives no ticket".to_string();
        return Err(AuthError::Refused { errno: Errno(status.saturating_neg()), detail });
    }
    Ok(())
}

fn malformed(detail: &'static str) -> AuthError {
    AuthError::Malformed { detail }
}
