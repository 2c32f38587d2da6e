//! Byte ranges made into whole blocks: read-modify-write, discard, write-same, compare-and-write, resize.

use std::sync::Arc;

use super::api::{Compared, DiskResult, in_range};
use super::api_read::read_as_writer;
use super::buffer::Pieces;
use super::read::Wanted;
use super::writer::{Blocks, NewRecord, Writer};
use super::{BLOCK_BYTES, DiskError, Lsn, MAX_SIZE_BYTES};

const BLOCK: usize = BLOCK_BYTES as usize;

pub(super) async fn write(writer: &Arc<Writer>, offset: u64, data: &[&[u8]]) -> DiskResult<()> {
    let length = Pieces::total(data);
    in_range(offset, length, writer.size_bytes())?;
    let mut pieces = Pieces::new(data);
    let (mut at, end) = (offset, offset + length);
    let mut through = None;
    while at < end {
        let next = part_end(writer, at, end);
        let (first, last) = (at / BLOCK_BYTES, next.div_ceil(BLOCK_BYTES));
        let _guard = writer.locks.lock(first, last).await;
        through = through.max(write_part(writer, at, &pieces.next((next - at) as usize), next).await?);
        at = next;
    }
    wait(writer, through).await
}

/// Where a part of a request ends that fits into the buffer at once.
fn part_end(writer: &Writer, at: u64, end: u64) -> u64 {
    end.min((at / BLOCK_BYTES + writer.max_blocks()) * BLOCK_BYTES)
}

/// Write-through: durable before it is acknowledged. The range is not locked any more by then.
async fn wait(writer: &Arc<Writer>, through: Option<Lsn>) -> DiskResult<()> {
    match through {
        Some(lsn) => writer.wait_safe(lsn).await,
        None => Ok(()),
    }
}

/// Writes `at..end`, whose blocks the caller has locked.
async fn write_part(writer: &Arc<Writer>, at: u64, data: &[&[u8]], end: u64) -> DiskResult<Option<Lsn>> {
    let (first, last) = (at / BLOCK_BYTES, end.div_ceil(BLOCK_BYTES));
    let before = (at % BLOCK_BYTES) as usize;
    let after = (end % BLOCK_BYTES) as usize;
    if before == 0 && after == 0 {
        return writer.put_blocks(first, last - first, Blocks::Data(data)).await;
    }
    // Parts of blocks are completed with what is there.
    let mut head = [0; BLOCK];
    let mut tail = [0; BLOCK];
    if before != 0 {
        read_block(writer, first, &mut head).await?;
    }
    if after != 0 {
        if before != 0 && last - first == 1 {
            tail = head;
        } else {
            read_block(writer, last - 1, &mut tail).await?;
        }
    }
    let mut whole: Vec<&[u8]> = Vec::with_capacity(data.len() + 2);
    if before != 0 {
        whole.push(&head[..before]);
    }
    whole.extend_from_slice(data);
    if after != 0 {
        whole.push(&tail[after..]);
    }
    writer.put_blocks(first, last - first, Blocks::Data(&whole)).await
}

async fn read_block(writer: &Writer, block: u64, out: &mut [u8; BLOCK]) -> DiskResult<()> {
    let sink = &mut BlockSink(out);
    let offset = block * BLOCK_BYTES;
    read_as_writer(writer, Wanted { offset, end: offset + BLOCK_BYTES, sink }).await
}

struct BlockSink<'a>(&'a mut [u8; BLOCK]);

impl super::ReadSink for BlockSink<'_> {
    fn put(&mut self, offset: u64, data: &[u8]) {
        self.0.as_mut_slice().put(offset, data);
    }

    fn zero(&mut self, offset: u64, length: u64) {
        self.0.as_mut_slice().zero(offset, length);
    }
}

/// Makes a range read as zeroes; whole blocks become holes.
pub(super) async fn punch(writer: &Arc<Writer>, offset: u64, length: u64) -> DiskResult<()> {
    let size = writer.size_bytes();
    in_range(offset, length, size)?;
    if length == 0 {
        return Ok(());
    }
    let end = offset + length;
    // The last block of the image has nothing after the image's end that anyone may see.
    let end = if end == size { end.next_multiple_of(BLOCK_BYTES) } else { end };
    let _guard = writer.locks.lock(offset / BLOCK_BYTES, end.div_ceil(BLOCK_BYTES)).await;
    let through = punch_locked(writer, offset, end).await?;
    drop(_guard);
    wait(writer, through).await
}

async fn punch_locked(writer: &Arc<Writer>, offset: u64, end: u64) -> DiskResult<Option<Lsn>> {
    let (first, last) = (offset.div_ceil(BLOCK_BYTES), end / BLOCK_BYTES);
    if first > last {
        return zero_in_block(writer, offset, end).await;
    }
    let mut through = None;
    if offset < first * BLOCK_BYTES {
        through = through.max(zero_in_block(writer, offset, first * BLOCK_BYTES).await?);
    }
    if first < last {
        through = through.max(writer.put_blocks(first, last - first, Blocks::Hole).await?);
    }
    if last * BLOCK_BYTES < end {
        through = through.max(zero_in_block(writer, last * BLOCK_BYTES, end).await?);
    }
    Ok(through)
}

/// Zeroes part of one block. A block that is all zeroes then becomes a hole.
async fn zero_in_block(writer: &Arc<Writer>, from: u64, to: u64) -> DiskResult<Option<Lsn>> {
    let block = from / BLOCK_BYTES;
    let start = block * BLOCK_BYTES;
    let mut data = [0; BLOCK];
    read_block(writer, block, &mut data).await?;
    if is_zero(&data[(from - start) as usize..(to - start) as usize]) {
        return Ok(None);
    }
    data[(from - start) as usize..(to - start) as usize].fill(0);
    if is_zero(&data) {
        return writer.put_blocks(block, 1, Blocks::Hole).await;
    }
    writer.put_blocks(block, 1, Blocks::Data(&[&data])).await
}

fn is_zero(data: &[u8]) -> bool {
    let (words, rest) = data.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|&byte| byte == 0)
}

pub(super) async fn write_same(
    writer: &Arc<Writer>,
    offset: u64,
    length: u64,
    pattern: &[u8],
) -> DiskResult<()> {
    in_range(offset, length, writer.size_bytes())?;
    if pattern.is_empty() || !length.is_multiple_of(pattern.len() as u64) {
        let detail = format!("write-same of {length} bytes with a pattern of {}", pattern.len());
        return Err(DiskError::Invalid { detail });
    }
    if is_zero(pattern) {
        return punch(writer, offset, length).await;
    }
    // Copies of the pattern in pieces of about 64 KiB, so that a short pattern does not make a long list.
    let copies = (65536 / pattern.len()).max(1);
    let unit = pattern.repeat(copies);
    let (mut at, end) = (offset, offset + length);
    while at < end {
        // Whole multiples of the pattern, so that each part begins with its first byte.
        let part = ((16 << 20) / unit.len() as u64).max(1) * unit.len() as u64;
        let bytes = part.min(end - at);
        let full = (bytes / unit.len() as u64) as usize;
        let mut data: Vec<&[u8]> = vec![&unit; full];
        data.push(&unit[..(bytes % unit.len() as u64) as usize]);
        write(writer, at, &data).await?;
        at += bytes;
    }
    Ok(())
}

pub(super) async fn compare_and_write(
    writer: &Arc<Writer>,
    offset: u64,
    compare: &[u8],
    data: &[u8],
) -> DiskResult<Compared> {
    in_range(offset, data.len() as u64, writer.size_bytes())?;
    if compare.len() != data.len() {
        let detail = format!("compare-and-write of {} and {} bytes", compare.len(), data.len());
        return Err(DiskError::Invalid { detail });
    }
    let end = offset + data.len() as u64;
    let guard = writer.locks.lock(offset / BLOCK_BYTES, end.div_ceil(BLOCK_BYTES)).await;
    let mut found = vec![0; data.len()];
    read_as_writer(writer, Wanted { offset, end, sink: &mut found }).await?;
    if let Some(at) = found.iter().zip(compare).position(|(found, compare)| found != compare) {
        return Ok(Compared::Mismatch { offset: offset + at as u64 });
    }
    let (mut at, mut rest) = (offset, data);
    let mut through = None;
    while at < end {
        let next = part_end(writer, at, end);
        let (part, after) = rest.split_at((next - at) as usize);
        through = through.max(write_part(writer, at, &[part], next).await?);
        (at, rest) = (next, after);
    }
    drop(guard);
    wait(writer, through).await?;
    Ok(Compared::Written)
}

pub(super) async fn resize(writer: &Arc<Writer>, size_bytes: u64) -> DiskResult<()> {
    if size_bytes > MAX_SIZE_BYTES {
        let detail = format!("size {size_bytes} is above {MAX_SIZE_BYTES}");
        return Err(DiskError::Invalid { detail });
    }
    let _admin = writer.admin.lock().await;
    let old = writer.size_bytes();
    let _guard = writer.locks.lock(old.min(size_bytes) / BLOCK_BYTES, u64::MAX).await;
    if size_bytes > old && !old.is_multiple_of(BLOCK_BYTES) {
        // The rest of the last block may hold what an earlier, larger image had there.
        zero_in_block(writer, old, old.next_multiple_of(BLOCK_BYTES)).await?;
    }
    writer.append_record(NewRecord::Resize { size_bytes }).await?;
    Ok(())
}
