//! Facts about an open image.

use crate::capi::types::{rbd_image_info_t, rbd_image_t};
use libc::timespec;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_stat(image: rbd_image_t, info: *mut rbd_image_info_t, infosize: usize) -> c_int {
    stub!("rbd_stat")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_old_format(image: rbd_image_t, old: *mut u8) -> c_int {
    stub!("rbd_get_old_format")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_size(image: rbd_image_t, size: *mut u64) -> c_int {
    stub!("rbd_get_size")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_stripe_unit(image: rbd_image_t, stripe_unit: *mut u64) -> c_int {
    stub!("rbd_get_stripe_unit")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_stripe_count(image: rbd_image_t, stripe_count: *mut u64) -> c_int {
    stub!("rbd_get_stripe_count")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_create_timestamp(image: rbd_image_t, timestamp: *mut timespec) -> c_int {
    stub!("rbd_get_create_timestamp")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_access_timestamp(image: rbd_image_t, timestamp: *mut timespec) -> c_int {
    stub!("rbd_get_access_timestamp")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_modify_timestamp(image: rbd_image_t, timestamp: *mut timespec) -> c_int {
    stub!("rbd_get_modify_timestamp")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_name(image: rbd_image_t, name: *mut c_char, name_len: *mut usize) -> c_int {
    stub!("rbd_get_name")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_id(image: rbd_image_t, id: *mut c_char, id_len: usize) -> c_int {
    stub!("rbd_get_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_block_name_prefix(
    image: rbd_image_t,
    prefix: *mut c_char,
    prefix_len: usize,
) -> c_int {
    stub!("rbd_get_block_name_prefix")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_data_pool_id(image: rbd_image_t) -> i64 {
    stub!("rbd_get_data_pool_id")
}
