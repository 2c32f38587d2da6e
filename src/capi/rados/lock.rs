//! Advisory locks of objects.

use super::handles::completion as completion_of;
use super::handles::{data_of, ioctx, read, start_write, write};
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::{rados_completion_t, rados_ioctx_t};
use crate::client::IoCtx;
use crate::errno::Errno;
use crate::store::Op;
use crate::store::lock::{
    BreakOp, CLASS, FLAG_MAY_RENEW, FLAG_MUST_RENEW, LockInfo, LockOp, LockType, LockerId, LockerInfo,
    UnlockOp, encode_get_info,
};
use crate::wire::types::{AddrType, EntityAddr, EntityName};
use libc::timeval;
use std::ffi::{c_char, c_int};

/// EINVAL for both renewals at once; unknown flags are accepted. No duration: it does not expire.
fn request(
    kind: LockType,
    name: &str,
    cookie: &str,
    tag: &str,
    description: Option<&str>,
    duration: Option<timeval>,
    flags: u8,
) -> Result<LockOp, Errno> {
    let duration = match duration {
        None => (0, 0),
        // Whatever is there is taken: python3-rados leaves tv_usec uninitialised.
        Some(given) => (given.tv_sec as u32, given.tv_usec.rem_euclid(1_000_000) as u32 * 1000),
    };
    let both = FLAG_MAY_RENEW | FLAG_MUST_RENEW;
    if flags & both == both {
        return Err(Errno::EINVAL);
    }
    let [name, cookie, tag] = [name, cookie, tag].map(str::to_owned);
    let description = description.unwrap_or("").to_owned();
    Ok(LockOp { name, kind, cookie, tag, description, duration, flags })
}

fn lock(io: &IoCtx, oid: &str, request: &LockOp) -> Result<c_int, Errno> {
    let input = request.encode();
    write(io, oid, Op::Exec { class: CLASS.to_owned(), method: "lock".to_owned(), input })
}

/// An address as librados prints lockers' ones: with its kind in front.
fn with_kind(address: &EntityAddr) -> String {
    let kind = match address.kind {
        AddrType::Legacy => "v1:",
        AddrType::Msgr2 => "v2:",
        AddrType::Any => "any:",
        AddrType::None | AddrType::Other(_) => "",
    };
    format!("{kind}{}", address.plain())
}

fn unlock(name: &str, cookie: &str) -> Op {
    let input = UnlockOp { name: name.to_owned(), cookie: cookie.to_owned() }.encode();
    Op::Exec { class: CLASS.to_owned(), method: "unlock".to_owned(), input }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_lock_exclusive(
    io: rados_ioctx_t,
    oid: *const c_char,
    name: *const c_char,
    cookie: *const c_char,
    desc: *const c_char,
    duration: *mut timeval,
    flags: u8,
) -> c_int {
    entry!("rados_lock_exclusive", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, cookie, desc, duration) = unsafe {
            let (name, cookie) = (arg::text(name)?, arg::text(cookie)?);
            (ioctx(io)?, arg::name(oid)?, name, cookie, arg::opt_text(desc)?, arg::opt_read(duration))
        };
        lock(io, &oid, &request(LockType::Exclusive, name, cookie, "", desc, duration, flags)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_lock_shared(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    cookie: *const c_char,
    tag: *const c_char,
    desc: *const c_char,
    duration: *mut timeval,
    flags: u8,
) -> c_int {
    entry!("rados_lock_shared", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, cookie, tag, desc, duration) = unsafe {
            let (name, cookie, tag) = (arg::text(name)?, arg::text(cookie)?, arg::opt_text(tag)?);
            (ioctx(io)?, arg::name(o)?, name, cookie, tag, arg::opt_text(desc)?, arg::opt_read(duration))
        };
        lock(io, &oid, &request(LockType::Shared, name, cookie, tag.unwrap_or(""), desc, duration, flags)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_unlock(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    cookie: *const c_char,
) -> c_int {
    entry!("rados_unlock", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, cookie) =
            unsafe { (ioctx(io)?, arg::name(o)?, arg::text(name)?, arg::text(cookie)?) };
        write(io, &oid, unlock(name, cookie))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_unlock(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    cookie: *const c_char,
    completion: rados_completion_t,
) -> c_int {
    entry!("rados_aio_unlock", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, cookie, done) = unsafe {
            (ioctx(io)?, arg::name(o)?, arg::text(name)?, arg::text(cookie)?, completion_of(completion)?)
        };
        start_write(io, done, &oid, unlock(name, cookie))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_list_lockers(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    exclusive: *mut c_int,
    tag: *mut c_char,
    tag_len: *mut usize,
    clients: *mut c_char,
    clients_len: *mut usize,
    cookies: *mut c_char,
    cookies_len: *mut usize,
    addrs: *mut c_char,
    addrs_len: *mut usize,
) -> isize {
    entry!("rados_list_lockers", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name) = unsafe { (ioctx(io)?, arg::name(o)?, arg::text(name)?) };
        let input = encode_get_info(name);
        let (_, out) =
            read(io, &oid, Op::Exec { class: CLASS.to_owned(), method: "get_info".to_owned(), input })?;
        let info = LockInfo::decode(data_of(&out)).map_err(|_| Errno::EIO)?;
        let each = |text: &dyn Fn(&LockerId, &LockerInfo) -> String| {
            info.lockers.iter().flat_map(|(id, of)| (text(id, of) + "\0").into_bytes()).collect::<Vec<_>>()
        };
        let texts = [
            format!("{}\0", info.tag).into_bytes(),
            each(&|id, _| id.name.to_string()),
            each(&|id, _| id.cookie.clone()),
            each(&|_, of| with_kind(&of.addr)),
        ];
        let buffers = [(tag, tag_len), (clients, clients_len), (cookies, cookies_len), (addrs, addrs_len)];
        let mut fits = true;
        for (text, (_, len)) in texts.iter().zip(buffers) {
            // SAFETY: the contract that the header gives these arguments.
            unsafe {
                fits &= text.len() <= arg::read(len)?;
                arg::out(len, text.len())?;
            }
        }
        if !fits {
            return Err(Errno::ERANGE);
        }
        for (text, (buffer, _)) in texts.iter().zip(buffers) {
            // SAFETY: the contract that the header gives these arguments.
            unsafe { OutBuf::new(buffer, text.len())? }.write(0, text)?;
        }
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out(exclusive, c_int::from(info.kind == LockType::Exclusive))? };
        Ok(info.lockers.len())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_break_lock(
    io: rados_ioctx_t,
    o: *const c_char,
    name: *const c_char,
    client: *const c_char,
    cookie: *const c_char,
) -> c_int {
    entry!("rados_break_lock", {
        // SAFETY: the contract that the header gives these arguments.
        let (io, oid, name, client, cookie) =
            unsafe { (ioctx(io)?, arg::name(o)?, arg::text(name)?, arg::text(client)?, arg::text(cookie)?) };
        let locker = EntityName::parse(client).ok_or(Errno::EINVAL)?;
        let input = BreakOp { name: name.to_owned(), locker, cookie: cookie.to_owned() }.encode();
        write(io, &oid, Op::Exec { class: CLASS.to_owned(), method: "break_lock".to_owned(), input })
    })
}
