//! Facts about an open image.

use super::handles::{self, fill_text};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{RBD_MAX_BLOCK_NAME_SIZE, RBD_MAX_IMAGE_NAME_SIZE, rbd_image_info_t, rbd_image_t};
use crate::image::Timestamp;
use libc::timespec;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_stat(image: rbd_image_t, info: *mut rbd_image_info_t, infosize: usize) -> c_int {
    entry!("rbd_stat", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let size = handle.wait(handle.image.size())?;
            let object = handle.image.object_size();
            let mut stat = rbd_image_info_t {
                size,
                obj_size: object,
                num_objs: size.div_ceil(object),
                order: object.trailing_zeros() as c_int,
                block_name_prefix: [0; RBD_MAX_BLOCK_NAME_SIZE],
                parent_pool: -1,
                parent_name: [0; RBD_MAX_IMAGE_NAME_SIZE],
            };
            let prefix = handle.image.data_prefix();
            for (to, from) in stat.block_name_prefix.iter_mut().zip(prefix.as_bytes()) {
                *to = *from as c_char;
            }
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(info, stat) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_old_format(image: rbd_image_t, old: *mut u8) -> c_int {
    entry!("rbd_get_old_format", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(old, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_size(image: rbd_image_t, size: *mut u64) -> c_int {
    entry!("rbd_get_size", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let bytes = handle.wait(handle.image.size())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(size, bytes) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_stripe_unit(image: rbd_image_t, stripe_unit: *mut u64) -> c_int {
    entry!("rbd_get_stripe_unit", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let header = handle.wait(handle.image.header())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(stripe_unit, header.properties.stripe_unit) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_stripe_count(image: rbd_image_t, stripe_count: *mut u64) -> c_int {
    entry!("rbd_get_stripe_count", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let header = handle.wait(handle.image.header())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(stripe_count, header.properties.stripe_count) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_create_timestamp(image: rbd_image_t, timestamp: *mut timespec) -> c_int {
    entry!("rbd_get_create_timestamp", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let header = handle.wait(handle.image.header())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(timestamp, to_timespec(header.properties.created)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_access_timestamp(image: rbd_image_t, timestamp: *mut timespec) -> c_int {
    entry!("rbd_get_access_timestamp", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let header = handle.wait(handle.image.header())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(timestamp, to_timespec(header.accessed)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_modify_timestamp(image: rbd_image_t, timestamp: *mut timespec) -> c_int {
    entry!("rbd_get_modify_timestamp", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let header = handle.wait(handle.image.header())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(timestamp, to_timespec(header.modified)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_name(image: rbd_image_t, name: *mut c_char, name_len: *mut usize) -> c_int {
    entry!("rbd_get_name", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let text = handle.wait(handle.image.name())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { fill_text(name, name_len, text.as_bytes()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_id(image: rbd_image_t, id: *mut c_char, id_len: usize) -> c_int {
    entry!("rbd_get_id", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { OutBuf::new(id, id_len)? }.write_cstr(handle.image.id().as_bytes())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_block_name_prefix(
    image: rbd_image_t,
    prefix: *mut c_char,
    prefix_len: usize,
) -> c_int {
    entry!("rbd_get_block_name_prefix", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { OutBuf::new(prefix, prefix_len)? }.write_cstr(handle.image.data_prefix().as_bytes())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_get_data_pool_id(image: rbd_image_t) -> i64 {
    entry!("rbd_get_data_pool_id", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            Ok(handle.image.data_pool().0)
    })
}

fn to_timespec(time: Timestamp) -> timespec {
    timespec { tv_sec: time.seconds as libc::time_t, tv_nsec: libc::c_long::from(time.nanoseconds as i32) }
}
