//! A client that registers as a daemon of a service: what may be registered, and what is said of the host it runs on.
//!
//! Rules and names are those of librados 16.2.15, as measured (docs/ceph-behaviour.md, "service daemons").

use std::sync::{Arc, Weak};

use super::context::Context;
use crate::errno::Errno;
use crate::store::{DaemonConfig, Pairs, ServiceDaemon};

/// Services that only Ceph's own daemons belong to.
const OF_CEPH: [&[u8]; 5] = [b"osd", b"mds", b"client", b"mon", b"mgr"];

/// The release that this library stands in for.
const RELEASE: &str = "pacific";
const VERSION: &str = "16.2.15";

/// EINVAL: an empty name, or one of Ceph's own services.
pub(super) fn daemon(
    context: &Arc<Context>,
    service: &[u8],
    name: &[u8],
    metadata: Pairs,
) -> Result<ServiceDaemon, Errno> {
    if service.is_empty() || name.is_empty() || OF_CEPH.contains(&service) {
        return Err(Errno::EINVAL);
    }
    let mut metadata = metadata;
    // What is known of the host replaces what the program says.
    let known = host(&Process).into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value.into_bytes()));
    metadata.extend(known);
    let context: Weak<Context> = Arc::downgrade(context);
    let config = move || context.upgrade().map_or_else(DaemonConfig::default, |context| of_context(&context));
    Ok(ServiceDaemon { service: service.to_vec(), name: name.to_vec(), metadata, config: Arc::new(config) })
}

fn of_context(context: &Context) -> DaemonConfig {
    let conf = context.conf.lock();
    DaemonConfig { set: conf.set_by_source(), defaults: conf.defaults() }
}

/// What is asked of the host.
trait Host {
    fn var(&self, name: &str) -> Option<String>;
    fn file(&self, path: &str) -> Option<String>;
    /// Name, release, version and machine of the system, and the host's name.
    fn system(&self) -> [String; 5];
}

struct Process;

impl Host for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn file(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned())
    }

    fn system(&self) -> [String; 5] {
        let uname = rustix::system::uname();
        [uname.sysname(), uname.release(), uname.version(), uname.machine(), uname.nodename()]
            .map(|text| text.to_string_lossy().into_owned())
    }
}

fn host(host: &dyn Host) -> Vec<(&'static str, String)> {
    let [os, release, version, machine, node] = host.system();
    let ours = env!("CARGO_PKG_VERSION");
    let mut said = vec![
        ("ceph_version", format!("ceph version {VERSION} (logrbd {ours}) {RELEASE} (stable)")),
        ("ceph_version_short", VERSION.to_owned()),
        ("ceph_release", RELEASE.to_owned()),
        ("os", os),
        ("kernel_version", release),
        ("kernel_description", version),
        ("arch", machine),
        ("hostname", node.clone()),
    ];
    let mut contained = false;
    for (variable, key) in [
        ("POD_NAME", "pod_name"),
        ("CONTAINER_NAME", "container_name"),
        ("CONTAINER_IMAGE", "container_image"),
    ] {
        if let Some(value) = host.var(variable) {
            said.push((key, value));
            contained = true;
        }
    }
    if let Some(namespace) = host.var("POD_NAMESPACE") {
        said.push(("pod_namespace", namespace));
    }
    if let Some(outer) = host.var("NODE_NAME").filter(|_| contained) {
        said.push(("container_hostname", node));
        said.push(("hostname", outer));
    }
    let memory = host.file("/proc/meminfo").unwrap_or_default();
    for (line, key) in [("MemTotal", "mem_total_kb"), ("SwapTotal", "mem_swap_kb")] {
        let kib = value_of(&memory, line, ':').and_then(|value| value.split(' ').next().map(str::to_owned));
        said.extend(kib.map(|kib| (key, kib)));
    }
    let processor = value_of(&host.file("/proc/cpuinfo").unwrap_or_default(), "model name", ':');
    said.extend(processor.map(|name| ("cpu", name)));
    let release = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| host.file(path));
    let release = release.unwrap_or_default();
    for (line, key) in
        [("ID", "distro"), ("VERSION_ID", "distro_version"), ("PRETTY_NAME", "distro_description")]
    {
        said.extend(value_of(&release, line, '=').map(|value| (key, value)));
    }
    said
}

/// The value of the first line `name SEPARATOR value`, without blanks and quotes around it.
fn value_of(text: &str, name: &str, separator: char) -> Option<String> {
    let line =
        text.lines().find_map(|line| line.split_once(separator).filter(|(key, _)| key.trim() == name))?;
    Some(line.1.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made(&'static [(&'static str, &'static str)]);

    impl Host for Made {
        fn var(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        }

        fn file(&self, path: &str) -> Option<String> {
            self.var(path)
        }

        fn system(&self) -> [String; 5] {
            ["Linux", "6.1", "#1", "x86_64", "vm"].map(str::to_owned)
        }
    }

    /// The last value of a key counts.
    fn of(vars: &'static [(&'static str, &'static str)]) -> std::collections::BTreeMap<&'static str, String> {
        host(&Made(vars)).into_iter().collect()
    }

    #[test]
    fn a_container_has_two_host_names() {
        let plain = of(&[("NODE_NAME", "n1"), ("POD_NAMESPACE", "ns")]);
        assert_eq!((plain["hostname"].as_str(), plain.get("container_hostname")), ("vm", None));
        for name in ["POD_NAME", "CONTAINER_NAME", "CONTAINER_IMAGE"] {
            let vars: &'static [(&str, &str)] = Vec::leak(vec![("NODE_NAME", "n1"), (name, "")]);
            let inside = of(vars);
            assert_eq!((inside["hostname"].as_str(), inside["container_hostname"].as_str()), ("n1", "vm"));
            assert_eq!(inside[&*name.to_lowercase()], "");
        }
    }

    #[test]
    fn what_files_say() {
        let said = of(&[
            ("/proc/meminfo", "MemTotal:       24684092 kB\nSwapCached: 1 kB\nSwapTotal:       0 kB\n"),
            ("/proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n"),
            ("/usr/lib/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID='12'\nID=debian\n"),
        ]);
        let want = [
            ("mem_total_kb", "24684092"),
            ("mem_swap_kb", "0"),
            ("cpu", "AMD EPYC"),
            ("distro", "debian"),
            ("distro_version", "12"),
            ("distro_description", "Debian GNU/Linux 12"),
        ];
        for (key, value) in want {
            assert_eq!(said[key], value);
        }
    }
}
