//! The client's side of one msgr2 connection as a state machine: banner, authentication, compression (where both sides know of
//! it), identification, messages.
//!
//! Received bytes go into [`Connection::input`], [`Connection::poll`] gives what they mean, [`Connection::slices`] and
//! [`Connection::written`] what is to be sent. How authentication works is its user's business: it answers the events
//! `Auth...` with [`Connection::auth_request`], [`Connection::auth_more`] and [`Connection::auth_done`]. After an error
//! nothing more comes; a lossless session may [`Connection::restart`] on a new socket.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::banner;
use super::codec::{Frame, FrameReader, FrameWriter, STREAM_BYTES, Space};
use super::compress::{self, Algorithm, Compression};
use super::control::{Control, FLAG_LOSSY, Ident, Reconnect, SIGNATURE_BYTES};
use super::error::{WireError, in_frame};
use super::features;
use super::frame::Tag;
use super::message::{Header, Message, MessageType};
use super::place::Wish;
use super::secure;
use super::session::Session;
use super::types::{AddrVec, EntityAddr, EntityName, EntityType, Utime};

/// msgr2's connection modes (CEPH_CON_MODE_*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionMode {
    Crc,
    Secure,
}

impl ConnectionMode {
    pub fn number(self) -> u32 {
        match self {
            ConnectionMode::Crc => 1,
            ConnectionMode::Secure => 2,
        }
    }

    pub fn of(number: u32) -> Option<ConnectionMode> {
        match number {
            1 => Some(ConnectionMode::Crc),
            2 => Some(ConnectionMode::Secure),
            _ => None,
        }
    }
}

/// Both directions' handshakes are kept for the signature; no frame of theirs may be longer than this, either.
const HANDSHAKE_BYTES: usize = 64 << 10;
/// What the buffer for received bytes holds at the least when more is read.
const READ_BYTES: usize = 64 << 10;
/// What is read at once where the data of a large message may follow: its head, and little that would have to be copied.
const HEAD_BYTES: usize = 512;
/// A frame that is longer than this gets room only as its bytes come.
const TRUSTED_BYTES: usize = 16 << 20;

/// Without these a server's messages have encodings that are not known here. Octopus has them all.
const REQUIRED: u64 = features::MSG_ADDR2 | features::SERVER_NAUTILUS | features::SERVER_OCTOPUS;

#[derive(Clone, Debug)]
pub struct Settings {
    pub peer: EntityType,
    pub target: EntityAddr,
    /// Nonce of this client instance.
    pub nonce: u32,
    /// This client's address as other connections found it; `None`: what the peer says is right.
    pub own: Option<IpAddr>,
    /// The client's number (global id); -1: none yet.
    pub gid: i64,
    /// Counts a client instance's attempts to connect.
    pub global_seq: u64,
    /// A lossy session ends with its connection. Otherwise: a cookie that names it, not 0.
    pub cookie: Option<u64>,
    /// `ms_crc_data`: whether checksums of received data segments are looked at in crc mode.
    pub data_crc: bool,
    /// Of all segments of a message together.
    pub message_bytes: usize,
    /// What is offered to the peer; `None`: nothing, and the connection is one without compression.
    pub compression: Option<Compression>,
}

#[derive(Debug)]
pub enum Event {
    /// AUTH_BAD_METHOD: to be answered by [`Connection::auth_request`].
    AuthBadMethod {
        method: u32,
        result: i32,
        methods: Vec<u32>,
        modes: Vec<u32>,
    },
    /// AUTH_REPLY_MORE: to be answered by [`Connection::auth_more`].
    AuthMore(Bytes),
    /// AUTH_DONE: to be answered by [`Connection::auth_done`].
    AuthDone {
        global_id: u64,
        mode: ConnectionMode,
        payload: Bytes,
    },
    /// The session is established, or in a lossless one: is again.
    Ready(Established),
    Message(Message),
    /// The data of a large message are to come: [`Connection::place`] may say where they go, before the next poll.
    Data {
        kind: MessageType,
        tid: u64,
        bytes: usize,
    },
    /// The peer answered the keepalive of this time.
    KeepaliveAck(Utime),
    /// The peer forgot a lossless session: this many messages may not have arrived.
    Reset {
        lost: usize,
    },
}

#[derive(Clone, Debug)]
pub struct Established {
    pub peer: EntityName,
    pub features: u64,
    pub own: EntityAddr,
    pub global_id: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Banner,
    Hello,
    /// It is the peer's turn.
    Auth,
    /// It is the turn of who authenticates: frames wait.
    AuthTurn,
    Signature,
    Compression,
    Ident,
    Reconnect,
    Ready,
    Over,
}

pub struct Connection {
    settings: Settings,
    stage: Stage,
    input: BytesMut,
    reader: FrameReader,
    writer: FrameWriter,
    session: Session,
    /// Everything that was sent and received before authentication was done.
    sent_bytes: Vec<u8>,
    received_bytes: Vec<u8>,
    session_key: Option<Bytes>,
    offered: Vec<ConnectionMode>,
    mode: ConnectionMode,
    global_id: u64,
    own: EntityAddr,
    /// Of the peer's banner.
    peer_supports: u64,
    /// A COMPRESSION_REQUEST was sent.
    asked_compression: bool,
    /// Nothing has shown yet that the peer understands what it was sent compressed.
    unproven: bool,
    established: Option<Established>,
    ack_due: bool,
    /// The last message was a large one: the next may be, too.
    large: bool,
}

impl Connection {
    /// Banner and HELLO are ready to be sent; an [`Connection::auth_request`] must follow, and need not wait.
    pub fn new(settings: Settings) -> Connection {
        let session = Session::new(settings.cookie.unwrap_or(0), settings.global_seq);
        let mut connection = Connection {
            stage: Stage::Banner,
            input: BytesMut::new(),
            reader: FrameReader::new(HANDSHAKE_BYTES, settings.data_crc),
            writer: FrameWriter::default(),
            session,
            sent_bytes: Vec::new(),
            received_bytes: Vec::new(),
            session_key: None,
            offered: Vec::new(),
            mode: ConnectionMode::Crc,
            global_id: 0,
            own: EntityAddr::BLANK,
            peer_supports: 0,
            asked_compression: false,
            unproven: false,
            established: None,
            ack_due: false,
            large: false,
            settings,
        };
        connection.greet();
        connection
    }

    /// The socket is lost and there is a new one: begins anew, with the session's messages kept.
    pub fn restart(&mut self, global_seq: u64) {
        self.stage = Stage::Banner;
        self.input.clear();
        self.reader = FrameReader::new(HANDSHAKE_BYTES, self.settings.data_crc);
        self.writer = FrameWriter::default();
        self.sent_bytes.clear();
        self.received_bytes.clear();
        self.session_key = None;
        self.peer_supports = 0;
        (self.asked_compression, self.unproven) = (false, false);
        self.session.requeue();
        self.session.global_seq = global_seq;
        if self.session.server_cookie != 0 {
            self.session.connect_seq += 1;
        }
        (self.ack_due, self.large) = (false, false);
        self.greet();
    }

    fn greet(&mut self) {
        let banner = banner::encode(self.offered_features());
        self.writer.output.small(&banner);
        self.sent_bytes.extend(banner);
        let hello = Control::Hello { kind: EntityType::CLIENT, peer_addr: self.settings.target };
        // Before there is a cipher, no frame can fail.
        let _ = self.control(&hello);
    }

    fn offered_features(&self) -> u64 {
        if self.settings.compression.is_some() { compress::FEATURE } else { 0 }
    }

    /// Whether the peer was asked for compression.
    pub fn asked_compression(&self) -> bool {
        self.asked_compression
    }

    /// Whether this connection's compression may be why it does not work, or ended.
    pub fn doubts_compression(&self) -> bool {
        self.asked_compression && (!self.is_ready() || self.unproven)
    }

    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Messages that are not known to have arrived, or in a lossy session: that are not sent.
    pub fn pending(&self) -> usize {
        self.session.pending()
    }

    /// What the handshake is at, for the text of errors.
    pub fn stage(&self) -> &'static str {
        match self.stage {
            Stage::Banner => "before its banner",
            Stage::Hello => "before its HELLO",
            Stage::Auth | Stage::AuthTurn => "during authentication",
            Stage::Signature => "before its signature",
            Stage::Compression => "before it answered about compression",
            Stage::Ident | Stage::Reconnect => "before the session",
            Stage::Ready => "in the session",
            Stage::Over => "after the end",
        }
    }

    /// Where the next received bytes go: to the input, or to where the data of a large message are gathered. A space that
    /// [`Connection::received`] or [`Connection::place_bytes`] is told of.
    pub fn space(&mut self) -> Space<'_> {
        self.reader.space()
    }

    /// So many bytes were received for [`Space::Own`].
    pub fn received(&mut self, bytes: usize) {
        self.reader.received(bytes);
    }

    /// As [`FrameReader::place_bytes`].
    pub fn place_bytes<T>(
        &mut self,
        receive: impl FnOnce(&mut [MaybeUninit<u8>], &mut dyn FnMut(&[u8])) -> T,
    ) -> Option<T> {
        self.reader.place_bytes(receive)
    }

    /// Where the data of [`Event::Data`] go, or what is wanted of them.
    pub fn place(&mut self, wish: Wish) {
        self.reader.place(wish);
    }

    /// How many bytes the input had better get at once.
    pub fn input_most(&self) -> usize {
        match self.large && !self.reader.is_dropping() {
            true => self.reader.wants().saturating_sub(self.input.len()).max(HEAD_BYTES),
            false => usize::MAX,
        }
    }

    /// Where received bytes go, at its end. Has room for what the next step needs, within reason.
    pub fn input(&mut self) -> &mut BytesMut {
        let missing = self.reader.wants().saturating_sub(self.input.len()).min(TRUSTED_BYTES);
        if self.input.capacity() - self.input.len() < missing.max(READ_BYTES / 4) {
            self.input.reserve(missing.max(READ_BYTES));
        }
        &mut self.input
    }

    /// The front of what is to be sent; how many of `slices` are used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.writer.slices(slices)
    }

    /// Bytes to be sent.
    pub fn output_bytes(&self) -> usize {
        self.writer.output.len()
    }

    /// The first `bytes` of them are sent.
    pub fn written(&mut self, bytes: usize) {
        self.writer.output.advance(bytes);
    }

    /// Sends it, or keeps it until the session is established.
    pub fn send(&mut self, message: Message) -> Result<(), WireError> {
        if self.stage != Stage::Ready || self.session.has_waiting() || self.settings.cookie.is_some() {
            self.session.queue(message);
            return self.flush();
        }
        let seq = self.session.number();
        self.message(seq, &message)
    }

    /// KEEPALIVE2; nothing before the session is established.
    pub fn keepalive(&mut self, now: Utime) -> Result<(), WireError> {
        match self.stage {
            Stage::Ready => self.control(&Control::Keepalive2(now)),
            _ => Ok(()),
        }
    }

    pub fn auth_request(
        &mut self,
        method: u32,
        modes: &[ConnectionMode],
        payload: Bytes,
    ) -> Result<(), WireError> {
        self.offered = modes.to_vec();
        let modes = modes.iter().map(|mode| mode.number()).collect();
        self.control(&Control::AuthRequest { method, modes, payload })?;
        self.auth_turn_over();
        Ok(())
    }

    pub fn auth_more(&mut self, payload: Bytes) -> Result<(), WireError> {
        self.control(&Control::AuthRequestMore { payload })?;
        self.auth_turn_over();
        Ok(())
    }

    fn auth_turn_over(&mut self) {
        if self.stage == Stage::AuthTurn {
            self.stage = Stage::Auth;
        }
    }

    /// `session_key`: signs the handshake; `None` with authentication "none". `secret`: for secure mode.
    pub fn auth_done(&mut self, session_key: Option<Bytes>, secret: &[u8]) -> Result<(), WireError> {
        let signature = sign(&session_key, &self.received_bytes);
        self.received_bytes = Vec::new();
        self.session_key = session_key;
        self.stage = Stage::Signature;
        if self.mode == ConnectionMode::Secure {
            let (send, receive) = secure::ciphers(secret, false).ok_or(WireError::Secret)?;
            self.writer.secure(send);
            self.reader.secure(receive);
        }
        self.control(&Control::AuthSignature(signature))
    }

    /// What the input means; `None` when more of it is needed. To be called until then. After an error: never again.
    pub fn poll(&mut self) -> Result<Option<Event>, WireError> {
        let result = self.step();
        if result.is_err() {
            self.stage = Stage::Over;
        }
        result
    }

    fn step(&mut self) -> Result<Option<Event>, WireError> {
        loop {
            match self.stage {
                Stage::AuthTurn | Stage::Over => return Ok(None),
                Stage::Banner => {
                    let known = self.offered_features();
                    let Some((length, supports)) = banner::decode(&self.input, known)? else {
                        return Ok(None);
                    };
                    self.peer_supports = supports;
                    self.received_bytes.extend_from_slice(&self.input.split_to(length));
                    self.stage = Stage::Hello;
                }
                Stage::Hello | Stage::Auth => {
                    let Some(frame) = self.unsigned_frame()? else { return Ok(None) };
                    if let Some(event) = self.handshake(frame)? {
                        return Ok(Some(event));
                    }
                }
                Stage::Signature | Stage::Compression | Stage::Ident | Stage::Reconnect => {
                    let Some(frame) = self.reader.next(&mut self.input)? else { return Ok(None) };
                    if let Some(event) = self.handshake(frame)? {
                        return Ok(Some(event));
                    }
                }
                Stage::Ready => {
                    let Some(frame) = self.reader.next(&mut self.input)? else {
                        return match self.reader.asks_for_place() {
                            Some((header, bytes)) => self.data(&header, bytes).map(Some),
                            None => self.acknowledge().map(|()| None),
                        };
                    };
                    if let Some(event) = self.established(frame)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// A frame of the part of the handshake that is signed later.
    fn unsigned_frame(&mut self) -> Result<Option<Frame>, WireError> {
        if self.input.len() < self.reader.wants() {
            return Ok(None);
        }
        let before = self.input.len();
        let copy = self.input.clone();
        let frame = self.reader.next(&mut self.input)?;
        self.received_bytes.extend_from_slice(&copy[..before - self.input.len()]);
        if self.received_bytes.len() > HANDSHAKE_BYTES {
            return Err(WireError::HandshakeTooLong { limit: HANDSHAKE_BYTES });
        }
        Ok(frame)
    }

    fn handshake(&mut self, frame: Frame) -> Result<Option<Event>, WireError> {
        let tag = frame.tag;
        if tag == Tag::Message {
            return Err(WireError::OutOfPlace { tag });
        }
        let control = Control::decode(tag, &frame.segments[0]).map_err(in_frame(tag))?;
        match (self.stage, control) {
            (Stage::Hello, Control::Hello { kind, peer_addr }) => self.hello(kind, peer_addr).map(|()| None),
            (Stage::Auth, Control::AuthBadMethod { method, result, methods, modes }) => {
                self.stage = Stage::AuthTurn;
                Ok(Some(Event::AuthBadMethod { method, result, methods, modes }))
            }
            (Stage::Auth, Control::AuthReplyMore { payload }) => {
                self.stage = Stage::AuthTurn;
                Ok(Some(Event::AuthMore(payload)))
            }
            (Stage::Auth, Control::AuthDone { global_id, mode, payload }) => {
                self.stage = Stage::AuthTurn;
                let offered = ConnectionMode::of(mode).filter(|mode| self.offered.contains(mode));
                self.mode = offered.ok_or(WireError::Mode(mode))?;
                self.global_id = global_id;
                Ok(Some(Event::AuthDone { global_id, mode: self.mode, payload }))
            }
            (Stage::Signature, Control::AuthSignature(signature)) => {
                if !is_signed(&self.session_key, &self.sent_bytes, &signature) {
                    return Err(WireError::Signature);
                }
                self.sent_bytes = Vec::new();
                self.reader.set_limit(self.settings.message_bytes);
                match self.compression_request() {
                    None => self.identify().map(|()| None),
                    Some(request) => {
                        self.stage = Stage::Compression;
                        self.asked_compression = true;
                        self.control(&request).map(|()| None)
                    }
                }
            }
            (Stage::Compression, Control::CompressionDone { agreed, method }) => {
                self.compression_done(agreed, method)?;
                self.identify().map(|()| None)
            }
            (Stage::Ident, Control::ServerIdent(ident)) => self.server_ident(ident).map(Some),
            (Stage::Ident, Control::IdentMissingFeatures(missing)) => {
                Err(WireError::PeerRequires { missing })
            }
            (Stage::Ident | Stage::Reconnect, Control::Wait) => Err(WireError::Wait),
            (Stage::Reconnect, Control::SessionRetry { connect_seq }) => {
                self.session.connect_seq = connect_seq.saturating_add(1);
                self.identify().map(|()| None)
            }
            (Stage::Reconnect, Control::SessionRetryGlobal { global_seq }) => {
                self.session.global_seq = global_seq.saturating_add(1);
                self.identify().map(|()| None)
            }
            (Stage::Reconnect, Control::SessionReset { full }) => {
                let lost = if full { self.session.reset() } else { 0 };
                self.session.forget_server();
                self.identify()?;
                Ok(full.then_some(Event::Reset { lost }))
            }
            (Stage::Reconnect, Control::SessionReconnectOk { msg_seq }) => {
                self.session.drop_up_to(msg_seq);
                let established = self.established.clone().ok_or(WireError::OutOfPlace { tag })?;
                self.begin(established).map(Some)
            }
            _ => Err(WireError::OutOfPlace { tag }),
        }
    }

    /// To be sent where both sides know of compression, wanted or not.
    fn compression_request(&self) -> Option<Control> {
        let offer = self.settings.compression.as_ref()?;
        if self.peer_supports & compress::FEATURE == 0 {
            return None;
        }
        let wanted = self.wants_compression();
        let methods = offer.algorithms.iter().filter(|_| wanted).map(|algorithm| algorithm.number());
        Some(Control::CompressionRequest { wanted, methods: methods.collect() })
    }

    fn wants_compression(&self) -> bool {
        let offer = self.settings.compression.as_ref();
        offer.is_some_and(|offer| offer.secure || self.mode == ConnectionMode::Crc)
    }

    fn compression_done(&mut self, agreed: bool, method: u32) -> Result<(), WireError> {
        if !agreed {
            return Ok(());
        }
        let offer = self.settings.compression.as_ref().filter(|_| self.wants_compression());
        let chosen = Algorithm::of(method);
        let agreed = offer.zip(chosen).filter(|(offer, algorithm)| offer.algorithms.contains(algorithm));
        let (offer, algorithm) = agreed.ok_or(WireError::Compression(method))?;
        self.writer.compress(algorithm, offer.min_bytes);
        self.reader.decompress(algorithm);
        Ok(())
    }

    fn hello(&mut self, kind: EntityType, peer_addr: EntityAddr) -> Result<(), WireError> {
        if kind != self.settings.peer {
            return Err(WireError::WrongKind { expected: self.settings.peer, found: kind });
        }
        let ip = self.settings.own.or(peer_addr.socket.map(|socket| socket.ip()));
        self.own = match ip {
            Some(ip) => EntityAddr::client(ip, self.settings.nonce),
            None => EntityAddr { nonce: self.settings.nonce, ..EntityAddr::BLANK },
        };
        self.stage = Stage::Auth;
        Ok(())
    }

    /// CLIENT_IDENT, or SESSION_RECONNECT if there is a session to return to.
    fn identify(&mut self) -> Result<(), WireError> {
        let addrs = AddrVec(vec![self.own]);
        if self.session.server_cookie != 0 {
            self.stage = Stage::Reconnect;
            return self.control(&Control::SessionReconnect(Reconnect {
                addrs,
                client_cookie: self.session.client_cookie,
                server_cookie: self.session.server_cookie,
                global_seq: self.session.global_seq,
                connect_seq: self.session.connect_seq,
                msg_seq: self.session.in_seq,
            }));
        }
        self.stage = Stage::Ident;
        let ident = Ident {
            addrs,
            gid: self.settings.gid,
            global_seq: self.session.global_seq,
            supported: features::SUPPORTED,
            required: features::MSG_ADDR2,
            flags: if self.settings.cookie.is_none() { FLAG_LOSSY } else { 0 },
            cookie: self.session.client_cookie,
        };
        self.control(&Control::ClientIdent { target: self.settings.target, ident })
    }

    fn server_ident(&mut self, ident: Ident) -> Result<Event, WireError> {
        if !ident.addrs.0.contains(&self.settings.target) {
            return Err(WireError::WrongPeer { expected: self.settings.target, found: ident.addrs });
        }
        let lacking = REQUIRED & !ident.supported;
        if lacking != 0 {
            return Err(WireError::PeerLacks { missing: lacking });
        }
        let missing = ident.required & !features::SUPPORTED;
        if missing != 0 {
            return Err(WireError::PeerRequires { missing });
        }
        self.session.server_cookie = if self.settings.cookie.is_some() { ident.cookie } else { 0 };
        let established = Established {
            peer: EntityName { kind: self.settings.peer, number: ident.gid },
            features: features::SUPPORTED & ident.supported,
            own: self.own,
            global_id: self.global_id,
        };
        self.begin(established)
    }

    fn begin(&mut self, established: Established) -> Result<Event, WireError> {
        self.established = Some(established.clone());
        self.stage = Stage::Ready;
        self.reader.stream(STREAM_BYTES);
        self.flush()?;
        Ok(Event::Ready(established))
    }

    /// Sends what waits.
    fn flush(&mut self) -> Result<(), WireError> {
        while self.stage == Stage::Ready {
            let Some((seq, message)) = self.session.next(self.settings.cookie.is_none()) else { break };
            self.message(seq, &message)?;
        }
        Ok(())
    }

    fn message(&mut self, seq: u64, message: &Message) -> Result<(), WireError> {
        let header = Header::new(message, seq, self.session.in_seq).encode();
        let Message { front, middle, data, sums, .. } = message;
        self.unproven |= self.writer.message(&header, front, middle, data, sums)?;
        // The header says it already.
        self.ack_due = false;
        Ok(())
    }

    fn established(&mut self, frame: Frame) -> Result<Option<Event>, WireError> {
        let tag = frame.tag;
        if tag == Tag::Message {
            return self.message_came(frame);
        }
        match Control::decode(tag, &frame.segments[0]).map_err(in_frame(tag))? {
            Control::Keepalive2(stamp) => self.control(&Control::Keepalive2Ack(stamp)).map(|()| None),
            Control::Keepalive2Ack(stamp) => Ok(Some(Event::KeepaliveAck(stamp))),
            Control::Ack(seq) => {
                self.session.acked(seq);
                Ok(None)
            }
            _ => Err(WireError::OutOfPlace { tag }),
        }
    }

    /// A message has begun whose data are large.
    fn data(&mut self, header: &[u8], bytes: usize) -> Result<Event, WireError> {
        let header = Header::decode(header).ok_or(WireError::Malformed { tag: Tag::Message })?;
        self.large = true;
        Ok(Event::Data { kind: header.kind, tid: header.tid, bytes })
    }

    fn message_came(&mut self, frame: Frame) -> Result<Option<Event>, WireError> {
        let Frame { segments: [header, front, middle, data], placed, .. } = frame;
        self.large &= placed.is_some() || data.len() >= STREAM_BYTES;
        let header = Header::decode(&header).ok_or(WireError::Malformed { tag: Tag::Message })?;
        let last = self.session.in_seq;
        if header.seq <= last {
            // Sent again after a reconnection, though it had come.
            return Ok(None);
        }
        // The first number of a session is the peer's choice.
        if last != 0 && header.seq != last + 1 {
            return Err(WireError::MessageLost { last, seq: header.seq });
        }
        self.session.in_seq = header.seq;
        self.unproven = false;
        if self.settings.cookie.is_some() {
            self.session.acked(header.ack_seq);
            self.ack_due = true;
        }
        let mut message = header.message(front, middle, data);
        message.placed = placed;
        Ok(Some(Event::Message(message)))
    }

    /// In a lossless session, tells the peer what came, once for all that came together.
    fn acknowledge(&mut self) -> Result<(), WireError> {
        if std::mem::take(&mut self.ack_due) {
            self.control(&Control::Ack(self.session.in_seq))?;
        }
        Ok(())
    }

    fn control(&mut self, control: &Control) -> Result<(), WireError> {
        let before = self.writer.output.len();
        self.writer.control(control.tag(), &control.encode())?;
        if matches!(self.stage, Stage::Banner | Stage::Hello | Stage::Auth | Stage::AuthTurn) {
            let added = self.writer.output.len() - before;
            self.sent_bytes.extend_from_slice(self.writer.output.last_mut(added));
        }
        Ok(())
    }
}

/// Of all that one side received before: HMAC-SHA256 under the session key; zeros if there is none.
pub(super) fn sign(key: &Option<Bytes>, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
    match key {
        None => [0; SIGNATURE_BYTES],
        Some(key) => mac(key, bytes).finalize().into_bytes().into(),
    }
}

fn is_signed(key: &Option<Bytes>, bytes: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    match key {
        None => *signature == [0; SIGNATURE_BYTES],
        Some(key) => mac(key, bytes).verify_slice(signature).is_ok(),
    }
}

fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(bytes);
    mac
}
