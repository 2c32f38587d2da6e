//! Write operations: lists of steps, applied atomically.

use crate::capi::types::{rados_completion_t, rados_ioctx_t, rados_write_op_t};
use libc::{time_t, timespec};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create_write_op() -> rados_write_op_t {
    stub!("rados_create_write_op")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_release_write_op(write_op: rados_write_op_t) {
    stub!("rados_release_write_op")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_set_flags(write_op: rados_write_op_t, flags: c_int) {
    stub!("rados_write_op_set_flags")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_assert_exists(write_op: rados_write_op_t) {
    stub!("rados_write_op_assert_exists")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_assert_version(write_op: rados_write_op_t, ver: u64) {
    stub!("rados_write_op_assert_version")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_cmpext(
    write_op: rados_write_op_t,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
    prval: *mut c_int,
) {
    stub!("rados_write_op_cmpext")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_cmpxattr(
    write_op: rados_write_op_t,
    name: *const c_char,
    comparison_operator: u8,
    value: *const c_char,
    value_len: usize,
) {
    stub!("rados_write_op_cmpxattr")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_setxattr(
    write_op: rados_write_op_t,
    name: *const c_char,
    value: *const c_char,
    value_len: usize,
) {
    stub!("rados_write_op_setxattr")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_rmxattr(write_op: rados_write_op_t, name: *const c_char) {
    stub!("rados_write_op_rmxattr")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_create(
    write_op: rados_write_op_t,
    exclusive: c_int,
    category: *const c_char,
) {
    stub!("rados_write_op_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_write(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    len: usize,
    offset: u64,
) {
    stub!("rados_write_op_write")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_write_full(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    len: usize,
) {
    stub!("rados_write_op_write_full")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_writesame(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    data_len: usize,
    write_len: usize,
    offset: u64,
) {
    stub!("rados_write_op_writesame")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_append(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    len: usize,
) {
    stub!("rados_write_op_append")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_remove(write_op: rados_write_op_t) {
    stub!("rados_write_op_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_truncate(write_op: rados_write_op_t, offset: u64) {
    stub!("rados_write_op_truncate")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_zero(write_op: rados_write_op_t, offset: u64, len: u64) {
    stub!("rados_write_op_zero")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_exec(
    write_op: rados_write_op_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    prval: *mut c_int,
) {
    stub!("rados_write_op_exec")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_set_alloc_hint(
    write_op: rados_write_op_t,
    expected_object_size: u64,
    expected_write_size: u64,
) {
    stub!("rados_write_op_set_alloc_hint")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_set_alloc_hint2(
    write_op: rados_write_op_t,
    expected_object_size: u64,
    expected_write_size: u64,
    flags: u32,
) {
    stub!("rados_write_op_set_alloc_hint2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_operate(
    write_op: rados_write_op_t,
    io: rados_ioctx_t,
    oid: *const c_char,
    mtime: *mut time_t,
    flags: c_int,
) -> c_int {
    stub!("rados_write_op_operate")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_operate2(
    write_op: rados_write_op_t,
    io: rados_ioctx_t,
    oid: *const c_char,
    mtime: *mut timespec,
    flags: c_int,
) -> c_int {
    stub!("rados_write_op_operate2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_write_op_operate(
    write_op: rados_write_op_t,
    io: rados_ioctx_t,
    completion: rados_completion_t,
    oid: *const c_char,
    mtime: *mut time_t,
    flags: c_int,
) -> c_int {
    stub!("rados_aio_write_op_operate")
}
