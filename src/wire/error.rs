//! Why a connection's bytes make no sense, or its peer is not one to talk to.

use super::denc::Malformed;
use super::frame::{FrameError, Tag};
use super::types::{AddrVec, EntityAddr, EntityType};

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    #[error("only msgr1 is spoken there; msgr2 is needed (for monitors: port 3300, `ceph mon enable-msgr2`)")]
    Legacy,
    #[error("what answers there is no Ceph daemon")]
    NoBanner,
    #[error("the peer knows only revision 0 of msgr2 (Ceph older than 14.2.11); 16.2 or later is needed")]
    Revision0,
    #[error("the peer requires protocol features {missing:#x}, which are not known here")]
    BannerFeatures { missing: u64 },
    #[error("the peer requires features {missing:#x}, which are not known here")]
    PeerRequires { missing: u64 },
    #[error("the peer lacks features {missing:#x}: its Ceph is too old; 16.2 or later is needed")]
    PeerLacks { missing: u64 },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("malformed {tag:?} frame")]
    Malformed { tag: Tag },
    #[error("{tag:?} frame out of place")]
    OutOfPlace { tag: Tag },
    #[error("expected {}, but that is {}", expected.name(), found.name())]
    WrongKind { expected: EntityType, found: EntityType },
    #[error("expected {expected}, but that is {found}: an address of an earlier life?")]
    WrongPeer { expected: EntityAddr, found: AddrVec },
    #[error("the handshake took more than {limit} bytes")]
    HandshakeTooLong { limit: usize },
    #[error("the peer agreed to connection mode {0}, which was not offered")]
    Mode(u32),
    #[error("the peer agreed to compression {0}, which was not offered")]
    Compression(u32),
    #[error("the secret of the connection is too short for secure mode")]
    Secret,
    #[error("wrong signature of the handshake: somebody may have changed it")]
    Signature,
    #[error("message {seq} after message {last}")]
    MessageLost { last: u64, seq: u64 },
    /// Only with lossless sessions: the peer is about to connect to us.
    #[error("told to wait")]
    Wait,
}

impl WireError {
    /// Whether trying again is of no use as long as the peer runs the software that it runs.
    pub fn is_unsupported(&self) -> bool {
        match self {
            WireError::Legacy
            | WireError::Revision0
            | WireError::BannerFeatures { .. }
            | WireError::PeerRequires { .. }
            | WireError::PeerLacks { .. } => true,
            WireError::NoBanner
            | WireError::Frame(_)
            | WireError::Malformed { .. }
            | WireError::OutOfPlace { .. }
            | WireError::WrongKind { .. }
            | WireError::WrongPeer { .. }
            | WireError::HandshakeTooLong { .. }
            | WireError::Mode(_)
            | WireError::Compression(_)
            | WireError::Secret
            | WireError::Signature
            | WireError::MessageLost { .. }
            | WireError::Wait => false,
        }
    }
}

/// Names the frame that was malformed.
pub(super) fn in_frame(tag: Tag) -> impl Fn(Malformed) -> WireError {
    move |Malformed| WireError::Malformed { tag }
}
