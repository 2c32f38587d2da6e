//! The four functions that exist twice: with version LIBRADOS_14.2.0, and as the older form without a version.
//!
//! Debian's librados.so.2 exports both forms of each name (`readelf --dyn-syms`). New programs bind to the version, programs
//! from before it to the plain name. `remove` keeps the `_v14` and `_base` names out of the library; cbindgen emits
//! the `_v14` forms under the real names (see tests/headers.rs).

use crate::capi::types::{rados_ioctx_t, rados_pool_stat_t};
use std::ffi::{c_char, c_int};

core::arch::global_asm!(
    ".symver rados_ioctx_pool_stat_v14, rados_ioctx_pool_stat@@LIBRADOS_14.2.0, remove",
    ".symver rados_ioctx_pool_stat_base, rados_ioctx_pool_stat@, remove",
    ".symver rados_tmap_update_v14, rados_tmap_update@@LIBRADOS_14.2.0, remove",
    ".symver rados_tmap_update_base, rados_tmap_update@, remove",
    ".symver rados_tmap_put_v14, rados_tmap_put@@LIBRADOS_14.2.0, remove",
    ".symver rados_tmap_put_base, rados_tmap_put@, remove",
    ".symver rados_tmap_get_v14, rados_tmap_get@@LIBRADOS_14.2.0, remove",
    ".symver rados_tmap_get_base, rados_tmap_get@, remove",
);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_stat_v14(
    io: rados_ioctx_t,
    stats: *mut rados_pool_stat_t,
) -> c_int {
    stub!("rados_ioctx_pool_stat@@LIBRADOS_14.2.0")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_stat_base(
    io: rados_ioctx_t,
    stats: *mut rados_pool_stat_t,
) -> c_int {
    stub!("rados_ioctx_pool_stat")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_update_v14(
    io: rados_ioctx_t,
    o: *const c_char,
    cmdbuf: *const c_char,
    cmdbuflen: usize,
) -> c_int {
    stub!("rados_tmap_update@@LIBRADOS_14.2.0")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_update_base(
    io: rados_ioctx_t,
    o: *const c_char,
    cmdbuf: *const c_char,
    cmdbuflen: usize,
) -> c_int {
    stub!("rados_tmap_update")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_put_v14(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *const c_char,
    buflen: usize,
) -> c_int {
    stub!("rados_tmap_put@@LIBRADOS_14.2.0")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_put_base(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *const c_char,
    buflen: usize,
) -> c_int {
    stub!("rados_tmap_put")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_get_v14(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *mut c_char,
    buflen: usize,
) -> c_int {
    stub!("rados_tmap_get@@LIBRADOS_14.2.0")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_get_base(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *mut c_char,
    buflen: usize,
) -> c_int {
    stub!("rados_tmap_get")
}
