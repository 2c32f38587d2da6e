//! Op lists under construction, each op with what is to be done with its answer.

use crate::errno::Errno;
use crate::store::{Op, OpResult};

/// Receives one op's answer when the list was run; writes it to where the caller asked for it.
pub type Sink = Box<dyn FnOnce(&OpResult) + Send>;

/// A read or write op list. Running it empties it, as in librados.
#[derive(Default)]
pub struct OpList {
    pub ops: Vec<(Op, u32)>,
    pub sinks: Sinks,
    /// An op could not be added, and there was no way to say so: running the list fails with this.
    refused: Option<Errno>,
}

/// The sinks of a list, one for each op.
#[derive(Default)]
pub struct Sinks(Vec<Option<Sink>>);

impl OpList {
    pub fn push(&mut self, op: Op) {
        self.ops.push((op, 0));
        self.sinks.0.push(None);
    }

    pub fn push_with(&mut self, op: Op, sink: impl FnOnce(&OpResult) + Send + 'static) {
        self.ops.push((op, 0));
        self.sinks.0.push(Some(Box::new(sink)));
    }

    /// Sets the flags of the op that was added last. Returns whether there is one.
    pub fn set_flags(&mut self, flags: u32) -> bool {
        match self.ops.last_mut() {
            Some(last) => {
                last.1 = flags;
                true
            }
            None => false,
        }
    }

    pub fn refuse(&mut self, errno: Errno) {
        self.refused.get_or_insert(errno);
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The list's contents, to be run; the list is empty afterwards.
    pub fn take(&mut self) -> Result<OpList, Errno> {
        let list = std::mem::take(self);
        list.refused.map_or(Ok(list), Err)
    }
}

impl Sinks {
    /// Hands each op's answer to its sink. Ops that were not reached answer nothing, with code 0.
    pub fn deliver(self, results: &[OpResult]) {
        let nothing = OpResult::default();
        for (n, sink) in self.0.into_iter().enumerate() {
            if let Some(sink) = sink {
                sink(results.get(n).unwrap_or(&nothing));
            }
        }
    }
}
