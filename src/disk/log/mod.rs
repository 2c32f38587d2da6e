//! The log's bytes: segment headers, records and slots (docs/format.md). Decoding is total.

mod record;
mod segment;
mod slot;

pub(crate) use record::{
    Extent, ExtentKind, Index, RECORD_HEADER_BYTES, RecordHeader, RecordKind, record_bytes,
};
pub(crate) use segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
pub(crate) use slot::{SLOT_SUM, seal_slot, slot_data, verify_slot, verify_summed};

/// What is wrong with bytes of the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// Fewer bytes than the thing has.
    #[error("{what} is cut off")]
    Short { what: &'static str },
    #[error("{what}: bad magic")]
    Magic { what: &'static str },
    #[error("{what}: bad checksum")]
    Checksum { what: &'static str },
    #[error("{what}: {detail}")]
    Nonsense { what: &'static str, detail: &'static str },
    #[error("{what}: format version {found} is newer than {known}")]
    Newer { what: &'static str, found: u16, known: u16 },
}

impl FormatError {
    /// As the error of the object and place where the bytes were.
    pub fn at(self, object: &str, offset: u64) -> super::DiskError {
        if let FormatError::Newer { found, known, .. } = self {
            return super::DiskError::NewerFormat { object: object.to_owned(), found, known };
        }
        super::DiskError::Corrupt { object: object.to_owned(), offset, detail: self.to_string() }
    }
}

/// Little-endian numbers at fixed places of a slice whose length was checked.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

#[cfg(test)]
mod codec_tests;
