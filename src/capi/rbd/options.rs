//! The option set that create, clone and copy take.

use super::handles::{self, OptionsHandle};
use crate::capi::arg::{self, OutBuf};
use crate::capi::handle;
use crate::capi::types::rbd_image_options_t;
use crate::errno::Errno;
use crate::image::ImageOptions;
use crate::sync::Mutex;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_create(opts: *mut rbd_image_options_t) {
    entry!("rbd_image_options_create", {
        let made = handle::create(OptionsHandle(Mutex::new(ImageOptions::default())));
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(opts, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_destroy(opts: rbd_image_options_t) {
    entry!("rbd_image_options_destroy", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<OptionsHandle>(opts) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_set_string(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: *const c_char,
) -> c_int {
    entry!("rbd_image_options_set_string", {
        // SAFETY: the contract that the header gives these arguments.
        let (options, value) = unsafe { (handles::options(opts)?, arg::text(optval)?) };
        Ok(options.lock().set_text(optname, value)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_set_uint64(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: u64,
) -> c_int {
    entry!("rbd_image_options_set_uint64", {
        // SAFETY: the contract that the header gives these arguments.
        let options = unsafe { handles::options(opts)? };
        Ok(options.lock().set_number(optname, optval)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_get_string(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: *mut c_char,
    maxlen: usize,
) -> c_int {
    entry!("rbd_image_options_get_string", {
        // SAFETY: the contract that the header gives these arguments.
        let (options, mut buf) = unsafe { (handles::options(opts)?, OutBuf::new(optval, maxlen)?) };
        buf.write_cstr(options.lock().text(optname)?.as_bytes()).map_err(|_| Errno::E2BIG)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_get_uint64(
    opts: rbd_image_options_t,
    optname: c_int,
    optval: *mut u64,
) -> c_int {
    entry!("rbd_image_options_get_uint64", {
        // SAFETY: the contract that the header gives these arguments.
        let options = unsafe { handles::options(opts)? };
        let value = options.lock().number(optname)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(optval, value) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_is_set(
    opts: rbd_image_options_t,
    optname: c_int,
    is_set: *mut bool,
) -> c_int {
    entry!("rbd_image_options_is_set", {
        // SAFETY: the contract that the header gives these arguments.
        let options = unsafe { handles::options(opts)? };
        let set = options.lock().is_set(optname)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(is_set, set) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_unset(opts: rbd_image_options_t, optname: c_int) -> c_int {
    entry!("rbd_image_options_unset", {
        // SAFETY: the contract that the header gives these arguments.
        let options = unsafe { handles::options(opts)? };
        Ok(options.lock().unset(optname)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_clear(opts: rbd_image_options_t) {
    entry!("rbd_image_options_clear", {
        // SAFETY: the contract that the header gives these arguments.
        let options = unsafe { handles::options(opts)? };
        options.lock().clear();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_image_options_is_empty(opts: rbd_image_options_t) -> c_int {
    entry!("rbd_image_options_is_empty", {
        // SAFETY: the contract that the header gives these arguments.
        let options = unsafe { handles::options(opts)? };
        Ok(c_int::from(options.lock().is_empty()))
    })
}
