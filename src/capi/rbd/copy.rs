//! Copy and deep copy.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{librbd_progress_fn_t, rados_ioctx_t, rbd_image_options_t, rbd_image_t};
use crate::errno::Errno;
use crate::image::{Destination, ImageOptions, Progress, check_different, no_progress};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy(
    image: rbd_image_t,
    dest_io_ctx: rados_ioctx_t,
    destname: *const c_char,
) -> c_int {
    entry!("rbd_copy", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(image, (dest_io_ctx, destname), std::ptr::null_mut(), no_progress(), false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy2(src: rbd_image_t, dest: rbd_image_t) -> c_int {
    entry!("rbd_copy2", on_panic: handles::poison(src), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy_to(src, dest, no_progress()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy3(
    src: rbd_image_t,
    dest_io_ctx: rados_ioctx_t,
    destname: *const c_char,
    dest_opts: rbd_image_options_t,
) -> c_int {
    entry!("rbd_copy3", on_panic: handles::poison(src), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(src, (dest_io_ctx, destname), given(dest_opts)?, no_progress(), false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy4(
    src: rbd_image_t,
    dest_io_ctx: rados_ioctx_t,
    destname: *const c_char,
    dest_opts: rbd_image_options_t,
    sparse_size: usize,
) -> c_int {
    entry!("rbd_copy4", on_panic: handles::poison(src), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(src, (dest_io_ctx, destname), given(dest_opts)?, no_progress(), false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy_with_progress(
    image: rbd_image_t,
    dest_p: rados_ioctx_t,
    destname: *const c_char,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_copy_with_progress", on_panic: handles::poison(image), {
            let progress = handles::progress(cb, cbdata);
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(image, (dest_p, destname), std::ptr::null_mut(), &progress, false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy_with_progress2(
    src: rbd_image_t,
    dest: rbd_image_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_copy_with_progress2", on_panic: handles::poison(src), {
            let progress = handles::progress(cb, cbdata);
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy_to(src, dest, &progress) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy_with_progress3(
    image: rbd_image_t,
    dest_p: rados_ioctx_t,
    destname: *const c_char,
    dest_opts: rbd_image_options_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_copy_with_progress3", on_panic: handles::poison(image), {
            let progress = handles::progress(cb, cbdata);
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(image, (dest_p, destname), given(dest_opts)?, &progress, false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_copy_with_progress4(
    image: rbd_image_t,
    dest_p: rados_ioctx_t,
    destname: *const c_char,
    dest_opts: rbd_image_options_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
    sparse_size: usize,
) -> c_int {
    entry!("rbd_copy_with_progress4", on_panic: handles::poison(image), {
            let progress = handles::progress(cb, cbdata);
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(image, (dest_p, destname), given(dest_opts)?, &progress, false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_deep_copy(
    src: rbd_image_t,
    dest_io_ctx: rados_ioctx_t,
    destname: *const c_char,
    dest_opts: rbd_image_options_t,
) -> c_int {
    entry!("rbd_deep_copy", on_panic: handles::poison(src), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(src, (dest_io_ctx, destname), given(dest_opts)?, no_progress(), true) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_deep_copy_with_progress(
    image: rbd_image_t,
    dest_io_ctx: rados_ioctx_t,
    destname: *const c_char,
    dest_opts: rbd_image_options_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_deep_copy_with_progress", on_panic: handles::poison(image), {
            let progress = handles::progress(cb, cbdata);
            // SAFETY: the contract that the header gives these arguments.
            unsafe { copy(image, (dest_io_ctx, destname), given(dest_opts)?, &progress, true) }
    })
}

/// Options that must be given.
fn given(options: rbd_image_options_t) -> Result<rbd_image_options_t, Errno> {
    if options.is_null() { Err(Errno::EINVAL) } else { Ok(options) }
}

/// # Safety
/// The contract that the header gives `rbd_copy3`; null options are none.
unsafe fn copy(
    source: rbd_image_t,
    (io, name): (rados_ioctx_t, *const c_char),
    options: rbd_image_options_t,
    progress: Progress<'_>,
    deep: bool,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let (handle, place, name) = unsafe { (handles::image(source)?, handles::place(io)?, arg::text(name)?) };
    let options = if options.is_null() {
        ImageOptions::default()
    } else {
        // SAFETY: the caller's promise.
        unsafe { handles::options(options)? }.lock().clone()
    };
    let to = Destination { pool: &place.pool, name, options: &options, conf: &place.conf };
    if deep {
        handle.wait(handle.image.deep_copy(to, progress))
    } else {
        handle.wait(handle.image.copy(to, progress))
    }
}

/// # Safety
/// The contract that the header gives `rbd_copy2`.
unsafe fn copy_to(source: rbd_image_t, to: rbd_image_t, progress: Progress<'_>) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let (handle, to) = unsafe { (handles::image(source)?, handles::image(to)?) };
    check_different(&handle.image, &to.image)?;
    handle.wait(handle.image.copy_to(&to.image, progress))
}
