//! A small server for tests of the client's state machine: one client, one session, all in memory. It authenticates by
//! shared secrets, answers each message with its own payload, and keeps a lossless session over lost connections.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

use super::codec::{Frame, FrameReader, FrameWriter};
use super::compress::Algorithm;
use super::connection::{ConnectionMode, sign};
use super::control::{Control, FLAG_LOSSY, Ident, Reconnect};
use super::frame::Tag;
use super::message::Header;
use super::types::{AddrVec, EntityAddr, EntityType};
use super::{Message, MessageType, banner, features, secure};

pub const LIMIT: usize = 1 << 20;

pub fn target() -> EntityAddr {
    EntityAddr::msgr2("10.0.0.1:3300".parse().unwrap(), 77)
}

pub fn client_seen_as() -> EntityAddr {
    EntityAddr::msgr2("10.0.0.9:51234".parse().unwrap(), 0)
}

pub struct Server {
    pub kind: EntityType,
    /// Its own address.
    pub addr: EntityAddr,
    pub mode: ConnectionMode,
    pub key: Option<Bytes>,
    pub secret: Vec<u8>,
    /// What it says of itself in its banner: CEPH_MSGR2_FEATURE_COMPRESSION or nothing.
    pub supports: u64,
    /// What it answers when asked to compress; it does so from then on, if it knows how.
    pub compression: (bool, u32),
    /// Whether the client wanted to compress, and how.
    pub asked: Vec<(bool, Vec<u32>)>,
    /// Requests for more before authentication is done.
    pub rounds: usize,
    /// Answers to the next SESSION_RECONNECTs, instead of the right one.
    pub reconnects: Vec<Control>,
    /// Payloads of the messages that came, in order.
    pub got: Vec<Bytes>,
    pub idents: Vec<Ident>,
    pub resumed: usize,
    /// Keepalives that the client answered.
    pub alive: usize,
    session: Option<Kept>,
    link: Link,
}

/// What survives a connection.
#[derive(Default)]
struct Kept {
    client_cookie: u64,
    lossy: bool,
    in_seq: u64,
    out_seq: u64,
    unacked: Vec<(u64, Message)>,
}

/// One connection.
#[derive(Default)]
struct Link {
    input: BytesMut,
    reader: Option<FrameReader>,
    writer: FrameWriter,
    greeted: bool,
    signed: bool,
    asked: usize,
    peer_supports: u64,
    /// Of a client that knows of compression, that comes before its CLIENT_IDENT.
    compression_done: bool,
    received: Vec<u8>,
    sent: Vec<u8>,
}

impl Server {
    pub fn new(mode: ConnectionMode, key: Option<&[u8]>) -> Server {
        Server {
            kind: EntityType::MON,
            addr: target(),
            mode,
            key: key.map(Bytes::copy_from_slice),
            secret: (0..64).collect(),
            supports: 0,
            compression: (false, 0),
            asked: Vec::new(),
            rounds: 1,
            reconnects: Vec::new(),
            got: Vec::new(),
            idents: Vec::new(),
            resumed: 0,
            alive: 0,
            session: None,
            link: Link::default(),
        }
    }

    /// The connection broke and a new one comes.
    pub fn accept(&mut self) {
        self.link = Link::default();
        if self.session.as_ref().is_some_and(|session| session.lossy) {
            self.session = None;
        }
    }

    /// Forgets the session, as a daemon that was started anew.
    pub fn forget(&mut self) {
        self.session = None;
    }

    /// All that is to be sent.
    pub fn output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while !self.link.writer.output.is_empty() {
            let mut slices = [IoSlice::new(&[]); 16];
            let used = self.link.writer.slices(&mut slices);
            let front: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            self.link.writer.output.advance(front.len());
            out.extend(front);
        }
        if !self.link.signed {
            self.link.sent.extend_from_slice(&out);
        }
        out
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        self.link.input.extend_from_slice(bytes);
        if self.link.reader.is_none() {
            let Some((length, supports)) = banner::decode(&self.link.input, 2).unwrap() else { return };
            self.link.peer_supports = supports;
            self.link.received.extend_from_slice(&self.link.input.split_to(length));
            self.link.reader = Some(FrameReader::new(LIMIT, true));
            self.link.writer.output.small(&banner::encode(self.supports));
            self.send(&Control::Hello { kind: self.kind, peer_addr: client_seen_as() });
        }
        loop {
            let before = self.link.input.clone();
            let frame = self.link.reader.as_mut().unwrap().next(&mut self.link.input).unwrap();
            if !self.link.signed {
                let used = before.len() - self.link.input.len();
                self.link.received.extend_from_slice(&before[..used]);
            }
            match frame {
                None => break,
                Some(frame) if frame.tag == Tag::Message => self.message(frame),
                Some(frame) => {
                    let control = Control::decode(frame.tag, &frame.segments[0]).unwrap();
                    assert_eq!(control.tag(), frame.tag);
                    self.control(control);
                }
            }
        }
    }

    pub fn send(&mut self, control: &Control) {
        self.link.writer.control(control.tag(), &control.encode()).unwrap();
    }

    pub fn compress_unasked(&mut self, algorithm: Algorithm) {
        self.link.writer.compress(algorithm, 0);
    }

    /// A frame with any bytes in it.
    pub fn send_raw(&mut self, tag: Tag, payload: &[u8]) {
        self.link.writer.control(tag, payload).unwrap();
    }

    /// A message of the server's own.
    pub fn push(&mut self, payload: Bytes) {
        let session = self.session.as_mut().unwrap();
        session.out_seq += 1;
        let mut message = Message::new(MessageType::OSD_MAP, 3, 1, Bytes::from_static(b"front"));
        message.data = vec![payload];
        let seq = session.out_seq;
        if !session.lossy {
            session.unacked.push((seq, message.clone()));
        }
        self.write(seq, &message);
    }

    fn write(&mut self, seq: u64, message: &Message) {
        let in_seq = self.session.as_ref().unwrap().in_seq;
        let header = Header::new(message, seq, in_seq).encode();
        self.link
            .writer
            .message(&header, &message.front, &message.middle, &message.data, &message.sums)
            .unwrap();
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Hello { kind, peer_addr } => {
                assert_eq!((kind, peer_addr), (EntityType::CLIENT, self.addr));
                self.link.greeted = true;
            }
            Control::AuthRequest { method, modes, .. } => {
                assert!(self.link.greeted);
                if method != 2 {
                    let modes = vec![self.mode.number()];
                    self.send(&Control::AuthBadMethod { method, result: -95, methods: vec![2], modes });
                    return;
                }
                assert!(modes.contains(&self.mode.number()));
                self.authenticate();
            }
            Control::AuthRequestMore { payload } => {
                assert_eq!(payload, format!("answer {}", self.link.asked));
                self.authenticate();
            }
            Control::AuthSignature(signature) => {
                assert_eq!(signature, sign(&self.key, &self.link.sent), "the client's signature");
            }
            Control::CompressionRequest { wanted, methods } => {
                assert!(self.link.signed && self.link.peer_supports & self.supports & 2 != 0);
                self.link.compression_done = true;
                self.asked.push((wanted, methods));
                let (agreed, method) = self.compression;
                self.send(&Control::CompressionDone { agreed, method });
                if let (true, Some(algorithm)) = (agreed, Algorithm::of(method)) {
                    self.link.writer.compress(algorithm, 1000);
                    self.link.reader.as_mut().unwrap().decompress(algorithm);
                }
            }
            Control::ClientIdent { target: to, ident } => {
                assert_eq!(self.link.compression_done, self.link.peer_supports & self.supports & 2 != 0);
                assert_eq!(to, self.addr);
                self.session = Some(Kept {
                    client_cookie: ident.cookie,
                    lossy: ident.flags & FLAG_LOSSY != 0,
                    out_seq: 100,
                    ..Kept::default()
                });
                self.idents.push(ident);
                let addrs = AddrVec(vec![self.addr]);
                self.send(&Control::ServerIdent(Ident { addrs, ..server_ident() }));
            }
            Control::SessionReconnect(reconnect) => self.reconnect(reconnect),
            Control::Keepalive2(stamp) => self.send(&Control::Keepalive2Ack(stamp)),
            Control::Keepalive2Ack(_) => self.alive += 1,
            Control::Ack(seq) => self.acked(seq),
            other => panic!("{other:?}"),
        }
    }

    fn authenticate(&mut self) {
        if self.link.asked < self.rounds {
            self.link.asked += 1;
            let payload = format!("question {}", self.link.asked).into();
            self.send(&Control::AuthReplyMore { payload });
            return;
        }
        self.send(&Control::AuthDone { global_id: 4242, mode: self.mode.number(), payload: "done".into() });
        // Before this call nothing was taken out since the last one.
        let out = self.output();
        self.link.signed = true;
        self.link.writer.output.small(&out);
        if self.mode == ConnectionMode::Secure {
            let (send, receive) = secure::ciphers(&self.secret, true).unwrap();
            self.link.writer.secure(send);
            self.link.reader.as_mut().unwrap().secure(receive);
        }
        let signature = sign(&self.key, &self.link.received);
        self.send(&Control::AuthSignature(signature));
    }

    fn reconnect(&mut self, reconnect: Reconnect) {
        if let Some(answer) = self.reconnects.pop() {
            if let Control::SessionReset { full: true } = answer {
                self.session = None;
            }
            self.send(&answer);
            return;
        }
        let Some(session) = self.session.as_mut().filter(|s| s.client_cookie == reconnect.client_cookie)
        else {
            self.send(&Control::SessionReset { full: true });
            return;
        };
        session.unacked.retain(|(seq, _)| *seq > reconnect.msg_seq);
        let (in_seq, again) = (session.in_seq, session.unacked.clone());
        self.resumed += 1;
        self.send(&Control::SessionReconnectOk { msg_seq: in_seq });
        for (seq, message) in again {
            self.write(seq, &message);
        }
    }

    fn acked(&mut self, acked: u64) {
        self.session.as_mut().unwrap().unacked.retain(|(seq, _)| *seq > acked);
    }

    fn message(&mut self, frame: Frame) {
        let [header, front, _, data] = frame.segments;
        let header = Header::decode(&header).unwrap();
        self.acked(header.ack_seq);
        let session = self.session.as_mut().unwrap();
        if header.seq <= session.in_seq {
            return;
        }
        assert!(
            session.in_seq == 0 || header.seq == session.in_seq + 1,
            "{} after {}",
            header.seq,
            session.in_seq
        );
        session.in_seq = header.seq;
        let lossy = session.lossy;
        let payload = if data.is_empty() { front } else { data };
        self.got.push(payload.clone());
        if !lossy {
            self.send(&Control::Ack(header.seq));
        }
        self.push(payload);
    }
}

pub fn server_ident() -> Ident {
    Ident {
        addrs: AddrVec(vec![target()]),
        gid: 3,
        global_seq: 9,
        supported: features::SUPPORTED | 1 << 62,
        required: features::MSG_ADDR2,
        flags: 0,
        cookie: 555,
    }
}
