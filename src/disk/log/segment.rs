//! The 64-byte header of a segment.

use super::{FormatError, u16_at, u32_at, u64_at};
use crate::disk::{Lsn, SegmentSeq, WriterEpoch};

pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 4] = b"LSVS";
const VERSION: u16 = 1;
/// Of a stub.
const STUB_VERSION: u16 = 2;
const WHAT: &str = "segment header";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub uuid: [u8; 16],
    pub seq: SegmentSeq,
    pub epoch: WriterEpoch,
    pub segment_bytes: u32,
    /// LSN of the last record before this segment.
    pub prev_lsn: Lsn,
    /// This is a stub: the segment's records are in its payload, which has so many bytes.
    pub payload: Option<u32>,
}

impl SegmentHeader {
    pub fn encode(&self, out: &mut [u8; SEGMENT_HEADER_BYTES]) {
        out.fill(0);
        out[0..4].copy_from_slice(MAGIC);
        let version = if self.payload.is_some() { STUB_VERSION } else { VERSION };
        out[4..6].copy_from_slice(&version.to_le_bytes());
        out[6..8].copy_from_slice(&(SEGMENT_HEADER_BYTES as u16).to_le_bytes());
        out[8..24].copy_from_slice(&self.uuid);
        out[24..32].copy_from_slice(&self.seq.0.to_le_bytes());
        out[32..36].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[36..40].copy_from_slice(&self.segment_bytes.to_le_bytes());
        out[40..48].copy_from_slice(&self.prev_lsn.0.to_le_bytes());
        out[48..52].copy_from_slice(&self.payload.unwrap_or(0).to_le_bytes());
        let crc = crate::crc::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
    }

    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, FormatError> {
        if bytes.len() < SEGMENT_HEADER_BYTES {
            return Err(FormatError::Short { what: WHAT });
        }
        if &bytes[0..4] != MAGIC {
            return Err(FormatError::Magic { what: WHAT });
        }
        if crate::crc::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let version = u16_at(bytes, 4);
        if version > STUB_VERSION {
            return Err(FormatError::Newer { what: WHAT, found: version, known: STUB_VERSION });
        }
        if version < VERSION || usize::from(u16_at(bytes, 6)) != SEGMENT_HEADER_BYTES {
            return Err(FormatError::Nonsense { what: WHAT, detail: "version or length" });
        }
        let payload = Some(u32_at(bytes, 48)).filter(|_| version == STUB_VERSION);
        let reserved = if payload.is_some() { 52 } else { 48 };
        if bytes[reserved..60].iter().any(|&byte| byte != 0) {
            return Err(FormatError::Nonsense { what: WHAT, detail: "reserved bytes are not zero" });
        }
        if payload.is_some_and(|length| (length as usize) < SEGMENT_HEADER_BYTES) {
            return Err(FormatError::Nonsense { what: WHAT, detail: "length of the payload" });
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[8..24]);
        Ok(SegmentHeader {
            uuid,
            seq: SegmentSeq(u64_at(bytes, 24)),
            epoch: WriterEpoch(u32_at(bytes, 32)),
            segment_bytes: u32_at(bytes, 36),
            prev_lsn: Lsn(u64_at(bytes, 40)),
            payload,
        })
    }
}
