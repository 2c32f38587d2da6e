//! This client as a service daemon: payloads as librados 16.2.15 sends them, sessions that come and go, the end.

use super::*;

/// `wiretest.d1` as python3-rados registered it (capi-tests/cluster/capture, `ms_client_mode = crc`).
const FIRST_REPORT: &str = "02000000 6431 00000000 06000000 0101 00000000 00000000 08000000 7769726574657374
    01 00000000 00000000 00000000 00000000 01 00000000 00";
const NEXT_REPORT: &str = "02000000 6431 00000000 06000000 0101 00000000 00000000 08000000 7769726574657374
    00 00000000 00000000 00000000 00 00";
const WITH_STATUS: &str = "02000000 6431 00000000 06000000 0101 00000000 00000000 08000000 7769726574657374
    01 02000000 01000000 6e 01000000 35 02000000 7374 02000000 6f6b 00000000 00000000 00000000 00 00";
const CLOSE: &str = "02000000 6431 08000000 7769726574657374";
/// Of those with a short configuration: `log_file` of a file, and one default.
const OPEN: &str = "02000000 6431 08000000 7769726574657374 01 01000000 02000000 6b31 02000000 7631 00000000
    20000000 01000000 08000000 6c6f675f66696c65 01000000 02000000 00000000 00000000
    19000000 01000000 08000000 6c6f675f66696c65 05000000 2f646576 2f";

fn pairs(all: &[(&str, &str)]) -> Pairs {
    all.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn daemon(config: DaemonConfig) -> ServiceDaemon {
    ServiceDaemon {
        service: b"wiretest".to_vec(),
        name: b"d1".to_vec(),
        metadata: pairs(&[("k1", "v1")]),
        config: Arc::new(move || config.clone()),
    }
}

fn short_config() -> DaemonConfig {
    DaemonConfig {
        set: vec![("log_file".into(), vec![(2, String::new())])],
        defaults: vec![("log_file".into(), "/dev/".into())],
    }
}

fn configure(seconds: u32) -> Message {
    let mut e = Encoder::new();
    e.u32(seconds).u32(5).u32(0).u8(0);
    Message::new(MessageType::MGR_CONFIGURE, 4, 1, e.finish())
}

/// The next message, which must be this one of the session `id`.
async fn says(world: &mut World, id: u64, kind: MessageType, version: u16, want: &str) {
    let (from, sent) = world.sent().await;
    assert_eq!((from, sent.kind, sent.version, sent.compat_version), (id, kind, version, 1));
    assert_eq!(sent.front, hex(want), "{kind:?}");
}

/// A session with manager `n`.
async fn manager(world: &mut World, peer: &Peer, epoch: u32, n: usize) -> Peer {
    peer.message(mgr_map_message(epoch, n, true));
    world.connect().await
}

#[tokio::test(start_paused = true)]
async fn each_session_is_told_of_the_daemon_and_its_status() {
    let (mut world, peer) = World::connected(|_| ()).await;
    world.client.register_service(daemon(short_config()));
    assert!(String::from_utf8_lossy(&world.sent().await.1.front).contains("mgrmap"));
    let first = manager(&mut world, &peer, 1, 8).await;
    says(&mut world, first.id, MessageType::MGR_OPEN, 3, OPEN).await;

    let begin = tokio::time::Instant::now();
    first.message(configure(5));
    says(&mut world, first.id, MessageType::MGR_REPORT, 9, FIRST_REPORT).await;
    assert_eq!(begin.elapsed().as_secs(), 0);
    says(&mut world, first.id, MessageType::MGR_REPORT, 9, NEXT_REPORT).await;
    assert_eq!(begin.elapsed().as_secs(), 5);
    world.client.set_service_status(pairs(&[("st", "ok"), ("n", "5")]));
    says(&mut world, first.id, MessageType::MGR_REPORT, 9, WITH_STATUS).await;
    // A second MMgrConfigure does not make it report twice as often.
    first.message(configure(10));
    says(&mut world, first.id, MessageType::MGR_REPORT, 9, NEXT_REPORT).await;
    says(&mut world, first.id, MessageType::MGR_REPORT, 9, NEXT_REPORT).await;
    assert_eq!(begin.elapsed().as_secs(), 25);

    first.lose();
    let second = world.connect().await;
    let (from, open) = world.sent().await;
    assert_eq!((from, open.kind), (second.id, MessageType::MGR_OPEN));
    let third = manager(&mut world, &peer, 2, 9).await;
    assert_eq!(world.sent().await.1.kind, MessageType::MGR_OPEN);
    // Of a session that is over, nothing counts.
    second.message(configure(1));
    third.message(configure(5));
    let (from, report) = world.sent().await;
    assert_eq!((from, report.kind), (third.id, MessageType::MGR_REPORT));
    assert!(report.front.windows(2).any(|two| two == b"ok"), "a new session is told the status");
    says(&mut world, third.id, MessageType::MGR_REPORT, 9, NEXT_REPORT).await;
}

#[tokio::test(start_paused = true)]
async fn changed_options_are_reported_once() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let value = Arc::new(Mutex::new(String::new()));
    let now = value.clone();
    let config = Arc::new(move || DaemonConfig {
        set: vec![("log_file".into(), vec![(5, now.lock().clone())])],
        defaults: Vec::new(),
    });
    world.client.register_service(ServiceDaemon { config, ..daemon(DaemonConfig::default()) });
    world.sent().await;
    let session = manager(&mut world, &peer, 1, 8).await;
    session.message(configure(5));
    world.sent().await; // MMgrOpen
    says(&mut world, session.id, MessageType::MGR_REPORT, 9, FIRST_REPORT).await;
    *value.lock() = "changed".into();
    let (_, report) = world.sent().await;
    assert!(report.front.windows(7).any(|part| part == b"changed"));
    says(&mut world, session.id, MessageType::MGR_REPORT, 9, NEXT_REPORT).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_and_confirmed() {
    let (mut world, peer) = World::connected(|_| ()).await;
    world.client.register_service(daemon(short_config()));
    world.sent().await;
    let session = manager(&mut world, &peer, 1, 8).await;
    session.message(configure(5));
    world.sent().await;
    world.sent().await;
    let client = world.client.clone();
    let begin = tokio::time::Instant::now();
    let end = tokio::spawn(async move { client.shutdown().await });
    says(&mut world, session.id, MessageType::MGR_CLOSE, 1, CLOSE).await;
    session.message(Message::new(MessageType::MGR_CLOSE, 1, 1, hex(CLOSE).into()));
    end.await.unwrap();
    assert_eq!(begin.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_does_not_answer_delays_the_end_by_a_second() {
    for lost in [false, true] {
        let (mut world, peer) = World::connected(|_| ()).await;
        world.client.register_service(daemon(short_config()));
        world.sent().await;
        let session = manager(&mut world, &peer, 1, 8).await;
        world.sent().await;
        let client = world.client.clone();
        let begin = tokio::time::Instant::now();
        let end = tokio::spawn(async move { client.shutdown().await });
        says(&mut world, session.id, MessageType::MGR_CLOSE, 1, CLOSE).await;
        if lost {
            session.lose();
        }
        end.await.unwrap();
        assert_eq!(begin.elapsed().as_millis(), if lost { 0 } else { 1000 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_for_a_command_becomes_the_daemons() {
    let (mut world, peer) = World::connected(|_| ()).await;
    let client = world.client.clone();
    let command = tokio::spawn(async move { client.mgr_command(vec!["pg stat".into()], Bytes::new()).await });
    world.sent().await;
    let session = manager(&mut world, &peer, 1, 8).await;
    let (_, asked) = world.sent().await;
    session.message(configure(5));
    session.message(reply_of(MessageType::MGR_COMMAND_REPLY, asked.tid));
    assert_eq!(command.await.unwrap().unwrap().result, 0);
    world.client.register_service(daemon(short_config()));
    says(&mut world, session.id, MessageType::MGR_OPEN, 3, OPEN).await;
    session.message(configure(5));
    says(&mut world, session.id, MessageType::MGR_REPORT, 9, FIRST_REPORT).await;
}
