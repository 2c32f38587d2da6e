//! Synchronous object I/O.

use super::handles::{copy_out, input, ioctx, payload, read, read_into, write};
use super::requests::{checksum, exec, exec_result, stat_of, write_same};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{rados_checksum_type_t, rados_ioctx_t};
use crate::errno::Errno;
use crate::store::Op;
use libc::time_t;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    len: usize,
    off: u64,
) -> c_int {
    entry!("rados_write", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, data) = unsafe { (ioctx(io)?, arg::name(oid)?, input(buf, len)?) };
        write(io, &oid, Op::Write { offset: off, data })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_full(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    len: usize,
) -> c_int {
    entry!("rados_write_full", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, data) = unsafe { (ioctx(io)?, arg::name(oid)?, input(buf, len)?) };
        write(io, &oid, Op::WriteFull { data })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_writesame(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    data_len: usize,
    write_len: usize,
    off: u64,
) -> c_int {
    entry!("rados_writesame", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, data) = unsafe { (ioctx(io)?, arg::name(oid)?, arg::data(buf, data_len)?) };
        write(io, &oid, write_same(data, write_len, off)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_append(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *const c_char,
    len: usize,
) -> c_int {
    entry!("rados_append", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, data) = unsafe { (ioctx(io)?, arg::name(oid)?, input(buf, len)?) };
        write(io, &oid, Op::Append { data })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read(
    io: rados_ioctx_t,
    oid: *const c_char,
    buf: *mut c_char,
    len: usize,
    off: u64,
) -> c_int {
    entry!("rados_read", {
        if len > i32::MAX as usize {
            return Err(Errno::EDOM);
        }
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, buf) = unsafe { (ioctx(io)?, arg::name(oid)?, OutBuf::new(buf, len)?) };
        read_into(io, &oid, Op::Read { offset: off, length: len as u64 }, buf)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_checksum(
    io: rados_ioctx_t,
    oid: *const c_char,
    typ: MaybeUninit<rados_checksum_type_t>,
    init_value: *const c_char,
    init_value_len: usize,
    len: usize,
    off: u64,
    chunk_size: usize,
    pchecksum: *mut c_char,
    checksum_len: usize,
) -> c_int {
    entry!("rados_checksum", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, init, out) = unsafe {
            let init = arg::data(init_value, init_value_len)?;
            (ioctx(io)?, arg::name(oid)?, init, OutBuf::new(pchecksum, checksum_len)?)
        };
        let (_, sums) = read(io, &oid, checksum(arg::enum_value(typ), init, off, len, chunk_size)?)?;
        copy_out(out, &sums).map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_remove(io: rados_ioctx_t, oid: *const c_char) -> c_int {
    entry!("rados_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(oid)?) };
        write(io, &oid, Op::Remove)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_trunc(io: rados_ioctx_t, oid: *const c_char, size: u64) -> c_int {
    entry!("rados_trunc", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(oid)?) };
        write(io, &oid, Op::Truncate { size })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cmpext(
    io: rados_ioctx_t,
    o: *const c_char,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
) -> c_int {
    entry!("rados_cmpext", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, data) = unsafe { (ioctx(io)?, arg::name(o)?, arg::data(cmp_buf, cmp_len)?) };
        Ok(read(io, &oid, Op::CmpExt { offset: off, data: payload(data)? })?.0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_stat(
    io: rados_ioctx_t,
    o: *const c_char,
    psize: *mut u64,
    pmtime: *mut time_t,
) -> c_int {
    entry!("rados_stat", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(o)?) };
        let (result, out) = read(io, &oid, Op::Stat)?;
        let (size, mtime) = stat_of(&out)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::opt_out(psize, size);
            arg::opt_out(pmtime, mtime);
        }
        Ok(result)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_exec(
    io: rados_ioctx_t,
    oid: *const c_char,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    buf: *mut c_char,
    out_len: usize,
) -> c_int {
    entry!("rados_exec", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, op, out) = unsafe {
            let input = arg::data(in_buf, in_len)?;
            (
                ioctx(io)?,
                arg::name(oid)?,
                exec(arg::text(cls)?, arg::text(method)?, input)?,
                OutBuf::new(buf, out_len)?,
            )
        };
        let (result, answer) = read(io, &oid, op)?;
        exec_result(result, out, &answer)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_alloc_hint(
    io: rados_ioctx_t,
    o: *const c_char,
    expected_object_size: u64,
    expected_write_size: u64,
) -> c_int {
    entry!("rados_set_alloc_hint", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(o)?) };
        write(io, &oid, Op::SetAllocHint { expected_object_size, expected_write_size, flags: 0 })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_alloc_hint2(
    io: rados_ioctx_t,
    o: *const c_char,
    expected_object_size: u64,
    expected_write_size: u64,
    flags: u32,
) -> c_int {
    entry!("rados_set_alloc_hint2", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(o)?) };
        write(io, &oid, Op::SetAllocHint { expected_object_size, expected_write_size, flags })
    })
}
