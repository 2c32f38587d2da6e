//! Pools: create, delete, list, look up, properties.

use super::handles::{cluster as cluster_of, ioctx};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{rados_ioctx_t, rados_t};
use crate::client::{Cluster, IoCtx};
use crate::errno::Errno;
use crate::store::PoolId;
use std::ffi::{c_char, c_int};

/// CEPH_AUTH_UID_DEFAULT: pools have no owners any more, and no other value is accepted.
const ANY_OWNER: u64 = u64::MAX;

fn create(cluster: &Cluster, name: &str, crush_rule: Option<u8>) -> Result<(), Errno> {
    if name.is_empty() {
        return Err(Errno::EINVAL);
    }
    let session = cluster.session()?;
    session.wait(session.store().pool_create(name, crush_rule))?;
    Ok(())
}

fn alignment_of(io: &IoCtx) -> Result<Option<u64>, Errno> {
    let session = io.session();
    Ok(session.wait(session.store().pool_alignment(io.pool()))?)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_list(cluster: rados_t, buf: *mut c_char, len: usize) -> c_int {
    entry!("rados_pool_list", {
        if buf.is_null() && len > 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the contract that the header gives these arguments.
        let (session, mut buf) = unsafe { (cluster_of(cluster)?.session()?, OutBuf::new(buf, len)?) };
        let pools = session.wait(session.store().pool_list())?;
        buf.zero(0, len)?;
        let (mut at, mut fits) = (0, true);
        for (_, name) in &pools {
            // The first that does not fit ends the list; the length that is answered counts on.
            fits = fits && at + name.len() < len;
            if fits {
                buf.write(at, name.as_bytes())?;
            }
            at += name.len() + 1;
        }
        Ok(at + 1)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_lookup(cluster: rados_t, pool_name: *const c_char) -> i64 {
    entry!("rados_pool_lookup", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, name) = unsafe { (cluster_of(cluster)?.session()?, arg::text(pool_name)?) };
        Ok(session.wait(session.store().pool_lookup(name))?.0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_reverse_lookup(
    cluster: rados_t,
    id: i64,
    buf: *mut c_char,
    maxlen: usize,
) -> c_int {
    entry!("rados_pool_reverse_lookup", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, mut buf) = unsafe { (cluster_of(cluster)?.session()?, OutBuf::new(buf, maxlen)?) };
        let name = session.wait(session.store().pool_name(PoolId(id)))?;
        buf.write_cstr(name.as_bytes())?;
        Ok(name.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create(cluster: rados_t, pool_name: *const c_char) -> c_int {
    entry!("rados_pool_create", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, name) = unsafe { (cluster_of(cluster)?, arg::text(pool_name)?) };
        create(cluster, name, None)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create_with_auid(
    cluster: rados_t,
    pool_name: *const c_char,
    auid: u64,
) -> c_int {
    entry!("rados_pool_create_with_auid", {
        if auid != ANY_OWNER {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, name) = unsafe { (cluster_of(cluster)?, arg::text(pool_name)?) };
        create(cluster, name, None)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create_with_crush_rule(
    cluster: rados_t,
    pool_name: *const c_char,
    crush_rule_num: u8,
) -> c_int {
    entry!("rados_pool_create_with_crush_rule", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, name) = unsafe { (cluster_of(cluster)?, arg::text(pool_name)?) };
        create(cluster, name, Some(crush_rule_num))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_create_with_all(
    cluster: rados_t,
    pool_name: *const c_char,
    auid: u64,
    crush_rule_num: u8,
) -> c_int {
    entry!("rados_pool_create_with_all", {
        if auid != ANY_OWNER {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, name) = unsafe { (cluster_of(cluster)?, arg::text(pool_name)?) };
        create(cluster, name, Some(crush_rule_num))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_get_base_tier(cluster: rados_t, pool: i64, base_tier: *mut i64) -> c_int {
    entry!("rados_pool_get_base_tier", {
        // SAFETY: the contract that the header gives these arguments.
        let session = unsafe { cluster_of(cluster)? }.session()?;
        session.wait(session.store().pool_name(PoolId(pool)))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(base_tier, pool) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_pool_delete(cluster: rados_t, pool_name: *const c_char) -> c_int {
    entry!("rados_pool_delete", {
        // SAFETY: the contract that the header gives these arguments.
        let (session, name) = unsafe { (cluster_of(cluster)?.session()?, arg::text(pool_name)?) };
        session.wait(session.store().pool_delete(name))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_set_auid(io: rados_ioctx_t, auid: u64) -> c_int {
    entry!("rados_ioctx_pool_set_auid", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_get_auid(io: rados_ioctx_t, auid: *mut u64) -> c_int {
    entry!("rados_ioctx_pool_get_auid", { Err::<(), _>(Errno::EOPNOTSUPP) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_requires_alignment(io: rados_ioctx_t) -> c_int {
    entry!("rados_ioctx_pool_requires_alignment", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        Ok(c_int::from(alignment_of(io)?.is_some()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_requires_alignment2(io: rados_ioctx_t, req: *mut c_int) -> c_int {
    entry!("rados_ioctx_pool_requires_alignment2", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let requires = c_int::from(alignment_of(io)?.is_some());
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(req, requires) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_required_alignment(io: rados_ioctx_t) -> u64 {
    entry!("rados_ioctx_pool_required_alignment", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        Ok(alignment_of(io)?.unwrap_or(0))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_pool_required_alignment2(
    io: rados_ioctx_t,
    alignment: *mut u64,
) -> c_int {
    entry!("rados_ioctx_pool_required_alignment2", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let bytes = alignment_of(io)?.unwrap_or(0);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(alignment, bytes) }
    })
}
