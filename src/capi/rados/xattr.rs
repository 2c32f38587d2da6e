//! Extended attributes of objects and their iterator.

use super::handles::completion as completion_of;
use super::handles::{copy_out, ioctx, payload, read, start_read, start_write, write};
use super::iters::XattrIter;
use crate::capi::arg::{self, Later, OutBuf};
use crate::capi::handle;
use crate::capi::types::{rados_completion_t, rados_ioctx_t, rados_xattrs_iter_t};
use crate::store::Op;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_getxattr(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    entry!("rados_getxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, buf) =
            unsafe { (ioctx(io)?, arg::name(o)?, arg::name(name)?, OutBuf::new(buf, len)?) };
        let (_, out) = read(io, &oid, Op::GetXattr { name: name.into_owned() })?;
        copy_out(buf, &out)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_setxattr(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    buf: *const c_char,
    len: usize,
) -> c_int {
    entry!("rados_setxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, value) =
            unsafe { (ioctx(io)?, arg::name(o)?, arg::name(name)?, arg::data(buf, len)?) };
        write(io, &oid, Op::SetXattr { name: name.into_owned(), value: payload(value)? })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_rmxattr(io: rados_ioctx_t, o: *const c_char, name: *const c_char) -> c_int {
    entry!("rados_rmxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name) = unsafe { (ioctx(io)?, arg::name(o)?, arg::name(name)?) };
        write(io, &oid, Op::RmXattr { name: name.into_owned() })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_getxattrs(
    io: rados_ioctx_t,
    oid: *const c_char,
    iter: *mut rados_xattrs_iter_t,
) -> c_int {
    entry!("rados_getxattrs", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(oid)?) };
        let (result, out) = read(io, &oid, Op::GetXattrs)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(iter, XattrIter::new(&out))? };
        Ok(result)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_getxattrs_next(
    iter: rados_xattrs_iter_t,
    name: *mut *const c_char,
    val: *mut *const c_char,
    len: *mut usize,
) -> c_int {
    entry!("rados_getxattrs_next", {
        // SAFETY: the contract that the header gives these arguments.
        let it = unsafe { handle::borrow::<XattrIter>(iter)? };
        let step = it.step();
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::out(name, step.key.cast_const())?;
            arg::out(val, step.value.cast_const())?;
            arg::out(len, step.value_len)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_getxattrs_end(iter: rados_xattrs_iter_t) {
    entry!("rados_getxattrs_end", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<XattrIter>(iter) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_getxattr(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    name: *const c_char,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    entry!("rados_aio_getxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, name, buf) = unsafe {
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, arg::name(name)?, OutBuf::new(buf, len)?)
        };
        start_read(io, done, &oid, Op::GetXattr { name: name.into_owned() }, |out, _| {
            copy_out(buf, &out).map(|len| len as i64)
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_setxattr(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    name: *const c_char,
    buf: *const c_char,
    len: usize,
) -> c_int {
    entry!("rados_aio_setxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, name, value) = unsafe {
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, arg::name(name)?, arg::data(buf, len)?)
        };
        start_write(io, done, &oid, Op::SetXattr { name: name.into_owned(), value: payload(value)? })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_rmxattr(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    name: *const c_char,
) -> c_int {
    entry!("rados_aio_rmxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, name) =
            unsafe { (ioctx(io)?, arg::name(o)?, completion_of(completion)?, arg::name(name)?) };
        start_write(io, done, &oid, Op::RmXattr { name: name.into_owned() })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_getxattrs(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
    iter: *mut rados_xattrs_iter_t,
) -> c_int {
    entry!("rados_aio_getxattrs", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, at) =
            unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?, Later::new(iter)) };
        start_read(io, done, &oid, Op::GetXattrs, move |out, result| {
            at.set(handle::create(XattrIter::new(&out)));
            Ok(result)
        });
        Ok(())
    })
}
