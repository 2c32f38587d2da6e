//! Writing past the page cache (O_DIRECT): large data goes from the caller's memory to the disk, and the page cache
//! neither takes a copy of it nor gives up pages for it.
//!
//! Files are read through the page cache, by other descriptors. That fits together: the kernel drops the pages of a
//! range that is written directly, and a place that a row has named is never written again (docs/local-store.md).

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::Mutex;

use super::files::FileId;
use crate::aligned::{ALIGN, AlignedVec, is_aligned};

/// Data of less than this is copied faster than a disk takes it.
pub(super) const MIN_BYTES: usize = 32 << 10;
/// Data whose memory is not aligned goes through a buffer of this size.
const COPY_BYTES: usize = 512 << 10;
/// Descriptors that are kept: objects that are appended to by turns.
const KEPT: usize = 4;

/// The data folder's files, opened for direct writing.
#[derive(Default)]
pub(super) struct Direct {
    /// The file system does not have it.
    refused: AtomicBool,
    kept: Mutex<VecDeque<(FileId, Arc<File>)>>,
}

impl Direct {
    /// Writes `data`, and zeroes up to a multiple of [`ALIGN`]. `None`: it cannot be done this way, and nothing that
    /// matters was written.
    pub fn write(&self, id: FileId, path: &Path, offset: u64, data: &[u8]) -> Option<io::Result<()>> {
        if data.len() < MIN_BYTES
            || !offset.is_multiple_of(ALIGN as u64)
            || self.refused.load(Ordering::Relaxed)
        {
            return None;
        }
        let file = self.open(id, path)?;
        match write_padded(&file, offset, data) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.refused.store(true, Ordering::Relaxed);
                None
            }
            written => Some(written),
        }
    }

    fn open(&self, id: FileId, path: &Path) -> Option<Arc<File>> {
        let mut kept = self.kept.lock();
        if let Some((_, file)) = kept.iter().find(|(of, _)| *of == id) {
            return Some(file.clone());
        }
        match OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path) {
            Ok(file) => {
                let file = Arc::new(file);
                if kept.len() >= KEPT {
                    kept.pop_front();
                }
                kept.push_back((id, file.clone()));
                Some(file)
            }
            Err(error) => {
                // Any other error shows again where the file is opened the usual way.
                if error.raw_os_error() == Some(libc::EINVAL) {
                    self.refused.store(true, Ordering::Relaxed);
                }
                None
            }
        }
    }

    /// The file takes no more data.
    pub fn forget(&self, id: FileId) {
        self.kept.lock().retain(|(of, _)| *of != id);
    }
}

fn write_padded(file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    if !is_aligned(data) {
        return copy_and_write(file, offset, data);
    }
    let (whole, rest) = data.split_at(data.len() / ALIGN * ALIGN);
    if rest.is_empty() {
        return file.write_all_at(whole, offset);
    }
    let mut last = AlignedVec::with_capacity(ALIGN);
    last.reset(0);
    last.extend_from_slice(rest);
    last.resize(ALIGN, 0);
    // In one call, so that the disk is asked once.
    let done = loop {
        match rustix::io::pwritev(file, &[IoSlice::new(whole), IoSlice::new(&last)], offset) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(done) => break done,
        }
    };
    // Direct writes end between blocks if they end early.
    let of_whole = done.min(whole.len()) / ALIGN * ALIGN;
    file.write_all_at(&whole[of_whole..], offset + of_whole as u64)?;
    if done < whole.len() + ALIGN {
        file.write_all_at(&last, offset + whole.len() as u64)?;
    }
    Ok(())
}

fn copy_and_write(file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    let mut buffer = AlignedVec::with_capacity(COPY_BYTES.min(data.len().next_multiple_of(ALIGN)));
    for (nth, chunk) in data.chunks(COPY_BYTES).enumerate() {
        buffer.reset(0);
        buffer.extend_from_slice(chunk);
        buffer.resize(chunk.len().next_multiple_of(ALIGN), 0);
        file.write_all_at(&buffer, offset + (nth * COPY_BYTES) as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_was_given_and_zeroes_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        let mut data = AlignedVec::with_capacity(2 << 20);
        data.reset(0);
        data.extend_from_slice(&(0..1 << 20).map(|n: u32| (n * 7 + n / 4096) as u8).collect::<Vec<u8>>());
        let direct = Direct::default();
        for (from, length) in
            [(0, 1 << 20), (0, 40_000), (0, 65_536), (16, 40_000), (8, 524_288), (8, 600_001)]
        {
            file.set_len(0).unwrap();
            std::fs::write(&path, vec![0xff; 2 << 20]).unwrap();
            let (at, data) = (8192, &data[from..from + length]);
            let Some(written) = direct.write(FileId(1), &path, at as u64, data) else {
                return eprintln!("no O_DIRECT in {}", path.display());
            };
            written.unwrap();
            let found = std::fs::read(&path).unwrap();
            let (end, padded) = (at + length, (at + length).next_multiple_of(ALIGN));
            assert!(found[at..end] == *data, "{from} {length}");
            assert!(found[..at].iter().chain(&found[padded..]).all(|&byte| byte == 0xff), "{from} {length}");
            assert!(found[end..padded].iter().all(|&byte| byte == 0), "{from} {length}");
        }
        assert!(direct.write(FileId(1), &path, 512, &data).is_none());
        assert!(direct.write(FileId(1), &path, 0, &data[..MIN_BYTES - 1]).is_none());
    }
}
