//! Resize, sparsify and differences between snapshots.

use super::handles;
use crate::capi::arg::{self, Cookie};
use crate::capi::types::{librbd_progress_fn_t, rbd_image_t};
use crate::errno::Errno;
use crate::image::no_progress;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_resize(image: rbd_image_t, size: u64) -> c_int {
    entry!("rbd_resize", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.resize(size, true, no_progress()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_resize2(
    image: rbd_image_t,
    size: u64,
    allow_shrink: bool,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_resize2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let progress = handles::progress(cb, cbdata);
            handle.wait(handle.image.resize(size, allow_shrink, &progress))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_resize_with_progress(
    image: rbd_image_t,
    size: u64,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_resize_with_progress", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let progress = handles::progress(cb, cbdata);
            handle.wait(handle.image.resize(size, true, &progress))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_sparsify(image: rbd_image_t, sparse_size: usize) -> c_int {
    stub!("rbd_sparsify")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_sparsify_with_progress(
    image: rbd_image_t,
    sparse_size: usize,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    stub!("rbd_sparsify_with_progress")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_diff_iterate(
    image: rbd_image_t,
    fromsnapname: *const c_char,
    ofs: u64,
    len: u64,
    cb: Option<unsafe extern "C" fn(u64, usize, c_int, *mut c_void) -> c_int>,
    arg: *mut c_void,
) -> c_int {
    entry!("rbd_diff_iterate", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { diff(image, fromsnapname, ofs, len, false, cb, arg) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_diff_iterate2(
    image: rbd_image_t,
    fromsnapname: *const c_char,
    ofs: u64,
    len: u64,
    include_parent: u8,
    whole_object: u8,
    cb: Option<unsafe extern "C" fn(u64, usize, c_int, *mut c_void) -> c_int>,
    arg: *mut c_void,
) -> c_int {
    entry!("rbd_diff_iterate2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { diff(image, fromsnapname, ofs, len, whole_object != 0, cb, arg) }
    })
}

/// # Safety
/// The contract that the header gives `rbd_diff_iterate2`.
unsafe fn diff(
    image: rbd_image_t,
    from: *const c_char,
    offset: u64,
    length: u64,
    whole_objects: bool,
    cb: Option<unsafe extern "C" fn(u64, usize, c_int, *mut c_void) -> c_int>,
    data: *mut c_void,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let (handle, from) = unsafe { (handles::image(image)?, arg::opt_text(from)?) };
    let (cb, data) = (cb.ok_or(Errno::EINVAL)?, Cookie(data));
    let each = move |run: crate::disk::DiffRun| {
        let data = &data;
        // SAFETY: C gave this function and its argument for this purpose; the call that got them still runs.
        match unsafe { cb(run.offset, run.length as usize, c_int::from(run.exists), data.0) } {
            0.. => Ok(()),
            failed => Err(Errno(-failed)),
        }
    };
    handle.wait(handle.image.diff(from, offset, length, whole_objects, each))
}
