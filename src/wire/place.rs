//! A place of a caller's own for the data of one message: what a connection receives goes there and is not copied again.
//!
//! The caller may want its memory back at any time (a request is cancelled or takes too long), and a request that is sent again may be
//! answered over two connections. So whoever writes has a *turn*, and holds the lock while it writes: a new turn ends the ones before
//! it, and [`Place::close`] ends them all and waits for a write that is going on.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::chunks::ChunkSums;
use crate::sync::Mutex;

/// What whoever is to get the data of a message wants of a connection, when they have begun to come.
pub enum Wish {
    /// They go there.
    Place(Placed),
    /// They go to memory of their own, and their chunks are to be summed up.
    Chunks(Arc<ChunkSums>),
}

/// Memory to receive into.
pub trait Room: Send {
    fn bytes(&self) -> usize;

    /// What is behind the first `at` bytes; nothing, where there is no more.
    fn rest(&mut self, at: usize) -> &mut [MaybeUninit<u8>];
}

pub struct Place {
    bytes: usize,
    state: Mutex<State>,
}

struct State {
    room: Box<dyn Room>,
    /// Of the last one that entered.
    turn: u64,
    closed: bool,
}

impl Place {
    pub fn new(room: impl Room + 'static) -> Arc<Place> {
        let (bytes, room) = (room.bytes(), Box::new(room));
        Arc::new(Place { bytes, state: Mutex::new(State { room, turn: 0, closed: false }) })
    }

    /// How much it has room for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// For who receives so many bytes; `None`: they do not fit, or the caller has its memory back.
    pub fn enter(self: &Arc<Place>, bytes: usize) -> Option<Placed> {
        let mut state = self.state.lock();
        if state.closed || bytes > self.bytes {
            return None;
        }
        state.turn += 1;
        Some(Placed { place: self.clone(), turn: state.turn, bytes })
    }

    /// From now on nobody writes.
    pub fn close(&self) {
        self.state.lock().closed = true;
    }

    /// For the caller itself, which has closed it: the bytes that came elsewhere. `false`: they do not fit, and none is written.
    pub fn put(&self, from: &[u8]) -> bool {
        let mut state = self.state.lock();
        let Some(to) = state.room.rest(0).get_mut(..from.len()) else { return false };
        to.write_copy_of_slice(from);
        true
    }
}

/// A turn to write to a place; when a message has it, all of its data are there.
#[derive(Clone)]
pub struct Placed {
    place: Arc<Place>,
    turn: u64,
    bytes: usize,
}

impl Placed {
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Has `write` write what is behind the first `at` bytes, at most `most`. `false`: that memory is not to be written any more.
    pub(super) fn write(&self, at: usize, most: usize, write: impl FnOnce(&mut [MaybeUninit<u8>])) -> bool {
        let mut state = self.place.state.lock();
        if state.closed || state.turn != self.turn {
            return false;
        }
        let end = self.bytes.min(at.saturating_add(most));
        let room = state.room.rest(at);
        let bytes = end.saturating_sub(at).min(room.len());
        write(&mut room[..bytes]);
        true
    }

    /// Whether nobody has had a turn there since.
    pub fn is_last_in(&self, place: &Place) -> bool {
        std::ptr::eq(&*self.place, place) && place.state.lock().turn == self.turn
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Placed) -> bool {
        Arc::ptr_eq(&self.place, &other.place) && (self.turn, self.bytes) == (other.turn, other.bytes)
    }
}

impl Eq for Placed {}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of turn {}", self.bytes, self.turn)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "place of {} bytes", self.bytes)
    }
}
