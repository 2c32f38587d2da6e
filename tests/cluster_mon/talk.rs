//! What a healthy cluster answers, beside what Ceph's own tools say.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use logrbd::errno::Errno;
use logrbd::mon::messages::{self, PoolOp, PoolOpCode, PoolOpReply, Statfs};
use logrbd::mon::{LogLevel, MonClient, MonTarget};
use logrbd::wire::MessageType;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::world::{Got, Sink, client_of, config, connected, run};

const PATIENCE: Duration = Duration::from_secs(20);

pub fn command(client: &MonClient, target: MonTarget, cmd: Value) -> (i32, String, Bytes) {
    let reply = run(client.command(target, vec![cmd.to_string()], Bytes::new()));
    let reply = reply.unwrap_or_else(|error| panic!("{cmd}: {error}"));
    (reply.result, reply.status, reply.output)
}

fn json_of(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

#[test]
fn a_healthy_cluster() {
    let cluster = Cluster::start(&["--mons", "3"]);
    let client = connected(&cluster, &[]);
    identity(&cluster, &client);
    commands(&cluster, &client);
    requests(&cluster, &client);
    subscriptions(&cluster);
    configuration(&cluster);
    log(&cluster, &client);
    run(client.shutdown());
    assert_eq!(run(client.get_version("osdmap")).unwrap_err().errno(), Errno::ECANCELED);
}

fn identity(cluster: &Cluster, client: &MonClient) {
    let fsid = client.fsid().map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(fsid, cluster.ceph(&["fsid"]).trim().replace('-', ""));
    let dump = json_of(cluster.ceph(&["mon", "dump", "-f", "json"]).as_bytes());
    let map = client.monmap();
    assert_eq!(map.epoch, dump["epoch"].as_u64().unwrap() as u32);
    assert_eq!(map.min_mon_release, 16);
    for mon in dump["mons"].as_array().unwrap() {
        let info = map.by_rank(mon["rank"].as_i64().unwrap() as i32).unwrap();
        assert_eq!(info.name, mon["name"]);
        let v2 = &mon["public_addrs"]["addrvec"][0]["addr"];
        assert_eq!(info.addrs.msgr2().unwrap().socket.unwrap().to_string(), v2.as_str().unwrap());
    }
    assert!(client.global_id() > 0);
    assert!(client.own_addrs().to_string().starts_with("127.0.0.1:0/"), "{}", client.own_addrs());
    // The monitors know this client by the same number and address.
    let mut seen = Vec::new();
    for name in ["a", "b", "c"] {
        let (result, _, out) = command(client, MonTarget::Name(name.into()), json!({"prefix": "sessions"}));
        assert_eq!(result, 0);
        seen.extend(json_of(&out).as_array().unwrap().clone());
    }
    seen.retain(|session| session["global_id"] == client.global_id());
    let [session] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((&session["entity_name"], &session["con_type"]), (&json!("client.admin"), &json!("client")));
    let addr = &session["addrs"]["addrvec"][0];
    let addr = format!("{}/{}", addr["addr"].as_str().unwrap(), addr["nonce"]);
    assert_eq!(addr, client.own_addrs().to_string());
    assert_ne!(session["remote_host"], "");
}

fn commands(cluster: &Cluster, client: &MonClient) {
    let (result, status, out) =
        command(client, MonTarget::Any, json!({"prefix": "mon dump", "format": "json"}));
    assert_eq!((result, status.as_str()), (0, "dumped monmap epoch 1"));
    assert_eq!(json_of(&out)["mons"].as_array().unwrap().len(), 3);
    let (result, status, _) = command(client, MonTarget::Any, json!({"prefix": "no such thing"}));
    assert_eq!((result, status.as_str()), (-22, "command not known"));
    // Input.
    let set = json!({"prefix": "config-key set", "key": "logrbd/test"}).to_string();
    let set = run(client.command(MonTarget::Any, vec![set], "a value\n".into())).unwrap();
    assert_eq!(set.result, 0, "{}", set.status);
    assert_eq!(cluster.ceph(&["config-key", "get", "logrbd/test"]), "a value\n");
    for target in [MonTarget::Name("b".into()), MonTarget::Rank(1)] {
        let (result, _, out) = command(client, target, json!({"prefix": "version"}));
        assert_eq!((result, &json_of(&out)["release"]), (0, &json!("pacific")));
        let (_, _, out) = command(client, MonTarget::Rank(2), json!({"prefix": "mon_status"}));
        assert_eq!(json_of(&out)["name"], client.monmap().by_rank(2).unwrap().name);
    }
    for (target, status) in [(MonTarget::Name("zz".into()), "mon dne"), (MonTarget::Rank(7), "mon rank dne")]
    {
        let error = run(client.command(target, vec!["{}".into()], Bytes::new())).unwrap_err();
        assert_eq!((error.errno(), error.status()), (Errno::ENOENT, status));
    }
    for _ in 0..2 {
        let stat =
            run(client.mgr_command(vec![json!({"prefix": "pg stat"}).to_string()], Bytes::new())).unwrap();
        assert_eq!(stat.result, 0);
        assert!(String::from_utf8_lossy(&stat.output).contains("active+clean"), "{stat:?}");
    }
    let ping = json_of(run(client.ping("c")).unwrap().as_bytes());
    assert_eq!(ping["mon_status"]["name"], "c");
    assert_eq!(run(client.ping("q")).unwrap_err().errno(), Errno::ENOENT);
    // Before the connect, too, by the made-up name.
    let fresh = client_of(&config(cluster, &[])).unwrap();
    assert!(json_of(run(fresh.ping("a")).unwrap().as_bytes())["health"].is_object());
    assert_eq!(run(fresh.ping("z")).unwrap_err().errno(), Errno::ENOENT);
}

fn requests(cluster: &Cluster, client: &MonClient) {
    let epoch =
        || json_of(cluster.ceph(&["osd", "dump", "-f", "json"]).as_bytes())["epoch"].as_u64().unwrap();
    let before = epoch();
    let (newest, oldest) = run(client.get_version("osdmap")).unwrap();
    assert!(newest >= before && newest <= epoch() && oldest >= 1, "{newest} {oldest}");
    let space =
        Statfs::decode(&run(client.request(messages::statfs(&client.fsid(), None))).unwrap()).unwrap();
    assert_eq!(space.kb, 16 << 20);
    assert!(space.kb_avail + space.kb_used <= space.kb && space.kb_avail > 0);
    let create = PoolOp {
        code: PoolOpCode::Create,
        pool: 0,
        name: "made here".into(),
        snap: 0,
        crush_rule: -1,
        epoch: newest as u32,
    };
    let op =
        |op: &PoolOp| PoolOpReply::decode(&run(client.request(op.encode(&client.fsid()))).unwrap()).unwrap();
    let made = op(&create);
    assert_eq!(made.result, 0);
    assert!(u64::from(made.epoch) > newest);
    assert!(cluster.ceph(&["osd", "pool", "ls"]).contains("made here"));
    // librados asks its map before and says EEXIST; the monitors take it for a repetition.
    assert_eq!(op(&create).result, 0);
    let pools = json_of(cluster.ceph(&["osd", "dump", "-f", "json"]).as_bytes())["pools"].clone();
    let pool = pools.as_array().unwrap().iter().find(|pool| pool["pool_name"] == "made here").unwrap();
    let snap = PoolOp {
        code: PoolOpCode::CreateSelfManagedSnap,
        pool: pool["pool"].as_u64().unwrap() as u32,
        name: String::new(),
        ..create
    };
    let snap = op(&snap);
    assert_eq!((snap.result, snap.data.len()), (0, 8));
    let stats = messages::get_pool_stats(&client.fsid(), &["rbd"], 1);
    let stats = run(client.request(stats)).unwrap();
    assert_eq!(stats.kind, MessageType::GET_POOL_STATS_REPLY);
}

fn subscriptions(cluster: &Cluster) {
    let client = client_of(&config(cluster, &[])).unwrap();
    let (sender, mut got) = tokio::sync::mpsc::unbounded_channel();
    let sink: Arc<Sink> = Arc::new(Sink(sender));
    let weak: std::sync::Weak<Sink> = Arc::downgrade(&sink);
    client.set_sink(weak);
    client.subscribe("osdmap", 0, true);
    run(client.connect()).unwrap();
    let mut next =
        || run(async { tokio::time::timeout(PATIENCE, got.recv()).await.expect("nothing comes").unwrap() });
    assert!(matches!(next(), Got::Session));
    let Got::Message(map) = next() else { panic!("another session") };
    assert_eq!(map.kind, MessageType::OSD_MAP);
    let (newest, _) = run(client.get_version("osdmap")).unwrap();
    client.subscription_got("osdmap", newest);
    client.subscribe("osdmap", newest + 1, false);
    for _ in 0..2 {
        cluster.ceph(&["osd", "set", "noout"]);
        cluster.ceph(&["osd", "unset", "noout"]);
        let Got::Message(map) = next() else { panic!("another session") };
        assert_eq!(map.kind, MessageType::OSD_MAP);
    }
}

fn configuration(cluster: &Cluster) {
    cluster.ceph(&["config", "set", "client", "rbd_cache_size", "1111"]);
    let client = client_of(&config(cluster, &[])).unwrap();
    let (sender, values) = mpsc::channel::<BTreeMap<String, String>>();
    client.set_config_sink(Arc::new(move |values| sender.send(values.clone()).unwrap()));
    run(client.connect()).unwrap();
    // It is there before the connect is done.
    assert_eq!(values.try_recv().unwrap()["rbd_cache_size"], "1111");
    cluster.ceph(&["config", "set", "client.admin", "rbd_cache_max_dirty", "2222"]);
    let both = values.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&*both["rbd_cache_size"], &*both["rbd_cache_max_dirty"]), ("1111", "2222"));
    cluster.ceph(&["config", "rm", "client", "rbd_cache_size"]);
    assert_eq!(values.recv_timeout(PATIENCE).unwrap().len(), 1);
    run(client.shutdown());
}

fn log(cluster: &Cluster, client: &MonClient) {
    let (sender, lines) = mpsc::channel();
    let sink = Arc::new(move |entry: &logrbd::mon::LogEntry| sender.send(entry.clone()).unwrap());
    client.monitor_log(Some((LogLevel::Info, sink)));
    cluster.ceph(&["log", "hello there"]);
    let line = loop {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        if line.message == "hello there" {
            break line;
        }
    };
    assert_eq!(
        (line.name.as_str(), line.level(), line.channel.as_str()),
        ("client.admin", "[INF]", "cluster")
    );
    assert!(line.who().starts_with("client.? 127.0.0.1:0/"), "{}", line.who());
    client.monitor_log(None);
}
