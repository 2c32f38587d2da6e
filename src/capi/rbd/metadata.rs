//! Metadata of an image and configuration overrides.

use super::handles::{self, fill_pairs, fill_value};
use crate::capi::arg;
use crate::capi::types::{rados_ioctx_t, rbd_config_option_t, rbd_config_source_t, rbd_image_t};
use crate::errno::Errno;
use crate::image::{Layers, Source, override_names, pool_meta};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_pool_list(
    io_ctx: rados_ioctx_t,
    options: *mut rbd_config_option_t,
    max_options: *mut c_int,
) -> c_int {
    entry!("rbd_config_pool_list", {
        // SAFETY: the contract that the header gives these arguments.
        let place = unsafe { handles::place(io_ctx)? };
        let mut layers = Layers::of_conf(place.conf.clone());
        layers.pool = place.wait(pool_meta::conf_overrides(&place.pool))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { list_options(&layers, options, max_options) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_pool_list_cleanup(options: *mut rbd_config_option_t, max_options: c_int) {
    entry!("rbd_config_pool_list_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            for option in arg::slice(options, usize::try_from(max_options).unwrap_or(0))? {
                arg::free(option.name);
                arg::free(option.value);
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_get(
    image: rbd_image_t,
    key: *const c_char,
    value: *mut c_char,
    val_len: *mut usize,
) -> c_int {
    entry!("rbd_metadata_get", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, key, _) = unsafe { (handles::image(image)?, arg::text(key)?, arg::read(val_len)?) };
            let found = handle.wait(handle.image.metadata_get(key))?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { fill_value(value, val_len, &found) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_set(
    image: rbd_image_t,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    entry!("rbd_metadata_set", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, key, value) = unsafe { (handles::image(image)?, arg::text(key)?, arg::bytes(value)?) };
            handle.wait(handle.image.metadata_set(key, value))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_remove(image: rbd_image_t, key: *const c_char) -> c_int {
    entry!("rbd_metadata_remove", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, key) = unsafe { (handles::image(image)?, arg::text(key)?) };
            handle.wait(handle.image.metadata_remove(key))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_metadata_list(
    image: rbd_image_t,
    start: *const c_char,
    max: u64,
    keys: *mut c_char,
    key_len: *mut usize,
    values: *mut c_char,
    vals_len: *mut usize,
) -> c_int {
    entry!("rbd_metadata_list", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, start) = unsafe { (handles::image(image)?, arg::text(start)?) };
            let pairs = handle.wait(handle.image.metadata_list(start, max))?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { fill_pairs((keys, key_len), (values, vals_len), &pairs) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_image_list(
    image: rbd_image_t,
    options: *mut rbd_config_option_t,
    max_options: *mut c_int,
) -> c_int {
    entry!("rbd_config_image_list", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let layers = handle.wait(handle.image.layers())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { list_options(&layers, options, max_options) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_config_image_list_cleanup(
    options: *mut rbd_config_option_t,
    max_options: c_int,
) {
    entry!("rbd_config_image_list_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            for option in arg::slice(options, usize::try_from(max_options).unwrap_or(0))? {
                arg::free(option.name);
                arg::free(option.value);
            }
        }
        Ok(())
    })
}

/// # Safety
/// The contract that the header gives `rbd_config_image_list`.
unsafe fn list_options(
    layers: &Layers,
    options: *mut rbd_config_option_t,
    max_options: *mut c_int,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let room = unsafe { arg::read(max_options)? };
    let count = override_names().count();
    // SAFETY: the caller's promise.
    unsafe { arg::out(max_options, count as c_int)? };
    if usize::try_from(room).is_ok_and(|room| room < count) || room < 0 {
        return Err(Errno::ERANGE);
    }
    let mut list = Vec::with_capacity(count);
    for (name, default) in override_names() {
        let (value, source) = layers.get(name).unwrap_or_else(|| (default.to_owned(), Source::Config));
        let source = match source {
            Source::Config => rbd_config_source_t::RBD_CONFIG_SOURCE_CONFIG,
            Source::Pool => rbd_config_source_t::RBD_CONFIG_SOURCE_POOL,
            Source::Image => rbd_config_source_t::RBD_CONFIG_SOURCE_IMAGE,
        };
        let (name, value) = (arg::malloc_cstr(name.as_bytes())?, arg::malloc_cstr(value.as_bytes())?);
        list.push(rbd_config_option_t { name, value, source });
    }
    // SAFETY: the caller's promise.
    unsafe { arg::out_slice(options, &list) }
}
