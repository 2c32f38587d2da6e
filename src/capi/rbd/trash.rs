//! The trash.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{librbd_progress_fn_t, rados_ioctx_t, rbd_trash_image_info_t};
use crate::errno::Errno;
use libc::time_t;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_move(io: rados_ioctx_t, name: *const c_char, delay: u64) -> c_int {
    stub!("rbd_trash_move")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_get(
    io: rados_ioctx_t,
    id: *const c_char,
    info: *mut rbd_trash_image_info_t,
) -> c_int {
    entry!("rbd_trash_get", {
        // The trash is empty.
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handles::place(io)? };
        Err::<(), _>(Errno::ENOENT)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_get_cleanup(info: *mut rbd_trash_image_info_t) {
    stub!("rbd_trash_get_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_list(
    io: rados_ioctx_t,
    trash_entries: *mut rbd_trash_image_info_t,
    num_entries: *mut usize,
) -> c_int {
    entry!("rbd_trash_list", {
        // The trash is empty.
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handles::place(io)? };
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(num_entries, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_list_cleanup(
    trash_entries: *mut rbd_trash_image_info_t,
    num_entries: usize,
) {
    entry!("rbd_trash_list_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            for n in 0..num_entries {
                let entry = arg::read(trash_entries.wrapping_add(n))?;
                arg::free(entry.id);
                arg::free(entry.name);
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_purge(io: rados_ioctx_t, expire_ts: time_t, threshold: f32) -> c_int {
    stub!("rbd_trash_purge")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_purge_with_progress(
    io: rados_ioctx_t,
    expire_ts: time_t,
    threshold: f32,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_trash_purge_with_progress")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_remove(io: rados_ioctx_t, id: *const c_char, force: bool) -> c_int {
    stub!("rbd_trash_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_remove_with_progress(
    io: rados_ioctx_t,
    id: *const c_char,
    force: bool,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_trash_remove_with_progress")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_trash_restore(
    io: rados_ioctx_t,
    id: *const c_char,
    name: *const c_char,
) -> c_int {
    stub!("rbd_trash_restore")
}
