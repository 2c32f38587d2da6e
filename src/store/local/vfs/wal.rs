//! The frames of SQLite's write-ahead log, `store.db-wal`: their checksums, which SQLite itself looks at only when it recovers.
//!
//! The file: a header of 32 bytes (its last 8 are its checksum), then frames: a header of 24 bytes and one page. A frame's header has
//! the page's number and, in a commit's last frame, the database's size in pages (big-endian each), two salts, and a checksum of
//! its first 8 bytes and the page that goes on from the frame before. So a frame is checked with what stands before it.
//! <https://www.sqlite.org/fileformat2.html#walformat>

use super::PAGE;

pub(super) const HEADER: u64 = 32;
pub(super) const FRAME_HEADER: usize = 24;
pub(super) const FRAME: u64 = FRAME_HEADER as u64 + PAGE as u64;

/// The frame, counted from 0, whose header begins at `offset`.
pub(super) fn frame_of_header(offset: u64) -> Option<u64> {
    let within = offset.checked_sub(HEADER)?;
    within.is_multiple_of(FRAME).then_some(within / FRAME)
}

/// The frame whose page begins at `offset`.
pub(super) fn frame_of_page(offset: u64) -> Option<u64> {
    frame_of_header(offset.checked_sub(FRAME_HEADER as u64)?)
}

/// Where a frame's header begins.
pub(super) fn header_at(frame: u64) -> u64 {
    HEADER + frame * FRAME
}

/// Where the 8 bytes of checksum lie that a frame's own goes on from.
pub(super) fn sum_before_at(frame: u64) -> u64 {
    match frame.checked_sub(1) {
        None => HEADER - 8,
        Some(before) => header_at(before) + 16,
    }
}

/// SQLite's checksum. The words are in the byte order of the machine that began the log; another order is not followed: its frames
/// do not match.
pub(super) fn sum(before: [u8; 8], bytes: &[u8]) -> [u8; 8] {
    let word = |bytes: &[u8]| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let big = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let (mut first, mut second) = (big(&before[..4]), big(&before[4..]));
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(word(&pair[..4])).wrapping_add(second);
        second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
    }
    let mut sum = [0; 8];
    sum[..4].copy_from_slice(&first.to_be_bytes());
    sum[4..].copy_from_slice(&second.to_be_bytes());
    sum
}

/// Whether a frame, by its header, is a commit's last.
pub(super) fn is_commit(header: &[u8]) -> bool {
    header.get(4..8).is_some_and(|size| size != [0; 4])
}

/// Whether a frame is as it was written; `before`: the checksum that stands before it.
pub(super) fn is_sound(before: [u8; 8], header: &[u8; FRAME_HEADER], page: &[u8]) -> bool {
    header[16..] == sum(sum(before, &header[..8]), page)
}

/// The salts in a frame's header: those of the log's header when it was written.
pub(super) fn salts(header: &[u8; FRAME_HEADER]) -> [u8; 8] {
    std::array::from_fn(|index| header[8 + index])
}

/// The checksum in a frame's header.
pub(super) fn stored_sum(header: &[u8; FRAME_HEADER]) -> [u8; 8] {
    std::array::from_fn(|index| header[16 + index])
}

/// The head of a log: its salts and its checksum; `None` if it is none, or one of another machine's byte order.
pub(super) fn head(bytes: &[u8; HEADER as usize]) -> Option<([u8; 8], [u8; 8])> {
    let magic = if cfg!(target_endian = "big") { 0x377f_0683u32 } else { 0x377f_0682 };
    let sum_there: [u8; 8] = std::array::from_fn(|index| bytes[24 + index]);
    let page_size = (PAGE as u32).to_be_bytes();
    let sound = bytes[..4] == magic.to_be_bytes()
        && bytes[8..12] == page_size
        && sum([0; 8], &bytes[..24]) == sum_there;
    sound.then(|| (std::array::from_fn(|index| bytes[16 + index]), sum_there))
}
