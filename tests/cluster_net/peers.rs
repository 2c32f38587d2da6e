//! What a test sees of its connections: a handler that hands everything on.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logrbd::net::{Connection, Handler, Net, NetError, Options, Ready};
use logrbd::wire::Message;

#[derive(Debug)]
pub enum Seen {
    Ready(Ready),
    Message(Message),
    Reset(NetError),
}

pub struct Collector(Mutex<Sender<Seen>>);

pub fn collector() -> (Arc<Collector>, Receiver<Seen>) {
    let (sender, receiver) = mpsc::channel();
    (Arc::new(Collector(Mutex::new(sender))), receiver)
}

impl Collector {
    fn push(&self, seen: Seen) {
        let _ = self.0.lock().unwrap().send(seen);
    }
}

impl Handler for Collector {
    fn ready(&self, _: &Arc<dyn Connection>, ready: Ready) {
        self.push(Seen::Ready(ready));
    }

    fn message(&self, _: &Arc<dyn Connection>, message: Message) {
        self.push(Seen::Message(message));
    }

    fn reset(&self, _: &Arc<dyn Connection>, error: NetError) {
        self.push(Seen::Reset(error));
    }
}

pub fn next(receiver: &Receiver<Seen>) -> Seen {
    match receiver.recv_timeout(Duration::from_secs(30)) {
        Ok(seen) => seen,
        Err(RecvTimeoutError::Timeout) => panic!("nothing for 30 s"),
        Err(RecvTimeoutError::Disconnected) => panic!("the connection is gone without a word"),
    }
}

pub fn net(options: Options) -> (Net, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    (Net::new(options, 4711, runtime.handle().clone()), runtime)
}
