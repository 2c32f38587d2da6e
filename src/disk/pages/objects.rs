//! Map objects in the store: reading a page, writing and removing whole objects.

use std::sync::Arc;

use bytes::Bytes;

use super::page::PageRef;
use crate::disk::DiskError;
use crate::disk::names::{DiskNames, MapObjectNumber};
use crate::disk::shared::{removal, when_full};
use crate::errno::Errno;
use crate::store::{BoxFuture, Op, OpOut, Reply, Request, Store, StoreError, Target};

/// Where pages are kept.
pub(crate) trait MapObjects: Send + Sync + 'static {
    /// Reads a page's bytes; fewer than asked for if the object is too short.
    fn read(&self, page: PageRef) -> BoxFuture<Result<Bytes, DiskError>>;
    /// Writes a whole object, durably. Writing the same bytes again is harmless: a number is used for one content.
    fn write(&self, number: MapObjectNumber, data: Bytes) -> BoxFuture<Result<(), DiskError>>;
    /// Removes an object; says whether it existed.
    fn remove(&self, number: MapObjectNumber) -> BoxFuture<Result<bool, DiskError>>;
    /// Reads a whole object.
    fn read_all(&self, number: MapObjectNumber) -> BoxFuture<Result<Bytes, DiskError>>;
    fn name(&self, number: MapObjectNumber) -> String;
}

/// Map objects of an image in a [`Store`].
pub(crate) struct StoreObjects {
    store: Arc<dyn Store>,
    names: DiskNames,
}

impl StoreObjects {
    pub fn new(store: Arc<dyn Store>, names: DiskNames) -> StoreObjects {
        StoreObjects { store, names }
    }

    fn read_range(
        &self,
        number: MapObjectNumber,
        offset: u64,
        length: u64,
    ) -> BoxFuture<Result<Bytes, DiskError>> {
        let target = self.names.map_object(number);
        let answer = self.store.operate(Request::new(target.clone(), vec![Op::Read { offset, length }]));
        Box::pin(async move {
            let mut reply = answer.await.and_then(Reply::ok).map_err(|source| failed(&target, source))?;
            match reply.ops.pop().map(|op| op.out) {
                Some(OpOut::Data(data)) => Ok(data),
                _ => Ok(Bytes::new()),
            }
        })
    }
}

impl MapObjects for StoreObjects {
    fn read(&self, page: PageRef) -> BoxFuture<Result<Bytes, DiskError>> {
        self.read_range(page.object, u64::from(page.offset), u64::from(page.length))
    }

    fn read_all(&self, number: MapObjectNumber) -> BoxFuture<Result<Bytes, DiskError>> {
        // Longer than any map object.
        self.read_range(number, 0, 1 << 28)
    }

    fn write(&self, number: MapObjectNumber, data: Bytes) -> BoxFuture<Result<(), DiskError>> {
        let target = self.names.map_object(number);
        let mut request = Request::new(target.clone(), vec![Op::WriteFull { data }]);
        // Nothing is deleted before a checkpoint.
        request.flags = when_full(true);
        let answer = self.store.operate(request);
        Box::pin(async move {
            answer.await.and_then(Reply::ok).map(drop).map_err(|source| failed(&target, source))
        })
    }

    fn remove(&self, number: MapObjectNumber) -> BoxFuture<Result<bool, DiskError>> {
        let target = self.names.map_object(number);
        let answer = self.store.operate(removal(target.clone(), vec![]));
        Box::pin(async move {
            match answer.await.and_then(Reply::ok) {
                Ok(_) => Ok(true),
                Err(source) if source.is(Errno::ENOENT) => Ok(false),
                Err(source) => Err(failed(&target, source)),
            }
        })
    }

    fn name(&self, number: MapObjectNumber) -> String {
        self.names.map_object(number).oid.to_string()
    }
}

fn failed(target: &Target, source: StoreError) -> DiskError {
    DiskError::Store { object: target.oid.to_string(), source }
}
