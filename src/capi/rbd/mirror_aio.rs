//! Asynchronous mirroring calls.

use super::handles::{self, finish};
use super::mirror_image::not_mirrored;
use crate::capi::arg;
use crate::capi::types::{
    rbd_completion_t, rbd_image_t, rbd_mirror_image_global_status_t, rbd_mirror_image_info_t,
    rbd_mirror_image_mode_t, rbd_mirror_image_status_t,
};
use crate::errno::Errno;
use std::ffi::c_int;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_promote(
    image: rbd_image_t,
    force: bool,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_promote")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_demote(image: rbd_image_t, c: rbd_completion_t) -> c_int {
    stub!("rbd_aio_mirror_image_demote")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_info(
    image: rbd_image_t,
    mirror_image_info: *mut rbd_mirror_image_info_t,
    info_size: usize,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_mirror_image_get_info", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, done) = unsafe { (handles::image(image)?, handles::completion(c)?) };
            if info_size != size_of::<rbd_mirror_image_info_t>() {
                return Err(Errno::ERANGE);
            }
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(mirror_image_info, not_mirrored()?)? };
            finish(handle, done, Ok(0));
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_mode(
    image: rbd_image_t,
    mode: *mut rbd_mirror_image_mode_t,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_mirror_image_get_mode", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, done) = unsafe { (handles::image(image)?, handles::completion(c)?) };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(mode, rbd_mirror_image_mode_t::RBD_MIRROR_IMAGE_MODE_JOURNAL)? };
            finish(handle, done, Ok(0));
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_global_status(
    image: rbd_image_t,
    mirror_global_image_status: *mut rbd_mirror_image_global_status_t,
    status_size: usize,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_get_global_status")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_get_status(
    image: rbd_image_t,
    mirror_image_status: *mut rbd_mirror_image_status_t,
    status_size: usize,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_get_status")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_mirror_image_create_snapshot(
    image: rbd_image_t,
    flags: u32,
    snap_id: *mut u64,
    c: rbd_completion_t,
) -> c_int {
    stub!("rbd_aio_mirror_image_create_snapshot")
}
