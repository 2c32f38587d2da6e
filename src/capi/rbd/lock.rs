//! Exclusive and advisory locks of an image.

use crate::capi::types::{rbd_image_t, rbd_lock_mode_t};
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_is_exclusive_lock_owner(image: rbd_image_t, is_owner: *mut c_int) -> c_int {
    stub!("rbd_is_exclusive_lock_owner")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_acquire(
    image: rbd_image_t,
    lock_mode: MaybeUninit<rbd_lock_mode_t>,
) -> c_int {
    stub!("rbd_lock_acquire")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_release(image: rbd_image_t) -> c_int {
    stub!("rbd_lock_release")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_get_owners(
    image: rbd_image_t,
    lock_mode: *mut rbd_lock_mode_t,
    lock_owners: *mut *mut c_char,
    max_lock_owners: *mut usize,
) -> c_int {
    stub!("rbd_lock_get_owners")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_get_owners_cleanup(lock_owners: *mut *mut c_char, lock_owner_count: usize) {
    stub!("rbd_lock_get_owners_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_break(
    image: rbd_image_t,
    lock_mode: MaybeUninit<rbd_lock_mode_t>,
    lock_owner: *const c_char,
) -> c_int {
    stub!("rbd_lock_break")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_list_lockers(
    image: rbd_image_t,
    exclusive: *mut c_int,
    tag: *mut c_char,
    tag_len: *mut usize,
    clients: *mut c_char,
    clients_len: *mut usize,
    cookies: *mut c_char,
    cookies_len: *mut usize,
    addrs: *mut c_char,
    addrs_len: *mut usize,
) -> isize {
    stub!("rbd_list_lockers")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_exclusive(image: rbd_image_t, cookie: *const c_char) -> c_int {
    stub!("rbd_lock_exclusive")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_shared(
    image: rbd_image_t,
    cookie: *const c_char,
    tag: *const c_char,
) -> c_int {
    stub!("rbd_lock_shared")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_unlock(image: rbd_image_t, cookie: *const c_char) -> c_int {
    stub!("rbd_unlock")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_break_lock(
    image: rbd_image_t,
    client: *const c_char,
    cookie: *const c_char,
) -> c_int {
    stub!("rbd_break_lock")
}
