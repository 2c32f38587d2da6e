//! Memory for large data that are received, used again when whoever got them has let go of them: the system would take it back and
//! give out fresh pages for each answer.

use bytes::Bytes;

use crate::sync::Mutex;

/// So much is kept, in all of the process.
const KEPT_BYTES: usize = 8 << 20;
/// Larger ones are rare.
const LARGEST_BYTES: usize = 4 << 20;

#[derive(Default)]
struct Pool {
    free: Vec<Vec<u8>>,
    bytes: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), bytes: 0 });

/// An empty buffer with room for so many bytes at least.
pub(super) fn take(bytes: usize) -> Vec<u8> {
    let mut pool = POOL.lock();
    // The smallest that will do, and none that is much too large.
    let fits = |buffer: &&(usize, usize)| buffer.1 >= bytes && buffer.1 / 2 <= bytes;
    let sizes: Vec<(usize, usize)> = pool.free.iter().map(Vec::capacity).enumerate().collect();
    match sizes.iter().filter(fits).min_by_key(|(_, size)| *size) {
        Some((at, size)) => {
            pool.bytes -= size;
            pool.free.swap_remove(*at)
        }
        None => {
            drop(pool);
            Vec::with_capacity(bytes)
        }
    }
}

/// The bytes of a buffer that comes back when the last of them is dropped.
pub(super) fn freeze(buffer: Vec<u8>) -> Bytes {
    Bytes::from_owner(Lent(buffer))
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        let size = buffer.capacity();
        if size > LARGEST_BYTES {
            return;
        }
        buffer.clear();
        let mut pool = POOL.lock();
        if pool.bytes + size <= KEPT_BYTES {
            pool.bytes += size;
            pool.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_round_when_nobody_looks_at_it_any_more() {
        // A size that no other test asks for.
        let bytes = 3_333_333;
        let mut buffer = take(bytes);
        assert!(buffer.is_empty() && buffer.capacity() >= bytes);
        buffer.extend_from_slice(b"some data");
        let at = buffer.as_ptr();
        let data = freeze(buffer);
        let part = data.slice(5..);
        drop(data);
        let other = take(bytes);
        assert_ne!(other.as_ptr(), at, "somebody still has it");
        assert_eq!(&part[..], b"data");
        drop(part);
        let again = take(bytes);
        assert!(again.is_empty() && again.as_ptr() == at);
        // None that is far too large for what is asked.
        drop(freeze(again));
        let small = take(40_000);
        assert_ne!(small.as_ptr(), at);
    }

    #[test]
    fn no_more_is_kept_than_that() {
        let all: Vec<Bytes> = (0..20).map(|_| freeze(Vec::with_capacity(1_000_000))).collect();
        drop(all);
        drop(freeze(Vec::with_capacity(LARGEST_BYTES + 1)));
        let pool = POOL.lock();
        assert!(pool.bytes <= KEPT_BYTES);
        assert_eq!(pool.free.iter().map(Vec::capacity).sum::<usize>(), pool.bytes);
    }
}
