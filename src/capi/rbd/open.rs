//! Open and close.

use crate::capi::types::{rados_ioctx_t, rbd_completion_t, rbd_image_t};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_open")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open_by_id(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_open_by_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_open")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open_by_id(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_open_by_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open_read_only(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_open_read_only")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open_by_id_read_only(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_open_by_id_read_only")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open_read_only(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_open_read_only")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open_by_id_read_only(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_open_by_id_read_only")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_close(image: rbd_image_t) -> c_int {
    stub!("rbd_close")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_close(image: rbd_image_t, c: rbd_completion_t) -> c_int {
    stub!("rbd_aio_close")
}
