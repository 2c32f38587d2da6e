//! The ops of a list, one constructor each: numbers, parameters and input as OSDs take them (`struct ceph_osd_op`).

use bytes::{BufMut, Bytes};

use super::OsdOp;
use super::codes::{cmp, op, op_flag};
use crate::wire::denc::Encoder;

/// How `cmpxattr` and `omap_cmp` compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compare {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Compare {
    fn number(self) -> u8 {
        match self {
            Compare::Eq => cmp::EQ,
            Compare::Ne => cmp::NE,
            Compare::Gt => cmp::GT,
            Compare::Gte => cmp::GTE,
            Compare::Lt => cmp::LT,
            Compare::Lte => cmp::LTE,
        }
    }
}

fn encoded(body: impl FnOnce(&mut Encoder)) -> Vec<Bytes> {
    let mut e = Encoder::new();
    body(&mut e);
    vec![e.finish()]
}

/// A set on the OSD's side: sorted, each once.
fn keys(keys: &[Bytes]) -> Vec<Bytes> {
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

impl OsdOp {
    /// Any op. `write` fills the packed union of 28 bytes, little-endian; what it leaves is zero.
    pub fn with(code: u16, write: impl FnOnce(&mut &mut [u8]), input: Vec<Bytes>) -> OsdOp {
        let mut union = [0; 28];
        write(&mut &mut union[..]);
        OsdOp { code, flags: 0, union, input, sum: None }
    }

    /// With further CEPH_OSD_OP_FLAG_* bits.
    pub fn flags(mut self, flags: u32) -> OsdOp {
        self.flags |= flags;
        self
    }

    /// With the CRC32C of its input, which is one piece.
    pub fn summed(mut self, sum: Option<u32>) -> OsdOp {
        self.sum = sum;
        self
    }

    fn plain(code: u16) -> OsdOp {
        OsdOp::with(code, |_| (), vec![])
    }

    fn extent(code: u16, offset: u64, length: u64, input: Vec<Bytes>) -> OsdOp {
        OsdOp::with(
            code,
            |u| {
                u.put_u64_le(offset);
                u.put_u64_le(length);
            },
            input,
        )
    }

    fn xattr(code: u16, name: &[u8], value: Bytes, compare: (u8, u8)) -> OsdOp {
        let value_bytes = value.len() as u32;
        OsdOp::with(
            code,
            |u| {
                u.put_u32_le(name.len() as u32);
                u.put_u32_le(value_bytes);
                u.put_u8(compare.0);
                u.put_u8(compare.1);
            },
            vec![Bytes::copy_from_slice(name), value],
        )
    }

    /// Output: size (u64) and mtime. ENOENT if the object does not exist.
    pub fn stat() -> OsdOp {
        OsdOp::plain(op::STAT)
    }

    /// ERANGE if the object's version is newer, EOVERFLOW if it is older.
    pub fn assert_version(version: u64) -> OsdOp {
        OsdOp::with(
            op::ASSERT_VER,
            |u| {
                u.put_u64_le(0);
                u.put_u64_le(version);
            },
            vec![],
        )
    }

    /// ECANCELED unless `value MODE stored`.
    pub fn cmpxattr(name: &[u8], mode: Compare, value: Bytes) -> OsdOp {
        OsdOp::xattr(op::CMPXATTR, name, value, (mode.number(), cmp::MODE_STRING))
    }

    /// As [`OsdOp::cmpxattr`], with the stored value read as decimal text.
    pub fn cmpxattr_u64(name: &[u8], mode: Compare, value: u64) -> OsdOp {
        let value = Bytes::copy_from_slice(&value.to_le_bytes());
        OsdOp::xattr(op::CMPXATTR, name, value, (mode.number(), cmp::MODE_U64))
    }

    /// -(4095 + offset of the first difference) unless the object has these bytes there.
    pub fn cmpext(offset: u64, data: Bytes) -> OsdOp {
        OsdOp::extent(op::CMPEXT, offset, data.len() as u64, vec![data])
    }

    /// ECANCELED unless `stored MODE value`.
    pub fn omap_cmp(key: &[u8], mode: Compare, value: &[u8]) -> OsdOp {
        let input = encoded(|e| {
            e.u32(1).blob(key).blob(value).u32(mode.number().into());
        });
        OsdOp::with(op::OMAP_CMP, |_| (), input)
    }

    /// `length` 0: to the object's end. Short where the object ends.
    pub fn read(offset: u64, length: u64) -> OsdOp {
        OsdOp::extent(op::READ, offset, length, vec![])
    }

    /// Output: a map of offsets to lengths, and the data of these extents in one piece.
    pub fn sparse_read(offset: u64, length: u64) -> OsdOp {
        OsdOp::extent(op::SPARSE_READ, offset, length, vec![])
    }

    /// `kind`: 0 xxHash32, 1 xxHash64, 2 CRC-32C.
    pub fn checksum(kind: u8, init: Bytes, offset: u64, length: u64, chunk_bytes: u32) -> OsdOp {
        OsdOp::with(
            op::CHECKSUM,
            |u| {
                u.put_u64_le(offset);
                u.put_u64_le(length);
                u.put_u32_le(chunk_bytes);
                u.put_u8(kind);
            },
            vec![init],
        )
    }

    /// EEXIST if `exclusive` and the object exists.
    pub fn create(exclusive: bool) -> OsdOp {
        OsdOp::plain(op::CREATE).flags(if exclusive { op_flag::EXCL } else { 0 })
    }

    pub fn write(offset: u64, data: Bytes) -> OsdOp {
        OsdOp::extent(op::WRITE, offset, data.len() as u64, vec![data])
    }

    pub fn write_full(data: Bytes) -> OsdOp {
        OsdOp::extent(op::WRITEFULL, 0, data.len() as u64, vec![data])
    }

    /// `data` over and over.
    pub fn write_same(offset: u64, length: u64, data: Bytes) -> OsdOp {
        let data_bytes = data.len() as u64;
        OsdOp::with(
            op::WRITESAME,
            |u| {
                u.put_u64_le(offset);
                u.put_u64_le(length);
                u.put_u64_le(data_bytes);
            },
            vec![data],
        )
    }

    pub fn append(data: Bytes) -> OsdOp {
        OsdOp::extent(op::APPEND, 0, data.len() as u64, vec![data])
    }

    pub fn zero(offset: u64, length: u64) -> OsdOp {
        OsdOp::extent(op::ZERO, offset, length, vec![])
    }

    pub fn truncate(size: u64) -> OsdOp {
        OsdOp::extent(op::TRUNCATE, size, 0, vec![])
    }

    pub fn delete() -> OsdOp {
        OsdOp::plain(op::DELETE)
    }

    /// Advice only: as with librados, an OSD that does not know it goes on.
    pub fn set_alloc_hint(object_bytes: u64, write_bytes: u64, hint: u32) -> OsdOp {
        OsdOp::with(
            op::SETALLOCHINT,
            |u| {
                u.put_u64_le(object_bytes);
                u.put_u64_le(write_bytes);
                u.put_u32_le(hint);
            },
            vec![],
        )
        .flags(op_flag::FAILOK)
    }

    pub fn rollback(snap: u64) -> OsdOp {
        OsdOp::with(op::ROLLBACK, |u| u.put_u64_le(snap), vec![])
    }

    pub fn getxattr(name: &[u8]) -> OsdOp {
        OsdOp::xattr(op::GETXATTR, name, Bytes::new(), (0, 0))
    }

    pub fn getxattrs() -> OsdOp {
        OsdOp::plain(op::GETXATTRS)
    }

    pub fn setxattr(name: &[u8], value: Bytes) -> OsdOp {
        OsdOp::xattr(op::SETXATTR, name, value, (0, 0))
    }

    pub fn rmxattr(name: &[u8]) -> OsdOp {
        OsdOp::xattr(op::RMXATTR, name, Bytes::new(), (0, 0))
    }

    /// Output: keys, and whether there are more.
    pub fn omap_get_keys(after: &[u8], max: u64) -> OsdOp {
        let input = encoded(|e| {
            e.blob(after).u64(max);
        });
        OsdOp::with(op::OMAPGETKEYS, |_| (), input)
    }

    /// Output: pairs, and whether there are more.
    pub fn omap_get_vals(after: &[u8], prefix: &[u8], max: u64) -> OsdOp {
        let input = encoded(|e| {
            e.blob(after).u64(max).blob(prefix);
        });
        OsdOp::with(op::OMAPGETVALS, |_| (), input)
    }

    pub fn omap_get_vals_by_keys(wanted: &[Bytes]) -> OsdOp {
        OsdOp::with(op::OMAPGETVALSBYKEYS, |_| (), keys(wanted))
    }

    pub fn omap_get_header() -> OsdOp {
        OsdOp::plain(op::OMAPGETHEADER)
    }

    pub fn omap_set_header(data: Bytes) -> OsdOp {
        OsdOp::with(op::OMAPSETHEADER, |_| (), vec![data])
    }

    pub fn omap_set<'a>(pairs: impl ExactSizeIterator<Item = (&'a Bytes, &'a Bytes)>) -> OsdOp {
        let input = encoded(|e| {
            e.u32(pairs.len() as u32);
            pairs.for_each(|(key, value)| {
                e.blob(key).blob(value);
            });
        });
        OsdOp::with(op::OMAPSETVALS, |_| (), input)
    }

    pub fn omap_rm_keys(removed: &[Bytes]) -> OsdOp {
        OsdOp::with(op::OMAPRMKEYS, |_| (), keys(removed))
    }

    /// Keys in `begin..end`.
    pub fn omap_rm_range(begin: &[u8], end: &[u8]) -> OsdOp {
        let input = encoded(|e| {
            e.blob(begin).blob(end);
        });
        OsdOp::with(op::OMAPRMKEYRANGE, |_| (), input)
    }

    pub fn omap_clear() -> OsdOp {
        OsdOp::plain(op::OMAPCLEAR)
    }

    pub fn list_watchers() -> OsdOp {
        OsdOp::plain(op::LIST_WATCHERS)
    }

    pub fn list_snaps() -> OsdOp {
        OsdOp::plain(op::LIST_SNAPS)
    }

    /// A class's method. Names of at most 255 bytes.
    pub fn call(class: &str, method: &str, input: Bytes) -> OsdOp {
        let input_bytes = input.len() as u32;
        let names = Bytes::from([class.as_bytes(), method.as_bytes()].concat());
        OsdOp::with(
            op::CALL,
            |u| {
                u.put_u8(class.len() as u8);
                u.put_u8(method.len() as u8);
                u.put_u8(0);
                u.put_u32_le(input_bytes);
            },
            vec![names, input],
        )
    }
}
