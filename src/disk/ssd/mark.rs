//! The mark in the image's header: there are acknowledged changes that only this host's log has.

use bytes::Bytes;

use crate::disk::log::{u16_at, u32_at};
use crate::disk::{DiskError, DiskResult};

/// Key in the omap of the header.
pub(crate) const MARK_KEY: &str = "local_log";
const MAGIC: &[u8; 4] = b"LSVH";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 32;

/// Whose log has changes that the store does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMark {
    /// The log's uuid.
    pub log: [u8; 16],
    /// As [`super::LocalDisk::host`] says it.
    pub host: String,
    pub path: String,
}

impl LocalMark {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(FIXED_BYTES + self.host.len() + self.path.len() + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.log);
        out.extend_from_slice(&(self.host.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.path.len() as u32).to_le_bytes());
        out.extend_from_slice(self.host.as_bytes());
        out.extend_from_slice(self.path.as_bytes());
        out.extend_from_slice(&crate::crc::crc32c(&out).to_le_bytes());
        out.into()
    }

    pub(crate) fn decode(object: &str, raw: &[u8]) -> DiskResult<LocalMark> {
        let corrupt = |detail: &str| DiskError::Corrupt {
            object: object.to_owned(),
            offset: 0,
            detail: format!("{MARK_KEY}: {detail}"),
        };
        if raw.len() < FIXED_BYTES + 4 || &raw[..4] != MAGIC {
            return Err(corrupt("bad magic or length"));
        }
        let end = raw.len() - 4;
        if crate::crc::crc32c(&raw[..end]) != u32_at(raw, end) {
            return Err(corrupt("bad checksum"));
        }
        let found = u16_at(raw, 4);
        if found > VERSION {
            return Err(DiskError::NewerFormat { object: object.to_owned(), found, known: VERSION });
        }
        if found != VERSION || raw[6..8] != [0; 2] {
            return Err(corrupt("version"));
        }
        let host_end = FIXED_BYTES.saturating_add(u32_at(raw, 24) as usize);
        if host_end.saturating_add(u32_at(raw, 28) as usize) != end {
            return Err(corrupt("lengths"));
        }
        let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).map_err(|_| corrupt("text"));
        let mut log = [0; 16];
        log.copy_from_slice(&raw[8..24]);
        Ok(LocalMark { log, host: text(&raw[FIXED_BYTES..host_end])?, path: text(&raw[host_end..end])? })
    }
}
