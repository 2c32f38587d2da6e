//! Asynchronous mirroring calls.

use crate::capi::types::{
    rbd_completion_t, rbd_image_t, rbd_mirror_image_global_status_t, rbd_mirror_image_info_t,
    rbd_mirror_image_mode_t, rbd_mirror_image_status_t,
};
use std::ffi::c_int;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_promote(
    image: rbd_image_t,
    force: bool,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_promote")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_demote(image: rbd_image_t, c: rbd_completion_t) -> c_int {
    stub!("rbd_aio_mirror_image_demote")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_info(
    image: rbd_image_t,
    mirror_image_info: *mut rbd_mirror_image_info_t,
    info_size: usize,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_get_info")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_mode(
    image: rbd_image_t,
    mode: *mut rbd_mirror_image_mode_t,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_get_mode")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_global_status(
    image: rbd_image_t,
    mirror_global_image_status: *mut rbd_mirror_image_global_status_t,
    status_size: usize,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_get_global_status")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_status(
    image: rbd_image_t,
    mirror_image_status: *mut rbd_mirror_image_status_t,
    status_size: usize,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_get_status")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_create_snapshot(
    image: rbd_image_t,
    flags: u32,
    snap_id: *mut u64,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_create_snapshot")
}
