//! Create, remove, rename and list images.

use crate::capi::arg;
use crate::capi::types::{
    LIBRBD_VER_EXTRA, LIBRBD_VER_MAJOR, LIBRBD_VER_MINOR, librbd_progress_fn_t, rados_ioctx_t,
    rbd_image_options_t, rbd_image_spec_t,
};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_version(major: *mut c_int, minor: *mut c_int, extra: *mut c_int) {
    entry!("rbd_version", {
        // SAFETY: each is null or writable by the header's contract.
        unsafe {
            arg::opt_out(major, LIBRBD_VER_MAJOR);
            arg::opt_out(minor, LIBRBD_VER_MINOR);
            arg::opt_out(extra, LIBRBD_VER_EXTRA);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list(io: rados_ioctx_t, names: *mut c_char, size: *mut usize) -> c_int {
    stub!("rbd_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list2(
    io: rados_ioctx_t,
    images: *mut rbd_image_spec_t,
    max_images: *mut usize,
) -> c_int {
    stub!("rbd_list2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    order: *mut c_int,
) -> c_int {
    stub!("rbd_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create2(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    features: u64,
    order: *mut c_int,
) -> c_int {
    stub!("rbd_create2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create3(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    features: u64,
    order: *mut c_int,
    stripe_unit: u64,
    stripe_count: u64,
) -> c_int {
    stub!("rbd_create3")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create4(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    opts: rbd_image_options_t,
) -> c_int {
    stub!("rbd_create4")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_remove(io: rados_ioctx_t, name: *const c_char) -> c_int {
    stub!("rbd_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_remove_with_progress(
    io: rados_ioctx_t,
    name: *const c_char,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_remove_with_progress")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_rename(
    src_io_ctx: rados_ioctx_t,
    srcname: *const c_char,
    destname: *const c_char,
) -> c_int {
    stub!("rbd_rename")
}
