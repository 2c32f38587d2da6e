//! Synchronous image I/O.

use crate::capi::types::rbd_image_t;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read(image: rbd_image_t, ofs: u64, len: usize, buf: *mut c_char) -> isize {
    stub!("rbd_read")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read2(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    buf: *mut c_char,
    op_flags: c_int,
) -> isize {
    stub!("rbd_read2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read_iterate(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    cb: Option<unsafe extern "C" fn(u64, usize, *const c_char, *mut c_void) -> c_int>,
    arg: *mut c_void,
) -> i64 {
    stub!("rbd_read_iterate")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read_iterate2(
    image: rbd_image_t,
    ofs: u64,
    len: u64,
    cb: Option<unsafe extern "C" fn(u64, usize, *const c_char, *mut c_void) -> c_int>,
    arg: *mut c_void,
) -> c_int {
    stub!("rbd_read_iterate2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_write(image: rbd_image_t, ofs: u64, len: usize, buf: *const c_char) -> isize {
    stub!("rbd_write")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_write2(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    buf: *const c_char,
    op_flags: c_int,
) -> isize {
    stub!("rbd_write2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_discard(image: rbd_image_t, ofs: u64, len: u64) -> c_int {
    stub!("rbd_discard")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_writesame(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    buf: *const c_char,
    data_len: usize,
    op_flags: c_int,
) -> isize {
    stub!("rbd_writesame")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_write_zeroes(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    zero_flags: c_int,
    op_flags: c_int,
) -> isize {
    stub!("rbd_write_zeroes")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_compare_and_write(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    cmp_buf: *const c_char,
    buf: *const c_char,
    mismatch_off: *mut u64,
    op_flags: c_int,
) -> isize {
    stub!("rbd_compare_and_write")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_flush(image: rbd_image_t) -> c_int {
    stub!("rbd_flush")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_invalidate_cache(image: rbd_image_t) -> c_int {
    stub!("rbd_invalidate_cache")
}
