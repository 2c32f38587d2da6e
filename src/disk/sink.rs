//! Where a read puts its bytes: straight into the caller's memory, whatever that is.

/// Takes the parts of one read, in any order; together they cover the range asked for exactly once.
pub trait ReadSink: Send {
    /// Copies `data` to `offset` of the caller's buffer.
    fn put(&mut self, offset: u64, data: &[u8]);
    /// Fills `length` bytes at `offset` of the caller's buffer with zeroes.
    fn zero(&mut self, offset: u64, length: u64);
    /// What is read for it goes into the cache, however much it is.
    fn fills_cache(&self) -> bool {
        false
    }
}

impl ReadSink for [u8] {
    fn put(&mut self, offset: u64, data: &[u8]) {
        let start = offset as usize;
        self[start..start + data.len()].copy_from_slice(data);
    }

    fn zero(&mut self, offset: u64, length: u64) {
        let start = offset as usize;
        self[start..start + length as usize].fill(0);
    }
}

impl ReadSink for Vec<u8> {
    fn put(&mut self, offset: u64, data: &[u8]) {
        self.as_mut_slice().put(offset, data);
    }

    fn zero(&mut self, offset: u64, length: u64) {
        self.as_mut_slice().zero(offset, length);
    }
}
