//! Usage of the cluster and of pools, as the monitors know it.

use std::sync::Arc;

use bytes::Bytes;

use crate::mon::MonClient;
use crate::store::{ClusterStat, PoolStat, StoreError, StoreResult};
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::{Message, MessageType};

/// The beginning of all messages to monitors' services: the version that the sender knows, and two fields of old.
pub(super) fn paxos(e: &mut Encoder, version: u64) {
    e.u64(version).u16(u16::MAX).u64(0);
}

/// Skips the same, and the cluster's id behind it.
pub(super) fn skip_paxos_and_fsid(d: &mut Decoder) -> Result<(), Malformed> {
    d.raw(8 + 2 + 8 + 16).map(drop)
}

pub(super) fn malformed(what: &'static str) -> impl Fn(Malformed) -> StoreError {
    move |Malformed| StoreError::Io {
        object: what.to_owned(),
        detail: "a monitor's answer makes no sense".to_owned(),
    }
}

pub(super) async fn cluster(mon: Arc<MonClient>) -> StoreResult<ClusterStat> {
    let mut e = Encoder::new();
    paxos(&mut e, 0);
    // The last byte: no pool is named.
    e.raw(&mon.fsid()).u8(0);
    let answer = mon.request(Message::new(MessageType::STATFS, 2, 1, e.finish())).await?;
    statfs(&answer.front).map_err(malformed("statfs"))
}

/// MStatfsReply: the id, a version, and `struct ceph_statfs`.
fn statfs(front: &Bytes) -> Result<ClusterStat, Malformed> {
    let mut d = Decoder::new(front);
    d.raw(16 + 8)?;
    Ok(ClusterStat { total_kib: d.u64()?, used_kib: d.u64()?, available_kib: d.u64()?, objects: d.u64()? })
}

pub(super) async fn pool(mon: Arc<MonClient>, name: String) -> StoreResult<PoolStat> {
    let mut e = Encoder::new();
    paxos(&mut e, 0);
    e.raw(&mon.fsid()).u32(1).string(&name);
    let answer = mon.request(Message::new(MessageType::GET_POOL_STATS, 1, 1, e.finish())).await?;
    // A pool that the monitors have no figures of yet has none.
    Ok(pool_stats(&answer.front, &name).map_err(malformed("pool statistics"))?.unwrap_or_default())
}

/// MGetPoolStatsReply: a map of names to pool_stat_t.
fn pool_stats(front: &Bytes, name: &str) -> Result<Option<PoolStat>, Malformed> {
    let mut d = Decoder::new(front);
    skip_paxos_and_fsid(&mut d)?;
    for _ in 0..d.u32()? {
        let found = d.blob()? == name.as_bytes();
        let (_, mut pool) = d.section(7)?;
        if !found {
            continue;
        }
        let (_, mut collection) = pool.section(2)?;
        let (_, mut sum) = collection.section(20)?;
        let bytes = sum.u64()?;
        let objects = sum.u64()?;
        // Clones, copies, missing on the primary, degraded, unfound.
        sum.raw(5 * 8)?;
        let (read_ops, read_kib, write_ops, write_kib) = (sum.u64()?, sum.u64()?, sum.u64()?, sum.u64()?);
        return Ok(Some(PoolStat {
            bytes,
            objects,
            read_ops,
            read_bytes: read_kib.saturating_mul(1024),
            write_ops,
            write_bytes: write_kib.saturating_mul(1024),
        }));
    }
    Ok(None)
}
