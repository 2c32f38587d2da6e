//! The lock for readers: who reads again and again while nobody has the exclusive lock takes it, and then need not ask the
//! store for the log's end at each read. Whoever wants the lock gets it in the usual way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::cls_lock::{self, LockType};
use super::directory::header_object;
use super::gate::Phase;
use super::image::Image;
use super::lock::{INTERNAL_TAG, LOCK_NAME, cookie_of};
use super::notice::{Answer, Notice};
use crate::errno::Errno;
use crate::store::StoreError;
use crate::sync::Mutex;

/// So many reads within `WITHIN`, each of which had to ask for the log's end, are reason enough.
const READS: u32 = 8;
const WITHIN: Duration = Duration::from_secs(1);
/// Between two attempts: the lock was somebody's, or somebody has asked for it.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });
/// After an error other than that, such as a client's that may not write.
const LONG_PAUSE: Duration = Duration::from_secs(300);
/// How long an advisory lock waits for a reader to let go.
const YIELD_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct ReadLock {
    recent: Mutex<Recent>,
    /// The lock was taken for reads, and nothing has been changed since.
    only_read: AtomicBool,
}

#[derive(Default)]
struct Recent {
    since: Duration,
    reads: u32,
    not_before: Duration,
}

impl Recent {
    /// Counts a read; true when it is time to try to take the lock.
    fn count(&mut self, now: Duration) -> bool {
        if now < self.not_before {
            return false;
        }
        if now.saturating_sub(self.since) > WITHIN {
            self.since = now;
            self.reads = 0;
        }
        self.reads += 1;
        if self.reads < READS {
            return false;
        }
        self.reads = 0;
        self.not_before = now + PAUSE;
        true
    }
}

impl Image {
    /// Before a read. Takes the lock beside it where that would spare later ones the look at the log's end.
    pub(super) fn count_read(self: &Arc<Self>) {
        if self.read_only
            || !self.head.looks_before_reads()
            || self.view.read().is_some()
            || self.gate.phase() != Phase::Closed
            || !self.takes_lock_for_reads()
            || !self.read_lock.recent.lock().count(self.env.now())
        {
            return;
        }
        if self.gate.want_open() {
            let image = self.clone();
            self.env.spawn(Box::pin(async move { image.take_for_reads().await }));
        }
    }

    /// The lock, if it is nobody's; nobody is asked for it. Those who came meanwhile to change something go on as if this had
    /// not been tried.
    async fn take_for_reads(self: Arc<Self>) {
        let Some(cookie) = self.lock_if_free().await else {
            if self.gate.not_yet() {
                self.open_gate().await;
            }
            return;
        };
        self.read_lock.only_read.store(true, Ordering::Release);
        let outcome = self.take_disk(cookie, Duration::ZERO).await;
        if outcome.is_err() {
            self.pause_for(LONG_PAUSE);
        }
        self.gate_opened(outcome).await;
    }

    async fn lock_if_free(&self) -> Option<String> {
        let cookie = cookie_of(self.watch_cookie()?);
        let oid = header_object(&self.id);
        let locked =
            cls_lock::lock(&self.pool, &oid, LOCK_NAME, LockType::Exclusive, &cookie, INTERNAL_TAG).await;
        match locked {
            Ok(()) | Err(StoreError::Op(Errno::EEXIST)) => Some(cookie),
            Err(StoreError::Op(Errno::EBUSY)) => None,
            Err(error) => {
                tracing::debug!("image {}: no lock for reads: {error}", self.id);
                self.pause_for(LONG_PAUSE);
                None
            }
        }
    }

    fn pause_for(&self, pause: Duration) {
        let mut recent = self.read_lock.recent.lock();
        recent.not_before = recent.not_before.max(self.env.now() + pause);
    }

    /// The lock is given up: others come first now.
    pub(super) fn pause_lock_for_reads(&self) {
        self.read_lock.only_read.store(false, Ordering::Release);
        self.pause_for(PAUSE);
    }

    /// Something is changed, or the lock is wanted for its own sake.
    pub(super) fn not_only_read(&self) {
        if self.read_lock.only_read.load(Ordering::Relaxed) {
            self.read_lock.only_read.store(false, Ordering::Release);
        }
    }

    /// Somebody takes an advisory lock. In librbd an opener that has only read is no obstacle to it, so it lets go.
    pub(super) fn yield_asked(self: &Arc<Self>) -> Option<Answer> {
        if self.read_lock.only_read.load(Ordering::Acquire) { self.lock_requested() } else { None }
    }

    /// Asks whoever has the lock only for its reads to let go of it; true: somebody did, or is about to.
    pub(super) async fn readers_yield(&self) -> bool {
        let Ok(info) = self.lockers().await else { return false };
        if info.lockers.is_empty() {
            return true;
        }
        if info.tag != INTERNAL_TAG {
            return false;
        }
        let moved = self.lock_moves();
        let heard = moved.notified();
        tokio::pin!(heard);
        heard.as_mut().enable();
        let Some(reply) = self.send_notice(&Notice::YieldReads).await else { return false };
        if !reply.acks.iter().any(|ack| Answer::decode(&ack.payload) == Some(Answer::Releasing)) {
            return false;
        }
        let pause = self.env.sleep(YIELD_TIMEOUT);
        tokio::select! {
            () = heard => {}
            () = pause => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_reads_in_a_short_time() {
        let ms = Duration::from_millis;
        let mut recent = Recent::default();
        let tries = (0..100).filter(|n| recent.count(ms(n * 200))).count();
        assert_eq!(tries, 0, "five a second are not worth it");
        let tries: Vec<u64> = (0..1000).filter(|n| recent.count(ms(100_000 + n * 10))).collect();
        assert_eq!(tries[0], 7);
        let pause = PAUSE.as_millis() as u64 / 10;
        assert!(tries.windows(2).all(|pair| pair[1] - pair[0] >= pause), "{tries:?}");
    }
}
