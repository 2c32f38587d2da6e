//! One region of the map: 4096 blocks, as a sorted list of pieces while they are few, packed when they are many.

use super::packed::Packed;
use crate::disk::{Loc, REGION_BLOCKS, SLOT_UNITS, SegmentSeq};

const BLOCKS: u32 = REGION_BLOCKS as u32;
/// A list of more pieces than this is packed: it would take more room than the packed form.
const MAX_PIECES: usize = 1024;
/// A packed region that would have at most this many pieces becomes a list again.
const MIN_PIECES: usize = 512;

/// A run of blocks in neighbouring slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub start: u16,
    pub blocks: u16,
    /// Not a `Loc`, so that a piece takes 16 bytes.
    unit: u32,
    segment: u64,
}

impl Piece {
    pub fn new(start: u32, end: u32, loc: Loc) -> Piece {
        Piece { start: start as u16, blocks: (end - start) as u16, unit: loc.unit, segment: loc.segment.0 }
    }

    pub fn loc(self) -> Loc {
        Loc { segment: SegmentSeq(self.segment), unit: self.unit }
    }

    pub fn end(self) -> u32 {
        u32::from(self.start) + u32::from(self.blocks)
    }

    fn at(self, block: u32) -> Loc {
        self.loc().nth(block - u32::from(self.start))
    }

    /// Whether `next` goes on where this piece ends, in the image and in the log.
    fn joins(self, next: Piece) -> bool {
        self.end() == u32::from(next.start) && follows(self.loc(), u32::from(self.blocks), next.loc())
    }
}

/// Whether `next` is the slot after `blocks` slots from `loc` on.
fn follows(loc: Loc, blocks: u32, next: Loc) -> bool {
    loc.segment == next.segment
        && u64::from(loc.unit) + u64::from(blocks) * u64::from(SLOT_UNITS) == u64::from(next.unit)
}

#[derive(Clone, Debug)]
pub(super) enum Repr {
    /// Sorted, not overlapping, joined where possible.
    Pieces(Vec<Piece>),
    Packed(Packed),
}

/// The places of 4096 blocks.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    repr: Repr,
    mapped: u32,
}

impl Region {
    pub fn new() -> Region {
        Region { repr: Repr::Pieces(Vec::new()), mapped: 0 }
    }

    /// A region of these pieces, which must be sorted and must not overlap.
    pub(super) fn from_pieces(pieces: Vec<Piece>) -> Region {
        let mapped = pieces.iter().map(|piece| u32::from(piece.blocks)).sum();
        let mut region = Region { repr: Repr::Pieces(pieces), mapped };
        region.pack_if_long();
        region
    }

    /// A region with all its blocks: block `i` is at `place(i)`.
    pub fn filled(place: impl Fn(u32) -> Loc) -> Region {
        let mut pieces: Vec<Piece> = Vec::new();
        for block in 0..BLOCKS {
            let piece = Piece::new(block, block + 1, place(block));
            match pieces.last_mut() {
                Some(last) if last.joins(piece) => last.blocks += 1,
                Some(_) | None => pieces.push(piece),
            }
        }
        Region::from_pieces(pieces)
    }

    pub(super) fn from_packed(packed: Packed) -> Region {
        let mapped = (0..BLOCKS).filter(|&block| packed.get(block).is_some()).count() as u32;
        let mut region = Region { repr: Repr::Packed(packed), mapped };
        region.unpack_if_short();
        region
    }

    pub(super) fn repr(&self) -> &Repr {
        &self.repr
    }

    /// How many blocks have a place.
    pub fn mapped(&self) -> u32 {
        self.mapped
    }

    /// Bytes of memory beside the struct itself.
    pub fn memory(&self) -> usize {
        match &self.repr {
            Repr::Pieces(pieces) => pieces.capacity() * size_of::<Piece>(),
            Repr::Packed(packed) => packed.memory(),
        }
    }

    /// Calls `run(first, blocks, place)` for each run and hole of `first..first + blocks`, in order.
    pub fn runs(&self, first: u32, blocks: u32, mut run: impl FnMut(u32, u32, Option<Loc>)) {
        let end = first + blocks;
        debug_assert!(end <= BLOCKS);
        match &self.repr {
            Repr::Pieces(pieces) => {
                let mut at = first;
                let from = pieces.partition_point(|piece| piece.end() <= first);
                for piece in &pieces[from..] {
                    let start = u32::from(piece.start).max(at);
                    if start >= end {
                        break;
                    }
                    if start > at {
                        run(at, start - at, None);
                    }
                    at = piece.end().min(end);
                    run(start, at - start, Some(piece.at(start)));
                }
                if at < end {
                    run(at, end - at, None);
                }
            }
            Repr::Packed(packed) => {
                let mut at = first;
                while at < end {
                    let loc = packed.get(at);
                    let mut next = at + 1;
                    while next < end {
                        let found = packed.get(next);
                        let same = match (loc, found) {
                            (None, None) => true,
                            (Some(loc), Some(found)) => follows(loc, next - at, found),
                            (None, Some(_)) | (Some(_), None) => false,
                        };
                        if !same {
                            break;
                        }
                        next += 1;
                    }
                    run(at, next - at, loc);
                    at = next;
                }
            }
        }
    }

    /// Block `first + i` is at `loc.nth(i)` from now on, or nowhere.
    pub fn set(&mut self, first: u32, blocks: u32, loc: Option<Loc>) {
        let mut before = 0;
        self.runs(first, blocks, |_, blocks, loc| before += if loc.is_some() { blocks } else { 0 });
        match &mut self.repr {
            Repr::Pieces(pieces) => set_pieces(pieces, first, blocks, loc),
            Repr::Packed(packed) => {
                if !packed.set(first, blocks, loc) {
                    let mut pieces = self.pieces();
                    set_pieces(&mut pieces, first, blocks, loc);
                    self.repr = Repr::Pieces(pieces);
                }
            }
        }
        self.mapped = self.mapped - before + if loc.is_some() { blocks } else { 0 };
        self.pack_if_long();
        if blocks >= 256 || self.mapped as usize <= MIN_PIECES {
            self.unpack_if_short();
        }
    }

    /// All pieces, joined.
    pub fn pieces(&self) -> Vec<Piece> {
        match &self.repr {
            Repr::Pieces(pieces) => pieces.clone(),
            Repr::Packed(_) => {
                let mut pieces = Vec::new();
                self.runs(0, BLOCKS, |first, blocks, loc| {
                    pieces.extend(loc.map(|loc| Piece::new(first, first + blocks, loc)));
                });
                pieces
            }
        }
    }

    fn pack_if_long(&mut self) {
        if let Repr::Pieces(pieces) = &self.repr
            && pieces.len() > MAX_PIECES
        {
            let blocks = pieces.iter().flat_map(|piece| {
                (u32::from(piece.start)..piece.end()).map(|block| (block, piece.at(block)))
            });
            if let Some(packed) = Packed::pack(blocks) {
                self.repr = Repr::Packed(packed);
            }
        }
    }

    fn unpack_if_short(&mut self) {
        if let Repr::Packed(_) = &self.repr {
            let mut count = 0;
            self.runs(0, BLOCKS, |_, _, loc| count += usize::from(loc.is_some()));
            if count <= MIN_PIECES {
                self.repr = Repr::Pieces(self.pieces());
            }
        }
    }
}

fn set_pieces(pieces: &mut Vec<Piece>, first: u32, blocks: u32, loc: Option<Loc>) {
    let end = first + blocks;
    let low = pieces.partition_point(|piece| piece.end() <= first);
    let high = low + pieces[low..].partition_point(|piece| u32::from(piece.start) < end);
    let mut new = [None; 3];
    if let Some(&piece) = pieces[low..high].first()
        && u32::from(piece.start) < first
    {
        new[0] = Some(Piece::new(u32::from(piece.start), first, piece.loc()));
    }
    new[1] = loc.map(|loc| Piece::new(first, end, loc));
    if let Some(&piece) = pieces[low..high].last()
        && piece.end() > end
    {
        new[2] = Some(Piece::new(end, piece.end(), piece.at(end)));
    }
    let count = new.iter().flatten().count();
    pieces.splice(low..high, new.into_iter().flatten());
    // Join around the new pieces, from right to left so that indices stay right.
    let last = (low + count).min(pieces.len().saturating_sub(1));
    for at in (low.max(1)..=last).rev() {
        if pieces[at - 1].joins(pieces[at]) {
            pieces[at - 1].blocks += pieces[at].blocks;
            pieces.remove(at);
        }
    }
}
