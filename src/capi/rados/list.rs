//! Listing of objects, with positions and cursors.

use super::handles::ioctx;
use crate::capi::arg;
use crate::capi::handle::{self, Handle};
use crate::capi::types::{rados_ioctx_t, rados_list_ctx_t, rados_object_list_cursor, rados_object_list_item};
use crate::client::IoCtx;
use crate::client::listing::{Listing, hash_of, page, position_of, position_of_hash, slice};
use crate::errno::Errno;
use crate::store::name::bytes_of;
use crate::store::{ListCursor, ListEntry};
use crate::sync::Mutex;
use std::ffi::{c_char, c_int};

/// `rados_list_ctx_t`.
struct ListHandle {
    listing: Listing,
    /// Texts of the object that was listed last; C holds pointers to them until the next step.
    texts: Mutex<[Vec<u8>; 3]>,
}

impl Handle for ListHandle {
    const TAG: [u8; 8] = *b"listing\0";
}

/// One listed object: pointers and lengths. No locator key is a null pointer.
struct Step {
    oid: (*const c_char, usize),
    key: (*const c_char, usize),
    namespace: (*const c_char, usize),
}

impl ListHandle {
    fn new(listing: Listing) -> ListHandle {
        ListHandle { listing, texts: Mutex::default() }
    }

    /// ENOENT at the end.
    fn step(&self) -> Result<Step, Errno> {
        let entry = self.listing.next()?.ok_or(Errno::ENOENT)?;
        let mut texts = self.texts.lock();
        *texts =
            [&entry.oid, &entry.key, &entry.namespace].map(|text| [&bytes_of(text), &b"\0"[..]].concat());
        let [oid, key, namespace] = texts.each_ref().map(|text| (text.as_ptr().cast(), text.len() - 1));
        let key = if key.1 == 0 { (std::ptr::null(), 0) } else { key };
        Ok(Step { oid, key, namespace })
    }
}

/// `rados_object_list_cursor`. Calls move it in place, as C expects.
struct CursorHandle(Mutex<ListCursor>);

impl Handle for CursorHandle {
    const TAG: [u8; 8] = *b"cursor\0\0";
}

/// # Safety
/// As for [`handle::borrow`].
unsafe fn cursor_at(cursor: rados_object_list_cursor) -> Result<ListCursor, Errno> {
    // SAFETY: the caller's promise.
    Ok(unsafe { handle::borrow::<CursorHandle>(cursor)? }.0.lock().clone())
}

/// Objects from one position up to another, at most `max`, and where to go on.
fn collect(
    io: &IoCtx,
    from: ListCursor,
    to: &ListCursor,
    max: usize,
) -> Result<(Vec<ListEntry>, ListCursor), Errno> {
    if from >= *to || max == 0 {
        return Ok((Vec::new(), from));
    }
    let (mut entries, next) = page(io, from, max)?;
    match entries.iter().position(|entry| position_of(entry) >= *to) {
        Some(past) => {
            entries.truncate(past);
            Ok((entries, to.clone()))
        }
        None => Ok((entries, next.min(to.clone()))),
    }
}

fn item_of(entry: &ListEntry) -> Result<rados_object_list_item, Errno> {
    let [oid, namespace, key] = [&entry.oid, &entry.namespace, &entry.key].map(|text| bytes_of(text));
    Ok(rados_object_list_item {
        oid_length: oid.len(),
        oid: arg::malloc_cstr(&oid)?,
        nspace_length: namespace.len(),
        nspace: arg::malloc_cstr(&namespace)?,
        locator_length: key.len(),
        locator: arg::malloc_cstr(&key)?,
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_open(io: rados_ioctx_t, ctx: *mut rados_list_ctx_t) -> c_int {
    entry!("rados_nobjects_list_open", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let made = ListHandle::new(Listing::open(io.clone()));
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(ctx, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_get_pg_hash_position(ctx: rados_list_ctx_t) -> u32 {
    entry!("rados_nobjects_list_get_pg_hash_position", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(hash_of(&unsafe { handle::borrow::<ListHandle>(ctx)? }.listing.position()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_seek(ctx: rados_list_ctx_t, pos: u32) -> u32 {
    entry!("rados_nobjects_list_seek", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::borrow::<ListHandle>(ctx)? }.listing.seek(position_of_hash(pos));
        Ok(pos)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_seek_cursor(
    ctx: rados_list_ctx_t,
    cursor: rados_object_list_cursor,
) -> u32 {
    entry!("rados_nobjects_list_seek_cursor", {
        // SAFETY: the contract that the header gives these arguments.
        let (list, cursor) =
            unsafe { (handle::borrow::<ListHandle>(ctx)?, handle::borrow::<CursorHandle>(cursor)?) };
        let to = cursor.0.lock().clone();
        let hash = hash_of(&to);
        list.listing.seek(to);
        Ok(hash)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_get_cursor(
    ctx: rados_list_ctx_t,
    cursor: *mut rados_object_list_cursor,
) -> c_int {
    entry!("rados_nobjects_list_get_cursor", {
        // SAFETY: the contract that the header gives these arguments.
        let list = unsafe { handle::borrow::<ListHandle>(ctx)? };
        let made = CursorHandle(Mutex::new(list.listing.position()));
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(cursor, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_next(
    ctx: rados_list_ctx_t,
    entry: *mut *const c_char,
    key: *mut *const c_char,
    nspace: *mut *const c_char,
) -> c_int {
    entry!("rados_nobjects_list_next", {
        // SAFETY: the contract that the header gives these arguments.
        let list = unsafe { handle::borrow::<ListHandle>(ctx)? };
        let step = list.step()?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::out(entry, step.oid.0)?;
            arg::opt_out(key, step.key.0);
            arg::opt_out(nspace, step.namespace.0);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_next2(
    ctx: rados_list_ctx_t,
    entry: *mut *const c_char,
    key: *mut *const c_char,
    nspace: *mut *const c_char,
    entry_size: *mut usize,
    key_size: *mut usize,
    nspace_size: *mut usize,
) -> c_int {
    entry!("rados_nobjects_list_next2", {
        // SAFETY: the contract that the header gives these arguments.
        let list = unsafe { handle::borrow::<ListHandle>(ctx)? };
        let step = list.step()?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::out(entry, step.oid.0)?;
            arg::opt_out(key, step.key.0);
            arg::opt_out(nspace, step.namespace.0);
            arg::opt_out(entry_size, step.oid.1);
            arg::opt_out(key_size, step.key.1);
            arg::opt_out(nspace_size, step.namespace.1);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_close(ctx: rados_list_ctx_t) {
    entry!("rados_nobjects_list_close", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<ListHandle>(ctx) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_begin(io: rados_ioctx_t) -> rados_object_list_cursor {
    entry!("rados_object_list_begin", { Ok(handle::create(CursorHandle(Mutex::new(ListCursor::begin())))) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_end(io: rados_ioctx_t) -> rados_object_list_cursor {
    entry!("rados_object_list_end", { Ok(handle::create(CursorHandle(Mutex::new(ListCursor::End)))) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_is_end(io: rados_ioctx_t, cur: rados_object_list_cursor) -> c_int {
    entry!("rados_object_list_is_end", {
        // SAFETY: the contract that the header gives these arguments.
        let cursor = unsafe { handle::borrow::<CursorHandle>(cur)? };
        Ok(c_int::from(*cursor.0.lock() == ListCursor::End))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_cursor_free(io: rados_ioctx_t, cur: rados_object_list_cursor) {
    entry!("rados_object_list_cursor_free", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release::<CursorHandle>(cur) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_cursor_cmp(
    io: rados_ioctx_t,
    lhs: rados_object_list_cursor,
    rhs: rados_object_list_cursor,
) -> c_int {
    entry!("rados_object_list_cursor_cmp", {
        // SAFETY: the contract that the header gives these arguments.
        let (left, right) = unsafe { (cursor_at(lhs)?, cursor_at(rhs)?) };
        Ok(left.cmp(&right) as c_int)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list(
    io: rados_ioctx_t,
    start: rados_object_list_cursor,
    finish: rados_object_list_cursor,
    result_size: usize,
    filter_buf: *const c_char,
    filter_buf_len: usize,
    results: *mut rados_object_list_item,
    next: *mut rados_object_list_cursor,
) -> c_int {
    entry!("rados_object_list", {
        if filter_buf_len > 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        // SAFETY: the contract that the header gives these arguments.
        let (io, from, to, next) = unsafe {
            let next = handle::borrow::<CursorHandle>(arg::read(next)?)?;
            (ioctx(io)?, cursor_at(start)?, cursor_at(finish)?, next)
        };
        let found = collect(io, from, &to, result_size);
        *next.0.lock() = found.as_ref().map_or(ListCursor::End, |(_, next)| next.clone());
        let items = found?.0.iter().map(item_of).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out_slice(results, &items)? };
        Ok(items.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_free(result_size: usize, results: *mut rados_object_list_item) {
    entry!("rados_object_list_free", {
        // SAFETY: the contract that the header gives these arguments.
        for item in unsafe { arg::slice(results, result_size)? } {
            for text in [item.oid, item.nspace, item.locator] {
                // SAFETY: from malloc by `rados_object_list`, or null.
                unsafe { arg::free(text) };
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_slice(
    io: rados_ioctx_t,
    start: rados_object_list_cursor,
    finish: rados_object_list_cursor,
    n: usize,
    m: usize,
    split_start: *mut rados_object_list_cursor,
    split_finish: *mut rados_object_list_cursor,
) {
    entry!("rados_object_list_slice", {
        // SAFETY: the contract that the header gives these arguments.
        let (from, to, begin, end) = unsafe {
            let begin = handle::borrow::<CursorHandle>(arg::read(split_start)?)?;
            let end = handle::borrow::<CursorHandle>(arg::read(split_finish)?)?;
            (cursor_at(start)?, cursor_at(finish)?, begin, end)
        };
        let (first, last) = slice(&from, &to, n as u64, m as u64).ok_or(Errno::EINVAL)?;
        *begin.0.lock() = first;
        *end.0.lock() = last;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_open(io: rados_ioctx_t, ctx: *mut rados_list_ctx_t) -> c_int {
    // These five are no longer supported, says the header: the same answers whatever the arguments are, as
    // capi-tests/rados_deprecated.c sees them on Ceph. rados_nobjects_list_* took their place.
    entry!("rados_objects_list_open", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_get_pg_hash_position(ctx: rados_list_ctx_t) -> u32 {
    entry!("rados_objects_list_get_pg_hash_position", { Ok(0) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_seek(ctx: rados_list_ctx_t, pos: u32) -> u32 {
    entry!("rados_objects_list_seek", { Ok(0) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_next(
    ctx: rados_list_ctx_t,
    entry: *mut *const c_char,
    key: *mut *const c_char,
) -> c_int {
    entry!("rados_objects_list_next", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_close(ctx: rados_list_ctx_t) {
    entry!("rados_objects_list_close", { Ok(()) })
}
