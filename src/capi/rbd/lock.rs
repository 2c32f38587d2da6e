//! Exclusive and advisory locks of an image.

use super::handles::{self, join};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{rbd_image_t, rbd_lock_mode_t};
use crate::errno::Errno;
use crate::image::LockType;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_is_exclusive_lock_owner(image: rbd_image_t, is_owner: *mut c_int) -> c_int {
    entry!("rbd_is_exclusive_lock_owner", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out(is_owner, c_int::from(handle.image.is_lock_owner())) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_acquire(
    image: rbd_image_t,
    lock_mode: MaybeUninit<rbd_lock_mode_t>,
) -> c_int {
    entry!("rbd_lock_acquire", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            check_mode(lock_mode)?;
            handle.wait(handle.image.acquire_lock())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_release(image: rbd_image_t) -> c_int {
    entry!("rbd_lock_release", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.release_lock())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_get_owners(
    image: rbd_image_t,
    lock_mode: *mut rbd_lock_mode_t,
    lock_owners: *mut *mut c_char,
    max_lock_owners: *mut usize,
) -> c_int {
    entry!("rbd_lock_get_owners", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, room) = unsafe { (handles::image(image)?, arg::read(max_lock_owners)?) };
            let owners = handle.wait(handle.image.lock_owners())?;
            if room < owners.len() {
                // SAFETY: the contract that the header gives these arguments.
                unsafe { arg::out(max_lock_owners, owners.len())? };
                return Err(Errno::ERANGE);
            }
            let names = owners.iter().map(|owner| arg::malloc_cstr(owner.address.as_bytes()));
            let names = names.collect::<Result<Vec<_>, Errno>>()?;
            // SAFETY: the contract that the header gives these arguments.
            unsafe {
                arg::out(lock_mode, rbd_lock_mode_t::RBD_LOCK_MODE_EXCLUSIVE)?;
                arg::out_slice(lock_owners, &names)?;
                arg::out(max_lock_owners, names.len())
            }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_get_owners_cleanup(lock_owners: *mut *mut c_char, lock_owner_count: usize) {
    entry!("rbd_lock_get_owners_cleanup", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            for owner in arg::slice(lock_owners, lock_owner_count)? {
                arg::free(*owner);
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_break(
    image: rbd_image_t,
    lock_mode: MaybeUninit<rbd_lock_mode_t>,
    lock_owner: *const c_char,
) -> c_int {
    entry!("rbd_lock_break", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, owner) = unsafe { (handles::image(image)?, arg::text(lock_owner)?) };
            check_mode(lock_mode)?;
            handle.wait(handle.image.break_owner(owner))
    })
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
    entry!("rbd_list_lockers", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let info = handle.wait(handle.image.lockers())?;
            let names: Vec<String> = info.lockers.iter().map(|locker| locker.name.to_string()).collect();
            let lists = [
                (tag, tag_len, join([info.tag.as_bytes()])),
                (clients, clients_len, join(names.iter().map(|name| name.as_bytes()))),
                (cookies, cookies_len, join(info.lockers.iter().map(|locker| locker.cookie.as_bytes()))),
                (addrs, addrs_len, join(info.lockers.iter().map(|locker| locker.address.as_bytes()))),
            ];
            let mut too_short = false;
            // SAFETY: the contract that the header gives these arguments.
            unsafe {
                arg::out(exclusive, c_int::from(info.exclusive))?;
                for (_, size, list) in &lists {
                    too_short |= arg::read(*size)? < list.len();
                    arg::out(*size, list.len())?;
                }
            }
            if too_short {
                return Err(Errno::ERANGE);
            }
            for (buf, _, list) in lists {
                // SAFETY: the contract that the header gives these arguments.
                unsafe { OutBuf::new(buf, list.len())? }.write(0, &list)?;
            }
            Ok(info.lockers.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_exclusive(image: rbd_image_t, cookie: *const c_char) -> c_int {
    entry!("rbd_lock_exclusive", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, cookie) = unsafe { (handles::image(image)?, arg::text(cookie)?) };
            handle.wait(handle.image.advisory_lock(LockType::Exclusive, cookie, ""))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_lock_shared(
    image: rbd_image_t,
    cookie: *const c_char,
    tag: *const c_char,
) -> c_int {
    entry!("rbd_lock_shared", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, cookie, tag) = unsafe { (handles::image(image)?, arg::text(cookie)?, arg::text(tag)?) };
            handle.wait(handle.image.advisory_lock(LockType::Shared, cookie, tag))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_unlock(image: rbd_image_t, cookie: *const c_char) -> c_int {
    entry!("rbd_unlock", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, cookie) = unsafe { (handles::image(image)?, arg::text(cookie)?) };
            handle.wait(handle.image.advisory_unlock(cookie))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_break_lock(
    image: rbd_image_t,
    client: *const c_char,
    cookie: *const c_char,
) -> c_int {
    entry!("rbd_break_lock", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, client, cookie) = unsafe { (handles::image(image)?, arg::text(client)?, arg::text(cookie)?) };
            handle.wait(handle.image.break_advisory_lock(client, cookie))
    })
}

/// Only exclusive locks can be managed: EOPNOTSUPP for all else.
fn check_mode(mode: MaybeUninit<rbd_lock_mode_t>) -> Result<(), Errno> {
    if arg::enum_value(mode) == 0 { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}
