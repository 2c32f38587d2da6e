//! Sums of parts of a message's data: whoever has to check each part of what it reads can use what was summed up when the data came,
//! and need not go through them once more. The sum of the whole is made of the same sums and checked as ever.

use std::sync::Arc;

use bytes::Bytes;

use crate::crc::{self, Sum};
use crate::sync::Mutex;

/// A wish for the CRC32C of each chunk of the data of one answer, and where they are found. Connections that are sealed, that do not
/// sum up data, or data that are few, leave it as it is.
#[derive(Debug)]
pub struct ChunkSums {
    chunk_bytes: usize,
    found: Mutex<Option<(Bytes, Vec<u32>)>>,
}

impl ChunkSums {
    pub fn new(chunk_bytes: usize) -> Arc<ChunkSums> {
        Arc::new(ChunkSums { chunk_bytes: chunk_bytes.max(1), found: Mutex::new(None) })
    }

    /// The sums of whole chunks of these data, if it is they that were summed up: the very memory, not only equal bytes.
    pub fn of(&self, data: &Bytes) -> Option<Vec<u32>> {
        let (summed, sums) = self.found.lock().take()?;
        (summed.as_ptr() == data.as_ptr() && summed.len() == data.len()).then_some(sums)
    }
}

/// What has been summed up of data that come.
pub(super) struct Counter {
    wish: Arc<ChunkSums>,
    sums: Vec<u32>,
    /// The sum of all chunks but the last ones, which are equal.
    done: Sum,
    equal: u64,
    /// Of the chunk that has begun.
    begun: Sum,
}

impl Counter {
    pub fn new(wish: Arc<ChunkSums>) -> Counter {
        Counter { wish, sums: Vec::new(), done: Sum::EMPTY, equal: 0, begun: Sum::EMPTY }
    }

    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let have = self.begun.bytes as usize;
            let (part, rest) = bytes.split_at(bytes.len().min(self.wish.chunk_bytes - have));
            let crc = if have == 0 { crc::crc32c(part) } else { crc::append(self.begun.crc, part) };
            self.begun = Sum { crc, bytes: (have + part.len()) as u64 };
            if have + part.len() == self.wish.chunk_bytes {
                self.end_chunk();
            }
            bytes = rest;
        }
    }

    fn end_chunk(&mut self) {
        let sum = std::mem::replace(&mut self.begun, Sum::EMPTY).crc;
        if self.sums.last() != Some(&sum) {
            self.done = self.whole_chunks();
            self.equal = 0;
        }
        self.equal += 1;
        self.sums.push(sum);
    }

    fn whole_chunks(&self) -> Sum {
        let last = Sum { crc: self.sums.last().copied().unwrap_or(0), bytes: self.wish.chunk_bytes as u64 };
        self.done.then(last.times(self.equal))
    }

    /// Of all bytes.
    pub fn total(&self) -> Sum {
        self.whole_chunks().then(self.begun)
    }

    /// The data are whole, and their sum is what it should be.
    pub fn tell(self, data: &Bytes) {
        *self.wish.found.lock() = Some((data.clone(), self.sums));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crc::crc32c;

    proptest! {
        #[test]
        fn chunks_and_the_whole_are_summed_up_however_the_bytes_come(
            data in prop::collection::vec(0u8..3, 0..3000),
            chunk_bytes in 1usize..700,
            steps in prop::collection::vec(1usize..900, 1..8),
        ) {
            let data = Bytes::from(data);
            let wish = ChunkSums::new(chunk_bytes);
            let mut counter = Counter::new(wish.clone());
            let mut rest = &data[..];
            for step in steps.iter().cycle() {
                let (part, after) = rest.split_at(rest.len().min(*step));
                counter.add(part);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(counter.total(), Sum::of(&data));
            counter.tell(&data);
            let sums: Vec<u32> = data.chunks_exact(chunk_bytes).map(crc32c).collect();
            prop_assert_eq!(wish.of(&data), Some(sums));
        }
    }

    #[test]
    fn sums_are_of_that_memory_only() {
        let data = Bytes::from(vec![7; 100]);
        for (asked, is_it) in [
            (data.clone(), true),
            (data.slice(..99), false),
            (data.slice(1..), false),
            (vec![7; 100].into(), false),
        ] {
            let wish = ChunkSums::new(10);
            assert_eq!(wish.of(&data), None, "nothing has come");
            let mut counter = Counter::new(wish.clone());
            counter.add(&data);
            counter.tell(&data);
            assert_eq!(wish.of(&asked).is_some(), is_it);
        }
    }
}
