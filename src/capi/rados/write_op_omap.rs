//! The omap steps of write operations.

use crate::capi::types::rados_write_op_t;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_cmp(
    write_op: rados_write_op_t,
    key: *const c_char,
    comparison_operator: u8,
    val: *const c_char,
    val_len: usize,
    prval: *mut c_int,
) {
    stub!("rados_write_op_omap_cmp")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_cmp2(
    write_op: rados_write_op_t,
    key: *const c_char,
    comparison_operator: u8,
    val: *const c_char,
    key_len: usize,
    val_len: usize,
    prval: *mut c_int,
) {
    stub!("rados_write_op_omap_cmp2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_set(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    vals: *const *const c_char,
    lens: *const usize,
    num: usize,
) {
    stub!("rados_write_op_omap_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_set2(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    vals: *const *const c_char,
    key_lens: *const usize,
    val_lens: *const usize,
    num: usize,
) {
    stub!("rados_write_op_omap_set2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_rm_keys(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    keys_len: usize,
) {
    stub!("rados_write_op_omap_rm_keys")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_rm_keys2(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    key_lens: *const usize,
    keys_len: usize,
) {
    stub!("rados_write_op_omap_rm_keys2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_rm_range2(
    write_op: rados_write_op_t,
    key_begin: *const c_char,
    key_begin_len: usize,
    key_end: *const c_char,
    key_end_len: usize,
) {
    stub!("rados_write_op_omap_rm_range2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_clear(write_op: rados_write_op_t) {
    stub!("rados_write_op_omap_clear")
}
