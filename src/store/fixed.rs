//! The short way to bytes that never change: no op list, no transaction, no thread in between.

use std::cell::Cell;

use super::Target;

/// Work for a store's helper threads.
pub type HelperJob = Box<dyn FnOnce() + Send>;

/// How a fixed read ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fixed {
    /// The buffer is full.
    Read,
    /// It would have to wait: to be asked again on a helper thread ([`FixedReads::help`]).
    Busy,
    /// Nothing is known of these bytes: an op list has to read them.
    Unknown,
}

/// What a store may have beside [`super::Store::operate`] for an object whose bytes, once written, stay as they are
/// until the object is removed, as those of a log's segments do.
///
/// The bytes may be those of an earlier time, at which the object existed, and they are *not checked*: the caller
/// has checksums of its own. Where these do not match, it calls [`FixedReads::forget`] and reads by an op list,
/// which finds out what is true.
pub trait FixedReads: Send + Sync {
    /// A number that is another one than before if anything was committed to the store between the two calls, by
    /// whichever client. What was acknowledged before the call counts. `None`: it cannot be said, or this client is
    /// fenced or shut down. A read without waiting is allowed only after this was `Some`: a fenced client reads nothing.
    fn mark(&self) -> Option<u64>;

    /// Fills `out` with the object's bytes from `offset` on. Waits for the disk on a helper thread only.
    fn read(&self, target: &Target, offset: u64, out: &mut [u8]) -> Fixed;

    /// What was remembered of the object was wrong.
    fn forget(&self, target: &Target);

    /// Runs a job on a helper thread; given back if there is none.
    fn help(&self, job: HelperJob) -> Result<(), HelperJob>;
}

thread_local! {
    static IS_HELPER: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a helper's job, and so may wait for the disk.
pub fn is_helper() -> bool {
    IS_HELPER.get()
}

/// Lets this thread wait for the disk while `run` runs, as helper threads may: somebody waits for it anyway.
pub fn waiting<T>(run: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_HELPER.set(self.0);
        }
    }
    let _restore = Restore(IS_HELPER.replace(true));
    run()
}

/// Runs a helper's job. A panic of it ends the job and not the thread.
pub fn run_as_helper(job: HelperJob) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waiting(job))).is_err() {
        tracing::error!("a helper's job panicked");
    }
}
