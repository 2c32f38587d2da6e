//! Listing a pool's objects, one placement group's piece at a time.

use bytes::{BufMut, Bytes};

use super::codes::{NO_SNAP, flag, op};
use super::message::ListResponse;
use super::{ObjectName, OpAnswer, OpRequest, OsdError, OsdOp};
use crate::errno::Errno;
use crate::wire::denc::Encoder;
use crate::wire::types::Hobject;

/// What stands for all namespaces.
const ALL_NAMESPACES: &[u8] = b"\x01";

/// `epoch` is that of the map by which the caller chose the cursor's placement group.
pub(super) fn request(
    pool: i64,
    namespace: Option<Bytes>,
    cursor: &Hobject,
    max: u64,
    filter: Option<Bytes>,
    epoch: u32,
) -> OpRequest {
    let code = if filter.is_some() { op::PGNLS_FILTER } else { op::PGNLS };
    let mut union = [0; 28];
    let mut fields = &mut union[..];
    fields.put_u64_le(max);
    fields.put_u32_le(epoch);
    let mut e = Encoder::new();
    cursor.encode(&mut e);
    let input = filter.into_iter().chain([e.finish()]).collect();
    OpRequest {
        object: ObjectName {
            pool,
            namespace: namespace.unwrap_or(Bytes::from_static(ALL_NAMESPACES)),
            key: Bytes::new(),
            oid: Bytes::new(),
        },
        ops: vec![OsdOp { code, flags: 0, union, input, sum: None }],
        flags: flag::READ | flag::IGNORE_OVERLAY,
        snap: NO_SNAP,
        snap_seq: 0,
        snaps: vec![],
        mtime_ns: 0,
        placement_seed: Some(cursor.hash),
        place: None,
        chunks: None,
    }
}

pub(super) fn response(answer: OpAnswer) -> Result<ListResponse, OsdError> {
    let failed = |errno, detail: &str| OsdError::Failed { errno, detail: detail.into() };
    if answer.result < 0 {
        return Err(failed(Errno(-answer.result), "listing objects"));
    }
    let output =
        answer.ops.first().map(|op| &op.output).ok_or_else(|| failed(Errno::EIO, "empty listing"))?;
    ListResponse::decode(output).map_err(|_| failed(Errno::EIO, "malformed listing"))
}
