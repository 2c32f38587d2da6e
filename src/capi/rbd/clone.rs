//! Clones, parents and children.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{
    librbd_progress_fn_t, rados_ioctx_t, rbd_child_info_t, rbd_image_options_t, rbd_image_spec_t,
    rbd_image_t, rbd_linked_image_spec_t, rbd_snap_spec_t,
};
use crate::errno::Errno;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_spec_cleanup(image: *mut rbd_image_spec_t) {
    entry!("rbd_image_spec_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { free_spec(image) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_spec_list_cleanup(images: *mut rbd_image_spec_t, num_images: usize) {
    entry!("rbd_image_spec_list_cleanup", {
        for n in 0..num_images {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { free_spec(images.wrapping_add(n))? };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_linked_image_spec_cleanup(image: *mut rbd_linked_image_spec_t) {
    entry!("rbd_linked_image_spec_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { free_linked(image) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_linked_image_spec_list_cleanup(
    images: *mut rbd_linked_image_spec_t,
    num_images: usize,
) {
    entry!("rbd_linked_image_spec_list_cleanup", {
        for n in 0..num_images {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { free_linked(images.wrapping_add(n))? };
        }
        Ok(())
    })
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
    entry!("rbd_get_overlap", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(overlap, 0) }
    })
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
    entry!("rbd_get_parent_info", on_panic: handles::poison(image), {
            // No image has a parent.
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            Err::<(), _>(Errno::ENOENT)
    })
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
    entry!("rbd_get_parent_info2", on_panic: handles::poison(image), {
            // No image has a parent.
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            Err::<(), _>(Errno::ENOENT)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_parent(
    image: rbd_image_t,
    parent_image: *mut rbd_linked_image_spec_t,
    parent_snap: *mut rbd_snap_spec_t,
) -> c_int {
    entry!("rbd_get_parent", on_panic: handles::poison(image), {
            // No image has a parent.
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            Err::<(), _>(Errno::ENOENT)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_flatten(image: rbd_image_t) -> c_int {
    entry!("rbd_flatten", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            // No image has a parent.
            Err::<(), _>(if handle.image.is_read_only() { Errno::EROFS } else { Errno::EINVAL })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_flatten_with_progress(
    image: rbd_image_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_flatten_with_progress", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            // No image has a parent.
            Err::<(), _>(if handle.image.is_read_only() { Errno::EROFS } else { Errno::EINVAL })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_children(
    image: rbd_image_t,
    pools: *mut c_char,
    pools_len: *mut usize,
    images: *mut c_char,
    images_len: *mut usize,
) -> isize {
    entry!("rbd_list_children", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe {
                arg::out(pools_len, 0)?;
                arg::out(images_len, 0)?;
            }
            Ok(0usize)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_children2(
    image: rbd_image_t,
    children: *mut rbd_child_info_t,
    max_children: *mut c_int,
) -> c_int {
    entry!("rbd_list_children2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            if unsafe { arg::read(max_children)? } < 1 {
                // One for the entry that ends the list.
                // SAFETY: the contract that the header gives these arguments.
                unsafe { arg::out(max_children, 1)? };
                return Err(Errno::ERANGE);
            }
            let end = rbd_child_info_t {
                pool_name: std::ptr::null(),
                image_name: std::ptr::null(),
                image_id: std::ptr::null(),
                trash: false,
            };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(children, end)? };
            Ok(0usize)
    })
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
    entry!("rbd_list_children3", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(max_images, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_descendants(
    image: rbd_image_t,
    images: *mut rbd_linked_image_spec_t,
    max_images: *mut usize,
) -> c_int {
    entry!("rbd_list_descendants", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(max_images, 0) }
    })
}

/// # Safety
/// Null, or what `rbd_list2` filled in.
unsafe fn free_spec(spec: *mut rbd_image_spec_t) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        let found = arg::read(spec)?;
        arg::free(found.id);
        arg::free(found.name);
        arg::out(spec, rbd_image_spec_t { id: std::ptr::null_mut(), name: std::ptr::null_mut() })
    }
}

/// # Safety
/// Null, or what one of the lists of linked images filled in.
unsafe fn free_linked(spec: *mut rbd_linked_image_spec_t) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        let found = arg::read(spec)?;
        for text in [found.pool_name, found.pool_namespace, found.image_id, found.image_name] {
            arg::free(text);
        }
        let null = std::ptr::null_mut();
        let empty = rbd_linked_image_spec_t {
            pool_name: null,
            pool_namespace: null,
            image_id: null,
            image_name: null,
            ..found
        };
        arg::out(spec, empty)
    }
}
