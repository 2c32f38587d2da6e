//! The body of a region's page: a list of pieces, or the packed entries.

use super::packed::Packed;
use super::region::{Piece, Region, Repr};
use crate::disk::pages::codec::{Bad, HEADER_BYTES, bad, get_u32, get_u64};
use crate::disk::{Loc, REGION_BLOCKS, SLOT_UNITS, SegmentSeq};

const PIECE_BYTES: usize = 16;
const PACKED_HEAD_BYTES: usize = 16;
/// A list may be this long: a region of single blocks too far apart to be packed.
const MAX_STORED_PIECES: usize = REGION_BLOCKS as usize;

impl Region {
    /// Appends the body; says whether it is packed, and the number of pieces or mapped blocks.
    pub fn encode(&self, out: &mut Vec<u8>) -> (bool, u32) {
        match self.repr() {
            Repr::Pieces(pieces) => {
                for piece in pieces {
                    let loc = piece.loc();
                    out.extend_from_slice(&piece.start.to_le_bytes());
                    out.extend_from_slice(&piece.blocks.to_le_bytes());
                    out.extend_from_slice(&loc.unit.to_le_bytes());
                    out.extend_from_slice(&loc.segment.0.to_le_bytes());
                }
                (false, pieces.len() as u32)
            }
            Repr::Packed(packed) => {
                let (base, unit_bits, width, entries) = packed.parts();
                out.extend_from_slice(&base.to_le_bytes());
                out.extend_from_slice(&[width, unit_bits, 0, 0, 0, 0, 0, 0]);
                out.extend_from_slice(entries);
                (true, self.mapped())
            }
        }
    }

    pub fn decode_pieces(body: &[u8], count: usize) -> Result<Region, Bad> {
        if count > MAX_STORED_PIECES || body.len() != count * PIECE_BYTES {
            return bad(20, format!("{count} pieces in {} bytes", body.len()));
        }
        let mut pieces: Vec<Piece> = Vec::with_capacity(count);
        let mut end = 0;
        for (i, raw) in body.chunks_exact(PIECE_BYTES).enumerate() {
            let at = HEADER_BYTES + i * PIECE_BYTES;
            let start = u32::from(u16::from_le_bytes([raw[0], raw[1]]));
            let blocks = u32::from(u16::from_le_bytes([raw[2], raw[3]]));
            let loc = Loc { segment: SegmentSeq(get_u64(raw, 8)), unit: get_u32(raw, 4) };
            if start < end || blocks == 0 || start + blocks > REGION_BLOCKS as u32 {
                return bad(at, format!("piece {start}+{blocks} after one that ends at {end}"));
            }
            if loc.unit.checked_add(blocks * SLOT_UNITS).is_none() {
                return bad(at + 4, format!("unit {}", loc.unit));
            }
            end = start + blocks;
            pieces.push(Piece::new(start, end, loc));
        }
        Ok(Region::from_pieces(pieces))
    }

    pub fn decode_packed(body: &[u8], count: usize) -> Result<Region, Bad> {
        if body.len() < PACKED_HEAD_BYTES {
            return bad(HEADER_BYTES, "packed region without its head");
        }
        let (head, entries) = body.split_at(PACKED_HEAD_BYTES);
        if head[10..] != [0; 6] {
            return bad(HEADER_BYTES + 10, "reserved bytes are not zero");
        }
        let Some(packed) = Packed::from_parts(get_u64(head, 0), head[9], head[8], entries) else {
            return bad(
                HEADER_BYTES,
                format!(
                    "packed entries of {} bits with {} unit bits in {} bytes",
                    head[8],
                    head[9],
                    entries.len()
                ),
            );
        };
        let region = Region::from_packed(packed);
        if region.mapped() as usize != count {
            return bad(20, format!("{} blocks are mapped, {count} expected", region.mapped()));
        }
        Ok(region)
    }
}
