//! Object classes: which there are, and the way to their methods.

mod lock;

use bytes::Bytes;

use super::{Done, Run};
use crate::errno::Errno;
use crate::store::OpOut;

/// What a method does to the object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// The methods that exist.
const METHODS: &[(&str, &str, Access)] = &[
    ("lock", "lock", Access::Write),
    ("lock", "unlock", Access::Write),
    ("lock", "break_lock", Access::Write),
    ("lock", "set_cookie", Access::Write),
    ("lock", "get_info", Access::Read),
    ("lock", "list_locks", Access::Read),
    ("lock", "assert_locked", Access::Read),
];

fn find(class: &str, method: &str) -> Option<Access> {
    METHODS.iter().find(|(c, m, _)| *c == class && *m == method).map(|(_, _, access)| *access)
}

pub(super) fn exists(class: &str, method: &str) -> bool {
    find(class, method).is_some()
}

pub(super) fn is_write(class: &str, method: &str) -> bool {
    find(class, method) == Some(Access::Write)
}

impl Run<'_> {
    pub(super) fn exec(&mut self, class: &str, method: &str, input: &Bytes) -> Done {
        let output = match (class, method) {
            ("lock", "lock") => self.lock_lock(input)?,
            ("lock", "unlock") => self.lock_unlock(input)?,
            ("lock", "break_lock") => self.lock_break(input)?,
            ("lock", "set_cookie") => self.lock_set_cookie(input)?,
            ("lock", "get_info") => self.lock_get_info(input)?,
            ("lock", "list_locks") => self.lock_list()?,
            ("lock", "assert_locked") => self.lock_assert(input)?,
            _ => return Err(Errno::EOPNOTSUPP.into()),
        };
        Ok((0, OpOut::Data(output)))
    }
}
