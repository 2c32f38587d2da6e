//! A cluster handle: its configuration, and its life from created over connected to shut down.

use std::sync::Arc;

use crate::sync::Mutex;

use super::connect;
use super::context::Context;
use super::service;
use super::session::Session;
use crate::errno::Errno;
use crate::store::{Pairs, ServiceDaemon, cluster};

pub struct Cluster {
    context: Arc<Context>,
    state: Mutex<State>,
    /// What this client is registered as; locked before `state`.
    service: Mutex<Option<ServiceDaemon>>,
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
        Cluster { context, state: Mutex::new(State::Created), service: Mutex::new(None) }
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
        let service = self.service.lock();
        if let Some(daemon) = &*service {
            session.store().service_register(daemon.clone());
        }
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

    /// Registers this client as a daemon of a service, which a cluster shows for as long as the client is connected. EEXIST if
    /// that was done; EINVAL for an empty name or one of Ceph's own services; EBUSY while it connects or if that failed.
    /// A local store shows it nowhere.
    pub fn register_service(&self, service: &[u8], name: &[u8], metadata: Pairs) -> Result<(), Errno> {
        let mut registered = self.service.lock();
        if registered.is_some() {
            return Err(Errno::EEXIST);
        }
        let daemon = service::daemon(&self.context, service, name, metadata)?;
        match &*self.state.lock() {
            State::Created => *registered = Some(daemon),
            State::Connecting => {
                *registered = Some(daemon);
                return Err(Errno::EBUSY);
            }
            State::Connected(session) => session.store().service_register(registered.insert(daemon).clone()),
            State::ShutDown => return Err(Errno::ENOTCONN),
        }
        Ok(())
    }

    /// What the cluster shows as this daemon's status from now on: all of it. ENOTCONN unless connected.
    pub fn set_service_status(&self, status: Pairs) -> Result<(), Errno> {
        self.session()?.store().service_status(status);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown();
    }
}
