//! What daemons send before anybody understands messages: frames, what control frames say, and whole connections.

use bytes::{Bytes, BytesMut};

use super::{same, twice};
use crate::wire::codec::{FrameReader, FrameWriter};
use crate::wire::compress::{Algorithm, Compression};
use crate::wire::connection::{Connection, ConnectionMode, Event, Settings};
use crate::wire::control::Control;
use crate::wire::frame::{self, CRC_SEED, LATE_COMPLETE, PREAMBLE_BYTES, Preamble, Tag};
use crate::wire::types::{EntityAddr, EntityType};

const LIMIT: usize = 1 << 16;

/// Frames in crc mode.
pub fn wire_frames(data: &[u8]) -> bool {
    let agreed = [None, Some(Algorithm::Snappy), Some(Algorithm::Zstd)];
    twice(data, |bytes| seal_frames(bytes, 0), |bytes| agreed.map(|agreed| frames(bytes, agreed)) != [0; 3])
}

fn frames(bytes: &[u8], agreed: Option<Algorithm>) -> usize {
    let (mut reader, mut input) = (FrameReader::new(LIMIT, true), BytesMut::from(bytes));
    if let Some(algorithm) = agreed {
        reader.decompress(algorithm);
    }
    let mut count = 0;
    while let Ok(Some(frame)) = reader.next(&mut input) {
        assert!(frame.segments.iter().map(Bytes::len).sum::<usize>() <= LIMIT);
        let mut writer = FrameWriter::default();
        let [first, others @ ..] = &frame.segments;
        if frame.tag == Tag::Message {
            let [front, middle, data] = others;
            writer.message(first, front, middle, std::slice::from_ref(data), &[]).expect("it has a length");
        } else if others.iter().all(Bytes::is_empty) {
            writer.control(frame.tag, first).expect("it has a length");
        } else {
            continue;
        }
        let length = writer.output.len();
        let again = FrameReader::new(LIMIT, true).next(&mut BytesMut::from(&*all(&writer)));
        same(&Some(frame), again);
        assert!(length >= PREAMBLE_BYTES);
        count += 1;
    }
    count
}

fn all(writer: &FrameWriter) -> Vec<u8> {
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let used = writer.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// Puts the checksums of all frames from `at` on right, as far as their lengths make sense.
fn seal_frames(bytes: &mut [u8], mut at: usize) {
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| rest.len() >= PREAMBLE_BYTES) {
        let (head, body) = rest.split_at_mut(PREAMBLE_BYTES);
        let sum = frame::crc(0, &head[..PREAMBLE_BYTES - 4]);
        head[PREAMBLE_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        let preamble = head.first_chunk().and_then(|head| Preamble::decode(head, LIMIT).ok());
        let Some(preamble) = preamble.filter(|preamble| preamble.crc_rest() <= body.len()) else { return };
        let mut from = preamble.length(0);
        if from > 0 {
            let sum = frame::crc(CRC_SEED, &body[..from]);
            body[from..from + 4].copy_from_slice(&sum.to_le_bytes());
            from += 4;
        }
        if preamble.count > 1 {
            let epilogue = preamble.crc_rest() - frame::CRC_EPILOGUE_BYTES;
            body[epilogue] = LATE_COMPLETE;
            for n in 1..preamble.count {
                let sum = frame::crc(CRC_SEED, &body[from..from + preamble.length(n)]);
                body[epilogue + 4 * n - 3..epilogue + 4 * n + 1].copy_from_slice(&sum.to_le_bytes());
                from += preamble.length(n);
            }
        }
        at += PREAMBLE_BYTES + preamble.crc_rest();
    }
}

/// The payload of a control frame, after a byte for its tag.
pub fn wire_control(data: &[u8]) -> bool {
    let Some((number, payload)) = data.split_first() else { return false };
    let Some(tag) = Tag::of(*number) else { return false };
    let Ok(control) = Control::decode(tag, payload) else { return false };
    same(&control, Control::decode(control.tag(), &control.encode()));
    true
}

/// A compressed segment, after a byte that chooses the algorithm.
pub fn wire_compressed(data: &[u8]) -> bool {
    let Some((which, made)) = data.split_first() else { return false };
    let algorithm = Algorithm::ALL[usize::from(*which) % Algorithm::ALL.len()];
    let Ok(plain) = algorithm.decompress(made, LIMIT) else { return false };
    assert!(plain.len() <= LIMIT);
    let again = algorithm.compress(&plain).expect("it is not 4 GiB long");
    same(&plain, algorithm.decompress(&again, LIMIT));
    true
}

/// All that a server says to a client that has no secrets, banner first.
pub fn wire_connection(data: &[u8]) -> bool {
    let offers = [false, true];
    let ends = |bytes: &[u8]| offers.map(|offer| connection(bytes, offer)) != [0; 2];
    twice(data, |bytes| seal_frames(bytes, BANNER_BYTES), ends)
}

const BANNER_BYTES: usize = 26;

/// How many events it led to.
fn connection(bytes: &[u8], offer: bool) -> usize {
    let target = EntityAddr { nonce: 0, ..EntityAddr::BLANK };
    let mut client = Connection::new(Settings {
        peer: EntityType::MON,
        target,
        nonce: 1,
        own: None,
        gid: -1,
        global_seq: 1,
        cookie: None,
        data_crc: true,
        message_bytes: LIMIT,
        compression: offer.then(|| Compression {
            algorithms: Algorithm::ALL.to_vec(),
            min_bytes: 0,
            secure: false,
        }),
    });
    let request = |client: &mut Connection| client.auth_request(1, &[ConnectionMode::Crc], Bytes::new());
    request(&mut client).expect("nothing is sealed");
    let mut events = 0;
    for part in bytes.chunks(97) {
        client.input().extend_from_slice(part);
        loop {
            let Ok(event) = client.poll() else { return events };
            let answered = match event {
                None => break,
                Some(Event::AuthBadMethod { .. }) => request(&mut client),
                Some(Event::AuthMore(payload)) => client.auth_more(payload),
                Some(Event::AuthDone { .. }) => client.auth_done(None, &[]),
                Some(
                    Event::Ready(_)
                    | Event::Message(_)
                    | Event::Data { .. }
                    | Event::KeepaliveAck(_)
                    | Event::Reset { .. },
                ) => Ok(()),
            };
            answered.expect("nothing is sealed");
            events += 1;
        }
        client.written(client.output_bytes());
    }
    assert!(client.input().capacity() <= 4 << 20);
    events
}

/// Valid inputs: of each target, what a server might say.
#[cfg(test)]
pub mod valid {
    use super::*;
    use crate::wire::control::{Ident, Reconnect, SIGNATURE_BYTES};
    use crate::wire::message::Header;
    use crate::wire::types::{AddrVec, Utime};
    use crate::wire::{Message, MessageType, features};

    fn ident() -> Ident {
        Ident {
            addrs: AddrVec(vec![EntityAddr::msgr2("[::1]:6800".parse().unwrap(), 5), EntityAddr::BLANK]),
            gid: 1,
            global_seq: 2,
            supported: features::SUPPORTED,
            required: features::MSG_ADDR2,
            flags: 1,
            cookie: 7,
        }
    }

    fn controls() -> Vec<Control> {
        let addr = EntityAddr::msgr2("10.0.0.1:3300".parse().unwrap(), 0);
        vec![
            Control::Hello { kind: EntityType::MON, peer_addr: addr },
            Control::AuthRequest { method: 2, modes: vec![2, 1], payload: "who".into() },
            Control::AuthBadMethod { method: 1, result: -13, methods: vec![2], modes: vec![1, 2] },
            Control::AuthReplyMore { payload: "challenge".into() },
            Control::AuthRequestMore { payload: "answer".into() },
            Control::AuthDone { global_id: 4, mode: 1, payload: "tickets".into() },
            Control::AuthSignature([0; SIGNATURE_BYTES]),
            Control::ClientIdent { target: addr, ident: ident() },
            Control::ServerIdent(ident()),
            Control::IdentMissingFeatures(9),
            Control::SessionReconnect(Reconnect {
                addrs: AddrVec(vec![addr]),
                client_cookie: 1,
                server_cookie: 2,
                global_seq: 3,
                connect_seq: 4,
                msg_seq: 5,
            }),
            Control::SessionReset { full: true },
            Control::SessionRetry { connect_seq: 1 },
            Control::SessionRetryGlobal { global_seq: 1 },
            Control::SessionReconnectOk { msg_seq: 1 },
            Control::Wait,
            Control::Keepalive2(Utime::from_ns(1 << 61)),
            Control::Keepalive2Ack(Utime::default()),
            Control::Ack(7),
            Control::CompressionRequest { wanted: true, methods: vec![3, 1] },
            Control::CompressionDone { agreed: true, method: 1 },
        ]
    }

    pub fn wire_control() -> Vec<Vec<u8>> {
        let bytes = |control: &Control| [&[control.tag() as u8][..], &control.encode()].concat();
        controls().iter().map(bytes).collect()
    }

    fn message(writer: &mut FrameWriter, seq: u64, data: &'static [u8]) {
        let message = Message::new(MessageType::OSD_MAP, 4, 3, Bytes::from_static(b"the front"));
        let header = Header::new(&message, seq, 0).encode();
        let data = Bytes::from_static(data);
        writer.message(&header, &message.front, &message.middle, std::slice::from_ref(&data), &[]).unwrap();
    }

    pub fn wire_frames() -> Vec<Vec<u8>> {
        let mut writer = FrameWriter::default();
        message(&mut writer, 1, b"");
        message(&mut writer, 2, b"some data");
        let mut valid = vec![all(&writer)];
        for algorithm in Algorithm::ALL {
            let mut writer = FrameWriter::default();
            writer.compress(algorithm, 0);
            message(&mut writer, 1, &[7; 3000]);
            valid.push(all(&writer));
        }
        for control in controls() {
            let mut writer = FrameWriter::default();
            writer.control(control.tag(), &control.encode()).unwrap();
            valid.push(all(&writer));
        }
        valid
    }

    pub fn wire_compressed() -> Vec<Vec<u8>> {
        let text = b"a text that repeats, a text that repeats, ".repeat(30);
        let made =
            |(n, algorithm): (usize, Algorithm)| [vec![n as u8], algorithm.compress(&text).unwrap()].concat();
        Algorithm::ALL.into_iter().enumerate().map(made).collect()
    }

    pub fn wire_connection() -> Vec<Vec<u8>> {
        let with = |compressed: bool| {
            let valid = said(compressed);
            assert_eq!(connection(&valid, compressed), 7);
            valid
        };
        vec![with(false), with(true)]
    }

    fn said(compressed: bool) -> Vec<u8> {
        let target = EntityAddr::BLANK;
        let ident = Ident { addrs: AddrVec(vec![target]), ..ident() };
        let mut writer = FrameWriter::default();
        writer.output.small(&crate::wire::banner::encode(if compressed { 2 } else { 0 }));
        let client = EntityAddr::msgr2("10.0.0.9:4000".parse().unwrap(), 0);
        for control in [
            Control::Hello { kind: EntityType::MON, peer_addr: client },
            Control::AuthBadMethod { method: 1, result: -95, methods: vec![1], modes: vec![1] },
            Control::AuthReplyMore { payload: "challenge".into() },
            Control::AuthDone { global_id: 4, mode: 1, payload: Bytes::new() },
            Control::AuthSignature([0; SIGNATURE_BYTES]),
            Control::CompressionDone { agreed: true, method: 1 },
            Control::ServerIdent(ident),
            Control::Keepalive2(Utime::default()),
            Control::Keepalive2Ack(Utime::default()),
        ] {
            if !compressed && control.tag() == Tag::CompressionDone {
                continue;
            }
            writer.control(control.tag(), &control.encode()).unwrap();
        }
        if compressed {
            writer.compress(Algorithm::Snappy, 0);
        }
        message(&mut writer, 17, &[7; 3000]);
        message(&mut writer, 18, b"");
        all(&writer)
    }
}
