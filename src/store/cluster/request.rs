//! Our op lists as OSDs take them: codes, parameters and input of each op.

use bytes::{BufMut, Bytes};

use crate::osd::codes::{flag, op, op_flag};
use crate::osd::{ObjectName, OpRequest, OsdOp};
use crate::store::name::bytes_of;
use crate::store::{CmpMode, CmpValue, Op, Request, SnapId, Target, interp};
use crate::wire::denc::Encoder;

/// CEPH_OSD_CMPXATTR_MODE_*.
const XATTR_MODE_STRING: u8 = 1;
const XATTR_MODE_U64: u8 = 2;

/// The parameters of `struct ceph_osd_op`: a packed union of 28 bytes, little-endian.
struct Union([u8; 28]);

impl Union {
    const NONE: Union = Union([0; 28]);

    fn of(write: impl FnOnce(&mut &mut [u8])) -> Union {
        let mut bytes = [0; 28];
        write(&mut &mut bytes[..]);
        Union(bytes)
    }

    fn extent(offset: u64, length: u64) -> Union {
        Union::of(|u| {
            u.put_u64_le(offset);
            u.put_u64_le(length);
        })
    }
}

fn built(code: u16, flags: u32, union: Union, input: Vec<Bytes>) -> OsdOp {
    OsdOp { code, flags, union: union.0, input }
}

fn encoded(body: impl FnOnce(&mut Encoder)) -> Vec<Bytes> {
    let mut e = Encoder::new();
    body(&mut e);
    vec![e.finish()]
}

fn cmp_number(mode: CmpMode) -> u8 {
    match mode {
        CmpMode::Eq => 1,
        CmpMode::Ne => 2,
        CmpMode::Gt => 3,
        CmpMode::Gte => 4,
        CmpMode::Lt => 5,
        CmpMode::Lte => 6,
    }
}

fn xattr(code: u16, flags: u32, name: &str, value: Bytes, cmp: (u8, u8)) -> OsdOp {
    let name = Bytes::copy_from_slice(&bytes_of(name));
    let union = Union::of(|u| {
        u.put_u32_le(name.len() as u32);
        u.put_u32_le(value.len() as u32);
        u.put_u8(cmp.0);
        u.put_u8(cmp.1);
    });
    built(code, flags, union, vec![name, value])
}

fn keys(keys: &[Bytes]) -> Vec<Bytes> {
    // A set on the OSD's side: sorted, each once.
    let mut sorted: Vec<&Bytes> = keys.iter().collect();
    sorted.sort();
    sorted.dedup();
    encoded(|e| {
        e.u32(sorted.len() as u32);
        sorted.iter().for_each(|key| {
            e.blob(key);
        });
    })
}

fn osd_op(request: &Op, flags: u32) -> OsdOp {
    match request {
        Op::AssertExists | Op::Stat => built(op::STAT, flags, Union::NONE, vec![]),
        Op::AssertVersion(version) => {
            let union = Union::of(|u| {
                u.put_u64_le(0);
                u.put_u64_le(*version);
            });
            built(op::ASSERT_VER, flags, union, vec![])
        }
        Op::CmpXattr { name, mode, value } => {
            let (value, kind) = match value {
                CmpValue::Bytes(bytes) => (bytes.clone(), XATTR_MODE_STRING),
                CmpValue::U64(number) => (Bytes::copy_from_slice(&number.to_le_bytes()), XATTR_MODE_U64),
            };
            xattr(op::CMPXATTR, flags, name, value, (cmp_number(*mode), kind))
        }
        Op::CmpExt { offset, data } => {
            built(op::CMPEXT, flags, Union::extent(*offset, data.len() as u64), vec![data.clone()])
        }
        Op::OmapCmp { key, value, mode } => {
            let input = encoded(|e| {
                e.u32(1).blob(key).blob(value).u32(cmp_number(*mode).into());
            });
            built(op::OMAP_CMP, flags, Union::NONE, input)
        }
        Op::Read { offset, length } => built(op::READ, flags, Union::extent(*offset, *length), vec![]),
        Op::SparseRead { offset, length } => {
            built(op::SPARSE_READ, flags, Union::extent(*offset, *length), vec![])
        }
        Op::Checksum { kind, init, offset, length, chunk_size } => {
            let union = Union::of(|u| {
                u.put_u64_le(*offset);
                u.put_u64_le(*length);
                u.put_u32_le(*chunk_size as u32);
                u.put_u8(*kind);
            });
            built(op::CHECKSUM, flags, union, vec![init.clone()])
        }
        Op::Create { exclusive } => {
            let exclusive = if *exclusive { op_flag::EXCL } else { 0 };
            built(op::CREATE, flags | exclusive, Union::NONE, vec![])
        }
        Op::Write { offset, data } => {
            built(op::WRITE, flags, Union::extent(*offset, data.len() as u64), vec![data.clone()])
        }
        Op::WriteFull { data } => {
            built(op::WRITEFULL, flags, Union::extent(0, data.len() as u64), vec![data.clone()])
        }
        Op::WriteSame { offset, length, data } => {
            let union = Union::of(|u| {
                u.put_u64_le(*offset);
                u.put_u64_le(*length);
                u.put_u64_le(data.len() as u64);
            });
            built(op::WRITESAME, flags, union, vec![data.clone()])
        }
        Op::Append { data } => {
            built(op::APPEND, flags, Union::extent(0, data.len() as u64), vec![data.clone()])
        }
        Op::Zero { offset, length } => built(op::ZERO, flags, Union::extent(*offset, *length), vec![]),
        Op::Truncate { size } => built(op::TRUNCATE, flags, Union::extent(*size, 0), vec![]),
        Op::Remove => built(op::DELETE, flags, Union::NONE, vec![]),
        Op::SetAllocHint { expected_object_size, expected_write_size, flags: hint } => {
            let union = Union::of(|u| {
                u.put_u64_le(*expected_object_size);
                u.put_u64_le(*expected_write_size);
                u.put_u32_le(*hint);
            });
            // Advice only: librados, too, lets an OSD that does not know it go on.
            built(op::SETALLOCHINT, flags | op_flag::FAILOK, union, vec![])
        }
        Op::Rollback { snap } => built(op::ROLLBACK, flags, Union::of(|u| u.put_u64_le(snap.0)), vec![]),
        Op::GetXattr { name } => xattr(op::GETXATTR, flags, name, Bytes::new(), (0, 0)),
        Op::GetXattrs => built(op::GETXATTRS, flags, Union::NONE, vec![]),
        Op::SetXattr { name, value } => xattr(op::SETXATTR, flags, name, value.clone(), (0, 0)),
        Op::RmXattr { name } => xattr(op::RMXATTR, flags, name, Bytes::new(), (0, 0)),
        Op::OmapGetKeys { after, max } => {
            let input = encoded(|e| {
                e.blob(after).u64(*max);
            });
            built(op::OMAPGETKEYS, flags, Union::NONE, input)
        }
        Op::OmapGetVals { after, prefix, max } => {
            let input = encoded(|e| {
                e.blob(after).u64(*max).blob(prefix);
            });
            built(op::OMAPGETVALS, flags, Union::NONE, input)
        }
        Op::OmapGetValsByKeys { keys: wanted } => {
            built(op::OMAPGETVALSBYKEYS, flags, Union::NONE, keys(wanted))
        }
        Op::OmapGetHeader => built(op::OMAPGETHEADER, flags, Union::NONE, vec![]),
        Op::OmapSetHeader { data } => built(op::OMAPSETHEADER, flags, Union::NONE, vec![data.clone()]),
        Op::OmapSet { pairs } => {
            let input = encoded(|e| {
                e.u32(pairs.len() as u32);
                pairs.iter().for_each(|(key, value)| {
                    e.blob(key).blob(value);
                });
            });
            built(op::OMAPSETVALS, flags, Union::NONE, input)
        }
        Op::OmapRmKeys { keys: removed } => built(op::OMAPRMKEYS, flags, Union::NONE, keys(removed)),
        Op::OmapRmRange { begin, end } => {
            let input = encoded(|e| {
                e.blob(begin).blob(end);
            });
            built(op::OMAPRMKEYRANGE, flags, Union::NONE, input)
        }
        Op::OmapClear => built(op::OMAPCLEAR, flags, Union::NONE, vec![]),
        Op::ListWatchers => built(op::LIST_WATCHERS, flags, Union::NONE, vec![]),
        Op::ListSnaps => built(op::LIST_SNAPS, flags, Union::NONE, vec![]),
        Op::Exec { class, method, input } => {
            let union = Union::of(|u| {
                u.put_u8(class.len() as u8);
                u.put_u8(method.len() as u8);
                u.put_u8(0);
                u.put_u32_le(input.len() as u32);
            });
            let names = Bytes::from([class.as_bytes(), method.as_bytes()].concat());
            built(op::CALL, flags, union, vec![names, input.clone()])
        }
    }
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
        ops: request.ops.iter().map(|(op, flags)| osd_op(op, *flags)).collect(),
        flags,
        snap,
        snap_seq: request.snapc.seq,
        snaps: request.snapc.snaps.iter().map(|snap| snap.0).collect(),
        mtime_ns: if writes { request.mtime_ns.unwrap_or(now_ns) } else { request.mtime_ns.unwrap_or(0) },
        placement_seed: None,
    }
}
