//! Watchers of an image, update and quiesce notifications.

use super::handles;
use crate::capi::arg::{self, Cookie};
use crate::capi::types::{rbd_image_t, rbd_image_watcher_t, rbd_update_callback_t};
use crate::errno::Errno;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_update_watch(
    image: rbd_image_t,
    handle: *mut u64,
    watch_cb: rbd_update_callback_t,
    arg: *mut c_void,
) -> c_int {
    entry!("rbd_update_watch", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let image_handle = unsafe { handles::image(image)? };
            let (callback, arg) = (watch_cb.ok_or(Errno::EINVAL)?, Cookie(arg));
            let session = image_handle.session.clone();
            let registered = image_handle.image.add_update_callback(Arc::new(move || {
                session.callbacks().call(move || {
                    let arg = arg;
                    // SAFETY: the contract that the header gives these arguments.
                    unsafe { callback(arg.0) };
                });
            }));
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(handle, registered) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_update_unwatch(image: rbd_image_t, handle: u64) -> c_int {
    entry!("rbd_update_unwatch", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let image_handle = unsafe { handles::image(image)? };
            if !image_handle.image.remove_update_callback(handle) {
                return Err(Errno::EINVAL);
            }
            // Callbacks that were queued before have run when this returns.
            image_handle.session.callbacks().flush();
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_watchers_list(
    image: rbd_image_t,
    watchers: *mut rbd_image_watcher_t,
    max_watchers: *mut usize,
) -> c_int {
    entry!("rbd_watchers_list", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, room) = unsafe { (handles::image(image)?, arg::read(max_watchers)?) };
            let found = handle.wait(handle.image.watchers())?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(max_watchers, found.len())? };
            if room < found.len() {
                return Err(Errno::ERANGE);
            }
            let list = found.iter().map(|watcher| {
                let addr = arg::malloc_cstr(watcher.address.as_bytes())?;
                Ok(rbd_image_watcher_t { addr, id: watcher.gid as i64, cookie: watcher.cookie })
            });
            let list = list.collect::<Result<Vec<_>, Errno>>()?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out_slice(watchers, &list) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_watchers_list_cleanup(watchers: *mut rbd_image_watcher_t, num_watchers: usize) {
    entry!("rbd_watchers_list_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            for watcher in arg::slice(watchers, num_watchers)? {
                arg::free(watcher.addr);
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_quiesce_watch(
    image: rbd_image_t,
    quiesce_cb: rbd_update_callback_t,
    unquiesce_cb: rbd_update_callback_t,
    arg: *mut c_void,
    handle: *mut u64,
) -> c_int {
    stub!("rbd_quiesce_watch")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_quiesce_complete(image: rbd_image_t, handle: u64, r: c_int) {
    stub!("rbd_quiesce_complete")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_quiesce_unwatch(image: rbd_image_t, handle: u64) -> c_int {
    stub!("rbd_quiesce_unwatch")
}
