//! The monitor client against monitors that a test plays, on a paused clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::testing::*;
use super::*;
use crate::auth::AuthError;
use crate::errno::Errno;
use crate::net::NetError;
use crate::sync::Mutex;
use crate::wire::Message;
use crate::wire::denc::Encoder;
use crate::wire::message::MessageType;
use crate::wire::types::{AddrVec, EntityType};

#[path = "service_tests.rs"]
mod service;

struct World {
    client: Arc<MonClient>,
    seen: UnboundedReceiver<Did>,
    credentials: Arc<FakeCredentials>,
    config: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
    sink: Arc<Sink>,
}

#[derive(Default)]
struct Sink {
    messages: Mutex<Vec<MessageType>>,
    sessions: Mutex<u32>,
}

impl MonSink for Sink {
    fn message(&self, message: Message) {
        self.messages.lock().push(message.kind);
    }

    fn session(&self) {
        *self.sessions.lock() += 1;
    }
}

fn world(change: impl FnOnce(&mut MonOptions)) -> World {
    let mut options = MonOptions { mon_host: "10.0.0.1:3300".into(), ..options() };
    options.host_name = "vm".into();
    change(&mut options);
    let (messenger, seen) = FakeMessenger::new();
    let credentials = Arc::new(FakeCredentials::default());
    let runtime = tokio::runtime::Handle::current();
    let client = MonClient::new(options, messenger, credentials.clone(), runtime);
    let sink = Arc::new(Sink::default());
    let weak: std::sync::Weak<Sink> = Arc::downgrade(&sink);
    client.set_sink(weak);
    let config = Arc::new(Mutex::new(Vec::new()));
    let kept = config.clone();
    client.set_config_sink(Arc::new(move |values| kept.lock().push(values.clone())));
    World { client, seen, credentials, config, sink }
}

fn map_message(epoch: u32, names: &[&str], change: impl FnOnce(&mut MonMap)) -> Message {
    let mut map = map_of(names);
    map.epoch = epoch;
    map.fsid = [7; 16];
    map.min_mon_release = 16;
    change(&mut map);
    let mut e = Encoder::new();
    e.blob(&map.encode());
    Message::new(MessageType::MON_MAP, 1, 1, e.finish())
}

fn config_message(values: &[(&str, &str)]) -> Message {
    let mut e = Encoder::new();
    e.u32(values.len() as u32);
    for (key, value) in values {
        e.string(key).string(value);
    }
    Message::new(MessageType::CONFIG, 1, 1, e.finish())
}

fn command_ack(tid: u64, result: i32, status: &str, output: &'static [u8]) -> Message {
    let mut e = Encoder::new();
    e.u64(0).u16(u16::MAX).u64(0).u32(result as u32).string(status).u32(0);
    let mut message = Message::new(MessageType::MON_COMMAND_ACK, 1, 1, e.finish());
    message.tid = tid;
    message.data = vec![Bytes::from_static(output)];
    message
}

fn reply_of(kind: MessageType, tid: u64) -> Message {
    let mut message = Message::new(kind, 1, 1, Bytes::from_static(&[0; 8]));
    message.tid = tid;
    message
}

impl World {
    async fn next(&mut self) -> Did {
        tokio::time::timeout(Duration::from_secs(3600), self.seen.recv())
            .await
            .expect("nothing happens")
            .unwrap()
    }

    async fn connect(&mut self) -> Peer {
        loop {
            match self.next().await {
                Did::Connect(peer) => return peer,
                Did::Close(_) | Did::Keepalive(_) => {}
                Did::Send(id, message) => panic!("{id}: sends {message:?}"),
            }
        }
    }

    async fn sent(&mut self) -> (u64, Message) {
        loop {
            match self.next().await {
                Did::Send(id, message) => return (id, message),
                Did::Close(_) | Did::Keepalive(_) => {}
                Did::Connect(peer) => panic!("connects to {}", peer.addr),
            }
        }
    }

    /// A client with a session with the one monitor `a`, which gave it number 4100.
    async fn connected(change: impl FnOnce(&mut MonOptions)) -> (World, Peer) {
        let mut world = world(change);
        let connecting = world.begin();
        let peer = world.connect().await;
        world.greet(&peer, &["a"]).await;
        connecting.await.unwrap().unwrap();
        (world, peer)
    }

    fn begin(&self) -> JoinHandle<Result<(), MonError>> {
        let client = self.client.clone();
        tokio::spawn(async move { client.connect().await })
    }

    /// Makes a session and sends what every monitor sends.
    async fn greet(&mut self, peer: &Peer, names: &[&str]) -> Message {
        peer.ready(4100);
        let (_, subscribed) = self.sent().await;
        assert_eq!(subscribed.kind, MessageType::MON_SUBSCRIBE);
        peer.message(map_message(3, names, |_| ()));
        peer.message(config_message(&[("rbd_cache", "false")]));
        subscribed
    }

    fn spawn_command(&self, text: &str) -> JoinHandle<Result<CommandReply, MonError>> {
        let (client, cmd) = (self.client.clone(), vec![text.to_owned()]);
        tokio::spawn(async move { client.command(MonTarget::Any, cmd, Bytes::new()).await })
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_monitor_that_answers_is_kept() {
    let mut world = world(|o| o.mon_host = "v2:10.0.0.1,v2:10.0.0.2,v2:10.0.0.3,v2:10.0.0.4".into());
    world.client.subscribe("osdmap", 0, true);
    let connecting = world.begin();
    let first = [world.connect().await, world.connect().await, world.connect().await];
    assert!(first.iter().all(|peer| peer.global_id == 0 && peer.kind == EntityType::MON));
    first[1].ready(4100);
    let mut closed = Vec::new();
    let subscribed = loop {
        match world.next().await {
            Did::Close(id) => closed.push(id),
            Did::Send(id, message) if id == first[1].id => break message,
            _ => panic!("something else"),
        }
    };
    // One message for all that was wanted.
    let text = String::from_utf8_lossy(&subscribed.front).into_owned();
    assert!(["monmap", "config", "osdmap", "vm"].iter().all(|word| text.contains(word)), "{text:?}");
    while closed.len() < 2 {
        let Did::Close(id) = world.next().await else { panic!("something else") };
        closed.push(id);
    }
    closed.sort_unstable();
    assert_eq!(closed, [first[0].id, first[2].id]);
    first[0].ready(4101); // too late
    assert_eq!(world.client.global_id(), 4100);
    assert!(!connecting.is_finished());
    first[1].message(map_message(3, &["a", "b", "c", "d"], |_| ()));
    first[1].message(config_message(&[("rbd_cache", "false")]));
    connecting.await.unwrap().unwrap();
    assert_eq!(world.client.fsid(), [7; 16]);
    assert_eq!(world.client.own_addrs().to_string(), "v2:10.9.9.9:0/4711");
    assert_eq!(*world.credentials.established.lock(), [4100]);
    assert_eq!(world.config.lock()[0]["rbd_cache"], "false");
    assert_eq!(*world.sink.sessions.lock(), 1);
    first[1].message(Message::new(MessageType::OSD_MAP, 4, 3, Bytes::new()));
    assert_eq!(*world.sink.messages.lock(), [MessageType::OSD_MAP]);
}

#[tokio::test(start_paused = true)]
async fn monitors_that_refuse_are_tried_again_until_the_time_is_over() {
    let mut world = world(|o| {
        o.mon_host = "v2:10.0.0.1,v2:10.0.0.2".into();
        o.hunt_parallel = 1;
        o.connect_timeout = Duration::from_secs(10);
    });
    let begin = tokio::time::Instant::now();
    let mut connecting = world.begin();
    let (mut tries, mut last) = (0, String::new());
    let result = loop {
        tokio::select! {
            result = &mut connecting => break result.unwrap(),
            did = world.seen.recv() => {
                let Some(Did::Connect(peer)) = did else { continue };
                assert_ne!(peer.addr.to_string(), last, "the other one is tried next");
                last = if tries % 2 == 0 { peer.addr.to_string() } else { String::new() };
                tries += 1;
                peer.refuse();
            }
        }
    };
    assert_eq!(result, Err(MonError::TimedOut { ms: 10_000 }));
    assert_eq!(begin.elapsed().as_secs(), 10);
    // Pauses of 0.2, 0.4, 0.8, 1.6, 3, 3 seconds after each two.
    assert_eq!(tries, 14);
}

#[tokio::test(start_paused = true)]
async fn silent_monitors_have_a_round_of_time() {
    let mut world = world(|o| {
        o.mon_host = "v2:10.0.0.1,v2:10.0.0.2".into();
        o.hunt_parallel = 1;
    });
    let begin = tokio::time::Instant::now();
    let _connecting = world.begin();
    let first = world.connect().await;
    let second = world.connect().await;
    assert_eq!(begin.elapsed().as_secs(), 3);
    assert_ne!(first.addr, second.addr);
    world.greet(&second, &["a", "b"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_at_once() {
    for (error, errno) in [
        (AuthError::Refused { errno: Errno::EACCES, detail: "no".into() }, Errno::EACCES),
        (AuthError::NoCommonMethod { detail: "no".into() }, Errno::EACCES),
    ] {
        let mut world = world(|o| o.mon_host = "v2:10.0.0.1,v2:10.0.0.2".into());
        let connecting = world.begin();
        let (one, two) = (world.connect().await, world.connect().await);
        one.over(NetError::Auth { addr: one.addr, source: error.clone() });
        tokio::task::yield_now().await;
        assert!(!connecting.is_finished());
        two.refuse();
        let failed = connecting.await.unwrap().unwrap_err();
        assert_eq!((failed.errno(), failed), (errno, MonError::Auth(error)));
    }
    // A client without a key does not even ask.
    let world = world(|_| ());
    *world.credentials.refuse.lock() = Some(AuthError::NoKey { detail: "keyring".into() });
    assert_eq!(world.client.connect().await.unwrap_err().errno(), Errno::ENOENT);
}

#[tokio::test(start_paused = true)]
async fn msgr1_and_old_clusters_are_refused() {
    let world1 = world(|o| o.mon_host = "v1:10.0.0.1:6789".into());
    assert_eq!(world1.client.connect().await.unwrap_err().errno(), Errno::EOPNOTSUPP);
    let mut world2 = world(|_| ());
    let connecting = world2.begin();
    let peer = world2.connect().await;
    peer.ready(1);
    peer.message(map_message(1, &["a"], |map| map.min_mon_release = 15));
    assert_eq!(connecting.await.unwrap().unwrap_err().errno(), Errno::EOPNOTSUPP);
}

/// Of a monitor that is named by its address alone, or with the port of msgr1, both ports are tried.
#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_named_without_a_protocol() {
    let legacy =
        || NetError::Unsupported { addr: addrs_of(0).0[0], detail: "only msgr1 is spoken there".into() };
    let closed = || NetError::Connect { addr: addrs_of(0).0[0], detail: "refused".into() };
    for mon_host in ["10.0.0.1", "10.0.0.1:6789"] {
        let mut world = world(|o| o.mon_host = mon_host.into());
        let connecting = world.begin();
        let mut tries = [world.connect().await, world.connect().await];
        tries.sort_by_key(|peer| peer.addr);
        let [msgr2, msgr1] = tries;
        let ports = [&msgr2, &msgr1].map(|peer| peer.addr.socket.unwrap().port());
        assert_eq!(ports, [3300, 6789]);
        msgr1.over(legacy());
        world.greet(&msgr2, &["a"]).await;
        connecting.await.unwrap().unwrap();
    }
    // Nothing at 3300: it is known why.
    let mut world1 = world(|o| o.mon_host = "10.0.0.1:6789".into());
    let connecting = world1.begin();
    let tries = [world1.connect().await, world1.connect().await];
    for peer in &tries {
        peer.over(if peer.addr.socket.unwrap().port() == 6789 { legacy() } else { closed() });
    }
    let error = connecting.await.unwrap().unwrap_err();
    assert_eq!(error.errno(), Errno::EOPNOTSUPP);
    assert!(error.to_string().contains("msgr1"), "{error}");
    // One that is there and breaks off is tried again.
    let mut world2 = world(|o| o.mon_host = "10.0.0.1:6789".into());
    let connecting = world2.begin();
    let tries = [world2.connect().await, world2.connect().await];
    for peer in &tries {
        match peer.addr.socket.unwrap().port() {
            6789 => peer.over(legacy()),
            _ => peer.lose(),
        }
    }
    let again = [world2.connect().await, world2.connect().await];
    let msgr2 = again.iter().find(|peer| peer.addr.socket.unwrap().port() == 3300).unwrap();
    world2.greet(msgr2, &["a"]).await;
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn without_monitors_there_is_no_connection() {
    let none = world(|o| o.mon_host = " ".into());
    assert_eq!(none.client.connect().await, Err(MonError::NoMonitors));
    for (file, errno) in [("/nonexistent/monmap", Errno::ENOENT), ("/dev/null", Errno::EINVAL)] {
        let world = world(|o| o.monmap = file.into());
        assert_eq!(world.client.connect().await.unwrap_err().errno(), errno);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_answered_is_sent_again_in_order() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let one = world.spawn_command("one");
    let (_, first) = world.sent().await;
    let two = world.spawn_command("two");
    let (_, second) = world.sent().await;
    assert!(second.tid > first.tid);
    peer.message(command_ack(first.tid, -22, "no good", b"out"));
    let answer = one.await.unwrap().unwrap();
    assert_eq!(answer, CommandReply { result: -22, status: "no good".into(), output: "out".into() });
    let client = world.client.clone();
    let version = tokio::spawn(async move { client.get_version("osdmap").await });
    let (_, third) = world.sent().await;
    world.client.subscription_got("monmap", 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    peer.lose();
    let next = world.connect().await;
    assert_eq!(next.global_id, 4100);
    // While there is no session, nothing is lost.
    let four = world.spawn_command("four");
    tokio::task::yield_now().await;
    next.ready(4100);
    let (_, subscribed) = world.sent().await;
    assert_eq!(subscribed.kind, MessageType::MON_SUBSCRIBE);
    let mut e = Encoder::new();
    e.u32(2).string("config").u64(0).u8(0).string("monmap").u64(4).u8(0).string("vm");
    assert_eq!(subscribed.front, e.finish());
    let (_, again) = world.sent().await;
    assert_eq!((again.tid, &again.front), (second.tid, &second.front));
    let (_, again) = world.sent().await;
    assert_eq!(again.front, third.front);
    let (_, fourth) = world.sent().await;
    assert_eq!(*world.sink.sessions.lock(), 2);
    let mut e = Encoder::new();
    e.u64(u64::from_le_bytes(third.front[..8].try_into().unwrap())).u64(9).u64(2);
    next.message(Message::new(MessageType::MON_GET_VERSION_REPLY, 2, 1, e.finish()));
    assert_eq!(version.await.unwrap(), Ok((9, 2)));
    next.message(command_ack(fourth.tid, 0, "", b""));
    next.message(command_ack(second.tid, 0, "", b""));
    two.await.unwrap().unwrap();
    four.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_is_not_asked_for_again() {
    let (mut world, peer) = World::connected(|o| o.op_timeout = Duration::from_secs(3)).await;
    let begin = tokio::time::Instant::now();
    let slow = world.spawn_command("slow");
    world.sent().await;
    let error = slow.await.unwrap().unwrap_err();
    assert_eq!((error.errno(), error.status()), (Errno::ETIMEDOUT, "timed out"));
    assert_eq!(begin.elapsed().as_secs(), 3);
    peer.lose();
    let next = world.connect().await;
    next.ready(4100);
    let (_, subscribed) = world.sent().await;
    assert_eq!(subscribed.kind, MessageType::MON_SUBSCRIBE);
    let fresh = world.spawn_command("fresh");
    let (_, fresh_sent) = world.sent().await;
    assert!(String::from_utf8_lossy(&fresh_sent.front).contains("fresh"));
    next.message(command_ack(fresh_sent.tid, 0, "", b""));
    fresh.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_monitor_without_a_sign_of_life_is_left() {
    let (mut world, peer) = World::connected(|o| o.ping_timeout = Duration::from_secs(25)).await;
    for _ in 0..3 {
        let Did::Keepalive(id) = world.next().await else { panic!("no keepalive") };
        assert_eq!(id, peer.id);
    }
    peer.silent(Duration::from_secs(26));
    let Did::Connect(next) = world.next().await else { panic!("no new connection") };
    let Did::Close(id) = world.next().await else { panic!("the old one stays") };
    assert_eq!(id, peer.id);
    // What the old one still says is of no interest.
    peer.message(config_message(&[("late", "1")]));
    assert_eq!(world.config.lock().len(), 1);
    world.greet(&next, &["a"]).await;
    assert_eq!(world.config.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_left_the_cluster_is_left() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let second = addrs_of(1);
    peer.message(map_message(4, &["b"], |map| map.mons.get_mut("b").unwrap().addrs = second.clone()));
    let next = world.connect().await;
    assert_eq!(AddrVec(vec![next.addr]), second);
    // An older map changes nothing.
    world.greet(&next, &["a"]).await;
    assert_eq!(world.client.monmap().epoch, 4);
}

#[tokio::test(start_paused = true)]
async fn nonsense_ends_the_session() {
    let (mut world, peer) = World::connected(|_| ()).await;
    peer.message(Message::new(MessageType::MON_MAP, 1, 1, Bytes::from_static(&[255; 30])));
    let Did::Close(id) = world.next().await else { panic!("the session stays") };
    assert_eq!(id, peer.id);
    let next = world.connect().await;
    world.greet(&next, &["a"]).await;
    // One that is over as soon as it began is not replaced without a pause.
    let begin = tokio::time::Instant::now();
    next.lose();
    world.connect().await;
    assert!(begin.elapsed() >= Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn tickets_are_renewed_and_subscriptions_where_a_monitor_wants_it() {
    let (mut world, peer) = World::connected(|_| ()).await;
    world.credentials.renewals.lock().push("more tickets".into());
    let (_, auth) = world.sent().await;
    assert_eq!(auth.kind, MessageType::AUTH);
    assert!(String::from_utf8_lossy(&auth.front).contains("more tickets"));
    let mut e = Encoder::new();
    e.u32(2).u32(0).u64(4100).blob(b"tickets").string("");
    peer.message(Message::new(MessageType::AUTH_REPLY, 1, 1, e.finish()));
    assert_eq!(*world.credentials.renewed.lock(), ["tickets"]);
    let mut e = Encoder::new();
    e.u32(300).raw(&[7; 16]);
    peer.message(Message::new(MessageType::MON_SUBSCRIBE_ACK, 1, 1, e.finish()));
    let begin = tokio::time::Instant::now();
    let (_, again) = world.sent().await;
    assert_eq!(again.kind, MessageType::MON_SUBSCRIBE);
    assert!((150..155).contains(&begin.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_all_that_waits() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let command = world.spawn_command("status");
    world.sent().await;
    let client = world.client.clone();
    let manager = tokio::spawn(async move { client.mgr_command(vec!["pg stat".into()], Bytes::new()).await });
    world.sent().await;
    world.client.shutdown().await;
    assert_eq!(command.await.unwrap(), Err(MonError::ShutDown));
    assert_eq!(manager.await.unwrap(), Err(MonError::ShutDown));
    let Did::Close(id) = world.next().await else { panic!("still open") };
    assert_eq!(id, peer.id);
    assert_eq!(world.spawn_command("late").await.unwrap(), Err(MonError::ShutDown));
    assert_eq!(world.client.connect().await, Err(MonError::ShutDown));
}

#[tokio::test(start_paused = true)]
async fn one_monitor_is_asked_over_a_connection_of_its_own() {
    let (mut world, _peer) = World::connected(|_| ()).await;
    let tell = |target: MonTarget| {
        let client = world.client.clone();
        tokio::spawn(async move { client.command(target, vec!["version".into()], Bytes::new()).await })
    };
    let unknown = tell(MonTarget::Name("zz".into())).await.unwrap().unwrap_err();
    assert_eq!((unknown.errno(), unknown.status()), (Errno::ENOENT, "mon dne"));
    let unknown = tell(MonTarget::Rank(7)).await.unwrap().unwrap_err();
    assert_eq!((unknown.errno(), unknown.status()), (Errno::ENOENT, "mon rank dne"));
    let by_rank = tell(MonTarget::Rank(0));
    let by_name = tell(MonTarget::Name("a".into()));
    let link = world.connect().await;
    assert_eq!(link.global_id, 0);
    let (id, sent) = world.sent().await;
    assert_eq!((id, sent.kind), (link.id, MessageType::COMMAND));
    link.ready(99);
    link.message(map_message(9, &["x"], |_| ())); // not of this session
    link.message(reply_of(MessageType::COMMAND_REPLY, sent.tid));
    by_rank.await.unwrap().unwrap();
    // The other one is not answered at all: twice three seconds.
    let begin = tokio::time::Instant::now();
    let failed = by_name.await.unwrap().unwrap_err();
    assert_eq!((failed.errno(), failed.status()), (Errno::ENXIO, "mon unavailable"));
    assert_eq!(begin.elapsed().as_secs(), 6);
    assert_eq!(world.client.global_id(), 4100);
    assert_eq!(world.client.monmap().ranks, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_ping_needs_no_session() {
    let mut world = world(|_| ());
    assert_eq!(world.client.ping("").await.unwrap_err().errno(), Errno::EINVAL);
    assert_eq!(world.client.ping("b").await.unwrap_err().errno(), Errno::ENOENT);
    let client = world.client.clone();
    let ping = tokio::spawn(async move { client.ping("a").await });
    let link = world.connect().await;
    let (_, sent) = world.sent().await;
    assert_eq!((sent.kind, sent.front.len()), (MessageType::PING, 0));
    link.refuse();
    let link = world.connect().await;
    world.sent().await;
    let mut e = Encoder::new();
    e.string("{}");
    link.message(Message::new(MessageType::PING, 1, 0, e.finish()));
    assert_eq!(ping.await.unwrap(), Ok("{}".into()));
    let client = world.client.clone();
    let begin = tokio::time::Instant::now();
    let silent = tokio::spawn(async move { client.ping("a").await });
    assert_eq!(silent.await.unwrap().unwrap_err().errno(), Errno::ETIMEDOUT);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

fn mgr_map_message(epoch: u32, n: usize, available: bool) -> Message {
    let mut e = Encoder::new();
    e.section(11, 6, |e| {
        e.u32(epoch);
        addrs_of(n).encode(e, u64::MAX);
        e.u64(55).u8(available.into()).string("x");
    });
    Message::new(MessageType::MGR_MAP, 1, 1, e.finish())
}

#[tokio::test(start_paused = true)]
async fn commands_for_the_manager_wait_for_one() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let client = world.client.clone();
    let command = tokio::spawn(async move { client.mgr_command(vec!["pg stat".into()], Bytes::new()).await });
    let (_, subscribed) = world.sent().await;
    assert!(String::from_utf8_lossy(&subscribed.front).contains("mgrmap"));
    peer.message(mgr_map_message(1, 8, false));
    peer.message(mgr_map_message(2, 8, true));
    let manager = world.connect().await;
    assert_eq!((manager.kind, manager.global_id), (EntityType::MGR, 4100));
    let (_, sent) = world.sent().await;
    // It dies; the next try is a second later at the soonest, and with the new one.
    let begin = tokio::time::Instant::now();
    manager.lose();
    peer.message(mgr_map_message(3, 9, true));
    let next = world.connect().await;
    assert_eq!(next.addr, addrs_of(9).0[0]);
    assert_eq!(begin.elapsed().as_secs(), 1);
    let (id, again) = world.sent().await;
    assert_eq!((id, again.tid, &again.front), (next.id, sent.tid, &sent.front));
    next.message(reply_of(MessageType::MGR_COMMAND_REPLY, sent.tid));
    assert_eq!(command.await.unwrap().unwrap().result, 0);
}

#[tokio::test(start_paused = true)]
async fn lines_of_the_cluster_log_come_once() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let watch: Arc<LogSink> = Arc::new(move |entry: &LogEntry| kept.lock().push(entry.seq));
    world.client.monitor_log(Some((LogLevel::Warn, watch)));
    let (_, subscribed) = world.sent().await;
    assert!(String::from_utf8_lossy(&subscribed.front).contains("log-warn"));
    let log = |version: u64, seq: u64| {
        let mut e = Encoder::new();
        e.u64(version).u16(0).u64(0).raw(&[7; 16]).u32(1);
        e.section(5, 5, |e| {
            e.u32(1).string("a").u8(1).u64(0);
            addrs_of(0).encode(e, u64::MAX);
            e.u32(1).u32(2).u64(seq).u16(3).string("text").string("cluster");
        });
        Message::new(MessageType::LOG, 1, 1, e.finish())
    };
    peer.message(log(5, 1));
    peer.message(log(5, 1));
    peer.message(log(6, 2));
    assert_eq!(*lines.lock(), [1, 2]);
    world.client.monitor_log(None);
    peer.message(log(7, 3));
    assert_eq!(*lines.lock(), [1, 2]);
}
