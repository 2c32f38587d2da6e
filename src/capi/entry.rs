//! What every export goes through: panics are caught, calls traced, errors mapped, missing functions named once.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::DiskError;
use crate::errno::Errno;
use crate::image::ImageError;
use crate::store::StoreError;

/// The body of a working export: a block of type `Result<T, Errno>`, where `T` suits the function's return type.
///
/// ```ignore
/// pub unsafe extern "C" fn rados_write(io: rados_ioctx_t, ...) -> c_int {
///     entry!("rados_write", { ... Ok(()) })
/// }
/// ```
/// `?` works on `StoreError`, `DiskError` and `ImageError`. A panic is logged and becomes -EIO (null, 0 or nothing for
/// functions that cannot say so); `entry!("name", on_panic: EXPR, { ... })` evaluates EXPR after that, so that an image
/// can be told to take no more writes.
macro_rules! entry {
    ($name:literal, $body:block) => {
        $crate::capi::entry::call($name, || $body, || ())
    };
    ($name:literal, on_panic: $on_panic:expr, $body:block) => {
        $crate::capi::entry::call($name, || $body, || $on_panic)
    };
}

/// The body of an export that is not done yet: its name is logged once, and it answers -EOPNOTSUPP.
macro_rules! stub {
    ($name:literal) => {{
        static NAMED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        $crate::capi::entry::missing($name, &NAMED)
    }};
}

/// A type that C functions return, with the value that stands for an error.
pub trait CReturn {
    /// Negative errno where the type has room for it; null, 0, false or nothing where it has not.
    fn failure(errno: Errno) -> Self;
}

impl CReturn for c_int {
    fn failure(errno: Errno) -> c_int {
        errno.negated()
    }
}

impl CReturn for i64 {
    fn failure(errno: Errno) -> i64 {
        i64::from(errno.negated())
    }
}

impl CReturn for isize {
    fn failure(errno: Errno) -> isize {
        errno.negated() as isize
    }
}

impl CReturn for u64 {
    fn failure(_: Errno) -> u64 {
        0
    }
}

impl CReturn for u32 {
    fn failure(_: Errno) -> u32 {
        0
    }
}

impl CReturn for () {
    fn failure(_: Errno) {}
}

impl<T> CReturn for *mut T {
    fn failure(_: Errno) -> *mut T {
        std::ptr::null_mut()
    }
}

impl<T> CReturn for *const T {
    fn failure(_: Errno) -> *const T {
        std::ptr::null()
    }
}

/// A success value that becomes the C return value `R`.
pub trait IntoC<R> {
    fn into_c(self) -> R;
}

impl<R> IntoC<R> for R {
    fn into_c(self) -> R {
        self
    }
}

impl IntoC<c_int> for () {
    fn into_c(self) -> c_int {
        0
    }
}

impl IntoC<isize> for () {
    fn into_c(self) -> isize {
        0
    }
}

/// Byte counts returned as `int`: the caller bounds them; past `INT_MAX` the count is -EOVERFLOW, never a wrapped one.
impl IntoC<c_int> for usize {
    fn into_c(self) -> c_int {
        c_int::try_from(self).unwrap_or(Errno::EOVERFLOW.negated())
    }
}

impl IntoC<isize> for usize {
    fn into_c(self) -> isize {
        isize::try_from(self).unwrap_or(Errno::EOVERFLOW.negated() as isize)
    }
}

/// Runs the body of an export. Use through `entry!`.
pub fn call<R: CReturn, T: IntoC<R>>(
    name: &'static str,
    body: impl FnOnce() -> Result<T, Errno>,
    on_panic: impl FnOnce(),
) -> R {
    tracing::trace!(target: "logrbd::capi", function = name, "call");
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value.into_c(),
        Ok(Err(errno)) => {
            tracing::debug!(target: "logrbd::capi", function = name, %errno, "failed");
            R::failure(errno)
        }
        Err(panic) => {
            let what = panic_message(panic.as_ref());
            tracing::error!(target: "logrbd::capi", function = name, panic = what, "panic caught at the C boundary");
            // The hook runs safe code of ours; if that panics too, the call still ends with an error.
            let _ = catch_unwind(AssertUnwindSafe(on_panic));
            R::failure(Errno::EIO)
        }
    }
}

/// The text of a caught panic.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

/// Answers for an export that is not done yet. Use through `stub!`.
pub fn missing<R: CReturn>(name: &'static str, named: &AtomicBool) -> R {
    if !named.swap(true, Ordering::Relaxed) {
        tracing::warn!(target: "logrbd::capi", function = name, "not implemented");
    }
    R::failure(Errno::EOPNOTSUPP)
}

macro_rules! errno_from {
    ($($error:ty),*) => {
        $(impl From<$error> for Errno {
            /// The boundary is where an error's text would be lost, so it is logged here.
            fn from(error: $error) -> Errno {
                let errno = Errno::from(&error);
                tracing::debug!(target: "logrbd::capi", %errno, "{error}");
                errno
            }
        })*
    };
}

errno_from!(StoreError, DiskError, ImageError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_c_values() {
        let done: c_int = entry!("t", { Ok(()) });
        let count: c_int = entry!("t", { Ok(7usize) });
        let long: isize = entry!("t", { Ok(9usize) });
        let wide: i64 = entry!("t", { Err::<i64, _>(Errno::ENOENT) });
        let bad: c_int = entry!("t", { Err::<(), _>(Errno::ENOENT) });
        let huge: c_int = entry!("t", { Ok(usize::MAX) });
        let null: *mut u8 = entry!("t", { Err::<*mut u8, _>(Errno::EINVAL) });
        assert_eq!((done, count, long, wide, bad), (0, 7, 9, -2, -2));
        assert_eq!(huge, -libc::EOVERFLOW);
        assert!(null.is_null());
    }

    #[test]
    fn a_panic_is_eio_and_runs_the_hook() {
        let mut told = false;
        let answer: c_int = entry!("t", on_panic: told = true, {
            if std::hint::black_box(true) {
                panic!("as intended by the test");
            }
            Ok(())
        });
        assert_eq!(answer, -libc::EIO);
        assert!(told);
    }

    #[test]
    fn a_stub_answers_eopnotsupp() {
        let int: c_int = stub!("t");
        let size: isize = stub!("t");
        let pointer: *mut u8 = stub!("t");
        let () = stub!("t");
        assert_eq!((int, size), (-libc::EOPNOTSUPP, -libc::EOPNOTSUPP as isize));
        assert!(pointer.is_null());
    }
}
