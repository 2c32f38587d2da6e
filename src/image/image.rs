//! An open image: its parts, opening, closing, and what its openers tell each other about its header.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sync::{Mutex, RwLock};

use super::directory;
use super::error::{ImageError, ImageResult, refuse};
use super::gate::Gate;
use super::header::{self, Header};
use super::lock::LockState;
use super::notice::Notice;
use super::pool::Pool;
use super::pool_meta;
use super::read_lock::ReadLock;
use super::readahead::Readahead;
use super::settings::{Conf, Layers, Settings, check_cache_mode};
use super::tracker::Tracker;
use super::watch::HeaderWatch;
use crate::disk::ssd::LocalChanges;
use crate::disk::{Disk, DiskNames, SnapInfo, SnapshotId};
use crate::env::Env;
use crate::errno::Errno;

/// Which image to open.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    Name(&'a str),
    Id(&'a str),
}

/// How to open it.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// No writes, no watch, no lock.
    pub read_only: bool,
    /// Look at this snapshot.
    pub snapshot: Option<String>,
    /// What becomes of changes that only the local log of an earlier opener has, once this one becomes the owner.
    pub local: LocalChanges,
}

/// A snapshot that the image is looked at through.
#[derive(Clone)]
pub struct View {
    pub snapshot: SnapInfo,
    pub disk: Arc<Disk>,
}

/// What this opener knows of the header.
pub(super) struct Known {
    pub name: String,
    pub header: Header,
}

/// Called when another opener, or this one, has changed the header.
pub type UpdateCallback = Arc<dyn Fn() + Send + Sync>;

pub struct Image {
    pub(super) pool: Pool,
    pub(super) id: String,
    pub(super) names: DiskNames,
    pub(super) env: Arc<dyn Env>,
    pub(super) conf: Conf,
    pub(super) settings: RwLock<Settings>,
    pub(super) read_only: bool,
    pub(super) local: LocalChanges,
    /// What was flushed may be only in a local log: reads go through the lock, too.
    pub(super) locks_reads: AtomicBool,
    pub(super) head: Arc<Disk>,
    pub(super) view: RwLock<Option<View>>,
    pub(super) known: RwLock<Known>,
    /// The header may have changed since `known` was read.
    pub(super) stale: AtomicBool,
    pub(super) gate: Arc<Gate>,
    pub(super) lock: Mutex<LockState>,
    pub(super) read_lock: ReadLock,
    pub(super) readahead: Readahead,
    pub(super) watch: HeaderWatch,
    pub(super) tracker: Tracker,
    /// Held by one maintenance operation at a time: what it has checked stays true while it runs.
    pub(super) maintenance: tokio::sync::Mutex<()>,
    pub(super) callbacks: Mutex<HashMap<u64, UpdateCallback>>,
    pub(super) next_callback: AtomicU64,
    /// `Env::now` in ms at which the timestamps are due to be written again.
    pub(super) access_due_ms: AtomicU64,
    pub(super) modify_due_ms: AtomicU64,
    /// A panic was caught in a call on this image: no more writes.
    pub(super) poisoned: AtomicBool,
}

impl Image {
    /// Opens an image. ENOENT if it, or the snapshot, does not exist.
    pub async fn open(
        pool: Pool,
        which: Which<'_>,
        options: OpenOptions,
        conf: Conf,
        env: Arc<dyn Env>,
    ) -> ImageResult<Arc<Image>> {
        let (name, id) = match which {
            Which::Name(name) => match directory::resolve(&pool, name).await? {
                Some(id) => (name.to_owned(), id),
                None => return refuse(Errno::ENOENT, format!("no image {name}")),
            },
            Which::Id(id) => match directory::name_of(&pool, id).await? {
                Some(name) => (name, id.to_owned()),
                None => return refuse(Errno::ENOENT, format!("no image with id {id}")),
            },
        };
        let image = Image::open_parts(pool, name, id, &options, conf, env).await?;
        if let Err(error) = image.select(options.snapshot.as_deref()).await {
            if let Err(second) = image.close().await {
                tracing::warn!("closing image {}: {second}", image.id);
            }
            return Err(error);
        }
        Ok(image)
    }

    async fn open_parts(
        pool: Pool,
        name: String,
        id: String,
        options: &OpenOptions,
        conf: Conf,
        env: Arc<dyn Env>,
    ) -> ImageResult<Arc<Image>> {
        let read_only = options.read_only;
        let header = header::load(&pool, &id).await?;
        if header.removing {
            return refuse(Errno::ENOENT, format!("image {name} is being removed"));
        }
        let layers = layers(&pool, &id, &conf).await?;
        if !options.read_only {
            check_cache_mode(&layers)?;
        }
        let settings = Settings::from_layers(&layers);
        let data_pool = header.properties.data_pool;
        let names = DiskNames::new(pool.id, &pool.namespace, &id, data_pool);
        let head = Disk::open(pool.store.clone(), names.clone(), settings.disk.clone(), env.clone()).await?;
        if !read_only {
            head.warm();
        }
        let image = Arc::new(Image {
            pool,
            id,
            names,
            env,
            conf,
            settings: RwLock::new(settings),
            read_only,
            local: options.local,
            locks_reads: AtomicBool::new(false),
            head,
            view: RwLock::new(None),
            known: RwLock::new(Known { name, header }),
            stale: AtomicBool::new(true),
            gate: Gate::new(),
            lock: Mutex::new(LockState::default()),
            read_lock: ReadLock::default(),
            readahead: Readahead::default(),
            watch: HeaderWatch::default(),
            tracker: Tracker::default(),
            maintenance: tokio::sync::Mutex::new(()),
            callbacks: Mutex::new(HashMap::new()),
            next_callback: AtomicU64::new(1),
            access_due_ms: AtomicU64::new(0),
            modify_due_ms: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
        });
        if !read_only && let Err(error) = image.begin_writing().await {
            image.stop_watch().await;
            image.head.close().await.ok();
            return Err(error);
        }
        Ok(image)
    }

    async fn begin_writing(self: &Arc<Self>) -> ImageResult<()> {
        self.begin_watching().await?;
        self.look_at_local_log().await
    }

    /// Watches, then makes sure that the image is not being removed: a remover looks for watches after its mark.
    async fn begin_watching(self: &Arc<Self>) -> ImageResult<()> {
        self.start_watch().await?;
        let header = header::load(&self.pool, &self.id).await?;
        if header.removing {
            return refuse(Errno::ENOENT, format!("image {} is being removed", self.id));
        }
        self.known.write().header = header;
        Ok(())
    }

    /// Ends the image after all requests under way. The error of the last flush, if it failed; it is closed all the
    /// same.
    pub async fn close(self: &Arc<Self>) -> ImageResult<()> {
        self.tracker.all().await;
        self.gate.begin_shut();
        self.stale.store(true, Ordering::Release); // no more requests by the short way
        self.lock_moved(); // who waits for the lock may stop waiting
        let was_owner = self.gate.shut(closed()).await;
        self.tracker.all().await;
        let view = self.view.write().take();
        let mut outcome = Ok(());
        if let Some(view) = view {
            outcome = view.disk.close().await;
        }
        let flushed = self.head.close().await;
        if was_owner {
            self.unlock_header().await;
            self.tell_released().await;
        }
        self.stop_watch().await;
        self.callbacks.lock().clear();
        outcome.and(flushed).map_err(ImageError::from)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    pub fn env(&self) -> &Arc<dyn Env> {
        &self.env
    }

    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// A panic was caught: whatever state it left behind must not reach the disk.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// Refuses requests that would change the image where this opener must not: EROFS.
    pub(super) fn check_writable(&self) -> ImageResult<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return refuse(Errno::EIO, format!("image {}: an internal error stopped writing", self.id));
        }
        if self.read_only || self.view.read().is_some() {
            return refuse(Errno::EROFS, format!("image {} is open read-only", self.id));
        }
        Ok(())
    }

    /// As [`Image::check_writable`], but fine while looking at a snapshot: for what concerns the image as a whole.
    pub(super) fn check_open_for_changes(&self) -> ImageResult<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return refuse(Errno::EIO, format!("image {}: an internal error stopped writing", self.id));
        }
        if self.read_only {
            return refuse(Errno::EROFS, format!("image {} is open read-only", self.id));
        }
        Ok(())
    }

    /// The disk that reads go to: the snapshot's, or the live one.
    pub(super) fn readable(&self) -> Arc<Disk> {
        match self.view.read().as_ref() {
            Some(view) => view.disk.clone(),
            None => self.head.clone(),
        }
    }

    /// The snapshot that is looked at.
    pub fn viewed(&self) -> Option<SnapInfo> {
        self.view.read().as_ref().map(|view| view.snapshot.clone())
    }

    /// Looks at a snapshot, or (`None`) at the live image.
    pub async fn select(self: &Arc<Self>, snapshot: Option<&str>) -> ImageResult<()> {
        let Some(name) = snapshot else { return self.select_info(None).await };
        let found = self.snapshots().await?.into_iter().find(|snap| snap.name == name);
        match found {
            Some(snap) => self.select_info(Some(snap)).await,
            None => refuse(Errno::ENOENT, format!("image {} has no snapshot {name}", self.id)),
        }
    }

    pub async fn select_id(self: &Arc<Self>, id: Option<SnapshotId>) -> ImageResult<()> {
        let Some(id) = id else { return self.select_info(None).await };
        let snap = self.snapshot_by_id(id).await?;
        self.select_info(Some(snap)).await
    }

    async fn select_info(self: &Arc<Self>, snapshot: Option<SnapInfo>) -> ImageResult<()> {
        let view = match snapshot {
            Some(snapshot) => {
                let options = self.settings.read().disk.clone();
                let store = self.pool.store.clone();
                let disk =
                    Disk::open_snapshot(store, self.names.clone(), snapshot.id, options, self.env.clone())
                        .await?;
                Some(View { snapshot, disk })
            }
            None => None,
        };
        // Requests under way keep the old disk; it ends when they do.
        let old = std::mem::replace(&mut *self.view.write(), view);
        if let Some(old) = old {
            self.tracker.all().await;
            old.disk.close().await?;
        }
        Ok(())
    }

    /// The size of what is looked at, in bytes.
    pub async fn size(&self) -> ImageResult<u64> {
        if let Some(view) = self.view.read().as_ref() {
            return Ok(view.snapshot.size_bytes);
        }
        self.refresh_if_stale().await?;
        Ok(self.head.size_bytes())
    }

    /// The size without asking the store: what requests are checked against.
    pub fn size_now(&self) -> u64 {
        match self.view.read().as_ref() {
            Some(view) => view.snapshot.size_bytes,
            None => self.head.size_bytes(),
        }
    }

    /// Reads the header and the log's tail again if somebody may have changed them. Without a watch, nobody tells.
    pub async fn refresh_if_stale(&self) -> ImageResult<()> {
        if self.stale.swap(false, Ordering::AcqRel) || self.read_only {
            let refreshed = self.refresh().await;
            if refreshed.is_err() {
                self.stale.store(true, Ordering::Release);
            }
            return refreshed;
        }
        Ok(())
    }

    async fn refresh(&self) -> ImageResult<()> {
        let header = header::load(&self.pool, &self.id).await?;
        let name = directory::name_of(&self.pool, &self.id).await?;
        {
            let mut known = self.known.write();
            known.header = header;
            if let Some(name) = name {
                known.name = name;
            }
        }
        self.head.refresh().await?;
        Ok(())
    }

    /// What the header says; refreshed if need be.
    pub async fn header(&self) -> ImageResult<Header> {
        self.refresh_if_stale().await?;
        Ok(self.known.read().header.clone())
    }

    pub async fn name(&self) -> ImageResult<String> {
        self.refresh_if_stale().await?;
        Ok(self.known.read().name.clone())
    }

    /// Bytes of an object as `rbd_stat` reports it.
    pub fn object_size(&self) -> u64 {
        1 << self.known.read().header.properties.order
    }

    /// What the names of all data objects begin with.
    pub fn data_prefix(&self) -> String {
        self.names.segment_prefix().trim_end_matches('.').to_owned()
    }

    /// The pool that holds the data.
    pub fn data_pool(&self) -> crate::store::PoolId {
        self.names.data_pool
    }

    /// Tells all openers, this one included, that the header has changed. Failing to tell is not failing to change.
    pub(super) async fn announce_update(&self) {
        self.stale.store(true, Ordering::Release);
        if self.send_notice(&Notice::HeaderUpdate).await.is_none() {
            // Nobody relayed it: this opener's own callbacks still hear of it.
            self.header_updated();
        }
    }

    /// The header has changed: what is known of it is stale, and who asked to be told is told.
    pub(super) fn header_updated(&self) {
        self.stale.store(true, Ordering::Release);
        let callbacks: Vec<UpdateCallback> = self.callbacks.lock().values().cloned().collect();
        for callback in callbacks {
            callback();
        }
    }

    /// Registers a callback for header updates. It must not block: it is run on a task of the store's.
    pub fn add_update_callback(&self, callback: UpdateCallback) -> u64 {
        let handle = self.next_callback.fetch_add(1, Ordering::Relaxed);
        self.callbacks.lock().insert(handle, callback);
        handle
    }

    /// False if there is no such callback.
    pub fn remove_update_callback(&self, handle: u64) -> bool {
        self.callbacks.lock().remove(&handle).is_some()
    }

    /// The options of this image with where each comes from.
    pub async fn layers(&self) -> ImageResult<Layers> {
        layers(&self.pool, &self.id, &self.conf).await
    }
}

pub(super) fn closed() -> ImageError {
    ImageError::Disk(crate::disk::DiskError::Closed)
}

async fn layers(pool: &Pool, id: &str, conf: &Conf) -> ImageResult<Layers> {
    Ok(Layers {
        conf: conf.clone(),
        pool: pool_meta::conf_overrides(pool).await?,
        image: header::conf_overrides(pool, id).await?,
    })
}
