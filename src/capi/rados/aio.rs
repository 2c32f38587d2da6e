//! Asynchronous object I/O.

use super::handles::completion as completion_of;
use super::handles::{finish, input, ioctx, payload, start_read, start_read_into, start_write};
use super::requests::{exec, exec_result, stat_of, write_same};
use crate::capi::arg::{self, Later, OutBuf};
use crate::capi::types::{rados_completion_t, rados_ioctx_t};
use crate::errno::Errno;
use crate::store::Op;
use libc::time_t;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_write(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
    buf: *const c_char,
    len: usize,
    off: u64,
) -> c_int {
    entry!("rados_aio_write", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, data) =
            unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?, input(buf, len)?) };
        start_write(io, done, &oid, Op::Write { offset: off, data })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_append(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
    buf: *const c_char,
    len: usize,
) -> c_int {
    entry!("rados_aio_append", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, data) =
            unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?, input(buf, len)?) };
        start_write(io, done, &oid, Op::Append { data })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_write_full(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
    buf: *const c_char,
    len: usize,
) -> c_int {
    entry!("rados_aio_write_full", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, data) =
            unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?, input(buf, len)?) };
        start_write(io, done, &oid, Op::WriteFull { data })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_writesame(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
    buf: *const c_char,
    data_len: usize,
    write_len: usize,
    off: u64,
) -> c_int {
    entry!("rados_aio_writesame", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, data) =
            unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?, arg::data(buf, data_len)?) };
        start_write(io, done, &oid, write_same(data, write_len, off)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_remove(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
) -> c_int {
    entry!("rados_aio_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done) = unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?) };
        start_write(io, done, &oid, Op::Remove)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_read(
    io: rados_ioctx_t,
    oid: *const c_char,
    completion: rados_completion_t,
    buf: *mut c_char,
    len: usize,
    off: u64,
) -> c_int {
    entry!("rados_aio_read", {
        if len > i32::MAX as usize {
            return Err(Errno::EDOM);
        }
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, buf) =
            unsafe { (ioctx(io)?, arg::name(oid)?, completion_of(completion)?, OutBuf::new(buf, len)?) };
        start_read_into(io, done, &oid, Op::Read { offset: off, length: len as u64 }, buf);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_flush(io: rados_ioctx_t) -> c_int {
    entry!("rados_aio_flush", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { ioctx(io)? }.writes().flush();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_flush_async(io: rados_ioctx_t, completion: rados_completion_t) -> c_int {
    entry!("rados_aio_flush_async", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, done) = unsafe { (ioctx(io)?, completion_of(completion)?) };
        let session = io.session().clone();
        io.writes().when_flushed(Box::new(move || finish(done, &session, || (0, 0))));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_stat(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    psize: *mut u64,
    pmtime: *mut time_t,
) -> c_int {
    entry!("rados_aio_stat", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, size_out, mtime_out) = unsafe {
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, Later::new(psize), Later::new(pmtime))
        };
        start_read(io, done, &oid, Op::Stat, move |out, result| {
            let (size, mtime) = stat_of(&out)?;
            size_out.set(size);
            mtime_out.set(mtime);
            Ok(result)
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_cmpext(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
) -> c_int {
    entry!("rados_aio_cmpext", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, data) =
            unsafe { (ioctx(io)?, arg::name(o)?, completion_of(completion)?, arg::data(cmp_buf, cmp_len)?) };
        start_read(io, done, &oid, Op::CmpExt { offset: off, data: payload(data)? }, |_, result| Ok(result));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_cancel(io: rados_ioctx_t, completion: rados_completion_t) -> c_int {
    entry!("rados_aio_cancel", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, done) = unsafe { (ioctx(io)?, completion_of(completion)?) };
        // Too late is no error.
        finish(done, io.session(), || (i64::from(Errno::ECANCELED.negated()), 0));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_exec(
    io: rados_ioctx_t,
    o: *const c_char,
    completion: rados_completion_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    buf: *mut c_char,
    out_len: usize,
) -> c_int {
    entry!("rados_aio_exec", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, done, op, out) = unsafe {
            let op = exec(arg::text(cls)?, arg::text(method)?, arg::data(in_buf, in_len)?)?;
            (ioctx(io)?, arg::name(o)?, completion_of(completion)?, op, OutBuf::new(buf, out_len)?)
        };
        start_read(io, done, &oid, op, |answer, result| {
            exec_result(result as c_int, out, &answer).map(i64::from)
        });
        Ok(())
    })
}
