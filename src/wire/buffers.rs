//! Memory for large data that are received, used again when whoever got them has let go of them: the system would take it back and
//! give out fresh pages for each answer.

use bytes::Bytes;

use crate::sync::Mutex;

/// So much is kept, in all of the process.
const KEPT_BYTES: usize = 8 << 20;
/// Larger ones are rare.
const LARGEST_BYTES: usize = 4 << 20;

pub(super) struct Pool(Mutex<Free>);

struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// The process' own.
pub(super) static POOL: Pool = Pool::new();

impl Pool {
    const fn new() -> Pool {
        Pool(Mutex::new(Free { buffers: Vec::new(), bytes: 0 }))
    }

    /// An empty buffer with room for so many bytes at least.
    pub fn take(&self, bytes: usize) -> Vec<u8> {
        let mut free = self.0.lock();
        // The smallest that will do, and none that is much too large.
        let fits = |(_, size): &(usize, usize)| *size >= bytes && size / 2 <= bytes;
        let sizes = free.buffers.iter().map(Vec::capacity).enumerate();
        match sizes.filter(fits).min_by_key(|(_, size)| *size) {
            Some((at, size)) => {
                free.bytes -= size;
                free.buffers.swap_remove(at)
            }
            None => {
                drop(free);
                Vec::with_capacity(bytes)
            }
        }
    }

    /// The bytes of a buffer that comes back when the last of them is dropped.
    pub fn freeze(&'static self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, pool: self })
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        if size > LARGEST_BYTES {
            return;
        }
        buffer.clear();
        let mut free = self.0.lock();
        if free.bytes + size <= KEPT_BYTES {
            free.bytes += size;
            free.buffers.push(buffer);
        }
    }
}

struct Lent {
    buffer: Vec<u8>,
    pool: &'static Pool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_round_when_nobody_looks_at_it_any_more() {
        static POOL: Pool = Pool::new();
        let bytes = 3_333_333;
        let mut buffer = POOL.take(bytes);
        assert!(buffer.is_empty() && buffer.capacity() >= bytes);
        buffer.extend_from_slice(b"some data");
        let at = buffer.as_ptr();
        let data = POOL.freeze(buffer);
        let part = data.slice(5..);
        drop(data);
        let other = POOL.take(bytes);
        assert_ne!(other.as_ptr(), at, "somebody still has it");
        assert_eq!(&part[..], b"data");
        drop(part);
        let again = POOL.take(bytes);
        assert!(again.is_empty() && again.as_ptr() == at);
        // None that is far too large for what is asked.
        drop(POOL.freeze(again));
        let small = POOL.take(40_000);
        assert_ne!(small.as_ptr(), at);
    }

    #[test]
    fn no_more_is_kept_than_that() {
        static POOL: Pool = Pool::new();
        let all: Vec<Bytes> = (0..20).map(|_| POOL.freeze(Vec::with_capacity(1_000_000))).collect();
        drop(all);
        drop(POOL.freeze(Vec::with_capacity(LARGEST_BYTES + 1)));
        let free = POOL.0.lock();
        assert!(free.bytes <= KEPT_BYTES);
        assert_eq!(free.buffers.iter().map(Vec::capacity).sum::<usize>(), free.bytes);
    }
}
