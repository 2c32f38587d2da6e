//! Mirroring of a pool: mode, site name, peers.

use super::handles;
use crate::capi::arg;
use crate::capi::types::{
    rados_ioctx_t, rados_t, rbd_mirror_mode_t, rbd_mirror_peer_direction_t, rbd_mirror_peer_site_t,
    rbd_mirror_peer_t,
};
use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_site_name_get(
    cluster: rados_t,
    name: *mut c_char,
    max_len: *mut usize,
) -> c_int {
    stub!("rbd_mirror_site_name_get")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_site_name_set(cluster: rados_t, name: *const c_char) -> c_int {
    stub!("rbd_mirror_site_name_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_mode_get(
    io_ctx: rados_ioctx_t,
    mirror_mode: *mut rbd_mirror_mode_t,
) -> c_int {
    entry!("rbd_mirror_mode_get", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handles::place(io_ctx)? };
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(mirror_mode, rbd_mirror_mode_t::RBD_MIRROR_MODE_DISABLED) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_mode_set(
    io_ctx: rados_ioctx_t,
    mirror_mode: MaybeUninit<rbd_mirror_mode_t>,
) -> c_int {
    stub!("rbd_mirror_mode_set")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_uuid_get(
    io_ctx: rados_ioctx_t,
    uuid: *mut c_char,
    max_len: *mut usize,
) -> c_int {
    stub!("rbd_mirror_uuid_get")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_bootstrap_create(
    io_ctx: rados_ioctx_t,
    token: *mut c_char,
    max_len: *mut usize,
) -> c_int {
    stub!("rbd_mirror_peer_bootstrap_create")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_bootstrap_import(
    io_ctx: rados_ioctx_t,
    direction: MaybeUninit<rbd_mirror_peer_direction_t>,
    token: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_bootstrap_import")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_add(
    io_ctx: rados_ioctx_t,
    uuid: *mut c_char,
    uuid_max_length: usize,
    direction: MaybeUninit<rbd_mirror_peer_direction_t>,
    site_name: *const c_char,
    client_name: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_site_add")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_set_name(
    io_ctx: rados_ioctx_t,
    uuid: *const c_char,
    site_name: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_site_set_name")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_set_client_name(
    io_ctx: rados_ioctx_t,
    uuid: *const c_char,
    client_name: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_site_set_client_name")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_set_direction(
    io_ctx: rados_ioctx_t,
    uuid: *const c_char,
    direction: MaybeUninit<rbd_mirror_peer_direction_t>,
) -> c_int {
    stub!("rbd_mirror_peer_site_set_direction")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_remove(io_ctx: rados_ioctx_t, uuid: *const c_char) -> c_int {
    stub!("rbd_mirror_peer_site_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_list(
    io_ctx: rados_ioctx_t,
    peers: *mut rbd_mirror_peer_site_t,
    max_peers: *mut c_int,
) -> c_int {
    stub!("rbd_mirror_peer_site_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_list_cleanup(
    peers: *mut rbd_mirror_peer_site_t,
    max_peers: c_int,
) {
    stub!("rbd_mirror_peer_site_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_get_attributes(
    p: rados_ioctx_t,
    uuid: *const c_char,
    keys: *mut c_char,
    max_key_len: *mut usize,
    values: *mut c_char,
    max_value_len: *mut usize,
    key_value_count: *mut usize,
) -> c_int {
    stub!("rbd_mirror_peer_site_get_attributes")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_site_set_attributes(
    p: rados_ioctx_t,
    uuid: *const c_char,
    keys: *const c_char,
    values: *const c_char,
    key_value_count: usize,
) -> c_int {
    stub!("rbd_mirror_peer_site_set_attributes")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_add(
    io_ctx: rados_ioctx_t,
    uuid: *mut c_char,
    uuid_max_length: usize,
    cluster_name: *const c_char,
    client_name: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_add")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_remove(io_ctx: rados_ioctx_t, uuid: *const c_char) -> c_int {
    stub!("rbd_mirror_peer_remove")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_list(
    io_ctx: rados_ioctx_t,
    peers: *mut rbd_mirror_peer_t,
    max_peers: *mut c_int,
) -> c_int {
    stub!("rbd_mirror_peer_list")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_list_cleanup(peers: *mut rbd_mirror_peer_t, max_peers: c_int) {
    stub!("rbd_mirror_peer_list_cleanup")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_set_client(
    io_ctx: rados_ioctx_t,
    uuid: *const c_char,
    client_name: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_set_client")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_set_cluster(
    io_ctx: rados_ioctx_t,
    uuid: *const c_char,
    cluster_name: *const c_char,
) -> c_int {
    stub!("rbd_mirror_peer_set_cluster")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_get_attributes(
    p: rados_ioctx_t,
    uuid: *const c_char,
    keys: *mut c_char,
    max_key_len: *mut usize,
    values: *mut c_char,
    max_value_len: *mut usize,
    key_value_count: *mut usize,
) -> c_int {
    stub!("rbd_mirror_peer_get_attributes")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rbd_mirror_peer_set_attributes(
    p: rados_ioctx_t,
    uuid: *const c_char,
    keys: *const c_char,
    values: *const c_char,
    key_value_count: usize,
) -> c_int {
    stub!("rbd_mirror_peer_set_attributes")
}
