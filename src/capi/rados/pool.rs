//! Pools: create, delete, list, look up, properties.

use crate::capi::types::{rados_ioctx_t, rados_t};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_list(cluster: rados_t, buf: *mut c_char, len: usize) -> c_int {
    stub!("rados_pool_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_lookup(cluster: rados_t, pool_name: *const c_char) -> i64 {
    stub!("rados_pool_lookup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_reverse_lookup(
    cluster: rados_t,
    id: i64,
    buf: *mut c_char,
    maxlen: usize,
) -> c_int {
    stub!("rados_pool_reverse_lookup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create(cluster: rados_t, pool_name: *const c_char) -> c_int {
    stub!("rados_pool_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create_with_auid(
    cluster: rados_t,
    pool_name: *const c_char,
    auid: u64,
) -> c_int {
    stub!("rados_pool_create_with_auid")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create_with_crush_rule(
    cluster: rados_t,
    pool_name: *const c_char,
    crush_rule_num: u8,
) -> c_int {
    stub!("rados_pool_create_with_crush_rule")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create_with_all(
    cluster: rados_t,
    pool_name: *const c_char,
    auid: u64,
    crush_rule_num: u8,
) -> c_int {
    stub!("rados_pool_create_with_all")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_get_base_tier(cluster: rados_t, pool: i64, base_tier: *mut i64) -> c_int {
    stub!("rados_pool_get_base_tier")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_delete(cluster: rados_t, pool_name: *const c_char) -> c_int {
    stub!("rados_pool_delete")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_set_auid(io: rados_ioctx_t, auid: u64) -> c_int {
    stub!("rados_ioctx_pool_set_auid")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_get_auid(io: rados_ioctx_t, auid: *mut u64) -> c_int {
    stub!("rados_ioctx_pool_get_auid")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_requires_alignment(io: rados_ioctx_t) -> c_int {
    stub!("rados_ioctx_pool_requires_alignment")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_requires_alignment2(io: rados_ioctx_t, req: *mut c_int) -> c_int {
    stub!("rados_ioctx_pool_requires_alignment2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_required_alignment(io: rados_ioctx_t) -> u64 {
    stub!("rados_ioctx_pool_required_alignment")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_required_alignment2(
    io: rados_ioctx_t,
    alignment: *mut u64,
) -> c_int {
    stub!("rados_ioctx_pool_required_alignment2")
}
