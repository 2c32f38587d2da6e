//! Commands to monitors, managers, OSDs and placement groups; the cluster log.

use super::handles::cluster as cluster_of;
use super::oplist::give;
use crate::capi::arg::{self, Cookie, Later, OutBuf};
use crate::capi::types::{rados_log_callback_t, rados_log_callback2_t, rados_t};
use crate::client::{LogCallback, Session};
use crate::errno::Errno;
use crate::store::{CommandTarget, LogLevel, PoolId};
use bytes::Bytes;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;

/// Where a command's output and status go; each is optional.
struct Answer {
    output: (Later<*mut c_char>, Later<usize>),
    status: (Later<*mut c_char>, Later<usize>),
}

impl Answer {
    /// # Safety
    /// Each pointer is null or writable.
    unsafe fn new(
        outbuf: *mut *mut c_char,
        outbuflen: *mut usize,
        outs: *mut *mut c_char,
        outslen: *mut usize,
    ) -> Answer {
        // SAFETY: the caller's promise.
        unsafe {
            Answer {
                output: (Later::new(outbuf), Later::new(outbuflen)),
                status: (Later::new(outs), Later::new(outslen)),
            }
        }
    }
}

/// # Safety
/// As for [`arg::strings`].
unsafe fn strings(cmd: *mut *const c_char, len: usize) -> Result<Vec<String>, Errno> {
    // SAFETY: the caller's promise.
    let parts = unsafe { arg::strings(cmd, len)? };
    parts.into_iter().map(|part| String::from_utf8(part.to_vec()).map_err(|_| Errno::EINVAL)).collect()
}

/// Runs a command; output and status are given for failed ones too.
fn run(
    session: &Session,
    target: CommandTarget,
    cmd: Vec<String>,
    input: &[u8],
    to: &Answer,
) -> Result<c_int, Errno> {
    let reply = session.wait(session.store().command(target, cmd, Bytes::copy_from_slice(input)));
    let reply = reply.inspect_err(|_| {
        // Callers look at the lengths after a failure, too.
        let _ = give(&to.output.0, &to.output.1, &[]);
        let _ = give(&to.status.0, &to.status.1, &[]);
    })?;
    give(&to.output.0, &to.output.1, &reply.output)?;
    give(&to.status.0, &to.status.1, reply.status.as_bytes())?;
    Ok(reply.result)
}

/// Without a callback: no more lines. EINVAL: no such level.
fn monitor_log(session: &Arc<Session>, level: &str, callback: Option<LogCallback>) -> Result<(), Errno> {
    let watch = match callback {
        None => None,
        Some(callback) => Some((LogLevel::named(level).ok_or(Errno::EINVAL)?, callback)),
    };
    Ok(session.monitor_log(watch)?)
}

/// For C, which ends it at the first NUL.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ping_monitor(
    cluster: rados_t,
    mon_id: *const c_char,
    outstr: *mut *mut c_char,
    outstrlen: *mut usize,
) -> c_int {
    entry!("rados_ping_monitor", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, mon, out) = unsafe {
            (cluster_of(cluster)?, arg::text(mon_id)?, (Later::new(outstr), Later::new(outstrlen)))
        };
        give(&out.0, &out.1, cluster.ping_monitor(mon)?.as_bytes())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_inconsistent_pg_list(
    cluster: rados_t,
    pool: i64,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    entry!("rados_inconsistent_pg_list", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, mut buf) = unsafe { (cluster_of(cluster)?.session()?, OutBuf::new(buf, len)?) };
        session.wait(session.store().pool_name(PoolId(pool)))?;
        // No store of ours has placement groups that could disagree: the list is empty, and is its final NUL.
        buf.zero(0, len)?;
        Ok(1usize)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_mon_command(
    cluster: rados_t,
    cmd: *mut *const c_char,
    cmdlen: usize,
    inbuf: *const c_char,
    inbuflen: usize,
    outbuf: *mut *mut c_char,
    outbuflen: *mut usize,
    outs: *mut *mut c_char,
    outslen: *mut usize,
) -> c_int {
    entry!("rados_mon_command", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, cmd, input) =
            unsafe { (cluster_of(cluster)?.session()?, strings(cmd, cmdlen)?, arg::data(inbuf, inbuflen)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Answer::new(outbuf, outbuflen, outs, outslen) };
        run(&session, CommandTarget::Mon, cmd, input, &to)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_mgr_command(
    cluster: rados_t,
    cmd: *mut *const c_char,
    cmdlen: usize,
    inbuf: *const c_char,
    inbuflen: usize,
    outbuf: *mut *mut c_char,
    outbuflen: *mut usize,
    outs: *mut *mut c_char,
    outslen: *mut usize,
) -> c_int {
    entry!("rados_mgr_command", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, cmd, input) =
            unsafe { (cluster_of(cluster)?.session()?, strings(cmd, cmdlen)?, arg::data(inbuf, inbuflen)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Answer::new(outbuf, outbuflen, outs, outslen) };
        run(&session, CommandTarget::Mgr, cmd, input, &to)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_mgr_command_target(
    cluster: rados_t,
    name: *const c_char,
    cmd: *mut *const c_char,
    cmdlen: usize,
    inbuf: *const c_char,
    inbuflen: usize,
    outbuf: *mut *mut c_char,
    outbuflen: *mut usize,
    outs: *mut *mut c_char,
    outslen: *mut usize,
) -> c_int {
    entry!("rados_mgr_command_target", {
        // SAFETY: the contract that the header gives these arguments.
        let name = unsafe { arg::text(name)? }.to_owned();
        // SAFETY: the contract that the header gives these arguments.
        let (session, cmd, input) =
            unsafe { (cluster_of(cluster)?.session()?, strings(cmd, cmdlen)?, arg::data(inbuf, inbuflen)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Answer::new(outbuf, outbuflen, outs, outslen) };
        run(&session, CommandTarget::MgrNamed(name), cmd, input, &to)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_mon_command_target(
    cluster: rados_t,
    name: *const c_char,
    cmd: *mut *const c_char,
    cmdlen: usize,
    inbuf: *const c_char,
    inbuflen: usize,
    outbuf: *mut *mut c_char,
    outbuflen: *mut usize,
    outs: *mut *mut c_char,
    outslen: *mut usize,
) -> c_int {
    entry!("rados_mon_command_target", {
        // SAFETY: the contract that the header gives these arguments.
        let name = unsafe { arg::text(name)? }.to_owned();
        // SAFETY: the contract that the header gives these arguments.
        let (session, cmd, input) =
            unsafe { (cluster_of(cluster)?.session()?, strings(cmd, cmdlen)?, arg::data(inbuf, inbuflen)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Answer::new(outbuf, outbuflen, outs, outslen) };
        run(&session, CommandTarget::MonNamed(name), cmd, input, &to)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_buffer_free(buf: *mut c_char) {
    entry!("rados_buffer_free", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::free(buf) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_osd_command(
    cluster: rados_t,
    osdid: c_int,
    cmd: *mut *const c_char,
    cmdlen: usize,
    inbuf: *const c_char,
    inbuflen: usize,
    outbuf: *mut *mut c_char,
    outbuflen: *mut usize,
    outs: *mut *mut c_char,
    outslen: *mut usize,
) -> c_int {
    entry!("rados_osd_command", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, cmd, input) =
            unsafe { (cluster_of(cluster)?.session()?, strings(cmd, cmdlen)?, arg::data(inbuf, inbuflen)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Answer::new(outbuf, outbuflen, outs, outslen) };
        run(&session, CommandTarget::Osd(osdid), cmd, input, &to)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pg_command(
    cluster: rados_t,
    pgstr: *const c_char,
    cmd: *mut *const c_char,
    cmdlen: usize,
    inbuf: *const c_char,
    inbuflen: usize,
    outbuf: *mut *mut c_char,
    outbuflen: *mut usize,
    outs: *mut *mut c_char,
    outslen: *mut usize,
) -> c_int {
    entry!("rados_pg_command", {
        // SAFETY: the contract that the header gives these arguments.
        let pg = unsafe { arg::text(pgstr)? }.to_owned();
        // SAFETY: the contract that the header gives these arguments.
        let (session, cmd, input) =
            unsafe { (cluster_of(cluster)?.session()?, strings(cmd, cmdlen)?, arg::data(inbuf, inbuflen)?) };
        // SAFETY: the contract that the header gives these arguments.
        let to = unsafe { Answer::new(outbuf, outbuflen, outs, outslen) };
        run(&session, CommandTarget::Pg(pg), cmd, input, &to)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_monitor_log(
    cluster: rados_t,
    level: *const c_char,
    cb: rados_log_callback_t,
    arg: *mut c_void,
) -> c_int {
    entry!("rados_monitor_log", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, level) = unsafe { (cluster_of(cluster)?.session()?, arg::text(level)?) };
        let arg = Cookie(arg);
        let callback = cb.map(|cb| -> LogCallback {
            Box::new(move |entry| {
                let (line, who, message) = (text(&entry.line()), text(&entry.who()), text(&entry.message));
                let (level, stamp) = (text(entry.level()), entry.stamp);
                let (sec, nsec) = (stamp.seconds.into(), stamp.nanoseconds.into());
                let arg = arg.get();
                // SAFETY: C gave this function for this purpose; the texts live until it has returned.
                unsafe {
                    cb(
                        arg,
                        line.as_ptr(),
                        who.as_ptr(),
                        sec,
                        nsec,
                        entry.seq,
                        level.as_ptr(),
                        message.as_ptr(),
                    )
                };
            })
        });
        monitor_log(&session, level, callback)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_monitor_log2(
    cluster: rados_t,
    level: *const c_char,
    cb: rados_log_callback2_t,
    arg: *mut c_void,
) -> c_int {
    entry!("rados_monitor_log2", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, level) = unsafe { (cluster_of(cluster)?.session()?, arg::text(level)?) };
        let arg = Cookie(arg);
        let callback = cb.map(|cb| -> LogCallback {
            Box::new(move |entry| {
                let (line, who, message) = (text(&entry.line()), text(&entry.who()), text(&entry.message));
                let (channel, name) = (text(&entry.channel), text(&entry.name));
                let (level, stamp) = (text(entry.level()), entry.stamp);
                let (sec, nsec) = (stamp.seconds.into(), stamp.nanoseconds.into());
                let (line, channel, who, name) =
                    (line.as_ptr(), channel.as_ptr(), who.as_ptr(), name.as_ptr());
                let arg = arg.get();
                // SAFETY: C gave this function for this purpose; the texts live until it has returned.
                unsafe {
                    cb(arg, line, channel, who, name, sec, nsec, entry.seq, level.as_ptr(), message.as_ptr())
                };
            })
        });
        monitor_log(&session, level, callback)
    })
}
