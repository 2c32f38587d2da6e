//! MOSDOp: a request (version 8, which every OSD from Luminous on reads).

use bytes::Bytes;

use crate::osd::OsdOp;
use crate::wire::message::{Message, MessageType};
use crate::wire::types::{Spg, Utime};

/// What Pacific's own library says of itself in every request (CEPH_FEATURES_SUPPORTED_DEFAULT); OSDs look into it for what
/// a client can be answered.
pub const CLIENT_FEATURES: u64 = 0x3f01_cfbd_fffd_ffff;

const VERSION: u16 = 8;
const COMPAT_VERSION: u16 = 3;

/// Bytes of a front without names, ops and snapshots.
const FIXED_BYTES: usize =
    24 + 4 + 4 + 4 + 27 + 24 + 4 + 8 + (6 + 8 + 4 + 4 + 4 + 8) + 4 + 2 + 8 + 8 + 4 + 4 + 8;
/// `struct ceph_osd_op`.
const OP_BYTES: usize = 2 + 4 + 28 + 4;

/// Everything that a request says.
#[derive(Clone, Copy, Debug)]
pub struct OpMessage<'a> {
    pub tid: u64,
    /// The placement group and, in erasure pools, the primary's shard.
    pub pgid: Spg,
    /// The object's whole hash, not folded into `pg_num`.
    pub hash: u32,
    pub epoch: u32,
    pub flags: u32,
    pub mtime: Utime,
    pub pool: i64,
    pub key: &'a [u8],
    pub namespace: &'a [u8],
    pub oid: &'a [u8],
    pub ops: &'a [OsdOp],
    pub snap: u64,
    pub snap_seq: u64,
    pub snaps: &'a [u64],
    /// 0: the first attempt.
    pub attempt: u32,
    pub features: u64,
}

impl OpMessage<'_> {
    pub fn encode(&self) -> Message {
        let names = self.key.len() + self.namespace.len() + self.oid.len();
        let mut out =
            Vec::with_capacity(FIXED_BYTES + names + self.ops.len() * OP_BYTES + self.snaps.len() * 8);
        // spg_t, which holds a pg_t.
        section(&mut out, 1, 1, 18);
        out.push(1);
        out.extend_from_slice(&self.pgid.pgid.pool.to_le_bytes());
        out.extend_from_slice(&self.pgid.pgid.seed.to_le_bytes());
        out.extend_from_slice(&u32::MAX.to_le_bytes());
        out.push(self.pgid.shard as u8);

        out.extend_from_slice(&self.hash.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        // osd_reqid_t: empty. The OSD takes the connection's name and this message's tid for it.
        section(&mut out, 2, 2, 21);
        out.extend_from_slice(&[0; 21]);
        // A trace of blkin: none; then the client's incarnation, always 0.
        out.extend_from_slice(&[0; 24 + 4]);
        out.extend_from_slice(&self.mtime.seconds.to_le_bytes());
        out.extend_from_slice(&self.mtime.nanoseconds.to_le_bytes());
        // object_locator_t. Without a name the hash stands for the object.
        let hash = if self.oid.is_empty() { i64::from(self.hash) } else { -1 };
        let compat = if hash == -1 { 3 } else { 6 };
        section(&mut out, 6, compat, 28 + self.key.len() + self.namespace.len());
        out.extend_from_slice(&self.pool.to_le_bytes());
        out.extend_from_slice(&u32::MAX.to_le_bytes());
        blob(&mut out, self.key);
        blob(&mut out, self.namespace);
        out.extend_from_slice(&hash.to_le_bytes());
        blob(&mut out, self.oid);

        out.extend_from_slice(&(self.ops.len() as u16).to_le_bytes());
        let mut data = Vec::new();
        let mut sums = Vec::new();
        for op in self.ops {
            out.extend_from_slice(&op.code.to_le_bytes());
            out.extend_from_slice(&op.flags.to_le_bytes());
            out.extend_from_slice(&op.union);
            let bytes: usize = op.input.iter().map(Bytes::len).sum();
            out.extend_from_slice(&(bytes as u32).to_le_bytes());
            sums.extend(op.sum.filter(|_| bytes > 0).map(|sum| (data.len(), sum)));
            data.extend(op.input.iter().filter(|piece| !piece.is_empty()).cloned());
        }
        out.extend_from_slice(&self.snap.to_le_bytes());
        out.extend_from_slice(&self.snap_seq.to_le_bytes());
        out.extend_from_slice(&(self.snaps.len() as u32).to_le_bytes());
        for snap in self.snaps {
            out.extend_from_slice(&snap.to_le_bytes());
        }
        out.extend_from_slice(&self.attempt.to_le_bytes());
        out.extend_from_slice(&self.features.to_le_bytes());

        let mut message = Message::new(MessageType::OSD_OP, VERSION, COMPAT_VERSION, out.into());
        message.priority = super::PRIORITY_OP;
        message.tid = self.tid;
        message.data = data;
        message.sums = sums;
        message
    }
}

fn section(out: &mut Vec<u8>, version: u8, compat: u8, length: usize) {
    out.push(version);
    out.push(compat);
    out.extend_from_slice(&(length as u32).to_le_bytes());
}

fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}
