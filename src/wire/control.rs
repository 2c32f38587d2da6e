//! What control frames say: everything but messages. Both sides' frames, for the tests have a server.

use bytes::Bytes;

use super::denc::{Decoder, Encoder, Malformed};
use super::features;
use super::frame::Tag;
use super::types::{AddrVec, EntityAddr, EntityType, Utime};

/// Frames themselves are always encoded as for a peer that knows entity_addrvec_t.
const FEATURES: u64 = features::MSG_ADDR2;

/// CLIENT_IDENT's and SERVER_IDENT's flag: nothing survives the loss of the connection (CEPH_MSG_CONNECT_LOSSY).
pub const FLAG_LOSSY: u64 = 1;

pub const SIGNATURE_BYTES: usize = 32;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Control {
    Hello {
        kind: EntityType,
        peer_addr: EntityAddr,
    },
    AuthRequest {
        method: u32,
        modes: Vec<u32>,
        payload: Bytes,
    },
    AuthBadMethod {
        method: u32,
        result: i32,
        methods: Vec<u32>,
        modes: Vec<u32>,
    },
    AuthReplyMore {
        payload: Bytes,
    },
    AuthRequestMore {
        payload: Bytes,
    },
    AuthDone {
        global_id: u64,
        mode: u32,
        payload: Bytes,
    },
    AuthSignature([u8; SIGNATURE_BYTES]),
    ClientIdent {
        target: EntityAddr,
        ident: Ident,
    },
    ServerIdent(Ident),
    IdentMissingFeatures(u64),
    SessionReconnect(Reconnect),
    SessionReset {
        full: bool,
    },
    SessionRetry {
        connect_seq: u64,
    },
    SessionRetryGlobal {
        global_seq: u64,
    },
    SessionReconnectOk {
        msg_seq: u64,
    },
    Wait,
    Keepalive2(Utime),
    Keepalive2Ack(Utime),
    Ack(u64),
    /// What the client can and whether it wants to.
    CompressionRequest {
        wanted: bool,
        methods: Vec<u32>,
    },
    /// What the server makes of it.
    CompressionDone {
        agreed: bool,
        method: u32,
    },
}

/// Who one is and what one can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ident {
    pub addrs: AddrVec,
    /// The number in the entity's name; -1: none yet.
    pub gid: i64,
    pub global_seq: u64,
    pub supported: u64,
    pub required: u64,
    pub flags: u64,
    pub cookie: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reconnect {
    pub addrs: AddrVec,
    pub client_cookie: u64,
    pub server_cookie: u64,
    pub global_seq: u64,
    pub connect_seq: u64,
    /// The last message that the client has.
    pub msg_seq: u64,
}

impl Control {
    pub fn tag(&self) -> Tag {
        match self {
            Control::Hello { .. } => Tag::Hello,
            Control::AuthRequest { .. } => Tag::AuthRequest,
            Control::AuthBadMethod { .. } => Tag::AuthBadMethod,
            Control::AuthReplyMore { .. } => Tag::AuthReplyMore,
            Control::AuthRequestMore { .. } => Tag::AuthRequestMore,
            Control::AuthDone { .. } => Tag::AuthDone,
            Control::AuthSignature(_) => Tag::AuthSignature,
            Control::ClientIdent { .. } => Tag::ClientIdent,
            Control::ServerIdent(_) => Tag::ServerIdent,
            Control::IdentMissingFeatures(_) => Tag::IdentMissingFeatures,
            Control::SessionReconnect(_) => Tag::SessionReconnect,
            Control::SessionReset { .. } => Tag::SessionReset,
            Control::SessionRetry { .. } => Tag::SessionRetry,
            Control::SessionRetryGlobal { .. } => Tag::SessionRetryGlobal,
            Control::SessionReconnectOk { .. } => Tag::SessionReconnectOk,
            Control::Wait => Tag::Wait,
            Control::Keepalive2(_) => Tag::Keepalive2,
            Control::Keepalive2Ack(_) => Tag::Keepalive2Ack,
            Control::Ack(_) => Tag::Ack,
            Control::CompressionRequest { .. } => Tag::CompressionRequest,
            Control::CompressionDone { .. } => Tag::CompressionDone,
        }
    }

    pub fn encode(&self) -> Bytes {
        let mut encoder = Encoder::new();
        let e = &mut encoder;
        match self {
            Control::Hello { kind, peer_addr } => {
                e.u8(kind.0);
                peer_addr.encode(e, FEATURES);
            }
            Control::AuthRequest { method, modes, payload } => {
                e.u32(*method);
                numbers(e, modes);
                e.blob(payload);
            }
            Control::AuthBadMethod { method, result, methods, modes } => {
                e.u32(*method).u32(*result as u32);
                numbers(e, methods);
                numbers(e, modes);
            }
            Control::AuthReplyMore { payload } | Control::AuthRequestMore { payload } => {
                e.blob(payload);
            }
            Control::AuthDone { global_id, mode, payload } => {
                e.u64(*global_id).u32(*mode).blob(payload);
            }
            Control::AuthSignature(signature) => {
                e.raw(signature);
            }
            Control::ClientIdent { target, ident } => {
                ident.addrs.encode(e, FEATURES);
                target.encode(e, FEATURES);
                ident.encode_rest(e);
            }
            Control::ServerIdent(ident) => {
                ident.addrs.encode(e, FEATURES);
                ident.encode_rest(e);
            }
            Control::SessionReconnect(r) => {
                r.addrs.encode(e, FEATURES);
                e.u64(r.client_cookie).u64(r.server_cookie);
                e.u64(r.global_seq).u64(r.connect_seq).u64(r.msg_seq);
            }
            Control::SessionReset { full } => {
                e.u8((*full).into());
            }
            Control::IdentMissingFeatures(number)
            | Control::SessionRetry { connect_seq: number }
            | Control::SessionRetryGlobal { global_seq: number }
            | Control::SessionReconnectOk { msg_seq: number }
            | Control::Ack(number) => {
                e.u64(*number);
            }
            Control::Wait => {}
            Control::Keepalive2(stamp) | Control::Keepalive2Ack(stamp) => stamp.encode(e),
            Control::CompressionRequest { wanted, methods } => {
                e.u8((*wanted).into());
                numbers(e, methods);
            }
            Control::CompressionDone { agreed, method } => {
                e.u8((*agreed).into()).u32(*method);
            }
        }
        encoder.finish()
    }

    /// [`Tag::Message`] is no control frame and malformed here. What follows the fields that we know is passed over.
    pub fn decode(tag: Tag, payload: &[u8]) -> Result<Control, Malformed> {
        let d = &mut Decoder::new(payload);
        Ok(match tag {
            Tag::Hello => Control::Hello { kind: EntityType(d.u8()?), peer_addr: EntityAddr::decode(d)? },
            Tag::AuthRequest => {
                Control::AuthRequest { method: d.u32()?, modes: read_numbers(d)?, payload: bytes(d)? }
            }
            Tag::AuthBadMethod => Control::AuthBadMethod {
                method: d.u32()?,
                result: d.u32()? as i32,
                methods: read_numbers(d)?,
                modes: read_numbers(d)?,
            },
            Tag::AuthReplyMore => Control::AuthReplyMore { payload: bytes(d)? },
            Tag::AuthRequestMore => Control::AuthRequestMore { payload: bytes(d)? },
            Tag::AuthDone => Control::AuthDone { global_id: d.u64()?, mode: d.u32()?, payload: bytes(d)? },
            Tag::AuthSignature => {
                Control::AuthSignature(d.raw(SIGNATURE_BYTES)?.try_into().map_err(|_| Malformed)?)
            }
            Tag::ClientIdent => {
                let addrs = AddrVec::decode(d)?;
                Control::ClientIdent { target: EntityAddr::decode(d)?, ident: Ident::decode_rest(addrs, d)? }
            }
            Tag::ServerIdent => {
                let addrs = AddrVec::decode(d)?;
                Control::ServerIdent(Ident::decode_rest(addrs, d)?)
            }
            Tag::IdentMissingFeatures => Control::IdentMissingFeatures(d.u64()?),
            Tag::SessionReconnect => Control::SessionReconnect(Reconnect {
                addrs: AddrVec::decode(d)?,
                client_cookie: d.u64()?,
                server_cookie: d.u64()?,
                global_seq: d.u64()?,
                connect_seq: d.u64()?,
                msg_seq: d.u64()?,
            }),
            Tag::SessionReset => Control::SessionReset { full: d.u8()? != 0 },
            Tag::SessionRetry => Control::SessionRetry { connect_seq: d.u64()? },
            Tag::SessionRetryGlobal => Control::SessionRetryGlobal { global_seq: d.u64()? },
            Tag::SessionReconnectOk => Control::SessionReconnectOk { msg_seq: d.u64()? },
            Tag::Wait => Control::Wait,
            Tag::Message => return Err(Malformed),
            Tag::Keepalive2 => Control::Keepalive2(Utime::decode(d)?),
            Tag::Keepalive2Ack => Control::Keepalive2Ack(Utime::decode(d)?),
            Tag::Ack => Control::Ack(d.u64()?),
            Tag::CompressionRequest => {
                Control::CompressionRequest { wanted: d.u8()? != 0, methods: read_numbers(d)? }
            }
            Tag::CompressionDone => Control::CompressionDone { agreed: d.u8()? != 0, method: d.u32()? },
        })
    }
}

impl Ident {
    /// All but the addresses: CLIENT_IDENT has one more field behind these.
    fn encode_rest(&self, e: &mut Encoder) {
        e.u64(self.gid as u64).u64(self.global_seq).u64(self.supported).u64(self.required);
        e.u64(self.flags).u64(self.cookie);
    }

    fn decode_rest(addrs: AddrVec, d: &mut Decoder) -> Result<Ident, Malformed> {
        Ok(Ident {
            addrs,
            gid: d.u64()? as i64,
            global_seq: d.u64()?,
            supported: d.u64()?,
            required: d.u64()?,
            flags: d.u64()?,
            cookie: d.u64()?,
        })
    }
}

fn numbers(e: &mut Encoder, numbers: &[u32]) {
    e.u32(numbers.len() as u32);
    for number in numbers {
        e.u32(*number);
    }
}

fn read_numbers(d: &mut Decoder) -> Result<Vec<u32>, Malformed> {
    let count = d.u32()? as usize;
    if count > d.remaining() / 4 {
        return Err(Malformed);
    }
    (0..count).map(|_| d.u32()).collect()
}

fn bytes(d: &mut Decoder) -> Result<Bytes, Malformed> {
    Ok(Bytes::copy_from_slice(d.blob()?))
}
