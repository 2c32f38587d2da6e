//! One Ceph message between the messenger and who understands its payload.

use bytes::Bytes;

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
    MGR_MAP = 0x704,
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
            data_offset: 0,
        }
    }

    pub fn data_bytes(&self) -> usize {
        self.data.iter().map(Bytes::len).sum()
    }
}
