//! The exchange with a daemon that is no monitor: our authorizer, its challenge, our authorizer with that, its reply.

use bytes::Bytes;

use super::proto;
use super::tickets::Ticket;
use crate::auth::AuthError;
use crate::auth::key::CryptoKey;
use crate::wire::denc::Encoder;
use crate::wire::types::EntityType;

pub struct ServiceExchange {
    session_key: CryptoKey,
    /// What stays the same in every authorizer.
    base: Bytes,
    nonce: u64,
    challenged: bool,
}

impl ServiceExchange {
    pub fn new(service: EntityType, ticket: &Ticket, global_id: u64, nonce: u64) -> ServiceExchange {
        let mut e = Encoder::new();
        proto::encode_authorizer_base(&mut e, global_id, service.0.into(), &ticket.blob);
        ServiceExchange {
            session_key: ticket.session_key.clone(),
            base: e.finish(),
            nonce,
            challenged: false,
        }
    }

    pub fn session_key(&self) -> &CryptoKey {
        &self.session_key
    }

    pub fn authorizer(&self, challenge: Option<u64>) -> Bytes {
        let mut e = Encoder::new();
        e.raw(&self.base);
        proto::encode_authorize(&mut e, &self.session_key, self.nonce, challenge);
        e.finish()
    }

    /// The authorizer that answers the daemon's challenge. A second challenge is refused: no daemon has a reason for one.
    pub fn challenge(&mut self, sealed: &[u8]) -> Result<Bytes, AuthError> {
        if std::mem::replace(&mut self.challenged, true) {
            return Err(AuthError::Malformed { detail: "a second challenge" });
        }
        let plain = self.session_key.open(sealed);
        let challenge = plain.and_then(|plain| proto::decode_challenge(&plain));
        let challenge = challenge.map_err(|_| AuthError::Malformed { detail: "authorizer challenge" })?;
        Ok(self.authorizer(Some(challenge)))
    }

    /// Checks that the daemon could read our ticket; gives the connection secret, empty in crc mode.
    pub fn reply(&self, payload: &[u8]) -> Result<Vec<u8>, AuthError> {
        let reply = proto::decode_authorize_reply(payload, &self.session_key);
        let (nonce_plus_one, secret) =
            reply.map_err(|_| AuthError::Malformed { detail: "authorizer reply" })?;
        if nonce_plus_one != self.nonce.wrapping_add(1) {
            return Err(AuthError::Malformed { detail: "authorizer reply: not for our nonce" });
        }
        Ok(secret)
    }
}
