//! The task of one connection: carries bytes between its socket and the state machine of `wire`.
//!
//! One task does both directions, so that no message crosses from one task to another. What is queued while it works
//! is written with one call. While it sleeps, those who send write themselves and need not wake it ([`Core::push`]).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::TcpConnection;
use super::messenger::Shared;
use super::{Connection, Handler, NetError, Ready};
use crate::auth::{AuthError, Authenticator};
use crate::wire::codec::Space;
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
    let mut core =
        Core { wire: wire::Connection::new(settings), stream, queue: VecDeque::new(), failed: None };
    let mut driver = Driver { addr, auth, shown: connection.clone(), connection, shared, handler };
    if let Err(end) = driver.begin(&mut core) {
        return end;
    }
    *connection.core.lock() = Some(core);
    let end = poll_fn(|context| {
        if let Poll::Ready(end) = driver.poll(context) {
            return Poll::Ready(end);
        }
        if !driver.is_ready() && deadline.as_mut().poll(context).is_ready() {
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

/// What reads and writes: the task's, but for writing while it sleeps in an established session.
pub(super) struct Core {
    wire: wire::Connection,
    stream: TcpStream,
    /// Taken from the connection's queue, not yet given to `wire`.
    queue: VecDeque<Message>,
    /// Met by somebody else: the task ends with it.
    failed: Option<WireError>,
}

impl Core {
    /// Writes what is queued, as far as the socket takes it at once. `false`: the task has to be woken.
    pub(super) fn push(&mut self, connection: &TcpConnection) -> bool {
        if !self.wire.is_ready() {
            // The task takes the queue once it is.
            return true;
        }
        if self.wire.output_bytes() > 0 {
            // The socket is full, and the task waits for it.
            return true;
        }
        loop {
            if self.queue.is_empty() && !connection.take_messages(&mut self.queue) {
                return false;
            }
            if let Err(error) = self.make_bytes() {
                self.failed = Some(error);
                return false;
            }
            if self.wire.output_bytes() == 0 {
                return true;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = self.wire.slices(&mut slices);
            let Ok(written) = self.stream.try_write_vectored(&slices[..used]) else {
                // The socket is full, or something is wrong, which the task will meet as well.
                connection.set_unwritten(self.wire.output_bytes());
                return false;
            };
            self.wire.written(written);
        }
    }

    /// Makes bytes of messages, as long as not too many are unwritten.
    fn make_bytes(&mut self) -> Result<(), WireError> {
        while self.wire.output_bytes() < AHEAD_BYTES {
            let Some(message) = self.queue.pop_front() else { break };
            self.wire.send(message)?;
        }
        Ok(())
    }
}

struct Driver<'a> {
    addr: EntityAddr,
    auth: Box<dyn Authenticator>,
    connection: &'a TcpConnection,
    shown: Arc<dyn Connection>,
    shared: &'a Shared,
    handler: &'a Arc<dyn Handler>,
}

impl Driver<'_> {
    fn begin(&mut self, core: &mut Core) -> Result<(), End> {
        let request = self.auth.begin().map_err(|error| self.auth_error(error))?;
        core.wire
            .auth_request(request.method, &request.modes, request.payload)
            .map_err(|error| self.wire_error(error))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let mut core = self.connection.core.lock();
        // It is there until the end.
        let Some(core) = core.as_mut() else { return Poll::Ready(End::Closed) };
        if let Some(error) = core.failed.take() {
            return Poll::Ready(self.wire_error(error));
        }
        for _ in 0..ROUNDS {
            match self.round(core, context) {
                Ok(Poll::Pending) if self.sleep(core, context) => return Poll::Pending,
                Ok(_) => {}
                Err(end) => return Poll::Ready(end),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Before the session is established, messages stay in the queue and wake nobody; nor do they while the socket is full.
    fn sleep(&self, core: &Core, context: &mut Context<'_>) -> bool {
        match core.wire.is_ready() {
            true if core.wire.output_bytes() > 0 => self.connection.sleep_until_writable(context),
            true => self.connection.sleep(context),
            false => self.connection.sleep_until_closed(context),
        }
    }

    /// Sends what can be sent, receives once. Pending: the socket has nothing and takes nothing.
    fn round(&mut self, core: &mut Core, context: &mut Context<'_>) -> Result<Poll<()>, End> {
        loop {
            self.take_queue(core)?;
            if core.wire.output_bytes() == 0 {
                break;
            }
            if self.write(core, context)?.is_pending() {
                break;
            }
        }
        self.connection.set_unwritten(core.wire.output_bytes());
        let read = self.read(core, context)?;
        if read.is_ready() {
            self.events(core)?;
        }
        Ok(read)
    }

    fn events(&mut self, core: &mut Core) -> Result<(), End> {
        while let Some(event) = core.wire.poll().map_err(|error| self.wire_error(error))? {
            self.event(core, event)?;
            if self.connection.is_closed() {
                return Err(End::Closed);
            }
        }
        Ok(())
    }

    fn take_queue(&mut self, core: &mut Core) -> Result<(), End> {
        if !core.wire.is_ready() {
            return match self.connection.is_closed() {
                true => Err(End::Closed),
                false => Ok(()),
            };
        }
        if core.queue.is_empty() {
            let work = self.connection.take(&mut core.queue);
            if work.closed {
                return Err(End::Closed);
            }
            if work.keepalive {
                core.wire.keepalive(now()).map_err(|error| self.wire_error(error))?;
            }
        }
        core.make_bytes().map_err(|error| self.wire_error(error))
    }

    fn write(&mut self, core: &mut Core, context: &mut Context<'_>) -> Result<Poll<()>, End> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = core.wire.slices(&mut slices);
        let written = match Pin::new(&mut core.stream).poll_write_vectored(context, &slices[..used]) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return Err(self.lost(core, &error.to_string())),
        };
        core.wire.written(written);
        Ok(Poll::Ready(()))
    }

    fn read(&mut self, core: &mut Core, context: &mut Context<'_>) -> Result<Poll<()>, End> {
        let Core { wire, stream, .. } = &mut *core;
        let read = match wire.space() {
            Space::Input => {
                let most = wire.input_most();
                let mut input = wire.input().limit(most);
                pin!(stream.read_buf(&mut input)).poll(context)
            }
            Space::Own(own, most) => {
                let mut own = own.limit(most);
                let read = pin!(stream.read_buf(&mut own)).poll(context);
                if let Poll::Ready(Ok(bytes)) = read {
                    wire.received(bytes);
                }
                read
            }
            Space::Placed => {
                let read = wire.place_bytes(|room, got| {
                    let mut buffer = ReadBuf::uninit(room);
                    let read = Pin::new(stream).poll_read(context, &mut buffer);
                    got(buffer.filled());
                    read.map_ok(|()| buffer.filled().len())
                });
                // The place was taken back: there is another space now.
                read.unwrap_or(Poll::Ready(Ok(1)))
            }
        };
        match read {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(0)) => Err(self.lost(core, "closed by the peer")),
            Poll::Ready(Ok(_)) => Ok(Poll::Ready(())),
            Poll::Ready(Err(error)) => Err(self.lost(core, &error.to_string())),
        }
    }

    fn event(&mut self, core: &mut Core, event: Event) -> Result<(), End> {
        match event {
            Event::Message(message) => self.handler.message(&self.shown, message),
            Event::Data { kind, tid, bytes } => {
                if let Some(wish) = self.handler.place(&self.shown, kind, tid, bytes) {
                    core.wire.place(wish);
                }
            }
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
                core.wire
                    .auth_request(request.method, &request.modes, request.payload)
                    .map_err(|error| self.wire_error(error))?;
            }
            Event::AuthMore(payload) => {
                let answer = self.auth.more(&payload).map_err(|error| self.auth_error(error))?;
                core.wire.auth_more(answer).map_err(|error| self.wire_error(error))?;
            }
            Event::AuthDone { global_id, mode, payload } => {
                let done =
                    self.auth.done(global_id, mode, &payload).map_err(|error| self.auth_error(error))?;
                core.wire
                    .auth_done(done.session_key, &done.connection_secret)
                    .map_err(|error| self.wire_error(error))?;
            }
            // Connections are lossy.
            Event::Reset { .. } => {}
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.connection.core.lock().as_ref().is_some_and(|core| core.wire.is_ready())
    }

    /// Compression must never be what keeps a client from its OSDs: when in doubt, it is the reason.
    fn blames_compression(&self, error: &NetError) -> bool {
        let core = self.connection.core.lock();
        let Some(core) = core.as_ref() else { return false };
        match error {
            NetError::Lost { .. } | NetError::Timeout { .. } => core.wire.doubts_compression(),
            NetError::Protocol { .. } => core.wire.asked_compression(),
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

    fn lost(&self, core: &Core, detail: &str) -> End {
        let (addr, detail) = (self.addr, format!("{detail}, {}", core.wire.stage()));
        End::Failed(NetError::Lost { addr, detail })
    }
}

fn now() -> Utime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Utime { seconds: now.as_secs() as u32, nanoseconds: now.subsec_nanos() }
}
