//! Services, applications, cache pins.

use super::handles::{cluster as cluster_of, ioctx};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{rados_ioctx_t, rados_t};
use crate::client::IoCtx;
use crate::errno::Errno;
use std::ffi::{c_char, c_int};

fn metadata(io: &IoCtx, app: &str) -> Result<Vec<(String, String)>, Errno> {
    let session = io.session();
    Ok(session.wait(session.store().application_metadata(io.pool(), app))?)
}

/// How long a list of texts is, each with its NUL.
fn list_len<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.len() + 1).sum()
}

/// Writes texts, each with its NUL, and one NUL more if there is room for it; their length without that one is written
/// to `len`, too if they do not fit (ERANGE).
///
/// # Safety
/// `len` is null or an initialised `usize`, `buf` null or writable for as many bytes.
unsafe fn give_list<'a>(
    buf: *mut c_char,
    len: *mut usize,
    texts: impl Iterator<Item = &'a str>,
) -> Result<(), Errno> {
    let all: Vec<u8> = texts.flat_map(|text| text.bytes().chain([0])).collect();
    // SAFETY: the caller's promise.
    unsafe {
        let room = arg::read(len)?;
        arg::out(len, all.len())?;
        let mut buf = OutBuf::new(buf, room)?;
        buf.write(0, &all)?;
        if room > all.len() { buf.zero(all.len(), 1) } else { Ok(()) }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cache_pin(io: rados_ioctx_t, o: *const c_char) -> c_int {
    entry!("rados_cache_pin", {
        // A pool that is no cache tier: what an OSD answers.
        Err::<(), _>(Errno::EINVAL)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_cache_unpin(io: rados_ioctx_t, o: *const c_char) -> c_int {
    entry!("rados_cache_unpin", { Err::<(), _>(Errno::EINVAL) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_enable(
    io: rados_ioctx_t,
    app_name: *const c_char,
    force: c_int,
) -> c_int {
    entry!("rados_application_enable", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, app) = unsafe { (ioctx(io)?, arg::text(app_name)?) };
        let session = io.session();
        session.wait(session.store().application_enable(io.pool(), app, force != 0))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_list(
    io: rados_ioctx_t,
    values: *mut c_char,
    values_len: *mut usize,
) -> c_int {
    entry!("rados_application_list", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let session = io.session();
        let apps = session.wait(session.store().application_list(io.pool()))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { give_list(values, values_len, apps.iter().map(String::as_str)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_get(
    io: rados_ioctx_t,
    app_name: *const c_char,
    key: *const c_char,
    value: *mut c_char,
    value_len: *mut usize,
) -> c_int {
    entry!("rados_application_metadata_get", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, app, key, room) =
            unsafe { (ioctx(io)?, arg::text(app_name)?, arg::text(key)?, arg::read(value_len)?) };
        let all = metadata(io, app)?;
        let (_, found) = all.iter().find(|(known, _)| known == key).ok_or(Errno::ENOENT)?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            arg::out(value_len, found.len() + 1)?;
            if found.len() < room {
                OutBuf::new(value, room)?.write_cstr(found.as_bytes())
            } else {
                Err(Errno::ERANGE)
            }
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_set(
    io: rados_ioctx_t,
    app_name: *const c_char,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    entry!("rados_application_metadata_set", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, app, key, value) =
            unsafe { (ioctx(io)?, arg::text(app_name)?, arg::text(key)?, arg::text(value)?) };
        let session = io.session();
        session.wait(session.store().application_metadata_set(io.pool(), app, key, Some(value)))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_remove(
    io: rados_ioctx_t,
    app_name: *const c_char,
    key: *const c_char,
) -> c_int {
    entry!("rados_application_metadata_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, app, key) = unsafe { (ioctx(io)?, arg::text(app_name)?, arg::text(key)?) };
        let session = io.session();
        session.wait(session.store().application_metadata_set(io.pool(), app, key, None))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_application_metadata_list(
    io: rados_ioctx_t,
    app_name: *const c_char,
    keys: *mut c_char,
    key_len: *mut usize,
    values: *mut c_char,
    vals_len: *mut usize,
) -> c_int {
    entry!("rados_application_metadata_list", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, app) = unsafe { (ioctx(io)?, arg::text(app_name)?) };
        let all = metadata(io, app)?;
        let (room, values_room) =
            (list_len(all.iter().map(|(key, _)| &**key)), list_len(all.iter().map(|(_, value)| &**value)));
        // SAFETY: the contract that the header gives these arguments.
        unsafe {
            if arg::read(key_len)? < room || arg::read(vals_len)? < values_room {
                arg::out(key_len, room)?;
                arg::out(vals_len, values_room)?;
                return Err(Errno::ERANGE);
            }
            give_list(keys, key_len, all.iter().map(|(key, _)| &**key))?;
            give_list(values, vals_len, all.iter().map(|(_, value)| &**value))
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_service_register(
    cluster: rados_t,
    service: *const c_char,
    daemon: *const c_char,
    metadata_dict: *const c_char,
) -> c_int {
    entry!("rados_service_register", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, service, daemon, metadata) = unsafe {
            (cluster_of(cluster)?, arg::bytes(service)?, arg::bytes(daemon)?, arg::pairs(metadata_dict)?)
        };
        cluster.register_service(service, daemon, metadata)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_service_update_status(cluster: rados_t, status_dict: *const c_char) -> c_int {
    entry!("rados_service_update_status", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, status) = unsafe { (cluster_of(cluster)?, arg::pairs(status_dict)?) };
        cluster.set_service_status(status)
    })
}
