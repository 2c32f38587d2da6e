//! Op lists as C builds and runs them: each op's answer goes to where its own arguments said.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int};
use std::sync::Arc;

use crate::sync::Mutex;
use bytes::Bytes;
use libc::time_t;

use super::handles::{self, CompletionHandle, payload};
use super::iters::{OmapIter, XattrIter};
use crate::capi::arg::{self, Later, OutBuf};
use crate::capi::handle::{self, Shared};
use crate::capi::types::{rados_omap_iter_t, rados_xattrs_iter_t};
use crate::client::{IoCtx, OpList};
use crate::errno::Errno;
use crate::store::{CmpMode, CmpValue, Op, OpResult, Reply, Request};

/// Adds an op. The functions that add have no return value: what is wrong with an op is the list's error when it is
/// run.
pub fn add(list: &Mutex<OpList>, op: impl FnOnce() -> Result<Op, Errno>) -> Result<(), Errno> {
    let op = op();
    let mut list = list.lock();
    op.map(|op| list.push(op)).inspect_err(|errno| list.refuse(*errno))
}

/// Adds an op whose answer goes to `sink`.
pub fn add_with(
    list: &Mutex<OpList>,
    op: impl FnOnce() -> Result<Op, Errno>,
    sink: impl FnOnce(&OpResult) + Send + 'static,
) -> Result<(), Errno> {
    let op = op();
    let mut list = list.lock();
    op.map(|op| list.push_with(op, sink)).inspect_err(|errno| list.refuse(*errno))
}

/// Adds an op whose data goes to `buf`; `done` gets its code and how much data there was. What does not fit is
/// ERANGE, and none.
pub fn add_filling(
    list: &Mutex<OpList>,
    op: impl FnOnce() -> Result<Op, Errno>,
    buf: Result<OutBuf, Errno>,
    done: impl FnOnce(c_int, usize) + Send + 'static,
) -> Result<(), Errno> {
    let op_and_buf = || op().and_then(|op| Ok((op, buf?)));
    match op_and_buf() {
        Ok((op, buf)) => add_with(
            list,
            || Ok(op),
            move |result| match handles::copy_out(buf, &result.out) {
                Ok(len) => done(result.rval, len),
                Err(errno) => done(errno.negated(), 0),
            },
        ),
        Err(errno) => add(list, || Err(errno)),
    }
}

fn mode(operator: u8) -> Result<CmpMode, Errno> {
    Ok(match operator {
        1 => CmpMode::Eq,
        2 => CmpMode::Ne,
        3 => CmpMode::Gt,
        4 => CmpMode::Gte,
        5 => CmpMode::Lt,
        6 => CmpMode::Lte,
        _ => return Err(Errno::EINVAL),
    })
}

pub fn cmp_xattr(name: &str, operator: u8, value: &[u8]) -> Result<Op, Errno> {
    let value = CmpValue::Bytes(payload(value)?);
    Ok(Op::CmpXattr { name: name.to_owned(), mode: mode(operator)?, value })
}

pub fn omap_cmp(key: &[u8], operator: u8, value: &[u8]) -> Result<Op, Errno> {
    // Of the operators only =, < and > are known to omap; the store refuses the others, unknown ones included.
    let mode = mode(operator).unwrap_or(CmpMode::Ne);
    Ok(Op::OmapCmp { key: payload(key)?, value: payload(value)?, mode })
}

/// Of equal keys the last one's value counts.
pub fn omap_set(keys: &[&[u8]], values: &[&[u8]]) -> Result<Op, Errno> {
    let mut pairs = BTreeMap::new();
    for (key, value) in keys.iter().zip(values) {
        pairs.insert(payload(key)?, payload(value)?);
    }
    Ok(Op::OmapSet { pairs })
}

pub fn owned(keys: &[&[u8]]) -> Vec<Bytes> {
    keys.iter().map(|key| Bytes::copy_from_slice(key)).collect()
}

pub fn omap_get_vals(after: &[u8], prefix: &[u8], max: u64) -> Op {
    Op::OmapGetVals { after: Bytes::copy_from_slice(after), prefix: Bytes::copy_from_slice(prefix), max }
}

pub fn omap_get_keys(after: &[u8], max: u64) -> Op {
    Op::OmapGetKeys { after: Bytes::copy_from_slice(after), max }
}

/// Makes the iterator that an op will fill. C has it from now on, whether the list is ever run or not.
///
/// # Safety
/// `at` is null or writable.
pub unsafe fn new_omap_iter(at: *mut rados_omap_iter_t) -> Result<Shared<OmapIter>, Errno> {
    let made = handle::share(OmapIter::default());
    // SAFETY: the caller's promise.
    unsafe { arg::out(at, handle::raw(&made))? };
    handle::into_raw(made.clone());
    Ok(made)
}

/// As [`new_omap_iter`].
///
/// # Safety
/// `at` is null or writable.
pub unsafe fn new_xattr_iter(at: *mut rados_xattrs_iter_t) -> Result<Shared<XattrIter>, Errno> {
    let made = handle::share(XattrIter::default());
    // SAFETY: the caller's promise.
    unsafe { arg::out(at, handle::raw(&made))? };
    handle::into_raw(made.clone());
    Ok(made)
}

/// An op that was not run, or failed without a code of its own, left nothing to decode: EIO.
fn code_of(result: &OpResult, decoded: bool) -> c_int {
    if decoded || result.rval < 0 { result.rval } else { Errno::EIO.negated() }
}

pub fn fill_omap(iter: &OmapIter, more: &Later<u8>, prval: &Later<c_int>, result: &OpResult) {
    let answer = iter.fill(&result.out);
    more.set(u8::from(answer == Some(true)));
    prval.set(code_of(result, answer.is_some()));
}

pub fn fill_xattrs(iter: &XattrIter, prval: &Later<c_int>, result: &OpResult) {
    let decoded = iter.fill(&result.out);
    prval.set(code_of(result, decoded));
}

/// Gives data to C in a buffer of its own, null for none.
pub fn give(buf: &Later<*mut c_char>, len: &Later<usize>, data: &[u8]) -> Result<(), Errno> {
    let wanted = buf.is_wanted() && !data.is_empty();
    let copy = if wanted { arg::malloc_bytes(data)? } else { std::ptr::null_mut() };
    buf.set(copy);
    len.set(data.len());
    Ok(())
}

/// A `time_t` in nanoseconds; times before 1970 are 1970.
pub fn seconds(at: time_t) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000_000)
}

fn write_request(
    io: &IoCtx,
    oid: &str,
    ops: Vec<(Op, u32)>,
    mtime_ns: Option<u64>,
    flags: c_int,
) -> Result<Request, Errno> {
    let request = io.write_request(oid, ops, handles::operation_flags(flags))?;
    Ok(Request { mtime_ns, ..request })
}

pub fn run_write(
    io: &IoCtx,
    oid: &str,
    list: &Mutex<OpList>,
    mtime_ns: Option<u64>,
    flags: c_int,
) -> Result<c_int, Errno> {
    let list = list.lock().take()?;
    if list.is_empty() {
        return Ok(0);
    }
    let reply = io.run(write_request(io, oid, list.ops, mtime_ns, flags)?)?;
    list.sinks.deliver(&reply.ops);
    Ok(reply.result)
}

pub fn run_read(io: &IoCtx, oid: &str, list: &Mutex<OpList>, flags: c_int) -> Result<c_int, Errno> {
    let list = list.lock().take()?;
    if list.is_empty() {
        return Ok(0);
    }
    let reply = io.run(io.request(oid, list.ops, handles::operation_flags(flags)))?;
    list.sinks.deliver(&reply.ops);
    Ok(reply.result)
}

pub fn start_write_list(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    oid: &str,
    list: &Mutex<OpList>,
    mtime_ns: Option<u64>,
    flags: c_int,
) -> Result<(), Errno> {
    let list = list.lock().take()?;
    let request = write_request(io, oid, list.ops, mtime_ns, flags)?;
    start_list(io, completion, request, true, move |reply| list.sinks.deliver(&reply.ops));
    Ok(())
}

pub fn start_read_list(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    oid: &str,
    list: &Mutex<OpList>,
    flags: c_int,
) -> Result<(), Errno> {
    let list = list.lock().take()?;
    let request = io.request(oid, list.ops, handles::operation_flags(flags));
    start_list(io, completion, request, false, move |reply| list.sinks.deliver(&reply.ops));
    Ok(())
}

fn start_list(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    request: Request,
    write: bool,
    deliver: impl FnOnce(&Reply) + Send + 'static,
) {
    if request.ops.is_empty() {
        // Unlike the synchronous calls, for which an empty list is a success.
        return handles::finish(completion, io.session(), || (i64::from(Errno::EINVAL.negated()), 0));
    }
    handles::start_any(io, completion, request, write, |reply| {
        deliver(&reply);
        Ok(i64::from(reply.result))
    });
}
