//! What the handles of librados stand for, and how calls are made through them.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::capi::arg::{self, Cookie, OutBuf};
use crate::capi::handle::{self, Handle, Shared, Tagged};
use crate::capi::types::{rados_callback_t, rados_completion_t, rados_ioctx_t, rados_t};
use crate::client::{Cluster, Completion, Context, IoCtx, OpList, Session};
use crate::conf::Config;
use crate::errno::Errno;
use crate::finisher::{Finish, Job};
use crate::store::{Op, OpFlags, OpOut, Reply, Request, StoreError, StoreResult};
use crate::wire::codec::STREAM_BYTES;
use crate::wire::place::Place;

/// `rados_config_t`.
pub struct ContextHandle(pub Arc<Context>);

impl Handle for ContextHandle {
    const TAG: [u8; 8] = *b"context\0";
}

/// `rados_t`.
pub struct ClusterHandle {
    pub cluster: Cluster,
    pub context: Shared<ContextHandle>,
}

impl ClusterHandle {
    pub fn new(config: Config) -> ClusterHandle {
        ClusterHandle::with(handle::share(ContextHandle(Arc::new(Context::new(config)))))
    }

    /// A handle that shares another one's configuration.
    pub fn with(context: Shared<ContextHandle>) -> ClusterHandle {
        ClusterHandle { cluster: Cluster::new(context.0.clone()), context }
    }
}

impl Handle for ClusterHandle {
    const TAG: [u8; 8] = *b"cluster\0";
}

/// `rados_ioctx_t`.
pub struct IoCtxHandle {
    pub io: Arc<IoCtx>,
    /// For `rados_ioctx_get_cluster`; keeps the handle's memory for as long as the context lives.
    pub cluster: Shared<ClusterHandle>,
}

impl Handle for IoCtxHandle {
    const TAG: [u8; 8] = *b"ioctx\0\0\0";
}

/// `rados_completion_t`.
pub struct CompletionHandle {
    pub core: Completion,
    arg: Cookie,
    complete: rados_callback_t,
    safe: rados_callback_t,
    /// The caller's buffer, if a connection may receive into it: not after the outcome is decided.
    place: OnceLock<Arc<Place>>,
}

impl Handle for CompletionHandle {
    const TAG: [u8; 8] = *b"complete";
}

impl CompletionHandle {
    pub fn new(arg: *mut c_void, complete: rados_callback_t, safe: rados_callback_t) -> CompletionHandle {
        let core = Completion::new(complete.is_some() || safe.is_some());
        CompletionHandle { core, arg: Cookie(arg), complete, safe, place: OnceLock::new() }
    }
}

impl Finish for Tagged<CompletionHandle> {
    fn finish(self: Arc<Self>) {
        let raw = handle::raw(&self);
        for callback in [self.complete, self.safe].into_iter().flatten() {
            // SAFETY: C gave this function for this purpose, and `self` keeps the handle valid while it runs.
            unsafe { callback(raw, self.arg.0) };
        }
        self.core.called();
    }
}

/// Decides a completion's outcome, unless a cancellation already has: `outcome` writes the caller's buffers and
/// answers the result and the object's version.
pub fn finish(completion: Shared<CompletionHandle>, session: &Session, outcome: impl FnOnce() -> (i64, u64)) {
    if !completion.core.claim() {
        return;
    }
    if let Some(place) = completion.place.get() {
        place.close();
    }
    let (result, version) = catch_unwind(AssertUnwindSafe(outcome)).unwrap_or_else(|_| {
        tracing::error!(target: "logrbd::capi", "panic while an asynchronous call completed");
        (i64::from(Errno::EIO.negated()), 0)
    });
    if completion.core.complete(result, version) {
        session.callbacks().queue(Job::Finish(completion));
    }
}

/// An error as a completion's result.
pub fn failure(error: &StoreError) -> i64 {
    tracing::debug!(target: "logrbd::capi", "asynchronous call failed: {error}");
    i64::from(Errno::from(error).negated())
}

/// # Safety
/// As for [`handle::borrow`].
pub unsafe fn cluster<'a>(cluster: rados_t) -> Result<&'a Cluster, Errno> {
    // SAFETY: the caller's promise.
    Ok(unsafe { &handle::borrow::<ClusterHandle>(cluster)?.cluster })
}

/// # Safety
/// As for [`handle::borrow`].
pub unsafe fn ioctx<'a>(io: rados_ioctx_t) -> Result<&'a Arc<IoCtx>, Errno> {
    // SAFETY: the caller's promise.
    Ok(unsafe { &handle::borrow::<IoCtxHandle>(io)?.io })
}

/// # Safety
/// As for [`handle::shared`].
pub unsafe fn completion(completion: rados_completion_t) -> Result<Shared<CompletionHandle>, Errno> {
    // SAFETY: the caller's promise.
    unsafe { handle::shared(completion) }
}

/// No single request carries more data than this.
pub const MAX_DATA: usize = (u32::MAX / 2) as usize;

/// # Safety
/// As for [`arg::data`]; E2BIG comes before EINVAL.
pub unsafe fn input(buf: *const c_char, len: usize) -> Result<Bytes, Errno> {
    if len > MAX_DATA {
        return Err(Errno::E2BIG);
    }
    // SAFETY: the caller's promise.
    payload(unsafe { arg::data(buf, len)? })
}

/// Data to be written; E2BIG if it is more than one request may carry.
pub fn payload(data: &[u8]) -> Result<Bytes, Errno> {
    if data.len() > MAX_DATA { Err(Errno::E2BIG) } else { Ok(Bytes::copy_from_slice(data)) }
}

/// Runs one writing op and waits; the list's result.
pub fn write(io: &IoCtx, oid: &str, op: Op) -> Result<c_int, Errno> {
    let request = io.write_request(oid, vec![(op, 0)], OpFlags::default())?;
    Ok(io.run(request)?.ok()?.result)
}

/// Runs one reading op and waits; the list's result and the op's output.
pub fn read(io: &IoCtx, oid: &str, op: Op) -> Result<(c_int, OpOut), Errno> {
    let request = io.request(oid, vec![(op, 0)], OpFlags::default());
    let mut reply = io.run(request)?.ok()?;
    let out = reply.ops.pop().map(|result| result.out).unwrap_or_default();
    Ok((reply.result, out))
}

/// The data of an op's output.
pub fn data_of(out: &OpOut) -> &[u8] {
    if let OpOut::Data(data) = out { data } else { &[] }
}

/// Copies an op's data to the caller's buffer; its length, or ERANGE.
pub fn copy_out(mut to: OutBuf, out: &OpOut) -> Result<usize, Errno> {
    let data = data_of(out);
    to.write(0, data)?;
    Ok(data.len())
}

/// The caller's buffer for the data of one read. Large data are received into it; others are copied. When this is gone, nobody
/// writes to it any more.
struct Destination(Way);

enum Way {
    Copied(OutBuf),
    Placed(Arc<Place>),
}

impl Destination {
    fn new(buf: OutBuf) -> Destination {
        Destination(match buf.len() < STREAM_BYTES {
            true => Way::Copied(buf),
            false => Way::Placed(Place::new(buf)),
        })
    }

    fn place(&self) -> Option<&Arc<Place>> {
        match &self.0 {
            Way::Copied(_) => None,
            Way::Placed(place) => Some(place),
        }
    }

    /// Sees to it that the data of the answer are in the buffer; their length, or ERANGE.
    fn take(mut self, out: &OpOut) -> Result<usize, Errno> {
        match (&mut self.0, out) {
            (Way::Placed(place), OpOut::Placed(placed)) => {
                place.close();
                // It is, as nobody enters once the request has an answer.
                if placed.is_last_in(place) { Ok(placed.len()) } else { Err(Errno::EIO) }
            }
            (Way::Placed(place), out) => {
                place.close();
                let data = data_of(out);
                if place.put(data) { Ok(data.len()) } else { Err(Errno::ERANGE) }
            }
            (Way::Copied(buf), out) => {
                let data = data_of(out);
                buf.write(0, data)?;
                Ok(data.len())
            }
        }
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Way::Placed(place) = &self.0 {
            place.close();
        }
    }
}

/// Runs one op that reads data into the caller's buffer, and waits; how much it was, or ERANGE.
pub fn read_into(io: &IoCtx, oid: &str, op: Op, buf: OutBuf) -> Result<usize, Errno> {
    let to = Destination::new(buf);
    let request = io.request(oid, vec![(op, 0)], OpFlags::default());
    let mut reply = io.run(Request { place: to.place().cloned(), ..request })?.ok()?;
    to.take(&reply.ops.pop().map(|result| result.out).unwrap_or_default())
}

/// Starts one op that reads data into the caller's buffer.
pub fn start_read_into(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    oid: &str,
    op: Op,
    buf: OutBuf,
) {
    let to = Destination::new(buf);
    // A completion that was used before would not close this one: then the data are copied.
    let place = to.place().filter(|place| completion.place.set((*place).clone()).is_ok()).cloned();
    let request = Request { place, ..io.request(oid, vec![(op, 0)], OpFlags::default()) };
    start(io, completion, request, false, move |mut reply| {
        to.take(&reply.ops.pop().map(|result| result.out).unwrap_or_default()).map(|bytes| bytes as i64)
    });
}

/// Starts a request; the completion gets what `outcome` makes of a reply whose list succeeded.
pub fn start(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    request: Request,
    write: bool,
    outcome: impl FnOnce(Reply) -> Result<i64, Errno> + Send + 'static,
) {
    start_any(io, completion, request, write, move |reply| match reply.result {
        0.. => outcome(reply),
        failed => Err(Errno(-failed)),
    });
}

/// [`start`], where `outcome` gets replies of failed lists too.
pub fn start_any(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    request: Request,
    write: bool,
    outcome: impl FnOnce(Reply) -> Result<i64, Errno> + Send + 'static,
) {
    let session = io.session().clone();
    io.start(request, write, move |reply: StoreResult<Reply>| {
        finish(completion, &session, || match reply {
            Ok(reply) => {
                let version = reply.version;
                (outcome(reply).unwrap_or_else(|errno| i64::from(errno.negated())), version)
            }
            Err(error) => (failure(&error), 0),
        });
    });
}

/// Starts one writing op.
pub fn start_write(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    oid: &str,
    op: Op,
) -> Result<(), Errno> {
    let request = io.write_request(oid, vec![(op, 0)], OpFlags::default())?;
    start(io, completion, request, true, |reply| Ok(i64::from(reply.result)));
    Ok(())
}

/// Starts one reading op; `outcome` gets its output and the list's result.
pub fn start_read(
    io: &Arc<IoCtx>,
    completion: Shared<CompletionHandle>,
    oid: &str,
    op: Op,
    outcome: impl FnOnce(OpOut, i64) -> Result<i64, Errno> + Send + 'static,
) {
    let request = io.request(oid, vec![(op, 0)], OpFlags::default());
    start(io, completion, request, false, |mut reply| {
        let out = reply.ops.pop().map(|result| result.out).unwrap_or_default();
        outcome(out, i64::from(reply.result))
    });
}

/// LIBRADOS_OPERATION_* flags. Those that ask for what every store does anyway are accepted and dropped.
pub fn operation_flags(flags: c_int) -> OpFlags {
    use crate::capi::types::*;
    let has = |flag: c_int| flags & flag != 0;
    OpFlags {
        full_try: has(LIBRADOS_OPERATION_FULL_TRY),
        full_force: has(LIBRADOS_OPERATION_FULL_FORCE),
        balance_reads: has(LIBRADOS_OPERATION_BALANCE_READS),
        localize_reads: has(LIBRADOS_OPERATION_LOCALIZE_READS),
        ignore_cache: has(LIBRADOS_OPERATION_IGNORE_CACHE),
        ignore_overlay: has(LIBRADOS_OPERATION_IGNORE_OVERLAY),
        ordered_reads: has(LIBRADOS_OPERATION_ORDER_READS_WRITES),
    }
}

/// `rados_write_op_t`.
pub struct WriteOp(pub crate::sync::Mutex<OpList>);

impl Handle for WriteOp {
    const TAG: [u8; 8] = *b"write op";
}

/// `rados_read_op_t`.
pub struct ReadOp(pub crate::sync::Mutex<OpList>);

impl Handle for ReadOp {
    const TAG: [u8; 8] = *b"read op\0";
}
