//! Tickets that hold for seconds are renewed over the session with the monitor, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use logrbd::mon::MonSink;
use logrbd::net::{Messenger, Net, NetError, Options};
use logrbd::wire::types::{AddrVec, EntityAddr, EntityType};

use crate::cluster::Cluster;
use crate::peers::{Seen, collector, next};
use crate::world::{Got, Sink, client_of, config, run};

/// Seconds.
const SERVICE_TTL: u64 = 8;
const AUTH_TTL: u64 = 16;

fn address(cluster: &Cluster, dump: &[&str]) -> AddrVec {
    let dump = cluster.ceph(dump);
    let (_, rest) = dump.split_once("v2:").unwrap();
    let (socket, rest) = rest.split_once('/').unwrap();
    let nonce: String = rest.chars().take_while(char::is_ascii_digit).collect();
    AddrVec(vec![EntityAddr::msgr2(socket.parse().unwrap(), nonce.parse().unwrap())])
}

/// Every second a new connection to the OSD, for three times as long as the longest ticket holds. Without renewal there
/// is no ticket after 8 s; with renewal of service tickets alone none after 16 s.
#[test]
fn tickets_are_renewed() {
    let (service, auth) =
        (format!("auth_service_ticket_ttl = {SERVICE_TTL}"), format!("auth_mon_ticket_ttl = {AUTH_TTL}"));
    let cluster = Cluster::start(&["--conf", &service, "--conf", &auth]);
    let config = config(&cluster, &[]);
    let client = client_of(&config).unwrap();
    let (sender, mut got) = tokio::sync::mpsc::unbounded_channel();
    let sink: Arc<dyn MonSink> = Arc::new(Sink(sender));
    client.set_sink(Arc::downgrade(&sink));
    run(client.connect()).unwrap();
    let global_id = client.global_id();
    let runtime = logrbd::runtime::start(1).unwrap();
    let net = Net::new(Options::of(&config), 4711, runtime);
    let osd = address(&cluster, &["osd", "dump"]);

    let begin = Instant::now();
    let (mut good, mut refused) = (0, 0);
    while begin.elapsed() < Duration::from_secs(3 * AUTH_TTL) {
        let turn = Instant::now();
        let authenticator = client.service_authenticator(EntityType::OSD).unwrap();
        let (handler, seen) = collector();
        let connection = net.connect(EntityType::OSD, &osd, global_id, authenticator, handler);
        match next(&seen) {
            Seen::Ready(_) => good += 1,
            // The daemons learn of a new secret a little later than the monitor uses it, at such short times.
            Seen::Reset(error @ NetError::Auth { .. }) => {
                println!("{:.1?}: {error}", begin.elapsed());
                refused += 1;
            }
            other => panic!("after {:.1?}: {other:?}", begin.elapsed()),
        }
        connection.close();
        std::thread::sleep(Duration::from_secs(1).saturating_sub(turn.elapsed()));
    }
    println!("{good} connections, {refused} refused");
    assert!(good >= 40 && refused == 0, "{good} connections, {refused} refused");
    assert_eq!(client.global_id(), global_id);
    // Renewed over one session: a new one, in which tickets come anyway, would hide that renewal does not work.
    let sessions = std::iter::from_fn(|| got.try_recv().ok()).filter(|got| matches!(got, Got::Session));
    assert_eq!(sessions.count(), 1);
    run(client.shutdown());
}
