//! A connection as its users see it: a queue of messages, and what empties it: the task, to be woken when it sleeps, or while
//! it sleeps, whoever sends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::Connection;
use super::driver::Core;
use crate::sync::{Mutex, MutexGuard};
use crate::wire::Message;
use crate::wire::types::EntityAddr;

/// More than this is written by the task: who sends it has better things to do meanwhile.
const DIRECT_BYTES: usize = 32 << 10;

pub(super) struct TcpConnection {
    id: u64,
    addr: EntityAddr,
    queue: Mutex<Queue>,
    /// Bytes that the task has made of messages and not yet written.
    unwritten: AtomicUsize,
    alive: Mutex<Instant>,
    /// The protocol and the socket, while there is a socket. The task has it locked while it works; others only try to lock it.
    pub(super) core: Mutex<Option<Core>>,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    keepalive: bool,
    closed: bool,
    /// Of the task while it sleeps.
    waker: Option<Waker>,
    /// It sleeps until the socket takes more: what is queued meanwhile is no reason to wake it.
    full: bool,
}

impl Queue {
    fn add(&mut self, message: Message) {
        if !self.closed {
            self.bytes += bytes(&message);
            self.messages.push_back(message);
        }
    }
}

/// What there is to do for the task.
pub(super) struct Work {
    pub keepalive: bool,
    pub closed: bool,
}

fn bytes(message: &Message) -> usize {
    message.front.len() + message.middle.len() + message.data_bytes()
}

impl TcpConnection {
    pub fn new(id: u64, addr: EntityAddr) -> TcpConnection {
        TcpConnection {
            id,
            addr,
            queue: Mutex::new(Queue::default()),
            unwritten: AtomicUsize::new(0),
            alive: Mutex::new(Instant::now()),
            core: Mutex::new(None),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue.lock();
        change(&mut queue);
        let waker = if queue.full && !queue.closed { None } else { queue.waker.take() };
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// For the task, which is awake: moves what is queued to `messages`, which is empty.
    pub fn take(&self, messages: &mut VecDeque<Message>) -> Work {
        let mut queue = self.queue.lock();
        (queue.waker, queue.full) = (None, false);
        Self::taken(queue, messages)
    }

    /// For others, while the task sleeps: the same, where nothing else is to be done and it is not much.
    pub fn take_messages(&self, messages: &mut VecDeque<Message>) -> bool {
        let queue = self.queue.lock();
        let plain = !queue.keepalive && !queue.closed && queue.bytes <= DIRECT_BYTES;
        if plain {
            Self::taken(queue, messages);
        }
        plain
    }

    fn taken(mut queue: MutexGuard<'_, Queue>, messages: &mut VecDeque<Message>) -> Work {
        std::mem::swap(&mut queue.messages, messages);
        queue.bytes = 0;
        Work { keepalive: std::mem::take(&mut queue.keepalive), closed: queue.closed }
    }

    /// The task is about to sleep; `false`: something came meanwhile.
    pub fn sleep(&self, context: &mut Context<'_>) -> bool {
        let mut queue = self.queue.lock();
        if !queue.messages.is_empty() || queue.keepalive || queue.closed {
            return false;
        }
        queue.waker = Some(context.waker().clone());
        queue.full = false;
        true
    }

    /// The task waits for the socket to take more, and sleeps until then; `false`: it was closed.
    pub fn sleep_until_writable(&self, context: &mut Context<'_>) -> bool {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.waker = Some(context.waker().clone());
            queue.full = true;
        }
        !queue.closed
    }

    /// Sleeps until it is closed; messages may be queued meanwhile.
    pub fn sleep_until_closed(&self, context: &mut Context<'_>) -> bool {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.waker = Some(context.waker().clone());
        }
        !queue.closed
    }

    pub fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    pub fn set_unwritten(&self, bytes: usize) {
        self.unwritten.store(bytes, Relaxed);
    }

    pub fn set_alive(&self) {
        *self.alive.lock() = Instant::now();
    }

    /// It is over: nothing is kept for it, now or later.
    pub fn end(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        queue.messages = VecDeque::new();
        queue.bytes = 0;
        drop(queue);
        // The socket is closed by this.
        *self.core.lock() = None;
        self.set_unwritten(0);
    }
}

impl Connection for TcpConnection {
    fn id(&self) -> u64 {
        self.id
    }

    fn peer_addr(&self) -> EntityAddr {
        self.addr
    }

    fn send(&self, message: Message) {
        self.change(|queue| queue.add(message));
    }

    fn queue(&self, message: Message) {
        self.queue.lock().add(message);
    }

    fn push(&self) {
        let pushed = match self.core.try_lock() {
            Some(mut core) => core.as_mut().is_some_and(|core| core.push(self)),
            // The task works. It looks at the queue before it sleeps; if it has done that already, it must be woken.
            None => false,
        };
        if !pushed {
            self.change(|_| ());
        }
    }

    fn queued(&self) -> (usize, usize) {
        let unwritten = self.unwritten.load(Relaxed);
        let queue = self.queue.lock();
        // Of what is half written, only the bytes are known.
        (queue.messages.len() + usize::from(unwritten > 0), queue.bytes + unwritten)
    }

    fn keepalive(&self) {
        self.change(|queue| queue.keepalive = true);
    }

    fn silent_for(&self) -> Duration {
        self.alive.lock().elapsed()
    }

    fn close(&self) {
        self.change(|queue| queue.closed = true);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use bytes::Bytes;

    use super::*;
    use crate::wire::MessageType;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_full_socket_is_waited_for_and_nothing_else() {
        let connection = TcpConnection::new(1, EntityAddr::BLANK);
        let count = Arc::new(Count::default());
        let woken = || count.0.swap(0, Relaxed);
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        let message = || Message::new(MessageType::OSD_OP, 8, 3, Bytes::from_static(b"op"));
        // More may wait than the task can take just now.
        connection.send(message());
        assert!(!connection.sleep(&mut context));
        assert!(connection.sleep_until_writable(&mut context));
        connection.send(message());
        connection.keepalive();
        connection.push();
        assert_eq!(woken(), 0);
        // When it has taken them, the next one counts.
        assert!(connection.take(&mut VecDeque::new()).keepalive);
        assert!(connection.sleep(&mut context));
        connection.send(message());
        assert_eq!(woken(), 1);
        assert!(connection.sleep_until_writable(&mut context));
        connection.close();
        assert_eq!(woken(), 1);
        assert!(!connection.sleep_until_writable(&mut context));
    }
}
