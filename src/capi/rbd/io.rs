//! Synchronous image I/O.

use super::handles::{self, ImageHandle, Sink};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{RBD_WRITE_ZEROES_FLAG_THICK_PROVISION, rbd_image_t};
use crate::errno::Errno;
use crate::image::{CompareOutcome, Image, TriedRead};
use crate::store::fixed::waiting;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read(image: rbd_image_t, ofs: u64, len: usize, buf: *mut c_char) -> isize {
    entry!("rbd_read", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, buf) = unsafe { (handles::image(image)?, OutBuf::new(buf, len)?) };
            read(handle, ofs, Sink::new(buf))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read2(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    buf: *mut c_char,
    op_flags: c_int,
) -> isize {
    entry!("rbd_read2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, buf) = unsafe { (handles::image(image)?, OutBuf::new(buf, len)?) };
            read(handle, ofs, Sink::new(buf))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read_iterate(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    cb: Option<unsafe extern "C" fn(u64, usize, *const c_char, *mut c_void) -> c_int>,
    arg: *mut c_void,
) -> i64 {
    entry!("rbd_read_iterate", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let cb = cb.ok_or(Errno::EINVAL)?;
            let each = |offset, data: &[u8]| {
                // SAFETY: the contract that the header gives these arguments.
                unsafe { cb(offset, data.len(), data.as_ptr().cast(), arg) }
            };
            read_each(handle, ofs, len as u64, each).map(|read| read as i64)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_read_iterate2(
    image: rbd_image_t,
    ofs: u64,
    len: u64,
    cb: Option<unsafe extern "C" fn(u64, usize, *const c_char, *mut c_void) -> c_int>,
    arg: *mut c_void,
) -> c_int {
    entry!("rbd_read_iterate2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let cb = cb.ok_or(Errno::EINVAL)?;
            let each = |offset, data: &[u8]| {
                // SAFETY: the contract that the header gives these arguments.
                unsafe { cb(offset, data.len(), data.as_ptr().cast(), arg) }
            };
            read_each(handle, ofs, len, each).map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_write(image: rbd_image_t, ofs: u64, len: usize, buf: *const c_char) -> isize {
    entry!("rbd_write", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, data) = unsafe { (handles::image(image)?, arg::data(buf, len)?) };
            if let Some(written) = handle.image.try_write(ofs, &[data]) {
                return returned(written?);
            }
            let _ticket = handle.image.ticket();
            returned(handle.wait(handle.image.write(ofs, &[data]))?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_write2(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    buf: *const c_char,
    op_flags: c_int,
) -> isize {
    entry!("rbd_write2", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, data) = unsafe { (handles::image(image)?, arg::data(buf, len)?) };
            if let Some(written) = handle.image.try_write(ofs, &[data]) {
                return returned(written?);
            }
            let _ticket = handle.image.ticket();
            returned(handle.wait(handle.image.write(ofs, &[data]))?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_discard(image: rbd_image_t, ofs: u64, len: u64) -> c_int {
    entry!("rbd_discard", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            if len > INT_MAX {
                return Err(Errno::EINVAL);
            }
            let _ticket = handle.image.ticket();
            let done = handle.wait(handle.image.discard(ofs, len))?;
            c_int::try_from(done).map_err(|_| Errno::EOVERFLOW)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_writesame(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    buf: *const c_char,
    data_len: usize,
    op_flags: c_int,
) -> isize {
    entry!("rbd_writesame", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, pattern) = unsafe { (handles::image(image)?, arg::data(buf, data_len)?) };
            if len as u64 > INT_MAX {
                return Err(Errno::EINVAL);
            }
            let _ticket = handle.image.ticket();
            returned(handle.wait(handle.image.write_same(ofs, len as u64, pattern))?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_write_zeroes(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    zero_flags: c_int,
    op_flags: c_int,
) -> isize {
    entry!("rbd_write_zeroes", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            check_zero_flags(zero_flags)?;
            let _ticket = handle.image.ticket();
            returned(handle.wait(handle.image.write_zeroes(ofs, len as u64))?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_compare_and_write(
    image: rbd_image_t,
    ofs: u64,
    len: usize,
    cmp_buf: *const c_char,
    buf: *const c_char,
    mismatch_off: *mut u64,
    op_flags: c_int,
) -> isize {
    entry!("rbd_compare_and_write", on_panic: handles::poison(image), {
            let (handle, compare, data) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::image(image)?, arg::data(cmp_buf, len)?, arg::data(buf, len)?) };
            if mismatch_off.is_null() {
                return Err(Errno::EINVAL);
            }
            let _ticket = handle.image.ticket();
            match handle.wait(handle.image.compare_and_write(ofs, compare, data))? {
                CompareOutcome::Written(length) => returned(length),
                CompareOutcome::Mismatch(at) => {
                    // SAFETY: the contract that the header gives these arguments.
                    unsafe { arg::out(mismatch_off, at)? };
                    Err(Errno::EILSEQ)
                }
            }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_flush(image: rbd_image_t) -> c_int {
    entry!("rbd_flush", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.flush())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_invalidate_cache(image: rbd_image_t) -> c_int {
    entry!("rbd_invalidate_cache", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.wait(handle.image.invalidate_cache())
    })
}

/// The longest discard and writesame that librbd takes in their synchronous forms.
const INT_MAX: u64 = c_int::MAX as u64;
/// Bytes of one step of an iterated read.
const STEP: u64 = 4 << 20;

/// A count of bytes as `ssize_t`.
fn returned(bytes: u64) -> Result<isize, Errno> {
    isize::try_from(bytes).map_err(|_| Errno::EOVERFLOW)
}

/// RBD_WRITE_ZEROES_FLAG_THICK_PROVISION is accepted: a log has no places to provide.
pub fn check_zero_flags(flags: c_int) -> Result<(), Errno> {
    if flags & !RBD_WRITE_ZEROES_FLAG_THICK_PROVISION == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn read(handle: &ImageHandle, offset: u64, mut sink: Sink) -> Result<isize, Errno> {
    let length = sink.bufs.len() as u64;
    let read = match handle.image.try_read(offset, length, &mut sink) {
        TriedRead::Done(read) => read?,
        // This thread waits anyway.
        TriedRead::Started | TriedRead::Fetch(_) | TriedRead::No => {
            let _ticket = handle.image.ticket();
            waiting(|| handle.wait(handle.image.read(offset, length, &mut sink)))?
        }
    };
    Ok(sink.outcome(read)? as isize)
}

/// Reads object by object and hands each piece on; how many bytes there were. A negative answer of `each` ends it.
fn read_each(
    handle: &ImageHandle,
    offset: u64,
    length: u64,
    each: impl Fn(u64, &[u8]) -> c_int,
) -> Result<u64, Errno> {
    let image: &Arc<Image> = &handle.image;
    let size = handle.wait(image.size())?;
    if length > 0 && offset >= size {
        return Err(Errno::EINVAL);
    }
    let end = offset + length.min(size.saturating_sub(offset));
    let unit = image.object_size().min(STEP);
    let mut at = offset;
    let mut piece = Vec::new();
    while at < end {
        let here = (unit - at % unit).min(end - at);
        piece.clear();
        piece.resize(here as usize, 0);
        let read = waiting(|| handle.wait(image.read(at, here, &mut piece)))?;
        // The callback is told how much has been read so far, not where in the image it is.
        let answer = each(at - offset, &piece[..read as usize]);
        if answer < 0 {
            return Err(Errno(-answer));
        }
        if read < here {
            break;
        }
        at += here;
    }
    Ok(at - offset)
}
