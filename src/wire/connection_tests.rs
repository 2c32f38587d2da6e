//! The client's state machine with a server in memory: handshakes, messages, lost connections, garbage.

use std::io::IoSlice;

use bytes::Bytes;
use proptest::prelude::*;

use super::compress::{Algorithm, Compression};
use super::connection::{Connection, ConnectionMode, Event, Settings};
use super::control::{Control, Ident};
use super::error::WireError;
use super::frame::Tag;
use super::testing::{LIMIT, Server, client_seen_as, server_ident, target};
use super::types::{AddrVec, EntityAddr, EntityName, EntityType, Utime};
use super::{Message, MessageType, features};

const KEY: &[u8] = b"session key";

fn settings(cookie: Option<u64>) -> Settings {
    Settings {
        peer: EntityType::MON,
        target: target(),
        nonce: 4711,
        own: None,
        gid: -1,
        global_seq: 1,
        cookie,
        data_crc: true,
        message_bytes: LIMIT,
        compression: None,
    }
}

/// A client with what its user does: authenticates, and notes what comes.
struct Client {
    wire: Connection,
    key: Option<Bytes>,
    secret: Vec<u8>,
    mode: ConnectionMode,
    method: u32,
    events: Vec<String>,
    got: Vec<Bytes>,
}

impl Client {
    fn new(mode: ConnectionMode, cookie: Option<u64>) -> Client {
        let key = Some(Bytes::from_static(KEY));
        let mut client = Client {
            wire: Connection::new(settings(cookie)),
            key,
            secret: (0..64).collect(),
            mode,
            method: 2,
            events: Vec::new(),
            got: Vec::new(),
        };
        client.begin();
        client
    }

    fn begin(&mut self) {
        self.wire.auth_request(self.method, &[self.mode], "who I am".into()).unwrap();
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.wire.input().extend_from_slice(bytes);
        while let Some(event) = self.wire.poll()? {
            match event {
                Event::AuthBadMethod { method, methods, .. } => {
                    self.events.push(format!("bad method {method}"));
                    self.method = methods[0];
                    self.begin();
                }
                Event::AuthMore(question) => {
                    let question = String::from_utf8(question.to_vec()).unwrap();
                    self.wire.auth_more(question.replace("question", "answer").into())?;
                }
                Event::AuthDone { global_id, mode, payload } => {
                    assert_eq!((global_id, mode, &payload[..]), (4242, self.mode, &b"done"[..]));
                    self.wire.auth_done(self.key.clone(), &self.secret)?;
                }
                Event::Ready(ready) => {
                    assert_eq!(ready.peer, EntityName { kind: EntityType::MON, number: 3 });
                    assert_eq!(ready.features, features::SUPPORTED);
                    assert_eq!(ready.own, EntityAddr::client(client_seen_as().socket.unwrap().ip(), 4711));
                    assert_eq!(ready.global_id, 4242);
                    self.events.push("ready".into());
                }
                Event::Message(message) => self.got.push(message.data[0].clone()),
                Event::Data { .. } => {}
                Event::KeepaliveAck(stamp) => self.events.push(format!("alive {}", stamp.seconds)),
                Event::Reset { lost } => self.events.push(format!("reset {lost}")),
            }
        }
        Ok(())
    }

    fn output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.wire.output_bytes() > 0 {
            let mut slices = [IoSlice::new(&[]); 4];
            let used = self.wire.slices(&mut slices);
            let front: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            self.wire.written(front.len());
            out.extend(front);
        }
        out
    }

    fn send(&mut self, payload: Bytes) {
        let mut message = Message::new(MessageType::OSD_OP, 8, 3, Bytes::from_static(b"op"));
        message.data = vec![payload];
        self.wire.send(message).unwrap();
    }
}

/// Carries bytes until neither side has any, in steps of this many.
fn carry(client: &mut Client, server: &mut Server, step: usize) -> Result<(), WireError> {
    loop {
        let (up, down) = (client.output(), server.output());
        if up.is_empty() && down.is_empty() {
            return Ok(());
        }
        up.chunks(step).for_each(|part| server.receive(part));
        for part in down.chunks(step) {
            client.receive(part)?;
        }
    }
}

/// A client that offers compression, and a server that knows of it.
fn compressing(mode: ConnectionMode, offer: Compression, answer: (bool, u32)) -> (Client, Server) {
    let (mut client, mut server) = (Client::new(mode, None), Server::new(mode, Some(KEY)));
    client.wire = Connection::new(Settings { compression: Some(offer), ..settings(None) });
    client.begin();
    (server.supports, server.compression) = (2, answer);
    (client, server)
}

fn offer(algorithms: &[Algorithm], secure: bool) -> Compression {
    Compression { algorithms: algorithms.to_vec(), min_bytes: 1000, secure }
}

#[test]
fn messages_are_compressed_both_ways() {
    for mode in [ConnectionMode::Crc, ConnectionMode::Secure] {
        for algorithm in Algorithm::ALL {
            for step in [13, 100_000] {
                let (mut client, mut server) =
                    compressing(mode, offer(&Algorithm::ALL, true), (true, algorithm.number()));
                carry(&mut client, &mut server, step).unwrap();
                assert_eq!(server.asked, [(true, vec![1, 3])]);
                assert!(client.wire.asked_compression() && !client.wire.doubts_compression());
                // Below and above the bound.
                for n in [0, 3, 4] {
                    client.send(payload(n));
                }
                assert!(client.wire.output_bytes() < payload(3).len(), "{}", client.wire.output_bytes());
                assert!(client.wire.doubts_compression());
                server.receive(&client.output());
                let down = server.output();
                assert!(down.len() < payload(3).len(), "{}", down.len());
                client.receive(&down).unwrap();
                assert!(!client.wire.doubts_compression());
                assert_eq!(server.got, [payload(0), payload(3), payload(4)]);
                assert_eq!(client.got, server.got);
            }
        }
    }
}

#[test]
fn compression_is_what_both_want() {
    let both = [Algorithm::Zstd, Algorithm::Snappy];
    let got = |mode, offer, answer, supports| {
        let (mut client, mut server) = compressing(mode, offer, answer);
        server.supports = supports;
        let end = carry(&mut client, &mut server, 1000);
        if end.is_ok() {
            client.send(payload(4));
            let long = client.wire.output_bytes() > payload(4).len();
            carry(&mut client, &mut server, 1000).unwrap();
            assert_eq!((server.got, client.got, long), (vec![payload(4)], vec![payload(4)], true));
        }
        (end, server.asked)
    };
    let (crc, secure) = (ConnectionMode::Crc, ConnectionMode::Secure);
    // A server that does not know of it, as 16.2.15 does not, is not asked.
    assert_eq!(got(crc, offer(&both, false), (true, 1), 0), (Ok(()), vec![]));
    // One that does not want it.
    assert_eq!(got(crc, offer(&both, false), (false, 0), 2), (Ok(()), vec![(true, vec![3, 1])]));
    // Nor is it wanted in secure mode.
    assert_eq!(got(secure, offer(&both, false), (false, 0), 2), (Ok(()), vec![(false, vec![])]));
    // A server that chooses what was not offered.
    for method in [0, 1, 2, 4, 77] {
        let (end, _) = got(crc, offer(&[Algorithm::Zstd], false), (true, method), 2);
        assert_eq!(end, Err(WireError::Compression(method)));
    }
    let (end, _) = got(secure, offer(&both, false), (true, 1), 2);
    assert_eq!(end, Err(WireError::Compression(1)));
}

#[test]
fn who_did_not_agree_does_not_compress() {
    let (mut client, mut server) =
        compressing(ConnectionMode::Crc, offer(&Algorithm::ALL, false), (false, 0));
    carry(&mut client, &mut server, 1000).unwrap();
    server.compress_unasked(Algorithm::Snappy);
    server.push(payload(4));
    let flags = super::frame::FrameError::Flags(1);
    assert_eq!(client.receive(&server.output()), Err(WireError::Frame(flags)));
}

#[test]
fn compressed_messages_have_the_limit_of_others() {
    let (mut client, mut server) = compressing(ConnectionMode::Crc, offer(&Algorithm::ALL, false), (true, 3));
    carry(&mut client, &mut server, 1000).unwrap();
    server.push(Bytes::from(vec![7; LIMIT - 1000]));
    client.receive(&server.output()).unwrap();
    assert_eq!(client.got.len(), 1);
    server.push(Bytes::from(vec![7; LIMIT + 1]));
    let bomb = server.output();
    assert!(bomb.len() < 4096);
    let end = client.receive(&bomb);
    assert!(matches!(end, Err(WireError::Frame(super::frame::FrameError::TooLong { .. }))), "{end:?}");
}

fn payload(n: usize) -> Bytes {
    Bytes::from(vec![n as u8; 1 + n * 997 % 5000])
}

fn payloads(count: usize) -> Vec<Bytes> {
    (0..count).map(payload).collect()
}

#[test]
fn messages_go_both_ways_in_both_modes() {
    for mode in [ConnectionMode::Crc, ConnectionMode::Secure] {
        for step in [1, 13, 100_000] {
            let (mut client, mut server) = (Client::new(mode, None), Server::new(mode, Some(KEY)));
            for n in 0..3 {
                client.send(payload(n));
            }
            assert_eq!(client.wire.pending(), 3);
            carry(&mut client, &mut server, step).unwrap();
            client.wire.keepalive(Utime { seconds: 7, nanoseconds: 0 }).unwrap();
            for n in 3..6 {
                client.send(payload(n));
            }
            server.push(payload(6));
            server.send(&Control::Keepalive2(Utime::default()));
            carry(&mut client, &mut server, step).unwrap();
            assert_eq!(server.got, payloads(6));
            let mut got = client.got.clone();
            got.sort_by_key(|payload| payload[0]);
            assert_eq!(got, payloads(7));
            assert_eq!(client.events, ["ready", "alive 7"]);
            assert_eq!(server.alive, 1);
            assert_eq!(client.wire.pending(), 0);
            let Ident { cookie, flags, gid, required, .. } = server.idents[0];
            assert_eq!((cookie, flags, gid, required), (0, 1, -1, features::MSG_ADDR2));
        }
    }
}

#[test]
fn another_method_is_tried_when_the_first_is_refused() {
    let (mut client, mut server) =
        (Client::new(ConnectionMode::Crc, None), Server::new(ConnectionMode::Crc, None));
    (client.key, server.rounds) = (None, 3);
    client.wire = Connection::new(settings(None));
    client.method = 1;
    client.begin();
    carry(&mut client, &mut server, 50).unwrap();
    assert_eq!(client.events, ["bad method 1", "ready"]);
}

#[test]
fn who_does_not_prove_himself_is_not_believed() {
    // Another key at the server. It must not look at our signature first.
    let (mut client, mut server) =
        (Client::new(ConnectionMode::Crc, None), Server::new(ConnectionMode::Crc, Some(KEY)));
    client.key = Some(Bytes::from_static(b"another key"));
    server.receive(&client.output());
    client.receive(&server.output()).unwrap();
    server.receive(&client.output());
    assert_eq!(client.receive(&server.output()), Err(WireError::Signature));
    // Nothing more comes, whatever is sent.
    assert_eq!(client.receive(&[1; 100]), Ok(()));

    // Another secret.
    let (mut client, mut server) =
        (Client::new(ConnectionMode::Secure, None), Server::new(ConnectionMode::Secure, Some(KEY)));
    client.secret[3] ^= 1;
    server.receive(&client.output());
    client.receive(&server.output()).unwrap();
    server.receive(&client.output());
    assert!(matches!(client.receive(&server.output()), Err(WireError::Frame(_))));

    // A mode that was not offered: no downgrade.
    let mut client = Client::new(ConnectionMode::Secure, None);
    let mut server = Server::new(ConnectionMode::Secure, Some(KEY));
    server.receive(&client.output());
    client.receive(&server.output()).unwrap();
    server.output();
    server.send(&Control::AuthDone { global_id: 1, mode: 1, payload: Bytes::new() });
    assert_eq!(client.receive(&server.output()), Err(WireError::Mode(1)));
}

/// What the client makes of this SERVER_IDENT or its like.
fn identified(answer: Control) -> Result<(), WireError> {
    let (mut client, mut server) =
        (Client::new(ConnectionMode::Crc, None), Server::new(ConnectionMode::Crc, Some(KEY)));
    while server.idents.is_empty() {
        server.receive(&client.output());
        if server.idents.is_empty() {
            client.receive(&server.output()).unwrap();
        }
    }
    server.output();
    server.send(&answer);
    client.receive(&server.output())
}

#[test]
fn peers_are_checked() {
    let ident = server_ident();
    assert_eq!(identified(Control::ServerIdent(ident.clone())), Ok(()));
    let old = Ident { supported: ident.supported & !features::SERVER_NAUTILUS, ..ident.clone() };
    let error = identified(Control::ServerIdent(old)).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    let new = Ident { required: 1 << 62, ..ident.clone() };
    assert_eq!(identified(Control::ServerIdent(new)), Err(WireError::PeerRequires { missing: 1 << 62 }));
    let addrs = AddrVec(vec![EntityAddr { nonce: 78, ..target() }]);
    let other = Ident { addrs: addrs.clone(), ..ident };
    let error = WireError::WrongPeer { expected: target(), found: addrs };
    assert_eq!(identified(Control::ServerIdent(other)), Err(error));
    let missing = identified(Control::IdentMissingFeatures(6));
    assert_eq!(missing, Err(WireError::PeerRequires { missing: 6 }));
    assert_eq!(identified(Control::Wait), Err(WireError::Wait));
    assert_eq!(identified(Control::Ack(1)), Err(WireError::OutOfPlace { tag: Tag::Ack }));
}

/// Runs a lossless session whose connection breaks after this many bytes from the client and from the server, and
/// then holds. All messages must arrive once, in order, in both directions.
fn broken_after(mode: ConnectionMode, up: usize, down: usize, again: usize) -> Client {
    let (mut client, mut server) = (Client::new(mode, Some(99)), Server::new(mode, Some(KEY)));
    let mut sent = 0;
    for life in 0..3 {
        let (mut up, mut down) = match life {
            2 => (usize::MAX, usize::MAX),
            _ => (up + life * again, down + life * again),
        };
        if life > 0 {
            server.accept();
            client.wire.restart(1 + life as u64);
            client.begin();
        }
        loop {
            if client.wire.is_ready() && sent < 8 {
                client.send(payload(sent));
                sent += 1;
            }
            let (mut out, mut back) = (client.output(), server.output());
            if out.is_empty() && back.is_empty() {
                break;
            }
            out.truncate(up);
            back.truncate(down);
            up -= out.len();
            down -= back.len();
            server.receive(&out);
            client.receive(&back).unwrap();
            if up == 0 || down == 0 {
                break;
            }
        }
    }
    assert_eq!(sent, 8);
    assert_eq!(server.got, payloads(8), "at the server");
    assert_eq!(client.got, payloads(8), "at the client");
    assert_eq!(client.wire.pending(), 0, "unacknowledged");
    assert!(!client.events.iter().any(|event| event.starts_with("reset")));
    client
}

#[test]
fn a_lossless_session_survives_a_cut_at_any_byte() {
    // A cipher without optimisation is slow: it gets fewer cuts.
    for (mode, few) in [(ConnectionMode::Crc, 1), (ConnectionMode::Secure, 9)] {
        for cut in (0..900).step_by(7 * few).chain((900..26_000).step_by(1511 * few)) {
            broken_after(mode, cut, usize::MAX >> 1, 31);
            broken_after(mode, usize::MAX >> 1, cut, 31);
        }
        assert!(broken_after(mode, 9000, 9000, 500).events.len() == 3);
    }
}

#[test]
fn a_session_that_the_server_does_not_resume_at_once() {
    let new = || (Client::new(ConnectionMode::Crc, Some(99)), Server::new(ConnectionMode::Crc, Some(KEY)));
    let reconnect = |client: &mut Client, server: &mut Server| {
        server.accept();
        client.wire.restart(2);
        client.begin();
        carry(client, server, 1000).unwrap();
    };
    // Retries are answered with what the server wants.
    let (mut client, mut server) = new();
    carry(&mut client, &mut server, 1000).unwrap();
    client.send(payload(1));
    server.reconnects =
        vec![Control::SessionRetry { connect_seq: 6 }, Control::SessionRetryGlobal { global_seq: u64::MAX }];
    reconnect(&mut client, &mut server);
    assert_eq!((server.got.as_slice(), server.resumed), (&[payload(1)][..], 1));
    assert_eq!(client.events, ["ready", "ready"]);

    // The server has forgotten it: said, and a new session begins.
    client.send(payload(2));
    server.forget();
    reconnect(&mut client, &mut server);
    client.send(payload(3));
    carry(&mut client, &mut server, 1000).unwrap();
    assert_eq!(client.events, ["ready", "ready", "reset 1", "ready"]);
    assert_eq!(server.got, [payload(1), payload(3)]);
    assert_eq!(client.got, [payload(1), payload(3)]);

    // Only the server's half is gone: what waits goes over a new session.
    client.send(payload(4));
    server.reconnects = vec![Control::SessionReset { full: false }];
    reconnect(&mut client, &mut server);
    assert_eq!(server.got, [payload(1), payload(3), payload(4)]);
    assert_eq!(server.idents.len(), 3);

    // To be told to wait ends the connection, but not the session.
    server.reconnects = vec![Control::Wait];
    server.accept();
    client.wire.restart(3);
    client.begin();
    assert_eq!(carry(&mut client, &mut server, 1000), Err(WireError::Wait));
    client.send(payload(5));
    reconnect(&mut client, &mut server);
    assert_eq!(server.got.last(), Some(&payload(5)));
}

#[test]
fn lost_messages_are_noticed_and_doubled_ones_dropped() {
    let (mut client, mut server) =
        (Client::new(ConnectionMode::Crc, None), Server::new(ConnectionMode::Crc, Some(KEY)));
    carry(&mut client, &mut server, 1000).unwrap();
    server.push(payload(1));
    let first = server.output();
    client.receive(&first).unwrap();
    client.receive(&first).unwrap();
    assert_eq!(client.got, [payload(1)]);
    server.push(payload(2));
    server.output();
    server.push(payload(3));
    assert_eq!(client.receive(&server.output()), Err(WireError::MessageLost { last: 101, seq: 103 }));
}

/// What the server sends in a whole connection, and the client's answers to each part.
fn recording(mode: ConnectionMode) -> Vec<Vec<u8>> {
    let (mut client, mut server) = (Client::new(mode, None), Server::new(mode, Some(KEY)));
    let mut parts = Vec::new();
    client.send(payload(3));
    loop {
        server.receive(&client.output());
        let part = server.output();
        if part.is_empty() {
            return parts;
        }
        client.receive(&part).unwrap();
        parts.push(part);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// At every stage, whatever comes instead of the right bytes ends in an error or in waiting for more, and never in a
    /// message that nobody sent or in much memory.
    #[test]
    fn garbage_at_every_stage(
        secure: bool,
        keep in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        bit in prop::option::of(0u8..8),
    ) {
        let mode = if secure { ConnectionMode::Secure } else { ConnectionMode::Crc };
        let parts = recording(mode);
        let all: usize = parts.iter().map(Vec::len).sum();
        let keep = keep.index(all);
        let mut client = Client::new(mode, None);
        client.send(payload(3));
        let mut at = 0;
        for mut part in parts {
            let here = (keep.saturating_sub(at)).min(part.len());
            at += part.len();
            if here < part.len() {
                match bit {
                    // One bit of what is right.
                    Some(bit) => part[here] ^= 1 << bit,
                    None => part.splice(here.., garbage.iter().copied()).for_each(drop),
                }
                at = usize::MAX >> 1;
            }
            client.output();
            if client.receive(&part).is_err() {
                break;
            }
        }
        prop_assert!(client.got.is_empty() || client.got == [payload(3)]);
        prop_assert!(client.wire.input().capacity() <= 4 << 20);
    }
}

#[test]
fn frames_that_are_too_long_are_refused_and_long_ones_get_room_as_they_come() {
    // During the handshake.
    let mut client = Client::new(ConnectionMode::Crc, None);
    let mut server = Server::new(ConnectionMode::Crc, Some(KEY));
    server.receive(&client.output());
    client.receive(&server.output()).unwrap();
    server.send_raw(Tag::AuthReplyMore, &[0; 70_000]);
    assert!(matches!(client.receive(&server.output()), Err(WireError::Frame(_))));
    // Many small ones instead.
    let mut client = Client::new(ConnectionMode::Crc, None);
    let mut server = Server::new(ConnectionMode::Crc, Some(KEY));
    server.rounds = 10_000;
    let end = carry(&mut client, &mut server, 10_000);
    assert!(matches!(end, Err(WireError::HandshakeTooLong { .. })), "{end:?}");
    // In the session.
    let mut client = Client::new(ConnectionMode::Crc, None);
    let mut server = Server::new(ConnectionMode::Crc, Some(KEY));
    carry(&mut client, &mut server, 10_000).unwrap();
    server.push(Bytes::from(vec![0; LIMIT]));
    assert!(matches!(client.receive(&server.output()[..64]), Err(WireError::Frame(_))));
}
