//! Asynchronous image I/O and completions.

use crate::capi::types::{rbd_callback_t, rbd_completion_t, rbd_image_t};
use libc::iovec;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_set_image_notification(image: rbd_image_t, fd: c_int, typ: c_int) -> c_int {
    stub!("rbd_set_image_notification")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_write(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_write")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_write2(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *const c_char,
    c: rbd_completion_t,
    op_flags: c_int,
) -> c_int {
    stub!("rbd_aio_write2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_writev(
    image: rbd_image_t,
    iov: *const iovec,
    iovcnt: c_int,
    off: u64,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_writev")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_read(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *mut c_char,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_read")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_read2(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *mut c_char,
    c: rbd_completion_t,
    op_flags: c_int,
) -> c_int {
    stub!("rbd_aio_read2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_readv(
    image: rbd_image_t,
    iov: *const iovec,
    iovcnt: c_int,
    off: u64,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_readv")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_discard(
    image: rbd_image_t,
    off: u64,
    len: u64,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_discard")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_writesame(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *const c_char,
    data_len: usize,
    c: rbd_completion_t,
    op_flags: c_int,
) -> c_int {
    stub!("rbd_aio_writesame")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_write_zeroes(
    image: rbd_image_t,
    off: u64,
    len: usize,
    c: rbd_completion_t,
    zero_flags: c_int,
    op_flags: c_int,
) -> c_int {
    stub!("rbd_aio_write_zeroes")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_compare_and_write(
    image: rbd_image_t,
    off: u64,
    len: usize,
    cmp_buf: *const c_char,
    buf: *const c_char,
    c: rbd_completion_t,
    mismatch_off: *mut u64,
    op_flags: c_int,
) -> isize {
    stub!("rbd_aio_compare_and_write")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_create_completion(
    cb_arg: *mut c_void,
    complete_cb: rbd_callback_t,
    c: *mut rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_create_completion")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_is_complete(c: rbd_completion_t) -> c_int {
    stub!("rbd_aio_is_complete")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_wait_for_complete(c: rbd_completion_t) -> c_int {
    stub!("rbd_aio_wait_for_complete")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_get_return_value(c: rbd_completion_t) -> isize {
    stub!("rbd_aio_get_return_value")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_get_arg(c: rbd_completion_t) -> *mut c_void {
    stub!("rbd_aio_get_arg")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_release(c: rbd_completion_t) {
    stub!("rbd_aio_release")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_flush(image: rbd_image_t, c: rbd_completion_t) -> c_int {
    stub!("rbd_aio_flush")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_poll_io_events(
    image: rbd_image_t,
    comps: *mut rbd_completion_t,
    numcomp: c_int,
) -> c_int {
    stub!("rbd_poll_io_events")
}
