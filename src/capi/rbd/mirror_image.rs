//! Mirroring of one image.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{
    rados_ioctx_t, rbd_image_t, rbd_mirror_image_global_status_t, rbd_mirror_image_info_t,
    rbd_mirror_image_mode_t, rbd_mirror_image_state_t, rbd_mirror_image_status_state_t,
    rbd_mirror_image_status_t,
};
use crate::errno::Errno;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_global_status_list(
    io_ctx: rados_ioctx_t,
    start_id: *const c_char,
    max: usize,
    image_ids: *mut *mut c_char,
    images: *mut rbd_mirror_image_global_status_t,
    len: *mut usize,
) -> c_int {
    stub!("rbd_mirror_image_global_status_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_global_status_list_cleanup(
    image_ids: *mut *mut c_char,
    images: *mut rbd_mirror_image_global_status_t,
    len: usize,
) {
    stub!("rbd_mirror_image_global_status_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_status_list(
    io_ctx: rados_ioctx_t,
    start_id: *const c_char,
    max: usize,
    image_ids: *mut *mut c_char,
    images: *mut rbd_mirror_image_status_t,
    len: *mut usize,
) -> c_int {
    stub!("rbd_mirror_image_status_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_status_list_cleanup(
    image_ids: *mut *mut c_char,
    images: *mut rbd_mirror_image_status_t,
    len: usize,
) {
    stub!("rbd_mirror_image_status_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_status_summary(
    io_ctx: rados_ioctx_t,
    states: *mut rbd_mirror_image_status_state_t,
    counts: *mut c_int,
    maxlen: *mut usize,
) -> c_int {
    stub!("rbd_mirror_image_status_summary")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_instance_id_list(
    io_ctx: rados_ioctx_t,
    start_id: *const c_char,
    max: usize,
    image_ids: *mut *mut c_char,
    instance_ids: *mut *mut c_char,
    len: *mut usize,
) -> c_int {
    stub!("rbd_mirror_image_instance_id_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_instance_id_list_cleanup(
    image_ids: *mut *mut c_char,
    instance_ids: *mut *mut c_char,
    len: usize,
) {
    stub!("rbd_mirror_image_instance_id_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_info_list(
    io_ctx: rados_ioctx_t,
    mode_filter: *mut rbd_mirror_image_mode_t,
    start_id: *const c_char,
    max: usize,
    image_ids: *mut *mut c_char,
    mode_entries: *mut rbd_mirror_image_mode_t,
    info_entries: *mut rbd_mirror_image_info_t,
    num_entries: *mut usize,
) -> c_int {
    stub!("rbd_mirror_image_info_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_info_list_cleanup(
    image_ids: *mut *mut c_char,
    info_entries: *mut rbd_mirror_image_info_t,
    num_entries: usize,
) {
    stub!("rbd_mirror_image_info_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_enable(image: rbd_image_t) -> c_int {
    stub!("rbd_mirror_image_enable")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_enable2(
    image: rbd_image_t,
    mode: MaybeUninit<rbd_mirror_image_mode_t>,
) -> c_int {
    stub!("rbd_mirror_image_enable2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_disable(image: rbd_image_t, force: bool) -> c_int {
    stub!("rbd_mirror_image_disable")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_promote(image: rbd_image_t, force: bool) -> c_int {
    stub!("rbd_mirror_image_promote")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_demote(image: rbd_image_t) -> c_int {
    stub!("rbd_mirror_image_demote")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_resync(image: rbd_image_t) -> c_int {
    stub!("rbd_mirror_image_resync")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_create_snapshot(image: rbd_image_t, snap_id: *mut u64) -> c_int {
    stub!("rbd_mirror_image_create_snapshot")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_create_snapshot2(
    image: rbd_image_t,
    flags: u32,
    snap_id: *mut u64,
) -> c_int {
    stub!("rbd_mirror_image_create_snapshot2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_get_info(
    image: rbd_image_t,
    mirror_image_info: *mut rbd_mirror_image_info_t,
    info_size: usize,
) -> c_int {
    entry!("rbd_mirror_image_get_info", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            if info_size != size_of::<rbd_mirror_image_info_t>() {
                return Err(Errno::ERANGE);
            }
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(mirror_image_info, not_mirrored()?) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_get_info_cleanup(mirror_image_info: *mut rbd_mirror_image_info_t) {
    entry!("rbd_mirror_image_get_info_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            let info = arg::read(mirror_image_info)?;
            arg::free(info.global_id);
            arg::out(mirror_image_info, rbd_mirror_image_info_t { global_id: std::ptr::null_mut(), ..info })
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_get_mode(
    image: rbd_image_t,
    mode: *mut rbd_mirror_image_mode_t,
) -> c_int {
    entry!("rbd_mirror_image_get_mode", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(mode, rbd_mirror_image_mode_t::RBD_MIRROR_IMAGE_MODE_JOURNAL) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_get_global_status(
    image: rbd_image_t,
    mirror_image_global_status: *mut rbd_mirror_image_global_status_t,
    status_size: usize,
) -> c_int {
    stub!("rbd_mirror_image_get_global_status")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_global_status_cleanup(
    mirror_image_global_status: *mut rbd_mirror_image_global_status_t,
) {
    stub!("rbd_mirror_image_global_status_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_get_status(
    image: rbd_image_t,
    mirror_image_status: *mut rbd_mirror_image_status_t,
    status_size: usize,
) -> c_int {
    stub!("rbd_mirror_image_get_status")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_image_get_instance_id(
    image: rbd_image_t,
    instance_id: *mut c_char,
    id_max_length: *mut usize,
) -> c_int {
    stub!("rbd_mirror_image_get_instance_id")
}

/// What there is to say about an image that is not mirrored.
pub fn not_mirrored() -> Result<rbd_mirror_image_info_t, Errno> {
    let state = rbd_mirror_image_state_t::RBD_MIRROR_IMAGE_DISABLED;
    Ok(rbd_mirror_image_info_t { global_id: arg::malloc_cstr(b"")?, state, primary: false })
}
