//! Proving who one is: keyrings, cephx, and `auth_*_required = none`.

mod authenticators;
pub(crate) mod cephx;
mod client;
mod crypto;
mod key;
pub(crate) mod keyring;
mod options;
mod world;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use crate::wire::ConnectionMode;
pub use client::ClientAuth;
pub use crypto::hmac_sha256;
pub use key::CryptoKey;
pub use options::{AuthOptions, Method, PrincipalName};
pub use world::{SystemWorld, World};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No keyring where the configuration says, and nothing but cephx is allowed. ENOENT.
    #[error("no keyring found: {detail}")]
    NoKey { detail: String },
    /// A key or keyring that makes no sense (EINVAL, EIO), cannot be read, or has no key of this name (EACCES).
    #[error("{detail}")]
    BadKey { errno: crate::errno::Errno, detail: String },
    /// The peer said no: the errno that it gave (positive), such as EACCES or EPERM.
    #[error("refused by the peer: {detail} ({errno})")]
    Refused { errno: crate::errno::Errno, detail: String },
    /// No method or connection mode that both sides allow. EACCES, as in Ceph.
    #[error("no common method: {detail}")]
    NoCommonMethod { detail: String },
    /// Bytes that make no sense, or do not prove what they must: the peer may be somebody else. EACCES.
    #[error("malformed or unproven: {detail}")]
    Malformed { detail: &'static str },
    /// No ticket for this kind of daemon (yet): to be tried again once there is one.
    #[error("no ticket for {service}")]
    NoTicket { service: &'static str },
}

/// What AUTH_REQUEST says first.
#[derive(Clone, Debug)]
pub struct AuthRequest {
    /// CEPH_AUTH_NONE = 1, CEPH_AUTH_CEPHX = 2.
    pub method: u32,
    /// In order of preference.
    pub modes: Vec<ConnectionMode>,
    pub payload: Bytes,
}

/// What a finished authentication leaves.
#[derive(Clone, Default)]
pub struct AuthDone {
    /// Signs the handshake (HMAC-SHA256); `None` with `auth none`: an all-zero signature is sent and expected.
    pub session_key: Option<Bytes>,
    /// Keys and nonces of secure mode; empty in crc mode.
    pub connection_secret: Bytes,
}

/// The client's side of authenticating one connection; made anew for each.
pub trait Authenticator: Send {
    fn begin(&mut self) -> Result<AuthRequest, AuthError>;
    /// AUTH_BAD_METHOD: the peer allows only these. Another first request, or an error that ends the connection.
    fn bad_method(
        &mut self,
        method: u32,
        result: i32,
        allowed_methods: &[u32],
        allowed_modes: &[u32],
    ) -> Result<AuthRequest, AuthError>;
    /// AUTH_REPLY_MORE: the payload of the next AUTH_REQUEST_MORE.
    fn more(&mut self, payload: &[u8]) -> Result<Bytes, AuthError>;
    /// AUTH_DONE.
    fn done(&mut self, global_id: u64, mode: ConnectionMode, payload: &[u8]) -> Result<AuthDone, AuthError>;
}
