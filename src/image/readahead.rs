//! Readahead: who reads one piece after the other finds the next ones in the cache. It follows the image's blocks, wherever in the log
//! they lie. The options are librbd's: it begins after `rbd_readahead_trigger_requests` requests in a row, is at most
//! `rbd_readahead_max_bytes` ahead (0: none), and ends once `rbd_readahead_disable_after_bytes` were read (0: never), because a guest
//! that has booted has a readahead of its own.
//!
//! A wrong guess costs store reads and some of the cache, which a scan does not empty; never a wrong byte, because the cache is by
//! places in the log.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::sync::watch;

use super::image::Image;
use crate::disk::ReadSink;
use crate::env::BoxFuture;
use crate::sync::Mutex;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadaheadOptions {
    pub trigger_requests: u32,
    pub max_bytes: u64,
    pub disable_after_bytes: u64,
}

#[derive(Default)]
pub(super) struct Readahead(Mutex<State>);

#[derive(Default)]
struct State {
    /// Where the last request ended.
    next: u64,
    /// Requests before it in a row.
    in_row: u32,
    read_bytes: u64,
    /// How far ahead the next piece may reach.
    window: u64,
    /// Loaded, or being loaded, up to here.
    ahead: u64,
    pending: Vec<Pending>,
}

/// A piece that is being loaded.
struct Pending {
    bytes: Range<u64>,
    /// Ends when its sender is dropped: loaded or not.
    loaded: watch::Receiver<()>,
}

/// A piece to be loaded; it counts as being loaded until the sender is dropped.
struct Piece {
    bytes: Range<u64>,
    _loading: watch::Sender<()>,
}

impl Readahead {
    /// A request has come; what is to be loaded now. `size` is the image's.
    fn note(&self, options: ReadaheadOptions, offset: u64, length: u64, size: u64) -> Option<Piece> {
        let mut state = self.0.lock();
        let state = &mut *state;
        let first = state.read_bytes == 0;
        state.read_bytes = state.read_bytes.saturating_add(length);
        let over = options.disable_after_bytes > 0 && state.read_bytes > options.disable_after_bytes;
        if over || length >= options.max_bytes {
            return None;
        }
        let follows = offset == state.next && !first;
        state.next = offset + length;
        if !follows {
            (state.in_row, state.window, state.ahead) = (0, 0, 0);
            return None;
        }
        state.in_row = state.in_row.saturating_add(1);
        if state.in_row < options.trigger_requests.max(1) {
            return None;
        }
        if state.window == 0 {
            state.window = (length * u64::from(state.in_row)).min(options.max_bytes);
        }
        let from = state.ahead.max(state.next);
        let to = (state.next + state.window).min(size);
        // Half of the window is left.
        if from >= to || from - state.next > state.window / 2 {
            return None;
        }
        state.ahead = to;
        state.window = (state.window * 2).min(options.max_bytes);
        let (sender, loaded) = watch::channel(());
        state.pending.retain(|piece| piece.loaded.has_changed().is_ok());
        state.pending.push(Pending { bytes: from..to, loaded });
        Some(Piece { bytes: from..to, _loading: sender })
    }

    /// Pieces of a request's range that are being loaded.
    fn pending(&self, offset: u64, length: u64) -> Vec<watch::Receiver<()>> {
        let mut state = self.0.lock();
        if state.pending.is_empty() {
            return Vec::new();
        }
        state.pending.retain(|piece| piece.loaded.has_changed().is_ok());
        let meets =
            |piece: &&Pending| piece.bytes.start < offset.saturating_add(length) && offset < piece.bytes.end;
        state.pending.iter().filter(meets).map(|piece| piece.loaded.clone()).collect()
    }
}

/// Nobody wants the bytes: they go into the cache.
struct Nowhere;

impl ReadSink for Nowhere {
    fn put(&mut self, _offset: u64, _data: &[u8]) {}

    fn zero(&mut self, _offset: u64, _length: u64) {}

    fn fills_cache(&self) -> bool {
        true
    }
}

impl Image {
    /// A request to read has come. False: what it wants is being loaded.
    pub(super) fn read_ahead(self: &Arc<Self>, offset: u64, length: u64) -> bool {
        let options = self.settings.read().readahead;
        if options.max_bytes == 0 {
            return true;
        }
        if let Some(piece) = self.readahead.note(options, offset, length, self.size_now()) {
            let image = self.clone();
            self.beside(Box::pin(async move {
                let Range { start, end } = piece.bytes;
                if let Err(error) = image.readable().read(start, end - start, &mut Nowhere).await {
                    // Whoever wants these bytes is told.
                    tracing::debug!("image {}: reading ahead at {start}: {error}", image.id);
                }
                drop(piece);
            }));
        }
        self.readahead.pending(offset, length).is_empty()
    }

    /// Waits for what is being loaded of a request's range.
    pub(super) async fn wait_for_readahead(&self, offset: u64, length: u64) {
        for mut loaded in self.readahead.pending(offset, length) {
            // Nothing is ever sent: the end of this is that the piece's task has ended.
            while loaded.changed().await.is_ok() {}
        }
    }

    /// Runs a task on a helper thread of the store's, which may wait for the disk, as far as it goes there.
    fn beside(&self, mut task: BoxFuture<()>) {
        let Some(helpers) = self.helpers() else { return self.env.spawn(task) };
        let env = self.env.clone();
        let job = Box::new(move || {
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                // Polled again there, so that whatever it waits for knows whom to wake.
                env.spawn(task);
            }
        });
        // Without helpers there is no readahead.
        drop(helpers.help(job, false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const OPTIONS: ReadaheadOptions =
        ReadaheadOptions { trigger_requests: 4, max_bytes: 64 * KIB, disable_after_bytes: 0 };

    fn bytes(piece: &Option<Piece>) -> Option<Range<u64>> {
        piece.as_ref().map(|piece| piece.bytes.start / KIB..piece.bytes.end / KIB)
    }

    #[test]
    fn windows_grow_and_stay_ahead() {
        let ahead = Readahead::default();
        let mut pieces = Vec::new();
        for n in 0..100 {
            if let Some(piece) = ahead.note(OPTIONS, n * 4 * KIB, 4 * KIB, 300 * KIB) {
                pieces.push((n, bytes(&Some(piece)).unwrap()));
            }
        }
        assert_eq!(pieces[0], (4, 20..36));
        assert_eq!(pieces[1], (5, 36..56));
        assert!(pieces.windows(2).all(|two| two[0].1.end == two[1].1.start), "{pieces:?}");
        assert!(pieces.iter().all(|(n, piece)| piece.end <= (n + 1) * 4 + 64), "{pieces:?}");
        assert_eq!(pieces.last().unwrap().1.end, 300, "not past the end of the image");
        assert!(pieces.len() < 15, "{pieces:?}");
    }

    #[test]
    fn only_requests_in_a_row() {
        let ahead = Readahead::default();
        for n in 0..50 {
            assert!(ahead.note(OPTIONS, n * 8 * KIB, 4 * KIB, 1 << 30).is_none(), "with gaps");
        }
        for n in 0..4 {
            assert!(ahead.note(OPTIONS, n * 4 * KIB, 4 * KIB, 1 << 30).is_none());
        }
        assert!(ahead.note(OPTIONS, 16 * KIB, 4 * KIB, 1 << 30).is_some());
        assert!(ahead.note(OPTIONS, 100 * KIB, 4 * KIB, 1 << 30).is_none());
        for n in 0..50 {
            assert!(ahead.note(OPTIONS, n * 64 * KIB, 64 * KIB, 1 << 30).is_none(), "long ones need none");
        }
    }

    #[test]
    fn ends_after_so_many_bytes() {
        let options = ReadaheadOptions { disable_after_bytes: 100 * KIB, ..OPTIONS };
        let ahead = Readahead::default();
        let pieces = (0..100).filter_map(|n| ahead.note(options, n * 4 * KIB, 4 * KIB, 1 << 30)).count();
        assert!((1..10).contains(&pieces), "{pieces}");
        assert!(ahead.note(options, 400 * KIB, 4 * KIB, 1 << 30).is_none());
    }

    #[test]
    fn what_is_being_loaded_is_waited_for() {
        let ahead = Readahead::default();
        let piece = (0..5).filter_map(|n| ahead.note(OPTIONS, n * 4 * KIB, 4 * KIB, 1 << 30)).last();
        assert_eq!(bytes(&piece), Some(20..36));
        assert_eq!(ahead.pending(16 * KIB, 4 * KIB).len(), 0);
        assert_eq!(ahead.pending(16 * KIB, 5 * KIB).len(), 1);
        assert_eq!(ahead.pending(36 * KIB, 5 * KIB).len(), 0);
        drop(piece);
        assert_eq!(ahead.pending(20 * KIB, 4 * KIB).len(), 0);
    }
}
