//! Iterators over omap results.

use crate::capi::types::rados_omap_iter_t;
use std::ffi::{c_char, c_int, c_uint};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_get_next(
    iter: rados_omap_iter_t,
    key: *mut *mut c_char,
    val: *mut *mut c_char,
    len: *mut usize,
) -> c_int {
    stub!("rados_omap_get_next")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_get_next2(
    iter: rados_omap_iter_t,
    key: *mut *mut c_char,
    val: *mut *mut c_char,
    key_len: *mut usize,
    val_len: *mut usize,
) -> c_int {
    stub!("rados_omap_get_next2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_iter_size(iter: rados_omap_iter_t) -> c_uint {
    stub!("rados_omap_iter_size")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_get_end(iter: rados_omap_iter_t) {
    stub!("rados_omap_get_end")
}
