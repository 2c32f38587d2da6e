//! What the OSD client takes from the configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::conf::Config;

/// rados_osd_op_timeout as it is now: for requests that begin now. Shared with whoever learns of changes.
#[derive(Clone, Default, Debug)]
pub struct OpTimeout(Arc<AtomicU64>);

impl OpTimeout {
    pub fn of(conf: &Config) -> OpTimeout {
        let timeout = OpTimeout::default();
        timeout.read(conf);
        timeout
    }

    pub fn seconds(seconds: u64) -> OpTimeout {
        let timeout = OpTimeout::default();
        timeout.set_seconds(seconds);
        timeout
    }

    /// Takes the option's present value.
    pub fn read(&self, conf: &Config) {
        self.set_seconds(conf.u64("rados_osd_op_timeout"));
    }

    /// 0: none.
    pub fn set_seconds(&self, seconds: u64) {
        self.0.store(seconds.min(YEARS_S), Ordering::Relaxed);
    }

    /// `None`: as long as it takes.
    pub(super) fn get(&self) -> Option<Duration> {
        let seconds = self.0.load(Ordering::Relaxed);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

/// Longer waits are no different from it, and cannot overflow a clock.
const YEARS_S: u64 = 30 * 365 * 86_400;

#[derive(Clone, Debug)]
pub struct OsdOptions {
    /// objecter_inflight_ops: requests under way at once; 0: no limit.
    pub inflight_ops: usize,
    /// objecter_inflight_op_bytes; 0: no limit.
    pub inflight_bytes: usize,
    pub op_timeout: OpTimeout,
    /// objecter_tick_interval: how often watches are confirmed and slow requests looked for.
    pub tick: Duration,
    /// objecter_timeout: a request without an answer for longer is slow: its OSD is pinged and a newer map asked for.
    pub laggy: Duration,
    /// client_notify_timeout: what a notification waits for its watchers if it does not say.
    pub notify_timeout: Duration,
    /// crush_location as (type, name): where this client is, for localised reads.
    pub crush_location: Vec<(String, String)>,
}

impl OsdOptions {
    pub fn from_conf(conf: &Config) -> OsdOptions {
        let seconds = |name| Duration::try_from_secs_f64(conf.f64(name)).unwrap_or_default();
        OsdOptions {
            inflight_ops: conf.u64("objecter_inflight_ops") as usize,
            inflight_bytes: conf.u64("objecter_inflight_op_bytes") as usize,
            op_timeout: OpTimeout::of(conf),
            tick: seconds("objecter_tick_interval").max(Duration::from_millis(100)),
            laggy: seconds("objecter_timeout"),
            notify_timeout: Duration::from_secs(conf.u64("client_notify_timeout")),
            crush_location: crush_location(&conf.str("crush_location"), &conf.short_host_name()),
        }
    }
}

/// `crush_location`, pairs `type=name` in any order; this host and the root `default` where it says nothing.
fn crush_location(text: &str, host_name: &str) -> Vec<(String, String)> {
    let pairs = text.split([',', ';', ' ', '\t']).filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(kind, name)| (kind.to_owned(), name.to_owned())).collect();
    if pairs.is_empty() {
        return vec![("host".to_owned(), host_name.to_owned()), ("root".to_owned(), "default".to_owned())];
    }
    pairs
}

impl Default for OsdOptions {
    fn default() -> OsdOptions {
        OsdOptions {
            inflight_ops: 1024,
            inflight_bytes: 100 << 20,
            op_timeout: OpTimeout::default(),
            tick: Duration::from_secs(5),
            laggy: Duration::from_secs(10),
            notify_timeout: Duration::from_secs(10),
            crush_location: Vec::new(),
        }
    }
}
