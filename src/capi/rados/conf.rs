//! rados_conf_*: options of a cluster handle.

use crate::capi::types::rados_t;
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_read_file(cluster: rados_t, path: *const c_char) -> c_int {
    stub!("rados_conf_read_file")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_parse_argv(
    cluster: rados_t,
    argc: c_int,
    argv: *mut *const c_char,
) -> c_int {
    stub!("rados_conf_parse_argv")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_parse_argv_remainder(
    cluster: rados_t,
    argc: c_int,
    argv: *mut *const c_char,
    remargv: *mut *const c_char,
) -> c_int {
    stub!("rados_conf_parse_argv_remainder")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_parse_env(cluster: rados_t, var: *const c_char) -> c_int {
    stub!("rados_conf_parse_env")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_set(
    cluster: rados_t,
    option: *const c_char,
    value: *const c_char,
) -> c_int {
    stub!("rados_conf_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_get(
    cluster: rados_t,
    option: *const c_char,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    stub!("rados_conf_get")
}
