//! Facts about one snapshot.

use super::handles::{self, fill_text};
use crate::capi::arg;
use crate::capi::types::{
    rbd_image_t, rbd_snap_group_namespace_t, rbd_snap_mirror_namespace_t, rbd_snap_namespace_type_t,
    rbd_snap_spec_t,
};
use crate::disk::SnapshotId;
use crate::errno::Errno;
use libc::timespec;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_spec_cleanup(snap: *mut rbd_snap_spec_t) {
    entry!("rbd_snap_spec_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            let spec = arg::read(snap)?;
            arg::free(spec.name);
            arg::out(snap, rbd_snap_spec_t { name: std::ptr::null_mut(), ..spec })
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_limit(image: rbd_image_t, limit: *mut u64) -> c_int {
    entry!("rbd_snap_get_limit", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let set = handle.wait(handle.image.snap_limit())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(limit, set.unwrap_or(u64::MAX)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_timestamp(
    image: rbd_image_t,
    snap_id: u64,
    timestamp: *mut timespec,
) -> c_int {
    entry!("rbd_snap_get_timestamp", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let snap = handle.wait(handle.image.snapshot_by_id(SnapshotId(snap_id)))?;
            let time = timespec {
                tv_sec: (snap.timestamp_ns / 1_000_000_000) as libc::time_t,
                tv_nsec: (snap.timestamp_ns % 1_000_000_000) as libc::c_long,
            };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(timestamp, time) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_name(
    image: rbd_image_t,
    snap_id: u64,
    snapname: *mut c_char,
    name_len: *mut usize,
) -> c_int {
    entry!("rbd_snap_get_name", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let snap = handle.wait(handle.image.snapshot_by_id(SnapshotId(snap_id)))?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { fill_text(snapname, name_len, snap.name.as_bytes()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_id(
    image: rbd_image_t,
    snapname: *const c_char,
    snap_id: *mut u64,
) -> c_int {
    entry!("rbd_snap_get_id", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snapname)?) };
            let snap = handle.wait(handle.image.snapshot(name))?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(snap_id, snap.id.0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_namespace_type(
    image: rbd_image_t,
    snap_id: u64,
    namespace_type: *mut rbd_snap_namespace_type_t,
) -> c_int {
    entry!("rbd_snap_get_namespace_type", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.snapshot_by_id(SnapshotId(snap_id)))?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(namespace_type, rbd_snap_namespace_type_t::RBD_SNAP_NAMESPACE_TYPE_USER) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_group_namespace(
    image: rbd_image_t,
    snap_id: u64,
    group_snap: *mut rbd_snap_group_namespace_t,
    group_snap_size: usize,
) -> c_int {
    entry!("rbd_snap_get_group_namespace", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.snapshot_by_id(SnapshotId(snap_id)))?;
            // All snapshots are the user's own.
            Err::<(), _>(Errno::EINVAL)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_group_namespace_cleanup(
    group_snap: *mut rbd_snap_group_namespace_t,
    group_snap_size: usize,
) -> c_int {
    stub!("rbd_snap_group_namespace_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_trash_namespace(
    image: rbd_image_t,
    snap_id: u64,
    original_name: *mut c_char,
    max_length: usize,
) -> c_int {
    entry!("rbd_snap_get_trash_namespace", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.snapshot_by_id(SnapshotId(snap_id)))?;
            // All snapshots are the user's own.
            Err::<(), _>(Errno::EINVAL)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_get_mirror_namespace(
    image: rbd_image_t,
    snap_id: u64,
    mirror_snap: *mut rbd_snap_mirror_namespace_t,
    mirror_snap_size: usize,
) -> c_int {
    entry!("rbd_snap_get_mirror_namespace", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.snapshot_by_id(SnapshotId(snap_id)))?;
            // All snapshots are the user's own.
            Err::<(), _>(Errno::EINVAL)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_mirror_namespace_cleanup(
    mirror_snap: *mut rbd_snap_mirror_namespace_t,
    mirror_snap_size: usize,
) -> c_int {
    stub!("rbd_snap_mirror_namespace_cleanup")
}
