//! Pools, their snapshots and their applications: what the monitors decide, and what the map says of it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::stat::malformed;
use crate::errno::Errno;
use crate::mon::messages::{PoolOp, PoolOpCode, PoolOpReply};
use crate::mon::{MonClient, MonTarget};
use crate::osd::OsdClient;
use crate::store::{PoolId, SnapId, StoreError, StoreResult};
use crate::wire::denc::Decoder;

/// The monitors' side of a client: what changes pools.
#[derive(Clone)]
pub(super) struct Pools {
    pub mon: Arc<MonClient>,
    pub osd: Arc<OsdClient>,
}

impl Pools {
    /// Asks for a change, and comes back when this client has the map with it. The bytes are the answer's data.
    async fn change(
        &self,
        code: PoolOpCode,
        pool: i64,
        name: &str,
        snap: u64,
        rule: i16,
    ) -> StoreResult<Bytes> {
        let epoch = self.osd.map().epoch();
        let op = PoolOp { code, pool: pool as u32, name: name.to_owned(), snap, crush_rule: rule, epoch };
        let answer = self.mon.request(op.encode(&self.mon.fsid())).await?;
        let reply = PoolOpReply::decode(&answer).map_err(malformed("pool operation"))?;
        if reply.result < 0 {
            return Err(StoreError::Op(Errno(-reply.result)));
        }
        self.osd.wait_for_epoch(reply.epoch).await?;
        Ok(reply.data)
    }

    pub async fn create(&self, name: String, crush_rule: Option<u8>) -> StoreResult<PoolId> {
        if name.is_empty() {
            return Err(StoreError::Op(Errno::EINVAL));
        }
        if self.osd.map().pool_by_name(&name).is_some() {
            return Err(StoreError::Op(Errno::EEXIST));
        }
        let rule = crush_rule.map_or(-1, i16::from);
        self.change(PoolOpCode::Create, 0, &name, 0, rule).await?;
        self.lookup(name).await
    }

    pub async fn delete(&self, name: String) -> StoreResult<()> {
        let id = self.lookup(name.clone()).await?;
        // As librados sends it. A monitor does nothing, and says that it worked, if this is the name of a pool.
        self.change(PoolOpCode::Delete, id.0, "delete", 0, 0).await.map(drop)
    }

    /// As librados: a pool that the map does not have may be newer than it.
    pub async fn lookup(&self, name: String) -> StoreResult<PoolId> {
        if let Some(id) = self.osd.map().pool_by_name(&name) {
            return Ok(PoolId(id));
        }
        self.osd.wait_for_latest_map().await?;
        self.osd.map().pool_by_name(&name).map(PoolId).ok_or(StoreError::NoPool)
    }

    pub async fn name(&self, pool: PoolId) -> StoreResult<String> {
        let name = |pool: PoolId| self.osd.map().pool_name(pool.0).map(str::to_owned);
        if let Some(name) = name(pool) {
            return Ok(name);
        }
        self.osd.wait_for_latest_map().await?;
        name(pool).ok_or(StoreError::NoPool)
    }

    /// Whether the pool has a snapshot of this name, as this client's map says: the monitors do not tell.
    fn has_snap(&self, pool: PoolId, name: &str) -> StoreResult<bool> {
        let map = self.osd.map();
        let pool = map.pool(pool.0).ok_or(StoreError::NoPool)?;
        Ok(pool.snaps.values().any(|snap| snap.name == name))
    }

    pub async fn snap_create(&self, pool: PoolId, name: String) -> StoreResult<()> {
        if self.has_snap(pool, &name)? {
            return Err(StoreError::Op(Errno::EEXIST));
        }
        self.change(PoolOpCode::CreateSnap, pool.0, &name, 0, 0).await.map(drop)
    }

    pub async fn snap_remove(&self, pool: PoolId, name: String) -> StoreResult<()> {
        if !self.has_snap(pool, &name)? {
            return Err(StoreError::Op(Errno::ENOENT));
        }
        self.change(PoolOpCode::DeleteSnap, pool.0, &name, 0, 0).await.map(drop)
    }

    pub async fn unmanaged_snap_create(&self, pool: PoolId) -> StoreResult<SnapId> {
        let data = self.change(PoolOpCode::CreateSelfManagedSnap, pool.0, "", 0, 0).await?;
        Decoder::new(&data).u64().map(SnapId).map_err(malformed("pool operation"))
    }

    pub async fn unmanaged_snap_remove(&self, pool: PoolId, snap: SnapId) -> StoreResult<()> {
        self.change(PoolOpCode::DeleteSelfManagedSnap, pool.0, "", snap.0, 0).await.map(drop)
    }

    /// A monitor's command that changes the map; comes back when this client has a map that is as new.
    pub async fn command(&self, mut command: Value) -> StoreResult<()> {
        command["format"] = json!("json");
        let reply = self.mon.command(MonTarget::Any, vec![command.to_string()], Bytes::new()).await?;
        if reply.result < 0 {
            tracing::debug!("{command}: {}", reply.status);
            return Err(StoreError::Op(Errno(-reply.result)));
        }
        Ok(self.osd.wait_for_latest_map().await?)
    }

    pub async fn application_enable(&self, pool: PoolId, app: String, force: bool) -> StoreResult<()> {
        let pool = self.name(pool).await?;
        let mut command = json!({ "prefix": "osd pool application enable", "pool": pool, "app": app });
        if force {
            command["yes_i_really_mean_it"] = json!(true);
        }
        self.command(command).await
    }

    pub async fn application_set(
        &self,
        pool: PoolId,
        app: String,
        key: String,
        value: Option<String>,
    ) -> StoreResult<()> {
        let pool = self.name(pool).await?;
        let verb = if value.is_some() { "set" } else { "rm" };
        let prefix = format!("osd pool application {verb}");
        let mut command = json!({ "prefix": prefix, "pool": pool, "app": app, "key": key });
        if let Some(value) = value {
            command["value"] = json!(value);
        }
        self.command(command).await
    }
}
