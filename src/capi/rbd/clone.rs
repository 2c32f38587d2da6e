//! Clones, parents and children.

use crate::capi::types::{
    librbd_progress_fn_t, rados_ioctx_t, rbd_child_info_t, rbd_image_options_t, rbd_image_spec_t,
    rbd_image_t, rbd_linked_image_spec_t, rbd_snap_spec_t,
};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_spec_cleanup(image: *mut rbd_image_spec_t) {
    stub!("rbd_image_spec_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_spec_list_cleanup(images: *mut rbd_image_spec_t, num_images: usize) {
    stub!("rbd_image_spec_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_linked_image_spec_cleanup(image: *mut rbd_linked_image_spec_t) {
    stub!("rbd_linked_image_spec_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_linked_image_spec_list_cleanup(
    images: *mut rbd_linked_image_spec_t,
    num_images: usize,
) {
    stub!("rbd_linked_image_spec_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_clone(
    p_ioctx: rados_ioctx_t,
    p_name: *const c_char,
    p_snapname: *const c_char,
    c_ioctx: rados_ioctx_t,
    c_name: *const c_char,
    features: u64,
    c_order: *mut c_int,
) -> c_int {
    stub!("rbd_clone")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_clone2(
    p_ioctx: rados_ioctx_t,
    p_name: *const c_char,
    p_snapname: *const c_char,
    c_ioctx: rados_ioctx_t,
    c_name: *const c_char,
    features: u64,
    c_order: *mut c_int,
    stripe_unit: u64,
    stripe_count: c_int,
) -> c_int {
    stub!("rbd_clone2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_clone3(
    p_ioctx: rados_ioctx_t,
    p_name: *const c_char,
    p_snapname: *const c_char,
    c_ioctx: rados_ioctx_t,
    c_name: *const c_char,
    c_opts: rbd_image_options_t,
) -> c_int {
    stub!("rbd_clone3")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_overlap(image: rbd_image_t, overlap: *mut u64) -> c_int {
    stub!("rbd_get_overlap")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_parent_info(
    image: rbd_image_t,
    parent_poolname: *mut c_char,
    ppoolnamelen: usize,
    parent_name: *mut c_char,
    pnamelen: usize,
    parent_snapname: *mut c_char,
    psnapnamelen: usize,
) -> c_int {
    stub!("rbd_get_parent_info")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_parent_info2(
    image: rbd_image_t,
    parent_poolname: *mut c_char,
    ppoolnamelen: usize,
    parent_name: *mut c_char,
    pnamelen: usize,
    parent_id: *mut c_char,
    pidlen: usize,
    parent_snapname: *mut c_char,
    psnapnamelen: usize,
) -> c_int {
    stub!("rbd_get_parent_info2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_parent(
    image: rbd_image_t,
    parent_image: *mut rbd_linked_image_spec_t,
    parent_snap: *mut rbd_snap_spec_t,
) -> c_int {
    stub!("rbd_get_parent")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_flatten(image: rbd_image_t) -> c_int {
    stub!("rbd_flatten")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_flatten_with_progress(
    image: rbd_image_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_flatten_with_progress")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_children(
    image: rbd_image_t,
    pools: *mut c_char,
    pools_len: *mut usize,
    images: *mut c_char,
    images_len: *mut usize,
) -> isize {
    stub!("rbd_list_children")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_children2(
    image: rbd_image_t,
    children: *mut rbd_child_info_t,
    max_children: *mut c_int,
) -> c_int {
    stub!("rbd_list_children2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_child_cleanup(child: *mut rbd_child_info_t) {
    stub!("rbd_list_child_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_children_cleanup(children: *mut rbd_child_info_t, num_children: usize) {
    stub!("rbd_list_children_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_children3(
    image: rbd_image_t,
    images: *mut rbd_linked_image_spec_t,
    max_images: *mut usize,
) -> c_int {
    stub!("rbd_list_children3")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_descendants(
    image: rbd_image_t,
    images: *mut rbd_linked_image_spec_t,
    max_images: *mut usize,
) -> c_int {
    stub!("rbd_list_descendants")
}
