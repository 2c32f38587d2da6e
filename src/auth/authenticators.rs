//! One connection's authentication: chooses the method, speaks `none` itself and leaves cephx to its room.

use std::sync::Arc;

use bytes::Bytes;

use super::cephx::{MonExchange, ServiceExchange, Ticket, Tickets};
use super::client::{ClientAuth, Session};
use super::options::Method;
use super::{AuthDone, AuthError, AuthRequest, Authenticator, ConnectionMode};
use crate::errno::Errno;
use crate::wire::denc::Encoder;
use crate::wire::types::EntityType;

/// AUTH_MODE_MON: what follows is for a monitor.
const MODE_MON: u8 = 10;
/// AUTH_MODE_AUTHORIZER; also the version of both methods' authorizers.
const MODE_AUTHORIZER: u8 = 1;

/// What a client wants from the monitors along with its first ticket: MON, OSD, MGR; `auth` too, as librados says it.
const SERVICES: u32 = 0x35;

/// With a monitor.
pub struct MonAuthenticator {
    client: Arc<ClientAuth>,
    /// 0: a new one is wanted.
    global_id: u64,
    /// Proves that `global_id` is ours.
    old: Option<Ticket>,
    method: Option<Method>,
    exchange: Option<MonExchange>,
}

impl MonAuthenticator {
    pub fn new(client: Arc<ClientAuth>, global_id: u64, old: Option<Ticket>) -> MonAuthenticator {
        MonAuthenticator { client, global_id, old, method: None, exchange: None }
    }

    fn request(&mut self, method: Method) -> AuthRequest {
        self.method = Some(method);
        self.exchange = None;
        let mut e = Encoder::new();
        e.u8(MODE_MON);
        encode_who(&mut e, &self.client, self.global_id);
        AuthRequest {
            method: method.number(),
            modes: modes_for(method, &self.client.options.mon_modes),
            payload: e.finish(),
        }
    }
}

impl Authenticator for MonAuthenticator {
    fn begin(&mut self) -> Result<AuthRequest, AuthError> {
        match self.client.options.methods.first() {
            Some(&method) => Ok(self.request(method)),
            None => Err(AuthError::NoCommonMethod { detail: "no method is configured".into() }),
        }
    }

    fn bad_method(
        &mut self,
        method: u32,
        result: i32,
        allowed_methods: &[u32],
        allowed_modes: &[u32],
    ) -> Result<AuthRequest, AuthError> {
        let own = &self.client.options.methods;
        let tried = own.iter().position(|own| Some(*own) == self.method);
        let left = &own[tried.map_or(own.len(), |at| at + 1)..];
        let next = left.iter().copied().find(|next| allowed_methods.contains(&next.number()));
        match next {
            Some(next) => Ok(self.request(next)),
            None => Err(refusal(method, result, allowed_methods, allowed_modes)),
        }
    }

    fn more(&mut self, payload: &[u8]) -> Result<Bytes, AuthError> {
        let key = match (self.method, &self.exchange) {
            (Some(Method::Cephx), None) => self.client.options.key.clone()?,
            _ => return Err(AuthError::Malformed { detail: "a challenge that was not called for" }),
        };
        let exchange = MonExchange::new(key, payload, self.old.clone())?;
        let request = exchange.request(self.client.world.random(), SERVICES);
        self.exchange = Some(exchange);
        Ok(request)
    }

    fn done(&mut self, global_id: u64, mode: ConnectionMode, payload: &[u8]) -> Result<AuthDone, AuthError> {
        let method = self.method.ok_or(AuthError::Malformed { detail: "an end before the beginning" })?;
        // Requests carry it: with another one they would count as a stranger's.
        if global_id == 0 || (self.global_id != 0 && self.global_id != global_id) {
            return Err(AuthError::Malformed { detail: "a global id that is not ours" });
        }
        let (done, server_challenge, tickets) = match method {
            Method::None => (AuthDone::default(), 0, Tickets::default()),
            Method::Cephx => {
                let exchange = self
                    .exchange
                    .take()
                    .ok_or(AuthError::Malformed { detail: "cephx without a challenge" })?;
                let proven = exchange.reply(payload, self.client.world.now())?;
                let done = done(mode, proven.session_key.secret(), proven.connection_secret)?;
                (done, exchange.server_challenge(), proven.tickets)
            }
        };
        self.client.add_candidate(Session { method, global_id, server_challenge, tickets });
        Ok(done)
    }
}

/// With an OSD or a manager.
pub struct ServiceAuthenticator {
    client: Arc<ClientAuth>,
    service: EntityType,
    global_id: u64,
    /// `None`: without authentication, as the monitors have it.
    cephx: Option<(Ticket, ServiceExchange)>,
}

impl ServiceAuthenticator {
    pub fn new(
        client: Arc<ClientAuth>,
        service: EntityType,
        global_id: u64,
        ticket: Option<Ticket>,
    ) -> ServiceAuthenticator {
        let cephx = ticket.map(|ticket| {
            let exchange = ServiceExchange::new(service, &ticket, global_id, client.world.random());
            (ticket, exchange)
        });
        ServiceAuthenticator { client, service, global_id, cephx }
    }
}

impl Authenticator for ServiceAuthenticator {
    fn begin(&mut self) -> Result<AuthRequest, AuthError> {
        let (method, payload) = match &self.cephx {
            Some((_, exchange)) => (Method::Cephx, exchange.authorizer(None)),
            None => {
                let mut e = Encoder::new();
                e.u8(MODE_AUTHORIZER);
                encode_who(&mut e, &self.client, self.global_id);
                (Method::None, e.finish())
            }
        };
        let options = &self.client.options;
        let modes = if self.service == EntityType::MGR { &options.mon_modes } else { &options.service_modes };
        let modes = modes_for(method, modes);
        Ok(AuthRequest { method: method.number(), modes, payload })
    }

    fn bad_method(
        &mut self,
        method: u32,
        result: i32,
        allowed_methods: &[u32],
        allowed_modes: &[u32],
    ) -> Result<AuthRequest, AuthError> {
        if let Some((ticket, _)) = &self.cephx
            && allowed_methods.contains(&Method::Cephx.number())
        {
            self.client.invalidate_ticket(self.service, ticket);
        }
        Err(refusal(method, result, allowed_methods, allowed_modes))
    }

    fn more(&mut self, payload: &[u8]) -> Result<Bytes, AuthError> {
        match &mut self.cephx {
            Some((_, exchange)) => exchange.challenge(payload),
            None => Err(AuthError::Malformed { detail: "a challenge that was not called for" }),
        }
    }

    fn done(&mut self, _: u64, mode: ConnectionMode, payload: &[u8]) -> Result<AuthDone, AuthError> {
        match &self.cephx {
            Some((_, exchange)) => {
                let secret = exchange.reply(payload)?;
                done(mode, exchange.session_key().secret(), secret)
            }
            None => Ok(AuthDone::default()),
        }
    }
}

fn encode_who(e: &mut Encoder, client: &ClientAuth, global_id: u64) {
    let name = &client.options.name;
    e.u32(name.kind.0.into()).string(&name.id).u64(global_id);
}

/// Without authentication there is no secret to encrypt with.
fn modes_for(method: Method, modes: &[ConnectionMode]) -> Vec<ConnectionMode> {
    let usable = |mode: &ConnectionMode| method == Method::Cephx || *mode == ConnectionMode::Crc;
    modes.iter().copied().filter(usable).collect()
}

fn done(mode: ConnectionMode, session_key: &[u8], secret: Vec<u8>) -> Result<AuthDone, AuthError> {
    if mode == ConnectionMode::Secure && secret.is_empty() {
        return Err(AuthError::Malformed { detail: "secure mode without a secret" });
    }
    Ok(AuthDone { session_key: Some(Bytes::copy_from_slice(session_key)), connection_secret: secret.into() })
}

fn refusal(method: u32, result: i32, allowed_methods: &[u32], allowed_modes: &[u32]) -> AuthError {
    if allowed_methods.contains(&method) && result < 0 && result != -libc::EOPNOTSUPP {
        let detail = format!("method {method}");
        return AuthError::Refused { errno: Errno(result.saturating_neg()), detail };
    }
    let detail = format!(
        "the peer does not take method {method}; it allows methods {allowed_methods:?} and modes {allowed_modes:?}"
    );
    AuthError::NoCommonMethod { detail }
}
