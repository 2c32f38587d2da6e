//! The life of a cluster handle, and facts about the cluster.

use crate::capi::arg;
use crate::capi::types::{
    LIBRADOS_VER_EXTRA, LIBRADOS_VER_MAJOR, LIBRADOS_VER_MINOR, rados_cluster_stat_t, rados_config_t, rados_t,
};
use std::ffi::{c_char, c_int};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_version(major: *mut c_int, minor: *mut c_int, extra: *mut c_int) {
    entry!("rados_version", {
        // SAFETY: each is null or writable by the header's contract.
        unsafe {
            arg::opt_out(major, LIBRADOS_VER_MAJOR);
            arg::opt_out(minor, LIBRADOS_VER_MINOR);
            arg::opt_out(extra, LIBRADOS_VER_EXTRA);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create(cluster: *mut rados_t, id: *const c_char) -> c_int {
    stub!("rados_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create2(
    pcluster: *mut rados_t,
    clustername: *const c_char,
    name: *const c_char,
    flags: u64,
) -> c_int {
    stub!("rados_create2")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create_with_context(cluster: *mut rados_t, cct: rados_config_t) -> c_int {
    stub!("rados_create_with_context")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_connect(cluster: rados_t) -> c_int {
    stub!("rados_connect")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_shutdown(cluster: rados_t) {
    stub!("rados_shutdown")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cluster_stat(cluster: rados_t, result: *mut rados_cluster_stat_t) -> c_int {
    stub!("rados_cluster_stat")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cluster_fsid(cluster: rados_t, buf: *mut c_char, len: usize) -> c_int {
    stub!("rados_cluster_fsid")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_wait_for_latest_osdmap(cluster: rados_t) -> c_int {
    stub!("rados_wait_for_latest_osdmap")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cct(cluster: rados_t) -> rados_config_t {
    stub!("rados_cct")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_get_instance_id(cluster: rados_t) -> u64 {
    stub!("rados_get_instance_id")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_get_min_compatible_osd(
    cluster: rados_t,
    require_osd_release: *mut i8,
) -> c_int {
    stub!("rados_get_min_compatible_osd")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_get_min_compatible_client(
    cluster: rados_t,
    min_compat_client: *mut i8,
    require_min_compat_client: *mut i8,
) -> c_int {
    stub!("rados_get_min_compatible_client")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_blocklist_add(
    cluster: rados_t,
    client_address: *mut c_char,
    expire_seconds: u32,
) -> c_int {
    stub!("rados_blocklist_add")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_blacklist_add(
    cluster: rados_t,
    client_address: *mut c_char,
    expire_seconds: u32,
) -> c_int {
    stub!("rados_blacklist_add")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_getaddrs(cluster: rados_t, addrs: *mut *mut c_char) -> c_int {
    stub!("rados_getaddrs")
}
