//! Reads and writes with librbd's rules: clipping at the image's end, discard granularity, object boundaries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::{ImageError, ImageResult, refuse};
use super::gate::Permit;
use super::header::{self, Timestamp};
use super::image::{Image, closed};
use super::tracker::Ticket;
use crate::disk::{Accepted, Compared, Fetch, ReadSink, Tried};
use crate::errno::Errno;
use crate::store::FixedReads;

/// What `compare_and_write` works on: it may not reach into another one.
const SECTOR: u64 = 512;

/// How a compare-and-write ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompareOutcome {
    Written(u64),
    /// Where the object begins in the image, plus the bytes from the request's start to the first difference.
    Mismatch(u64),
}

/// How far a read came without waiting. If it is not `Done`, [`Image::read`] does it; if it is a `Fetch`, that does, without a task.
pub enum TriedRead {
    Done(ImageResult<u64>),
    /// What it needs is being loaded.
    Started,
    Fetch(ImageFetch),
    No,
}

/// A read that one op list of the store's completes.
pub struct ImageFetch {
    image: Arc<Image>,
    fetch: Fetch,
    length: u64,
    _permit: Option<Permit>,
}

impl ImageFetch {
    /// Asks the store. `done` is told how many bytes there were, on whichever thread, also before this returns: it must not block.
    /// `None`: call [`Image::read`].
    pub fn start<S: ReadSink + 'static>(self, sink: S, done: impl FnOnce(S, Option<u64>) + Send + 'static) {
        let ImageFetch { image, fetch, length, _permit } = self;
        fetch.start(sink, move |sink, found| {
            if found {
                image.touch_accessed();
            }
            // Closing waits for those who have this.
            drop((_permit, image));
            done(sink, found.then_some(length));
        });
    }
}

/// A write that was accepted and is not durable yet.
pub struct ImageAccepted {
    accepted: Accepted,
    length: u64,
    permit: Permit,
}

impl ImageAccepted {
    /// Tells `done` once what became of it, on whichever thread, also before this returns: it must neither block nor call the image.
    pub fn then(self, done: impl FnOnce(ImageResult<u64>) + Send + 'static) {
        let ImageAccepted { accepted, length, permit } = self;
        accepted.then(Box::new(move |durable| {
            drop(permit);
            done(durable.map(|()| length).map_err(ImageError::from));
        }));
    }
}

/// The part of a request that lies in the image: EINVAL if it begins past the end; empty requests are always fine.
fn clip(size: u64, offset: u64, length: u64) -> ImageResult<u64> {
    if length == 0 {
        return Ok(0);
    }
    if offset >= size {
        return refuse(Errno::EINVAL, format!("offset {offset} is past the image's end at {size}"));
    }
    Ok(length.min(size - offset))
}

/// The first `length` bytes of pieces.
fn cut<'a>(pieces: &[&'a [u8]], length: u64) -> Vec<&'a [u8]> {
    let mut left = length as usize;
    let mut kept = Vec::new();
    for piece in pieces {
        let here = piece.len().min(left);
        if here > 0 {
            kept.push(&piece[..here]);
        }
        left -= here;
    }
    kept
}

pub fn total(pieces: &[&[u8]]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

impl Image {
    /// Counts as a request under way until it is dropped: flush and close wait for it.
    pub fn ticket(&self) -> Ticket {
        self.tracker.ticket()
    }

    fn is_stale(&self) -> bool {
        self.read_only || self.stale.load(Ordering::Acquire)
    }

    /// The size that a request is checked against.
    async fn size_for_io(&self) -> ImageResult<u64> {
        if self.gate.is_shutting() {
            return Err(closed());
        }
        if self.is_stale() { self.size().await } else { Ok(self.size_now()) }
    }

    /// Reads into `sink`; how many bytes there were.
    pub async fn read(
        self: &Arc<Self>,
        offset: u64,
        length: u64,
        sink: &mut dyn ReadSink,
    ) -> ImageResult<u64> {
        let length = clip(self.size_for_io().await?, offset, length)?;
        if length > 0 {
            let _permit = self.read_permit().await?;
            self.count_read();
            self.wait_for_readahead(offset, length).await;
            self.readable().read(offset, length, sink).await?;
            self.touch_accessed();
        }
        Ok(length)
    }

    /// A read that needs no waiting; the sink may have been given parts already if it was not done.
    pub fn try_read(self: &Arc<Self>, offset: u64, length: u64, sink: &mut dyn ReadSink) -> TriedRead {
        if self.gate.is_shutting() {
            return TriedRead::No;
        }
        let loaded = self.read_ahead(offset, length);
        if !loaded || (self.is_stale() && self.view.read().is_none()) {
            return TriedRead::No;
        }
        let length = match clip(self.size_now(), offset, length) {
            Ok(0) => return TriedRead::Done(Ok(0)),
            Ok(length) => length,
            Err(error) => return TriedRead::Done(Err(error)),
        };
        let locks = self.locks_reads.load(Ordering::Acquire) && self.view.read().is_none();
        let permit = if locks { self.gate.try_enter() } else { None };
        if locks && permit.is_none() {
            return TriedRead::No;
        }
        match self.readable().try_read(offset, length, sink) {
            Ok(Tried::Done) => {
                self.touch_accessed();
                TriedRead::Done(Ok(length))
            }
            Ok(Tried::Started) => TriedRead::Started,
            Ok(Tried::Fetch(fetch)) => {
                TriedRead::Fetch(ImageFetch { image: self.clone(), fetch, length, _permit: permit })
            }
            Ok(Tried::No) => TriedRead::No,
            Err(error) => TriedRead::Done(Err(error.into())),
        }
    }

    /// The store's helper threads, for requests that may have to wait for the disk.
    pub fn helpers(&self) -> Option<&Arc<dyn FixedReads>> {
        self.head.fixed()
    }

    /// Clips a change, then asks for the right to make it. `None`: there is nothing to do.
    async fn begin(self: &Arc<Self>, offset: u64, length: u64) -> ImageResult<Option<(u64, Permit)>> {
        clip(self.size_for_io().await?, offset, length)?;
        self.check_writable()?;
        if length == 0 {
            return Ok(None);
        }
        let permit = self.permit().await?;
        // Whoever had the lock before may have changed the size.
        let length = clip(self.head.size_bytes(), offset, length)?;
        Ok(Some((length, permit)))
    }

    /// Writes the pieces one after the other; how many bytes were inside of the image.
    pub async fn write(self: &Arc<Self>, offset: u64, data: &[&[u8]]) -> ImageResult<u64> {
        let wanted = total(data);
        let Some((length, _permit)) = self.begin(offset, wanted).await? else { return Ok(0) };
        if length == wanted {
            self.head.write(offset, data).await?;
        } else {
            self.head.write(offset, &cut(data, length)).await?;
        }
        self.touch_modified();
        Ok(length)
    }

    /// A write that needs no waiting; `None`: nothing was done, call `write`.
    pub fn try_write(self: &Arc<Self>, offset: u64, data: &[&[u8]]) -> Option<ImageResult<u64>> {
        let (_permit, length) = self.try_begin(offset, data)?;
        let written = self.head.try_write(offset, data)?;
        self.touch_modified();
        Some(written.map(|()| length).map_err(Into::into))
    }

    /// A write that has only to become durable before it is acknowledged: accepted, and to be waited for by [`ImageAccepted::then`];
    /// `None`: nothing was done, call `write`.
    pub fn try_write_through(
        self: &Arc<Self>,
        offset: u64,
        data: &[&[u8]],
    ) -> Option<ImageResult<ImageAccepted>> {
        let (permit, length) = self.try_begin(offset, data)?;
        let accepted = self.head.try_write_through(offset, data)?;
        self.touch_modified();
        Some(accepted.map(|accepted| ImageAccepted { accepted, length, permit }).map_err(Into::into))
    }

    /// The right to write, if it is to be had without waiting, and the image takes all of it.
    fn try_begin(self: &Arc<Self>, offset: u64, data: &[&[u8]]) -> Option<(Permit, u64)> {
        if self.is_stale() || self.check_writable().is_err() {
            return None;
        }
        let permit = self.gate.try_enter()?;
        let wanted = total(data);
        let length = clip(self.head.size_bytes(), offset, wanted).ok()?;
        (length > 0 && length == wanted).then_some((permit, length))
    }

    /// Gives the range back, in whole multiples of the discard granularity; the rest of it keeps its data, as in
    /// librbd. How many bytes of it were inside of the image.
    pub async fn discard(self: &Arc<Self>, offset: u64, length: u64) -> ImageResult<u64> {
        let Some((length, _permit)) = self.begin(offset, length).await? else { return Ok(0) };
        let granularity = self.settings.read().discard_granularity;
        if let Some((from, to)) = whole_parts(offset, offset + length, granularity, self.object_size()) {
            self.head.discard(from, to - from).await?;
        }
        self.touch_modified();
        Ok(length)
    }

    pub async fn write_zeroes(self: &Arc<Self>, offset: u64, length: u64) -> ImageResult<u64> {
        let Some((length, _permit)) = self.begin(offset, length).await? else { return Ok(0) };
        self.head.write_zeroes(offset, length).await?;
        self.touch_modified();
        Ok(length)
    }

    /// Fills the range with copies of `pattern`: EINVAL unless its length divides `length`.
    pub async fn write_same(self: &Arc<Self>, offset: u64, length: u64, pattern: &[u8]) -> ImageResult<u64> {
        let unit = pattern.len() as u64;
        if unit == 0 || !length.is_multiple_of(unit) {
            return refuse(Errno::EINVAL, format!("{length} bytes are no multiple of the pattern's {unit}"));
        }
        let Some((inside, _permit)) = self.begin(offset, length).await? else { return Ok(0) };
        // The image's end may lie inside of a copy of the pattern.
        let (whole, rest) = (inside - inside % unit, (inside % unit) as usize);
        if whole > 0 {
            self.head.write_same(offset, whole, pattern).await?;
        }
        if rest > 0 {
            self.head.write(offset + whole, &[&pattern[..rest]]).await?;
        }
        self.touch_modified();
        Ok(inside)
    }

    /// Writes `data` if the image holds `compare`. Both have the same length; EINVAL for a range that lies in more than
    /// one sector.
    pub async fn compare_and_write(
        self: &Arc<Self>,
        offset: u64,
        compare: &[u8],
        data: &[u8],
    ) -> ImageResult<CompareOutcome> {
        let wanted = data.len() as u64;
        let Some((length, _permit)) = self.begin(offset, wanted).await? else {
            return refuse(Errno::EINVAL, "nothing to compare");
        };
        if offset / SECTOR != (offset + length - 1) / SECTOR {
            return refuse(Errno::EINVAL, format!("range {offset}+{length} is in more than one sector"));
        }
        let inside = length as usize;
        let compared = self.head.compare_and_write(offset, &compare[..inside], &data[..inside]).await?;
        Ok(match compared {
            Compared::Written => {
                self.touch_modified();
                CompareOutcome::Written(length)
            }
            // As librbd counts: from the object's start in the image, but within the request.
            Compared::Mismatch { offset: at } => {
                let object_start = offset - offset % self.object_size();
                CompareOutcome::Mismatch(object_start + at.saturating_sub(offset))
            }
        })
    }

    /// Completes when all writes that were issued before the call are durable.
    pub async fn flush(self: &Arc<Self>) -> ImageResult<()> {
        self.tracker.all().await;
        self.head.flush().await?;
        Ok(())
    }

    /// As [`Image::flush`] for a request that waits for those `before` it, itself not among them.
    pub async fn flush_after(self: &Arc<Self>, before: impl Future<Output = ()>) -> ImageResult<()> {
        before.await;
        self.head.flush().await?;
        Ok(())
    }

    /// [`Image::flush`] without a task, as a request of its own; false if others are under way, which it would have to wait for. `done`
    /// is told the outcome, on whichever thread: it must neither block nor call the image.
    pub fn try_flush(&self, done: impl FnOnce(ImageResult<()>) + Send + 'static) -> bool {
        let Some(ticket) = self.tracker.ticket_if_idle() else { return false };
        self.head.flush_then(Box::new(move |flushed| {
            done(flushed.map_err(ImageError::from));
            drop(ticket);
        }));
        true
    }

    /// Completes when the requests that are under way now have completed.
    pub fn earlier_requests(&self) -> impl Future<Output = ()> + Send + 'static {
        self.tracker.all()
    }

    pub async fn invalidate_cache(self: &Arc<Self>) -> ImageResult<()> {
        self.tracker.all().await;
        self.readable().invalidate_cache().await?;
        Ok(())
    }

    fn touch_accessed(self: &Arc<Self>) {
        let interval = self.settings.read().access_update;
        if self.read_only || !self.is_due(&self.access_due_ms, interval, |header| header.accessed) {
            return;
        }
        let image = self.clone();
        self.env.spawn(Box::pin(async move {
            let now = Timestamp::now();
            if let Err(error) = header::set_accessed(&image.pool, &image.id, now).await {
                return tracing::debug!("image {}: access time: {error}", image.id);
            }
            image.known.write().header.accessed = now;
        }));
    }

    fn touch_modified(self: &Arc<Self>) {
        self.not_only_read();
        let interval = self.settings.read().modify_update;
        if !self.is_due(&self.modify_due_ms, interval, |header| header.modified) {
            return;
        }
        let image = self.clone();
        self.env.spawn(Box::pin(async move {
            let now = Timestamp::now();
            if let Err(error) = header::set_modified(&image.pool, &image.id, now).await {
                return tracing::debug!("image {}: modification time: {error}", image.id);
            }
            image.known.write().header.modified = now;
        }));
    }

    /// Whether a timestamp is to be written again; true once for each interval. An interval of zero means never.
    fn is_due(
        &self,
        due_ms: &AtomicU64,
        interval: Duration,
        last: impl Fn(&header::Header) -> Timestamp,
    ) -> bool {
        let interval_ms = interval.as_millis() as u64;
        if interval_ms == 0 {
            return false;
        }
        let now_ms = self.env.unix_time_ns() / 1_000_000;
        let mut due = due_ms.load(Ordering::Relaxed);
        if due == 0 {
            let last = last(&self.known.read().header);
            due = last.seconds * 1000 + u64::from(last.nanoseconds) / 1_000_000 + interval_ms;
            due_ms.store(due, Ordering::Relaxed);
        }
        now_ms >= due
            && due_ms
                .compare_exchange(due, now_ms + interval_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// What a discard of `from..to` really discards: whole multiples of the granularity. Where that is no less than an
/// object, objects are cut off from where the discard begins in them, but never at the front.
fn whole_parts(from: u64, to: u64, granularity: u64, object_size: u64) -> Option<(u64, u64)> {
    let (from, to) = match granularity.min(object_size) {
        0 => (from, to),
        unit if unit == object_size => (from, to - to % unit),
        unit => (from.next_multiple_of(unit), to - to % unit),
    };
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping() {
        assert_eq!(clip(100, 90, 20).unwrap(), 10);
        assert_eq!(clip(100, 100, 0).unwrap(), 0);
        assert_eq!(clip(100, 500, 0).unwrap(), 0);
        assert_eq!(clip(100, 100, 1).unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(clip(0, 0, 1).unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(cut(&[b"abc", b"def"], 4), [&b"abc"[..], b"d"]);
    }

    /// Seen with librbd 16.2.15: order 22, granularity 64 KiB.
    #[test]
    fn discards_as_librbd() {
        let parts = |offset: u64, length: u64| whole_parts(offset, offset + length, 65536, 4 << 20);
        assert_eq!(parts(100, 1000), None);
        assert_eq!(parts(4096, 65536), None);
        assert_eq!(parts(1000, 200_000), Some((65536, 196_608)));
        assert_eq!(parts(300_000, 262_144), Some((327_680, 524_288)));
        assert_eq!(parts((4 << 20) - 70_000, 140_000), Some((4_128_768, 4_259_840)));
        // Order 12.
        let parts = |offset: u64, length: u64| whole_parts(offset, offset + length, 65536, 4096);
        assert_eq!(parts(100, 9000), Some((100, 8192)));
        assert_eq!(parts(900_000, 100_000), Some((900_000, 999_424)));
        assert_eq!(parts(8192, 900), None);
    }
}
