//! Read operations: lists of steps, applied atomically.

use crate::capi::types::{
    rados_checksum_type_t, rados_completion_t, rados_ioctx_t, rados_omap_iter_t, rados_read_op_t,
    rados_xattrs_iter_t,
};
use libc::time_t;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create_read_op() -> rados_read_op_t {
    stub!("rados_create_read_op")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_release_read_op(read_op: rados_read_op_t) {
    stub!("rados_release_read_op")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_set_flags(read_op: rados_read_op_t, flags: c_int) {
    stub!("rados_read_op_set_flags")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_assert_exists(read_op: rados_read_op_t) {
    stub!("rados_read_op_assert_exists")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_assert_version(read_op: rados_read_op_t, ver: u64) {
    stub!("rados_read_op_assert_version")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_cmpext(
    read_op: rados_read_op_t,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
    prval: *mut c_int,
) {
    stub!("rados_read_op_cmpext")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_cmpxattr(
    read_op: rados_read_op_t,
    name: *const c_char,
    comparison_operator: u8,
    value: *const c_char,
    value_len: usize,
) {
    stub!("rados_read_op_cmpxattr")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_getxattrs(
    read_op: rados_read_op_t,
    iter: *mut rados_xattrs_iter_t,
    prval: *mut c_int,
) {
    stub!("rados_read_op_getxattrs")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_cmp(
    read_op: rados_read_op_t,
    key: *const c_char,
    comparison_operator: u8,
    val: *const c_char,
    val_len: usize,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_cmp")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_cmp2(
    read_op: rados_read_op_t,
    key: *const c_char,
    comparison_operator: u8,
    val: *const c_char,
    key_len: usize,
    val_len: usize,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_cmp2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_stat(
    read_op: rados_read_op_t,
    psize: *mut u64,
    pmtime: *mut time_t,
    prval: *mut c_int,
) {
    stub!("rados_read_op_stat")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_read(
    read_op: rados_read_op_t,
    offset: u64,
    len: usize,
    buffer: *mut c_char,
    bytes_read: *mut usize,
    prval: *mut c_int,
) {
    stub!("rados_read_op_read")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_checksum(
    read_op: rados_read_op_t,
    typ: MaybeUninit<rados_checksum_type_t>,
    init_value: *const c_char,
    init_value_len: usize,
    offset: u64,
    len: usize,
    chunk_size: usize,
    pchecksum: *mut c_char,
    checksum_len: usize,
    prval: *mut c_int,
) {
    stub!("rados_read_op_checksum")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_exec(
    read_op: rados_read_op_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    out_buf: *mut *mut c_char,
    out_len: *mut usize,
    prval: *mut c_int,
) {
    stub!("rados_read_op_exec")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_exec_user_buf(
    read_op: rados_read_op_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    out_buf: *mut c_char,
    out_len: usize,
    used_len: *mut usize,
    prval: *mut c_int,
) {
    stub!("rados_read_op_exec_user_buf")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    filter_prefix: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_get_vals")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals2(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    filter_prefix: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    pmore: *mut u8,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_get_vals2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_keys(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_get_keys")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_keys2(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    pmore: *mut u8,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_get_keys2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals_by_keys(
    read_op: rados_read_op_t,
    keys: *const *const c_char,
    keys_len: usize,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_get_vals_by_keys")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals_by_keys2(
    read_op: rados_read_op_t,
    keys: *const *const c_char,
    num_keys: usize,
    key_lens: *const usize,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    stub!("rados_read_op_omap_get_vals_by_keys2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_operate(
    read_op: rados_read_op_t,
    io: rados_ioctx_t,
    oid: *const c_char,
    flags: c_int,
) -> c_int {
    stub!("rados_read_op_operate")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_read_op_operate(
    read_op: rados_read_op_t,
    io: rados_ioctx_t,
    completion: rados_completion_t,
    oid: *const c_char,
    flags: c_int,
) -> c_int {
    stub!("rados_aio_read_op_operate")
}
