//! What the configuration says about talking to monitors.

use std::time::Duration;

use crate::conf::Config;

/// Ceph's options, under Ceph's names and with Ceph's meaning.
#[derive(Clone, Debug)]
pub struct MonOptions {
    /// `mon_host`: addresses or names, see [`super::hosts`].
    pub mon_host: String,
    /// `mon_dns_srv_name`: the SRV service that is asked for where `mon_host` is empty; `NAME` or `NAME_DOMAIN`.
    pub dns_srv_name: String,
    /// `monmap`: a file as `ceph mon getmap -o` writes it; it wins over `mon_host`.
    pub monmap: String,
    /// `fsid`: a cluster with another one is refused; all zero: any.
    pub fsid: [u8; 16],
    /// `mon_client_hunt_parallel`: monitors that are tried at once; 0: all.
    pub hunt_parallel: usize,
    /// `mon_client_hunt_interval`: how long they have before others are tried.
    pub hunt_interval: Duration,
    /// `mon_client_hunt_interval_backoff`, `_min_multiple`, `_max_multiple`: what that time is multiplied with, once for each
    /// vain round after a first session, and within which bounds.
    pub hunt_backoff: f64,
    pub hunt_min_multiple: f64,
    pub hunt_max_multiple: f64,
    /// `mon_client_ping_interval`: how often a sign of life is asked for.
    pub ping_interval: Duration,
    /// `mon_client_ping_timeout`: after how long without one another monitor is looked for; zero: never.
    pub ping_timeout: Duration,
    /// `mon_client_directed_command_retry`: how often a command to a named or ranked monitor is sent in all.
    pub directed_retry: u32,
    /// `client_mount_timeout`: how long `connect` takes at most; zero: for ever.
    pub connect_timeout: Duration,
    /// `rados_mon_op_timeout`: how long a command or request takes at most; zero: for ever.
    pub op_timeout: Duration,
    /// `mgr_connect_retry_interval`: at least this long between two tries to reach the active manager.
    pub mgr_retry_interval: Duration,
    /// `mgr_client_service_daemon_unregister_timeout`: how long a service daemon's end may take.
    pub service_unregister_timeout: Duration,
    /// `ms_initial_backoff` and `ms_max_backoff`: how soon a monitor that refuses connections is tried again within a round;
    /// doubled each time.
    pub initial_backoff: Duration,
    pub max_backoff: Duration,
    /// This host's name up to its first dot; monitors show it in `ceph mon sessions`.
    pub host_name: String,
}

impl MonOptions {
    pub fn from_conf(conf: &Config) -> MonOptions {
        let seconds = |name| duration(conf.f64(name));
        MonOptions {
            mon_host: conf.str("mon_host"),
            dns_srv_name: conf.str("mon_dns_srv_name"),
            monmap: conf.str("monmap"),
            fsid: parse_fsid(&conf.get("fsid").unwrap_or_default()),
            hunt_parallel: conf.u64("mon_client_hunt_parallel") as usize,
            hunt_interval: seconds("mon_client_hunt_interval"),
            hunt_backoff: conf.f64("mon_client_hunt_interval_backoff").max(1.0),
            hunt_min_multiple: conf.f64("mon_client_hunt_interval_min_multiple").max(0.0),
            hunt_max_multiple: conf.f64("mon_client_hunt_interval_max_multiple").max(0.0),
            ping_interval: seconds("mon_client_ping_interval"),
            ping_timeout: seconds("mon_client_ping_timeout"),
            directed_retry: conf.i64("mon_client_directed_command_retry").clamp(0, 1_000_000) as u32,
            connect_timeout: Duration::from_secs(conf.u64("client_mount_timeout").min(YEARS_S)),
            op_timeout: MonOptions::op_timeout_of(conf),
            mgr_retry_interval: seconds("mgr_connect_retry_interval"),
            service_unregister_timeout: seconds("mgr_client_service_daemon_unregister_timeout"),
            initial_backoff: seconds("ms_initial_backoff"),
            max_backoff: seconds("ms_max_backoff"),
            host_name: conf.short_host_name(),
        }
    }

    pub fn op_timeout_of(conf: &Config) -> Duration {
        Duration::from_secs(conf.u64("rados_mon_op_timeout").min(YEARS_S))
    }
}

/// Longer waits are no different from it, and cannot overflow a clock.
const YEARS_S: u64 = 30 * 365 * 86_400;

/// A float option of seconds; nonsense counts as zero.
fn duration(seconds: f64) -> Duration {
    let known = if seconds.is_nan() { 0.0 } else { seconds.min(YEARS_S as f64) };
    Duration::try_from_secs_f64(known).unwrap_or_default()
}

/// The 16 bytes of a UUID in its usual form; zeros for anything else.
fn parse_fsid(text: &str) -> [u8; 16] {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    match u128::from_str_radix(&digits, 16) {
        Ok(number) if digits.len() == 32 => number.to_be_bytes(),
        _ => [0; 16],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Process;

    #[test]
    fn options_have_cephs_defaults() {
        let options = MonOptions::from_conf(&Config::named("ceph", "client.admin", &Process).unwrap());
        assert_eq!(options.hunt_parallel, 3);
        assert_eq!(options.hunt_interval, Duration::from_secs(3));
        assert_eq!(options.hunt_backoff, 1.5);
        assert_eq!(options.connect_timeout, Duration::from_secs(300));
        assert_eq!(options.op_timeout, Duration::ZERO);
        assert_eq!(options.initial_backoff, Duration::from_millis(200));
        assert_eq!(options.fsid, [0; 16]);
    }

    #[test]
    fn fsids() {
        assert_eq!(parse_fsid("00000000-0000-0000-0000-00000000010f")[14..], [1, 15]);
        assert_eq!(parse_fsid("no uuid"), [0; 16]);
        assert_eq!(duration(f64::NAN), Duration::ZERO);
        assert_eq!(duration(-1.0), Duration::ZERO);
    }
}
