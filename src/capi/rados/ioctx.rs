//! I/O contexts: creation, namespace, locator, flags.

use super::handles::{ClusterHandle, IoCtxHandle, ioctx};
use crate::capi::arg::{self, OutBuf};
use crate::capi::handle;
use crate::capi::types::{rados_config_t, rados_ioctx_t, rados_t};
use crate::client::IoCtx;
use crate::store::PoolId;
use crate::store::name::bytes_of;
use std::ffi::{c_char, c_int, c_uint};
use std::sync::Arc;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_create(
    cluster: rados_t,
    pool_name: *const c_char,
    ioctx: *mut rados_ioctx_t,
) -> c_int {
    entry!("rados_ioctx_create", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, pool) = unsafe { (handle::shared::<ClusterHandle>(cluster)?, arg::text(pool_name)?) };
        let io = Arc::new(IoCtx::open(cluster.cluster.session()?, pool)?);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(ioctx, IoCtxHandle { io, cluster }) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_create2(
    cluster: rados_t,
    pool_id: i64,
    ioctx: *mut rados_ioctx_t,
) -> c_int {
    entry!("rados_ioctx_create2", {
        // SAFETY: the contract that the header gives these arguments.
        let cluster = unsafe { handle::shared::<ClusterHandle>(cluster)? };
        let io = Arc::new(IoCtx::open_id(cluster.cluster.session()?, PoolId(pool_id))?);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(ioctx, IoCtxHandle { io, cluster }) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_destroy(io: rados_ioctx_t) {
    entry!("rados_ioctx_destroy", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release_shared::<IoCtxHandle>(io) }.map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_cct(io: rados_ioctx_t) -> rados_config_t {
    entry!("rados_ioctx_cct", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { handle::borrow::<IoCtxHandle>(io)? };
        Ok(handle::raw(&io.cluster.context))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_cluster(io: rados_ioctx_t) -> rados_t {
    entry!("rados_ioctx_get_cluster", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { handle::borrow::<IoCtxHandle>(io)? };
        Ok(handle::raw(&io.cluster))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_id(io: rados_ioctx_t) -> i64 {
    entry!("rados_ioctx_get_id", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { ioctx(io)? }.pool().0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_pool_name(
    io: rados_ioctx_t,
    buf: *mut c_char,
    maxlen: c_uint,
) -> c_int {
    entry!("rados_ioctx_get_pool_name", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, mut buf) = unsafe { (ioctx(io)?, OutBuf::new(buf, maxlen as usize)?) };
        let session = io.session();
        let name = session.wait(session.store().pool_name(io.pool()))?;
        buf.write_cstr(name.as_bytes())?;
        Ok(name.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_locator_set_key(io: rados_ioctx_t, key: *const c_char) {
    entry!("rados_ioctx_locator_set_key", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, key) = unsafe { (ioctx(io)?, arg::opt_name(key)) };
        io.set_key(&key);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_set_namespace(io: rados_ioctx_t, nspace: *const c_char) {
    entry!("rados_ioctx_set_namespace", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, namespace) = unsafe { (ioctx(io)?, arg::opt_name(nspace)) };
        io.set_namespace(&namespace);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_get_namespace(
    io: rados_ioctx_t,
    buf: *mut c_char,
    maxlen: c_uint,
) -> c_int {
    entry!("rados_ioctx_get_namespace", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, mut buf) = unsafe { (ioctx(io)?, OutBuf::new(buf, maxlen as usize)?) };
        let namespace = io.namespace();
        let namespace = bytes_of(&namespace);
        buf.write_cstr(&namespace)?;
        Ok(namespace.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_get_last_version(io: rados_ioctx_t) -> u64 {
    entry!("rados_get_last_version", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { ioctx(io)? }.last_version())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_osdmap_full_try(io: rados_ioctx_t) {
    entry!("rados_set_osdmap_full_try", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { ioctx(io)? }.set_full_try(true);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unset_osdmap_full_try(io: rados_ioctx_t) {
    entry!("rados_unset_osdmap_full_try", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { ioctx(io)? }.set_full_try(false);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_set_pool_full_try(io: rados_ioctx_t) {
    entry!("rados_set_pool_full_try", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { ioctx(io)? }.set_full_try(true);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unset_pool_full_try(io: rados_ioctx_t) {
    entry!("rados_unset_pool_full_try", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { ioctx(io)? }.set_full_try(false);
        Ok(())
    })
}
