//! Feature bits, flags and the object map.

use crate::capi::types::{librbd_progress_fn_t, rbd_image_t};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_features_to_string(
    features: u64,
    str_features: *mut c_char,
    size: *mut usize,
) -> c_int {
    stub!("rbd_features_to_string")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_features_from_string(str_features: *const c_char, features: *mut u64) -> c_int {
    stub!("rbd_features_from_string")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_features(image: rbd_image_t, features: *mut u64) -> c_int {
    stub!("rbd_get_features")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_update_features(image: rbd_image_t, features: u64, enabled: u8) -> c_int {
    stub!("rbd_update_features")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_op_features(image: rbd_image_t, op_features: *mut u64) -> c_int {
    stub!("rbd_get_op_features")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_flags(image: rbd_image_t, flags: *mut u64) -> c_int {
    stub!("rbd_get_flags")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_rebuild_object_map(
    image: rbd_image_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_rebuild_object_map")
}
