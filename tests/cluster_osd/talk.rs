//! What requests, listings, watches and commands answer.

use std::time::Duration;

use bytes::Bytes;
use logrbd::errno::Errno;
use logrbd::osd::{CommandTarget, ObjectName, OpRequest, OsdError, OsdOp, hobject};
use logrbd::wire::denc::Encoder;

use crate::cluster::Cluster;
use crate::world::{Client, Ears, Heard, ctl, errno, run};

#[test]
fn an_osd_answers() {
    let cluster = Cluster::start(&["--osds", "1", "--pool", "t:8"]);
    run(async {
        let client = Client::new(&cluster, "t").await;
        objects(&client).await;
        compression(&cluster).await;
        order(&client).await;
        classes(&client).await;
        listings(&client).await;
        watches(&cluster, &client).await;
        commands(&client).await;
        quota(&cluster, &client).await;
        timeout(&cluster).await;
        no_pool(&cluster, &client).await;
        client.osd().shutdown().await;
        let after = client.osd().read(client.object("x"), 0, 0).await;
        assert!(matches!(after, Err(OsdError::ShutDown)));
    });
}

async fn objects(client: &Client) {
    let osd = client.osd();
    let x = client.object("x");
    assert_eq!(errno(osd.read(x.clone(), 0, 0).await), Errno::ENOENT);
    osd.write_full(x.clone(), Bytes::from_static(b"hello")).await.unwrap();
    osd.write(x.clone(), 10, Bytes::from_static(b"end")).await.unwrap();
    assert_eq!(osd.read(x.clone(), 0, 0).await.unwrap(), &b"hello\0\0\0\0\0end"[..]);
    assert_eq!(osd.stat(x.clone()).await.unwrap().size, 13);
    let large: Bytes = (0..9 << 20).map(|n: u32| (n >> 3) as u8).collect::<Vec<u8>>().into();
    osd.write_full(x.clone(), large.clone()).await.unwrap();
    assert_eq!(osd.read(x.clone(), 0, 0).await.unwrap(), large);
    osd.delete(x.clone()).await.unwrap();
    assert_eq!(errno(osd.delete(x).await), Errno::ENOENT);

    // Namespace and key: another object each.
    let named = ObjectName { namespace: "ns".into(), key: "k".into(), ..client.object("x") };
    osd.write_full(named.clone(), Bytes::from_static(b"1")).await.unwrap();
    assert_eq!(errno(osd.stat(client.object("x")).await), Errno::ENOENT);
    assert_eq!(osd.read(named.clone(), 0, 0).await.unwrap(), &b"1"[..]);
    osd.delete(named).await.unwrap();
}

/// 16.2.15 does not know of compression on the wire: who wants it does without.
async fn compression(cluster: &Cluster) {
    for mode in ["crc", "secure"] {
        let wanted =
            [("ms_osd_compress_mode", "force"), ("ms_compress_secure", "true"), ("ms_client_mode", mode)];
        let client = Client::with(cluster, "t", &wanted).await;
        objects(&client).await;
        client.store.end().await;
    }
}

/// Requests to an object take effect in the order of the calls, whenever they are waited for.
async fn order(client: &Client) {
    let osd = client.osd();
    let object = client.object("ordered");
    let append = |n: u32| {
        let data = Bytes::from(format!("{n} "));
        osd.operate(OpRequest::writing(object.clone(), vec![OsdOp::append(data)]))
    };
    let waits: Vec<_> = (0..3000).map(append).collect();
    for wait in waits.into_iter().rev() {
        assert_eq!(wait.await.unwrap().result, 0);
    }
    let expected: String = (0..3000).map(|n| format!("{n} ")).collect();
    assert_eq!(osd.read(object.clone(), 0, 0).await.unwrap(), expected.as_bytes());
    osd.delete(object).await.unwrap();
}

async fn classes(client: &Client) {
    let mut e = Encoder::new();
    e.string("no such lock");
    let call =
        |method, input| OpRequest::reading(client.object("locked"), vec![OsdOp::call("lock", method, input)]);
    client.osd().write_full(client.object("locked"), Bytes::from_static(b"-")).await.unwrap();
    let answer = client.osd().run(call("list_locks", Bytes::new())).await.unwrap();
    assert_eq!(answer.ops[0].output, &[1, 1, 4, 0, 0, 0, 0, 0, 0, 0][..]);
    assert_eq!(errno(client.osd().run(call("no_such_method", e.finish())).await), Errno::EOPNOTSUPP);
    client.osd().delete(client.object("locked")).await.unwrap();
}

async fn listings(client: &Client) {
    let mut names: Vec<(String, String)> = Vec::new();
    for n in 0..300 {
        let namespace = if n % 3 == 0 { "other" } else { "" };
        names.push((namespace.to_owned(), format!("listed{n}")));
    }
    for (namespace, oid) in &names {
        let object = ObjectName { namespace: namespace.clone().into(), ..client.object(oid) };
        client.osd().write_full(object, Bytes::from_static(b"-")).await.unwrap();
    }
    let map = client.osd().map();
    for (namespace, pieces) in [(None, 7), (Some("other"), 1000), (Some(""), 50)] {
        let mut found = Vec::new();
        let mut cursor = hobject::min();
        while !cursor.max {
            let namespace = namespace.map(|name| Bytes::from_static(str::as_bytes(name)));
            let listed = client.osd().list(client.pool(), namespace, cursor, pieces, None).await.unwrap();
            assert!(listed.entries.len() <= pieces as usize);
            found.extend(listed.entries);
            cursor = listed.next;
        }
        let place = |oid: &[u8], namespace: &[u8]| {
            map.object_to_raw_pg(client.pool(), b"", namespace, oid).unwrap().seed.reverse_bits()
        };
        let places: Vec<u32> = found.iter().map(|entry| place(&entry.oid, &entry.namespace)).collect();
        assert!(places.is_sorted());
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let mut found: Vec<_> = found.iter().map(|e| (text(&e.namespace), text(&e.oid))).collect();
        let wanted = |of: &str| namespace.is_none_or(|namespace| namespace == of);
        let mut expected: Vec<_> = names.iter().filter(|(of, _)| wanted(of)).cloned().collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

async fn watches(cluster: &Cluster, client: &Client) {
    let other = Client::new(cluster, "t").await;
    let (ears, mut hears) = Ears::new(client, "watched", true);
    let object = client.object("watched");
    assert_eq!(errno(client.osd().watch(object.clone(), 10, ears.clone()).await), Errno::ENOENT);
    client.osd().write_full(object.clone(), Bytes::from_static(b"-")).await.unwrap();
    let cookie = client.osd().watch(object.clone(), 10, ears.clone()).await.unwrap();
    assert!(client.osd().watch_check(cookie).unwrap() < 10_000);

    let payload = Bytes::from_static(b"news");
    let replies = other.osd().notify(object.clone(), payload.clone(), 5000).await.unwrap();
    let gid = client.store.mon().global_id();
    assert_eq!((replies.acks, replies.timeouts), (vec![(gid, cookie, payload.clone())], vec![]));
    let from = other.store.mon().global_id();
    assert_eq!(hears.recv().await.unwrap(), Heard::Notified { from, payload: payload.clone() });

    // One that does not answer.
    let (deaf, _keep) = Ears::new(&other, "watched", false);
    let silent = other.osd().watch(object.clone(), 10, deaf).await.unwrap();
    let replies = client.osd().notify(object.clone(), payload.clone(), 1000).await.unwrap();
    assert_eq!(replies.timeouts, [(from, silent)]);
    assert_eq!(replies.acks, [(gid, cookie, payload.clone())]);
    other.osd().unwatch(silent).await.unwrap();
    assert!(other.osd().unwatch(silent).await.is_err());
    client.osd().watch_flush().await;
    hears.recv().await.unwrap();

    // Its object is removed: the OSD says so.
    client.osd().delete(object.clone()).await.unwrap();
    assert_eq!(hears.recv().await.unwrap(), Heard::Lost(Errno::ENOTCONN));
    assert_eq!(errno(client.osd().watch_check(cookie)), Errno::ENOTCONN);
    assert_eq!(errno(other.osd().notify(object, payload, 1000).await), Errno::ENOENT);
    other.osd().shutdown().await;
}

async fn commands(client: &Client) {
    let osd = client.osd();
    let version = || vec![r#"{"prefix": "version", "format": "json"}"#.to_owned()];
    let answer = osd.command(CommandTarget::Osd(0), version(), Bytes::new()).await.unwrap();
    assert_eq!(answer.result, 0);
    assert!(answer.output.starts_with(b"{\"version\""), "{answer:?}");
    let bad = vec!["nonsense".to_owned()];
    let answer = osd.command(CommandTarget::Osd(0), bad, Bytes::new()).await.unwrap();
    assert_eq!(Errno(-answer.result), Errno::EINVAL);
    let answer = osd.command(CommandTarget::Osd(99), version(), Bytes::new()).await;
    assert_eq!(errno(answer), Errno::ENOENT);
}

/// A full pool: writes wait, those that say that they know are refused, and all goes on when there is room.
async fn quota(cluster: &Cluster, client: &Client) {
    cluster.ceph(&["osd", "pool", "set-quota", "t", "max_objects", "10"]);
    let full = |client: &Client| {
        let map = client.osd().map();
        map.pool(client.pool()).unwrap().has_flag(logrbd::osd::map::pool_flag::FULL)
    };
    while !full(client) {
        let next = client.osd().map().epoch() + 1;
        tokio::time::timeout(Duration::from_secs(60), client.osd().wait_for_epoch(next))
            .await
            .unwrap()
            .unwrap();
    }
    let mut request =
        OpRequest::writing(client.object("more"), vec![OsdOp::write_full(Bytes::from_static(b"-"))]);
    let waiting = client.osd().operate(request.clone());
    request.flags |= logrbd::osd::codes::flag::FULL_TRY;
    let answer = client.osd().operate(request).await.unwrap();
    assert_eq!(Errno(-answer.result), Errno::EDQUOT);
    let mut waiting = std::pin::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut waiting).await.is_err());
    cluster.ceph(&["osd", "pool", "set-quota", "t", "max_objects", "0"]);
    let answer = tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
    assert_eq!(answer.result, 0);
}

async fn timeout(cluster: &Cluster) {
    let client = Client::with(cluster, "t", &[("rados_osd_op_timeout", "3")]).await;
    client.osd().write_full(client.object("t"), Bytes::from_static(b"-")).await.unwrap();
    ctl(cluster, "stop", &["osd.0"]);
    let begun = std::time::Instant::now();
    let answer = client.osd().read(client.object("t"), 0, 0).await;
    ctl(cluster, "cont", &["osd.0"]);
    assert_eq!(answer.unwrap_err(), OsdError::TimedOut { seconds: 3 });
    assert!((3..6).contains(&begun.elapsed().as_secs()));
    client.osd().read(client.object("t"), 0, 0).await.unwrap();
    client.osd().shutdown().await;
}

async fn no_pool(cluster: &Cluster, client: &Client) {
    cluster.ceph(&["osd", "pool", "rm", "t", "t", "--yes-i-really-really-mean-it"]);
    let answer = client.osd().read(client.object("more"), 0, 0).await;
    assert!(matches!(answer, Err(OsdError::NoPool(pool)) if pool == client.pool()), "{answer:?}");
    let other = ObjectName { pool: 4711, ..client.object("x") };
    assert!(matches!(client.osd().read(other, 0, 0).await, Err(OsdError::NoPool(4711))));
}

/// What an OSD is told of msgr2 when it starts.
fn bind_msgr2(cluster: &Cluster, bind: bool) {
    let conf = std::fs::read_to_string(&cluster.conf).unwrap();
    let (rest, _) = conf.split_once("\n[osd.0]").unwrap_or((&conf, ""));
    std::fs::write(&cluster.conf, format!("{rest}\n[osd.0]\nms_bind_msgr2 = {bind}\n")).unwrap();
    ctl(cluster, "kill", &["osd.0"]);
    ctl(cluster, "start", &["osd.0"]);
}

/// Waits until the map has what OSDs are said to have, by that word in its line.
async fn addresses(cluster: &Cluster, word: &str, is: bool) {
    for _ in 0..600 {
        let dump = cluster.ceph(&["osd", "dump"]);
        let line = dump.lines().find(|line| line.starts_with("osd.0 ")).unwrap();
        if line.contains(" up ") && line.contains(word) == is {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("osd.0 does not come up");
}

#[test]
fn an_osd_that_speaks_msgr1_only_is_named_and_waited_for_by_those_who_know_it() {
    let cluster = Cluster::start(&["--osds", "1", "--pool", "t:8"]);
    run(async {
        let old = Client::new(&cluster, "t").await;
        old.osd().write_full(old.object("x"), Bytes::from_static(b"before")).await.unwrap();
        bind_msgr2(&cluster, false);
        addresses(&cluster, "[v2:", false).await;

        // Who never knew it otherwise is told at once, whatever is asked.
        let new = Client::new(&cluster, "t").await;
        assert_eq!(errno(new.osd().read(new.object("x"), 0, 0).await), Errno::EOPNOTSUPP);
        assert_eq!(errno(new.osd().read(new.object("x"), 0, 0).await), Errno::EOPNOTSUPP);
        let (ears, _) = Ears::new(&new, "x", true);
        assert_eq!(errno(new.osd().watch(new.object("x"), 30, ears).await), Errno::EOPNOTSUPP);
        let version = vec!["{\"prefix\": \"version\"}".to_owned()];
        let command = new.osd().command(CommandTarget::Osd(0), version, Bytes::new()).await;
        assert_eq!(errno(command), Errno::EOPNOTSUPP);

        // Who had a session waits, as for one that is down.
        old.osd().wait_for_latest_map().await.unwrap();
        let waiting = old.osd().write_full(old.object("x"), Bytes::from_static(b"after"));
        let mut waiting = std::pin::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_secs(2), &mut waiting).await.is_err());
        bind_msgr2(&cluster, true);
        tokio::time::timeout(Duration::from_secs(120), waiting).await.unwrap().unwrap();
        new.osd().wait_for_latest_map().await.unwrap();
        assert_eq!(new.osd().read(new.object("x"), 0, 0).await.unwrap(), &b"after"[..]);
        for client in [&old, &new] {
            client.store.end().await;
        }
    });
}
