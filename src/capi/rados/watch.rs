//! Watch and notify.

use super::handles::completion as completion_of;
use super::handles::{CompletionHandle, cluster as cluster_of, failure, finish, ioctx, payload};
use super::oplist::give;
use crate::capi::arg::{self, Cookie, Later};
use crate::capi::handle::Shared;
use crate::capi::types::{
    notify_ack_t, notify_timeout_t, rados_completion_t, rados_ioctx_t, rados_t, rados_watchcb_t,
    rados_watchcb2_t, rados_watcherrcb_t,
};
use crate::client::{IoCtx, Notification, Watcher, notify};
use crate::errno::Errno;
use crate::store::{NotifyAck, NotifyReply, StoreResult, WatchCookie};
use bytes::Bytes;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

/// The callbacks of a watch.
struct CWatcher {
    callback: unsafe extern "C" fn(*mut c_void, u64, u64, u64, *mut c_void, usize),
    on_error: rados_watcherrcb_t,
    arg: Cookie,
}

impl CWatcher {
    /// EINVAL without a callback.
    ///
    /// # Safety
    /// The functions may be called with `arg` until the watch has ended and was flushed.
    unsafe fn new(
        callback: rados_watchcb2_t,
        on_error: rados_watcherrcb_t,
        arg: *mut c_void,
    ) -> Result<Arc<CWatcher>, Errno> {
        Ok(Arc::new(CWatcher { callback: callback.ok_or(Errno::EINVAL)?, on_error, arg: Cookie(arg) }))
    }
}

impl Watcher for CWatcher {
    fn notified(&self, notification: Notification) {
        let Notification { id, cookie, notifier_gid, payload } = notification;
        // A copy of its own: C gets a pointer that it may write through. No payload is a null pointer.
        let mut data = payload.to_vec();
        let start = if data.is_empty() { std::ptr::null_mut() } else { data.as_mut_ptr() };
        // SAFETY: C gave this function for this purpose; `data` lives until it has returned.
        unsafe { (self.callback)(self.arg.0, id, cookie.0, notifier_gid, start.cast(), data.len()) };
    }

    fn failed(&self, cookie: WatchCookie, errno: Errno) {
        if let Some(on_error) = self.on_error {
            // SAFETY: C gave this function for this purpose.
            unsafe { on_error(self.arg.0, cookie.0, errno.negated()) };
        }
    }
}

/// The callback of a watch of the oldest kind: it learns nothing, and its notifications are acknowledged for it.
struct OldWatcher {
    callback: unsafe extern "C" fn(u8, u64, *mut c_void),
    arg: Cookie,
}

impl Watcher for OldWatcher {
    fn notified(&self, _: Notification) {
        // SAFETY: C gave this function for this purpose.
        unsafe { (self.callback)(0, 0, self.arg.0) };
    }

    fn failed(&self, _: WatchCookie, _: Errno) {}

    fn acks_itself(&self) -> bool {
        false
    }
}

/// EINVAL for an out-parameter that is not there: a watch whose cookie nobody learns could not be ended.
fn require(cookie: *mut u64) -> Result<(), Errno> {
    if cookie.is_null() { Err(Errno::EINVAL) } else { Ok(()) }
}

fn watch(io: &IoCtx, oid: &str, timeout_s: u32, watcher: Arc<dyn Watcher>) -> Result<u64, Errno> {
    let session = io.session();
    Ok(session.wait(session.clone().watch(io.target(oid), timeout_s, watcher))?.0)
}

fn start_watch(
    io: &IoCtx,
    completion: Shared<CompletionHandle>,
    oid: &str,
    timeout_s: u32,
    at: Later<u64>,
    watcher: Arc<dyn Watcher>,
) {
    let session = io.session().clone();
    let watch = session.clone().watch(io.target(oid), timeout_s, watcher);
    io.session().start(Box::pin(watch), move |made| {
        finish(completion, &session, || match made {
            Ok(cookie) => {
                at.set(cookie.0);
                (0, 0)
            }
            Err(error) => (failure(&error), 0),
        });
    });
}

/// # Safety
/// As for [`arg::data`]. A negative length is EINVAL. Null is no payload, whatever the length: python3-rados does that.
unsafe fn data(buf: *const c_char, len: c_int) -> Result<Bytes, Errno> {
    if buf.is_null() {
        return Ok(Bytes::new());
    }
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the caller's promise.
    payload(unsafe { arg::data(buf, len)? })
}

/// Where a notification's answers go.
struct Reply {
    buffer: Later<*mut c_char>,
    len: Later<usize>,
}

impl Reply {
    /// # Safety
    /// As for [`Later::new`], for both.
    unsafe fn new(buffer: *mut *mut c_char, len: *mut usize) -> Reply {
        // SAFETY: the caller's promise.
        let reply = unsafe { Reply { buffer: Later::new(buffer), len: Later::new(len) } };
        reply.buffer.set(std::ptr::null_mut());
        reply.len.set(0);
        reply
    }

    /// ETIMEDOUT if somebody did not answer; the answers of the others are given all the same.
    fn give(&self, reply: StoreResult<NotifyReply>) -> Result<(), Errno> {
        let reply = reply?;
        give(&self.buffer, &self.len, &notify::encode(&reply))?;
        if reply.timeouts.is_empty() { Ok(()) } else { Err(Errno::ETIMEDOUT) }
    }
}

fn c_ack(ack: &NotifyAck) -> Result<notify_ack_t, Errno> {
    let payload =
        if ack.payload.is_empty() { std::ptr::null_mut() } else { arg::malloc_bytes(&ack.payload)? };
    Ok(notify_ack_t {
        notifier_id: ack.notifier_gid,
        cookie: ack.cookie,
        payload,
        payload_len: ack.payload.len() as u64,
    })
}

/// Null for no elements.
fn array<T: Copy>(of: &[T]) -> Result<*mut T, Errno> {
    if of.is_empty() { Ok(std::ptr::null_mut()) } else { arg::malloc_array(of) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_watch(
    io: rados_ioctx_t,
    o: *const c_char,
    ver: u64,
    cookie: *mut u64,
    watchcb: rados_watchcb_t,
    cb_arg: *mut c_void,
) -> c_int {
    entry!("rados_watch", {
        let callback = watchcb.ok_or(Errno::EINVAL)?;
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(o)?) };
        let made = watch(io, &oid, 0, Arc::new(OldWatcher { callback, arg: Cookie(cb_arg) }))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(cookie, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_watch2(
    io: rados_ioctx_t,
    o: *const c_char,
    cookie: *mut u64,
    watchcb: rados_watchcb2_t,
    watcherrcb: rados_watcherrcb_t,
    cb_arg: *mut c_void,
) -> c_int {
    entry!("rados_watch2", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, watcher) =
            unsafe { (ioctx(io)?, arg::name(o)?, CWatcher::new(watchcb, watcherrcb, cb_arg)?) };
        require(cookie)?;
        let made = watch(io, &oid, 0, watcher)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(cookie, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_watch3(
    io: rados_ioctx_t,
    o: *const c_char,
    cookie: *mut u64,
    watchcb: rados_watchcb2_t,
    watcherrcb: rados_watcherrcb_t,
    timeout: u32,
    cb_arg: *mut c_void,
) -> c_int {
    entry!("rados_watch3", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, watcher) =
            unsafe { (ioctx(io)?, arg::name(o)?, CWatcher::new(watchcb, watcherrcb, cb_arg)?) };
        require(cookie)?;
        let made = watch(io, &oid, timeout, watcher)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(cookie, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_watch(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    handle: *mut u64,
    watchcb: rados_watchcb2_t,
    watcherrcb: rados_watcherrcb_t,
    cb_arg: *mut c_void,
) -> c_int {
    entry!("rados_aio_watch", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, at, watcher) = unsafe {
            let watcher = CWatcher::new(watchcb, watcherrcb, cb_arg)?;
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, Later::new(handle), watcher)
        };
        require(handle)?;
        start_watch(io, done, &oid, 0, at, watcher);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_watch2(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    handle: *mut u64,
    watchcb: rados_watchcb2_t,
    watcherrcb: rados_watcherrcb_t,
    timeout: u32,
    cb_arg: *mut c_void,
) -> c_int {
    entry!("rados_aio_watch2", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, at, watcher) = unsafe {
            let watcher = CWatcher::new(watchcb, watcherrcb, cb_arg)?;
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, Later::new(handle), watcher)
        };
        require(handle)?;
        start_watch(io, done, &oid, timeout, at, watcher);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_watch_check(io: rados_ioctx_t, cookie: u64) -> c_int {
    entry!("rados_watch_check", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { ioctx(io)? }.session();
        let ms = session.wait(session.store().watch_check(WatchCookie(cookie)))?;
        Ok(c_int::try_from(ms).unwrap_or(c_int::MAX))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unwatch(io: rados_ioctx_t, o: *const c_char, cookie: u64) -> c_int {
    entry!("rados_unwatch", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { ioctx(io)? }.session();
        Ok(session.wait(session.clone().unwatch(WatchCookie(cookie)))?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unwatch2(io: rados_ioctx_t, cookie: u64) -> c_int {
    entry!("rados_unwatch2", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { ioctx(io)? }.session();
        Ok(session.wait(session.clone().unwatch(WatchCookie(cookie)))?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_unwatch(
    io: rados_ioctx_t,
    cookie: u64,
    completion: rados_completion_t,
) -> c_int {
    entry!("rados_aio_unwatch", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, done) = unsafe { (ioctx(io)?, completion_of(completion)?) };
        let session = io.session().clone();
        let unwatch = session.clone().unwatch(WatchCookie(cookie));
        io.session().start(Box::pin(unwatch), move |ended| {
            finish(done, &session, || (ended.map_or_else(|error| failure(&error), |()| 0), 0));
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_notify(
    io: rados_ioctx_t,
    o: *const c_char,
    ver: u64,
    buf: *const c_char,
    buf_len: c_int,
) -> c_int {
    entry!("rados_notify", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, payload) = unsafe { (ioctx(io)?, arg::name(o)?, data(buf, buf_len)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Reply::new(std::ptr::null_mut(), std::ptr::null_mut()) };
        let session = io.session();
        to.give(session.wait(session.store().notify(io.target(&oid), payload, 0)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_notify(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    buf: *const c_char,
    buf_len: c_int,
    timeout_ms: u64,
    reply_buffer: *mut *mut c_char,
    reply_buffer_len: *mut usize,
) -> c_int {
    entry!("rados_aio_notify", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, payload, to) = unsafe {
            let to = Reply::new(reply_buffer, reply_buffer_len);
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, data(buf, buf_len)?, to)
        };
        let session = io.session().clone();
        io.session().start(session.store().notify(io.target(&oid), payload, timeout_ms), move |reply| {
            finish(done, &session, || {
                (to.give(reply).map_or_else(|errno| i64::from(errno.negated()), |()| 0), 0)
            });
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_notify2(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *const c_char,
    buf_len: c_int,
    timeout_ms: u64,
    reply_buffer: *mut *mut c_char,
    reply_buffer_len: *mut usize,
) -> c_int {
    entry!("rados_notify2", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, payload, to) = unsafe {
            (ioctx(io)?, arg::name(o)?, data(buf, buf_len)?, Reply::new(reply_buffer, reply_buffer_len))
        };
        let session = io.session();
        to.give(session.wait(session.store().notify(io.target(&oid), payload, timeout_ms)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_decode_notify_response(
    reply_buffer: *mut c_char,
    reply_buffer_len: usize,
    acks: *mut *mut notify_ack_t,
    nr_acks: *mut usize,
    timeouts: *mut *mut notify_timeout_t,
    nr_timeouts: *mut usize,
) -> c_int {
    entry!("rados_decode_notify_response", {
        // SAFETY: the contract that the header gives these arguments.
        let reply = unsafe { arg::data(reply_buffer, reply_buffer_len)? };
        let reply = notify::decode(reply).ok_or(Errno::EINVAL)?;
        let all_acks = reply.acks.iter().map(c_ack).collect::<Result<Vec<_>, _>>()?;
        let all_timeouts: Vec<_> = reply
            .timeouts
            .iter()
            .map(|(gid, cookie)| notify_timeout_t { notifier_id: *gid, cookie: *cookie })
            .collect();
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::out(acks, array(&all_acks)?)?;
            arg::out(nr_acks, all_acks.len())?;
            arg::out(timeouts, array(&all_timeouts)?)?;
            arg::out(nr_timeouts, all_timeouts.len())
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_free_notify_response(
    acks: *mut notify_ack_t,
    nr_acks: usize,
    timeouts: *mut notify_timeout_t,
) {
    entry!("rados_free_notify_response", {
        // An array that is not there has no entries, whatever the count says.
        let count = if acks.is_null() { 0 } else { nr_acks };
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::slice(acks, count)?.iter().for_each(|ack| arg::free(ack.payload));
            arg::free(acks);
            arg::free(timeouts);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_notify_ack(
    io: rados_ioctx_t,
    o: *const c_char,
    notify_id: u64,
    cookie: u64,
    buf: *const c_char,
    buf_len: c_int,
) -> c_int {
    entry!("rados_notify_ack", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, payload) = unsafe { (ioctx(io)?, arg::name(o)?, data(buf, buf_len)?) };
        let session = io.session();
        let ack = session.store().notify_ack(io.target(&oid), notify_id, WatchCookie(cookie), payload);
        Ok(session.wait(ack)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_watch_flush(cluster: rados_t) -> c_int {
    entry!("rados_watch_flush", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { cluster_of(cluster)? }.session()?;
        Ok(session.watch_flush_wait()?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_watch_flush(cluster: rados_t, completion: rados_completion_t) -> c_int {
    entry!("rados_aio_watch_flush", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, done) = unsafe { (cluster_of(cluster)?, completion_of(completion)?) };
        let session = cluster.session()?;
        let of_done = session.clone();
        session.watch_flush(move |flushed| {
            finish(done, &of_done, || (flushed.map_or_else(|error| failure(&error), |()| 0), 0));
        });
        Ok(())
    })
}
