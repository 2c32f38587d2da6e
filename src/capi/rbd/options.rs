//! The option set that create, clone and copy take.

use crate::capi::types::rbd_image_options_t;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_create(opts: *mut rbd_image_options_t) {
    stub!("rbd_image_options_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_destroy(opts: rbd_image_options_t) {
    stub!("rbd_image_options_destroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_set_string(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: *const c_char,
) -> c_int {
    stub!("rbd_image_options_set_string")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_set_uint64(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: u64,
) -> c_int {
    stub!("rbd_image_options_set_uint64")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_get_string(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: *mut c_char,
    maxlen: usize,
) -> c_int {
    stub!("rbd_image_options_get_string")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_get_uint64(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: *mut u64,
) -> c_int {
    stub!("rbd_image_options_get_uint64")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_is_set(
    opts: rbd_image_options_t,
    optname: c_int,
    is_set: *mut bool,
) -> c_int {
    stub!("rbd_image_options_is_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_unset(opts: rbd_image_options_t, optname: c_int) -> c_int {
    stub!("rbd_image_options_unset")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_clear(opts: rbd_image_options_t) {
    stub!("rbd_image_options_clear")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_is_empty(opts: rbd_image_options_t) -> c_int {
    stub!("rbd_image_options_is_empty")
}
