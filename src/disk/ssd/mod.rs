//! The local log: what was accepted and is not yet in the store, on a disk of this host (docs/disk.md, "The local log").

mod file;
mod frame;
mod log;
mod mark;
mod recover;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod volatile;

pub use file::{LocalDisk, LocalFile, LocalLogOptions, LocalOptions, OpenError, SystemDisk, Wanted};
pub(crate) use frame::{Change, Entry, LogHeader, PAGE};
pub(crate) use log::{LocalLog, NotLocal, Turn};
pub use mark::LocalMark;
pub(crate) use mark::MARK_KEY;
pub(crate) use recover::{Left, find, remove_left};

/// What becomes of changes that only the log of an earlier writer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LocalChanges {
    #[default]
    Replay,
    /// They are lost: the image is what the store has.
    GiveUp,
}
