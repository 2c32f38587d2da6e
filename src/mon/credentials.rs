//! What the monitor client needs of `auth`.

use bytes::Bytes;

use crate::auth::{AuthError, Authenticator, ClientAuth};
use crate::wire::types::EntityType;

/// Who this client is, and the tickets that it has. `auth` has the real one.
pub trait Credentials: Send + Sync + 'static {
    /// For one connection to a monitor. `global_id` is what earlier sessions gave, else 0.
    fn monitor(&self, global_id: u64) -> Result<Box<dyn Authenticator>, AuthError>;
    /// For one connection to another daemon; `NoTicket` before there is a ticket for its kind.
    fn service(&self, kind: EntityType) -> Result<Box<dyn Authenticator>, AuthError>;
    /// The session of this global id is the one that is kept: of several that were tried at once, its tickets count.
    fn established(&self, global_id: u64);
    /// Asked now and then while there is a session: method and payload of an MAuth, if tickets are to be renewed.
    fn renewal(&self) -> Option<(u32, Bytes)>;
    /// What the monitor answered to it (MAuthReply's result, global id and payload): perhaps a further request.
    fn renewal_reply(
        &self,
        result: i32,
        global_id: u64,
        payload: &[u8],
    ) -> Result<Option<(u32, Bytes)>, AuthError>;
}

impl Credentials for ClientAuth {
    fn monitor(&self, global_id: u64) -> Result<Box<dyn Authenticator>, AuthError> {
        Ok(self.mon_authenticator(global_id))
    }

    fn service(&self, kind: EntityType) -> Result<Box<dyn Authenticator>, AuthError> {
        self.service_authenticator(kind)
    }

    fn established(&self, global_id: u64) {
        if let Err(error) = ClientAuth::established(self, global_id) {
            tracing::error!(global_id, %error, "a session that was not authenticated here");
        }
    }

    fn renewal(&self) -> Option<(u32, Bytes)> {
        self.renewal_request()
    }

    fn renewal_reply(
        &self,
        result: i32,
        _global_id: u64,
        payload: &[u8],
    ) -> Result<Option<(u32, Bytes)>, AuthError> {
        self.handle_auth_reply(result, payload)
    }
}
