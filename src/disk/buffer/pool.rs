//! Buffers that go round: a record's memory is used again when the store has let go of it.

use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use bytes::Bytes;

use crate::aligned::AlignedVec;

/// Free buffers that are kept; what comes back beyond that is given back to the system.
const KEPT: usize = 4;
/// A free buffer below this size is not worth keeping.
const MIN_KEPT_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(crate) struct BufferPool {
    free: Mutex<Vec<AlignedVec>>,
}

struct Pooled {
    buffer: AlignedVec,
    pool: Weak<BufferPool>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() < MIN_KEPT_BYTES {
            return;
        }
        let mut free = pool.free.lock();
        if free.len() < KEPT {
            free.push(buffer);
        }
    }
}

impl BufferPool {
    pub fn new() -> Arc<BufferPool> {
        Arc::new(BufferPool::default())
    }

    /// An empty buffer for so many bytes, with index `at` aligned.
    pub fn take(&self, capacity: usize, at: usize) -> AlignedVec {
        let kept = self.free.lock().pop().filter(|buffer| buffer.capacity() >= capacity);
        let mut buffer = kept.unwrap_or_else(|| AlignedVec::with_capacity(capacity));
        buffer.reset(at);
        buffer
    }

    /// The buffer as `Bytes`; its memory comes back to the pool when the last clone is dropped.
    pub fn freeze(self: &Arc<Self>, buffer: AlignedVec) -> Bytes {
        Bytes::from_owner(Pooled { buffer, pool: Arc::downgrade(self) })
    }
}
