//! Map objects in memory, with faults: for tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;
use bytes::Bytes;

use super::{MapObjects, PageRef};
use crate::disk::{DiskError, MapObjectNumber};
use crate::errno::Errno;
use crate::store::{BoxFuture, StoreError};

#[derive(Default)]
pub(crate) struct MemoryObjects {
    pub objects: Mutex<BTreeMap<MapObjectNumber, Bytes>>,
    /// Writes that succeed before all fail; `None`: all succeed.
    pub writes_left: Mutex<Option<u32>>,
    pub reads: AtomicU64,
    pub bytes_written: AtomicU64,
}

impl MemoryObjects {
    fn error(&self, number: MapObjectNumber, errno: Errno) -> DiskError {
        DiskError::Store { object: self.name(number), source: StoreError::Op(errno) }
    }
}

impl MapObjects for MemoryObjects {
    fn read(&self, page: PageRef) -> BoxFuture<Result<Bytes, DiskError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let result = match self.objects.lock().get(&page.object) {
            Some(data) => {
                let from = data.len().min(page.offset as usize);
                let to = data.len().min((page.offset + page.length) as usize);
                Ok(data.slice(from..to))
            }
            None => Err(self.error(page.object, Errno::ENOENT)),
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            result
        })
    }

    fn write(&self, number: MapObjectNumber, data: Bytes) -> BoxFuture<Result<(), DiskError>> {
        let full = match &mut *self.writes_left.lock() {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let result = if full {
            Err(self.error(number, Errno::ENOSPC))
        } else {
            self.bytes_written.fetch_add(data.len() as u64, Ordering::Relaxed);
            let old = self.objects.lock().insert(number, data);
            assert!(old.is_none(), "map object {number:?} was written twice");
            Ok(())
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            result
        })
    }

    fn remove(&self, number: MapObjectNumber) -> BoxFuture<Result<bool, DiskError>> {
        let existed = self.objects.lock().remove(&number).is_some();
        Box::pin(async move { Ok(existed) })
    }

    fn read_all(&self, number: MapObjectNumber) -> BoxFuture<Result<Bytes, DiskError>> {
        let result =
            self.objects.lock().get(&number).cloned().ok_or_else(|| self.error(number, Errno::ENOENT));
        Box::pin(async move { result })
    }

    fn name(&self, number: MapObjectNumber) -> String {
        format!("lsvd_map.test.{:016x}", number.0)
    }
}
