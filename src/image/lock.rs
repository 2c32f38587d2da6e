//! The exclusive lock: taken by the first change, handed over on request, taken from the dead.
//!
//! Two independent layers keep writers apart (docs/disk.md): this lock, and the disk's epoch. The lock decides *who*
//! should write; taking the disk over (`Disk::acquire`) makes sure that nobody else can.
//!
//! The lock is Ceph's class `lock` on the header, named `rbd_lock`, with the owner's cookie `auto <watch>`: the owner
//! lives as long as that watch is listed. Order of a hand-over: the owner lets requests finish, flushes, takes a
//! checkpoint (`Disk::release`), unlocks, tells the others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::cls_lock::{self, LockInfo, LockType, Locker};
use super::directory::header_object;
use super::error::{ImageResult, refuse};
use super::features;
use super::gate::{Entry, Permit, Phase};
use super::image::{Image, closed};
use super::notice::{Answer, Notice};
use super::watch::watchers;
use crate::errno::Errno;
use crate::store::StoreError;

/// The lock's name, which advisory locks (`rbd_lock_exclusive`) share, as in librbd.
pub const LOCK_NAME: &str = "rbd_lock";
/// The tag of locks that openers manage themselves.
pub const INTERNAL_TAG: &str = "internal";
const COOKIE_PREFIX: &str = "auto ";
/// A notification that the lock has moved may be lost: try again at the latest after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Who has let go because another asked lets that one be first: it asks again when it hears that the lock was taken, or
/// after this long if the other does not take it (it may have been stopped or killed).
const HAND_OVER: Duration = Duration::from_millis(250);

/// Who has taken the lock keeps it for so many times as long as taking over the disk took, within bounds, even if another asks: where
/// several write at once, most of the time goes to writing and not to the hand-over.
const HOLD_TIMES: u32 = 4;
const SHORTEST_HOLD: Duration = Duration::from_millis(20);
const LONGEST_HOLD: Duration = Duration::from_millis(500);

/// What an opener does when somebody else wants the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Policy {
    /// Takes it when needed, hands it over when asked.
    #[default]
    Automatic,
    /// Taken with `rbd_lock_acquire`: neither.
    Manual,
}

pub struct LockState {
    policy: Policy,
    /// The cookie that the lock is held with.
    held: Option<String>,
    /// It is not handed over before this time.
    hold_until: Duration,
    /// A hand-over waits for that time.
    is_due: bool,
    /// The lock has moved, or a watch has ended: worth trying again.
    moved: Arc<Notify>,
    /// Another opener has taken the lock.
    taken: Arc<Notify>,
}

impl Default for LockState {
    fn default() -> LockState {
        LockState {
            policy: Policy::default(),
            held: None,
            hold_until: Duration::ZERO,
            is_due: false,
            moved: Arc::new(Notify::new()),
            taken: Arc::new(Notify::new()),
        }
    }
}

/// Who has the lock, as `rbd_lock_get_owners` tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    pub address: String,
}

pub(super) fn cookie_of(watch: u64) -> String {
    format!("{COOKIE_PREFIX}{watch}")
}

/// Whether what failed so may work later on.
pub(super) fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::NoSpace | StoreError::Io { .. })
}

/// The watch that a managed lock's cookie names; `None`: somebody's advisory lock.
fn watch_of(info: &LockInfo, locker: &Locker) -> Option<u64> {
    if info.tag != INTERNAL_TAG || !info.exclusive {
        return None;
    }
    locker.cookie.strip_prefix(COOKIE_PREFIX)?.parse().ok()
}

impl Image {
    /// The right to read and write, taking the lock if need be. EROFS where another owner keeps it, or where this
    /// opener has managed the lock by hand and does not have it now.
    pub(super) async fn permit(self: &Arc<Self>) -> ImageResult<Permit> {
        if let Some(permit) = self.gate.try_enter() {
            return Ok(permit);
        }
        if self.lock.lock().policy == Policy::Manual && self.gate.phase() == Phase::Closed {
            return refuse(Errno::EROFS, format!("image {}: the exclusive lock was given up", self.id));
        }
        self.wait_for_permit().await
    }

    /// The right to change the image as a whole: taken even where the lock was managed by hand.
    pub(super) async fn wait_for_permit(self: &Arc<Self>) -> ImageResult<Permit> {
        match self.gate.enter() {
            Entry::Inside(permit) => Ok(permit),
            Entry::Shut => Err(closed()),
            Entry::Wait { answer, open } => {
                self.not_only_read();
                if open {
                    let image = self.clone();
                    self.env.spawn(Box::pin(async move { image.open_gate().await }));
                }
                answer.await.unwrap_or_else(|_| Err(closed()))
            }
        }
    }

    /// Takes the lock and the disk, and opens the gate; or tells those who wait why not.
    pub(super) async fn open_gate(self: Arc<Self>) {
        let outcome = self.take().await;
        self.gate_opened(outcome).await;
    }

    /// Ends what opens the gate.
    pub(super) async fn gate_opened(self: Arc<Self>, outcome: ImageResult<()>) {
        if let Err(error) = &outcome {
            tracing::info!("image {}: no exclusive lock: {error}", self.id);
        }
        let taken = outcome.is_ok();
        self.gate.opened(outcome);
        if !taken {
            return;
        }
        // The watch that the lock names was lost meanwhile, when there was no open gate to close yet: others may take this
        // opener for dead. Whoever waited is inside and finishes; the next one takes the lock anew.
        if !self.is_held_by_own_watch() {
            return self.give_up_soon();
        }
        self.send_notice(&Notice::AcquiredLock).await;
    }

    fn give_up_soon(self: &Arc<Self>) {
        if self.gate.want_close() {
            self.env.spawn(Box::pin(self.clone().give_up_lock()));
        }
    }

    fn is_held_by_own_watch(&self) -> bool {
        let watch = self.watch_cookie();
        let lock = self.lock.lock();
        watch.is_some_and(|watch| lock.held.as_deref() == Some(cookie_of(watch).as_str()))
    }

    async fn take(self: &Arc<Self>) -> ImageResult<()> {
        let cookie = self.take_header_lock().await?;
        self.take_disk(cookie, SHORTEST_HOLD).await
    }

    /// Takes the disk over with the header's lock, which was taken; kept for `least` if another wants it.
    pub(super) async fn take_disk(self: &Arc<Self>, cookie: String, least: Duration) -> ImageResult<()> {
        self.lock.lock().held = Some(cookie);
        let begin = self.env.now();
        if let Err(error) = self.head.acquire_with(self.local).await {
            self.unlock_header().await;
            self.tell_released().await;
            return Err(error.into());
        }
        let end = self.env.now();
        let hold = match least {
            Duration::ZERO => least,
            least => (end.saturating_sub(begin) * HOLD_TIMES).clamp(least, LONGEST_HOLD),
        };
        self.lock.lock().hold_until = end + hold;
        Ok(())
    }

    /// Loops until the header's lock is this opener's: each turn either takes it, asks its owner for it, or breaks a
    /// dead owner's. While a living owner is busy this waits, as librbd does.
    async fn take_header_lock(self: &Arc<Self>) -> ImageResult<String> {
        let oid = header_object(&self.id);
        let moved = self.lock.lock().moved.clone();
        loop {
            let heard = moved.notified();
            if self.gate.is_shutting() {
                return Err(closed());
            }
            if let Some(errno) = self.watch_lost() {
                return refuse(errno, format!("image {}: its header cannot be watched", self.id));
            }
            if let Some(watch) = self.watch_cookie() {
                let cookie = cookie_of(watch);
                let locked =
                    cls_lock::lock(&self.pool, &oid, LOCK_NAME, LockType::Exclusive, &cookie, INTERNAL_TAG);
                match locked.await {
                    Ok(()) | Err(StoreError::Op(Errno::EEXIST)) => return Ok(cookie),
                    Err(StoreError::Op(Errno::EBUSY)) => {
                        if self.deal_with_owner(&oid).await? {
                            continue;
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let pause = self.env.sleep(RETRY);
            tokio::select! {
                () = heard => {}
                () = pause => {}
            }
        }
    }

    /// The lock is somebody else's. True: worth trying again at once; false: wait first.
    async fn deal_with_owner(self: &Arc<Self>, oid: &str) -> ImageResult<bool> {
        let info = cls_lock::info(&self.pool, oid, LOCK_NAME).await?;
        let Some(locker) = info.lockers.first() else { return Ok(true) };
        let Some(watch) = watch_of(&info, locker) else {
            return refuse(Errno::EBUSY, format!("image {} is locked by {}", self.id, locker.cookie));
        };
        let listed = watchers(&self.pool, oid).await?;
        let alive = listed.iter().any(|watcher| watcher.gid == locker.name.gid() && watcher.cookie == watch);
        if !alive {
            self.break_dead(oid, locker).await?;
            return Ok(true);
        }
        let Some(reply) = self.send_notice(&Notice::RequestLock).await else { return Ok(false) };
        let from_owner =
            reply.acks.iter().filter(|ack| ack.notifier_gid == locker.name.gid() && ack.cookie == watch);
        match from_owner.filter_map(|ack| Answer::decode(&ack.payload)).next() {
            Some(Answer::Refused(errno)) => {
                refuse(errno, format!("image {}: {} keeps the exclusive lock", self.id, locker.name))
            }
            // It lets go, or it has just let go, or it is busy: wait for word of it.
            Some(Answer::Releasing | Answer::Done | Answer::Failed(_)) | None => Ok(false),
        }
    }

    /// Whether the lock is somebody's whose watch is listed.
    pub(super) async fn owner_lives(&self) -> ImageResult<bool> {
        let oid = header_object(&self.id);
        let info = cls_lock::info(&self.pool, &oid, LOCK_NAME).await?;
        let listed = watchers(&self.pool, &oid).await?;
        Ok(info.lockers.iter().any(|locker| {
            let watch = watch_of(&info, locker);
            listed.iter().any(|other| other.gid == locker.name.gid() && Some(other.cookie) == watch)
        }))
    }

    /// A dead owner's lock: its client is fenced first, so that nothing it has sent can arrive afterwards.
    async fn break_dead(&self, oid: &str, locker: &Locker) -> ImageResult<()> {
        let (fence, expire_s) = {
            let settings = self.settings.read();
            (settings.blocklist_on_break_lock, settings.blocklist_expire_s)
        };
        if fence && locker.name.gid() != self.pool.store.instance_id() {
            tracing::warn!("image {}: fencing the dead owner {} at {}", self.id, locker.name, locker.address);
            self.pool.store.blocklist_add(&locker.address, expire_s).await?;
        }
        match cls_lock::break_lock(&self.pool, oid, LOCK_NAME, locker).await {
            // Somebody else was faster.
            Ok(()) | Err(StoreError::Op(Errno::ENOENT)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs after `Gate::want_close` said so: finishes what is under way and gives the lock up.
    pub(super) async fn give_up_lock(self: Arc<Self>) {
        self.gate.closing().await;
        if self.gate.phase() != Phase::Closing {
            return; // shut: whoever closes the image gives the lock up
        }
        match self.head.release().await {
            Ok(()) => {}
            // The disk is dead to this opener, and the lock is of no use to it.
            Err(error) if !self.head.is_writer() => tracing::warn!("image {}: {error}", self.id),
            // Acknowledged data could not be made durable yet (no space): it must not be left behind.
            Err(error) => {
                tracing::warn!("image {}: keeps the exclusive lock: {error}", self.id);
                return self.gate.stays_open();
            }
        }
        let taken = self.lock.lock().taken.clone();
        // Counts from here on, also what comes before it is polled.
        let mut another = Box::pin(taken.notified_owned());
        another.as_mut().enable();
        self.unlock_header().await;
        self.pause_lock_for_reads();
        let wanted = self.gate.closed();
        // Not waited for: a watcher that was stopped answers late.
        let image = self.clone();
        self.env.spawn(Box::pin(async move { image.tell_released().await }));
        if wanted {
            let image = self.clone();
            self.env.spawn(Box::pin(async move {
                let pause = image.env.sleep(HAND_OVER);
                tokio::select! {
                    () = another => {}
                    () = pause => {}
                }
                image.open_gate().await;
            }));
        }
    }

    pub(super) async fn tell_released(&self) {
        self.send_notice(&Notice::ReleasedLock).await;
    }

    /// Unlocks the header. Others are to be told then. If it fails (no space) and the image is being closed, it is tried
    /// again beside other work: nobody could break the lock of a client that lives.
    pub(super) async fn unlock_header(self: &Arc<Self>) {
        let Some(cookie) = self.lock.lock().held.take() else { return };
        if let Err(error) = self.unlock(&cookie).await {
            tracing::warn!("image {}: unlocking: {error}", self.id);
            if !self.gate.is_shutting() || !is_passing(&error) {
                return;
            }
            let image = self.clone();
            self.env.spawn(Box::pin(async move {
                while let Err(error) = image.unlock(&cookie).await
                    && is_passing(&error)
                {
                    image.env.sleep(RETRY).await;
                }
                image.tell_released().await;
            }));
        }
    }

    async fn unlock(&self, cookie: &str) -> Result<(), StoreError> {
        match cls_lock::unlock(&self.pool, &header_object(&self.id), LOCK_NAME, cookie).await {
            Ok(()) | Err(StoreError::Op(Errno::ENOENT)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Somebody asks for the lock. `None`: this opener does not have it.
    pub(super) fn lock_requested(self: &Arc<Self>) -> Option<Answer> {
        match self.gate.phase() {
            Phase::Closed | Phase::Opening => return None,
            Phase::Closing | Phase::Shut => return Some(Answer::Releasing),
            Phase::Open => {}
        }
        let mut lock = self.lock.lock();
        if lock.policy == Policy::Manual {
            return Some(Answer::Refused(Errno::EROFS));
        }
        if !lock.is_due {
            lock.is_due = true;
            let wait = lock.hold_until.saturating_sub(self.env.now());
            drop(lock);
            let image = self.clone();
            self.env.spawn(Box::pin(async move {
                if !wait.is_zero() {
                    image.env.sleep(wait).await;
                }
                image.hand_over().await;
            }));
        }
        Some(Answer::Releasing)
    }

    async fn hand_over(self: Arc<Self>) {
        {
            let mut lock = self.lock.lock();
            lock.is_due = false;
            if lock.policy == Policy::Manual {
                return; // taken for good meanwhile
            }
        }
        if self.gate.want_close() {
            self.give_up_lock().await;
        }
    }

    pub(super) fn lock_taken(&self) {
        self.lock.lock().taken.notify_waiters();
    }

    /// Whether this opener may take the lock without being asked to.
    pub(super) fn takes_lock_for_reads(&self) -> bool {
        self.lock.lock().policy == Policy::Automatic && self.has_lock_feature()
    }

    /// Told whenever the lock has moved.
    pub(super) fn lock_moves(&self) -> Arc<Notify> {
        self.lock.lock().moved.clone()
    }

    pub(super) fn lock_moved(&self) {
        self.lock.lock().moved.notify_waiters();
    }

    /// Whether this opener has the lock.
    pub fn is_lock_owner(&self) -> bool {
        let has =
            self.lock.lock().held.is_some() && matches!(self.gate.phase(), Phase::Open | Phase::Closing);
        has && self.has_lock_feature()
    }

    #[cfg(test)]
    pub(super) fn has_header_lock(&self) -> bool {
        self.lock.lock().held.is_some()
    }

    fn has_lock_feature(&self) -> bool {
        self.known.read().header.features & features::EXCLUSIVE_LOCK != 0
    }

    fn check_lock_feature(&self) -> ImageResult<()> {
        if self.has_lock_feature() && !self.read_only {
            return Ok(());
        }
        refuse(Errno::EINVAL, format!("image {} has no exclusive lock here", self.id))
    }

    /// `rbd_lock_acquire`: takes the lock and keeps it until it is released.
    pub async fn acquire_lock(self: &Arc<Self>) -> ImageResult<()> {
        self.check_lock_feature()?;
        // It stays so even where the lock cannot be had, as in librbd.
        self.lock.lock().policy = Policy::Manual;
        self.wait_for_permit().await.map(drop)
    }

    /// `rbd_lock_release`: EINVAL if this opener does not have the lock.
    pub async fn release_lock(self: &Arc<Self>) -> ImageResult<()> {
        self.check_lock_feature()?;
        if self.gate.want_close() {
            self.clone().give_up_lock().await;
            return Ok(());
        }
        match self.gate.phase() {
            Phase::Open | Phase::Closing => {
                self.gate.leaves(Phase::Closing).await;
                Ok(())
            }
            _ => refuse(Errno::EINVAL, format!("image {}: not the owner of the exclusive lock", self.id)),
        }
    }

    /// Who has the managed lock. ENOENT if nobody has.
    pub async fn lock_owners(&self) -> ImageResult<Vec<Owner>> {
        self.check_lock_feature()?;
        let info = cls_lock::info(&self.pool, &header_object(&self.id), LOCK_NAME).await?;
        let owners: Vec<Owner> = info
            .lockers
            .iter()
            .filter(|locker| watch_of(&info, locker).is_some())
            .map(|locker| Owner { address: locker.address.clone() })
            .collect();
        if owners.is_empty() {
            return refuse(Errno::ENOENT, format!("image {}: nobody has the exclusive lock", self.id));
        }
        Ok(owners)
    }

    /// Takes the lock from an owner, dead or not: EBUSY if another one has it, ENOENT if nobody.
    pub async fn break_owner(&self, address: &str) -> ImageResult<()> {
        self.check_lock_feature()?;
        let oid = header_object(&self.id);
        let info = cls_lock::info(&self.pool, &oid, LOCK_NAME).await?;
        let Some(locker) = info.lockers.iter().find(|locker| watch_of(&info, locker).is_some()) else {
            return refuse(Errno::ENOENT, format!("image {}: nobody has the exclusive lock", self.id));
        };
        if locker.address != address {
            return refuse(Errno::EBUSY, format!("image {}: {} has the lock", self.id, locker.address));
        }
        self.break_dead(&oid, locker).await
    }
}
