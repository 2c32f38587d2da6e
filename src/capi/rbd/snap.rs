//! Snapshots: create, remove, list, protect, roll back, select.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{
    LIBRADOS_SNAP_HEAD, RBD_SNAP_CREATE_IGNORE_QUIESCE_ERROR, RBD_SNAP_CREATE_SKIP_QUIESCE,
    RBD_SNAP_REMOVE_UNPROTECT, librbd_progress_fn_t, rbd_image_t, rbd_snap_info_t,
};
use crate::disk::SnapshotId;
use crate::errno::Errno;
use crate::image::{found, no_progress};
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_list(
    image: rbd_image_t,
    snaps: *mut rbd_snap_info_t,
    max_snaps: *mut c_int,
) -> c_int {
    entry!("rbd_snap_list", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, room) = unsafe { (handles::image(image)?, arg::read(max_snaps)?) };
            let found = handle.wait(handle.image.snapshots())?;
            // One more for the entry without a name that ends the list.
            if usize::try_from(room).is_ok_and(|room| room <= found.len()) || room < 0 {
                let needed = c_int::try_from(found.len() + 1).map_err(|_| Errno::EOVERFLOW)?;
                // SAFETY: the contract that the header gives these arguments.
                unsafe { arg::out(max_snaps, needed)? };
                return Err(Errno::ERANGE);
            }
            let mut infos = Vec::with_capacity(found.len() + 1);
            for snap in &found {
                let name = arg::malloc_cstr(snap.name.as_bytes())?;
                infos.push(rbd_snap_info_t { id: snap.id.0, size: snap.size_bytes, name });
            }
            infos.push(rbd_snap_info_t { id: 0, size: 0, name: std::ptr::null() });
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out_slice(snaps, &infos)? };
            Ok(found.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_list_end(snaps: *mut rbd_snap_info_t) {
    entry!("rbd_snap_list_end", {
        let mut at = snaps;
        loop {
            // SAFETY: the contract that the header gives these arguments.
            let snap = unsafe { arg::read(at)? };
            if snap.name.is_null() {
                return Ok(());
            }
            // SAFETY: the contract that the header gives these arguments.
            unsafe {
                arg::free(snap.name.cast_mut());
                arg::out(at, rbd_snap_info_t { name: std::ptr::null(), ..snap })?;
            }
            at = at.wrapping_add(1);
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_exists(
    image: rbd_image_t,
    snapname: *const c_char,
    exists: *mut bool,
) -> c_int {
    entry!("rbd_snap_exists", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snapname)?) };
            let there = handle.wait(async { found(handle.image.snapshot(name).await) })?.is_some();
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(exists, there) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_create(image: rbd_image_t, snapname: *const c_char) -> c_int {
    entry!("rbd_snap_create", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snapname)?) };
            handle.wait(handle.image.snap_create(name)).map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_create2(
    image: rbd_image_t,
    snap_name: *const c_char,
    flags: u32,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_snap_create2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snap_name)?) };
            if flags & !(RBD_SNAP_CREATE_SKIP_QUIESCE | RBD_SNAP_CREATE_IGNORE_QUIESCE_ERROR) != 0 {
                return Err(Errno::EINVAL);
            }
            let progress = handles::progress(cb, cbdata);
            handle.wait(handle.image.snap_create(name))?;
            progress(1, 1);
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_remove(image: rbd_image_t, snapname: *const c_char) -> c_int {
    entry!("rbd_snap_remove", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snapname)?) };
            handle.wait(handle.image.snap_remove(name, false))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_remove2(
    image: rbd_image_t,
    snap_name: *const c_char,
    flags: u32,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_snap_remove2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snap_name)?) };
            let progress = handles::progress(cb, cbdata);
            handle.wait(handle.image.snap_remove(name, flags & RBD_SNAP_REMOVE_UNPROTECT != 0))?;
            progress(1, 1);
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_remove_by_id(image: rbd_image_t, snap_id: u64) -> c_int {
    entry!("rbd_snap_remove_by_id", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.snap_remove_id(SnapshotId(snap_id), false))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_rollback(image: rbd_image_t, snapname: *const c_char) -> c_int {
    entry!("rbd_snap_rollback", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snapname)?) };
            handle.wait(handle.image.snap_rollback(name, no_progress()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_rollback_with_progress(
    image: rbd_image_t,
    snapname: *const c_char,
    cb: librbd_progress_fn_t,
    cbdata: *mut c_void,
) -> c_int {
    entry!("rbd_snap_rollback_with_progress", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snapname)?) };
            let progress = handles::progress(cb, cbdata);
            handle.wait(handle.image.snap_rollback(name, &progress))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_rename(
    image: rbd_image_t,
    snapname: *const c_char,
    dstsnapsname: *const c_char,
) -> c_int {
    entry!("rbd_snap_rename", on_panic: handles::poison(image), {
            let (handle, from, to) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::image(image)?, arg::text(snapname)?, arg::text(dstsnapsname)?) };
            handle.wait(handle.image.snap_rename(from, to))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_protect(image: rbd_image_t, snap_name: *const c_char) -> c_int {
    entry!("rbd_snap_protect", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snap_name)?) };
            handle.wait(handle.image.snap_protect(name, true))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_unprotect(image: rbd_image_t, snap_name: *const c_char) -> c_int {
    entry!("rbd_snap_unprotect", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snap_name)?) };
            handle.wait(handle.image.snap_protect(name, false))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_is_protected(
    image: rbd_image_t,
    snap_name: *const c_char,
    is_protected: *mut c_int,
) -> c_int {
    entry!("rbd_snap_is_protected", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::text(snap_name)?) };
            let snap = handle.wait(handle.image.snapshot(name))?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(is_protected, c_int::from(snap.protected)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_set_limit(image: rbd_image_t, limit: u64) -> c_int {
    entry!("rbd_snap_set_limit", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.set_snap_limit(Some(limit).filter(|limit| *limit != u64::MAX)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_set(image: rbd_image_t, snapname: *const c_char) -> c_int {
    entry!("rbd_snap_set", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, name) = unsafe { (handles::image(image)?, arg::opt_text(snapname)?) };
            handle.wait(handle.image.select(name.filter(|name| !name.is_empty())))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_snap_set_by_id(image: rbd_image_t, snap_id: u64) -> c_int {
    entry!("rbd_snap_set_by_id", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let id = Some(snap_id).filter(|id| *id != LIBRADOS_SNAP_HEAD).map(SnapshotId);
            handle.wait(handle.image.select_id(id))
    })
}
