//! Client-side encryption.

use crate::capi::types::{rbd_encryption_format_t, rbd_encryption_options_t, rbd_image_t};
use std::ffi::c_int;
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_encryption_format(
    image: rbd_image_t,
    format: MaybeUninit<rbd_encryption_format_t>,
    opts: rbd_encryption_options_t,
    opts_size: usize,
) -> c_int {
    stub!("rbd_encryption_format")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_encryption_load(
    image: rbd_image_t,
    format: MaybeUninit<rbd_encryption_format_t>,
    opts: rbd_encryption_options_t,
    opts_size: usize,
) -> c_int {
    stub!("rbd_encryption_load")
}
