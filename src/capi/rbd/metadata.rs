//! Metadata of an image and configuration overrides.

use crate::capi::types::{rados_ioctx_t, rbd_config_option_t, rbd_image_t};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_pool_list(
    io_ctx: rados_ioctx_t,
    options: *mut rbd_config_option_t,
    max_options: *mut c_int,
) -> c_int {
    stub!("rbd_config_pool_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_pool_list_cleanup(options: *mut rbd_config_option_t, max_options: c_int) {
    stub!("rbd_config_pool_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_get(
    image: rbd_image_t,
    key: *const c_char,
    value: *mut c_char,
    val_len: *mut usize,
) -> c_int {
    stub!("rbd_metadata_get")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_set(
    image: rbd_image_t,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    stub!("rbd_metadata_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_remove(image: rbd_image_t, key: *const c_char) -> c_int {
    stub!("rbd_metadata_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_list(
    image: rbd_image_t,
    start: *const c_char,
    max: u64,
    keys: *mut c_char,
    key_len: *mut usize,
    values: *mut c_char,
    vals_len: *mut usize,
) -> c_int {
    stub!("rbd_metadata_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_image_list(
    image: rbd_image_t,
    options: *mut rbd_config_option_t,
    max_options: *mut c_int,
) -> c_int {
    stub!("rbd_config_image_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_image_list_cleanup(
    options: *mut rbd_config_option_t,
    max_options: c_int,
) {
    stub!("rbd_config_image_list_cleanup")
}
