//! Facts about one snapshot.

use crate::capi::types::{
    rbd_image_t, rbd_snap_group_namespace_t, rbd_snap_mirror_namespace_t, rbd_snap_namespace_type_t,
    rbd_snap_spec_t,
};
use libc::timespec;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_spec_cleanup(snap: *mut rbd_snap_spec_t) {
    stub!("rbd_snap_spec_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_limit(image: rbd_image_t, limit: *mut u64) -> c_int {
    stub!("rbd_snap_get_limit")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_timestamp(
    image: rbd_image_t,
    snap_id: u64,
    timestamp: *mut timespec,
) -> c_int {
    stub!("rbd_snap_get_timestamp")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_name(
    image: rbd_image_t,
    snap_id: u64,
    snapname: *mut c_char,
    name_len: *mut usize,
) -> c_int {
    stub!("rbd_snap_get_name")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_id(
    image: rbd_image_t,
    snapname: *const c_char,
    snap_id: *mut u64,
) -> c_int {
    stub!("rbd_snap_get_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_namespace_type(
    image: rbd_image_t,
    snap_id: u64,
    namespace_type: *mut rbd_snap_namespace_type_t,
) -> c_int {
    stub!("rbd_snap_get_namespace_type")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_group_namespace(
    image: rbd_image_t,
    snap_id: u64,
    group_snap: *mut rbd_snap_group_namespace_t,
    group_snap_size: usize,
) -> c_int {
    stub!("rbd_snap_get_group_namespace")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_group_namespace_cleanup(
    group_snap: *mut rbd_snap_group_namespace_t,
    group_snap_size: usize,
) -> c_int {
    stub!("rbd_snap_group_namespace_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_trash_namespace(
    image: rbd_image_t,
    snap_id: u64,
    original_name: *mut c_char,
    max_length: usize,
) -> c_int {
    stub!("rbd_snap_get_trash_namespace")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_mirror_namespace(
    image: rbd_image_t,
    snap_id: u64,
    mirror_snap: *mut rbd_snap_mirror_namespace_t,
    mirror_snap_size: usize,
) -> c_int {
    stub!("rbd_snap_get_mirror_namespace")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_mirror_namespace_cleanup(
    mirror_snap: *mut rbd_snap_mirror_namespace_t,
    mirror_snap_size: usize,
) -> c_int {
    stub!("rbd_snap_mirror_namespace_cleanup")
}
