//! The one internal runtime of the process, and waiting for it from any thread.
//!
//! The runtime is made by the first connect and never before: QEMU and others fork and daemonise after they loaded
//! the library. It is never torn down, because nothing safe could do that at process exit; its idle threads cost
//! nothing. A process that was forked off a process with a runtime has none of its threads and so makes its own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::{Condvar, Mutex};
use tokio::runtime::{Builder, Handle};

struct Slot {
    /// The process that made it.
    pid: u32,
    handle: Handle,
}

static SLOT: Mutex<Option<Slot>> = Mutex::new(None);

/// The runtime could not be started (no threads, no descriptors).
#[derive(Debug, thiserror::Error)]
#[error("cannot start the runtime: {0}")]
pub struct StartError(#[from] std::io::Error);

/// The process' runtime, with `threads` worker threads if this call is the one that makes it.
pub fn start(threads: usize) -> Result<Handle, StartError> {
    let pid = std::process::id();
    let mut slot = SLOT.lock();
    if let Some(made) = slot.as_ref().filter(|made| made.pid == pid) {
        return Ok(made.handle.clone());
    }
    let runtime = without_signals(|| {
        Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("logrbd-io")
            .on_thread_start(block_signals)
            .enable_all()
            .build()
    })?;
    let handle = runtime.handle().clone();
    // Never dropped, see above. A slot of the parent process is only forgotten: its threads are not here to be ended.
    std::mem::forget(runtime);
    std::mem::forget(slot.replace(Slot { pid, handle: handle.clone() }));
    Ok(handle)
}

/// Runs `future` to its end on the calling thread, which sleeps on a condvar in between.
///
/// No thread of the runtime is occupied by it, so any thread may call this: one of the application's, a finisher's
/// inside a callback, or (though it should not) one of the runtime's own, which hands its work to another one first.
pub fn block_on<F: Future>(runtime: &Handle, future: F) -> F::Output {
    tokio::task::block_in_place(|| wait(runtime, future))
}

fn wait<F: Future>(runtime: &Handle, future: F) -> F::Output {
    let _context = runtime.enter();
    let mut future = pin!(future);
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        parker.park();
    }
}

/// Runs `future` on the calling thread until it first waits, and then as a task of the runtime. A panic before that is the
/// caller's.
pub fn begin_here(runtime: &Handle, future: impl Future<Output = ()> + Send + 'static) {
    let mut future = Box::pin(future);
    let _context = runtime.enter();
    // Whatever it waits for is asked again as soon as the runtime runs it, and then knows whom to wake.
    if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        runtime.spawn(future);
    }
}

#[derive(Default)]
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    fn park(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            woken = self.changed.wait(woken);
        }
        *woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut woken = self.woken.lock();
        if !*woken {
            *woken = true;
            drop(woken);
            self.changed.notify_one();
        }
    }
}

/// Runs `start` with all signals blocked, so that the threads it makes inherit that: a signal belongs to a thread of
/// the application, and its handler may rely on it.
pub fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let old = set_signals(libc::SIG_BLOCK, &all_signals());
    let result = start();
    set_signals(libc::SIG_SETMASK, &old);
    result
}

fn block_signals() {
    set_signals(libc::SIG_BLOCK, &all_signals());
}

#[allow(unsafe_code)] // The one place that needs the thread's signal mask; no safe crate that we use has it.
fn all_signals() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the whole set that it is given.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

#[allow(unsafe_code)]
fn set_signals(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut old = all_signals();
    // SAFETY: both pointers are to live sets; the call changes the calling thread's mask only.
    unsafe { libc::pthread_sigmask(how, set, &mut old) };
    old
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_runtime_for_the_process() {
        let first = start(2).unwrap();
        let second = start(7).unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!(second.metrics().num_workers(), 2);
    }

    #[test]
    fn waits_for_work_of_the_runtime() {
        let runtime = start(2).unwrap();
        let answer = block_on(&runtime, async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            tokio::spawn(async { 42 }).await.unwrap()
        });
        assert_eq!(answer, 42);
    }

    #[test]
    fn a_runtime_thread_may_wait_too() {
        let runtime = start(2).unwrap();
        let inner = runtime.clone();
        let task = runtime.spawn(async move { block_on(&inner, async { tokio::task::yield_now().await }) });
        block_on(&runtime, task).unwrap();
    }

    #[test]
    fn runtime_threads_take_no_signals() {
        let runtime = start(2).unwrap();
        let blocked = block_on(&runtime, runtime.spawn(async { signals_of_this_thread() })).unwrap();
        // All but SIGKILL, SIGSTOP and the two that glibc keeps to itself (32, 33).
        assert_eq!(blocked & 0x7fff_fffe, 0x7fff_fffe & !(1 << 8) & !(1 << 18));
        // And the starter's own mask is as it was.
        assert_eq!(signals_of_this_thread() & (1 << (libc::SIGINT - 1)), 0);
    }

    fn signals_of_this_thread() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }
}
