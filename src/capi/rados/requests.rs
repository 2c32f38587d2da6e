//! Ops that several functions make, and how their answers are read.

use std::ffi::c_int;

use bytes::Bytes;
use libc::time_t;

use super::handles::{copy_out, data_of, payload};
use crate::capi::arg::OutBuf;
use crate::errno::Errno;
use crate::store::{Op, OpOut};

/// EINVAL unless the pattern fits a whole number of times.
pub fn write_same(data: &[u8], write_len: usize, offset: u64) -> Result<Op, Errno> {
    if data.is_empty() || !write_len.is_multiple_of(data.len()) {
        return Err(Errno::EINVAL);
    }
    Ok(Op::WriteSame { offset, length: write_len as u64, data: payload(data)? })
}

/// EINVAL unless the type is known and the initial value is of its size.
pub fn checksum(kind: c_int, init: &[u8], offset: u64, len: usize, chunk_size: usize) -> Result<Op, Errno> {
    // XXHASH32, XXHASH64, CRC32C.
    let kind = u8::try_from(kind).ok().filter(|kind| *kind <= 2).ok_or(Errno::EINVAL)?;
    if init.len() != if kind == 1 { 8 } else { 4 } {
        return Err(Errno::EINVAL);
    }
    let init = Bytes::copy_from_slice(init);
    Ok(Op::Checksum { kind, init, offset, length: len as u64, chunk_size: chunk_size as u64 })
}

pub fn exec(class: &str, method: &str, input: &[u8]) -> Result<Op, Errno> {
    Ok(Op::Exec { class: class.to_owned(), method: method.to_owned(), input: payload(input)? })
}

/// A class call's answer: the length of its output if it has any (ERANGE if that does not fit), else its own result.
pub fn exec_result(result: c_int, to: OutBuf, answer: &OpOut) -> Result<c_int, Errno> {
    if data_of(answer).is_empty() {
        return Ok(result);
    }
    c_int::try_from(copy_out(to, answer)?).map_err(|_| Errno::ERANGE)
}

/// Size and modification time in seconds. EIO if a stat was not run.
pub fn stat_of(out: &OpOut) -> Result<(u64, time_t), Errno> {
    match out {
        OpOut::Stat { size, mtime_ns } => Ok((*size, (mtime_ns / 1_000_000_000) as time_t)),
        OpOut::None
        | OpOut::Data(_)
        | OpOut::Placed(_)
        | OpOut::Sparse { .. }
        | OpOut::Xattrs(_)
        | OpOut::Keys { .. }
        | OpOut::Pairs { .. }
        | OpOut::Watchers(_)
        | OpOut::Snaps { .. } => Err(Errno::EIO),
    }
}
