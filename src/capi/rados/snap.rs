//! Pool snapshots and self-managed snapshots.

use super::handles::completion as completion_of;
use super::handles::{failure, finish, ioctx};
use crate::capi::arg::{self, Later, OutBuf};
use crate::capi::types::{rados_completion_t, rados_ioctx_t, rados_snap_t};
use crate::client::IoCtx;
use crate::errno::Errno;
use crate::store::{Op, OpFlags, SnapContext, SnapId};
use libc::time_t;
use std::ffi::{c_char, c_int};

/// The pool snapshot that is asked for: id, name, time. ENOENT if there is none.
fn find(io: &IoCtx, wanted: impl Fn(SnapId, &str) -> bool) -> Result<(SnapId, String, u64), Errno> {
    let session = io.session();
    let all = session.wait(session.store().pool_snap_list(io.pool()))?;
    all.into_iter().find(|(id, name, _)| wanted(*id, name)).ok_or(Errno::ENOENT)
}

/// Allowed while reads are directed at a snapshot, unlike other writes.
fn rollback(io: &IoCtx, oid: &str, snap: SnapId) -> Result<c_int, Errno> {
    let request = io.request(oid, vec![(Op::Rollback { snap }, 0)], OpFlags::default());
    Ok(io.run(request)?.ok()?.result)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_create(io: rados_ioctx_t, snapname: *const c_char) -> c_int {
    entry!("rados_ioctx_snap_create", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, name) = unsafe { (ioctx(io)?, arg::text(snapname)?) };
        let session = io.session();
        session.wait(session.store().pool_snap_create(io.pool(), name))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_remove(io: rados_ioctx_t, snapname: *const c_char) -> c_int {
    entry!("rados_ioctx_snap_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, name) = unsafe { (ioctx(io)?, arg::text(snapname)?) };
        let session = io.session();
        session.wait(session.store().pool_snap_remove(io.pool(), name))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_rollback(
    io: rados_ioctx_t,
    oid: *const c_char,
    snapname: *const c_char,
) -> c_int {
    entry!("rados_ioctx_snap_rollback", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name) = unsafe { (ioctx(io)?, arg::name(oid)?, arg::text(snapname)?) };
        rollback(io, &oid, find(io, |_, known| known == name)?.0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_rollback(
    io: rados_ioctx_t,
    oid: *const c_char,
    snapname: *const c_char,
) -> c_int {
    entry!("rados_rollback", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name) = unsafe { (ioctx(io)?, arg::name(oid)?, arg::text(snapname)?) };
        rollback(io, &oid, find(io, |_, known| known == name)?.0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_set_read(io: rados_ioctx_t, snap: rados_snap_t) {
    entry!("rados_ioctx_snap_set_read", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { ioctx(io)? }.set_read_snap(SnapId(snap));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_selfmanaged_snap_create(
    io: rados_ioctx_t,
    snapid: *mut rados_snap_t,
) -> c_int {
    entry!("rados_ioctx_selfmanaged_snap_create", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let session = io.session();
        let made = session.wait(session.store().selfmanaged_snap_create(io.pool()))?;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(snapid, made.0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_ioctx_selfmanaged_snap_create(
    io: rados_ioctx_t,
    snapid: *mut rados_snap_t,
    completion: rados_completion_t,
) {
    entry!("rados_aio_ioctx_selfmanaged_snap_create", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, done, at) = unsafe { (ioctx(io)?, completion_of(completion)?, Later::new(snapid)) };
        let session = io.session().clone();
        io.session().start(session.store().selfmanaged_snap_create(io.pool()), move |made| {
            finish(done, &session, || match made {
                Ok(made) => {
                    at.set(made.0);
                    (0, 0)
                }
                Err(error) => (failure(&error), 0),
            });
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_selfmanaged_snap_remove(
    io: rados_ioctx_t,
    snapid: rados_snap_t,
) -> c_int {
    entry!("rados_ioctx_selfmanaged_snap_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let session = io.session();
        session.wait(session.store().selfmanaged_snap_remove(io.pool(), SnapId(snapid)))?;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_ioctx_selfmanaged_snap_remove(
    io: rados_ioctx_t,
    snapid: rados_snap_t,
    completion: rados_completion_t,
) {
    entry!("rados_aio_ioctx_selfmanaged_snap_remove", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, done) = unsafe { (ioctx(io)?, completion_of(completion)?) };
        let session = io.session().clone();
        io.session().start(
            session.store().selfmanaged_snap_remove(io.pool(), SnapId(snapid)),
            move |removed| {
                finish(done, &session, || (removed.map_or_else(|error| failure(&error), |()| 0), 0));
            },
        );
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_selfmanaged_snap_rollback(
    io: rados_ioctx_t,
    oid: *const c_char,
    snapid: rados_snap_t,
) -> c_int {
    entry!("rados_ioctx_selfmanaged_snap_rollback", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid) = unsafe { (ioctx(io)?, arg::name(oid)?) };
        rollback(io, &oid, SnapId(snapid))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_selfmanaged_snap_set_write_ctx(
    io: rados_ioctx_t,
    seq: rados_snap_t,
    snaps: *mut rados_snap_t,
    num_snaps: c_int,
) -> c_int {
    entry!("rados_ioctx_selfmanaged_snap_set_write_ctx", {
        let count = usize::try_from(num_snaps).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the contract that the header gives these arguments.
        let (io, snaps) = unsafe { (ioctx(io)?, arg::slice(snaps, count)?) };
        io.set_snapc(SnapContext { seq, snaps: snaps.iter().copied().map(SnapId).collect() })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_list(
    io: rados_ioctx_t,
    snaps: *mut rados_snap_t,
    maxlen: c_int,
) -> c_int {
    entry!("rados_ioctx_snap_list", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let session = io.session();
        let all = session.wait(session.store().pool_snap_list(io.pool()))?;
        if all.len() > usize::try_from(maxlen).unwrap_or(0) {
            return Err(Errno::ERANGE);
        }
        let ids: Vec<u8> = all.iter().flat_map(|(id, _, _)| id.0.to_ne_bytes()).collect();
        // SAFETY: the contract that the header gives these arguments.
        unsafe { OutBuf::new(snaps.cast(), ids.len())? }.write(0, &ids)?;
        Ok(all.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_lookup(
    io: rados_ioctx_t,
    name: *const c_char,
    id: *mut rados_snap_t,
) -> c_int {
    entry!("rados_ioctx_snap_lookup", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, name) = unsafe { (ioctx(io)?, arg::text(name)?) };
        let found = find(io, |_, known| known == name)?.0;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(id, found.0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_get_name(
    io: rados_ioctx_t,
    id: rados_snap_t,
    name: *mut c_char,
    maxlen: c_int,
) -> c_int {
    entry!("rados_ioctx_snap_get_name", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, mut out) = unsafe { (ioctx(io)?, OutBuf::new(name, usize::try_from(maxlen).unwrap_or(0))?) };
        out.write_cstr(find(io, |known, _| known.0 == id)?.1.as_bytes())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_ioctx_snap_get_stamp(
    io: rados_ioctx_t,
    id: rados_snap_t,
    t: *mut time_t,
) -> c_int {
    entry!("rados_ioctx_snap_get_stamp", {
        // SAFETY: the contract that the header gives these arguments.
        let io = unsafe { ioctx(io)? };
        let stamp = find(io, |known, _| known.0 == id)?.2;
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(t, stamp as time_t) }
    })
}
