//! A dense region's places: one packed entry of 24 to 57 bits for each block.
//!
//! An entry is 0 for a hole, else 1 + ((segment - base) << unit_bits | unit). Base, unit bits and width belong to the
//! region, so that a region whose data lie in nearby segments takes few bits a block: 41 when an image of 16 TiB
//! was written at random, 32 for one of 32 GiB.

use crate::disk::{Loc, REGION_BLOCKS, SLOT_UNITS, SegmentSeq};

const BLOCKS: usize = REGION_BLOCKS as usize;
/// An entry is found in the 8 bytes that begin with its first bit's; the array ends with this much padding.
const PADDING: usize = 8;
/// Bits of a unit number in a segment of 8 MiB; more are taken when a unit needs them.
const MIN_UNIT_BITS: u32 = 19;
const MIN_WIDTH: u32 = 24;
/// An entry begins within the first byte of 8: 7 + 57 = 64 bits.
const MAX_WIDTH: u32 = 57;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packed {
    base: u64,
    unit_bits: u32,
    /// Bits of an entry.
    width: u32,
    bytes: Box<[u8]>,
}

/// What entries must be able to hold.
#[derive(Clone, Copy)]
struct Span {
    min_segment: u64,
    max_segment: u64,
    max_unit: u32,
}

impl Span {
    fn of(loc: Loc) -> Span {
        Span { min_segment: loc.segment.0, max_segment: loc.segment.0, max_unit: loc.unit }
    }

    fn join(self, loc: Loc) -> Span {
        Span {
            min_segment: self.min_segment.min(loc.segment.0),
            max_segment: self.max_segment.max(loc.segment.0),
            max_unit: self.max_unit.max(loc.unit),
        }
    }

    /// (unit bits, width), or `None` if no width is enough.
    fn layout(self) -> Option<(u32, u32)> {
        let unit_bits = MIN_UNIT_BITS.max(32 - self.max_unit.leading_zeros());
        // Room for a quarter more, because new segments have ever higher numbers: without it a region at the edge
        // of its width would be packed anew for each segment.
        let distance = self.max_segment - self.min_segment;
        let distance = distance.saturating_add(distance / 4);
        let largest = distance.checked_add(1)?.checked_shl(unit_bits)?;
        if largest >> unit_bits != distance + 1 {
            return None;
        }
        let width = (64 - largest.leading_zeros()).max(MIN_WIDTH);
        (width <= MAX_WIDTH).then_some((unit_bits, width))
    }
}

impl Packed {
    /// Packs the places of a region; `None` if they are too far apart for any width (the region stays a list).
    pub fn pack(locs: impl Iterator<Item = (u32, Loc)> + Clone) -> Option<Packed> {
        let mut span: Option<Span> = None;
        for (_, loc) in locs.clone() {
            span = Some(span.map_or(Span::of(loc), |span| span.join(loc)));
        }
        let span = span.unwrap_or(Span { min_segment: 0, max_segment: 0, max_unit: 0 });
        let (unit_bits, width) = span.layout()?;
        let bytes = vec![0; entry_bytes(width) + PADDING].into_boxed_slice();
        let mut packed = Packed { base: span.min_segment, unit_bits, width, bytes };
        for (block, loc) in locs {
            let fits = packed.put(block, Some(loc));
            debug_assert!(fits);
        }
        Some(packed)
    }

    pub fn get(&self, block: u32) -> Option<Loc> {
        let value = self.word(block) >> (block * self.width % 8) & self.mask();
        let value = value.checked_sub(1)?;
        Some(Loc {
            segment: SegmentSeq(self.base + (value >> self.unit_bits)),
            unit: (value & ((1 << self.unit_bits) - 1)) as u32,
        })
    }

    /// Sets a run; block `first + i` goes to `loc.nth(i)`. False, with nothing changed, if the entries must be
    /// packed anew for it.
    pub fn set(&mut self, first: u32, blocks: u32, loc: Option<Loc>) -> bool {
        if let Some(loc) = loc
            && self.entry(loc.nth(blocks - 1)).is_none()
        {
            return false;
        }
        for i in 0..blocks {
            if !self.put(first + i, loc.map(|loc| loc.nth(i))) {
                return false;
            }
        }
        true
    }

    pub fn memory(&self) -> usize {
        self.bytes.len()
    }

    /// (base, unit bits, width in bits, entries) as they are stored.
    pub fn parts(&self) -> (u64, u8, u8, &[u8]) {
        let entries = &self.bytes[..self.bytes.len() - PADDING];
        (self.base, self.unit_bits as u8, self.width as u8, entries)
    }

    /// The reverse of `parts`; `None` if the parts make no sense.
    pub fn from_parts(base: u64, unit_bits: u8, width: u8, entries: &[u8]) -> Option<Packed> {
        let (unit_bits, width) = (u32::from(unit_bits), u32::from(width));
        let sane = (MIN_WIDTH..=MAX_WIDTH).contains(&width)
            && (MIN_UNIT_BITS..=32).contains(&unit_bits)
            && entries.len() == entry_bytes(width);
        if !sane {
            return None;
        }
        let mut bytes = vec![0; entries.len() + PADDING].into_boxed_slice();
        bytes[..entries.len()].copy_from_slice(entries);
        let packed = Packed { base, unit_bits, width, bytes };
        base.checked_add(packed.mask() >> unit_bits)?;
        // A slot must end within the units there are, as that of a piece must. Only 32 bits can say otherwise.
        let past_end = |loc: Loc| loc.unit.checked_add(SLOT_UNITS).is_none();
        if unit_bits == 32 && (0..BLOCKS as u32).any(|block| packed.get(block).is_some_and(past_end)) {
            return None;
        }
        Some(packed)
    }

    /// The 8 bytes that an entry is in.
    fn word(&self, block: u32) -> u64 {
        let at = (block * self.width / 8) as usize;
        let mut raw = [0; 8];
        raw.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_le_bytes(raw)
    }

    fn mask(&self) -> u64 {
        (1 << self.width) - 1
    }

    fn entry(&self, loc: Loc) -> Option<u64> {
        let distance = loc.segment.0.checked_sub(self.base)?;
        if u64::from(loc.unit) >> self.unit_bits != 0 || distance > self.mask() >> self.unit_bits {
            return None;
        }
        let value = (distance << self.unit_bits | u64::from(loc.unit)).checked_add(1)?;
        (value <= self.mask()).then_some(value)
    }

    fn put(&mut self, block: u32, loc: Option<Loc>) -> bool {
        let value = match loc {
            Some(loc) => match self.entry(loc) {
                Some(value) => value,
                None => return false,
            },
            None => 0,
        };
        let (at, shift) = ((block * self.width / 8) as usize, block * self.width % 8);
        let word = self.word(block) & !(self.mask() << shift) | value << shift;
        self.bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        true
    }
}

/// 4096 entries are always whole bytes.
fn entry_bytes(width: u32) -> usize {
    BLOCKS / 8 * width as usize
}
