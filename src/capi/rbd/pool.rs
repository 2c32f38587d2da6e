//! Pools and namespaces of images: set-up, metadata, statistics.

use super::handles::{self, StatsHandle, fill_joined, fill_pairs, fill_value, join};
use crate::capi::arg::{self, Later};
use crate::capi::handle;
use crate::capi::types::{rados_ioctx_t, rbd_pool_stats_t};
use crate::errno::Errno;
use crate::image::{pool_meta, pool_stats};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_get(
    io_ctx: rados_ioctx_t,
    key: *const c_char,
    value: *mut c_char,
    val_len: *mut usize,
) -> c_int {
    entry!("rbd_pool_metadata_get", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, key, _) = unsafe { (handles::place(io_ctx)?, arg::text(key)?, arg::read(val_len)?) };
        let found = place.wait(pool_meta::metadata_get(&place.pool, key))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { fill_value(value, val_len, &found) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_set(
    io_ctx: rados_ioctx_t,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    entry!("rbd_pool_metadata_set", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, key, value) = unsafe { (handles::place(io_ctx)?, arg::text(key)?, arg::bytes(value)?) };
        place.wait(pool_meta::metadata_set(&place.pool, key, value))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_remove(io_ctx: rados_ioctx_t, key: *const c_char) -> c_int {
    entry!("rbd_pool_metadata_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, key) = unsafe { (handles::place(io_ctx)?, arg::text(key)?) };
        place.wait(pool_meta::metadata_remove(&place.pool, key))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_metadata_list(
    io_ctx: rados_ioctx_t,
    start: *const c_char,
    max: u64,
    keys: *mut c_char,
    key_len: *mut usize,
    values: *mut c_char,
    vals_len: *mut usize,
) -> c_int {
    entry!("rbd_pool_metadata_list", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, start) = unsafe { (handles::place(io_ctx)?, arg::text(start)?) };
        let max = if max == 0 { usize::MAX } else { usize::try_from(max).unwrap_or(usize::MAX) };
        let pairs = place.wait(pool_meta::metadata_list(&place.pool, start, max))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { fill_pairs((keys, key_len), (values, vals_len), &pairs) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_create(io: rados_ioctx_t, namespace_name: *const c_char) -> c_int {
    entry!("rbd_namespace_create", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, name) = unsafe { (handles::place(io)?, arg::text(namespace_name)?) };
        place.wait(pool_meta::namespace_create(&place.pool, name))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_remove(io: rados_ioctx_t, namespace_name: *const c_char) -> c_int {
    entry!("rbd_namespace_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, name) = unsafe { (handles::place(io)?, arg::text(namespace_name)?) };
        place.wait(pool_meta::namespace_remove(&place.pool, name))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_list(
    io: rados_ioctx_t,
    namespace_names: *mut c_char,
    size: *mut usize,
) -> c_int {
    entry!("rbd_namespace_list", {
        // SAFETY: the contract that the header gives these arguments.
        let place = unsafe { handles::place(io)? };
        let names = place.wait(pool_meta::namespace_list(&place.pool))?;
        let joined = join(names.iter().map(|name| name.as_bytes()));
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            let length = fill_joined(namespace_names, size, &joined)?;
            arg::out(size, length)?;
            Ok(length)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_namespace_exists(
    io: rados_ioctx_t,
    namespace_name: *const c_char,
    exists: *mut bool,
) -> c_int {
    entry!("rbd_namespace_exists", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, name) = unsafe { (handles::place(io)?, arg::text(namespace_name)?) };
        let there = place.wait(pool_meta::namespace_exists(&place.pool, name))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(exists, there) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_init(io: rados_ioctx_t, force: bool) -> c_int {
    entry!("rbd_pool_init", {
        // SAFETY: the contract that the header gives these arguments.
        let place = unsafe { handles::place(io)? };
        place.wait(pool_meta::init(&place.pool, force))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_create(stats: *mut rbd_pool_stats_t) {
    entry!("rbd_pool_stats_create", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(stats, handle::create(StatsHandle::default())) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_destroy(stats: rbd_pool_stats_t) {
    entry!("rbd_pool_stats_destroy", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<StatsHandle>(stats) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_option_add_uint64(
    stats: rbd_pool_stats_t,
    stat_option: c_int,
    stat_val: *mut u64,
) -> c_int {
    entry!("rbd_pool_stats_option_add_uint64", {
        // SAFETY: the contract that the header gives these arguments.
        let (stats, value) = unsafe { (handles::stats(stats)?, Later::new(stat_val)) };
        if !(0..=7).contains(&stat_option) {
            return Err(Errno::ENOENT);
        }
        stats.0.lock().push((stat_option, value));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_pool_stats_get(io: rados_ioctx_t, stats: rbd_pool_stats_t) -> c_int {
    entry!("rbd_pool_stats_get", {
        // SAFETY: the contract that the header gives these arguments.
        let (place, stats) = unsafe { (handles::place(io)?, handles::stats(stats)?) };
        let sums = place.wait(pool_stats(&place.pool, &place.conf, place.env.clone()))?;
        for (option, value) in stats.0.lock().iter() {
            value.set(match option {
                0 => sums.images,
                1 => sums.provisioned_bytes,
                2 => sums.max_provisioned_bytes,
                3 => sums.snapshots,
                // The trash is empty.
                _ => 0,
            });
        }
        Ok(())
    })
}
