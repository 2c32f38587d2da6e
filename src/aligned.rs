//! Memory that begins where a disk wants it to: data in it goes to a file without a copy (O_DIRECT).

use std::ops::{Deref, DerefMut};

/// What any disk of today is content with, for memory, offsets and lengths.
pub(crate) const ALIGN: usize = 4096;

/// Bytes of which one chosen index is aligned. Alignment is for speed only: growing past the capacity may lose it.
#[derive(Debug, Default)]
pub(crate) struct AlignedVec {
    /// `start` bytes of padding, then the bytes.
    raw: Vec<u8>,
    start: usize,
}

impl AlignedVec {
    /// Empty; memory is taken from the system as it is touched.
    pub fn with_capacity(capacity: usize) -> AlignedVec {
        AlignedVec { raw: Vec::with_capacity(capacity + 2 * ALIGN), start: 0 }
    }

    /// Empties it and lays it out anew: index `at` (below [`ALIGN`]) is aligned from now on.
    pub fn reset(&mut self, at: usize) {
        self.raw.clear();
        self.start = (self.raw.as_ptr() as usize + at).wrapping_neg() % ALIGN;
        self.raw.resize(self.start, 0);
    }

    pub fn capacity(&self) -> usize {
        self.raw.capacity().saturating_sub(2 * ALIGN)
    }

    pub fn resize(&mut self, length: usize, value: u8) {
        self.raw.resize(self.start + length, value);
    }

    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
    }
}

impl Deref for AlignedVec {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.raw[self.start..]
    }
}

impl DerefMut for AlignedVec {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.raw[self.start..]
    }
}

pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_index_is_aligned_until_it_grows_past_its_capacity() {
        let mut bytes = AlignedVec::with_capacity(100_000);
        for at in [0, 64, 4095] {
            bytes.reset(at);
            assert!(bytes.is_empty());
            bytes.resize(at, 7);
            bytes.extend_from_slice(&[1; 90_000]);
            assert_eq!(bytes.len(), at + 90_000);
            assert!(is_aligned(&bytes[at..]));
            assert!(!is_aligned(&bytes[at + 1..]));
            assert_eq!(bytes[at], 1);
        }
        bytes.extend_from_slice(&[2; 100_000]);
        assert_eq!((bytes[4095], bytes[94_095]), (1, 2));
    }
}
