//! Layout of msgr2 frames, revision 1: tags, preamble, checksums and sizes (Ceph: doc/dev/msgr2.rst).
//!
//! In crc mode a frame is a preamble, the first segment and its checksum (nothing for an empty one), and, if there is
//! more than one segment, the others and an epilogue with their checksums. In secure mode it is up to three sealed
//! blocks: preamble and first 48 bytes; rest of the first segment; other segments and epilogue.

use crate::crc::Sum;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Tag {
    Hello = 1,
    AuthRequest = 2,
    AuthBadMethod = 3,
    AuthReplyMore = 4,
    AuthRequestMore = 5,
    AuthDone = 6,
    AuthSignature = 7,
    ClientIdent = 8,
    ServerIdent = 9,
    IdentMissingFeatures = 10,
    SessionReconnect = 11,
    SessionReset = 12,
    SessionRetry = 13,
    SessionRetryGlobal = 14,
    SessionReconnectOk = 15,
    Wait = 16,
    Message = 17,
    Keepalive2 = 18,
    Keepalive2Ack = 19,
    Ack = 20,
    CompressionRequest = 21,
    CompressionDone = 22,
}

impl Tag {
    const ALL: [Tag; 22] = [
        Tag::Hello,
        Tag::AuthRequest,
        Tag::AuthBadMethod,
        Tag::AuthReplyMore,
        Tag::AuthRequestMore,
        Tag::AuthDone,
        Tag::AuthSignature,
        Tag::ClientIdent,
        Tag::ServerIdent,
        Tag::IdentMissingFeatures,
        Tag::SessionReconnect,
        Tag::SessionReset,
        Tag::SessionRetry,
        Tag::SessionRetryGlobal,
        Tag::SessionReconnectOk,
        Tag::Wait,
        Tag::Message,
        Tag::Keepalive2,
        Tag::Keepalive2Ack,
        Tag::Ack,
        Tag::CompressionRequest,
        Tag::CompressionDone,
    ];

    pub fn of(number: u8) -> Option<Tag> {
        Tag::ALL.get(usize::from(number).wrapping_sub(1)).copied()
    }
}

/// Why bytes are no frame. Nothing can be read from that connection any more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    #[error("preamble with a wrong checksum")]
    PreambleChecksum,
    #[error("unknown frame tag {0}")]
    UnknownTag(u8),
    #[error("frame with {0} segments")]
    Segments(u8),
    #[error("frame flags {0:#x} that were not agreed upon")]
    Flags(u8),
    #[error("frame of {bytes} bytes where {limit} are allowed")]
    TooLong { bytes: u64, limit: usize },
    #[error("wrong checksum of segment {segment} of a frame of {bytes} bytes")]
    SegmentChecksum { segment: usize, bytes: usize },
    #[error("frame with late status {0:#x}")]
    LateStatus(u8),
    #[error("compressed segment that makes no sense")]
    Compressed,
    #[error("frame that fails authentication")]
    Unauthentic,
    #[error("nonces of this connection are used up")]
    NoncesUsedUp,
}

pub const PREAMBLE_BYTES: usize = 32;
pub const MAX_SEGMENTS: usize = 4;
/// Checksum after the first segment.
pub const CRC_BYTES: usize = 4;
/// Late status and three checksums.
pub const CRC_EPILOGUE_BYTES: usize = 13;
/// How much of the first segment goes into the first sealed block.
pub const INLINE_BYTES: usize = 48;
pub const SEAL_BYTES: usize = 16;
pub const BLOCK_BYTES: usize = 16;
pub const SECURE_EPILOGUE_BYTES: usize = 16;
/// Preamble, inline part and seal.
pub const SECURE_PREAMBLE_BYTES: usize = PREAMBLE_BYTES + INLINE_BYTES + SEAL_BYTES;

const LATE_MASK: u8 = 0xf;
const LATE_ABORTED: u8 = 0x1;
/// Late status of a frame that its sender meant.
pub const LATE_COMPLETE: u8 = 0xe;

/// FRAME_EARLY_DATA_COMPRESSED: the segments are compressed.
pub const FLAG_COMPRESSED: u8 = 1;
const FLAGS_AT: usize = 26;

/// What alignment the sender wishes its segments to have at the receiver; nothing here depends on it.
const ALIGN_DEFAULT: u16 = 8;
const ALIGN_DATA: u16 = 4096;

/// Whether the sender meant the frame, or gave it up half-way.
pub fn is_complete(late_status: u8) -> Result<bool, FrameError> {
    match late_status & LATE_MASK {
        LATE_COMPLETE => Ok(true),
        LATE_ABORTED => Ok(false),
        _ => Err(FrameError::LateStatus(late_status)),
    }
}

/// Ceph's CRC32C of `bytes` after `seed`: without the inversions at begin and end that others make.
pub fn crc(seed: u32, bytes: &[u8]) -> u32 {
    !crate::crc::append(!seed, bytes)
}

/// [`crc`] of bytes of which only the sum is known.
pub(super) fn crc_then(seed: u32, sum: Sum) -> u32 {
    !Sum { crc: !seed, bytes: 0 }.then(sum).crc
}

/// Of a segment.
pub const CRC_SEED: u32 = u32::MAX;

pub fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// The head of a frame: what it is and how long its segments are. Empty segments at the end are not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preamble {
    pub tag: Tag,
    pub count: usize,
    /// The lengths are those of compressed segments.
    pub compressed: bool,
    pub lengths: [u32; MAX_SEGMENTS],
}

impl Preamble {
    pub fn new(tag: Tag, lengths: [u32; MAX_SEGMENTS]) -> Preamble {
        let count = lengths.iter().rposition(|length| *length > 0).unwrap_or(0) + 1;
        Preamble { tag, count, compressed: false, lengths }
    }

    pub fn encode(&self) -> [u8; PREAMBLE_BYTES] {
        let mut out = [0; PREAMBLE_BYTES];
        out[0] = self.tag as u8;
        out[1] = self.count as u8;
        for n in 0..self.count {
            let align = if n == 3 { ALIGN_DATA } else { ALIGN_DEFAULT };
            out[2 + 6 * n..6 + 6 * n].copy_from_slice(&self.lengths[n].to_le_bytes());
            out[6 + 6 * n..8 + 6 * n].copy_from_slice(&align.to_le_bytes());
        }
        if self.compressed {
            out[FLAGS_AT] = FLAG_COMPRESSED;
        }
        let sum = crc(0, &out[..PREAMBLE_BYTES - 4]);
        out[PREAMBLE_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// `limit` bounds the sum of all segments.
    pub fn decode(bytes: &[u8; PREAMBLE_BYTES], limit: usize) -> Result<Preamble, FrameError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if word(PREAMBLE_BYTES - 4) != crc(0, &bytes[..PREAMBLE_BYTES - 4]) {
            return Err(FrameError::PreambleChecksum);
        }
        let tag = Tag::of(bytes[0]).ok_or(FrameError::UnknownTag(bytes[0]))?;
        let count = usize::from(bytes[1]);
        if count == 0 || count > MAX_SEGMENTS {
            return Err(FrameError::Segments(bytes[1]));
        }
        // Whether compression was agreed upon is for the reader to know.
        let flags = bytes[FLAGS_AT];
        if flags & !FLAG_COMPRESSED != 0 {
            return Err(FrameError::Flags(flags));
        }
        let mut lengths = [0; MAX_SEGMENTS];
        for (n, length) in lengths.iter_mut().enumerate().take(count) {
            *length = word(2 + 6 * n);
        }
        if count > 1 && lengths[count - 1] == 0 {
            return Err(FrameError::Segments(bytes[1]));
        }
        let total = lengths.iter().map(|length| u64::from(*length)).sum();
        if total > limit as u64 {
            return Err(FrameError::TooLong { bytes: total, limit });
        }
        Ok(Preamble { tag, count, compressed: flags == FLAG_COMPRESSED, lengths })
    }

    pub fn length(&self, segment: usize) -> usize {
        self.lengths[segment] as usize
    }

    /// Bytes between the preamble and the data in crc mode.
    pub fn crc_before_data(&self) -> usize {
        let first = self.length(0) + if self.length(0) > 0 { CRC_BYTES } else { 0 };
        first + self.length(1) + self.length(2)
    }

    /// Bytes after the preamble in crc mode.
    pub fn crc_rest(&self) -> usize {
        let first = self.length(0) + if self.length(0) > 0 { CRC_BYTES } else { 0 };
        if self.count == 1 {
            return first;
        }
        first + (1..self.count).map(|n| self.length(n)).sum::<usize>() + CRC_EPILOGUE_BYTES
    }

    /// Bytes of the second sealed block: what of the first segment was not inline. 0: there is none.
    pub fn secure_remainder(&self) -> usize {
        match self.length(0).saturating_sub(INLINE_BYTES) {
            0 => 0,
            rest => padded(rest) + SEAL_BYTES,
        }
    }

    /// Bytes of the third sealed block: the other segments and the epilogue. 0: there is none.
    pub fn secure_others(&self) -> usize {
        if self.count == 1 {
            return 0;
        }
        let segments: usize = (1..self.count).map(|n| padded(self.length(n))).sum();
        segments + SECURE_EPILOGUE_BYTES + SEAL_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_cephs() {
        // ceph_crc32c(0, "foo bar baz") and with seed 1234, from Ceph's own unit test of it.
        assert_eq!(crc(0, b"foo bar baz"), 4_119_623_852);
        assert_eq!(crc(1234, b"foo bar baz"), 881_700_046);
    }

    #[test]
    fn preambles_are_those_of_a_real_client() {
        // HELLO of `ceph` 16.2.15.
        let hex = "0101240000000800000000000000000000000000000000000000 0000 3fbd6b06";
        let bytes: Vec<u8> = (0..)
            .step_by(2)
            .map_while(|at| {
                hex.replace(' ', "").get(at..at + 2).map(|two| u8::from_str_radix(two, 16).unwrap())
            })
            .collect();
        let preamble = Preamble::new(Tag::Hello, [0x24, 0, 0, 0]);
        assert_eq!(preamble.encode().to_vec(), bytes);
        assert_eq!(Preamble::decode(&preamble.encode(), 0x24), Ok(preamble));
        assert_eq!(
            Preamble::decode(&preamble.encode(), 0x23),
            Err(FrameError::TooLong { bytes: 0x24, limit: 0x23 })
        );
    }
}
