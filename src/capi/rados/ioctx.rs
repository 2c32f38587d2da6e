//! I/O contexts: creation, namespace, locator, flags.

use crate::capi::types::{rados_config_t, rados_ioctx_t, rados_t};
use std::ffi::{c_char, c_int, c_uint};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_create(
    cluster: rados_t,
    pool_name: *const c_char,
    ioctx: *mut rados_ioctx_t,
) -> c_int {
    stub!("rados_ioctx_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_create2(
    cluster: rados_t,
    pool_id: i64,
    ioctx: *mut rados_ioctx_t,
) -> c_int {
    stub!("rados_ioctx_create2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_destroy(io: rados_ioctx_t) {
    stub!("rados_ioctx_destroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_cct(io: rados_ioctx_t) -> rados_config_t {
    stub!("rados_ioctx_cct")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_cluster(io: rados_ioctx_t) -> rados_t {
    stub!("rados_ioctx_get_cluster")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_id(io: rados_ioctx_t) -> i64 {
    stub!("rados_ioctx_get_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_pool_name(
    io: rados_ioctx_t,
    buf: *mut c_char,
    maxlen: c_uint,
) -> c_int {
    stub!("rados_ioctx_get_pool_name")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_locator_set_key(io: rados_ioctx_t, key: *const c_char) {
    stub!("rados_ioctx_locator_set_key")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_set_namespace(io: rados_ioctx_t, nspace: *const c_char) {
    stub!("rados_ioctx_set_namespace")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_namespace(
    io: rados_ioctx_t,
    buf: *mut c_char,
    maxlen: c_uint,
) -> c_int {
    stub!("rados_ioctx_get_namespace")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_get_last_version(io: rados_ioctx_t) -> u64 {
    stub!("rados_get_last_version")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_osdmap_full_try(io: rados_ioctx_t) {
    stub!("rados_set_osdmap_full_try")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unset_osdmap_full_try(io: rados_ioctx_t) {
    stub!("rados_unset_osdmap_full_try")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_pool_full_try(io: rados_ioctx_t) {
    stub!("rados_set_pool_full_try")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unset_pool_full_try(io: rados_ioctx_t) {
    stub!("rados_unset_pool_full_try")
}
