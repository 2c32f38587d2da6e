//! The bytes of the local log's file (docs/format.md): its header, frames, and the entries in a frame.

use bytes::Bytes;

use crate::disk::log::{FormatError, u16_at, u32_at, u64_at};
use crate::disk::{BLOCK_BYTES, LocalSeq, MAX_SIZE_BYTES};

/// Frames begin at multiples of this, so that a write never touches a page in which there is something durable.
pub(crate) const PAGE: u64 = 4096;
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const FRAME_BYTES: usize = 80;
const ENTRY_BYTES: usize = 16;
/// A change of more blocks becomes several entries. What the disk never splits over two records is one entry.
pub(crate) const MAX_ENTRY_BLOCKS: u64 = 64;
const LOG_MAGIC: &[u8; 4] = b"LSVW";
const FRAME_MAGIC: &[u8; 4] = b"LSVE";
const VERSION: u16 = 1;
const MAX_BLOCKS: u64 = MAX_SIZE_BYTES / BLOCK_BYTES;

/// The first page of the file: whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogHeader {
    pub image: [u8; 16],
    pub log: [u8; 16],
    pub size_bytes: u64,
}

impl LogHeader {
    pub fn encode(&self) -> Bytes {
        let mut out = vec![0; PAGE as usize];
        out[0..4].copy_from_slice(LOG_MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_le_bytes());
        out[6..8].copy_from_slice(&(HEADER_BYTES as u16).to_le_bytes());
        out[8..24].copy_from_slice(&self.image);
        out[24..40].copy_from_slice(&self.log);
        out[40..48].copy_from_slice(&self.size_bytes.to_le_bytes());
        let crc = crate::crc::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out.into()
    }

    pub fn decode(raw: &[u8]) -> Result<LogHeader, FormatError> {
        const WHAT: &str = "header of a local log";
        check(raw, LOG_MAGIC, HEADER_BYTES, WHAT)?;
        if raw[48..60] != [0; 12] {
            return Err(FormatError::Nonsense { what: WHAT, detail: "reserved bytes are not zero" });
        }
        Ok(LogHeader { image: array(raw, 8), log: array(raw, 24), size_bytes: u64_at(raw, 40) })
    }
}

/// Magic, version, length and checksum, which all headers have at the same places.
fn check(raw: &[u8], magic: &[u8; 4], length: usize, what: &'static str) -> Result<(), FormatError> {
    if raw.len() < length {
        return Err(FormatError::Short { what });
    }
    if &raw[..4] != magic {
        return Err(FormatError::Magic { what });
    }
    if crate::crc::crc32c(&raw[..length - 4]) != u32_at(raw, length - 4) {
        return Err(FormatError::Checksum { what });
    }
    let found = u16_at(raw, 4);
    if found > VERSION {
        return Err(FormatError::Newer { what, found, known: VERSION });
    }
    if found != VERSION || usize::from(u16_at(raw, 6)) != length {
        return Err(FormatError::Nonsense { what, detail: "version or length" });
    }
    Ok(())
}

fn array(raw: &[u8], at: usize) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&raw[at..at + 16]);
    out
}

/// What stands before the entries that were written together. All of a frame counts, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub log: [u8; 16],
    /// Where in the file it is.
    pub offset: u64,
    pub first: LocalSeq,
    pub last: LocalSeq,
    /// When the frame was made, all changes up to this one were durable in the store.
    pub drained: LocalSeq,
    /// When the frame was made, all changes up to this one were durable, in the store or in this log.
    pub synced: LocalSeq,
    pub body_bytes: u32,
    pub body_crc: u32,
}

impl FrameHeader {
    /// Bytes of the frame in the file, whole pages.
    pub fn length(&self) -> u64 {
        (FRAME_BYTES as u64 + u64::from(self.body_bytes)).next_multiple_of(PAGE)
    }

    pub fn encode(&self, out: &mut [u8]) {
        out[..FRAME_BYTES].fill(0);
        out[0..4].copy_from_slice(FRAME_MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_le_bytes());
        out[6..8].copy_from_slice(&(FRAME_BYTES as u16).to_le_bytes());
        out[8..24].copy_from_slice(&self.log);
        let numbers = [self.offset, self.first.0, self.last.0, self.drained.0, self.synced.0];
        for (place, number) in out[24..64].as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        out[64..68].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[68..72].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crate::crc::crc32c(&out[..FRAME_BYTES - 4]);
        out[FRAME_BYTES - 4..FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    pub fn decode(raw: &[u8]) -> Result<FrameHeader, FormatError> {
        const WHAT: &str = "frame of a local log";
        check(raw, FRAME_MAGIC, FRAME_BYTES, WHAT)?;
        let header = FrameHeader {
            log: array(raw, 8),
            offset: u64_at(raw, 24),
            first: LocalSeq(u64_at(raw, 32)),
            last: LocalSeq(u64_at(raw, 40)),
            drained: LocalSeq(u64_at(raw, 48)),
            synced: LocalSeq(u64_at(raw, 56)),
            body_bytes: u32_at(raw, 64),
            body_crc: u32_at(raw, 68),
        };
        if raw[72..76] != [0; 4] {
            return Err(FormatError::Nonsense { what: WHAT, detail: "reserved bytes are not zero" });
        }
        let ordered = header.synced < header.last && header.first <= header.last;
        if !ordered || header.first == LocalSeq(0) || header.drained > header.synced {
            return Err(FormatError::Nonsense { what: WHAT, detail: "sequence numbers" });
        }
        Ok(header)
    }
}

/// What an entry changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Data,
    Hole,
    /// Something that only the store's log has, such as a resize: what follows counts only where that is done.
    Barrier,
}

/// One change, in the order in which the disk has accepted them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub seq: LocalSeq,
    pub change: Change,
    pub lba: u64,
    pub blocks: u64,
    /// The blocks, if it is data.
    pub data: Bytes,
}

/// A frame that is being filled. Its header is written last.
pub(crate) struct FrameBuffer {
    pub first: LocalSeq,
    pub last: LocalSeq,
    bytes: Vec<u8>,
}

impl FrameBuffer {
    /// `first` is the number of the entry that is pushed first.
    pub fn new(first: LocalSeq) -> FrameBuffer {
        FrameBuffer { first, last: LocalSeq(first.0 - 1), bytes: vec![0; FRAME_BYTES] }
    }

    /// Bytes in the file when it is closed.
    pub fn length(&self) -> u64 {
        (self.bytes.len() as u64).next_multiple_of(PAGE)
    }

    /// `fill` appends the data, whose length is that of the blocks (none, if the change has none).
    pub fn push(
        &mut self,
        change: Change,
        lba: u64,
        blocks: u64,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> LocalSeq {
        debug_assert!(blocks <= u64::from(u32::MAX));
        self.last = LocalSeq(self.last.0 + 1);
        let kind = match change {
            Change::Data => 0,
            Change::Hole => 1,
            Change::Barrier => 2,
        };
        self.bytes.extend_from_slice(&[kind, 0, 0, 0]);
        self.bytes.extend_from_slice(&(blocks as u32).to_le_bytes());
        self.bytes.extend_from_slice(&lba.to_le_bytes());
        let before = self.bytes.len();
        fill(&mut self.bytes);
        let data = if change == Change::Data { blocks * BLOCK_BYTES } else { 0 };
        debug_assert_eq!((self.bytes.len() - before) as u64, data);
        self.last
    }

    /// The frame as it is written at `offset`.
    pub fn close(mut self, log: [u8; 16], offset: u64, drained: LocalSeq, synced: LocalSeq) -> Bytes {
        let header = FrameHeader {
            log,
            offset,
            first: self.first,
            last: self.last,
            drained,
            synced,
            body_bytes: (self.bytes.len() - FRAME_BYTES) as u32,
            body_crc: crate::crc::crc32c(&self.bytes[FRAME_BYTES..]),
        };
        header.encode(&mut self.bytes);
        self.bytes.resize(header.length() as usize, 0);
        self.bytes.into()
    }
}

/// The entries of a frame, all of it in `raw`.
pub(crate) fn entries(header: &FrameHeader, raw: &Bytes) -> Result<Vec<Entry>, FormatError> {
    const WHAT: &str = "entry of a local log";
    let end = FRAME_BYTES + header.body_bytes as usize;
    if raw.len() < end {
        return Err(FormatError::Short { what: WHAT });
    }
    if crate::crc::crc32c(&raw[FRAME_BYTES..end]) != header.body_crc {
        return Err(FormatError::Checksum { what: WHAT });
    }
    let nonsense = |detail| FormatError::Nonsense { what: WHAT, detail };
    let mut entries = Vec::new();
    let (mut at, mut seq) = (FRAME_BYTES, header.first);
    while at < end {
        if end - at < ENTRY_BYTES {
            return Err(FormatError::Short { what: WHAT });
        }
        let blocks = u64::from(u32_at(raw, at + 4));
        let lba = u64_at(raw, at + 8);
        let change = match raw[at] {
            0 => Change::Data,
            1 => Change::Hole,
            2 => Change::Barrier,
            _ => return Err(nonsense("kind")),
        };
        if raw[at + 1..at + 4] != [0; 3] {
            return Err(nonsense("reserved bytes are not zero"));
        }
        let ranges = match change {
            Change::Data => (1..=MAX_ENTRY_BLOCKS).contains(&blocks),
            Change::Hole => blocks > 0,
            Change::Barrier => blocks == 0 && lba == 0,
        };
        if !ranges || lba.checked_add(blocks).is_none_or(|end| end > MAX_BLOCKS) {
            return Err(nonsense("range"));
        }
        at += ENTRY_BYTES;
        let length = if change == Change::Data { (blocks * BLOCK_BYTES) as usize } else { 0 };
        if end - at < length {
            return Err(FormatError::Short { what: WHAT });
        }
        entries.push(Entry { seq, change, lba, blocks, data: raw.slice(at..at + length) });
        at += length;
        seq = LocalSeq(seq.0.wrapping_add(1));
    }
    if seq.0 != header.last.0.wrapping_add(1) {
        return Err(nonsense("number of entries"));
    }
    Ok(entries)
}
