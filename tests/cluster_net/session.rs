//! Sessions with a real monitor and OSD, in both modes and without authentication.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use logrbd::auth::{AuthOptions, Authenticator, ClientAuth, SystemWorld};
use logrbd::conf::{Config, Process};
use logrbd::net::{Connection, Messenger, Net, NetError, Options, Ready};
use logrbd::wire::denc::Encoder;
use logrbd::wire::types::{AddrVec, EntityAddr, EntityName, EntityType};
use logrbd::wire::{Message, MessageType, features};

use crate::cluster::Cluster;
use crate::peers::{Seen, collector, net, next};

fn subscribe(what: &str) -> Message {
    let mut e = Encoder::new();
    e.u32(1).string(what).u64(0).u8(0).string("here");
    Message::new(MessageType::MON_SUBSCRIBE, 3, 1, e.finish())
}

/// The client's authentication as the cluster's configuration has it, with these options changed.
fn client_auth(cluster: &Cluster, changed: &[(&str, &str)]) -> Arc<ClientAuth> {
    let mut config = Config::new("admin", &Process);
    config.read_file(Some(cluster.conf.to_str().unwrap())).unwrap();
    for (key, value) in changed {
        config.set(key, value).unwrap();
    }
    ClientAuth::new(AuthOptions::from_conf(&config).unwrap(), Arc::new(SystemWorld))
}

/// A session with the monitor, in which it sent its map.
fn mon_session(
    cluster: &Cluster,
    auth: &ClientAuth,
    net: &Net,
) -> (Arc<dyn Connection>, Receiver<Seen>, Ready) {
    let (handler, seen) = collector();
    let mon = net.connect(EntityType::MON, &cluster.mon(), 0, auth.mon_authenticator(0), handler);
    mon.send(subscribe("monmap"));
    let Seen::Ready(ready) = next(&seen) else { panic!("not ready first") };
    assert_eq!(ready.peer, EntityName { kind: EntityType::MON, number: 0 });
    assert_eq!(ready.own, EntityAddr::client(IpAddr::V4(Ipv4Addr::LOCALHOST), 4711));
    assert_eq!(ready.features, features::SUPPORTED);
    assert!(ready.global_id > 0);
    auth.established(ready.global_id).unwrap();
    let map = loop {
        match next(&seen) {
            Seen::Message(message) if message.kind == MessageType::MON_MAP => break message,
            Seen::Message(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let fsid = cluster.ceph(&["fsid"]).trim().replace('-', "");
    let fsid: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&fsid[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(map.front.windows(16).any(|part| part == fsid), "the map of another cluster");
    (mon, seen, ready)
}

fn alive(connection: &Arc<dyn Connection>) {
    let asked = Instant::now();
    connection.keepalive();
    while connection.silent_for() >= asked.elapsed() {
        assert!(asked.elapsed() < Duration::from_secs(10), "no answer to the keepalive");
        std::thread::yield_now();
    }
}

/// Address and incarnation of osd.0.
fn osd(cluster: &Cluster) -> AddrVec {
    let dump = cluster.ceph(&["osd", "dump"]);
    let (_, rest) = dump.split_once("[v2:").unwrap();
    let (socket, rest) = rest.split_once('/').unwrap();
    let nonce = rest.split(',').next().unwrap().parse().unwrap();
    AddrVec(vec![EntityAddr::msgr2(socket.parse().unwrap(), nonce)])
}

fn osd_session(cluster: &Cluster, auth: &ClientAuth, net: &Net, global_id: u64) {
    let (handler, seen) = collector();
    let authenticator = auth.service_authenticator(EntityType::OSD).unwrap();
    let osd = net.connect(EntityType::OSD, &osd(cluster), global_id, authenticator, handler);
    let Seen::Ready(ready) = next(&seen) else { panic!("not ready first") };
    assert_eq!(ready.peer, EntityName { kind: EntityType::OSD, number: 0 });
    alive(&osd);
    osd.close();
}

#[test]
fn cephx_in_both_modes() {
    let cluster = Cluster::start(&[]);
    for (mon_modes, modes) in [("secure crc", "crc secure"), ("crc", "secure"), ("secure", "secure")] {
        let auth = client_auth(&cluster, &[("ms_mon_client_mode", mon_modes), ("ms_client_mode", modes)]);
        let (net, _runtime) = net(Options::default());
        let (mon, _seen, ready) = mon_session(&cluster, &auth, &net);
        alive(&mon);
        osd_session(&cluster, &auth, &net, ready.global_id);
        mon.close();
    }
}

#[test]
fn authentication_none() {
    let cluster = Cluster::start(&["--auth", "none"]);
    let auth = client_auth(&cluster, &[]);
    let (net, _runtime) = net(Options::default());
    let (mon, seen, ready) = mon_session(&cluster, &auth, &net);
    assert_eq!(ready.own.to_string(), "127.0.0.1:0/4711");
    let sessions = cluster.ceph(&["tell", "mon.a", "sessions"]);
    assert!(sessions.contains("\"nonce\": 4711"), "{sessions}");
    osd_session(&cluster, &auth, &net, ready.global_id);

    // A keepalive is answered.
    alive(&mon);

    // A closed connection says nothing any more, not even that it is closed.
    mon.close();
    drop(mon);
    assert!(seen.recv_timeout(Duration::from_secs(5)).is_err_and(|e| e == RecvTimeoutError::Disconnected));

    wrong_peers(&cluster, &auth);
}

/// Peers that are not what they should be, each with its own error.
fn wrong_peers(cluster: &Cluster, auth: &ClientAuth) {
    let (net, _runtime) = net(Options::default());
    let refused = |peer: EntityType, addrs: &AddrVec| {
        let (handler, seen) = collector();
        let authenticator: Box<dyn Authenticator> = match peer {
            EntityType::MON => auth.mon_authenticator(0),
            peer => auth.service_authenticator(peer).unwrap(),
        };
        let connection = net.connect(peer, addrs, 0, authenticator, handler);
        connection.send(subscribe("monmap"));
        let Seen::Reset(error) = next(&seen) else { panic!("a connection") };
        error
    };
    let at = |socket| AddrVec(vec![EntityAddr::msgr2(socket, 0)]);
    // msgr1's port.
    let error = refused(EntityType::MON, &at(cluster.mon_port("v1:")));
    assert!(matches!(error, NetError::Unsupported { .. }) && error.to_string().contains("msgr1"), "{error}");
    // A monitor that should be an OSD.
    let error = refused(EntityType::OSD, &cluster.mon());
    assert!(
        matches!(error, NetError::Protocol { .. }) && error.to_string().contains("expected osd"),
        "{error}"
    );
    // Only a legacy address.
    let mut legacy = at(cluster.mon_port("v1:"));
    legacy.0[0].kind = logrbd::wire::types::AddrType::Legacy;
    let error = refused(EntityType::MON, &legacy);
    assert!(matches!(error, NetError::Unsupported { .. }), "{error}");
    // Another life of it. Ceph closes without a word.
    let mut old = cluster.mon();
    old.0[0].nonce = 9;
    let error = refused(EntityType::MON, &old);
    assert!(
        matches!(error, NetError::Lost { .. }) && error.to_string().contains("before the session"),
        "{error}"
    );
    // Nobody.
    let error = refused(EntityType::MON, &at("127.0.0.1:1".parse().unwrap()));
    assert!(matches!(error, NetError::Connect { .. }), "{error}");
}
