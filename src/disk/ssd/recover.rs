//! What an earlier writer has left in its log: finds the file that the mark names, and in it the changes that the store
//! does not have.
//!
//! A frame that was not synced may be missing, or there in part, while later ones are there. Each frame says up to which
//! change all was durable when it was made, so what is missing after that was never acknowledged; if something is
//! missing before, the log is damaged, and nothing is replayed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::file::{LocalDisk, LocalFile, OpenError, Wanted};
use super::frame::{Entry, FRAME_BYTES, FrameHeader, LogHeader, PAGE, entries};
use super::mark::LocalMark;
use crate::disk::log::FormatError;
use crate::disk::shared::Shared;
use crate::disk::{DiskError, DiskResult, LocalSeq};

/// Read at once when frames are looked for.
const SCAN_BYTES: u64 = 4 << 20;
const IN_USE_ATTEMPTS: u32 = 20;
const IN_USE_PAUSE: Duration = Duration::from_millis(100);

/// The log that the mark names.
pub(crate) struct Left {
    pub mark: LocalMark,
    pub file: Arc<dyn LocalFile>,
}

/// Opens the log that the mark names. `LocalLog` if this is not the host that has it, or the file is not there, in use,
/// or another one.
pub(crate) async fn find(shared: &Shared, mark: LocalMark) -> DiskResult<Left> {
    let disk = &shared.options.local.disk;
    let refused = |why: String| refused(shared, &mark, &why);
    if disk.host() != mark.host {
        return Err(refused(format!("and this is host {}", disk.host())));
    }
    let mut attempts = 0;
    let file = loop {
        match disk.open(&mark.path, Wanted::Existing).await {
            Ok(file) => break file,
            // A process that was killed lets go of its files when its last system call has ended; nothing tells when.
            Err(OpenError::InUse) if attempts < IN_USE_ATTEMPTS => {
                attempts += 1;
                shared.env.sleep(IN_USE_PAUSE).await;
            }
            Err(error) => return Err(refused(error.to_string())),
        }
    };
    let raw = match file.read(0, PAGE).await {
        Ok(raw) => raw,
        Err(error) => return Err(refused(error.to_string())),
    };
    let header = match LogHeader::decode(&raw) {
        Ok(header) => header,
        Err(error) => return Err(refused(error.to_string())),
    };
    if header.image != shared.format.uuid {
        return Err(refused("and the file there is of another image".into()));
    }
    if header.log != mark.log {
        return Err(refused("and the file there is another log of the image".into()));
    }
    if header.size_bytes > file.size_bytes() {
        return Err(refused(format!("which was cut off to {} bytes", file.size_bytes())));
    }
    Ok(Left { mark, file })
}

/// Removes the log of an image that is gone, if this host has it and nobody uses it.
pub(crate) async fn remove_left(disk: &dyn LocalDisk, mark: &LocalMark) -> DiskResult<()> {
    let failed = |reason: String| DiskError::Failed { reason: format!("local log {}: {reason}", mark.path) };
    if disk.host() != mark.host {
        return Err(failed(format!("it is on host {}", mark.host)));
    }
    let file = match disk.open(&mark.path, Wanted::Existing).await {
        Ok(file) => file,
        Err(OpenError::Missing) => return Ok(()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let read = file.read(0, PAGE).await.map_err(|error| failed(error.to_string()));
    let removed = match read.map(|raw| LogHeader::decode(&raw).is_ok_and(|header| header.log == mark.log)) {
        Ok(true) => disk.remove(&mark.path).await.map_err(|error| failed(error.to_string())),
        Ok(false) => Err(failed("the file there is another one".into())),
        Err(error) => Err(error),
    };
    file.close().await;
    removed
}

fn refused(shared: &Shared, mark: &LocalMark, why: &str) -> DiskError {
    let image = shared.names.header().oid.to_string();
    let error =
        DiskError::LocalLog { image, host: mark.host.clone(), path: mark.path.clone(), why: why.into() };
    tracing::error!("{error}");
    error
}

impl Left {
    /// The frames that have the changes after `reached`, in order, without gaps, each of them whole.
    pub async fn frames(&self, reached: LocalSeq) -> DiskResult<Vec<FrameHeader>> {
        let mut found = self.scan(reached).await?;
        found.sort_by_key(|frame| (frame.first, frame.offset));
        let mut chain: Vec<FrameHeader> = Vec::new();
        let mut end = reached;
        for frame in &found {
            if frame.first.0 > end.0 + 1 {
                break;
            }
            if frame.last > end && decoded(frame, &self.read_frame(frame).await?).is_ok() {
                end = frame.last;
                chain.push(*frame);
            }
        }
        if let Some(frame) = found.iter().max_by_key(|frame| frame.drained)
            && frame.drained > reached
        {
            let detail =
                format!("change {} was in the store, which has them up to {}", frame.drained.0, reached.0);
            return Err(self.corrupt(frame.offset, detail));
        }
        if let Some(frame) = found.iter().max_by_key(|frame| frame.synced)
            && frame.synced > end
        {
            let detail = format!("change {} is damaged, and was durable up to {}", end.0 + 1, frame.synced.0);
            return Err(self.corrupt(frame.offset, detail));
        }
        Ok(chain)
    }

    fn corrupt(&self, offset: u64, detail: String) -> DiskError {
        let error = DiskError::Corrupt { object: self.mark.path.clone(), offset, detail };
        tracing::error!("{error}");
        error
    }

    /// The headers of all frames with changes after `reached`, whole or not.
    async fn scan(&self, reached: LocalSeq) -> DiskResult<Vec<FrameHeader>> {
        let mut found = Vec::new();
        let mut at = PAGE;
        while at < self.file.size_bytes() {
            let raw = self.read(at, SCAN_BYTES).await?;
            for page in (0..raw.len()).step_by(PAGE as usize) {
                let offset = at + page as u64;
                let Some(raw) = raw.get(page..page + FRAME_BYTES) else { break };
                match FrameHeader::decode(raw) {
                    Ok(frame)
                        if frame.log == self.mark.log && frame.offset == offset && frame.last > reached =>
                    {
                        found.push(frame);
                    }
                    Ok(_) => {}
                    Err(error @ FormatError::Newer { .. }) => {
                        return Err(error.at(&self.mark.path, offset));
                    }
                    Err(_) => {}
                }
            }
            at += SCAN_BYTES;
        }
        Ok(found)
    }

    /// The entries of a frame that `frames` has found.
    pub async fn entries(&self, frame: &FrameHeader) -> DiskResult<Vec<Entry>> {
        let raw = self.read_frame(frame).await?;
        decoded(frame, &raw).map_err(|error| self.corrupt(frame.offset, error.to_string()))
    }

    async fn read_frame(&self, frame: &FrameHeader) -> DiskResult<Bytes> {
        self.read(frame.offset, frame.length()).await
    }

    async fn read(&self, offset: u64, length: u64) -> DiskResult<Bytes> {
        let read = self.file.read(offset, length).await;
        read.map_err(|error| self.corrupt(offset, error.to_string()))
    }
}

fn decoded(frame: &FrameHeader, raw: &Bytes) -> Result<Vec<Entry>, FormatError> {
    if FrameHeader::decode(raw)? != *frame {
        return Err(FormatError::Nonsense { what: "frame of a local log", detail: "it has changed" });
    }
    entries(frame, raw)
}
