//! Synchronous object I/O.

use crate::capi::types::{rados_checksum_type_t, rados_ioctx_t};
use libc::time_t;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    len: usize,
    off: u64,
) -> c_int {
    stub!("rados_write")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_full(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    len: usize,
) -> c_int {
    stub!("rados_write_full")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_writesame(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    data_len: usize,
    write_len: usize,
    off: u64,
) -> c_int {
    stub!("rados_writesame")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_append(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    len: usize,
) -> c_int {
    stub!("rados_append")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *mut c_char,
    len: usize,
    off: u64,
) -> c_int {
    stub!("rados_read")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_checksum(
    io: rados_ioctx_t,
    oid: *const c_char,
    typ: MaybeUninit<rados_checksum_type_t>,
    init_value: *const c_char,
    init_value_len: usize,
    len: usize,
    off: u64,
    chunk_size: usize,
    pchecksum: *mut c_char,
    checksum_len: usize,
) -> c_int {
    stub!("rados_checksum")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_remove(io: rados_ioctx_t, oid: *const c_char) -> c_int {
    stub!("rados_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_trunc(io: rados_ioctx_t, oid: *const c_char, size: u64) -> c_int {
    stub!("rados_trunc")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cmpext(
    io: rados_ioctx_t,
    o: *const c_char,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
) -> c_int {
    stub!("rados_cmpext")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_stat(
    io: rados_ioctx_t,
    o: *const c_char,
    psize: *mut u64,
    pmtime: *mut time_t,
) -> c_int {
    stub!("rados_stat")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_exec(
    io: rados_ioctx_t,
    oid: *const c_char,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    buf: *mut c_char,
    out_len: usize,
) -> c_int {
    stub!("rados_exec")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_alloc_hint(
    io: rados_ioctx_t,
    o: *const c_char,
    expected_object_size: u64,
    expected_write_size: u64,
) -> c_int {
    stub!("rados_set_alloc_hint")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_alloc_hint2(
    io: rados_ioctx_t,
    o: *const c_char,
    expected_object_size: u64,
    expected_write_size: u64,
    flags: u32,
) -> c_int {
    stub!("rados_set_alloc_hint2")
}
