//! The omap steps of write operations.

use super::handles::WriteOp;
use super::oplist::{add, add_with, omap_cmp, omap_set, owned};
use crate::capi::arg::{self, Later};
use crate::capi::handle;
use crate::capi::types::rados_write_op_t;
use crate::store::Op;
use bytes::Bytes;
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
    entry!("rados_write_op_omap_cmp", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (key, value, prval) = unsafe { (arg::bytes(key), arg::data(val, val_len), Later::new(prval)) };
        add_with(&op.0, || omap_cmp(key?, comparison_operator, value?), move |result| prval.set(result.rval))
    })
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
    entry!("rados_write_op_omap_cmp2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (key, value, prval) =
            unsafe { (arg::data(key, key_len), arg::data(val, val_len), Later::new(prval)) };
        add_with(&op.0, || omap_cmp(key?, comparison_operator, value?), move |result| prval.set(result.rval))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_set(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    vals: *const *const c_char,
    lens: *const usize,
    num: usize,
) {
    entry!("rados_write_op_omap_set", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let (keys, values) = unsafe { (arg::strings(keys, num)?, arg::datas(vals, lens, num)?) };
            omap_set(&keys, &values)
        })
    })
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
    entry!("rados_write_op_omap_set2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let (keys, values) =
                unsafe { (arg::datas(keys, key_lens, num)?, arg::datas(vals, val_lens, num)?) };
            omap_set(&keys, &values)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_rm_keys(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    keys_len: usize,
) {
    entry!("rados_write_op_omap_rm_keys", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let keys = unsafe { arg::strings(keys, keys_len)? };
            Ok(Op::OmapRmKeys { keys: owned(&keys) })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_rm_keys2(
    write_op: rados_write_op_t,
    keys: *const *const c_char,
    key_lens: *const usize,
    keys_len: usize,
) {
    entry!("rados_write_op_omap_rm_keys2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let keys = unsafe { arg::datas(keys, key_lens, keys_len)? };
            Ok(Op::OmapRmKeys { keys: owned(&keys) })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_rm_range2(
    write_op: rados_write_op_t,
    key_begin: *const c_char,
    key_begin_len: usize,
    key_end: *const c_char,
    key_end_len: usize,
) {
    entry!("rados_write_op_omap_rm_range2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let (begin, end) =
                unsafe { (arg::data(key_begin, key_begin_len)?, arg::data(key_end, key_end_len)?) };
            Ok(Op::OmapRmRange { begin: Bytes::copy_from_slice(begin), end: Bytes::copy_from_slice(end) })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_omap_clear(write_op: rados_write_op_t) {
    entry!("rados_write_op_omap_clear", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::OmapClear))
    })
}
