//! Monitors that stop, die and come back, with commands under way.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use logrbd::errno::Errno;
use logrbd::mon::{MonClient, MonTarget};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::daemons::{Restarted, signal};
use crate::talk::command;
use crate::world::{connected, run};

const ALL: [&str; 3] = ["a", "b", "c"];

/// Asks all the time; each question must be answered.
struct Asking {
    stop: Arc<AtomicBool>,
    longest_ms: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Asking {
    fn begin(client: &Arc<MonClient>) -> Asking {
        let stop = Arc::new(AtomicBool::new(false));
        let (longest_ms, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (client, stopped, longest, count) =
            (client.clone(), stop.clone(), longest_ms.clone(), answered.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let (result, status, _) = command(&client, MonTarget::Any, json!({"prefix": "osd stat"}));
                assert_eq!(result, 0, "{status}");
                longest.fetch_max(begin.elapsed().as_millis() as u64, Ordering::Relaxed);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Asking { stop, longest_ms, answered, thread: Some(thread) }
    }

    /// Waits until `more` questions were answered.
    fn wait(&self, more: u64, limit: Duration) {
        let (begin, goal) = (Instant::now(), self.answered.load(Ordering::Relaxed) + more);
        while self.answered.load(Ordering::Relaxed) < goal {
            assert!(begin.elapsed() < limit, "no answers for {limit:?}");
            assert!(!self.thread.as_ref().unwrap().is_finished(), "the questions failed");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Milliseconds of the longest one.
    fn end(mut self, what: &str) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        println!(
            "{what}: {} answers, the longest took {} ms",
            self.answered.load(Ordering::Relaxed),
            self.longest_ms.load(Ordering::Relaxed)
        );
        self.longest_ms.load(Ordering::Relaxed)
    }
}

fn leader(client: &MonClient) -> String {
    let (_, _, out) = command(client, MonTarget::Any, json!({"prefix": "quorum_status"}));
    let status: Value = serde_json::from_slice(&out).unwrap();
    status["quorum_leader_name"].as_str().unwrap().to_owned()
}

/// The same questions by Ceph's own library, in a process of its own.
struct Theirs(Child, BufReader<ChildStdout>);

const THEIRS: &str = r#"
import json, rados, select, sys, time
cluster = rados.Rados(conffile=sys.argv[1])
cluster.connect()
longest = count = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    begin = time.monotonic()
    assert cluster.mon_command(json.dumps({"prefix": "osd stat"}), b"")[0] == 0
    if count == 0:
        print("begun", flush=True)
    longest, count = max(longest, time.monotonic() - begin), count + 1
print("%d %d" % (count, longest * 1000), flush=True)
"#;

impl Theirs {
    fn begin(cluster: &Cluster) -> Theirs {
        let mut python = Command::new("/usr/bin/python3");
        for name in ["LD_LIBRARY_PATH", "LD_PRELOAD", "CEPH_CONF", "CEPH_ARGS", "CEPH_KEYRING"] {
            python.env_remove(name);
        }
        let python = python.args(["-c", THEIRS]).arg(&cluster.conf);
        let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(python.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        Theirs(python, lines)
    }

    /// Milliseconds of the longest one.
    fn end(mut self) -> u64 {
        drop(self.0.stdin.take());
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        let (count, longest) = line.trim().split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        println!("  Ceph's library: {count} answers, the longest took {longest} ms");
        longest.parse().unwrap()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn three_monitors() {
    let cluster = Cluster::start(&["--mons", "3"]);
    leader_is_killed(&cluster);
    session_is_stopped(&cluster);
    all_stop(&cluster);
}

/// Both ask without a pause. Which monitor is tried next is drawn, and a try at one that is not there yet takes a hunt's
/// interval (three seconds): more than one of them is not chance.
fn not_slower(ours_ms: u64, theirs_ms: u64) {
    assert!(ours_ms <= theirs_ms + 3500, "{ours_ms} ms, and Ceph's library {theirs_ms} ms");
}

/// One that stops without a word is left after the ping timeout.
fn session_is_stopped(cluster: &Cluster) {
    let client = connected(cluster, &[("mon_client_ping_interval", "0.5"), ("mon_client_ping_timeout", "2")]);
    let before = client.session_mon().unwrap();
    let asking = Asking::begin(&client);
    asking.wait(3, Duration::from_secs(20));
    signal(cluster, &[&before], Signal::STOP);
    // The others need a new election if it was their leader.
    asking.wait(20, Duration::from_secs(60));
    assert_ne!(client.session_mon().unwrap(), before);
    signal(cluster, &[&before], Signal::CONT);
    asking.wait(3, Duration::from_secs(60));
    asking.end("the session's monitor stops");
}

fn leader_is_killed(cluster: &Cluster) {
    let client = connected(cluster, &[]);
    let (asking, theirs) = (Asking::begin(&client), Theirs::begin(cluster));
    asking.wait(100, Duration::from_secs(20));
    let (leader, global_id) = (leader(&client), client.global_id());
    signal(cluster, &[&leader], Signal::KILL);
    asking.wait(20, Duration::from_secs(60));
    let restarted = Restarted::start(cluster, &leader);
    asking.wait(20, Duration::from_secs(60));
    // And a session with every single one in turn.
    for name in ALL {
        let begin = Instant::now();
        while run(client.command(
            MonTarget::Name(name.into()),
            vec![json!({"prefix": "version"}).to_string()],
            Bytes::new(),
        ))
        .is_err()
        {
            assert!(begin.elapsed() < Duration::from_secs(30), "mon.{name} does not come back");
        }
    }
    not_slower(asking.end("the leader is killed and comes back"), theirs.end());
    assert_eq!(client.global_id(), global_id);
    // It goes on living for the other parts of this test.
    std::mem::forget(restarted);
}

fn all_stop(cluster: &Cluster) {
    let client = connected(cluster, &[]);
    let hasty = connected(cluster, &[("rados_mon_op_timeout", "2"), ("client_mount_timeout", "2")]);
    signal(cluster, &ALL, Signal::STOP);
    let asking = Asking::begin(&client);
    let version = json!({"prefix": "version"}).to_string();
    for target in [MonTarget::Any, MonTarget::Name("a".into())] {
        let begin = Instant::now();
        let error = run(hasty.command(target, vec![version.clone()], Bytes::new())).unwrap_err();
        assert_eq!((error.errno(), error.status()), (Errno::ETIMEDOUT, "timed out"));
        assert!((1900..3000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    }
    // (A process that is told to stop may go on for a moment.)
    let before = asking.answered.load(Ordering::Relaxed);
    // As librados, which waits for the newest map's epoch for as long as it takes.
    let (answer, newest) = std::sync::mpsc::channel();
    let version_of = hasty.clone();
    let waits = thread::spawn(move || answer.send(run(version_of.get_version("osdmap"))));
    // Without a limit, two tries of three seconds.
    let begin = Instant::now();
    let error = run(client.command(MonTarget::Rank(0), vec![version], Bytes::new())).unwrap_err();
    assert_eq!((error.errno(), error.status()), (Errno::ENXIO, "mon unavailable"));
    assert!((5900..8000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!(asking.answered.load(Ordering::Relaxed), before);
    assert!(newest.try_recv().is_err(), "nobody can have answered");
    signal(cluster, &ALL, Signal::CONT);
    newest.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
    waits.join().unwrap().unwrap();
    asking.wait(20, Duration::from_secs(60));
    asking.end("all stop for a while");

    // Killed and started again: nobody listens for a while.
    let (asking, theirs) = (Asking::begin(&client), Theirs::begin(cluster));
    asking.wait(100, Duration::from_secs(20));
    let global_id = client.global_id();
    signal(cluster, &ALL, Signal::KILL);
    thread::sleep(Duration::from_secs(5)); // An outage is that long, whatever happens in it.
    let again = ALL.map(|name| Restarted::start(cluster, name));
    let begin = Instant::now();
    asking.wait(3, Duration::from_secs(60));
    println!("all started again: the first answers after {:.1?}", begin.elapsed());
    not_slower(asking.end("all are killed"), theirs.end());
    assert_eq!(client.global_id(), global_id);
    drop(again);
}
