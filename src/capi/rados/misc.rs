//! Services, applications, cache pins.

use crate::capi::types::{rados_ioctx_t, rados_t};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cache_pin(io: rados_ioctx_t, o: *const c_char) -> c_int {
    stub!("rados_cache_pin")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cache_unpin(io: rados_ioctx_t, o: *const c_char) -> c_int {
    stub!("rados_cache_unpin")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_enable(
    io: rados_ioctx_t,
    app_name: *const c_char,
    force: c_int,
) -> c_int {
    stub!("rados_application_enable")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_list(
    io: rados_ioctx_t,
    values: *mut c_char,
    values_len: *mut usize,
) -> c_int {
    stub!("rados_application_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_get(
    io: rados_ioctx_t,
    app_name: *const c_char,
    key: *const c_char,
    value: *mut c_char,
    value_len: *mut usize,
) -> c_int {
    stub!("rados_application_metadata_get")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_set(
    io: rados_ioctx_t,
    app_name: *const c_char,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    stub!("rados_application_metadata_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_remove(
    io: rados_ioctx_t,
    app_name: *const c_char,
    key: *const c_char,
) -> c_int {
    stub!("rados_application_metadata_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_list(
    io: rados_ioctx_t,
    app_name: *const c_char,
    keys: *mut c_char,
    key_len: *mut usize,
    values: *mut c_char,
    vals_len: *mut usize,
) -> c_int {
    stub!("rados_application_metadata_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_service_register(
    cluster: rados_t,
    service: *const c_char,
    daemon: *const c_char,
    metadata_dict: *const c_char,
) -> c_int {
    stub!("rados_service_register")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_service_update_status(cluster: rados_t, status_dict: *const c_char) -> c_int {
    stub!("rados_service_update_status")
}
