//! Opaque handles: how Rust values become `void *` for C and come back.
//!
//! A handle is one strong count of an `Arc` whose allocation begins with a tag, so that a null handle or a handle of
//! another kind is EINVAL instead of a crash. A handle that was already released is the caller's bug, as in Ceph; its
//! tag is wiped on release, which catches most of those too.

#![allow(clippy::disallowed_methods)]

use std::ffi::c_void;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;

/// A type that C holds by an opaque pointer.
pub trait Handle: Send + Sync + 'static {
    /// Eight bytes, different for each kind of handle.
    const TAG: [u8; 8];
}

/// A handle's value behind its tag. Dereferences to the value.
#[repr(C)]
pub struct Tagged<T: Handle> {
    tag: AtomicU64,
    value: T,
}

impl<T: Handle> Deref for Tagged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A counted reference to a handle's value; keeps it alive in callbacks and background work.
pub type Shared<T> = Arc<Tagged<T>>;

/// Wraps a value so that it can be given out as a handle.
pub fn share<T: Handle>(value: T) -> Shared<T> {
    Arc::new(Tagged { tag: AtomicU64::new(u64::from_ne_bytes(T::TAG)), value })
}

/// Gives one strong count to C. [`release`] takes it back.
pub fn into_raw<T: Handle>(shared: Shared<T>) -> *mut c_void {
    Arc::into_raw(shared).cast_mut().cast()
}

/// Makes a new handle of a value.
pub fn create<T: Handle>(value: T) -> *mut c_void {
    into_raw(share(value))
}

/// Makes a new handle of a value and writes it where C wants it. EINVAL, and no handle, if that is nowhere.
///
/// # Safety
/// `at` is null or writable.
pub unsafe fn give<T: Handle>(at: *mut *mut c_void, value: T) -> Result<(), Errno> {
    if at.is_null() || !at.is_aligned() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, aligned, writable by the caller's promise.
    unsafe { at.write(create(value)) };
    Ok(())
}

fn check<T: Handle>(raw: *mut c_void) -> Result<*const Tagged<T>, Errno> {
    if raw.is_null() || !raw.cast::<Tagged<T>>().is_aligned() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: a handle of any kind that C got from us begins with an aligned AtomicU64 tag.
    let tag = unsafe { &*raw.cast_const().cast::<AtomicU64>() };
    if tag.load(Ordering::Relaxed) == u64::from_ne_bytes(T::TAG) {
        Ok(raw.cast_const().cast())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Looks at the value without counting: for calls that end before they return to C.
///
/// # Safety
/// `raw` is null or a handle from this module that is not released before `'a` ends.
pub unsafe fn borrow<'a, T: Handle>(raw: *mut c_void) -> Result<&'a T, Errno> {
    let tagged = check::<T>(raw)?;
    // SAFETY: the tag says that this is a live `Tagged<T>`, and the caller keeps it so.
    Ok(unsafe { &(*tagged).value })
}

/// A counted reference, for work that outlives the call.
///
/// # Safety
/// `raw` is null or a handle from this module that is not yet released.
pub unsafe fn shared<T: Handle>(raw: *mut c_void) -> Result<Shared<T>, Errno> {
    let tagged = check::<T>(raw)?;
    // SAFETY: the pointer came from `Arc::into_raw` in `into_raw` and its count is at least one.
    unsafe {
        Arc::increment_strong_count(tagged);
        Ok(Arc::from_raw(tagged))
    }
}

/// Takes C's count back. The value lives on while others share it, but the handle is no longer valid: its tag is wiped.
///
/// # Safety
/// `raw` is null or a handle from this module; C does not use it again.
pub unsafe fn release<T: Handle>(raw: *mut c_void) -> Result<Shared<T>, Errno> {
    let tagged = check::<T>(raw)?;
    // SAFETY: as in `shared`; the count that `into_raw` gave out is the one taken here.
    let shared = unsafe { Arc::from_raw(tagged) };
    shared.tag.store(0, Ordering::Relaxed);
    Ok(shared)
}

/// Takes C's count back, but the handle stays valid for as long as others share the value: a completion may be
/// released before its callback gets the same handle.
///
/// # Safety
/// As for [`release`], but for uses while something else is known to share it.
pub unsafe fn release_shared<T: Handle>(raw: *mut c_void) -> Result<Shared<T>, Errno> {
    let tagged = check::<T>(raw)?;
    // SAFETY: as in `release`.
    let shared = unsafe { Arc::from_raw(tagged) };
    if Arc::strong_count(&shared) == 1 {
        shared.tag.store(0, Ordering::Relaxed);
    }
    Ok(shared)
}

/// The handle that C knows a shared value by.
pub fn raw<T: Handle>(shared: &Shared<T>) -> *mut c_void {
    Arc::as_ptr(shared).cast_mut().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(u32);
    struct Two;
    impl Handle for One {
        const TAG: [u8; 8] = *b"test one";
    }
    impl Handle for Two {
        const TAG: [u8; 8] = *b"test two";
    }

    #[test]
    fn a_handle_round_trips_and_counts() {
        let raw = create(One(7));
        // SAFETY: `raw` is a live handle until `release`.
        unsafe {
            assert_eq!(borrow::<One>(raw).unwrap().0, 7);
            let kept = shared::<One>(raw).unwrap();
            assert_eq!(Arc::strong_count(&kept), 2);
            drop(release::<One>(raw).unwrap());
            assert_eq!((kept.0, Arc::strong_count(&kept)), (7, 1));
            assert!(borrow::<One>(raw).is_err(), "released while still shared");
        }
    }

    #[test]
    fn null_and_foreign_handles_are_einval() {
        let raw = create(Two);
        // SAFETY: null or a live handle.
        unsafe {
            assert_eq!(borrow::<One>(std::ptr::null_mut()).err(), Some(Errno::EINVAL));
            assert_eq!(shared::<One>(raw).err(), Some(Errno::EINVAL));
            assert!(release::<Two>(raw).is_ok());
            assert_eq!(give(std::ptr::null_mut(), Two), Err(Errno::EINVAL));
        }
    }
}
