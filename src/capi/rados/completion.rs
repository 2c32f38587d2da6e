//! Completions of asynchronous calls.

use super::handles::{CompletionHandle, completion};
use crate::capi::handle;
use crate::capi::types::{rados_callback_t, rados_completion_t};
use std::ffi::{c_int, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_create_completion(
    cb_arg: *mut c_void,
    cb_complete: rados_callback_t,
    cb_safe: rados_callback_t,
    pc: *mut rados_completion_t,
) -> c_int {
    entry!("rados_aio_create_completion", {
        let made = CompletionHandle::new(cb_arg, cb_complete, cb_safe);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(pc, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_create_completion2(
    cb_arg: *mut c_void,
    cb_complete: rados_callback_t,
    pc: *mut rados_completion_t,
) -> c_int {
    entry!("rados_aio_create_completion2", {
        let made = CompletionHandle::new(cb_arg, cb_complete, None);
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::give(pc, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_wait_for_complete(c: rados_completion_t) -> c_int {
    entry!("rados_aio_wait_for_complete", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { completion(c)? }.core.wait();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_wait_for_safe(c: rados_completion_t) -> c_int {
    entry!("rados_aio_wait_for_safe", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { completion(c)? }.core.wait();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_is_complete(c: rados_completion_t) -> c_int {
    entry!("rados_aio_is_complete", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(c_int::from(unsafe { completion(c)? }.core.is_complete()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_is_safe(c: rados_completion_t) -> c_int {
    entry!("rados_aio_is_safe", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(c_int::from(unsafe { completion(c)? }.core.is_complete()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_wait_for_complete_and_cb(c: rados_completion_t) -> c_int {
    entry!("rados_aio_wait_for_complete_and_cb", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { completion(c)? }.core.wait_called();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_wait_for_safe_and_cb(c: rados_completion_t) -> c_int {
    entry!("rados_aio_wait_for_safe_and_cb", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { completion(c)? }.core.wait_called();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_is_complete_and_cb(c: rados_completion_t) -> c_int {
    entry!("rados_aio_is_complete_and_cb", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(c_int::from(unsafe { completion(c)? }.core.is_called()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_is_safe_and_cb(c: rados_completion_t) -> c_int {
    entry!("rados_aio_is_safe_and_cb", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(c_int::from(unsafe { completion(c)? }.core.is_called()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_get_return_value(c: rados_completion_t) -> c_int {
    entry!("rados_aio_get_return_value", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { completion(c)? }.core.result() as c_int)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_get_version(c: rados_completion_t) -> u64 {
    entry!("rados_aio_get_version", {
        // SAFETY: the contract that the header gives these arguments.
        Ok(unsafe { completion(c)? }.core.version())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rados_aio_release(c: rados_completion_t) {
    entry!("rados_aio_release", {
        // SAFETY: the contract that the header gives these arguments.
        unsafe { handle::release_shared::<CompletionHandle>(c) }.map(drop)
    })
}
