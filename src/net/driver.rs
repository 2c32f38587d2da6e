//! The task of one connection: carries bytes between its socket and the state machine of `wire`.
//!
//! One task does both directions, so that no message crosses from one task to another. What is queued while it works
//! is written with one call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::TcpConnection;
use super::messenger::Shared;
use super::{Connection, Handler, NetError, Ready};
use crate::auth::{AuthError, Authenticator};
use crate::wire::connection::{self as wire, Event, Settings};
use crate::wire::types::{EntityAddr, EntityType, Utime};
use crate::wire::{Message, WireError};

/// Buffers of one vectored write.
const SLICES: usize = 64;
/// Messages are made into bytes as long as no more than this is unwritten.
const AHEAD_BYTES: usize = 1 << 20;
/// Rounds of reading and writing before other tasks get their turn.
const ROUNDS: usize = 32;

/// Whom to connect to.
pub(super) struct Target {
    pub peer: EntityType,
    /// Where msgr2 is spoken.
    pub addr: Option<EntityAddr>,
    pub global_id: u64,
    /// For messages: any address of it.
    pub shown: EntityAddr,
}

/// Why a connection is over.
enum End {
    Closed,
    Failed(NetError),
}

pub(super) async fn run(
    connection: Arc<TcpConnection>,
    shared: Arc<Shared>,
    target: Target,
    auth: Box<dyn Authenticator>,
    handler: Arc<dyn Handler>,
) {
    let end = live(&connection, &shared, &target, auth, &handler).await;
    let closed = connection.is_closed();
    connection.end();
    if let (End::Failed(error), false) = (end, closed) {
        let shown: Arc<dyn Connection> = connection;
        handler.reset(&shown, error);
    }
}

async fn live(
    connection: &Arc<TcpConnection>,
    shared: &Shared,
    target: &Target,
    auth: Box<dyn Authenticator>,
    handler: &Arc<dyn Handler>,
) -> End {
    let addr = target.shown;
    let Some((msgr2, socket)) = target.addr.and_then(|addr| Some((addr, addr.socket?))) else {
        return End::Failed(NetError::Unsupported { addr, detail: WireError::Legacy.to_string() });
    };
    let seconds = shared.options.ready_timeout.as_secs();
    let mut deadline = pin!(tokio::time::sleep(shared.options.ready_timeout));
    let mut connect = pin!(TcpStream::connect(socket));
    let connected = poll_fn(|context| {
        if let Poll::Ready(result) = connect.as_mut().poll(context) {
            return Poll::Ready(Ok(result));
        }
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(End::Failed(NetError::Timeout { addr, seconds })));
        }
        if !connection.sleep_until_closed(context) {
            return Poll::Ready(Err(End::Closed));
        }
        Poll::Pending
    });
    let stream = match connected.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return End::Failed(NetError::Connect { addr, detail: error.to_string() }),
        Err(end) => return end,
    };
    // Without it messages only come later.
    let _ = stream.set_nodelay(shared.options.nodelay);
    let settings = Settings {
        peer: target.peer,
        target: msgr2,
        nonce: shared.nonce,
        own: shared.own.get().copied(),
        gid: if target.global_id == 0 { -1 } else { target.global_id as i64 },
        global_seq: shared.attempts.fetch_add(1, Relaxed) + 1,
        cookie: None,
        data_crc: shared.options.data_crc,
        message_bytes: shared.options.message_bytes,
        compression: shared.compression_for(target.peer, &msgr2),
    };
    let mut driver = Driver {
        addr,
        wire: wire::Connection::new(settings),
        stream,
        auth,
        queue: VecDeque::new(),
        shown: connection.clone(),
        connection,
        shared,
        handler,
    };
    if let Err(end) = driver.begin() {
        return end;
    }
    let end = poll_fn(|context| {
        if let Poll::Ready(end) = driver.poll(context) {
            return Poll::Ready(end);
        }
        if !driver.wire.is_ready() && deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Failed(NetError::Timeout { addr, seconds }));
        }
        Poll::Pending
    })
    .await;
    if let End::Failed(error) = &end
        && driver.blames_compression(error)
    {
        tracing::warn!(%error, "connection with compression failed: the next ones to this OSD do without");
        shared.give_compression_up(msgr2);
    }
    end
}

struct Driver<'a> {
    addr: EntityAddr,
    wire: wire::Connection,
    stream: TcpStream,
    auth: Box<dyn Authenticator>,
    /// Taken from the connection's queue, not yet given to `wire`.
    queue: VecDeque<Message>,
    connection: &'a TcpConnection,
    shown: Arc<dyn Connection>,
    shared: &'a Shared,
    handler: &'a Arc<dyn Handler>,
}

impl Driver<'_> {
    fn begin(&mut self) -> Result<(), End> {
        let request = self.auth.begin().map_err(|error| self.auth_error(error))?;
        self.wire
            .auth_request(request.method, &request.modes, request.payload)
            .map_err(|error| self.wire_error(error))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        for _ in 0..ROUNDS {
            match self.round(context) {
                Ok(Poll::Pending) if self.sleep(context) => return Poll::Pending,
                Ok(_) => {}
                Err(end) => return Poll::Ready(end),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Before the session is established, messages stay in the queue and wake nobody.
    fn sleep(&self, context: &mut Context<'_>) -> bool {
        match self.wire.is_ready() {
            true => self.connection.sleep(context),
            false => self.connection.sleep_until_closed(context),
        }
    }

    /// Sends what can be sent, receives once. Pending: the socket has nothing and takes nothing.
    fn round(&mut self, context: &mut Context<'_>) -> Result<Poll<()>, End> {
        loop {
            self.take_queue()?;
            if self.wire.output_bytes() == 0 {
                break;
            }
            if self.write(context)?.is_pending() {
                break;
            }
        }
        self.connection.set_unwritten(self.wire.output_bytes());
        let read = self.read(context)?;
        if read.is_ready() {
            while let Some(event) = self.wire.poll().map_err(|error| self.wire_error(error))? {
                self.event(event)?;
                if self.connection.is_closed() {
                    return Err(End::Closed);
                }
            }
        }
        Ok(read)
    }

    fn take_queue(&mut self) -> Result<(), End> {
        if !self.wire.is_ready() {
            return match self.connection.is_closed() {
                true => Err(End::Closed),
                false => Ok(()),
            };
        }
        if self.queue.is_empty() {
            let work = self.connection.take(&mut self.queue);
            if work.closed {
                return Err(End::Closed);
            }
            if work.keepalive {
                self.wire.keepalive(now()).map_err(|error| self.wire_error(error))?;
            }
        }
        while self.wire.output_bytes() < AHEAD_BYTES {
            let Some(message) = self.queue.pop_front() else { break };
            self.wire.send(message).map_err(|error| self.wire_error(error))?;
        }
        Ok(())
    }

    fn write(&mut self, context: &mut Context<'_>) -> Result<Poll<()>, End> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = self.wire.slices(&mut slices);
        let written = match Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..used]) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return Err(self.lost(&error.to_string())),
        };
        self.wire.written(written);
        Ok(Poll::Ready(()))
    }

    fn read(&mut self, context: &mut Context<'_>) -> Result<Poll<()>, End> {
        let read = pin!(self.stream.read_buf(self.wire.input()));
        match read.poll(context) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(0)) => Err(self.lost("closed by the peer")),
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
            Poll::Ready(Err(error)) => Err(self.lost(&error.to_string())),
        }
    }

    fn event(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Message(message) => self.handler.message(&self.shown, message),
            Event::KeepaliveAck(_) => self.connection.set_alive(),
            Event::Ready(established) => {
                if let Some(socket) = established.own.socket {
                    let _ = self.shared.own.set(socket.ip());
                }
                self.connection.set_alive();
                let ready = Ready {
                    peer: established.peer,
                    features: established.features,
                    own: established.own,
                    global_id: established.global_id,
                };
                self.handler.ready(&self.shown, ready);
            }
            Event::AuthBadMethod { method, result, methods, modes } => {
                let request = self
                    .auth
                    .bad_method(method, result, &methods, &modes)
                    .map_err(|error| self.auth_error(error))?;
                self.wire
                    .auth_request(request.method, &request.modes, request.payload)
                    .map_err(|error| self.wire_error(error))?;
            }
            Event::AuthMore(payload) => {
                let answer = self.auth.more(&payload).map_err(|error| self.auth_error(error))?;
                self.wire.auth_more(answer).map_err(|error| self.wire_error(error))?;
            }
            Event::AuthDone { global_id, mode, payload } => {
                let done =
                    self.auth.done(global_id, mode, &payload).map_err(|error| self.auth_error(error))?;
                self.wire
                    .auth_done(done.session_key, &done.connection_secret)
                    .map_err(|error| self.wire_error(error))?;
            }
            // Connections are lossy.
            Event::Reset { .. } => {}
        }
        Ok(())
    }

    /// Compression must never be what keeps a client from its OSDs: when in doubt, it is the reason.
    fn blames_compression(&self, error: &NetError) -> bool {
        match error {
            NetError::Lost { .. } | NetError::Timeout { .. } => self.wire.doubts_compression(),
            NetError::Protocol { .. } => self.wire.asked_compression(),
            NetError::Connect { .. } | NetError::Auth { .. } | NetError::Unsupported { .. } => false,
        }
    }

    fn auth_error(&self, source: AuthError) -> End {
        End::Failed(NetError::Auth { addr: self.addr, source })
    }

    fn wire_error(&self, error: WireError) -> End {
        let (addr, detail) = (self.addr, error.to_string());
        End::Failed(match error.is_unsupported() {
            true => NetError::Unsupported { addr, detail },
            false => NetError::Protocol { addr, detail },
        })
    }

    fn lost(&self, detail: &str) -> End {
        let (addr, detail) = (self.addr, format!("{detail}, {}", self.wire.stage()));
        End::Failed(NetError::Lost { addr, detail })
    }
}

fn now() -> Utime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Utime { seconds: now.as_secs() as u32, nanoseconds: now.subsec_nanos() }
}
