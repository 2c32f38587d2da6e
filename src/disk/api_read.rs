//! What a `Disk` does for a read: as a writer, as a reader, of a snapshot; waiting, and without.

use super::api::{Mode, in_range};
use super::fetch::Fetch;
use super::head::SnapshotView;
use super::header::Header;
use super::read::{Served, Wanted, read_mapped, try_read_mapped};
use super::reader::Reader;
use super::shared::Shared;
use super::writer::Writer;
use super::{Disk, DiskError, DiskResult, ReadSink};

/// How far a read came without waiting.
pub enum Tried {
    Done,
    /// What it needs is being loaded.
    Started,
    /// The sink has been given all but one run of blocks.
    Fetch(Fetch),
    No,
}

/// Times that a read looks again when a segment is gone.
pub(super) const READ_ATTEMPTS: u32 = 64;

impl Disk {
    /// Reads `length` bytes at `offset` into `sink`.
    pub async fn read(&self, offset: u64, length: u64, sink: &mut dyn ReadSink) -> DiskResult<()> {
        let mode = self.mode();
        if let Mode::Reader(reader) = &mode {
            reader.refresh().await?;
        }
        let wanted = Wanted { offset, end: offset.saturating_add(length), sink };
        match mode {
            Mode::Reader(reader) => self.read_as_reader(&reader, wanted).await,
            Mode::Writer(writer) => {
                in_range(offset, length, writer.size_bytes())?;
                read_as_writer(&writer, wanted).await
            }
            Mode::Snapshot(view) => {
                in_range(offset, length, view.size_bytes)?;
                self.read_snapshot(&view, wanted).await
            }
            Mode::Closed => Err(DiskError::Closed),
        }
    }

    async fn read_as_reader(&self, reader: &Reader, mut wanted: Wanted<'_>) -> DiskResult<()> {
        let all = [(wanted.first_block(), wanted.end_block())];
        let mut missing = Vec::new();
        let mut damaged = false;
        for _ in 0..READ_ATTEMPTS {
            let head = reader.head();
            in_range(wanted.offset, wanted.end - wanted.offset, head.size_bytes())?;
            // As the look at the store found that this read began with.
            let admitted = reader.is_marked();
            match read_mapped(&self.shared, &head.state.map(), &all, &mut wanted, admitted, None).await {
                Ok(gone) if gone.is_empty() => return Ok(()),
                Ok(gone) => missing = gone,
                // A page of a map that a newer checkpoint has replaced.
                Err(error) if error.is_not_found() => {}
                // Or an op list of an older writer, which came late, at the number of a segment that was deleted.
                Err(DiskError::Corrupt { .. }) if !damaged => damaged = true,
                Err(error) => return Err(error),
            }
            // All of it again: what is read is the image at one moment.
            reader.reload().await?;
        }
        Err(self.gone(&missing))
    }

    async fn read_snapshot(&self, view: &SnapshotView, mut wanted: Wanted<'_>) -> DiskResult<()> {
        let missing = [(wanted.first_block(), wanted.end_block())];
        let admitted = self.shared.mark().is_some();
        let outcome = read_mapped(&self.shared, &view.map, &missing, &mut wanted, admitted, None).await;
        let gone = match outcome {
            Ok(gone) if gone.is_empty() => return Ok(()),
            Ok(gone) => self.gone(&gone),
            Err(error) if error.is_not_found() => error,
            Err(error) => return Err(error),
        };
        // The snapshot pins all that it needs, unless it was removed under us.
        Header::snapshot(&self.shared.store, &self.shared.names, view.id).await?;
        Err(gone)
    }

    pub(super) fn gone(&self, blocks: &[(u64, u64)]) -> DiskError {
        gone(&self.shared, blocks)
    }

    /// A read that needs no waiting: all of it is in the buffer, in the cache, or in memory of the store's. If it was not
    /// done, call `read`; the sink may have been given parts already then.
    pub fn try_read(&self, offset: u64, length: u64, sink: &mut dyn ReadSink) -> DiskResult<Tried> {
        let mode = self.mode();
        let (size, map) = match &mode {
            Mode::Writer(writer) => (writer.size_bytes(), None),
            Mode::Reader(reader) => {
                if !reader.is_current() {
                    return Ok(Tried::No);
                }
                let head = reader.head();
                let size = head.size_bytes();
                if in_range(offset, length, size).is_err() {
                    // Its own size may be newer than what the caller was told.
                    return Ok(Tried::No);
                }
                (size, Some(head.state.map()))
            }
            Mode::Snapshot(view) => (view.size_bytes, Some(view.map.clone())),
            Mode::Closed => return Ok(Tried::No),
        };
        in_range(offset, length, size)?;
        let mut wanted = Wanted { offset, end: offset + length, sink };
        let mut missing = vec![(wanted.first_block(), wanted.end_block())];
        let map = match (&mode, map) {
            (Mode::Writer(writer), _) => {
                let [(start, end)] = missing[..] else { return Ok(Tried::No) };
                let put = |block, blocks, data: Option<&[u8]>| wanted.put(block, blocks, data);
                missing = writer.read_buffer(start, end, put)?;
                if missing.is_empty() {
                    return Ok(Tried::Done);
                }
                writer.head.state.map()
            }
            (Mode::Reader(_) | Mode::Snapshot(_) | Mode::Closed, Some(map)) => map,
            (Mode::Reader(_) | Mode::Snapshot(_) | Mode::Closed, None) => return Ok(Tried::No),
        };
        let looked = matches!(mode, Mode::Reader(_));
        if !(looked || self.shared.fixed.is_none() || self.shared.mark().is_some()) {
            return Ok(Tried::No);
        }
        let mut needed = match &mode {
            Mode::Writer(writer) => writer.watch(&wanted),
            Mode::Reader(_) | Mode::Snapshot(_) | Mode::Closed => None,
        };
        let served = try_read_mapped(&self.shared, &map, &missing, &mut wanted, needed.as_mut());
        let noted = match mode {
            Mode::Writer(writer) => needed.map(|needed| (writer, needed)),
            Mode::Reader(_) | Mode::Snapshot(_) | Mode::Closed => None,
        };
        Ok(match served {
            Served::All => {
                if let Some((writer, needed)) = noted {
                    writer.note(Some(needed));
                }
                Tried::Done
            }
            Served::Started => Tried::Started,
            Served::But(run) => match Fetch::new(&self.shared, &map, run, &wanted, noted) {
                Some(fetch) => Tried::Fetch(fetch),
                None => Tried::No,
            },
            Served::No => Tried::No,
        })
    }
}

/// The map names a segment that does not exist, whenever it is looked at.
fn gone(shared: &Shared, blocks: &[(u64, u64)]) -> DiskError {
    let error = DiskError::Corrupt {
        object: shared.names.header().oid.to_string(),
        offset: 0,
        detail: format!("the segments of blocks {blocks:?} are missing"),
    };
    tracing::error!("{error}");
    error
}

/// Buffer first, then the map: a block is in the buffer until the map has it.
pub(super) async fn read_as_writer(writer: &Writer, mut wanted: Wanted<'_>) -> DiskResult<()> {
    let mut needed = writer.watch(&wanted);
    let mut look = needed.as_mut();
    let mut missing = vec![(wanted.first_block(), wanted.end_block())];
    for _ in 0..READ_ATTEMPTS {
        let mut unbuffered = Vec::new();
        for (start, end) in missing {
            let put = |block, blocks, data: Option<&[u8]>| wanted.put(block, blocks, data);
            unbuffered.extend(writer.read_buffer(start, end, put)?);
        }
        if unbuffered.is_empty() {
            return Ok(());
        }
        let (map, admitted) = (writer.head.state.map(), writer.shared.mark().is_some());
        match read_mapped(&writer.shared, &map, &unbuffered, &mut wanted, admitted, look.take()).await {
            Ok(gone) => missing = gone,
            // A newer writer may have deleted what the map names, and an op list of an older one that came late has put
            // something else there.
            Err(error) if error.is_not_found() || matches!(error, DiskError::Corrupt { .. }) => {
                return Err(writer.shared.unless_fenced(writer.epoch, error).await);
            }
            Err(error) => return Err(error),
        }
        if missing.is_empty() {
            writer.note(needed);
            return Ok(());
        }
        // Garbage collection has moved them since the map was looked at.
    }
    let error = gone(&writer.shared, &missing);
    Err(writer.shared.unless_fenced(writer.epoch, error).await)
}
