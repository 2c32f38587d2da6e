//! A cursor over a caller's scattered data.

/// Hands out the bytes of several slices, one after the other.
#[derive(Clone)]
pub(crate) struct Pieces<'a> {
    rest: &'a [&'a [u8]],
    current: &'a [u8],
}

impl<'a> Pieces<'a> {
    pub fn new(pieces: &'a [&'a [u8]]) -> Pieces<'a> {
        Pieces { rest: pieces, current: &[] }
    }

    /// Sum of the lengths.
    pub fn total(pieces: &[&[u8]]) -> u64 {
        pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Calls `each` with consecutive parts of the next `bytes` bytes; the data must have that many left.
    pub fn take(&mut self, mut bytes: usize, mut each: impl FnMut(&'a [u8])) {
        while bytes > 0 {
            if self.current.is_empty() {
                let Some((first, rest)) = self.rest.split_first() else {
                    debug_assert!(false, "the caller checked the length");
                    return;
                };
                self.current = first;
                self.rest = rest;
                continue;
            }
            let n = bytes.min(self.current.len());
            let (part, rest) = self.current.split_at(n);
            self.current = rest;
            each(part);
            bytes -= n;
        }
    }

    /// The next `bytes` bytes as slices.
    pub fn next(&mut self, bytes: usize) -> Vec<&'a [u8]> {
        let mut slices = Vec::new();
        self.take(bytes, |part| slices.push(part));
        slices
    }

    /// Copies the next bytes to `out`.
    pub fn copy_to(&mut self, out: &mut [u8]) {
        let mut at = 0;
        let length = out.len();
        self.take(length, |part| {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        });
    }
}
