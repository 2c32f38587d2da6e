//! A disk for tests that forgets, when the power goes, what was not synced: any 512-byte sectors of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::file::{LocalDisk, LocalFile, OpenError, Wanted};
use crate::disk::testing::Chance;
use crate::env::{BoxFuture, Env};
use crate::sync::Mutex;

const SECTOR: usize = 512;

#[derive(Default)]
struct Content {
    /// As it reads now, and as it was last synced.
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Where the two may differ.
    unsynced: Vec<(usize, usize)>,
    open: bool,
    /// Grows when the power goes: who had the file open has it no more.
    life: u64,
}

#[derive(Default)]
pub(crate) struct Files {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    /// Each write fails from now on.
    pub broken: bool,
    pub syncs: u64,
}

/// A host's disk.
#[derive(Clone)]
pub(crate) struct VolatileDisk {
    pub host: String,
    pub files: Arc<Mutex<Files>>,
    /// With a clock, reads, writes and syncs take some time of it.
    pub env: Option<Arc<dyn Env>>,
    /// Whoever drops a file without having closed it has lost its power, or only its life.
    pub crashes: bool,
}

impl std::fmt::Debug for VolatileDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)
    }
}

impl Content {
    fn write(&mut self, at: usize, data: &[u8]) {
        self.now[at..at + data.len()].copy_from_slice(data);
        self.unsynced.push((at, at + data.len()));
    }

    fn sync(&mut self) {
        for (from, to) in std::mem::take(&mut self.unsynced) {
            self.synced[from..to].copy_from_slice(&self.now[from..to]);
        }
    }

    fn lose_power(&mut self, chance: &mut Chance) {
        for (from, to) in self.unsynced.clone() {
            for at in (from..to).step_by(SECTOR) {
                let sector = at..(at + SECTOR).min(to);
                if chance.one_in(2) {
                    self.now[sector.clone()].copy_from_slice(&self.synced[sector]);
                }
            }
        }
        self.sync();
    }
}

impl VolatileDisk {
    pub fn new(host: &str) -> VolatileDisk {
        VolatileDisk { host: host.into(), files: Arc::default(), env: None, crashes: false }
    }

    /// The host has lost its power: of what was not synced any sectors are there.
    pub fn lose_power(&self, chance: &mut Chance) {
        for file in self.files.lock().files.values() {
            let mut file = file.lock();
            file.lose_power(chance);
            file.open = false;
            file.life += 1;
        }
    }

    /// The process was killed: all that it wrote is there.
    pub fn lose_process(&self) {
        for file in self.files.lock().files.values() {
            let mut file = file.lock();
            file.open = false;
            file.life += 1;
        }
    }

    pub fn paths(&self) -> Vec<String> {
        self.files.lock().files.keys().cloned().collect()
    }

    /// Changes a file behind its owner's back.
    pub fn edit(&self, path: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let file = self.files.lock().files.get(path).cloned().expect("a file");
        let mut file = file.lock();
        let file = &mut *file;
        edit(&mut file.now);
        file.synced.clone_from(&file.now);
    }

    async fn pause(&self) {
        if let Some(env) = &self.env {
            let wait = Duration::from_micros(20 + env.random_u64() % 2000);
            env.sleep(wait).await;
        }
    }
}

impl LocalDisk for VolatileDisk {
    fn host(&self) -> String {
        self.host.clone()
    }

    fn open(&self, path: &str, wanted: Wanted) -> BoxFuture<Result<Arc<dyn LocalFile>, OpenError>> {
        let (disk, path) = (self.clone(), path.to_owned());
        Box::pin(async move {
            disk.pause().await;
            let mut files = disk.files.lock();
            if files.broken {
                return Err(OpenError::Io("broken".into()));
            }
            let content = match wanted {
                Wanted::Existing => files.files.get(&path).cloned().ok_or(OpenError::Missing)?,
                Wanted::Any => files.files.entry(path).or_default().clone(),
            };
            drop(files);
            let mut locked = content.lock();
            if locked.open {
                return Err(OpenError::InUse);
            }
            locked.open = true;
            let life = locked.life;
            let seed = disk.env.as_ref().map_or(0, |env| env.random_u64());
            drop(locked);
            Ok(Arc::new(VolatileFile { disk, content, life, seed }) as Arc<dyn LocalFile>)
        })
    }

    fn remove(&self, path: &str) -> BoxFuture<io::Result<()>> {
        let removed = self.files.lock().files.remove(path);
        Box::pin(async move { removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

struct VolatileFile {
    disk: VolatileDisk,
    content: Arc<Mutex<Content>>,
    life: u64,
    seed: u64,
}

impl Drop for VolatileFile {
    fn drop(&mut self) {
        let mut content = self.content.lock();
        if content.life == self.life {
            content.life += 1;
            if self.disk.crashes && self.seed & 3 != 0 {
                content.lose_power(&mut Chance::new(self.seed));
            }
            content.open = false;
        }
    }
}

impl LocalFile for VolatileFile {
    fn size_bytes(&self) -> u64 {
        self.content.lock().now.len() as u64
    }

    fn allocate(&self, size_bytes: u64) -> BoxFuture<io::Result<()>> {
        let (disk, content) = (self.disk.clone(), self.content.clone());
        Box::pin(async move {
            disk.pause().await;
            let mut content = content.lock();
            content.now.resize(size_bytes as usize, 0);
            content.synced.resize(size_bytes as usize, 0);
            Ok(())
        })
    }

    fn read(&self, offset: u64, length: u64) -> BoxFuture<io::Result<Bytes>> {
        let (disk, content) = (self.disk.clone(), self.content.clone());
        Box::pin(async move {
            disk.pause().await;
            let content = content.lock();
            let end = (offset + length).min(content.now.len() as u64).max(offset);
            Ok(Bytes::copy_from_slice(&content.now[offset as usize..end as usize]))
        })
    }

    fn write(&self, parts: Vec<(u64, Bytes)>, sync: bool) -> BoxFuture<io::Result<()>> {
        let (disk, content, life) = (self.disk.clone(), self.content.clone(), self.life);
        let step = move |disk: &VolatileDisk, part: Option<(u64, Bytes)>| {
            let mut content = content.lock();
            if disk.files.lock().broken || content.life != life {
                return Err(io::Error::other("broken"));
            }
            match part {
                Some((at, data)) => content.write(at as usize, &data),
                None => {
                    disk.files.lock().syncs += 1;
                    content.sync();
                }
            }
            Ok(())
        };
        Box::pin(async move {
            for part in parts {
                step(&disk, Some(part))?;
                disk.pause().await;
            }
            if sync {
                disk.pause().await;
                step(&disk, None)?;
            }
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<()> {
        let (content, life) = (self.content.clone(), self.life);
        Box::pin(async move {
            let mut content = content.lock();
            if content.life == life {
                content.open = false;
                content.life += 1;
            }
        })
    }
}
