//! What each op of a list does, and with which errno it fails: once, for all stores of ours.
//!
//! A list runs in two steps, as on an OSD. First every op is judged, in order, against the object *as it was before
//! the list*; only existence and size follow the list's own changes (so a `CmpXattr` after a `SetXattr` sees the old
//! value: measured on Ceph 16.2.15). Changes are collected as [`Mutation`]s. Then, if no op failed, the store applies
//! all of them at once. A failed list has therefore nothing to undo.

mod checksum;
mod cls;
mod compare;
mod read;
mod write;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Op, OpOut, OpResult, Reply, Request, StoreError, StoreResult, Target};
use crate::errno::Errno;
use crate::wire::types::EntityAddr;

/// The largest object (osd_max_object_size).
pub const MAX_OBJECT_SIZE: u64 = 128 << 20;
/// The longest xattr name (osd_max_attr_name_len).
pub const MAX_XATTR_NAME: usize = 100;
/// The most omap entries that one op answers (osd_max_omap_entries_per_request).
pub const MAX_OMAP_ENTRIES: u64 = 1024;
/// The longest object name, locator key and namespace (osd_max_object_name_len, osd_max_object_namespace_len).
pub const MAX_OID: usize = 2048;
pub const MAX_NAMESPACE: usize = 256;
/// LIBRADOS_OP_FLAG_FAILOK: the op's failure does not fail the list.
pub const FLAG_FAILOK: u32 = 0x2;

/// What a store keeps of an object besides its contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectState {
    pub size: u64,
    pub mtime_ns: u64,
    pub version: u64,
}

/// One change to an object. A store applies a list's changes in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// Makes the object if it does not exist.
    Create,
    /// `op` is the index of the op in the list that brought the data.
    Write {
        offset: u64,
        data: Bytes,
        op: usize,
    },
    /// Frees a range inside the object; it reads as zeros.
    Zero {
        offset: u64,
        length: u64,
    },
    /// Cuts or extends; the extension reads as zeros.
    Truncate {
        size: u64,
    },
    /// Removes the object with xattrs and omap; a later change in the list starts afresh.
    Remove,
    SetXattr {
        name: String,
        value: Bytes,
    },
    RmXattr {
        name: String,
    },
    OmapHeader {
        data: Bytes,
    },
    OmapSet {
        pairs: BTreeMap<Bytes, Bytes>,
    },
    OmapRmKeys {
        keys: Vec<Bytes>,
    },
    OmapRmRange {
        begin: Bytes,
        end: Bytes,
    },
    /// Removes all keys and the header.
    OmapClear,
}

/// Omap pairs in key order, and whether there are more.
pub type OmapPage = (Vec<(Bytes, Bytes)>, bool);

/// One object as it is before a list. All reads are of that state.
pub trait ObjectView {
    /// `None` if it does not exist.
    fn state(&mut self) -> StoreResult<Option<ObjectState>>;
    /// Exactly `length` bytes; the caller stays inside the object's size. What was never written is zeros.
    fn read(&mut self, offset: u64, length: u64) -> StoreResult<Bytes>;
    /// The written ranges inside the range given, neighbours merged, as (offset, length).
    fn allocated(&mut self, offset: u64, length: u64) -> StoreResult<Vec<(u64, u64)>>;
    fn xattr(&mut self, name: &str) -> StoreResult<Option<Bytes>>;
    /// In order of name.
    fn xattrs(&mut self) -> StoreResult<Vec<(String, Bytes)>>;
    fn omap_header(&mut self) -> StoreResult<Bytes>;
    fn omap_value(&mut self, key: &Bytes) -> StoreResult<Option<Bytes>>;
    /// At most `max` pairs whose key is above `after` and begins with `prefix`.
    fn omap_page(&mut self, after: &Bytes, prefix: &Bytes, max: u64) -> StoreResult<OmapPage>;
    /// (address, gid, cookie, timeout in seconds).
    fn watchers(&mut self) -> StoreResult<Vec<(String, u64, u64, u32)>>;
}

/// Who runs a list, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub gid: u64,
    pub addr: EntityAddr,
    /// Nanoseconds since 1970.
    pub now_ns: u64,
}

/// What became of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Its `version` is set by [`Outcome::into_reply`], which the store calls when the changes are durable.
    reply: Reply,
    /// To be applied, in order, as a whole; empty if the list failed or changes nothing.
    pub mutations: Vec<Mutation>,
    /// Whether the list changes the object, and so gives it a new version and mtime.
    pub modified: bool,
    /// Existence and size after the changes.
    pub size_after: Option<u64>,
    version_before: u64,
}

impl Outcome {
    /// The answer; `new_version` is what the store gave the object if the list modified it.
    pub fn into_reply(self, new_version: u64) -> Reply {
        let version = if self.modified { new_version } else { self.version_before };
        Reply { version, ..self.reply }
    }
}

/// A list in progress.
struct Run<'a> {
    view: &'a mut dyn ObjectView,
    caller: &'a Caller,
    before: Option<ObjectState>,
    /// Size as the list's changes so far make it; `None`: does not exist.
    size: Option<u64>,
    mutations: Vec<Mutation>,
    modified: bool,
    /// Index of the op that is running.
    op: usize,
}

/// How an op ended: a result of 0 or more with its output, or the store's failure.
type Done = Result<(i32, OpOut), Stop>;

/// Why an op did not succeed.
enum Stop {
    /// The op's own failure: a negative result code, and what it nevertheless put out.
    Op(i32),
    /// The store could not do its work.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Op(errno.negated())
    }
}

/// A locator key that is the object's own name is no key.
pub fn normalize(target: &mut Target) {
    if target.key == target.oid {
        target.key = "".into();
    }
}

/// Whether a list needs the store's write path.
pub fn is_write(request: &Request) -> bool {
    request.ops.iter().any(|(op, _)| match op {
        Op::Exec { class, method, .. } => cls::is_write(class, method),
        op => op.is_write(),
    })
}

/// Checks that come before the object is looked at: names, and classes and methods that are not there.
pub fn check_request(request: &Request) -> Result<(), Errno> {
    let target = &request.target;
    if target.oid.is_empty() {
        return Err(Errno::EINVAL);
    }
    if target.oid.len() > MAX_OID || target.key.len() > MAX_OID || target.namespace.len() > MAX_NAMESPACE {
        return Err(Errno::ENAMETOOLONG);
    }
    for (op, _) in &request.ops {
        if let Op::Exec { class, method, .. } = op
            && !cls::exists(class, method)
        {
            return Err(Errno::EOPNOTSUPP);
        }
    }
    Ok(())
}

/// Runs a list that passed [`check_request`] against an object. `Err`: the store failed, nothing is to be applied.
pub fn execute(request: &Request, view: &mut dyn ObjectView, caller: &Caller) -> StoreResult<Outcome> {
    let before = view.state()?;
    let version_before = before.map_or(0, |state| state.version);
    let mut reply = Reply { ops: vec![OpResult::default(); request.ops.len()], ..Reply::default() };
    // A list that writes nothing needs an object. An empty one asks for nothing.
    if before.is_none() && !request.ops.is_empty() && !is_write(request) {
        reply.result = Errno::ENOENT.negated();
        reply.ops.clear();
        return Ok(Outcome { reply, mutations: vec![], modified: false, size_after: None, version_before });
    }
    let size = before.map(|state| state.size);
    let mut run = Run { view, caller, before, size, mutations: Vec::new(), modified: false, op: 0 };
    for (index, (op, flags)) in request.ops.iter().enumerate() {
        run.op = index;
        match run.op(op) {
            Ok((rval, out)) => {
                reply.ops[index] = OpResult { rval, out };
                if rval > 0 {
                    reply.result = rval;
                }
            }
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Op(rval)) => {
                reply.ops[index] = OpResult { rval, out: OpOut::None };
                // With FAILOK the list goes on, and the op's code stays what it is.
                if flags & FLAG_FAILOK == 0 {
                    reply.result = rval;
                    reply.ops.truncate(index + 1);
                    return Ok(Outcome {
                        reply,
                        mutations: vec![],
                        modified: false,
                        size_after: size,
                        version_before,
                    });
                }
            }
        }
    }
    // A positive result is only for lists that change nothing.
    if run.modified {
        reply.result = 0;
    }
    Ok(Outcome {
        reply,
        mutations: run.mutations,
        modified: run.modified,
        size_after: run.size,
        version_before,
    })
}

impl Run<'_> {
    fn op(&mut self, op: &Op) -> Done {
        match op {
            Op::AssertExists | Op::Stat => self.stat(),
            Op::AssertVersion(version) => self.assert_version(*version),
            Op::CmpXattr { name, mode, value } => self.cmp_xattr(name, *mode, value),
            Op::CmpExt { offset, data } => self.cmp_ext(*offset, data),
            Op::OmapCmp { key, value, mode } => self.omap_cmp(key, value, *mode),
            Op::Read { offset, length } => self.read(*offset, *length),
            Op::SparseRead { offset, length } => self.sparse_read(*offset, *length),
            Op::Checksum { kind, init, offset, length, chunk_size } => {
                self.checksum(*kind, init, *offset, *length, *chunk_size)
            }
            Op::Create { exclusive } => self.create(*exclusive),
            Op::Write { offset, data } => self.write(*offset, data),
            Op::WriteFull { data } => self.write_full(data),
            Op::WriteSame { offset, length, data } => self.write_same(*offset, *length, data),
            Op::Append { data } => self.append(data),
            Op::Zero { offset, length } => self.zero(*offset, *length),
            Op::Truncate { size } => self.truncate(*size),
            Op::Remove => self.remove(),
            Op::SetAllocHint { .. } => self.touch(),
            // Snapshots of objects are not there yet.
            Op::Rollback { .. } => Err(Errno::EOPNOTSUPP.into()),
            Op::GetXattr { name } => self.get_xattr(name),
            Op::GetXattrs => self.get_xattrs(),
            Op::SetXattr { name, value } => self.set_xattr(name, value),
            Op::RmXattr { name } => self.rm_xattr(name),
            Op::OmapGetKeys { after, max } => self.omap_get_keys(after, *max),
            Op::OmapGetVals { after, prefix, max } => self.omap_get_vals(after, prefix, *max),
            Op::OmapGetValsByKeys { keys } => self.omap_get_by_keys(keys),
            Op::OmapGetHeader => self.omap_get_header(),
            Op::OmapSetHeader { data } => self.omap_create(Mutation::OmapHeader { data: data.clone() }),
            Op::OmapSet { pairs } => self.omap_create(Mutation::OmapSet { pairs: pairs.clone() }),
            Op::OmapRmKeys { keys } => self.omap_change(Mutation::OmapRmKeys { keys: keys.clone() }),
            Op::OmapRmRange { begin, end } => {
                self.omap_change(Mutation::OmapRmRange { begin: begin.clone(), end: end.clone() })
            }
            Op::OmapClear => self.omap_change(Mutation::OmapClear),
            Op::ListWatchers => {
                self.must_exist()?;
                Ok((0, OpOut::Watchers(self.view.watchers()?)))
            }
            Op::ListSnaps => {
                let size = self.must_exist()?;
                Ok((0, OpOut::Snaps { clones: vec![(super::SnapId::HEAD, vec![], size)], seq: 0 }))
            }
            Op::Exec { class, method, input } => self.exec(class, method, input),
        }
    }

    /// The size; ENOENT if the object does not exist.
    fn must_exist(&self) -> Result<u64, Stop> {
        self.size.ok_or(Errno::ENOENT.into())
    }
}
