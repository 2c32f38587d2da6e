//! A client that the manager shows as a service daemon (`ceph service dump`, `ceph service status`): what it says of itself,
//! and when. Payloads byte for byte as librados 16.2.15 sends them (captured).
//!
//! A session opens with MMgrOpen. The manager answers with MMgrConfigure, and from then on is told every
//! `mgr_stats_period` that the daemon lives (MMgrReport); where it hears nothing for `mgr_service_beacon_grace`, or MMgrClose,
//! the daemon is gone. Performance counters are not reported. A manager of 16.2.15 aborts on a payload that is too short: a
//! test compares them with captured ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::client::MonClient;
use super::messages::Wanted;
use super::mgr::{MgrState, Session};
use super::state::Phase;
use crate::wire::Message;
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::message::MessageType;

/// Names and values, as a program gave them.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// An option's name and its values by source: 0 default, 1 monitors, 2 file, 3 environment, 4 arguments, 5 program.
pub type OptionValues = Vec<(String, Vec<(u32, String)>)>;

/// What `ceph config show` needs of a daemon.
#[derive(Clone, Default)]
pub struct DaemonConfig {
    pub set: OptionValues,
    /// All options there are, with their defaults.
    pub defaults: Vec<(String, String)>,
}

/// Knows a daemon's configuration, which may change at any time; asked with locks of `mon` held.
pub type ConfigSource = dyn Fn() -> DaemonConfig + Send + Sync;

/// A daemon of a service, as a program registers it.
#[derive(Clone)]
pub struct ServiceDaemon {
    pub service: Vec<u8>,
    pub name: Vec<u8>,
    pub metadata: Pairs,
    pub config: Arc<ConfigSource>,
}

/// What the manager wants of a daemon's reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Configure {
    /// Between two of them; zero: none.
    pub period: Duration,
}

impl Configure {
    /// MMgrConfigure.
    pub fn decode(message: &Message) -> Result<Configure, Malformed> {
        let seconds = Decoder::new(&message.front).u32()?;
        Ok(Configure { period: Duration::from_secs(seconds.into()) })
    }
}

fn pairs(e: &mut Encoder, pairs: &Pairs) {
    e.u32(pairs.len() as u32);
    for (key, value) in pairs {
        e.blob(key).blob(value);
    }
}

fn encoded(body: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut e = Encoder::new();
    body(&mut e);
    e.finish()
}

fn option_values(values: &OptionValues) -> Bytes {
    encoded(|e| {
        e.u32(values.len() as u32);
        for (name, by_source) in values {
            e.string(name).u32(by_source.len() as u32);
            for (source, value) in by_source {
                e.u32(*source).string(value);
            }
        }
        // Of the monitors' options, those that are ignored. A manager that finds nothing here aborts.
        e.u32(0);
    })
}

/// MMgrOpen, with the options that are set as `set` has them.
fn open(daemon: &ServiceDaemon, status: &Pairs, set: &Bytes, defaults: &[(String, String)]) -> Message {
    let mut e = Encoder::new();
    e.blob(&daemon.name).blob(&daemon.service).u8(1);
    pairs(&mut e, &daemon.metadata);
    pairs(&mut e, status);
    e.blob(set);
    e.blob(&encoded(|e| {
        e.u32(defaults.len() as u32);
        for (name, value) in defaults {
            e.string(name).string(value);
        }
    }));
    Message::new(MessageType::MGR_OPEN, 3, 1, e.finish())
}

/// MMgrReport. `status`: where it changed. `first`: of a session. `set`: options, where those that are set changed.
fn report(daemon: &ServiceDaemon, status: Option<&Pairs>, first: bool, set: &[u8]) -> Message {
    let mut e = Encoder::new();
    // No counters are declared, and there is none whose value would follow.
    e.blob(&daemon.name).u32(0).blob(&encoded(|e| {
        e.section(1, 1, |_| ());
    }));
    e.u32(0).blob(&daemon.service).u8(status.is_some().into());
    if let Some(status) = status {
        pairs(&mut e, status);
    }
    // Health metrics, options, OSD metrics; task status (empty, said once a session); metric report.
    e.u32(0).blob(set).u32(0).u8(first.into());
    if first {
        e.u32(0);
    }
    e.u8(0);
    Message::new(MessageType::MGR_REPORT, 9, 1, e.finish())
}

/// MMgrClose, which the manager sends back.
fn close(daemon: &ServiceDaemon) -> Message {
    let mut e = Encoder::new();
    e.blob(&daemon.name).blob(&daemon.service);
    Message::new(MessageType::MGR_CLOSE, 1, 1, e.finish())
}

/// This client as a daemon, across sessions.
#[derive(Default)]
pub(super) struct Service {
    pub daemon: Option<ServiceDaemon>,
    /// May be set before there is a daemon.
    status: Pairs,
    closing: Option<oneshot::Sender<()>>,
}

/// What one session has been told.
#[derive(Default)]
pub(super) struct Reports {
    period: Duration,
    /// A task reports.
    running: bool,
    status_told: bool,
    first_done: bool,
    /// The options as they were told last.
    options: Bytes,
}

impl Service {
    /// Who waits for the end of the session is told.
    pub(super) fn session_over(&mut self) {
        self.closing = None;
    }
}

impl Session {
    /// Says who this client is.
    pub(super) fn open(&mut self, service: &Service) {
        let Some(daemon) = &service.daemon else { return };
        let config = (daemon.config)();
        self.reports.options = option_values(&config.set);
        self.connection.send(open(daemon, &service.status, &self.reports.options, &config.defaults));
    }

    fn report(&mut self, service: &Service) {
        let Some(daemon) = &service.daemon else { return };
        let told = &mut self.reports;
        let options = option_values(&(daemon.config)().set);
        let changed: &[u8] = if options == told.options { &[] } else { &options };
        let status = (!told.status_told).then_some(&service.status);
        self.connection.send(report(daemon, status, !told.first_done, changed));
        (told.status_told, told.first_done) = (true, true);
        told.options = options;
    }
}

impl MonClient {
    /// Makes this client a daemon of a service, for as long as it lives; a second call replaces the first. The manager is
    /// told as soon as there is one, and again in each new session.
    pub fn register_service(&self, daemon: ServiceDaemon) {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Running {
                return;
            }
            state.subs.want_if_new("mgrmap", Wanted { start: 0, once: false });
            self.send_subs(&mut state);
        }
        let mut state = self.mgr.state.lock();
        let MgrState { service, session, .. } = &mut *state;
        service.daemon = Some(daemon);
        match session {
            Some(session) => session.open(service),
            None => self.mgr_connect(&mut state),
        }
    }

    /// What `ceph service status` shows of the daemon, all of it; the manager is told with the next report.
    pub fn set_service_status(&self, status: Pairs) {
        let mut state = self.mgr.state.lock();
        state.service.status = status;
        if let Some(session) = &mut state.session {
            session.reports.status_told = false;
        }
    }

    /// MMgrConfigure came over the session `key`.
    pub(super) fn mgr_configured(&self, key: u64, configure: Configure) {
        let mut state = self.mgr.state.lock();
        let MgrState { service, session, .. } = &mut *state;
        let Some(session) = session.as_mut().filter(|session| session.key == key) else { return };
        session.reports.period = configure.period;
        if service.daemon.is_some() && !configure.period.is_zero() && !session.reports.running {
            session.reports.running = true;
            session.report(service);
            self.runtime.spawn(reports(self.this.clone(), key, configure.period));
        }
    }

    /// Reports over the session `key`; after how long it is to be done again, if ever.
    fn report(&self, key: u64) -> Option<Duration> {
        let mut state = self.mgr.state.lock();
        let MgrState { service, session, .. } = &mut *state;
        let session = session.as_mut().filter(|session| session.key == key)?;
        if session.reports.period.is_zero() {
            session.reports.running = false;
            return None;
        }
        session.report(service);
        Some(session.reports.period)
    }

    pub(super) fn mgr_closed(&self) {
        if let Some(closing) = self.mgr.state.lock().service.closing.take() {
            let _ = closing.send(()); // or nobody waits any more
        }
    }

    /// Tells the manager that the daemon ends, and waits for its answer, `mgr_client_service_daemon_unregister_timeout` at
    /// most.
    pub(super) async fn unregister_service(&self) {
        let closed = {
            let mut state = self.mgr.state.lock();
            let MgrState { service, session, .. } = &mut *state;
            let Some(daemon) = service.daemon.take() else { return };
            let Some(session) = session else { return };
            session.connection.send(close(&daemon));
            let (closing, closed) = oneshot::channel();
            service.closing = Some(closing);
            closed
        };
        if tokio::time::timeout(self.options.service_unregister_timeout, closed).await.is_err() {
            tracing::debug!("the manager has not confirmed that the service daemon is gone");
        }
    }
}

async fn reports(client: Weak<MonClient>, key: u64, mut period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(next) = client.upgrade().and_then(|client| client.report(key)) else { return };
        period = next;
    }
}
