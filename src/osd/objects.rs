//! Single objects, for programs in Rust: read, write, stat, delete, and lists of ops.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::codes::flag;
use super::{ObjectName, OpAnswer, OpRequest, OsdClient, OsdError, OsdOp};
use crate::errno::Errno;
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::Utime;

/// CEPH_NOSNAP: the live object.
const HEAD: u64 = u64::MAX - 1;

impl ObjectName {
    /// An object of a pool's default namespace, placed by its own name.
    pub fn new(pool: i64, oid: impl Into<Bytes>) -> ObjectName {
        ObjectName { pool, namespace: Bytes::new(), key: Bytes::new(), oid: oid.into() }
    }
}

impl OpRequest {
    /// A list that changes nothing.
    pub fn reading(object: ObjectName, ops: Vec<OsdOp>) -> OpRequest {
        OpRequest {
            object,
            ops,
            flags: flag::READ,
            snap: HEAD,
            snap_seq: 0,
            snaps: Vec::new(),
            mtime_ns: 0,
            placement_seed: None,
            place: None,
            chunks: None,
        }
    }

    /// A list that may change the object, all of it or nothing.
    pub fn writing(object: ObjectName, ops: Vec<OsdOp>) -> OpRequest {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mtime_ns = now.map_or(0, |since| since.as_nanos() as u64);
        OpRequest { flags: flag::WRITE | flag::READ, mtime_ns, ..OpRequest::reading(object, ops) }
    }
}

/// An object's size in bytes and when it was changed (nanoseconds since 1970).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectStat {
    pub size: u64,
    pub mtime_ns: u64,
}

impl OsdClient {
    /// Runs a list of ops. The answer of one that failed is an error: the OSD's errno.
    pub async fn run(&self, request: OpRequest) -> Result<OpAnswer, OsdError> {
        let name = request.object.oid.clone();
        let answer = self.operate(request).await?;
        if answer.result < 0 {
            let detail = format!("object {}", name.escape_ascii());
            return Err(OsdError::Failed { errno: Errno(-answer.result), detail });
        }
        Ok(answer)
    }

    /// `length` 0: to the object's end. Short where the object ends; ENOENT if there is none.
    pub async fn read(&self, object: ObjectName, offset: u64, length: u64) -> Result<Bytes, OsdError> {
        let mut answer = self.run(OpRequest::reading(object, vec![OsdOp::read(offset, length)])).await?;
        Ok(answer.ops.pop().map(|op| op.output).unwrap_or_default())
    }

    /// Completes when the data are durable on all replicas.
    pub async fn write(&self, object: ObjectName, offset: u64, data: Bytes) -> Result<(), OsdError> {
        self.run(OpRequest::writing(object, vec![OsdOp::write(offset, data)])).await.map(drop)
    }

    /// Replaces the object's data.
    pub async fn write_full(&self, object: ObjectName, data: Bytes) -> Result<(), OsdError> {
        self.run(OpRequest::writing(object, vec![OsdOp::write_full(data)])).await.map(drop)
    }

    /// ENOENT if there is none.
    pub async fn delete(&self, object: ObjectName) -> Result<(), OsdError> {
        self.run(OpRequest::writing(object, vec![OsdOp::delete()])).await.map(drop)
    }

    /// ENOENT if there is none.
    pub async fn stat(&self, object: ObjectName) -> Result<ObjectStat, OsdError> {
        let answer = self.run(OpRequest::reading(object, vec![OsdOp::stat()])).await?;
        let decode = |bytes: &[u8]| -> Result<ObjectStat, Malformed> {
            let mut d = Decoder::new(bytes);
            Ok(ObjectStat { size: d.u64()?, mtime_ns: Utime::decode(&mut d)?.as_ns() })
        };
        answer.ops.first().map_or(Err(Malformed), |op| decode(&op.output)).map_err(|Malformed| {
            OsdError::Failed { errno: Errno::EIO, detail: "the OSD's answer makes no sense".to_owned() }
        })
    }
}
