//! Feature bits, flags and the object map.

use super::handles::{self, fill_text};
use crate::capi::arg;
use crate::capi::types::{librbd_progress_fn_t, rbd_image_t};
use crate::errno::Errno;
use crate::image::features as bits;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_features_to_string(
    features: u64,
    str_features: *mut c_char,
    size: *mut usize,
) -> c_int {
    entry!("rbd_features_to_string", {
        let text = bits::to_string(features)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { fill_text(str_features, size, text.as_bytes()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_features_from_string(str_features: *const c_char, features: *mut u64) -> c_int {
    entry!("rbd_features_from_string", {
        // SAFETY: the contract that the header gives these arguments.
        let text = unsafe { arg::text(str_features)? };
        match bits::from_string(text) {
            Ok(understood) => {
                // SAFETY: the contract that the header gives these arguments.
                unsafe { arg::out(features, understood) }
            }
            Err((error, understood)) => {
                // SAFETY: the contract that the header gives these arguments.
                unsafe { arg::out(features, understood)? };
                Err(Errno::from(error))
            }
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_features(image: rbd_image_t, features: *mut u64) -> c_int {
    entry!("rbd_get_features", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let header = handle.wait(handle.image.header())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(features, header.features) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_update_features(image: rbd_image_t, features: u64, enabled: u8) -> c_int {
    entry!("rbd_update_features", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.update_features(features, enabled != 0))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_op_features(image: rbd_image_t, op_features: *mut u64) -> c_int {
    entry!("rbd_get_op_features", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(op_features, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_flags(image: rbd_image_t, flags: *mut u64) -> c_int {
    entry!("rbd_get_flags", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(flags, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_rebuild_object_map(
    image: rbd_image_t,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_rebuild_object_map", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            // The map is the log's own and always right: there is nothing to rebuild, if the feature is on at all.
            let header = handle.wait(handle.image.header())?;
            if header.features & bits::OBJECT_MAP == 0 || handle.image.is_read_only() {
                return Err(if handle.image.is_read_only() { Errno::EROFS } else { Errno::EINVAL });
            }
            handles::progress(cb, cbdata)(1, 1);
            Ok(())
    })
}
