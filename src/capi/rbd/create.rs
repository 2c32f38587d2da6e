//! Create, remove, rename and list images.

use super::handles::{self, Place, fill_joined, join};
use crate::capi::arg;
use crate::capi::types::{
    LIBRBD_VER_EXTRA, LIBRBD_VER_MAJOR, LIBRBD_VER_MINOR, RBD_IMAGE_OPTION_FEATURES, RBD_IMAGE_OPTION_ORDER,
    RBD_IMAGE_OPTION_STRIPE_COUNT, RBD_IMAGE_OPTION_STRIPE_UNIT, librbd_progress_fn_t, rados_ioctx_t,
    rbd_image_options_t, rbd_image_spec_t,
};
use crate::errno::Errno;
use crate::image::{self, CreateParams, ImageOptions};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_version(major: *mut c_int, minor: *mut c_int, extra: *mut c_int) {
    entry!("rbd_version", {
        // SAFETY: each is null or writable by the header's contract.
        unsafe {
            arg::opt_out(major, LIBRBD_VER_MAJOR);
            arg::opt_out(minor, LIBRBD_VER_MINOR);
            arg::opt_out(extra, LIBRBD_VER_EXTRA);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list(io: rados_ioctx_t, names: *mut c_char, size: *mut usize) -> c_int {
    entry!("rbd_list", {
        // SAFETY: the contract that the header gives these arguments.
        let place = unsafe { handles::place(io)? };
        let images = place.wait(image::list(&place.pool))?;
        let joined = join(images.iter().map(|(name, _)| name.as_bytes()));
        // SAFETY: the contract that the header gives these arguments.
        unsafe { fill_joined(names, size, &joined) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list2(
    io: rados_ioctx_t,
    images: *mut rbd_image_spec_t,
    max_images: *mut usize,
) -> c_int {
    entry!("rbd_list2", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, room) = unsafe { (handles::place(io)?, arg::read(max_images)?) };
        let found = place.wait(image::list(&place.pool))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(max_images, found.len())? };
        if room < found.len() {
            return Err(Errno::ERANGE);
        }
        let specs = found.iter().map(|(name, id)| {
            let (id, name) = (arg::malloc_cstr(id.as_bytes())?, arg::malloc_cstr(name.as_bytes())?);
            Ok(rbd_image_spec_t { id, name })
        });
        let specs = specs.collect::<Result<Vec<_>, Errno>>()?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out_slice(images, &specs) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    order: *mut c_int,
) -> c_int {
    entry!("rbd_create", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { create_with(io, name, size, order, &ImageOptions::default()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create2(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    features: u64,
    order: *mut c_int,
) -> c_int {
    entry!("rbd_create2", {
        let mut options = ImageOptions::default();
        options.set_number(RBD_IMAGE_OPTION_FEATURES, features)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { create_with(io, name, size, order, &options) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create3(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    features: u64,
    order: *mut c_int,
    stripe_unit: u64,
    stripe_count: u64,
) -> c_int {
    entry!("rbd_create3", {
        let mut options = ImageOptions::default();
        options.set_number(RBD_IMAGE_OPTION_FEATURES, features)?;
        options.set_number(RBD_IMAGE_OPTION_STRIPE_UNIT, stripe_unit)?;
        options.set_number(RBD_IMAGE_OPTION_STRIPE_COUNT, stripe_count)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { create_with(io, name, size, order, &options) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_create4(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    opts: rbd_image_options_t,
) -> c_int {
    entry!("rbd_create4", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, name, options) =
            unsafe { (handles::place(io)?, arg::text(name)?, handles::options(opts)?) };
        let options = options.lock().clone();
        create(&place, name, size, &options).map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_remove(io: rados_ioctx_t, name: *const c_char) -> c_int {
    entry!("rbd_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, name) = unsafe { (handles::place(io)?, arg::text(name)?) };
        place.wait(image::remove(&place.pool, name, &place.conf, place.env.clone(), image::no_progress()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_remove_with_progress(
    io: rados_ioctx_t,
    name: *const c_char,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_remove_with_progress", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, name) = unsafe { (handles::place(io)?, arg::text(name)?) };
        let progress = handles::progress(cb, cbdata);
        place.wait(image::remove(&place.pool, name, &place.conf, place.env.clone(), &progress))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_rename(
    src_io_ctx: rados_ioctx_t,
    srcname: *const c_char,
    destname: *const c_char,
) -> c_int {
    entry!("rbd_rename", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, from, to) =
            unsafe { (handles::place(src_io_ctx)?, arg::text(srcname)?, arg::text(destname)?) };
        place.wait(image::rename(&place.pool, from, to)).map(drop)
    })
}

/// Creates an image of the given order (null or 0: the default), and says which one it got.
///
/// # Safety
/// The contract that the header gives `rbd_create`.
unsafe fn create_with(
    io: rados_ioctx_t,
    name: *const c_char,
    size: u64,
    order: *mut c_int,
    options: &ImageOptions,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let (place, name, wanted) = unsafe { (handles::place(io)?, arg::text(name)?, arg::read(order)?) };
    let mut options = options.clone();
    // A negative order is out of range, whatever it wraps around to.
    options.set_number(RBD_IMAGE_OPTION_ORDER, wanted as u64)?;
    let params = create(&place, name, size, &options)?;
    // SAFETY: the caller's promise.
    unsafe { arg::out(order, c_int::from(params.order)) }
}

fn create(place: &Place, name: &str, size: u64, options: &ImageOptions) -> Result<CreateParams, Errno> {
    place.wait(async {
        let params = CreateParams::from_options(&place.pool, &place.conf, options).await?;
        image::create(&place.pool, name, size, &params, place.env.as_ref()).await?;
        Ok(params)
    })
}
