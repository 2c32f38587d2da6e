//! Our op lists as OSDs take them.

use bytes::Bytes;

use crate::osd::codes::flag;
use crate::osd::{Compare, ObjectName, OpRequest, OsdOp};
use crate::store::name::bytes_of;
use crate::store::{CmpMode, CmpValue, Op, Request, SnapId, Target, interp};

fn compare(mode: CmpMode) -> Compare {
    match mode {
        CmpMode::Eq => Compare::Eq,
        CmpMode::Ne => Compare::Ne,
        CmpMode::Gt => Compare::Gt,
        CmpMode::Gte => Compare::Gte,
        CmpMode::Lt => Compare::Lt,
        CmpMode::Lte => Compare::Lte,
    }
}

fn osd_op(op: &Op) -> OsdOp {
    match op {
        Op::AssertExists | Op::Stat => OsdOp::stat(),
        Op::AssertVersion(version) => OsdOp::assert_version(*version),
        Op::CmpXattr { name, mode, value: CmpValue::Bytes(value) } => {
            OsdOp::cmpxattr(&bytes_of(name), compare(*mode), value.clone())
        }
        Op::CmpXattr { name, mode, value: CmpValue::U64(value) } => {
            OsdOp::cmpxattr_u64(&bytes_of(name), compare(*mode), *value)
        }
        Op::CmpExt { offset, data } => OsdOp::cmpext(*offset, data.clone()),
        Op::OmapCmp { key, value, mode } => OsdOp::omap_cmp(key, compare(*mode), value),
        Op::Read { offset, length } => OsdOp::read(*offset, *length),
        Op::SparseRead { offset, length } => OsdOp::sparse_read(*offset, *length),
        Op::Checksum { kind, init, offset, length, chunk_size } => {
            OsdOp::checksum(*kind, init.clone(), *offset, *length, *chunk_size as u32)
        }
        Op::Create { exclusive } => OsdOp::create(*exclusive),
        Op::Write { offset, data } => OsdOp::write(*offset, data.clone()),
        Op::WriteFull { data } => OsdOp::write_full(data.clone()),
        Op::WriteSame { offset, length, data } => OsdOp::write_same(*offset, *length, data.clone()),
        Op::Append { data } => OsdOp::append(data.clone()),
        Op::Zero { offset, length } => OsdOp::zero(*offset, *length),
        Op::Truncate { size } => OsdOp::truncate(*size),
        Op::Remove => OsdOp::delete(),
        Op::SetAllocHint { expected_object_size, expected_write_size, flags } => {
            OsdOp::set_alloc_hint(*expected_object_size, *expected_write_size, *flags)
        }
        Op::Rollback { snap } => OsdOp::rollback(snap.0),
        Op::GetXattr { name } => OsdOp::getxattr(&bytes_of(name)),
        Op::GetXattrs => OsdOp::getxattrs(),
        Op::SetXattr { name, value } => OsdOp::setxattr(&bytes_of(name), value.clone()),
        Op::RmXattr { name } => OsdOp::rmxattr(&bytes_of(name)),
        Op::OmapGetKeys { after, max } => OsdOp::omap_get_keys(after, *max),
        Op::OmapGetVals { after, prefix, max } => OsdOp::omap_get_vals(after, prefix, *max),
        Op::OmapGetValsByKeys { keys } => OsdOp::omap_get_vals_by_keys(keys),
        Op::OmapGetHeader => OsdOp::omap_get_header(),
        Op::OmapSetHeader { data } => OsdOp::omap_set_header(data.clone()),
        Op::OmapSet { pairs } => OsdOp::omap_set(pairs.iter()),
        Op::OmapRmKeys { keys } => OsdOp::omap_rm_keys(keys),
        Op::OmapRmRange { begin, end } => OsdOp::omap_rm_range(begin, end),
        Op::OmapClear => OsdOp::omap_clear(),
        Op::ListWatchers => OsdOp::list_watchers(),
        Op::ListSnaps => OsdOp::list_snaps(),
        Op::Exec { class, method, input } => OsdOp::call(class, method, input.clone()),
    }
}

/// Of an op's data.
fn sum_of(request: &Request, nth: usize) -> Option<u32> {
    let is_data = |op: &Op| matches!(op, Op::Write { .. } | Op::WriteFull { .. });
    request.sums.iter().find(|(of, _)| *of == nth && is_data(&request.ops[nth].0)).map(|(_, sum)| *sum)
}

pub(super) fn object_name(target: &Target) -> ObjectName {
    let bytes = |text: &str| Bytes::copy_from_slice(&bytes_of(text));
    ObjectName {
        pool: target.pool.0,
        namespace: bytes(&target.namespace),
        key: bytes(&target.key),
        oid: bytes(&target.oid),
    }
}

/// CEPH_SNAPDIR: an op list about all of an object's clones.
const SNAPDIR: u64 = u64::MAX;

/// `now_ns` is the modification time of a request that names none.
pub(super) fn osd_request(request: &Request, now_ns: u64) -> OpRequest {
    let writes = interp::is_write(request);
    let given = &request.flags;
    let mut flags = if writes { flag::WRITE } else { flag::READ };
    // The OSD finds out by itself what a class method does; guards and reads beside writes ask for both.
    if writes && request.ops.iter().any(|(op, _)| !op.is_write()) {
        flags |= flag::READ;
    }
    for (on, bit) in [
        (given.full_try, flag::FULL_TRY),
        (given.full_force, flag::FULL_FORCE),
        (given.balance_reads, flag::BALANCE_READS),
        (given.localize_reads, flag::LOCALIZE_READS),
        (given.ignore_cache, flag::IGNORE_CACHE),
        (given.ignore_overlay, flag::IGNORE_OVERLAY),
        (given.ordered_reads, flag::RWORDERED),
    ] {
        if on {
            flags |= bit;
        }
    }
    let lists_snaps = request.ops.iter().any(|(op, _)| matches!(op, Op::ListSnaps));
    let snap = if writes {
        SnapId::HEAD.0
    } else if lists_snaps {
        SNAPDIR
    } else {
        request.read_snap.0
    };
    OpRequest {
        object: object_name(&request.target),
        ops: (0..)
            .zip(&request.ops)
            .map(|(nth, (op, flags))| osd_op(op).flags(*flags).summed(sum_of(request, nth)))
            .collect(),
        flags,
        snap,
        snap_seq: request.snapc.seq,
        snaps: request.snapc.snaps.iter().map(|snap| snap.0).collect(),
        mtime_ns: if writes { request.mtime_ns.unwrap_or(now_ns) } else { request.mtime_ns.unwrap_or(0) },
        placement_seed: None,
        place: request.place.clone(),
        chunks: request.chunks.clone(),
    }
}
