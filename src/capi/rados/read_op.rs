//! Read operations: lists of steps, applied atomically.

use super::handles::completion as completion_of;
use super::handles::{ReadOp, data_of, ioctx, payload};
use super::oplist::*;
use super::requests::{checksum, exec, stat_of};
use crate::capi::arg::{self, Later, OutBuf};
use crate::capi::handle;
use crate::capi::types::{
    rados_checksum_type_t, rados_completion_t, rados_ioctx_t, rados_omap_iter_t, rados_read_op_t,
    rados_xattrs_iter_t,
};
use crate::errno::Errno;
use crate::store::Op;
use crate::sync::Mutex;
use libc::time_t;
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create_read_op() -> rados_read_op_t {
    entry!("rados_create_read_op", { Ok(handle::create(ReadOp(Mutex::default()))) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_release_read_op(read_op: rados_read_op_t) {
    entry!("rados_release_read_op", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<ReadOp>(read_op) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_set_flags(read_op: rados_read_op_t, flags: c_int) {
    entry!("rados_read_op_set_flags", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        op.0.lock().set_flags(flags as u32);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_assert_exists(read_op: rados_read_op_t) {
    entry!("rados_read_op_assert_exists", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        add(&op.0, || Ok(Op::AssertExists))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_assert_version(read_op: rados_read_op_t, ver: u64) {
    entry!("rados_read_op_assert_version", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        add(&op.0, || Ok(Op::AssertVersion(ver)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_cmpext(
    read_op: rados_read_op_t,
    cmp_buf: *const c_char,
    cmp_len: usize,
    off: u64,
    prval: *mut c_int,
) {
    entry!("rados_read_op_cmpext", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
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
pub unsafe extern "C" fn rados_read_op_cmpxattr(
    read_op: rados_read_op_t,
    name: *const c_char,
    comparison_operator: u8,
    value: *const c_char,
    value_len: usize,
) {
    entry!("rados_read_op_cmpxattr", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        add(&op.0, || {
            // SAFETY: the contract that the header gives these arguments.
            let (name, value) = unsafe { (arg::name(name)?, arg::data(value, value_len)?) };
            cmp_xattr(&name, comparison_operator, value)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_getxattrs(
    read_op: rados_read_op_t,
    iter: *mut rados_xattrs_iter_t,
    prval: *mut c_int,
) {
    entry!("rados_read_op_getxattrs", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, prval) = unsafe { (new_xattr_iter(iter)?, Later::new(prval)) };
        add_with(&op.0, || Ok(Op::GetXattrs), move |result| fill_xattrs(&made, &prval, result))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_cmp(
    read_op: rados_read_op_t,
    key: *const c_char,
    comparison_operator: u8,
    val: *const c_char,
    val_len: usize,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_cmp", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (key, value, prval) = unsafe { (arg::bytes(key), arg::data(val, val_len), Later::new(prval)) };
        add_with(&op.0, || omap_cmp(key?, comparison_operator, value?), move |result| prval.set(result.rval))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_cmp2(
    read_op: rados_read_op_t,
    key: *const c_char,
    comparison_operator: u8,
    val: *const c_char,
    key_len: usize,
    val_len: usize,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_cmp2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (key, value, prval) =
            unsafe { (arg::data(key, key_len), arg::data(val, val_len), Later::new(prval)) };
        add_with(&op.0, || omap_cmp(key?, comparison_operator, value?), move |result| prval.set(result.rval))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_stat(
    read_op: rados_read_op_t,
    psize: *mut u64,
    pmtime: *mut time_t,
    prval: *mut c_int,
) {
    entry!("rados_read_op_stat", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (size_out, mtime_out, prval) =
            unsafe { (Later::new(psize), Later::new(pmtime), Later::new(prval)) };
        add_with(
            &op.0,
            || Ok(Op::Stat),
            move |result| {
                prval.set(match stat_of(&result.out) {
                    Ok((size, mtime)) => {
                        size_out.set(size);
                        mtime_out.set(mtime);
                        result.rval
                    }
                    Err(_) if result.rval < 0 => result.rval,
                    Err(errno) => errno.negated(),
                });
            },
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_read(
    read_op: rados_read_op_t,
    offset: u64,
    len: usize,
    buffer: *mut c_char,
    bytes_read: *mut usize,
    prval: *mut c_int,
) {
    entry!("rados_read_op_read", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (buf, bytes_read, prval) =
            unsafe { (OutBuf::new(buffer, len), Later::new(bytes_read), Later::new(prval)) };
        let read = || Ok(Op::Read { offset, length: len as u64 });
        add_filling(&op.0, read, buf, move |rval, len| {
            prval.set(rval);
            bytes_read.set(len);
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_checksum(
    read_op: rados_read_op_t,
    typ: MaybeUninit<rados_checksum_type_t>,
    init_value: *const c_char,
    init_value_len: usize,
    offset: u64,
    len: usize,
    chunk_size: usize,
    pchecksum: *mut c_char,
    checksum_len: usize,
    prval: *mut c_int,
) {
    entry!("rados_read_op_checksum", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (init, out, prval) = unsafe {
            (arg::data(init_value, init_value_len), OutBuf::new(pchecksum, checksum_len), Later::new(prval))
        };
        let op_of = || checksum(arg::enum_value(typ), init?, offset, len, chunk_size);
        add_filling(&op.0, op_of, out, move |rval, _| prval.set(rval))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_exec(
    read_op: rados_read_op_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    out_buf: *mut *mut c_char,
    out_len: *mut usize,
    prval: *mut c_int,
) {
    entry!("rados_read_op_exec", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (class, method, input) =
            unsafe { (arg::text(cls), arg::text(method), arg::data(in_buf, in_len)) };
        // SAFETY: the contract that the header gives these arguments.
        let (out_buf, out_len, prval) =
            unsafe { (Later::new(out_buf), Later::new(out_len), Later::new(prval)) };
        add_with(
            &op.0,
            || exec(class?, method?, input?),
            move |result| {
                let given = give(&out_buf, &out_len, data_of(&result.out));
                prval.set(given.map_or_else(Errno::negated, |()| result.rval));
            },
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_exec_user_buf(
    read_op: rados_read_op_t,
    cls: *const c_char,
    method: *const c_char,
    in_buf: *const c_char,
    in_len: usize,
    out_buf: *mut c_char,
    out_len: usize,
    used_len: *mut usize,
    prval: *mut c_int,
) {
    entry!("rados_read_op_exec_user_buf", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (class, method, input) =
            unsafe { (arg::text(cls), arg::text(method), arg::data(in_buf, in_len)) };
        // SAFETY: the contract that the header gives these arguments.
        let (out, used_len, prval) =
            unsafe { (OutBuf::new(out_buf, out_len), Later::new(used_len), Later::new(prval)) };
        add_filling(
            &op.0,
            || exec(class?, method?, input?),
            out,
            move |rval, len| {
                prval.set(rval);
                used_len.set(len);
            },
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    filter_prefix: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_get_vals", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, more, prval) =
            unsafe { (new_omap_iter(iter)?, Later::new(std::ptr::null_mut::<u8>()), Later::new(prval)) };
        // SAFETY: the contract that the header gives these arguments.
        let (after, prefix) = unsafe { (arg::opt_bytes(start_after), arg::opt_bytes(filter_prefix)) };
        add_with(
            &op.0,
            || Ok(omap_get_vals(after, prefix, max_return)),
            move |result| fill_omap(&made, &more, &prval, result),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals2(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    filter_prefix: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    pmore: *mut u8,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_get_vals2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, more, prval) = unsafe { (new_omap_iter(iter)?, Later::new(pmore), Later::new(prval)) };
        // SAFETY: the contract that the header gives these arguments.
        let (after, prefix) = unsafe { (arg::opt_bytes(start_after), arg::opt_bytes(filter_prefix)) };
        add_with(
            &op.0,
            || Ok(omap_get_vals(after, prefix, max_return)),
            move |result| fill_omap(&made, &more, &prval, result),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_keys(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_get_keys", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, more, prval) =
            unsafe { (new_omap_iter(iter)?, Later::new(std::ptr::null_mut::<u8>()), Later::new(prval)) };
        // SAFETY: the contract that the header gives these arguments.
        let after = unsafe { arg::opt_bytes(start_after) };
        add_with(
            &op.0,
            || Ok(omap_get_keys(after, max_return)),
            move |result| fill_omap(&made, &more, &prval, result),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_keys2(
    read_op: rados_read_op_t,
    start_after: *const c_char,
    max_return: u64,
    iter: *mut rados_omap_iter_t,
    pmore: *mut u8,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_get_keys2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, more, prval) = unsafe { (new_omap_iter(iter)?, Later::new(pmore), Later::new(prval)) };
        // SAFETY: the contract that the header gives these arguments.
        let after = unsafe { arg::opt_bytes(start_after) };
        add_with(
            &op.0,
            || Ok(omap_get_keys(after, max_return)),
            move |result| fill_omap(&made, &more, &prval, result),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals_by_keys(
    read_op: rados_read_op_t,
    keys: *const *const c_char,
    keys_len: usize,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_get_vals_by_keys", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, more, prval) =
            unsafe { (new_omap_iter(iter)?, Later::new(std::ptr::null_mut::<u8>()), Later::new(prval)) };
        // SAFETY: the contract that the header gives these arguments.
        let keys = unsafe { arg::strings(keys, keys_len) };
        add_with(
            &op.0,
            || Ok(Op::OmapGetValsByKeys { keys: owned(&keys?) }),
            move |result| fill_omap(&made, &more, &prval, result),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_omap_get_vals_by_keys2(
    read_op: rados_read_op_t,
    keys: *const *const c_char,
    num_keys: usize,
    key_lens: *const usize,
    iter: *mut rados_omap_iter_t,
    prval: *mut c_int,
) {
    entry!("rados_read_op_omap_get_vals_by_keys2", {
        // SAFETY: the contract that the header gives these arguments.
        let op = unsafe { handle::borrow::<ReadOp>(read_op)? };
        // SAFETY: the contract that the header gives these arguments.
        let (made, more, prval) =
            unsafe { (new_omap_iter(iter)?, Later::new(std::ptr::null_mut::<u8>()), Later::new(prval)) };
        // SAFETY: the contract that the header gives these arguments.
        let keys = unsafe { arg::datas(keys, key_lens, num_keys) };
        add_with(
            &op.0,
            || Ok(Op::OmapGetValsByKeys { keys: owned(&keys?) }),
            move |result| fill_omap(&made, &more, &prval, result),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_read_op_operate(
    read_op: rados_read_op_t,
    io: rados_ioctx_t,
    oid: *const c_char,
    flags: c_int,
) -> c_int {
    entry!("rados_read_op_operate", {
        // SAFETY: the contract that the header gives these arguments.
        let (op, io, oid) = unsafe { (handle::borrow::<ReadOp>(read_op)?, ioctx(io)?, arg::name(oid)?) };
        run_read(io, &oid, &op.0, flags)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_read_op_operate(
    read_op: rados_read_op_t,
    io: rados_ioctx_t,
    completion: rados_completion_t,
    oid: *const c_char,
    flags: c_int,
) -> c_int {
    entry!("rados_aio_read_op_operate", {
        // SAFETY: the contract that the header gives these arguments.
        let (op, io, done, oid) = unsafe {
            (handle::borrow::<ReadOp>(read_op)?, ioctx(io)?, completion_of(completion)?, arg::name(oid)?)
        };
        start_read_list(io, done, &oid, &op.0, flags)
    })
}
