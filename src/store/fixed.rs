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

/// One of several reads.
pub struct FixedRead<'a> {
    pub target: &'a Target,
    pub offset: u64,
    /// To be filled.
    pub out: &'a mut [u8],
    pub outcome: Fixed,
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

    /// Several of them, with what they have in common done once.
    fn read_many(&self, reads: &mut [FixedRead<'_>]) {
        for read in reads {
            read.outcome = self.read(read.target, read.offset, read.out);
        }
    }

    /// Bytes that will be read soon: the store may begin to load them, and does not wait. `around`: what lies near them
    /// will be wanted, too. True if it knows where they are, so that a read has not much to wait for.
    fn start(&self, target: &Target, offset: u64, length: u64, around: bool) -> bool {
        let _ = (target, offset, length, around);
        false
    }

    /// What was remembered of the object was wrong.
    fn forget(&self, target: &Target);

    /// Runs a job on a helper thread; given back if there is none. `started`: what it reads is on its way, so few threads do
    /// for many such jobs.
    fn help(&self, job: HelperJob, started: bool) -> Result<(), HelperJob>;
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
