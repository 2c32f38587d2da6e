//! Write operations: lists of steps, applied atomically.

use super::handles::completion as completion_of;
use super::handles::{WriteOp, input, ioctx, payload};
use super::oplist::{add, add_with, cmp_xattr, run_write, seconds, start_write_list};
use super::requests::exec;
use crate::capi::arg::{self, Later};
use crate::capi::handle;
use crate::capi::types::{rados_completion_t, rados_ioctx_t, rados_write_op_t};
use crate::store::Op;
use crate::sync::Mutex;
use libc::{time_t, timespec};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create_write_op() -> rados_write_op_t {
    entry!("rados_create_write_op", { Ok(handle::create(WriteOp(Mutex::default()))) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_release_write_op(write_op: rados_write_op_t) {
    entry!("rados_release_write_op", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<WriteOp>(write_op) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_set_flags(write_op: rados_write_op_t, flags: c_int) {
    entry!("rados_write_op_set_flags", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        op.0.lock().set_flags(flags as u32);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_assert_exists(write_op: rados_write_op_t) {
    entry!("rados_write_op_assert_exists", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::AssertExists))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_assert_version(write_op: rados_write_op_t, ver: u64) {
    entry!("rados_write_op_assert_version", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::AssertVersion(ver)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_cmpext(
    write_op: rados_write_op_t,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
    prval: *mut c_int,
) {
    entry!("rados_write_op_cmpext", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (data, prval) = unsafe { (arg::data(cmp_buf, cmp_len), Later::new(prval)) };
        add_with(
            &op.0,
            || Ok(Op::CmpExt { offset: off, data: payload(data?)? }),
            move |result| prval.set(result.rval),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_cmpxattr(
    write_op: rados_write_op_t,
    name: *const c_char,
    comparison_operator: u8,
    value: *const c_char,
    value_len: usize,
) {
    entry!("rados_write_op_cmpxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let (name, value) = unsafe { (arg::name(name)?, arg::data(value, value_len)?) };
            cmp_xattr(&name, comparison_operator, value)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_setxattr(
    write_op: rados_write_op_t,
    name: *const c_char,
    value: *const c_char,
    value_len: usize,
) {
    entry!("rados_write_op_setxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let (name, value) = unsafe { (arg::name(name)?, arg::data(value, value_len)?) };
            Ok(Op::SetXattr { name: name.into_owned(), value: payload(value)? })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_rmxattr(write_op: rados_write_op_t, name: *const c_char) {
    entry!("rados_write_op_rmxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let name = unsafe { arg::name(name)? };
            Ok(Op::RmXattr { name: name.into_owned() })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_create(
    write_op: rados_write_op_t,
    exclusive: c_int,
    category: *const c_char,
) {
    entry!("rados_write_op_create", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::Create { exclusive: exclusive != 0 }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_write(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    len: usize,
    offset: u64,
) {
    entry!("rados_write_op_write", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let data = unsafe { input(buffer, len)? };
            Ok(Op::Write { offset, data })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_write_full(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    len: usize,
) {
    entry!("rados_write_op_write_full", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let data = unsafe { input(buffer, len)? };
            Ok(Op::WriteFull { data })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_writesame(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    data_len: usize,
    write_len: usize,
    offset: u64,
) {
    entry!("rados_write_op_writesame", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let data = unsafe { arg::data(buffer, data_len)? };
            Ok(Op::WriteSame { offset, length: write_len as u64, data: payload(data)? })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_append(
    write_op: rados_write_op_t,
    buffer: *const c_char,
    len: usize,
) {
    entry!("rados_write_op_append", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let data = unsafe { input(buffer, len)? };
            Ok(Op::Append { data })
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_remove(write_op: rados_write_op_t) {
    entry!("rados_write_op_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::Remove))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_truncate(write_op: rados_write_op_t, offset: u64) {
    entry!("rados_write_op_truncate", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::Truncate { size: offset }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_zero(write_op: rados_write_op_t, offset: u64, len: u64) {
    entry!("rados_write_op_zero", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::Zero { offset, length: len }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_exec(
    write_op: rados_write_op_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    prval: *mut c_int,
) {
    entry!("rados_write_op_exec", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (class, method, input, prval) =
            unsafe { (arg::text(cls), arg::text(method), arg::data(in_buf, in_len), Later::new(prval)) };
        add_with(&op.0, || exec(class?, method?, input?), move |result| prval.set(result.rval))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_set_alloc_hint(
    write_op: rados_write_op_t,
    expected_object_size: u64,
    expected_write_size: u64,
) {
    entry!("rados_write_op_set_alloc_hint", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::SetAllocHint { expected_object_size, expected_write_size, flags: 0 }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_set_alloc_hint2(
    write_op: rados_write_op_t,
    expected_object_size: u64,
    expected_write_size: u64,
    flags: u32,
) {
    entry!("rados_write_op_set_alloc_hint2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<WriteOp>(write_op)? };
        add(&op.0, || Ok(Op::SetAllocHint { expected_object_size, expected_write_size, flags }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_operate(
    write_op: rados_write_op_t,
    io: rados_ioctx_t,
    oid: *const c_char,
    mtime: *mut time_t,
    flags: c_int,
) -> c_int {
    entry!("rados_write_op_operate", {
        // SAFETY: the contract that the header gives these arguments.
        let (op, io, oid, mtime) = unsafe {
            (handle::borrow::<WriteOp>(write_op)?, ioctx(io)?, arg::name(oid)?, arg::opt_read(mtime))
        };
        run_write(io, &oid, &op.0, mtime.map(seconds), flags)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_write_op_operate2(
    write_op: rados_write_op_t,
    io: rados_ioctx_t,
    oid: *const c_char,
    mtime: *mut timespec,
    flags: c_int,
) -> c_int {
    entry!("rados_write_op_operate2", {
        // SAFETY: the contract that the header gives these arguments.
        let (op, io, oid, mtime) = unsafe {
            (handle::borrow::<WriteOp>(write_op)?, ioctx(io)?, arg::name(oid)?, arg::opt_read(mtime))
        };
        let mtime = mtime.map(|at| seconds(at.tv_sec).saturating_add(u64::try_from(at.tv_nsec).unwrap_or(0)));
        run_write(io, &oid, &op.0, mtime, flags)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_write_op_operate(
    write_op: rados_write_op_t,
    io: rados_ioctx_t,
    completion: rados_completion_t,
    oid: *const c_char,
    mtime: *mut time_t,
    flags: c_int,
) -> c_int {
    entry!("rados_aio_write_op_operate", {
        // SAFETY: the contract that the header gives these arguments.
        let (op, io, done, oid, mtime) = unsafe {
            (
                handle::borrow::<WriteOp>(write_op)?,
                ioctx(io)?,
                completion_of(completion)?,
                arg::name(oid)?,
                arg::opt_read(mtime),
            )
        };
        start_write_list(io, done, &oid, &op.0, mtime.map(seconds), flags)
    })
}
