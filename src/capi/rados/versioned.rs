//! The four functions that exist twice: with version LIBRADOS_14.2.0, and as the older form without a version.
//!
//! Debian's librados.so.2 exports both forms of each name (`readelf --dyn-syms`). New programs bind to the version, programs
//! from before it to the plain name. `remove` keeps the `_v14` and `_base` names out of the library; cbindgen emits
//! the `_v14` forms under the real names (see tests/headers.rs).

use super::handles::{copy_out, input, ioctx, read, write};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{rados_ioctx_t, rados_pool_stat_t};
use crate::client::tmap;
use crate::errno::Errno;
use crate::store::Op;
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

/// # Safety
/// As for [`crate::capi::handle::borrow`].
unsafe fn pool_stat(io: rados_ioctx_t) -> Result<rados_pool_stat_t, Errno> {
    // SAFETY: the caller's promise.
    let io = unsafe { ioctx(io)? };
    let session = io.session();
    let stat = session.wait(session.store().pool_stat(io.pool()))?;
    Ok(rados_pool_stat_t {
        num_bytes: stat.bytes,
        num_kb: stat.bytes.div_ceil(1024),
        num_objects: stat.objects,
        num_object_clones: 0,
        num_object_copies: stat.objects,
        num_objects_missing_on_primary: 0,
        num_objects_unfound: 0,
        num_objects_degraded: 0,
        num_rd: stat.read_ops,
        num_rd_kb: stat.read_bytes.div_ceil(1024),
        num_wr: stat.write_ops,
        num_wr_kb: stat.write_bytes.div_ceil(1024),
        num_user_bytes: stat.bytes,
        compressed_bytes_orig: 0,
        compressed_bytes: 0,
        compressed_bytes_alloc: 0,
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_stat_v14(
    io: rados_ioctx_t,
    stats: *mut rados_pool_stat_t,
) -> c_int {
    entry!("rados_ioctx_pool_stat@@LIBRADOS_14.2.0", {
        // SAFETY: the contract that the header gives these arguments.
        let stat = unsafe { pool_stat(io)? };
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(stats, stat) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_stat_base(
    io: rados_ioctx_t,
    stats: *mut rados_pool_stat_t,
) -> c_int {
    entry!("rados_ioctx_pool_stat", {
        // SAFETY: the contract that the header gives these arguments.
        let stat = unsafe { pool_stat(io)? };
        // Programs from before the version have a shorter structure, which ends before num_user_bytes:
        // capi-tests/rados_deprecated.c sees 12 numbers written on Ceph, 16 by the other form.
        let old = [
            stat.num_bytes,
            stat.num_kb,
            stat.num_objects,
            stat.num_object_clones,
            stat.num_object_copies,
            stat.num_objects_missing_on_primary,
            stat.num_objects_unfound,
            stat.num_objects_degraded,
            stat.num_rd,
            stat.num_rd_kb,
            stat.num_wr,
            stat.num_wr_kb,
        ];
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(stats.cast(), old) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_update_v14(
    io: rados_ioctx_t,
    o: *const c_char,
    cmdbuf: *const c_char,
    cmdbuflen: usize,
) -> c_int {
    // As capi-tests/rados_deprecated.c sees it on Ceph, whatever the arguments are.
    entry!("rados_tmap_update@@LIBRADOS_14.2.0", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_update_base(
    io: rados_ioctx_t,
    o: *const c_char,
    cmdbuf: *const c_char,
    cmdbuflen: usize,
) -> c_int {
    entry!("rados_tmap_update", {
        // SAFETY: the contract that the old header gives these arguments.
        let (io, oid, steps) = unsafe { (ioctx(io)?, arg::name(o)?, input(cmdbuf, cmdbuflen)?) };
        tmap::update(io, &oid, &steps)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_put_v14(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *const c_char,
    buflen: usize,
) -> c_int {
    // As capi-tests/rados_deprecated.c sees it on Ceph, whatever the arguments are.
    entry!("rados_tmap_put@@LIBRADOS_14.2.0", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_put_base(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *const c_char,
    buflen: usize,
) -> c_int {
    entry!("rados_tmap_put", {
        // SAFETY: the contract that the old header gives these arguments.
        let (io, oid, map) = unsafe { (ioctx(io)?, arg::name(o)?, input(buf, buflen)?) };
        write(io, &oid, Op::WriteFull { data: tmap::normalized(&map)?.into() })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_get_v14(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *mut c_char,
    buflen: usize,
) -> c_int {
    // As capi-tests/rados_deprecated.c sees it on Ceph, whatever the arguments are.
    entry!("rados_tmap_get@@LIBRADOS_14.2.0", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_tmap_get_base(
    io: rados_ioctx_t,
    o: *const c_char,
    buf: *mut c_char,
    buflen: usize,
) -> c_int {
    // A read of the content, of a map or not.
    entry!("rados_tmap_get", {
        if buflen > i32::MAX as usize {
            return Err(Errno::EDOM);
        }
        // SAFETY: the contract that the old header gives these arguments.
        let (io, oid, buf) = unsafe { (ioctx(io)?, arg::name(o)?, OutBuf::new(buf, buflen)?) };
        let (_, out) = read(io, &oid, Op::Read { offset: 0, length: buflen as u64 })?;
        copy_out(buf, &out)
    })
}
