//! Snapshots: create, remove, list, protect, roll back, select.

use crate::capi::types::{librbd_progress_fn_t, rbd_image_t, rbd_snap_info_t};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_list(
    image: rbd_image_t,
    snaps: *mut rbd_snap_info_t,
    max_snaps: *mut c_int,
) -> c_int {
    stub!("rbd_snap_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_list_end(snaps: *mut rbd_snap_info_t) {
    stub!("rbd_snap_list_end")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_exists(
    image: rbd_image_t,
    snapname: *const c_char,
    exists: *mut bool,
) -> c_int {
    stub!("rbd_snap_exists")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_create(image: rbd_image_t, snapname: *const c_char) -> c_int {
    stub!("rbd_snap_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_create2(
    image: rbd_image_t,
    snap_name: *const c_char,
    flags: u32,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_snap_create2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_remove(image: rbd_image_t, snapname: *const c_char) -> c_int {
    stub!("rbd_snap_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_remove2(
    image: rbd_image_t,
    snap_name: *const c_char,
    flags: u32,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_snap_remove2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_remove_by_id(image: rbd_image_t, snap_id: u64) -> c_int {
    stub!("rbd_snap_remove_by_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_rollback(image: rbd_image_t, snapname: *const c_char) -> c_int {
    stub!("rbd_snap_rollback")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_rollback_with_progress(
    image: rbd_image_t,
    snapname: *const c_char,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_snap_rollback_with_progress")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_rename(
    image: rbd_image_t,
    snapname: *const c_char,
    dstsnapsname: *const c_char,
) -> c_int {
    stub!("rbd_snap_rename")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_protect(image: rbd_image_t, snap_name: *const c_char) -> c_int {
    stub!("rbd_snap_protect")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_unprotect(image: rbd_image_t, snap_name: *const c_char) -> c_int {
    stub!("rbd_snap_unprotect")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_is_protected(
    image: rbd_image_t,
    snap_name: *const c_char,
    is_protected: *mut c_int,
) -> c_int {
    stub!("rbd_snap_is_protected")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_set_limit(image: rbd_image_t, limit: u64) -> c_int {
    stub!("rbd_snap_set_limit")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_set(image: rbd_image_t, snapname: *const c_char) -> c_int {
    stub!("rbd_snap_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_set_by_id(image: rbd_image_t, snap_id: u64) -> c_int {
    stub!("rbd_snap_set_by_id")
}
