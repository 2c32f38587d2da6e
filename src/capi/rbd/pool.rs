//! Pools and namespaces of images: set-up, metadata, statistics.

use crate::capi::types::{rados_ioctx_t, rbd_pool_stats_t};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_get(
    io_ctx: rados_ioctx_t,
    key: *const c_char,
    value: *mut c_char,
    val_len: *mut usize,
) -> c_int {
    stub!("rbd_pool_metadata_get")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_set(
    io_ctx: rados_ioctx_t,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    stub!("rbd_pool_metadata_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_remove(io_ctx: rados_ioctx_t, key: *const c_char) -> c_int {
    stub!("rbd_pool_metadata_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_list(
    io_ctx: rados_ioctx_t,
    start: *const c_char,
    max: u64,
    keys: *mut c_char,
    key_len: *mut usize,
    values: *mut c_char,
    vals_len: *mut usize,
) -> c_int {
    stub!("rbd_pool_metadata_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_create(io: rados_ioctx_t, namespace_name: *const c_char) -> c_int {
    stub!("rbd_namespace_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_remove(io: rados_ioctx_t, namespace_name: *const c_char) -> c_int {
    stub!("rbd_namespace_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_list(
    io: rados_ioctx_t,
    namespace_names: *mut c_char,
    size: *mut usize,
) -> c_int {
    stub!("rbd_namespace_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_exists(
    io: rados_ioctx_t,
    namespace_name: *const c_char,
    exists: *mut bool,
) -> c_int {
    stub!("rbd_namespace_exists")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_init(io: rados_ioctx_t, force: bool) -> c_int {
    stub!("rbd_pool_init")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_create(stats: *mut rbd_pool_stats_t) {
    stub!("rbd_pool_stats_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_destroy(stats: rbd_pool_stats_t) {
    stub!("rbd_pool_stats_destroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_option_add_uint64(
    stats: rbd_pool_stats_t,
    stat_option: c_int,
    stat_val: *mut u64,
) -> c_int {
    stub!("rbd_pool_stats_option_add_uint64")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_get(io: rados_ioctx_t, stats: rbd_pool_stats_t) -> c_int {
    stub!("rbd_pool_stats_get")
}
