//! Locks on ranges of blocks: read-modify-write and compare-and-write keep others out.

use std::sync::Arc;

use crate::sync::Mutex;
use tokio::sync::oneshot;

/// Overlapping locks are granted in the order in which they were asked for.
#[derive(Default)]
pub(crate) struct RangeLocks {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next_id: u64,
    /// Held and waiting ones, in the order of their ids.
    list: Vec<Entry>,
}

struct Entry {
    id: u64,
    start: u64,
    end: u64,
    /// `None`: held.
    waiter: Option<oneshot::Sender<()>>,
}

/// A held or awaited lock; gives it up when dropped.
pub(crate) struct RangeGuard {
    locks: Arc<RangeLocks>,
    id: u64,
}

impl RangeLocks {
    /// Whether blocks `start..end` are free of locks, held and awaited.
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        self.entries.lock().list.iter().all(|entry| entry.end <= start || end <= entry.start)
    }

    /// Waits until blocks `start..end` are this caller's alone.
    pub async fn lock(self: &Arc<Self>, start: u64, end: u64) -> RangeGuard {
        let (guard, granted) = {
            let mut entries = self.entries.lock();
            let id = entries.next_id;
            entries.next_id += 1;
            let free = entries.list.iter().all(|entry| entry.end <= start || end <= entry.start);
            let (sender, receiver) = oneshot::channel();
            entries.list.push(Entry { id, start, end, waiter: (!free).then_some(sender) });
            (RangeGuard { locks: self.clone(), id }, (!free).then_some(receiver))
        };
        if let Some(granted) = granted {
            // The sender lives in the list until it sends, and the list as long as the guard.
            let _ = granted.await;
        }
        guard
    }
}

impl Drop for RangeGuard {
    fn drop(&mut self) {
        let mut entries = self.locks.entries.lock();
        let list = &mut entries.list;
        list.retain(|entry| entry.id != self.id);
        for at in 0..list.len() {
            let (before, rest) = list.split_at_mut(at);
            let entry = &mut rest[0];
            if entry.waiter.is_some()
                && before.iter().all(|other| other.end <= entry.start || entry.end <= other.start)
                && let Some(waiter) = entry.waiter.take()
            {
                // A waiter that is gone drops its guard, which wakes the next.
                let _ = waiter.send(());
            }
        }
    }
}
