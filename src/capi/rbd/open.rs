//! Open and close.

use super::handles::{self, ImageHandle};
use crate::capi::arg::{self, Later};
use crate::capi::handle;
use crate::capi::types::{rados_ioctx_t, rbd_completion_t, rbd_image_t};
use crate::errno::Errno;
use crate::image::{OpenOptions, Which};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    entry!("rbd_open", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { open(io, Which::Name(arg::text(name)?), image, snap_name, false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open_by_id(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    entry!("rbd_open_by_id", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { open(io, Which::Id(arg::text(id)?), image, snap_name, false) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_open", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { aio_open(io, Which::Name(arg::text(name)?), image, snap_name, false, c) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open_by_id(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_open_by_id", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { aio_open(io, Which::Id(arg::text(id)?), image, snap_name, false, c) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open_read_only(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    entry!("rbd_open_read_only", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { open(io, Which::Name(arg::text(name)?), image, snap_name, true) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_open_by_id_read_only(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
) -> c_int {
    entry!("rbd_open_by_id_read_only", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { open(io, Which::Id(arg::text(id)?), image, snap_name, true) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open_read_only(
    io: rados_ioctx_t,
    name: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_open_read_only", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { aio_open(io, Which::Name(arg::text(name)?), image, snap_name, true, c) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_open_by_id_read_only(
    io: rados_ioctx_t,
    id: *const c_char,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_open_by_id_read_only", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { aio_open(io, Which::Id(arg::text(id)?), image, snap_name, true, c) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_close(image: rbd_image_t) -> c_int {
    entry!("rbd_close", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<ImageHandle>(image) }?.close()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_close(image: rbd_image_t, c: rbd_completion_t) -> c_int {
    entry!("rbd_aio_close", {
        // SAFETY: the contract that the header gives these arguments.
        let (handle, done) = unsafe { (handle::release::<ImageHandle>(image)?, handles::completion(c)?) };
        let session = handle.session.clone();
        session.clone().spawn(async move {
            let closed = handle.image.close().await.map(|()| 0).map_err(Errno::from);
            handles::complete(&session, done, closed);
        });
        Ok(())
    })
}

/// # Safety
/// The contract that the header gives `rbd_open`.
unsafe fn open_options(snap_name: *const c_char, read_only: bool) -> Result<OpenOptions, Errno> {
    // SAFETY: the caller's promise.
    let snapshot = unsafe { arg::opt_text(snap_name)? };
    let snapshot = snapshot.filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(OpenOptions { read_only, snapshot, ..OpenOptions::default() })
}

/// # Safety
/// The contract that the header gives `rbd_open`.
unsafe fn open(
    io: rados_ioctx_t,
    which: Which<'_>,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    read_only: bool,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let (place, options) = unsafe { (handles::place(io)?, open_options(snap_name, read_only)?) };
    if image.is_null() {
        return Err(Errno::EINVAL);
    }
    let session = place.session.clone();
    let opened = session.wait(place.open(which, options))?;
    // SAFETY: the caller's promise.
    unsafe { arg::out(image, handle::into_raw(opened)) }
}

/// # Safety
/// The contract that the header gives `rbd_aio_open`.
unsafe fn aio_open(
    io: rados_ioctx_t,
    which: Which<'_>,
    image: *mut rbd_image_t,
    snap_name: *const c_char,
    read_only: bool,
    c: rbd_completion_t,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let (place, options, done, image) = unsafe {
        (handles::place(io)?, open_options(snap_name, read_only)?, handles::completion(c)?, Later::new(image))
    };
    if !image.is_wanted() {
        return Err(Errno::EINVAL);
    }
    let (text, by_id) = match which {
        Which::Name(name) => (name.to_owned(), false),
        Which::Id(id) => (id.to_owned(), true),
    };
    let session = place.session.clone();
    session.clone().spawn(async move {
        let which = if by_id { Which::Id(&text) } else { Which::Name(&text) };
        let opened = place.open(which, options).await.map(|opened| {
            image.set(handle::into_raw(opened));
            0
        });
        handles::complete(&session, done, opened);
    });
    Ok(())
}
