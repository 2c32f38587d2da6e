//! Usage of the cluster and of pools, as the monitors know it.

use std::sync::Arc;

use crate::mon::MonClient;
use crate::mon::messages::{self, PoolUsage, Statfs};
use crate::store::{ClusterStat, PoolStat, StoreError, StoreResult};
use crate::wire::denc::Malformed;

pub(super) fn malformed(what: &'static str) -> impl Fn(Malformed) -> StoreError {
    move |Malformed| StoreError::Io {
        object: what.to_owned(),
        detail: "a monitor's answer makes no sense".to_owned(),
    }
}

pub(super) async fn cluster(mon: Arc<MonClient>) -> StoreResult<ClusterStat> {
    let answer = mon.request(messages::statfs(&mon.fsid(), None)).await?;
    let found = Statfs::decode(&answer).map_err(malformed("statfs"))?;
    Ok(ClusterStat {
        total_kib: found.kb,
        used_kib: found.kb_used,
        available_kib: found.kb_avail,
        objects: found.objects,
    })
}

/// `epoch` of the newest OSD map that this client has.
pub(super) async fn pool(mon: Arc<MonClient>, name: String, epoch: u32) -> StoreResult<PoolStat> {
    let answer = mon.request(messages::get_pool_stats(&mon.fsid(), &[&name], epoch)).await?;
    let found = PoolUsage::decode(&answer, &name).map_err(malformed("pool statistics"))?;
    // A pool that the monitors have no figures of yet has none.
    let found = found.unwrap_or_default();
    Ok(PoolStat {
        bytes: found.bytes,
        objects: found.objects,
        read_ops: found.read_ops,
        read_bytes: found.read_kb.saturating_mul(1024),
        write_ops: found.write_ops,
        write_bytes: found.write_kb.saturating_mul(1024),
    })
}
