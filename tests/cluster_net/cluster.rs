//! A real cluster of one monitor and one OSD for one test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use logrbd::wire::types::{AddrVec, EntityAddr};

pub struct Cluster {
    pub conf: PathBuf,
    dir: PathBuf,
}

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/capi-tests/cluster/cluster");

impl Cluster {
    pub fn start(options: &[&str]) -> Cluster {
        let owner = std::process::id().to_string();
        let output = Command::new(PROGRAM)
            .args(["start", "--max-seconds", "600", "--owner", &owner])
            .args(options)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let value = |key: &str| {
            PathBuf::from(text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap())
        };
        Cluster { conf: value("CEPH_CONF"), dir: value("CLUSTER_DIR") }
    }

    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// The address that follows `mark` in the configuration's `mon_host`: `v2:` or `v1:`.
    pub fn mon_port(&self, mark: &str) -> SocketAddr {
        let conf = std::fs::read_to_string(&self.conf).unwrap();
        let hosts = conf.lines().find(|line| line.contains("mon_host")).unwrap();
        let (_, rest) = hosts.split_once(mark).unwrap();
        rest.split([',', ']']).next().unwrap().parse().unwrap()
    }

    pub fn mon(&self) -> AddrVec {
        AddrVec(vec![EntityAddr::msgr2(self.mon_port("v2:"), 0)])
    }

    pub fn ceph(&self, args: &[&str]) -> String {
        let output = Command::new("ceph").arg("-c").arg(&self.conf).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(PROGRAM).arg("stop").arg(&self.dir).status();
    }
}
