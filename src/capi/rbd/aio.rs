//! Asynchronous image I/O and completions.

use super::handles::{
    self, CompletionHandle, ImageHandle, Sink, finish, start, start_here, start_reading, start_untracked,
};
use super::io::check_zero_flags;
use crate::capi::arg::{self, InBufs, Later, OutBuf, OutBufs};
use crate::capi::handle::{self, Shared};
use crate::capi::types::{rbd_callback_t, rbd_completion_t, rbd_image_t};
use crate::errno::Errno;
use crate::image::{CompareOutcome, TriedRead, total};
use libc::iovec;
use std::ffi::{c_char, c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_set_image_notification(image: rbd_image_t, fd: c_int, typ: c_int) -> c_int {
    entry!("rbd_set_image_notification", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            handle.events.set(fd, typ)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_write(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *const c_char,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_write", on_panic: handles::poison(image), {
            let (handle, done, data) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, arg::data(buf, len)?) };
            if let Some((handle, done)) = write_now(handle, done, off, &[data]) {
                // SAFETY: the contract that the header gives these arguments.
                let data = unsafe { InBufs::new(buf, len)? };
                write_later(handle, done, off, data);
            }
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_write2(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *const c_char,
    c: rbd_completion_t,
    op_flags: c_int,
) -> c_int {
    entry!("rbd_aio_write2", on_panic: handles::poison(image), {
            let (handle, done, data) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, arg::data(buf, len)?) };
            if let Some((handle, done)) = write_now(handle, done, off, &[data]) {
                // SAFETY: the contract that the header gives these arguments.
                let data = unsafe { InBufs::new(buf, len)? };
                write_later(handle, done, off, data);
            }
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_writev(
    image: rbd_image_t,
    iov: *const iovec,
    iovcnt: c_int,
    off: u64,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_writev", on_panic: handles::poison(image), {
            let (handle, done, data) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, iovecs(iov, iovcnt)?) };
            if let Some((handle, done)) = write_now(handle, done, off, &data.slices()) {
                write_later(handle, done, off, data);
            }
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_read(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *mut c_char,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_read", on_panic: handles::poison(image), {
            let (handle, done, buf) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, OutBuf::new(buf, len)?) };
            read(handle, done, off, buf.into());
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_read2(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *mut c_char,
    c: rbd_completion_t,
    op_flags: c_int,
) -> c_int {
    entry!("rbd_aio_read2", on_panic: handles::poison(image), {
            let (handle, done, buf) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, OutBuf::new(buf, len)?) };
            read(handle, done, off, buf.into());
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_readv(
    image: rbd_image_t,
    iov: *const iovec,
    iovcnt: c_int,
    off: u64,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_readv", on_panic: handles::poison(image), {
            if iovcnt <= 0 {
                return Err(Errno::EINVAL);
            }
            let (handle, done, bufs) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, arg::out_iovecs(iov, iovcnt)?) };
            read(handle, done, off, bufs);
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_discard(
    image: rbd_image_t,
    off: u64,
    len: u64,
    c: rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_discard", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, done) = unsafe { (handles::shared_image(image)?, handles::completion(c)?) };
            let image = handle.image.clone();
            start(handle, done, async move { Ok(image.discard(off, len).await.map(|_| 0)?) });
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_writesame(
    image: rbd_image_t,
    off: u64,
    len: usize,
    buf: *const c_char,
    data_len: usize,
    c: rbd_completion_t,
    op_flags: c_int,
) -> c_int {
    entry!("rbd_aio_writesame", on_panic: handles::poison(image), {
            let (handle, done, pattern) =
                // SAFETY: the contract that the header gives these arguments.
                unsafe { (handles::shared_image(image)?, handles::completion(c)?, arg::data(buf, data_len)?) };
            if data_len == 0 || !len.is_multiple_of(data_len) {
                return Err(Errno::EINVAL);
            }
            // The pattern is short; the range may be long.
            let (image, pattern) = (handle.image.clone(), pattern.to_vec());
            start(handle, done, async move { Ok(image.write_same(off, len as u64, &pattern).await.map(|_| 0)?) });
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_write_zeroes(
    image: rbd_image_t,
    off: u64,
    len: usize,
    c: rbd_completion_t,
    zero_flags: c_int,
    op_flags: c_int,
) -> c_int {
    entry!("rbd_aio_write_zeroes", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, done) = unsafe { (handles::shared_image(image)?, handles::completion(c)?) };
            let image = handle.image.clone();
            start(handle, done, async move {
                check_zero_flags(zero_flags)?;
                Ok(image.write_zeroes(off, len as u64).await.map(|_| 0)?)
            });
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_compare_and_write(
    image: rbd_image_t,
    off: u64,
    len: usize,
    cmp_buf: *const c_char,
    buf: *const c_char,
    c: rbd_completion_t,
    mismatch_off: *mut u64,
    op_flags: c_int,
) -> isize {
    entry!("rbd_aio_compare_and_write", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, done, compare, data, mismatch) = unsafe {
                let bufs = (InBufs::new(cmp_buf, len)?, InBufs::new(buf, len)?);
                (handles::shared_image(image)?, handles::completion(c)?, bufs.0, bufs.1, Later::new(mismatch_off))
            };
            if !mismatch.is_wanted() {
                return Err(Errno::EINVAL);
            }
            let image = handle.image.clone();
            start(handle, done, async move {
                match image.compare_and_write(off, compare.first(), data.first()).await? {
                    CompareOutcome::Written(_) => Ok(0),
                    CompareOutcome::Mismatch(at) => {
                        mismatch.set(at);
                        Err(Errno::EILSEQ)
                    }
                }
            });
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_create_completion(
    cb_arg: *mut c_void,
    complete_cb: rbd_callback_t,
    c: *mut rbd_completion_t,
) -> c_int {
    entry!("rbd_aio_create_completion", {
        let made = handle::create(CompletionHandle::new(cb_arg, complete_cb));
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(c, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_is_complete(c: rbd_completion_t) -> c_int {
    entry!("rbd_aio_is_complete", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(c_int::from(unsafe { handles::completion(c)? }.core.is_complete()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_wait_for_complete(c: rbd_completion_t) -> c_int {
    entry!("rbd_aio_wait_for_complete", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handles::completion(c)? }.wait();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_get_return_value(c: rbd_completion_t) -> isize {
    entry!("rbd_aio_get_return_value", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { handles::completion(c)? }.core.result() as isize)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_get_arg(c: rbd_completion_t) -> *mut c_void {
    entry!("rbd_aio_get_arg", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { handles::completion(c)? }.arg.0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_release(c: rbd_completion_t) {
    entry!("rbd_aio_release", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release_shared::<CompletionHandle>(c) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_aio_flush(image: rbd_image_t, c: rbd_completion_t) -> c_int {
    entry!("rbd_aio_flush", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let (handle, done) = unsafe { (handles::shared_image(image)?, handles::completion(c)?) };
            // The handle goes before the request has ended: it is never the last one, as closing waits for requests.
            let ended = (handle.clone(), done.clone());
            if handle.image.try_flush(move |flushed| {
                let (handle, done) = ended;
                finish(&handle, done, flushed.map(|()| 0).map_err(Errno::from));
            }) {
                return Ok(());
            }
            // What was issued before is waited for; what comes later is not.
            let (image, earlier) = (handle.image.clone(), handle.image.earlier_requests());
            let ticket = handle.image.ticket();
            start_here(handle, done, async move {
                let flushed = image.flush_after(earlier).await.map(|()| 0).map_err(Errno::from);
                (flushed, ticket)
            });
            Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_poll_io_events(
    image: rbd_image_t,
    comps: *mut rbd_completion_t,
    numcomp: c_int,
) -> c_int {
    entry!("rbd_poll_io_events", on_panic: handles::poison(image), {
            // SAFETY: the contract that the header gives these arguments.
            let handle = unsafe { handles::image(image)? };
            let max = usize::try_from(numcomp).ok().filter(|max| *max > 0).ok_or(Errno::EINVAL)?;
            let completed: Vec<rbd_completion_t> = handle.events.poll(max).iter().map(handle::raw).collect();
            // SAFETY: the contract that the header gives these arguments.
            unsafe { arg::out_slice(comps, &completed)? };
            Ok(completed.len())
    })
}

/// # Safety
/// As for [`arg::in_iovecs`], and the buffers live until the request completes.
unsafe fn iovecs(iov: *const iovec, count: c_int) -> Result<InBufs, Errno> {
    if count <= 0 {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the caller's promise.
    unsafe { InBufs::from_iovecs(iov, count) }
}

/// A write that is accepted without waiting: completed now, or when it is durable. Gives both back if nothing was done.
fn write_now(
    handle: Shared<ImageHandle>,
    done: Shared<CompletionHandle>,
    offset: u64,
    data: &[&[u8]],
) -> Option<(Shared<ImageHandle>, Shared<CompletionHandle>)> {
    if let Some(written) = handle.image.try_write(offset, data) {
        finish(&handle, done, written.map(|_| 0).map_err(Errno::from));
        return None;
    }
    match handle.image.try_write_through(offset, data) {
        None => return Some((handle, done)),
        Some(Err(error)) => finish(&handle, done, Err(error.into())),
        Some(Ok(accepted)) => {
            let (call, ticket) = (handle.session.begin(), handle.image.ticket());
            accepted.then(move |written| {
                finish(&handle, done, written.map(|_| 0).map_err(Errno::from));
                // Never the last one, as closing waits for the ticket.
                drop(handle);
                drop((ticket, call));
            });
        }
    }
    None
}

/// A write of at most so many bytes begins on the caller's thread, also when it will have to wait.
const COPIED_HERE: u64 = 64 << 10;

fn write_later(handle: Shared<ImageHandle>, done: Shared<CompletionHandle>, offset: u64, data: InBufs) {
    let (image, ticket) = (handle.image.clone(), handle.image.ticket());
    let short = total(&data.slices()) <= COPIED_HERE;
    let request = async move {
        let slices = data.slices();
        debug_assert!(total(&slices) <= isize::MAX as u64);
        let written = image.write(offset, &slices).await.map(|_| 0).map_err(Errno::from);
        (written, ticket)
    };
    // Copying a long one is work for another processor.
    if short { start_here(handle, done, request) } else { start_untracked(handle, done, request) }
}

fn read(handle: Shared<ImageHandle>, done: Shared<CompletionHandle>, offset: u64, bufs: OutBufs) {
    let length = bufs.len() as u64;
    let mut sink = Sink::new(bufs);
    match handle.image.try_read(offset, length, &mut sink) {
        TriedRead::Done(read) => {
            let outcome = read.map_err(Errno::from).and_then(|read| sink.outcome(read));
            finish(&handle, done, outcome);
        }
        TriedRead::Started => read_later(handle, done, true, offset, length, sink),
        TriedRead::No => read_later(handle, done, false, offset, length, sink),
        TriedRead::Fetch(fetch) => {
            let (call, ticket) = (handle.session.begin(), handle.image.ticket());
            fetch.start(sink, move |sink, read| {
                match read {
                    Some(read) => {
                        let outcome = sink.outcome(read);
                        finish(&handle, done, outcome);
                        // Never the last one, as closing waits for the ticket.
                        drop(handle);
                    }
                    None => read_later(handle, done, false, offset, length, sink),
                }
                drop((ticket, call));
            });
        }
    }
}

fn read_later(
    handle: Shared<ImageHandle>,
    done: Shared<CompletionHandle>,
    started: bool,
    offset: u64,
    length: u64,
    mut sink: Sink,
) {
    let image = handle.image.clone();
    start_reading(handle, done, started, async move {
        let read = image.read(offset, length, &mut sink).await?;
        sink.outcome(read)
    });
}
