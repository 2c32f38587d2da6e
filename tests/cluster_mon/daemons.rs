//! The monitors' processes of one test cluster.

use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::Cluster;

/// The process of `mon.NAME`, by its arguments.
pub fn mon_pid(cluster: &Cluster, name: &str) -> Pid {
    let conf = cluster.conf.to_str().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let Ok(number) = entry.unwrap().file_name().to_string_lossy().parse::<i32>() else { continue };
        let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let args: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let is = |word: &str| args.iter().any(|arg| arg == word);
        if args[0].ends_with("ceph-mon") && is(conf) && is(name) {
            return Pid::from_raw(number).unwrap();
        }
    }
    panic!("mon.{name} does not run");
}

pub fn signal(cluster: &Cluster, names: &[&str], signal: Signal) {
    for name in names {
        kill_process(mon_pid(cluster, name), signal).unwrap();
    }
}

/// A monitor that was killed, started again; killed when this goes out of scope.
pub struct Restarted(Child);

impl Restarted {
    pub fn start(cluster: &Cluster, name: &str) -> Restarted {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "ceph-mon", "-f", "-i", name, "-c"]).arg(&cluster.conf);
        for name in ["LD_LIBRARY_PATH", "LD_PRELOAD", "CEPH_CONF", "CEPH_ARGS", "CEPH_KEYRING"] {
            command.env_remove(name);
        }
        Restarted(command.spawn().unwrap())
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
