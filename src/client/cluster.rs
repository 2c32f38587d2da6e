//! A cluster handle: its configuration, and its life from created over connected to shut down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::Mutex;

use super::connect;
use super::context::Context;
use super::session::Session;
use crate::errno::Errno;
use crate::store::cluster;

pub struct Cluster {
    context: Arc<Context>,
    state: Mutex<State>,
    service: AtomicBool,
}

enum State {
    Created,
    /// A connect is under way or has failed. As in Ceph such a handle cannot be connected again.
    Connecting,
    Connected(Arc<Session>),
    ShutDown,
}

impl Cluster {
    pub fn new(context: Arc<Context>) -> Cluster {
        Cluster { context, state: Mutex::new(State::Created), service: AtomicBool::new(false) }
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Connects to the store that `mon_host` names. EISCONN if that was done, EINPROGRESS if it was tried; the
    /// reason of a failure is in the log.
    pub fn connect(&self) -> Result<(), Errno> {
        {
            let mut state = self.state.lock();
            match *state {
                State::Created => *state = State::Connecting,
                State::Connecting => return Err(Errno::EINPROGRESS),
                State::Connected(_) => return Err(Errno::EISCONN),
                State::ShutDown => return Err(Errno::ENOTCONN),
            }
        }
        crate::log::start(&self.context);
        let session = connect::open(&self.context).map_err(|error| {
            tracing::error!("{error}");
            error.errno()
        })?;
        self.context.conf.lock().set_connected();
        *self.state.lock() = State::Connected(session);
        Ok(())
    }

    /// What one monitor says of itself (JSON); before the connect, too. ENOENT: there is no such monitor. EINVAL: no name.
    /// EOPNOTSUPP: the store has no monitors.
    pub fn ping_monitor(&self, mon: &str) -> Result<String, Errno> {
        let answer = match self.session() {
            Ok(session) => session.wait(session.store().ping_monitor(mon)),
            Err(_) => {
                crate::log::start(&self.context);
                let (threads, ping) = {
                    let conf = self.context.conf.lock();
                    if conf.str("mon_host").trim_start().starts_with(connect::LOCAL) {
                        return Err(Errno::EOPNOTSUPP);
                    }
                    (conf.u64("logrbd_op_threads"), mon.to_owned())
                };
                let runtime = crate::runtime::start(threads as usize).map_err(|_| Errno::EAGAIN)?;
                let ping = cluster::ping(&self.context.conf.lock(), runtime.clone(), ping);
                crate::runtime::block_on(&runtime, ping)
            }
        };
        answer.map_err(|error| Errno::from(&error))
    }

    /// ENOTCONN unless connected.
    pub fn session(&self) -> Result<Arc<Session>, Errno> {
        match &*self.state.lock() {
            State::Connected(session) => Ok(session.clone()),
            State::Created | State::Connecting | State::ShutDown => Err(Errno::ENOTCONN),
        }
    }

    /// Ends the connection, if there is one; callbacks of what was under way have run when it returns.
    pub fn shutdown(&self) {
        let state = std::mem::replace(&mut *self.state.lock(), State::ShutDown);
        if let State::Connected(session) = state {
            session.shutdown();
        }
    }

    /// Registers this client as a service daemon, once. No store of ours shows services anywhere yet.
    pub fn register_service(&self) -> Result<(), Errno> {
        if self.service.swap(true, Ordering::Relaxed) { Err(Errno::EEXIST) } else { Ok(()) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown();
    }
}
