//! Connects that fail: the same errno as librados 16.2.15 gives (docs/ceph-behaviour.md), after the same time.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use logrbd::errno::Errno;

use crate::cluster::Cluster;
use crate::world::{client_of, config, run};

/// What it is, options, the errno, seconds.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<Errno>, u64);

#[test]
fn connects_that_fail() {
    let cluster = Cluster::start(&[]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("127.0.0.1:{}", free.local_addr().unwrap().port());
    drop(free);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("v2:{}", silent.local_addr().unwrap());
    let (v1, v2) = (cluster.mon_port("v1:").to_string(), cluster.mon_port("v2:").to_string());
    let wrong = "AQBhoQhpAAAAABAAZ2LnHVUHD5Fb4dv4Xv7H1A==";
    let monmap = cluster.conf.with_file_name("monmap");
    let monmap = monmap.to_str().unwrap();
    let dead_first = format!("v2:127.0.0.1:1,v2:127.0.0.1:2,v2:127.0.0.1:3,v2:127.0.0.1:4,v2:{v2}");
    let (v1_of_v2, v2_of_v1) = (format!("v1:{v2}"), format!("v2:{v1}"));
    let plain_v2 = v2.clone();
    let several = format!("v2:127.0.0.1:1 v2:127.0.0.1:2;v2:{v2}");
    let limit = ("client_mount_timeout", "3");
    let all: &[Case] = &[
        ("no monitors", &[("mon_host", "")], Some(Errno::ENOENT), 0),
        ("closed port", &[("mon_host", &closed), limit], Some(Errno::ETIMEDOUT), 3),
        ("accepts and says nothing", &[("mon_host", &silent), limit], Some(Errno::ETIMEDOUT), 3),
        ("unroutable", &[("mon_host", "192.0.2.1"), limit], Some(Errno::ETIMEDOUT), 3),
        ("no such name", &[("mon_host", "no.such.name.invalid"), limit], Some(Errno::EINVAL), 0),
        ("one bad name", &[("mon_host", "localhost,no.such.name.invalid")], Some(Errno::EINVAL), 0),
        ("no address", &[("mon_host", "v2:notanaddress")], Some(Errno::EINVAL), 0),
        ("open bracket", &[("mon_host", "[v2:127.0.0.1:3300")], Some(Errno::EINVAL), 0),
        ("no monmap", &[("monmap", "/nonexistent")], Some(Errno::ENOENT), 0),
        ("bad monmap", &[("monmap", "/dev/null")], Some(Errno::EINVAL), 0),
        ("monmap", &[("monmap", monmap), ("mon_host", "192.0.2.1")], None, 0),
        ("another fsid", &[("fsid", "11111111-2222-3333-4444-555555555555")], None, 0),
        ("wrong key", &[("key", wrong), limit], Some(Errno::EACCES), 0),
        ("no key", &[("keyring", "/nonexistent"), limit], Some(Errno::ENOENT), 0),
        ("bad key", &[("key", "nonsense"), limit], Some(Errno::EINVAL), 0),
        ("no authentication", &[("auth_client_required", "none"), limit], Some(Errno::EACCES), 0),
        // librados has msgr1 and waits; here the monitors that are named are refused at once.
        ("msgr1", &[("mon_host", &v1_of_v2), limit], Some(Errno::EOPNOTSUPP), 0),
        ("msgr1 called msgr2", &[("mon_host", &v2_of_v1), limit], Some(Errno::EOPNOTSUPP), 0),
        ("plain address", &[("mon_host", &plain_v2), limit], None, 0),
        ("spaces and semicolons", &[("mon_host", &several), limit], None, 0),
        ("dead ones first", &[("mon_host", &dead_first)], None, 3),
        ("secure", &[("ms_mon_client_mode", "secure")], None, 0),
        ("crc", &[("ms_mon_client_mode", "crc")], None, 0),
    ];
    for (label, changed, expected, seconds) in all {
        let begin = Instant::now();
        let config = config(&cluster, changed);
        let result = client_of(&config).and_then(|client| run(client.connect()));
        let took = begin.elapsed();
        println!("{label}: {result:?} after {took:.1?}");
        assert_eq!(result.err().map(|error| error.errno()), *expected, "{label}");
        let limit = Duration::from_secs(*seconds) + Duration::from_secs(1);
        assert!(took < limit, "{label}: {took:?}");
        if *expected == Some(Errno::ETIMEDOUT) {
            assert!(took >= Duration::from_secs(*seconds), "{label}: {took:?}");
        }
    }
    let mut nobody = logrbd::conf::Config::named("ceph", "client.nobody", &logrbd::conf::Process).unwrap();
    nobody.read_file(Some(cluster.conf.to_str().unwrap())).unwrap();
    nobody.set("key", wrong).unwrap();
    let refused = client_of(&nobody).and_then(|client| run(client.connect()));
    assert_eq!(refused.unwrap_err().errno(), Errno::EACCES);
}
