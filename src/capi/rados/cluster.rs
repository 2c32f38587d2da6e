//! The life of a cluster handle, and facts about the cluster.

use super::handles::{ClusterHandle, ContextHandle, cluster as cluster_of};
use crate::capi::arg::{self, OutBuf};
use crate::capi::handle;
use crate::capi::types::{
    LIBRADOS_VER_EXTRA, LIBRADOS_VER_MAJOR, LIBRADOS_VER_MINOR, rados_cluster_stat_t, rados_config_t, rados_t,
};
use crate::client::Cluster;
use crate::conf::{Config, Process};
use crate::errno::Errno;
use std::ffi::{c_char, c_int};

const NO_FSID: &str = "00000000-0000-0000-0000-000000000000";

fn blocklist(cluster: &Cluster, address: &str, expire_s: u32) -> Result<(), Errno> {
    let session = cluster.session()?;
    session.wait(session.store().blocklist_add(address, expire_s))?;
    Ok(())
}

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
    entry!("rados_create", {
        // SAFETY: the contract that the header gives these arguments.
        let id = unsafe { arg::opt_text(id)? };
        let made = ClusterHandle::new(Config::new(id.unwrap_or("admin"), &Process));
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(cluster, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create2(
    pcluster: *mut rados_t,
    clustername: *const c_char,
    name: *const c_char,
    flags: u64,
) -> c_int {
    entry!("rados_create2", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, name) = unsafe { (arg::opt_text(clustername)?, arg::text(name)?) };
        let config = Config::named(cluster.unwrap_or(""), name, &Process)?;
        let made = ClusterHandle::new(config);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(pcluster, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_create_with_context(cluster: *mut rados_t, cct: rados_config_t) -> c_int {
    entry!("rados_create_with_context", {
        // SAFETY: the contract that the header gives these arguments.
        let context = unsafe { handle::shared::<ContextHandle>(cct)? };
        let made = ClusterHandle::with(context);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(cluster, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_connect(cluster: rados_t) -> c_int {
    entry!("rados_connect", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { cluster_of(cluster)? }.connect()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_shutdown(cluster: rados_t) {
    entry!("rados_shutdown", {
        // SAFETY: the contract that the header gives these arguments.
        let handle = unsafe { handle::release::<ClusterHandle>(cluster)? };
        handle.cluster.shutdown();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cluster_stat(cluster: rados_t, result: *mut rados_cluster_stat_t) -> c_int {
    entry!("rados_cluster_stat", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { cluster_of(cluster)? }.session()?;
        let stat = session.wait(session.store().cluster_stat())?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::out(
                result,
                rados_cluster_stat_t {
                    kb: stat.total_kib,
                    kb_used: stat.used_kib,
                    kb_avail: stat.available_kib,
                    num_objects: stat.objects,
                },
            )
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cluster_fsid(cluster: rados_t, buf: *mut c_char, len: usize) -> c_int {
    entry!("rados_cluster_fsid", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, mut buf) = unsafe { (cluster_of(cluster)?, OutBuf::new(buf, len)?) };
        // As in Ceph, a client that is not connected has a cluster id of zeros.
        let fsid = cluster.session().map_or_else(|_| NO_FSID.to_owned(), |session| session.store().fsid());
        buf.write_cstr(fsid.as_bytes())?;
        Ok(fsid.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_wait_for_latest_osdmap(cluster: rados_t) -> c_int {
    entry!("rados_wait_for_latest_osdmap", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { cluster_of(cluster)? }.session()?;
        session.wait(session.store().wait_for_latest_map())?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cct(cluster: rados_t) -> rados_config_t {
    entry!("rados_cct", {
        // SAFETY: the contract that the header gives these arguments.
        let handle = unsafe { handle::borrow::<ClusterHandle>(cluster)? };
        Ok(handle::raw(&handle.context))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_get_instance_id(cluster: rados_t) -> u64 {
    entry!("rados_get_instance_id", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { cluster_of(cluster)? }.session()?.store().instance_id())
    })
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
    entry!("rados_blocklist_add", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, address) = unsafe { (cluster_of(cluster)?, arg::text(client_address)?) };
        blocklist(cluster, address, expire_seconds)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_blacklist_add(
    cluster: rados_t,
    client_address: *mut c_char,
    expire_seconds: u32,
) -> c_int {
    entry!("rados_blacklist_add", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, address) = unsafe { (cluster_of(cluster)?, arg::text(client_address)?) };
        blocklist(cluster, address, expire_seconds)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_getaddrs(cluster: rados_t, addrs: *mut *mut c_char) -> c_int {
    entry!("rados_getaddrs", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { cluster_of(cluster)? }.session()?;
        let text = arg::malloc_cstr(session.store().addrs().as_bytes())?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(addrs, text) }.inspect_err(|_| {
            // SAFETY: just made, and given to nobody.
            unsafe { arg::free(text) }
        })
    })
}
