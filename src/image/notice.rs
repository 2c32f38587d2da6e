//! Notifications on an image's header: what openers of the image tell each other.
//!
//! A notification and an answer are `codec` values of version 1: kind u8, then what the kind has. An opener that
//! does not know a kind acknowledges with nothing, and nobody waits for it.

use super::codec::{Reader, Writer};
use super::error::{ImageResult, refuse};
use crate::errno::Errno;

const VERSION: u8 = 1;
const WHAT: &str = "notification";

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Size, snapshots, features or metadata have changed.
    HeaderUpdate,
    /// Somebody wants the exclusive lock; the owner answers with an [`Answer`].
    RequestLock,
    /// The sender has the exclusive lock now.
    AcquiredLock,
    /// The sender has given the exclusive lock up.
    ReleasedLock,
    /// The owner, who keeps the lock, is to do this for the sender, and answers when it is done.
    Maintain(Maintenance),
    /// The sender would take an advisory lock: who has the exclusive lock only for its reads lets go, and answers so.
    YieldReads,
}

/// A change of an image as a whole that an opener may do for another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Maintenance {
    Resize { size: u64, allow_shrink: bool },
    SnapCreate { name: String },
    SnapRemove { id: u64, unprotect: bool },
    SnapRename { from: String, to: String },
    SnapProtect { name: String, protect: bool },
    Features { bits: u64, on: bool },
}

/// The owner's answer to a request for the lock, or for maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It lets go as soon as what is under way is done.
    Releasing,
    /// It keeps the lock.
    Refused(Errno),
    /// The maintenance was done.
    Done,
    /// The maintenance could not be done.
    Failed(Errno),
}

impl Notice {
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(VERSION);
        match self {
            Notice::HeaderUpdate => writer.u8(1),
            Notice::RequestLock => writer.u8(2),
            Notice::AcquiredLock => writer.u8(3),
            Notice::ReleasedLock => writer.u8(4),
            Notice::Maintain(what) => what.encode(writer.u8(5)),
            Notice::YieldReads => writer.u8(6),
        }
        .finish()
    }

    /// `None`: from a newer program, or no notification of ours.
    pub fn decode(bytes: &[u8]) -> Option<Notice> {
        let mut reader = Reader::new(bytes, VERSION, WHAT).ok()?;
        match reader.u8().ok()? {
            1 => Some(Notice::HeaderUpdate),
            2 => Some(Notice::RequestLock),
            3 => Some(Notice::AcquiredLock),
            4 => Some(Notice::ReleasedLock),
            5 => Maintenance::decode(&mut reader).ok().map(Notice::Maintain),
            6 => Some(Notice::YieldReads),
            _ => None,
        }
    }
}

impl Maintenance {
    fn encode(&self, writer: Writer) -> Writer {
        match self {
            Maintenance::Resize { size, allow_shrink } => writer.u8(1).u64(*size).u8(u8::from(*allow_shrink)),
            Maintenance::SnapCreate { name } => writer.u8(2).text(name),
            Maintenance::SnapRemove { id, unprotect } => writer.u8(3).u64(*id).u8(u8::from(*unprotect)),
            Maintenance::SnapRename { from, to } => writer.u8(4).text(from).text(to),
            Maintenance::SnapProtect { name, protect } => writer.u8(5).text(name).u8(u8::from(*protect)),
            Maintenance::Features { bits, on } => writer.u8(6).u64(*bits).u8(u8::from(*on)),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> ImageResult<Maintenance> {
        Ok(match reader.u8()? {
            1 => Maintenance::Resize { size: reader.u64()?, allow_shrink: reader.u8()? != 0 },
            2 => Maintenance::SnapCreate { name: reader.text()? },
            3 => Maintenance::SnapRemove { id: reader.u64()?, unprotect: reader.u8()? != 0 },
            4 => Maintenance::SnapRename { from: reader.text()?, to: reader.text()? },
            5 => Maintenance::SnapProtect { name: reader.text()?, protect: reader.u8()? != 0 },
            6 => Maintenance::Features { bits: reader.u64()?, on: reader.u8()? != 0 },
            kind => return refuse(Errno::EINVAL, format!("maintenance of kind {kind} is not known here")),
        })
    }
}

impl Answer {
    pub fn encode(self) -> Vec<u8> {
        let (kind, errno) = match self {
            Answer::Releasing => (1, 0),
            Answer::Refused(errno) => (2, errno.0.unsigned_abs()),
            Answer::Done => (3, 0),
            Answer::Failed(errno) => (4, errno.0.unsigned_abs()),
        };
        Writer::new(VERSION).u8(kind).u32(errno).finish()
    }

    pub fn decode(bytes: &[u8]) -> Option<Answer> {
        let mut reader = Reader::new(bytes, VERSION, WHAT).ok()?;
        let (kind, errno) = (reader.u8().ok()?, reader.u32().ok()?);
        let errno = Errno(i32::try_from(errno).ok()?);
        match kind {
            1 => Some(Answer::Releasing),
            2 => Some(Answer::Refused(errno)),
            3 => Some(Answer::Done),
            4 => Some(Answer::Failed(errno)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let text = || "name".to_owned();
        let notices = [
            Notice::HeaderUpdate,
            Notice::RequestLock,
            Notice::AcquiredLock,
            Notice::ReleasedLock,
            Notice::YieldReads,
            Notice::Maintain(Maintenance::Resize { size: 1 << 40, allow_shrink: true }),
            Notice::Maintain(Maintenance::SnapCreate { name: text() }),
            Notice::Maintain(Maintenance::SnapRemove { id: 7, unprotect: true }),
            Notice::Maintain(Maintenance::SnapRename { from: text(), to: String::new() }),
            Notice::Maintain(Maintenance::SnapProtect { name: text(), protect: false }),
            Notice::Maintain(Maintenance::Features { bits: 8, on: true }),
        ];
        for notice in notices {
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
        for answer in
            [Answer::Releasing, Answer::Refused(Errno::EROFS), Answer::Done, Answer::Failed(Errno::EEXIST)]
        {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(Notice::decode(b""), None);
        assert_eq!(Answer::decode(b""), None, "a watcher that is not the owner");
    }
}
