//! Buffers that go round: a record's memory is used again when the store has let go of it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

/// Free buffers that are kept; what comes back beyond that is given back to the system.
const KEPT: usize = 4;
/// A free buffer below this size is not worth keeping.
const MIN_KEPT_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(crate) struct BufferPool {
    free: Mutex<Vec<Vec<u8>>>,
}

struct Pooled {
    buffer: Vec<u8>,
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
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() < MIN_KEPT_BYTES {
            return;
        }
        buffer.clear();
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

    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        self.free.lock().pop().unwrap_or_default()
    }

    /// The buffer as `Bytes`; its memory comes back to the pool when the last clone is dropped.
    pub fn freeze(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Pooled { buffer, pool: Arc::downgrade(self) })
    }
}
