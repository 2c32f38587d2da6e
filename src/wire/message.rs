//! One Ceph message between the messenger and who understands its payload.

use bytes::Bytes;

use super::place::Placed;

/// CEPH_MSG_* / MSG_*: what a message is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageType(pub u16);

macro_rules! message_types {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl MessageType {
            $(pub const $name: MessageType = MessageType($number);)*

            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

message_types!(
    PING = 2,
    MON_MAP = 4,
    MON_GET_MAP = 5,
    STATFS = 13,
    STATFS_REPLY = 14,
    MON_SUBSCRIBE = 15,
    MON_SUBSCRIBE_ACK = 16,
    AUTH = 17,
    AUTH_REPLY = 18,
    MON_GET_VERSION = 19,
    MON_GET_VERSION_REPLY = 20,
    OSD_MAP = 41,
    OSD_OP = 42,
    OSD_OPREPLY = 43,
    WATCH_NOTIFY = 44,
    POOLOP_REPLY = 48,
    POOLOP = 49,
    MON_COMMAND = 50,
    MON_COMMAND_ACK = 51,
    LOG = 52,
    LOG_ACK = 53,
    GET_POOL_STATS = 58,
    GET_POOL_STATS_REPLY = 59,
    CONFIG = 62,
    GET_CONFIG = 63,
    OSD_BACKOFF = 61,
    COMMAND = 97,
    COMMAND_REPLY = 98,
    MGR_OPEN = 0x700,
    MGR_CONFIGURE = 0x701,
    MGR_REPORT = 0x702,
    MGR_MAP = 0x704,
    MGR_CLOSE = 0x708,
    MGR_COMMAND = 0x709,
    MGR_COMMAND_REPLY = 0x70a,
);

impl std::fmt::Debug for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "message type {}", self.0),
        }
    }
}

/// CEPH_MSG_PRIO_*.
pub const PRIORITY_DEFAULT: u16 = 127;
pub const PRIORITY_HIGH: u16 = 196;
pub const PRIORITY_HIGHEST: u16 = 255;

/// A message's header fields and payload. The messenger numbers it (`seq`) and checks sizes and checksums; it does not
/// look into the payload.
#[derive(Clone, Debug)]
pub struct Message {
    pub kind: MessageType,
    pub priority: u16,
    /// Version of the payload's encoding, and the oldest one a reader must know.
    pub version: u16,
    pub compat_version: u16,
    pub tid: u64,
    pub front: Bytes,
    pub middle: Bytes,
    /// The data segment, in pieces as the sender had them; a received one has at most one piece.
    pub data: Vec<Bytes>,
    /// CRC32C of pieces of the data (by their number, ascending), where whoever made them knows it: they are not summed up again when
    /// they are sent, so what has changed in memory since is refused by the receiver.
    pub sums: Vec<(usize, u32)>,
    /// Where a received one's data are, if not in `data`.
    pub placed: Option<Placed>,
    /// Offset of the data within its object, modulo what the receiver aligns to (header's `data_off`).
    pub data_offset: u16,
}

impl Message {
    pub fn new(kind: MessageType, version: u16, compat_version: u16, front: Bytes) -> Message {
        Message {
            kind,
            priority: PRIORITY_DEFAULT,
            version,
            compat_version,
            tid: 0,
            front,
            middle: Bytes::new(),
            data: Vec::new(),
            sums: Vec::new(),
            placed: None,
            data_offset: 0,
        }
    }

    pub fn data_bytes(&self) -> usize {
        self.data.iter().map(Bytes::len).sum()
    }
}

/// ceph_msg_header2: the first segment of a MESSAGE frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub seq: u64,
    pub tid: u64,
    pub kind: MessageType,
    pub priority: u16,
    pub version: u16,
    pub data_offset: u16,
    /// The last message that its sender received.
    pub ack_seq: u64,
    pub compat_version: u16,
}

pub const HEADER_BYTES: usize = 41;

impl Header {
    pub fn new(message: &Message, seq: u64, ack_seq: u64) -> Header {
        Header {
            seq,
            tid: message.tid,
            kind: message.kind,
            priority: message.priority,
            version: message.version,
            data_offset: message.data_offset,
            ack_seq,
            compat_version: message.compat_version,
        }
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(&self.seq.to_le_bytes());
        out[8..16].copy_from_slice(&self.tid.to_le_bytes());
        out[16..18].copy_from_slice(&self.kind.0.to_le_bytes());
        out[18..20].copy_from_slice(&self.priority.to_le_bytes());
        out[20..22].copy_from_slice(&self.version.to_le_bytes());
        // 22..26: bytes of padding before the data; nobody sends any.
        out[26..28].copy_from_slice(&self.data_offset.to_le_bytes());
        out[28..36].copy_from_slice(&self.ack_seq.to_le_bytes());
        // 36: flags, of which the sender's library makes its own use.
        out[37..39].copy_from_slice(&self.compat_version.to_le_bytes());
        out
    }

    /// `None`: too short.
    pub fn decode(bytes: &[u8]) -> Option<Header> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| (0..8).rev().fold(0u64, |long, n| long << 8 | u64::from(bytes[at + n]));
        Some(Header {
            seq: long(0),
            tid: long(8),
            kind: MessageType(short(16)),
            priority: short(18),
            version: short(20),
            data_offset: short(26),
            ack_seq: long(28),
            compat_version: short(37),
        })
    }

    /// The message of this header and the other segments.
    pub fn message(&self, front: Bytes, middle: Bytes, data: Bytes) -> Message {
        Message {
            kind: self.kind,
            priority: self.priority,
            version: self.version,
            compat_version: self.compat_version,
            tid: self.tid,
            front,
            middle,
            data: if data.is_empty() { Vec::new() } else { vec![data] },
            sums: Vec::new(),
            placed: None,
            data_offset: self.data_offset,
        }
    }
}
