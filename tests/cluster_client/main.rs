//! The client as programs in Rust use it, on a real cluster: the examples are run, and Ceph's own tool is asked what they did.
#![allow(clippy::unwrap_used)]

#[path = "../cluster_net/cluster.rs"]
#[allow(dead_code)] // Not all that the other tests use is used here.
mod cluster;

use std::process::{Command, Output};

use cluster::Cluster;

fn example(name: &str, cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--example", name, "--"]).args(arguments);
    command.env("CEPH_CONF", &cluster.conf).env_remove("CEPH_ARGS").output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What Ceph's own client reads.
fn read_by_ceph(cluster: &Cluster, object: &str) -> Vec<u8> {
    let conf = cluster.conf.to_str().unwrap();
    let output = Command::new("rados").args(["-c", conf, "-p", "rbd", "get", object, "-"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_examples_do_what_they_say() {
    let cluster = Cluster::start(&["--pool", "rbd:8"]);

    assert_eq!(text(&example("simple_write", &cluster, &["rbd", "hello", "from Rust"])), "wrote 9 bytes\n");
    assert_eq!(read_by_ceph(&cluster, "hello"), b"from Rust");
    assert_eq!(text(&example("simple_read", &cluster, &["rbd", "hello"])), "from Rust");
    let missing = example("simple_read", &cluster, &["rbd", "absent"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("ENOENT"), "{missing:?}");

    let life = text(&example("object_lifecycle", &cluster, &["rbd"]));
    for line in [
        "made: 5 bytes",
        "read: b\"first and more\"",
        "guarded write: object object_lifecycle (ECANCELED)",
        "after its end: ENOENT",
    ] {
        assert!(life.lines().any(|l| l == line), "{line:?} is not in\n{life}");
    }
    // Ours has left nothing behind: one object is there.
    let listed =
        Command::new("rados").args(["-c", cluster.conf.to_str().unwrap(), "-p", "rbd", "ls"]).output();
    assert_eq!(String::from_utf8(listed.unwrap().stdout).unwrap(), "hello\n");
}
