//! Going through a pool's objects, page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::Mutex;

use super::ioctx::IoCtx;
use super::session::guarded;
use crate::store::{ListCursor, ListEntry, StoreResult};

/// How many objects one request to the store asks for.
const PAGE: usize = 1000;

/// The namespace that stands for all of them.
const ALL_NAMESPACES: &str = "\u{1}";

/// The position of an object in a listing; listing from there begins with it.
pub fn position_of(entry: &ListEntry) -> ListCursor {
    ListCursor::At {
        hash_reversed: entry.hash.reverse_bits(),
        namespace: entry.namespace.clone(),
        key: entry.key.clone(),
        oid: entry.oid.clone(),
    }
}

/// The position before all objects with this placement hash or a later one.
pub fn position_of_hash(hash: u32) -> ListCursor {
    let none: Arc<str> = "".into();
    ListCursor::At {
        hash_reversed: hash.reverse_bits(),
        namespace: none.clone(),
        key: none.clone(),
        oid: none,
    }
}

/// The placement hash of a position; 0 for the end.
pub fn hash_of(cursor: &ListCursor) -> u32 {
    match cursor {
        ListCursor::At { hash_reversed, .. } => hash_reversed.reverse_bits(),
        ListCursor::End => 0,
    }
}

/// One page of a context's namespace from `cursor` on: at most `max` objects, and the cursor to go on from.
pub fn page(io: &IoCtx, cursor: ListCursor, max: usize) -> StoreResult<(Vec<ListEntry>, ListCursor)> {
    let namespace = io.namespace();
    page_of(io, (&*namespace != ALL_NAMESPACES).then_some(namespace), cursor, max)
}

fn page_of(
    io: &IoCtx,
    namespace: Option<Arc<str>>,
    mut cursor: ListCursor,
    max: usize,
) -> StoreResult<(Vec<ListEntry>, ListCursor)> {
    let session = io.session();
    loop {
        let list = session.store().list(io.pool(), namespace.clone(), cursor, max);
        let (entries, next) = session.wait(guarded(list))?;
        // A store may answer an empty page in the middle.
        if !entries.is_empty() || next == ListCursor::End || max == 0 {
            return Ok((entries, next));
        }
        cursor = next;
    }
}

/// The part `n` of `m` equal parts of what is between two positions.
pub fn slice(start: &ListCursor, finish: &ListCursor, n: u64, m: u64) -> Option<(ListCursor, ListCursor)> {
    if n >= m {
        return None;
    }
    let ListCursor::At { hash_reversed: from, .. } = start else {
        return Some((ListCursor::End, ListCursor::End));
    };
    let from = u128::from(*from);
    let to = match finish {
        ListCursor::At { hash_reversed, .. } => u128::from(*hash_reversed),
        ListCursor::End => 1 << 32,
    };
    let width = to.saturating_sub(from);
    let cut = |part: u64| {
        let at = from + width * u128::from(part) / u128::from(m);
        u32::try_from(at).map_or(ListCursor::End, |at| position_of_hash(at.reverse_bits()))
    };
    let begin = if n == 0 { start.clone() } else { cut(n) };
    let end = if n == m - 1 { finish.clone() } else { cut(n + 1) };
    Some((begin, end))
}

/// An open listing (`rados_list_ctx_t`): the namespace is the context's when it was opened.
pub struct Listing {
    io: Arc<IoCtx>,
    namespace: Option<Arc<str>>,
    state: Mutex<State>,
}

struct State {
    page: VecDeque<ListEntry>,
    /// Where the next page begins.
    next: ListCursor,
    /// The object that was given last, or where the listing began.
    given: ListCursor,
}

impl State {
    fn at(cursor: ListCursor) -> State {
        State { page: VecDeque::new(), next: cursor.clone(), given: cursor }
    }
}

impl Listing {
    pub fn open(io: Arc<IoCtx>) -> Listing {
        let namespace = io.namespace();
        let namespace = (&*namespace != ALL_NAMESPACES).then_some(namespace);
        let state = State::at(ListCursor::begin());
        Listing { io, namespace, state: Mutex::new(state) }
    }

    /// The next object; `None` at the end.
    pub fn next(&self) -> StoreResult<Option<ListEntry>> {
        let mut state = self.state.lock();
        if state.page.is_empty() && state.next != ListCursor::End {
            let (page, next) = page_of(&self.io, self.namespace.clone(), state.next.clone(), PAGE)?;
            state.page = page.into();
            state.next = next;
        }
        let entry = state.page.pop_front();
        state.given = entry.as_ref().map_or(ListCursor::End, position_of);
        Ok(entry)
    }

    /// The position of the object that was given last: a listing from there gives it again. Before the first it is
    /// where the listing began, at the end it is the end.
    pub fn position(&self) -> ListCursor {
        self.state.lock().given.clone()
    }

    pub fn seek(&self, cursor: ListCursor) {
        *self.state.lock() = State::at(cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_meet_and_cover() {
        let (begin, end) = (ListCursor::begin(), ListCursor::End);
        let mut at = begin.clone();
        for n in 0..7 {
            let (from, to) = slice(&begin, &end, n, 7).unwrap();
            assert_eq!(from, at);
            assert!(from < to);
            at = to;
        }
        assert_eq!(at, end);
        assert_eq!(slice(&end, &end, 0, 2), Some((ListCursor::End, ListCursor::End)));
        assert_eq!(slice(&begin, &end, 2, 2), None);
        assert_eq!(slice(&begin, &end, 0, 0), None);
    }

    #[test]
    fn hashes_survive_positions() {
        for hash in [0, 1, 0x8000_0001, u32::MAX] {
            assert_eq!(hash_of(&position_of_hash(hash)), hash);
        }
    }
}
