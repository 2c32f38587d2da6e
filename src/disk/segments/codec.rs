//! The body of a page of the table: a bitmap of the segments there are, then their entries.

use super::{PAGE_SEGMENTS, SegmentInfo, SegmentPage};
use crate::disk::Lsn;
use crate::disk::pages::codec::{Bad, HEADER_BYTES, bad, get_u32, get_u64};

const BITMAP_BYTES: usize = PAGE_SEGMENTS as usize / 8;
const ENTRY_BYTES: usize = 36;
/// In the last number of an entry: the segment's records are in a payload. A segment is far shorter.
const PAYLOAD_BIT: u32 = 1 << 31;

impl SegmentPage {
    /// Appends the body; returns the number of entries.
    pub fn encode(&self, out: &mut Vec<u8>) -> u32 {
        let bitmap = out.len();
        out.resize(bitmap + BITMAP_BYTES, 0);
        for (slot, info) in self.iter() {
            out[bitmap + slot / 8] |= 1 << (slot % 8);
            for lsn in [info.birth, info.changed, info.age] {
                out.extend_from_slice(&lsn.0.to_le_bytes());
            }
            let payload = if info.payload { PAYLOAD_BIT } else { 0 };
            for number in [info.blocks, info.live, info.bytes | payload] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        self.used
    }

    pub fn decode(body: &[u8], count: usize) -> Result<SegmentPage, Bad> {
        if count > PAGE_SEGMENTS as usize || body.len() != BITMAP_BYTES + count * ENTRY_BYTES {
            return bad(20, format!("{count} segments in {} bytes", body.len()));
        }
        let (bitmap, entries) = body.split_at(BITMAP_BYTES);
        if bitmap.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() != count {
            return bad(HEADER_BYTES, "bitmap does not have as many segments as the header says");
        }
        let mut page = SegmentPage::new();
        let slots = (0..PAGE_SEGMENTS as usize).filter(|slot| bitmap[slot / 8] >> (slot % 8) & 1 == 1);
        for (i, (slot, raw)) in slots.zip(entries.chunks_exact(ENTRY_BYTES)).enumerate() {
            let info = SegmentInfo {
                birth: Lsn(get_u64(raw, 0)),
                changed: Lsn(get_u64(raw, 8)),
                age: Lsn(get_u64(raw, 16)),
                blocks: get_u32(raw, 24),
                live: get_u32(raw, 28),
                bytes: get_u32(raw, 32) & !PAYLOAD_BIT,
                payload: get_u32(raw, 32) & PAYLOAD_BIT != 0,
            };
            if info.live > info.blocks {
                let at = HEADER_BYTES + BITMAP_BYTES + i * ENTRY_BYTES + 28;
                return bad(at, format!("{} live blocks of {}", info.live, info.blocks));
            }
            page.set(slot, Some(info));
        }
        Ok(page)
    }
}
