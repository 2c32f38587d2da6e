//! What the OSD client takes from the configuration.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct OsdOptions {
    /// objecter_inflight_ops: requests under way at once; 0: no limit.
    pub inflight_ops: usize,
    /// objecter_inflight_op_bytes; 0: no limit.
    pub inflight_bytes: usize,
    /// rados_osd_op_timeout; `None`: a request waits for as long as it takes.
    pub op_timeout: Option<Duration>,
    /// objecter_tick_interval: how often watches are confirmed and slow requests looked for.
    pub tick: Duration,
    /// objecter_timeout: a request without an answer for longer is slow: its OSD is pinged and a newer map asked for.
    pub laggy: Duration,
    /// client_notify_timeout: what a notification waits for its watchers if it does not say.
    pub notify_timeout: Duration,
    /// crush_location as (type, name): where this client is, for localised reads.
    pub crush_location: Vec<(String, String)>,
}

impl Default for OsdOptions {
    fn default() -> OsdOptions {
        OsdOptions {
            inflight_ops: 1024,
            inflight_bytes: 100 << 20,
            op_timeout: None,
            tick: Duration::from_secs(5),
            laggy: Duration::from_secs(10),
            notify_timeout: Duration::from_secs(10),
            crush_location: Vec::new(),
        }
    }
}
