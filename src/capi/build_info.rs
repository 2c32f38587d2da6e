//! The one export that Ceph's library does not have: it tells ours apart.

use std::ffi::c_char;

/// The version of this library. `librbd.so.1` refers to it, so that it refuses to load beside another librados.so.2.
#[unsafe(no_mangle)]
pub extern "C" fn logrbd_version() -> *const c_char {
    const VERSION: &str = concat!("logrbd ", env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
