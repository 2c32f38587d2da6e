//! Publishes a checkpoint: the commit point.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Frozen, RootBlob};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::shared::when_full;
use crate::disk::state::DiskState;
use crate::disk::{DiskError, EPOCH_XATTR, WriterEpoch};
use crate::errno::Errno;
use crate::store::{CmpMode, CmpValue, Op, OpOut, Reply, Request, Store, StoreError, Target};

/// The omap key of the header that holds the root.
pub const ROOT_KEY: &str = "root";
/// A publication whose reply was lost is sent again: the same bytes, so that twice is as good as once.
const ATTEMPTS: u32 = 3;

/// The op list that publishes a root, if the header still has the epoch of the writer; `pairs` are further omap keys
/// to be set with it, such as a snapshot.
pub fn publish_ops(root: &RootBlob, pairs: &BTreeMap<Bytes, Bytes>) -> Vec<Op> {
    let mut pairs = pairs.clone();
    pairs.insert(Bytes::from_static(ROOT_KEY.as_bytes()), Bytes::from(root.encode()));
    if broken(Sabotage::PublishWithoutEpoch) {
        return vec![Op::OmapSet { pairs }];
    }
    vec![guard(root.epoch), Op::OmapSet { pairs }]
}

fn guard(epoch: WriterEpoch) -> Op {
    Op::CmpXattr { name: EPOCH_XATTR.into(), mode: CmpMode::Eq, value: CmpValue::U64(u64::from(epoch.0)) }
}

impl Frozen {
    /// Writes the pages and publishes the root together with `pairs` (made from the root). On an error the
    /// checkpoint is given up; if the publication's outcome is not known, nothing that either root reaches is
    /// deleted, and the next checkpoint decides.
    pub async fn commit(
        mut self,
        store: &Arc<dyn Store>,
        header: &Target,
        pairs: impl FnOnce(&RootBlob) -> BTreeMap<Bytes, Bytes>,
    ) -> Result<(Arc<DiskState>, RootBlob), DiskError> {
        let root = self.write().await?;
        publish(store, header, &root, &pairs(&root)).await?;
        Ok((self.published(), root))
    }
}

async fn publish(
    store: &Arc<dyn Store>,
    header: &Target,
    root: &RootBlob,
    pairs: &BTreeMap<Bytes, Bytes>,
) -> Result<(), DiskError> {
    let failed = |source| DiskError::Store { object: header.oid.to_string(), source };
    let mut attempt = 1;
    loop {
        let mut request = Request::new(header.clone(), publish_ops(root, pairs));
        request.flags = when_full(true);
        match store.operate(request).await.and_then(Reply::ok) {
            Ok(_) => return Ok(()),
            Err(source) if source.is(Errno::ECANCELED) => return Err(fenced(store, header, root.epoch).await),
            Err(StoreError::TimedOut | StoreError::Io { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(source) => return Err(failed(source)),
        }
    }
}

/// Who has the image now.
async fn fenced(store: &Arc<dyn Store>, header: &Target, mine: WriterEpoch) -> DiskError {
    let request = Request::new(header.clone(), vec![Op::GetXattr { name: EPOCH_XATTR.into() }]);
    let theirs = match store.operate(request).await.and_then(Reply::ok).map(|mut reply| reply.ops.pop()) {
        Ok(Some(result)) => match result.out {
            OpOut::Data(text) => std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()),
            _ => None,
        },
        Ok(None) | Err(_) => None,
    };
    // If it cannot be read: epochs only grow.
    DiskError::Fenced { mine: mine.0, theirs: theirs.unwrap_or(mine.0 + 1) }
}
