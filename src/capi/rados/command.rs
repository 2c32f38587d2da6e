//! Commands to monitors, managers, OSDs and placement groups; the cluster log.

use crate::capi::types::{rados_log_callback_t, rados_log_callback2_t, rados_t};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ping_monitor(
    cluster: rados_t,
    mon_id: *const c_char,
    outstr: *mut *mut c_char,
    outstrlen: *mut usize,
) -> c_int {
    stub!("rados_ping_monitor")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_inconsistent_pg_list(
    cluster: rados_t,
    pool: i64,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    stub!("rados_inconsistent_pg_list")
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
    stub!("rados_mon_command")
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
    stub!("rados_mgr_command")
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
    stub!("rados_mgr_command_target")
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
    stub!("rados_mon_command_target")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_buffer_free(buf: *mut c_char) {
    stub!("rados_buffer_free")
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
    stub!("rados_osd_command")
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
    stub!("rados_pg_command")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_monitor_log(
    cluster: rados_t,
    level: *const c_char,
    cb: rados_log_callback_t,
    arg: *mut c_void,
) -> c_int {
    stub!("rados_monitor_log")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_monitor_log2(
    cluster: rados_t,
    level: *const c_char,
    cb: rados_log_callback2_t,
    arg: *mut c_void,
) -> c_int {
    stub!("rados_monitor_log2")
}
