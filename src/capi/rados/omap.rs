//! Iterators over omap results.

use super::iters::OmapIter;
use crate::capi::types::rados_omap_iter_t;
use crate::capi::{arg, handle};
use std::ffi::{c_char, c_int, c_uint};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_get_next(
    iter: rados_omap_iter_t,
    key: *mut *mut c_char,
    val: *mut *mut c_char,
    len: *mut usize,
) -> c_int {
    entry!("rados_omap_get_next", {
        // SAFETY: the contract that the header gives these arguments.
        let step = unsafe { handle::borrow::<OmapIter>(iter)? }.step();
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::opt_out(key, step.key);
            arg::opt_out(val, step.value);
            arg::opt_out(len, step.value_len);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_get_next2(
    iter: rados_omap_iter_t,
    key: *mut *mut c_char,
    val: *mut *mut c_char,
    key_len: *mut usize,
    val_len: *mut usize,
) -> c_int {
    entry!("rados_omap_get_next2", {
        // SAFETY: the contract that the header gives these arguments.
        let step = unsafe { handle::borrow::<OmapIter>(iter)? }.step();
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::opt_out(key, step.key);
            arg::opt_out(val, step.value);
            arg::opt_out(key_len, step.key_len);
            arg::opt_out(val_len, step.value_len);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_iter_size(iter: rados_omap_iter_t) -> c_uint {
    entry!("rados_omap_iter_size", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { handle::borrow::<OmapIter>(iter)? }.len() as c_uint)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_omap_get_end(iter: rados_omap_iter_t) {
    entry!("rados_omap_get_end", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<OmapIter>(iter) }.map(drop)
    })
}
