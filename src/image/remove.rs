//! Removing an image, and finishing what another remover began.
//!
//! Order: the directory notes that the removal has begun and drops the name from the list; the header is marked (it
//! cannot be opened any more); the id object goes; the disk goes, its header last; the note goes. Every step may
//! be done twice.

use std::sync::Arc;

use super::cls_lock::{self, LockType};
use super::directory::{self, header_object};
use super::error::{ImageResult, refuse};
use super::header;
use super::lock::{INTERNAL_TAG, LOCK_NAME};
use super::pool::Pool;
use super::settings::{Conf, Layers, local_disk};
use super::snaps::Progress;
use super::watch::watchers;
use crate::disk::{Disk, DiskNames, ssd};
use crate::env::Env;
use crate::errno::Errno;
use crate::store::{StoreError, WatchCookie, WatchHandler};

/// What the disk calls its snapshots in the header's omap (docs/disk.md).
const SNAP_KEYS: &str = "snap.";

/// Removes an image. ENOENT if there is none, ENOTEMPTY while it has snapshots, EBUSY while it is open or locked. `conf` says
/// which host this is, whose log of the image goes, too.
pub async fn remove(
    pool: &Pool,
    name: &str,
    conf: &Conf,
    env: Arc<dyn Env>,
    progress: Progress<'_>,
) -> ImageResult<()> {
    let Some(id) = directory::lookup(pool, name).await? else {
        // A removal that was cut short may have come this far already.
        for (id, removed) in directory::removals(pool).await? {
            if removed == name {
                return finish_removal(pool, name, &id, progress).await;
            }
        }
        return refuse(Errno::ENOENT, format!("no image {name}"));
    };
    match header::load(pool, &id).await {
        Ok(header) if header.removing => return finish_removal(pool, name, &id, progress).await,
        Ok(_) => {}
        Err(error) if error.errno() == Errno::ENOENT => {
            return finish_removal(pool, name, &id, progress).await;
        }
        Err(error) => return Err(error),
    }
    if directory::resolve(pool, name).await?.is_none() {
        // The old name of a rename that was cut short.
        directory::unclaim(pool, name, &id).await?;
        return refuse(Errno::ENOENT, format!("no image {name}"));
    }
    let guard = Guard::take(pool, &id, env).await?;
    if let Err(error) = check(pool, &id, &guard).await {
        guard.release(pool, &id).await;
        return Err(error);
    }
    directory::begin_removal(pool, name, &id).await?;
    guard.release(pool, &id).await;
    let names = DiskNames::new(pool.id, &pool.namespace, &id, None);
    let mark = Disk::local_mark_of(&pool.store, &names).await;
    finish_removal(pool, name, &id, progress).await?;
    if let Ok(Some(mark)) = mark
        && let Err(error) = ssd::remove_left(&*local_disk(&Layers::of_conf(conf.clone())), &mark).await
    {
        tracing::warn!("image {name} is removed, the file of its local log is not: {error}");
    }
    Ok(())
}

async fn check(pool: &Pool, id: &str, guard: &Guard) -> ImageResult<()> {
    let oid = header_object(id);
    if !pool.omap_list(&oid, SNAP_KEYS, "", 1).await?.is_empty() {
        return refuse(Errno::ENOTEMPTY, format!("image {id} has snapshots"));
    }
    let me = (pool.store.instance_id(), guard.0.0);
    if others_watch(pool, &oid, me).await? {
        return refuse(Errno::EBUSY, format!("image {id} is open elsewhere"));
    }
    let cookie = format!("auto {}", guard.0.0);
    let locked = cls_lock::lock(pool, &oid, LOCK_NAME, LockType::Exclusive, &cookie, INTERNAL_TAG).await;
    match locked {
        Ok(()) => {}
        Err(StoreError::Op(Errno::EBUSY)) => break_dead(pool, &oid, &cookie).await?,
        Err(error) => return Err(error.into()),
    }
    // From here on nobody opens it. Who was about to, watches by now: openers look at the mark after they watch.
    header::set_removing(pool, id, true).await?;
    if others_watch(pool, &oid, me).await? {
        header::set_removing(pool, id, false).await?;
        return refuse(Errno::EBUSY, format!("image {id} is open elsewhere"));
    }
    Ok(())
}

async fn others_watch(pool: &Pool, oid: &str, me: (u64, u64)) -> ImageResult<bool> {
    Ok(watchers(pool, oid).await?.iter().any(|watcher| (watcher.gid, watcher.cookie) != me))
}

/// The lock is left over from an owner that does not watch any more; somebody's advisory lock is EBUSY.
async fn break_dead(pool: &Pool, oid: &str, cookie: &str) -> ImageResult<()> {
    let info = cls_lock::info(pool, oid, LOCK_NAME).await?;
    if info.tag != INTERNAL_TAG && !info.lockers.is_empty() {
        return refuse(Errno::EBUSY, format!("{oid} is locked"));
    }
    for locker in &info.lockers {
        if locker.name.gid() != pool.store.instance_id() {
            pool.store.blocklist_add(&locker.address, 0).await?;
        }
        match cls_lock::break_lock(pool, oid, LOCK_NAME, locker).await {
            Ok(()) | Err(StoreError::Op(Errno::ENOENT)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match cls_lock::lock(pool, oid, LOCK_NAME, LockType::Exclusive, cookie, INTERNAL_TAG).await {
        Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// All steps after the first, whichever of them were done already.
pub async fn finish_removal(pool: &Pool, name: &str, id: &str, progress: Progress<'_>) -> ImageResult<()> {
    directory::begin_removal(pool, name, id).await?;
    let data_pool = match header::load(pool, id).await {
        Ok(header) => header.properties.data_pool,
        Err(error) if error.errno() == Errno::ENOENT => None,
        Err(error) => {
            tracing::warn!("image {name}: its header cannot be read, segments elsewhere may stay: {error}");
            None
        }
    };
    header::set_removing(pool, id, true).await?;
    directory::unclaim(pool, name, id).await?;
    let names = DiskNames::new(pool.id, &pool.namespace, id, data_pool);
    match Disk::remove(&pool.store, &names, progress).await {
        Ok(()) => {}
        Err(error) if Errno::from(&error) == Errno::ENOENT => {}
        Err(error) => return Err(error.into()),
    }
    directory::end_removal(pool, id).await
}

/// A watch that makes other removers and openers see this one. Nobody tells it anything that it has to do.
struct Guard(WatchCookie);

struct Silent {
    pool: Pool,
    oid: String,
    env: Arc<dyn Env>,
}

impl WatchHandler for Silent {
    fn notify(&self, notify_id: u64, cookie: WatchCookie, _gid: u64, _payload: bytes::Bytes) {
        let acked =
            self.pool.store.notify_ack(self.pool.target(&self.oid), notify_id, cookie, bytes::Bytes::new());
        self.env.spawn(Box::pin(async move {
            if let Err(error) = acked.await {
                tracing::debug!("acknowledging notification {notify_id}: {error}");
            }
        }));
    }

    fn error(&self, _cookie: WatchCookie, _error: StoreError) {}
}

impl Guard {
    async fn take(pool: &Pool, id: &str, env: Arc<dyn Env>) -> ImageResult<Guard> {
        let oid = header_object(id);
        let handler = Arc::new(Silent { pool: pool.clone(), oid: oid.clone(), env });
        Ok(Guard(pool.store.watch(pool.target(&oid), 0, handler).await?))
    }

    async fn release(self, pool: &Pool, id: &str) {
        if let Err(error) = pool.store.unwatch(self.0).await {
            tracing::debug!("image {id}: ending the remover's watch: {error}");
        }
    }
}
