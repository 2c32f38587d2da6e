//! Iterators over xattrs and omap pairs: filled once, when the answer comes, then read by C.

use std::ffi::c_char;

use crate::sync::Mutex;
use bytes::Bytes;

use crate::capi::handle::Handle;
use crate::store::OpOut;
use crate::store::name::bytes_of;

/// What both kinds are made of. Entries are never changed once they are there, so C may keep the pointers that it was
/// given until it ends the iterator.
#[derive(Default)]
struct Entries {
    all: Vec<Entry>,
    next: usize,
}

struct Entry {
    /// With a NUL behind it.
    key: Vec<u8>,
    value: Bytes,
}

/// One step: key, its length, value (null if it is empty), its length. All null or 0 at the end.
pub struct Step {
    pub key: *mut c_char,
    pub key_len: usize,
    pub value: *mut c_char,
    pub value_len: usize,
}

impl Entries {
    fn fill<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], Bytes)>) {
        self.all = pairs
            .map(|(key, value)| {
                let mut with_nul = Vec::with_capacity(key.len() + 1);
                with_nul.extend_from_slice(key);
                with_nul.push(0);
                Entry { key: with_nul, value }
            })
            .collect();
    }

    fn step(&mut self) -> Step {
        let Some(entry) = self.all.get(self.next) else {
            let null = std::ptr::null_mut();
            return Step { key: null, key_len: 0, value: null, value_len: 0 };
        };
        self.next += 1;
        let value = if entry.value.is_empty() { std::ptr::null() } else { entry.value.as_ptr() };
        Step {
            key: entry.key.as_ptr().cast_mut().cast(),
            key_len: entry.key.len() - 1,
            value: value.cast_mut().cast(),
            value_len: entry.value.len(),
        }
    }
}

/// `rados_xattrs_iter_t`.
#[derive(Default)]
pub struct XattrIter(Mutex<Entries>);

impl Handle for XattrIter {
    const TAG: [u8; 8] = *b"xattrs\0\0";
}

impl XattrIter {
    pub fn new(out: &OpOut) -> XattrIter {
        let iter = XattrIter::default();
        iter.fill(out);
        iter
    }

    /// Returns whether `out` is an answer to the question.
    pub fn fill(&self, out: &OpOut) -> bool {
        let OpOut::Xattrs(all) = out else { return false };
        let mut sorted: Vec<_> = all.iter().map(|(name, value)| (bytes_of(name), value)).collect();
        sorted.sort();
        self.0.lock().fill(sorted.iter().map(|(name, value)| (&**name, (*value).clone())));
        true
    }

    pub fn step(&self) -> Step {
        self.0.lock().step()
    }
}

/// `rados_omap_iter_t`.
#[derive(Default)]
pub struct OmapIter(Mutex<Entries>);

impl Handle for OmapIter {
    const TAG: [u8; 8] = *b"omap it\0";
}

impl OmapIter {
    /// Whether more pairs follow; `None` if `out` is no answer to the question.
    pub fn fill(&self, out: &OpOut) -> Option<bool> {
        match out {
            OpOut::Pairs { pairs, more } => {
                self.0.lock().fill(pairs.iter().map(|(key, value)| (&key[..], value.clone())));
                Some(*more)
            }
            OpOut::Keys { keys, more } => {
                self.0.lock().fill(keys.iter().map(|key| (&key[..], Bytes::new())));
                Some(*more)
            }
            OpOut::None
            | OpOut::Data(_)
            | OpOut::Placed(_)
            | OpOut::Sparse { .. }
            | OpOut::Stat { .. }
            | OpOut::Xattrs(_)
            | OpOut::Watchers(_)
            | OpOut::Snaps { .. } => None,
        }
    }

    pub fn step(&self) -> Step {
        self.0.lock().step()
    }

    pub fn len(&self) -> usize {
        self.0.lock().all.len()
    }
}
