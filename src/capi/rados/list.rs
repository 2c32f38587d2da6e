//! Listing of objects, with positions and cursors.

use crate::capi::types::{rados_ioctx_t, rados_list_ctx_t, rados_object_list_cursor, rados_object_list_item};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_open(io: rados_ioctx_t, ctx: *mut rados_list_ctx_t) -> c_int {
    stub!("rados_nobjects_list_open")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_get_pg_hash_position(ctx: rados_list_ctx_t) -> u32 {
    stub!("rados_nobjects_list_get_pg_hash_position")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_seek(ctx: rados_list_ctx_t, pos: u32) -> u32 {
    stub!("rados_nobjects_list_seek")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_seek_cursor(
    ctx: rados_list_ctx_t,
    cursor: rados_object_list_cursor,
) -> u32 {
    stub!("rados_nobjects_list_seek_cursor")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_get_cursor(
    ctx: rados_list_ctx_t,
    cursor: *mut rados_object_list_cursor,
) -> c_int {
    stub!("rados_nobjects_list_get_cursor")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_next(
    ctx: rados_list_ctx_t,
    entry: *mut *const c_char,
    key: *mut *const c_char,
    nspace: *mut *const c_char,
) -> c_int {
    stub!("rados_nobjects_list_next")
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
    stub!("rados_nobjects_list_next2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_nobjects_list_close(ctx: rados_list_ctx_t) {
    stub!("rados_nobjects_list_close")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_begin(io: rados_ioctx_t) -> rados_object_list_cursor {
    stub!("rados_object_list_begin")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_end(io: rados_ioctx_t) -> rados_object_list_cursor {
    stub!("rados_object_list_end")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_is_end(io: rados_ioctx_t, cur: rados_object_list_cursor) -> c_int {
    stub!("rados_object_list_is_end")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_cursor_free(io: rados_ioctx_t, cur: rados_object_list_cursor) {
    stub!("rados_object_list_cursor_free")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_cursor_cmp(
    io: rados_ioctx_t,
    lhs: rados_object_list_cursor,
    rhs: rados_object_list_cursor,
) -> c_int {
    stub!("rados_object_list_cursor_cmp")
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
    stub!("rados_object_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_object_list_free(result_size: usize, results: *mut rados_object_list_item) {
    stub!("rados_object_list_free")
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
    stub!("rados_object_list_slice")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_open(io: rados_ioctx_t, ctx: *mut rados_list_ctx_t) -> c_int {
    stub!("rados_objects_list_open")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_get_pg_hash_position(ctx: rados_list_ctx_t) -> u32 {
    stub!("rados_objects_list_get_pg_hash_position")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_seek(ctx: rados_list_ctx_t, pos: u32) -> u32 {
    stub!("rados_objects_list_seek")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_next(
    ctx: rados_list_ctx_t,
    entry: *mut *const c_char,
    key: *mut *const c_char,
) -> c_int {
    stub!("rados_objects_list_next")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_objects_list_close(ctx: rados_list_ctx_t) {
    stub!("rados_objects_list_close")
}
