//! Bytes that wait for the socket: small ones gathered in a buffer, large ones as the pieces that they came in.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Pieces from this size on are not copied: below it, an entry of its own in a vectored write costs more.
const LARGE: usize = 2048;

#[derive(Default)]
pub struct Output {
    pieces: VecDeque<Bytes>,
    /// What comes after the pieces.
    tail: BytesMut,
    bytes: usize,
}

impl Output {
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn small(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    pub fn piece(&mut self, piece: &Bytes) {
        if piece.len() < LARGE {
            self.small(piece);
            return;
        }
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
        self.pieces.push_back(piece.clone());
        self.bytes += piece.len();
    }

    pub fn zeros(&mut self, count: usize) {
        self.tail.resize(self.tail.len() + count, 0);
        self.bytes += count;
    }

    /// What was appended last, for changing it in place. Only what [`Output::small`] and [`Output::zeros`] appended.
    pub fn last_mut(&mut self, count: usize) -> &mut [u8] {
        let start = self.tail.len() - count;
        &mut self.tail[start..]
    }

    /// The front of all that waits, as many pieces as there are slices; how many of these are used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        for (slot, piece) in slices.iter_mut().zip(self.pieces.iter().map(|piece| &piece[..]).chain(tail)) {
            *slot = IoSlice::new(piece);
            used += 1;
        }
        used
    }

    /// The first `count` bytes are written.
    pub fn advance(&mut self, mut count: usize) {
        debug_assert!(count <= self.bytes, "more written than there was");
        self.bytes -= count;
        while let Some(front) = self.pieces.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.pieces.pop_front();
        }
        self.tail.advance(count);
    }

    pub fn clear(&mut self) {
        *self = Output::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_however_they_are_cut() {
        for step in [1, 7, 2048, 3000, 100_000] {
            let mut output = Output::default();
            let mut want = Vec::new();
            let mut got = Vec::new();
            for round in 0..6u8 {
                for length in [3, LARGE, 1, 0, LARGE - 1, 5000] {
                    let piece = Bytes::from(vec![round ^ length as u8; length]);
                    want.extend_from_slice(&piece);
                    output.piece(&piece);
                    output.small(b"small");
                    want.extend_from_slice(b"small");
                }
                for _ in 0..2 {
                    let mut slices = [IoSlice::new(&[]); 3];
                    let used = output.slices(&mut slices);
                    let mut front: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
                    front.truncate(step);
                    output.advance(front.len());
                    got.extend(front);
                }
            }
            while !output.is_empty() {
                let mut slices = [IoSlice::new(&[]); 2];
                assert!(output.slices(&mut slices) > 0);
                let front: Vec<u8> = slices[0].iter().take(step).copied().collect();
                output.advance(front.len());
                got.extend(front);
            }
            assert!(got == want, "step {step}");
        }
    }
}
