//! rados_conf_*: options of a cluster handle.

use super::handles::cluster as cluster_of;
use crate::capi::arg::{self, OutBuf};
use crate::capi::types::rados_t;
use crate::client::Cluster;
use crate::errno::Errno;
use std::ffi::{c_char, c_int};

/// The arguments from the one at `first` on. EINVAL for a negative count and for what is not UTF-8.
///
/// # Safety
/// As for [`arg::strings`].
unsafe fn words<'a>(argc: c_int, argv: *const *const c_char, first: usize) -> Result<Vec<&'a str>, Errno> {
    let count = usize::try_from(argc).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the caller's promise.
    let all = unsafe { arg::strings(argv, count)? };
    all.into_iter().skip(first).map(|word| std::str::from_utf8(word).map_err(|_| Errno::EINVAL)).collect()
}

fn parse(cluster: &Cluster, words: &[&str]) -> Result<Vec<usize>, Errno> {
    cluster.context().conf.lock().parse_args(words)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_read_file(cluster: rados_t, path: *const c_char) -> c_int {
    entry!("rados_conf_read_file", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, path) = unsafe { (cluster_of(cluster)?, arg::opt_text(path)?) };
        cluster.context().conf.lock().read_file(path)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_parse_argv(
    cluster: rados_t,
    argc: c_int,
    argv: *mut *const c_char,
) -> c_int {
    entry!("rados_conf_parse_argv", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, words) = unsafe { (cluster_of(cluster)?, words(argc, argv.cast_const(), 1)?) };
        parse(cluster, &words).map(drop)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_parse_argv_remainder(
    cluster: rados_t,
    argc: c_int,
    argv: *mut *const c_char,
    remargv: *mut *const c_char,
) -> c_int {
    entry!("rados_conf_parse_argv_remainder", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, words, argv) = unsafe {
            (
                cluster_of(cluster)?,
                words(argc, argv.cast_const(), 0)?,
                arg::slice(argv.cast_const(), argc as usize)?,
            )
        };
        // Unlike above, the first word is one like the others (seen with Ceph's library); what is left over is null.
        let left = parse(cluster, &words)?;
        let mut rest: Vec<*const c_char> = left.iter().filter_map(|&at| argv.get(at).copied()).collect();
        rest.resize(argv.len(), std::ptr::null());
        // SAFETY: the contract that the header gives these arguments.
        unsafe { arg::out_slice(remargv, &rest) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_parse_env(cluster: rados_t, var: *const c_char) -> c_int {
    entry!("rados_conf_parse_env", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, name) = unsafe { (cluster_of(cluster)?, arg::opt_text(var)?) };
        cluster.context().conf.lock().parse_env(name.unwrap_or("CEPH_ARGS"));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_set(
    cluster: rados_t,
    option: *const c_char,
    value: *const c_char,
) -> c_int {
    entry!("rados_conf_set", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, option, value) =
            unsafe { (cluster_of(cluster)?, arg::text(option)?, arg::text(value)?) };
        cluster.context().set(option, value)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_conf_get(
    cluster: rados_t,
    option: *const c_char,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    entry!("rados_conf_get", {
        // SAFETY: the contract that the header gives these arguments.
        let (cluster, option, mut buf) =
            unsafe { (cluster_of(cluster)?, arg::text(option)?, OutBuf::new(buf, len)?) };
        let value = cluster.context().conf.lock().get(option)?;
        if buf.write_cstr(value.as_bytes()).is_ok() {
            return Ok(());
        }
        // What fits of it, as librados gives it.
        if let Some(room) = len.checked_sub(1) {
            buf.write_cstr(&value.as_bytes()[..room])?;
        }
        Err(Errno::ENAMETOOLONG)
    })
}
