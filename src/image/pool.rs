//! A pool and namespace as this room sees it: op lists on named objects, omap helpers.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::errno::Errno;
use crate::store::{Op, OpOut, PoolId, Reply, Request, Store, StoreError, StoreResult, Target};

/// How many omap entries one request asks for.
const OMAP_PAGE: u64 = 512;

/// Where images live.
#[derive(Clone)]
pub struct Pool {
    pub store: Arc<dyn Store>,
    pub id: PoolId,
    pub namespace: Arc<str>,
}

impl Pool {
    pub fn new(store: Arc<dyn Store>, id: PoolId, namespace: impl Into<Arc<str>>) -> Pool {
        Pool { store, id, namespace: namespace.into() }
    }

    /// The same pool without a namespace.
    pub fn default_namespace(&self) -> Pool {
        Pool { store: self.store.clone(), id: self.id, namespace: "".into() }
    }

    pub fn target(&self, oid: &str) -> Target {
        Target::new(self.id, self.namespace.clone(), oid)
    }

    /// Runs an op list; its own failure is `StoreError::Op`.
    pub async fn run(&self, oid: &str, ops: Vec<Op>) -> StoreResult<Reply> {
        self.store.operate(Request::new(self.target(oid), ops)).await?.ok()
    }

    /// The values of those of `keys` that exist.
    pub async fn omap_get(&self, oid: &str, keys: &[&str]) -> StoreResult<BTreeMap<Bytes, Bytes>> {
        let keys = keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
        let reply = self.run(oid, vec![Op::OmapGetValsByKeys { keys }]).await?;
        Ok(pairs_of(reply, oid)?.0.into_iter().collect())
    }

    /// One value; `None` if the key or the object is missing.
    pub async fn omap_get_one(&self, oid: &str, key: &str) -> StoreResult<Option<Bytes>> {
        match self.omap_get(oid, &[key]).await {
            Ok(mut found) => Ok(found.remove(key.as_bytes())),
            Err(StoreError::Op(Errno::ENOENT)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All entries whose keys begin with `prefix`, from after `after` on, at most `max`, in order. A missing object
    /// has none.
    pub async fn omap_list(
        &self,
        oid: &str,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> StoreResult<Vec<(Bytes, Bytes)>> {
        let mut all: Vec<(Bytes, Bytes)> = Vec::new();
        let mut after = Bytes::copy_from_slice(after.as_bytes());
        let prefix = Bytes::copy_from_slice(prefix.as_bytes());
        while all.len() < max {
            let page = OMAP_PAGE.min((max - all.len()) as u64);
            let op = Op::OmapGetVals { after: after.clone(), prefix: prefix.clone(), max: page };
            let (pairs, more) = match self.run(oid, vec![op]).await {
                Ok(reply) => pairs_of(reply, oid)?,
                Err(StoreError::Op(Errno::ENOENT)) => break,
                Err(error) => return Err(error),
            };
            let Some(last) = pairs.last() else { break };
            after = last.0.clone();
            all.extend(pairs);
            if !more {
                break;
            }
        }
        Ok(all)
    }

    pub async fn omap_set(&self, oid: &str, key: &str, value: impl Into<Bytes>) -> StoreResult<()> {
        self.run(oid, vec![set(key, value)]).await.map(drop)
    }

    /// Makes the object if it is missing.
    pub async fn ensure(&self, oid: &str) -> StoreResult<()> {
        self.run(oid, vec![Op::Create { exclusive: false }]).await.map(drop)
    }

    /// Runs an op list whose guards need the object to exist: a missing one is created (empty) first.
    pub async fn run_creating(&self, oid: &str, ops: Vec<Op>) -> StoreResult<Reply> {
        match self.run(oid, ops.clone()).await {
            Err(StoreError::Op(Errno::ENOENT)) => {
                self.ensure(oid).await?;
                self.run(oid, ops).await
            }
            other => other,
        }
    }

    /// The whole of a small object; `None` if it is missing.
    pub async fn read_small(&self, oid: &str, max: u64) -> StoreResult<Option<Bytes>> {
        match self.run(oid, vec![Op::Read { offset: 0, length: max }]).await {
            Ok(mut reply) => match reply.ops.pop().map(|op| op.out) {
                Some(OpOut::Data(data)) => Ok(Some(data)),
                _ => Ok(Some(Bytes::new())),
            },
            Err(StoreError::Op(Errno::ENOENT)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn exists(&self, oid: &str) -> StoreResult<bool> {
        match self.run(oid, vec![Op::Stat]).await {
            Ok(_) => Ok(true),
            Err(StoreError::Op(Errno::ENOENT)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes an object; a missing one is fine.
    pub async fn remove(&self, oid: &str) -> StoreResult<()> {
        match self.run(oid, vec![Op::Remove]).await {
            Ok(_) | Err(StoreError::Op(Errno::ENOENT)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn pairs_of(mut reply: Reply, oid: &str) -> StoreResult<(Vec<(Bytes, Bytes)>, bool)> {
    match reply.ops.pop().map(|op| op.out) {
        Some(OpOut::Pairs { pairs, more }) => Ok((pairs, more)),
        _ => Err(StoreError::Corrupt {
            object: oid.to_owned(),
            detail: "an omap read without an answer".into(),
        }),
    }
}

/// An op that sets one key.
pub fn set(key: &str, value: impl Into<Bytes>) -> Op {
    Op::OmapSet { pairs: BTreeMap::from([(Bytes::copy_from_slice(key.as_bytes()), value.into())]) }
}

/// An op that removes keys.
pub fn unset(keys: &[&str]) -> Op {
    Op::OmapRmKeys { keys: keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect() }
}

/// A guard: the key has this value. An empty value also stands for a missing key, as in RADOS.
pub fn expect(key: &str, value: impl Into<Bytes>) -> Op {
    Op::OmapCmp {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
        mode: crate::store::CmpMode::Eq,
    }
}
