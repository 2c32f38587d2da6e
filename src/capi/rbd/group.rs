//! Groups of images.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{
    librbd_progress_fn_t, rados_ioctx_t, rbd_group_image_info_t, rbd_group_info_t, rbd_group_snap_info_t,
    rbd_image_t,
};
use crate::errno::Errno;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_group(
    image: rbd_image_t,
    group_info: *mut rbd_group_info_t,
    group_info_size: usize,
) -> c_int {
    entry!("rbd_get_group", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            if group_info_size != size_of::<rbd_group_info_t>() {
                return Err(Errno::ERANGE);
            }
            // In no group.
            let info = rbd_group_info_t { name: arg::malloc_cstr(b"")?, pool: -1 };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(group_info, info) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_create(p: rados_ioctx_t, name: *const c_char) -> c_int {
    stub!("rbd_group_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_remove(p: rados_ioctx_t, name: *const c_char) -> c_int {
    stub!("rbd_group_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_list(p: rados_ioctx_t, names: *mut c_char, size: *mut usize) -> c_int {
    entry!("rbd_group_list", {
        // There are no groups.
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handles::place(p)? };
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handles::fill_joined(names, size, &[]) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_rename(
    p: rados_ioctx_t,
    src_name: *const c_char,
    dest_name: *const c_char,
) -> c_int {
    stub!("rbd_group_rename")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_info_cleanup(
    group_info: *mut rbd_group_info_t,
    group_info_size: usize,
) -> c_int {
    entry!("rbd_group_info_cleanup", {
        if group_info_size != size_of::<rbd_group_info_t>() {
            return Err(Errno::ERANGE);
        }
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            let info = arg::read(group_info)?;
            arg::free(info.name);
            arg::out(group_info, rbd_group_info_t { name: std::ptr::null_mut(), ..info })
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_image_add(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    image_p: rados_ioctx_t,
    image_name: *const c_char,
) -> c_int {
    stub!("rbd_group_image_add")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_image_remove(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    image_p: rados_ioctx_t,
    image_name: *const c_char,
) -> c_int {
    stub!("rbd_group_image_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_image_remove_by_id(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    image_p: rados_ioctx_t,
    image_id: *const c_char,
) -> c_int {
    stub!("rbd_group_image_remove_by_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_image_list(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    images: *mut rbd_group_image_info_t,
    group_image_info_size: usize,
    num_entries: *mut usize,
) -> c_int {
    stub!("rbd_group_image_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_image_list_cleanup(
    images: *mut rbd_group_image_info_t,
    group_image_info_size: usize,
    num_entries: usize,
) -> c_int {
    stub!("rbd_group_image_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_create(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_group_snap_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_create2(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    snap_name: *const c_char,
    flags: u32,
) -> c_int {
    stub!("rbd_group_snap_create2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_remove(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_group_snap_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_rename(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    old_snap_name: *const c_char,
    new_snap_name: *const c_char,
) -> c_int {
    stub!("rbd_group_snap_rename")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_list(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    snaps: *mut rbd_group_snap_info_t,
    group_snap_info_size: usize,
    num_entries: *mut usize,
) -> c_int {
    stub!("rbd_group_snap_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_list_cleanup(
    snaps: *mut rbd_group_snap_info_t,
    group_snap_info_size: usize,
    num_entries: usize,
) -> c_int {
    stub!("rbd_group_snap_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_rollback(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    snap_name: *const c_char,
) -> c_int {
    stub!("rbd_group_snap_rollback")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_group_snap_rollback_with_progress(
    group_p: rados_ioctx_t,
    group_name: *const c_char,
    snap_name: *const c_char,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_group_snap_rollback_with_progress")
}
