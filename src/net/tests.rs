//! Connections over real sockets to a server of ours that breaks off, says nothing or says nonsense.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;

use super::{Connection, Handler, Messenger, Net, NetError, Options, Ready};
use crate::auth::{AuthDone, AuthError, AuthRequest, Authenticator, ConnectionMode};
use crate::sync::Mutex;
use crate::wire::compress::{Algorithm, Compression};
use crate::wire::testing::Server;
use crate::wire::types::{AddrVec, EntityAddr, EntityType};
use crate::wire::{Message, MessageType};

const KEY: &[u8] = b"session key";

/// Knows what the server in `wire::testing` asks.
struct Auth(ConnectionMode);

impl Authenticator for Auth {
    fn begin(&mut self) -> Result<AuthRequest, AuthError> {
        Ok(AuthRequest { method: 2, modes: vec![self.0], payload: Bytes::new() })
    }

    fn bad_method(&mut self, _: u32, _: i32, _: &[u32], _: &[u32]) -> Result<AuthRequest, AuthError> {
        Err(AuthError::NoCommonMethod { detail: String::new() })
    }

    fn more(&mut self, payload: &[u8]) -> Result<Bytes, AuthError> {
        Ok(String::from_utf8_lossy(payload).replace("question", "answer").into())
    }

    fn done(&mut self, _: u64, _: ConnectionMode, _: &[u8]) -> Result<AuthDone, AuthError> {
        Ok(AuthDone {
            session_key: Some(Bytes::from_static(KEY)),
            connection_secret: (0..64).collect::<Vec<u8>>().into(),
        })
    }
}

#[derive(Debug)]
enum Seen {
    Ready,
    Message(Message),
    Reset(NetError),
}

struct Collector(Mutex<mpsc::Sender<Seen>>);

impl Collector {
    fn push(&self, seen: Seen) {
        let _ = self.0.lock().send(seen);
    }
}

impl Handler for Collector {
    fn ready(&self, _: &Arc<dyn Connection>, _: Ready) {
        self.push(Seen::Ready);
    }

    fn message(&self, _: &Arc<dyn Connection>, message: Message) {
        self.push(Seen::Message(message));
    }

    fn reset(&self, _: &Arc<dyn Connection>, error: NetError) {
        self.push(Seen::Reset(error));
    }
}

struct World {
    kind: EntityType,
    net: Net,
    listener: TcpListener,
    addr: EntityAddr,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(ready_timeout: Duration) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = EntityAddr::msgr2(listener.local_addr().unwrap(), 5);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let net = Net::new(Options { ready_timeout, ..Options::default() }, 4711, runtime.handle().clone());
        World { kind: EntityType::MON, net, listener, addr, _runtime: runtime }
    }

    fn connect(&self, mode: ConnectionMode) -> (Arc<dyn Connection>, Receiver<Seen>) {
        let (sender, seen) = mpsc::channel();
        let handler = Arc::new(Collector(Mutex::new(sender)));
        let addrs = AddrVec(vec![self.addr]);
        (self.net.connect(self.kind, &addrs, 0, Box::new(Auth(mode)), handler), seen)
    }

    /// Serves one connection with a server that `make` made, until it ends or, where `give_up`, a message comes; the server.
    fn serve_as(&self, make: impl FnOnce() -> Server, give_up: bool) -> JoinHandle<Server> {
        let (listener, mut server) = (self.listener.try_clone().unwrap(), make());
        (server.kind, server.addr) = (self.kind, self.addr);
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = vec![0; 300_000];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                server.receive(&buffer[..read]);
                if give_up && !server.got.is_empty() {
                    break;
                }
                if stream.write_all(&server.output()).is_err() {
                    break;
                }
            }
            server
        })
    }

    /// Serves one connection until it ends or that many bytes were sent; how many were.
    fn serve(&self, mode: ConnectionMode, limit: usize) -> JoinHandle<usize> {
        let (listener, addr) = (self.listener.try_clone().unwrap(), self.addr);
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut server = Server::new(mode, Some(KEY));
            server.addr = addr;
            let mut buffer = vec![0; 300_000];
            let mut sent = 0;
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                server.receive(&buffer[..read]);
                let mut out = server.output();
                out.truncate(limit - sent);
                sent += out.len();
                if stream.write_all(&out).is_err() || sent == limit {
                    break;
                }
            }
            sent
        })
    }
}

fn message(n: usize, bytes: usize) -> Message {
    let mut message = Message::new(MessageType::OSD_OP, 8, 3, Bytes::from_static(b"op"));
    message.data =
        vec![Bytes::from(vec![n as u8; bytes / 3]), Bytes::from(vec![!n as u8; bytes - bytes / 3])];
    message
}

fn next(seen: &Receiver<Seen>) -> Seen {
    seen.recv_timeout(Duration::from_secs(60)).expect("something happens")
}

#[test]
fn many_messages_of_all_sizes_come_back_as_they_were_sent() {
    let world = World::new(Duration::from_secs(60));
    // A cipher without optimisation is slow: it gets fewer messages.
    for (mode, count) in [(ConnectionMode::Crc, 60), (ConnectionMode::Secure, 6)] {
        let server = world.serve(mode, usize::MAX);
        let (connection, seen) = world.connect(mode);
        let sizes = [1, 4096, 70_000, 900_000, 16, 300_000];
        let sent: Vec<Message> = (0..count).map(|n| message(n, sizes[n % sizes.len()])).collect();
        for message in &sent {
            connection.send(message.clone());
        }
        assert!(matches!(next(&seen), Seen::Ready));
        for message in sent {
            let Seen::Message(back) = next(&seen) else { panic!("no message") };
            assert!(back.data[0] == message.data.concat(), "other bytes");
        }
        assert_eq!(connection.queued(), (0, 0));
        connection.close();
        server.join().unwrap();
        assert!(matches!(seen.recv(), Err(mpsc::RecvError)), "a call after close");
    }
}

#[test]
fn a_connection_that_breaks_says_so_once_wherever_it_breaks() {
    let world = World::new(Duration::from_secs(60));
    let mode = ConnectionMode::Crc;
    let mut readies = 0;
    // The handshake has some 600 bytes, the answer to the message 4 KiB.
    for limit in (0..700).step_by(11).chain([2000, 4000]) {
        let server = world.serve(mode, limit);
        let (connection, seen) = world.connect(mode);
        connection.send(message(1, 4096));
        let all: Vec<Seen> = seen.iter().collect();
        let error = match all.as_slice() {
            [Seen::Reset(error)] => error,
            [Seen::Ready, Seen::Reset(error)] => {
                readies += 1;
                error
            }
            other => panic!("{limit}: {other:?}"),
        };
        assert!(matches!(error, NetError::Lost { .. }), "{limit}: {error}");
        // Nothing is kept for it.
        connection.send(message(2, 100));
        assert_eq!(connection.queued(), (0, 0));
        assert_eq!(server.join().unwrap(), limit);
    }
    assert!(readies > 2);
}

#[test]
fn who_says_nothing_or_nonsense() {
    let world = World::new(Duration::from_millis(300));
    // Nothing.
    let (_connection, seen) = world.connect(ConnectionMode::Crc);
    let silent = world.listener.accept().unwrap();
    assert!(matches!(next(&seen), Seen::Reset(NetError::Timeout { .. })));
    drop(silent);

    let says = |bytes: &'static [u8]| {
        let (_connection, seen) = world.connect(ConnectionMode::Crc);
        let (mut stream, _) = world.listener.accept().unwrap();
        stream.write_all(bytes).unwrap();
        let Seen::Reset(error) = next(&seen) else { panic!("a session") };
        error
    };
    assert!(matches!(says(b"ceph v027\0\0\0"), NetError::Unsupported { .. }));
    assert!(matches!(says(b"HTTP/1.1 400 Bad Request\r\n"), NetError::Protocol { .. }));
    let banner =
        b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0and then anything, long enough for a preamble";
    assert!(matches!(says(banner), NetError::Protocol { .. }));
}

#[test]
fn who_is_closed_early_says_nothing() {
    let world = World::new(Duration::from_secs(60));
    // Before it is connected, and while it waits for the peer.
    for wait in [false, true] {
        let (connection, seen) = world.connect(ConnectionMode::Crc);
        let mut held: Option<(TcpStream, SocketAddr)> = None;
        if wait {
            held = Some(world.listener.accept().unwrap());
        }
        connection.close();
        assert!(matches!(
            seen.recv_timeout(Duration::from_secs(60)),
            Err(mpsc::RecvTimeoutError::Disconnected)
        ));
        drop(held);
        if !wait {
            // It may have been connected all the same.
            world.listener.set_nonblocking(true).unwrap();
            let _ = world.listener.accept();
            world.listener.set_nonblocking(false).unwrap();
        }
    }
}

#[test]
fn compression_is_given_up_where_it_does_not_work_and_nowhere_else() {
    let mode = ConnectionMode::Crc;
    let mut world = World::new(Duration::from_secs(60));
    let offer = Compression { algorithms: Algorithm::ALL.to_vec(), min_bytes: 1000, secure: false };
    world.net.set_compression(Some(offer));
    let make = || {
        let mut server = Server::new(mode, Some(KEY));
        (server.supports, server.compression) = (2, (true, 1));
        server
    };
    let talk = |world: &World, give_up: bool| {
        let server = world.serve_as(make, give_up);
        let (connection, seen) = world.connect(mode);
        connection.send(message(1, 5000));
        assert!(matches!(next(&seen), Seen::Ready));
        match next(&seen) {
            Seen::Message(back) => assert!(!give_up && back.data[0] == message(1, 5000).data.concat()),
            other => assert!(give_up && matches!(other, Seen::Reset(NetError::Lost { .. })), "{other:?}"),
        }
        connection.close();
        let server = server.join().unwrap();
        assert_eq!(server.got, [message(1, 5000).data.concat()]);
        server.asked
    };
    let asked = [(true, vec![1, 3])];
    // Not for monitors.
    assert_eq!(talk(&world, false), []);
    world.kind = EntityType::OSD;
    assert_eq!(talk(&world, false), asked);
    // That one ended well.
    assert_eq!(talk(&world, false), asked);
    // One that does not answer what it was sent compressed is not asked again.
    assert_eq!(talk(&world, true), asked);
    assert_eq!(talk(&world, false), []);
    // Another OSD is.
    world.listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.addr = EntityAddr::msgr2(world.listener.local_addr().unwrap(), 6);
    assert_eq!(talk(&world, false), asked);
}

#[test]
fn many_who_push_lose_and_reorder_nothing() {
    for mode in [ConnectionMode::Crc, ConnectionMode::Secure] {
        let world = World::new(Duration::from_secs(60));
        let server = world.serve(mode, usize::MAX);
        let (connection, seen) = world.connect(mode);
        // The last is more than a pusher writes, and more than the socket takes at once.
        let sizes = [1, 900, 5000, 30_000, 900_000];
        let (senders, count) = if mode == ConnectionMode::Crc { (4, 200) } else { (2, 10) };
        std::thread::scope(|scope| {
            for sender in 0..senders {
                let connection = &connection;
                scope.spawn(move || {
                    for n in 0..count {
                        // Those who push, and those who leave it to the task.
                        let mut message = message(sender, sizes[(sender + n) % sizes.len()]);
                        message.data.push(Bytes::copy_from_slice(&[sender as u8, n as u8]));
                        match n % 3 {
                            0 => connection.send(message),
                            _ => connection.queue(message),
                        }
                        connection.push();
                    }
                });
            }
        });
        assert!(matches!(next(&seen), Seen::Ready));
        let mut last = vec![0; senders];
        for _ in 0..senders * count {
            let Seen::Message(back) = next(&seen) else { panic!("no message") };
            let data = &back.data[0];
            let [sender, n] = data[data.len() - 2..] else { panic!("no end") };
            assert_eq!(usize::from(n), last[usize::from(sender)], "of sender {sender}");
            last[usize::from(sender)] += 1;
        }
        assert_eq!(connection.queued(), (0, 0));
        connection.close();
        server.join().unwrap();
    }
}

#[test]
fn who_pushes_needs_no_other_thread() {
    let world = World::new(Duration::from_secs(60));
    let server = world.serve_as(|| Server::new(ConnectionMode::Crc, Some(KEY)), true);
    let (connection, seen) = world.connect(ConnectionMode::Crc);
    assert!(matches!(next(&seen), Seen::Ready));
    // The task sleeps once this has been answered, and then its only thread is busy until the message is there.
    let (held, hold) = mpsc::channel::<()>();
    let (holds, holding) = mpsc::channel();
    let asked = std::time::Instant::now();
    connection.keepalive();
    while connection.silent_for() >= asked.elapsed() {
        std::thread::yield_now();
    }
    world._runtime.spawn(async move {
        let _ = holds.send(());
        let _ = hold.recv();
    });
    holding.recv().unwrap();
    connection.queue(message(1, 5000));
    connection.push();
    assert_eq!(connection.queued(), (0, 0));
    // It ends when it has the message.
    assert_eq!(server.join().unwrap().got, [message(1, 5000).data.concat()]);
    drop(held);
    assert!(matches!(next(&seen), Seen::Reset(NetError::Lost { .. })));
    // Nor does anything come of pushing what is over.
    connection.queue(message(2, 100));
    connection.push();
    assert_eq!(connection.queued(), (0, 0));
}
