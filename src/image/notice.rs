//! Notifications on an image's header: what openers of the image tell each other.
//!
//! A notification and an answer are `codec` values of version 1: kind u8, then what the kind has. An opener that
//! does not know a kind acknowledges with nothing, and nobody waits for it.

use super::codec::{Reader, Writer};
use crate::errno::Errno;

const VERSION: u8 = 1;
const WHAT: &str = "notification";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Size, snapshots, features or metadata have changed.
    HeaderUpdate,
    /// Somebody wants the exclusive lock; the owner answers with an [`Answer`].
    RequestLock,
    /// The sender has the exclusive lock now.
    AcquiredLock,
    /// The sender has given the exclusive lock up.
    ReleasedLock,
}

/// The owner's answer to a request for the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It lets go as soon as what is under way is done.
    Releasing,
    /// It keeps the lock.
    Refused(Errno),
}

impl Notice {
    pub fn encode(self) -> Vec<u8> {
        let kind = match self {
            Notice::HeaderUpdate => 1,
            Notice::RequestLock => 2,
            Notice::AcquiredLock => 3,
            Notice::ReleasedLock => 4,
        };
        Writer::new(VERSION).u8(kind).finish()
    }

    /// `None`: from a newer program, or no notification of ours.
    pub fn decode(bytes: &[u8]) -> Option<Notice> {
        match Reader::new(bytes, VERSION, WHAT).ok()?.u8().ok()? {
            1 => Some(Notice::HeaderUpdate),
            2 => Some(Notice::RequestLock),
            3 => Some(Notice::AcquiredLock),
            4 => Some(Notice::ReleasedLock),
            _ => None,
        }
    }
}

impl Answer {
    pub fn encode(self) -> Vec<u8> {
        let errno = match self {
            Answer::Releasing => 0,
            Answer::Refused(errno) => errno.0.unsigned_abs(),
        };
        Writer::new(VERSION).u32(errno).finish()
    }

    pub fn decode(bytes: &[u8]) -> Option<Answer> {
        match Reader::new(bytes, VERSION, WHAT).ok()?.u32().ok()? {
            0 => Some(Answer::Releasing),
            errno => Some(Answer::Refused(Errno(i32::try_from(errno).ok()?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for notice in [Notice::HeaderUpdate, Notice::RequestLock, Notice::AcquiredLock, Notice::ReleasedLock]
        {
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
        for answer in [Answer::Releasing, Answer::Refused(Errno::EROFS)] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(Notice::decode(b""), None);
        assert_eq!(Answer::decode(b""), None, "a watcher that is not the owner");
    }
}
