//! Messages between clients and monitors: payloads byte for byte as librados 16.2.15 sends them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::monmap::count;
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::message::{Message, MessageType};

/// CEPH_SUBSCRIBE_ONETIME
const ONCE: u8 = 1;

/// What one subscription asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The first version that is of interest.
    pub start: u64,
    /// One answer ends it.
    pub once: bool,
}

/// Fields that begin all messages to a monitor's services: the version that the sender has, and two that only
/// monitors use.
pub(super) fn paxos(e: &mut Encoder, version: u64) {
    e.u64(version).u16(u16::MAX).u64(0);
}

pub(super) fn skip_paxos(d: &mut Decoder) -> Result<u64, Malformed> {
    let version = d.u64()?;
    d.raw(10)?;
    Ok(version)
}

pub fn subscribe<'a>(wanted: impl ExactSizeIterator<Item = (&'a str, Wanted)>, host: &str) -> Message {
    let mut e = Encoder::new();
    e.u32(wanted.len() as u32);
    for (what, wanted) in wanted {
        e.string(what).u64(wanted.start).u8(if wanted.once { ONCE } else { 0 });
    }
    e.string(host);
    Message::new(MessageType::MON_SUBSCRIBE, 3, 1, e.finish())
}

/// `handle` comes back in the answer.
pub fn get_version(handle: u64, what: &str) -> Message {
    let mut e = Encoder::new();
    e.u64(handle).string(what);
    Message::new(MessageType::MON_GET_VERSION, 1, 1, e.finish())
}

/// What MMonGetVersionReply says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionReply {
    pub handle: u64,
    pub newest: u64,
    pub oldest: u64,
}

impl VersionReply {
    pub fn decode(message: &Message) -> Result<VersionReply, Malformed> {
        let mut d = Decoder::new(&message.front);
        let (handle, newest) = (d.u64()?, d.u64()?);
        let oldest = if message.version >= 2 { d.u64()? } else { 0 };
        Ok(VersionReply { handle, newest, oldest })
    }
}

/// A command to the monitors together.
pub fn mon_command(fsid: &[u8; 16], cmd: &[String], input: Bytes) -> Message {
    let mut e = Encoder::new();
    paxos(&mut e, 0);
    command_body(&mut e, fsid, cmd);
    with_data(Message::new(MessageType::MON_COMMAND, 1, 1, e.finish()), input)
}

/// A command to one daemon: a named monitor, an OSD (MCommand).
pub fn tell_command(fsid: &[u8; 16], cmd: &[String], input: Bytes) -> Message {
    let mut e = Encoder::new();
    command_body(&mut e, fsid, cmd);
    with_data(Message::new(MessageType::COMMAND, 1, 1, e.finish()), input)
}

/// A command to the active manager (MMgrCommand); librados leaves the fsid out.
pub fn mgr_command(cmd: &[String], input: Bytes) -> Message {
    let mut e = Encoder::new();
    command_body(&mut e, &[0; 16], cmd);
    with_data(Message::new(MessageType::MGR_COMMAND, 1, 1, e.finish()), input)
}

fn command_body(e: &mut Encoder, fsid: &[u8; 16], cmd: &[String]) {
    e.raw(fsid).u32(cmd.len() as u32);
    for part in cmd {
        e.string(part);
    }
}

fn with_data(mut message: Message, data: Bytes) -> Message {
    if !data.is_empty() {
        message.data = vec![data];
    }
    message
}

/// A command's answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CommandReply {
    /// 0 or positive: it worked; negative: -errno.
    pub result: i32,
    /// For people.
    pub status: String,
    pub output: Bytes,
}

impl CommandReply {
    /// Of MMonCommandAck, MCommandReply or MMgrCommandReply.
    pub fn decode(message: &Message) -> Result<CommandReply, Malformed> {
        let mut d = Decoder::new(&message.front);
        if message.kind == MessageType::MON_COMMAND_ACK {
            skip_paxos(&mut d)?;
        }
        let result = d.u32()? as i32;
        let status = text(&mut d)?;
        let output = match message.data.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => several.concat().into(),
        };
        Ok(CommandReply { result, status, output })
    }
}

/// Free space and object count, of the cluster or (`pool`) of one pool.
pub fn statfs(fsid: &[u8; 16], pool: Option<i64>) -> Message {
    let mut e = Encoder::new();
    paxos(&mut e, 0);
    e.raw(fsid).u8(pool.is_some().into());
    if let Some(pool) = pool {
        e.u64(pool as u64);
    }
    Message::new(MessageType::STATFS, 2, 1, e.finish())
}

/// MStatfsReply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statfs {
    pub kb: u64,
    pub kb_used: u64,
    pub kb_avail: u64,
    pub objects: u64,
}

impl Statfs {
    pub fn decode(message: &Message) -> Result<Statfs, Malformed> {
        let mut d = Decoder::new(&message.front);
        d.raw(16 + 8)?;
        Ok(Statfs { kb: d.u64()?, kb_used: d.u64()?, kb_avail: d.u64()?, objects: d.u64()? })
    }
}

/// POOL_OP_*
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum PoolOpCode {
    Create = 0x01,
    Delete = 0x02,
    CreateSnap = 0x11,
    DeleteSnap = 0x12,
    CreateSelfManagedSnap = 0x21,
    DeleteSelfManagedSnap = 0x22,
}

/// A change of one pool (MPoolOp).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolOp {
    pub code: PoolOpCode,
    /// 0 when one is created.
    pub pool: u32,
    /// Of the snapshot, or of the pool that is created; `delete` when a pool is deleted.
    pub name: String,
    pub snap: u64,
    /// Of a pool that is created; -1: the default.
    pub crush_rule: i16,
    /// The newest OSD map epoch that the sender has.
    pub epoch: u32,
}

impl PoolOp {
    pub fn encode(&self, fsid: &[u8; 16]) -> Message {
        let mut e = Encoder::new();
        paxos(&mut e, u64::from(self.epoch));
        e.raw(fsid).u32(self.pool).u32(self.code as u32).u64(0).u64(self.snap).string(&self.name);
        e.u8(0).u16(self.crush_rule as u16);
        Message::new(MessageType::POOLOP, 4, 2, e.finish())
    }
}

/// MPoolOpReply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolOpReply {
    /// 0 or -errno.
    pub result: i32,
    /// The OSD map that has the change.
    pub epoch: u32,
    /// A self-managed snapshot's number, where one was made.
    pub data: Bytes,
}

impl PoolOpReply {
    pub fn decode(message: &Message) -> Result<PoolOpReply, Malformed> {
        let mut d = Decoder::new(&message.front);
        skip_paxos(&mut d)?;
        d.raw(16)?;
        let (result, epoch) = (d.u32()? as i32, d.u32()?);
        let data = if d.u8()? != 0 { message.front.slice_ref(d.blob()?) } else { Bytes::new() };
        Ok(PoolOpReply { result, epoch, data })
    }
}

/// Usage of pools (MGetPoolStats). `epoch` is the newest OSD map that the sender has.
pub fn get_pool_stats(fsid: &[u8; 16], pools: &[&str], epoch: u32) -> Message {
    let mut e = Encoder::new();
    paxos(&mut e, u64::from(epoch));
    e.raw(fsid).u32(pools.len() as u32);
    for pool in pools {
        e.string(pool);
    }
    Message::new(MessageType::GET_POOL_STATS, 1, 1, e.finish())
}

/// What MGetPoolStatsReply says of one pool (pool_stat_t).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolUsage {
    pub bytes: u64,
    pub objects: u64,
    pub read_ops: u64,
    pub read_kb: u64,
    pub write_ops: u64,
    pub write_kb: u64,
}

impl PoolUsage {
    /// `None`: the monitors have no figures of this pool.
    pub fn decode(message: &Message, name: &str) -> Result<Option<PoolUsage>, Malformed> {
        let mut d = Decoder::new(&message.front);
        skip_paxos(&mut d)?;
        d.raw(16)?;
        for _ in 0..d.u32()? {
            let found = d.blob()? == name.as_bytes();
            let (_, mut pool) = d.section(7)?;
            if !found {
                continue;
            }
            let (_, mut collection) = pool.section(2)?;
            let (_, mut sum) = collection.section(20)?;
            let (bytes, objects) = (sum.u64()?, sum.u64()?);
            // Clones, copies, missing on the primary, degraded, unfound.
            sum.raw(5 * 8)?;
            let (read_ops, read_kb, write_ops, write_kb) = (sum.u64()?, sum.u64()?, sum.u64()?, sum.u64()?);
            return Ok(Some(PoolUsage { bytes, objects, read_ops, read_kb, write_ops, write_kb }));
        }
        Ok(None)
    }
}

/// MAuth, in a session that is there already: renewal of tickets.
pub fn auth(method: u32, payload: &[u8]) -> Message {
    let mut e = Encoder::new();
    paxos(&mut e, 0);
    e.u32(method).blob(payload).u32(0);
    Message::new(MessageType::AUTH, 1, 1, e.finish())
}

/// MAuthReply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthReply {
    pub method: u32,
    pub result: i32,
    pub global_id: u64,
    pub payload: Bytes,
}

impl AuthReply {
    pub fn decode(message: &Message) -> Result<AuthReply, Malformed> {
        let mut d = Decoder::new(&message.front);
        let (method, result, global_id) = (d.u32()?, d.u32()? as i32, d.u64()?);
        Ok(AuthReply { method, result, global_id, payload: Bytes::copy_from_slice(d.blob()?) })
    }
}

/// MConfig: what `ceph config set` has for this client.
pub fn decode_config(message: &Message) -> Result<BTreeMap<String, String>, Malformed> {
    let mut d = Decoder::new(&message.front);
    let mut values = BTreeMap::new();
    for _ in 0..count(&mut d, 8)? {
        let key = text(&mut d)?;
        values.insert(key, text(&mut d)?);
    }
    Ok(values)
}

/// MPing's answer, which is JSON.
pub fn decode_ping(message: &Message) -> Result<String, Malformed> {
    text(&mut Decoder::new(&message.front))
}

/// A string for people; what is no UTF-8 in it is shown as such.
pub(super) fn text(d: &mut Decoder) -> Result<String, Malformed> {
    Ok(String::from_utf8_lossy(d.blob()?).into_owned())
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
