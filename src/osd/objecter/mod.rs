//! All requests of a client: which session has them, and what becomes of them when sessions and maps change.
//!
//! One lock guards everything ([`State`]); it is held for as long as it takes to look a request up, to encode it and to
//! queue it at a connection, never across a wait. What other rooms and callers are to be told is collected in [`After`]
//! and said when the lock is free again.
//!
//! The order of requests to an object is that of their tids: whenever some are sent again, all that wait for the same OSD
//! are, in that order, before the lock is released.

mod command;
mod events;
mod linger;
mod maps;
mod session;
mod state;
mod submit;
#[cfg(test)]
mod tests;
mod timer;

pub(super) use self::linger::ack_request;

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};

use self::events::Event;
use self::state::State;
use super::monitors::Monitors;
use super::options::OsdOptions;
use super::slot::{Answer, Done};
use super::{OpRequest, OsdError};
use crate::mon::MonError;
use crate::net::{Connection, Messenger};
use crate::sync::Mutex;

/// Between two attempts to ask monitors that do not answer.
const CHECK_PAUSE: Duration = Duration::from_secs(1);

/// What does not change.
pub(super) struct Env {
    pub options: OsdOptions,
    pub messenger: Arc<dyn Messenger>,
    pub mon: Arc<dyn Monitors>,
    pub runtime: Handle,
    me: Weak<Objecter>,
}

pub(super) struct Objecter {
    env: Env,
    state: Mutex<State>,
    /// Taken by whoever takes in maps, so that they are decoded once and in order, without the state's lock.
    map_turn: Mutex<()>,
    /// Wakes the timer when there is an earlier deadline.
    timer: Arc<Notify>,
    events: mpsc::UnboundedSender<Event>,
    /// Until `start` hands it to its task.
    event_source: Mutex<Option<mpsc::UnboundedReceiver<Event>>>,
}

/// What is missing in our map, but perhaps not in the newest one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    Op(u64),
    Command(u64),
}

/// What is to be done when the lock is free.
#[derive(Default)]
pub(super) struct After {
    answers: Vec<(Done, Answer)>,
    /// Results of watches, notifications and commands.
    calls: Vec<Box<dyn FnOnce() + Send>>,
    events: Vec<Event>,
    checks: Vec<Check>,
    /// Ask for the map after the one of this epoch.
    want_maps: Option<u32>,
    /// Sessions that connect again after a pause, by OSD and incarnation.
    reopen: Vec<(i32, u64, Duration)>,
    wake_timer: bool,
    /// Connections that messages were queued at.
    push: Vec<Arc<dyn Connection>>,
}

impl After {
    /// Something was queued there.
    fn push(&mut self, connection: &Arc<dyn Connection>) {
        if self.push.last().is_none_or(|last| last.id() != connection.id()) {
            self.push.push(connection.clone());
        }
    }
}

impl Objecter {
    pub(super) fn new(
        options: OsdOptions,
        messenger: Arc<dyn Messenger>,
        mon: Arc<dyn Monitors>,
        runtime: Handle,
    ) -> Arc<Objecter> {
        let (events, source) = mpsc::unbounded_channel();
        Arc::new_cyclic(|me| Objecter {
            env: Env { options, messenger, mon, runtime, me: me.clone() },
            state: Mutex::new(State::default()),
            map_turn: Mutex::new(()),
            timer: Arc::new(Notify::new()),
            events,
            event_source: Mutex::new(Some(source)),
        })
    }

    /// Subscribes, and waits for the first map.
    pub(super) async fn start(&self) -> Result<(), OsdError> {
        let Some(source) = self.event_source.lock().take() else {
            return self.wait_for_epoch(1).await;
        };
        self.env.runtime.spawn(events::run(source, self.env.me.clone()));
        self.env.runtime.spawn(timer::run(self.timer.clone(), self.env.me.clone()));
        self.env.mon.want_maps(0);
        self.wait_for_epoch(1).await
    }

    /// Runs `change` with the state, then says what it left to be said.
    fn with<T>(&self, change: impl FnOnce(&mut State, &Env, &mut After) -> T) -> T {
        let mut after = After::default();
        let result = {
            let mut state = self.state.lock();
            let result = change(&mut state, &self.env, &mut after);
            state.admit(&self.env, &mut after);
            result
        };
        self.say(after);
        result
    }

    fn say(&self, after: After) {
        // First: what is asked is on its way while answers are told.
        for connection in after.push {
            connection.push();
        }
        for (done, answer) in after.answers {
            done.tell(answer);
        }
        for call in after.calls {
            call();
        }
        for event in after.events {
            // The receiver is there for as long as this is.
            let _ = self.events.send(event);
        }
        if let Some(epoch) = after.want_maps {
            self.env.mon.want_maps(if epoch == 0 { 0 } else { epoch + 1 });
        }
        for check in after.checks {
            self.check(check);
        }
        for (osd, incarnation, pause) in after.reopen {
            let me = self.env.me.clone();
            self.env.runtime.spawn(async move {
                tokio::time::sleep(pause).await;
                if let Some(me) = me.upgrade() {
                    me.with(|state, env, after| state.reopen_if(env, osd, incarnation, after));
                }
            });
        }
        if after.wake_timer {
            self.timer.notify_one();
        }
    }

    /// Asks the monitors for the newest epoch: what is missing in that one does not exist.
    fn check(&self, check: Check) {
        let (mon, me) = (self.env.mon.clone(), self.env.me.clone());
        self.env.runtime.spawn(async move {
            let newest = loop {
                match mon.clone().newest_epoch().await {
                    Ok(newest) => break newest,
                    Err(MonError::ShutDown) => return,
                    // What asks has a time limit of its own, if any.
                    Err(error) => tracing::debug!("cannot ask for the newest OSD map: {error}"),
                }
                tokio::time::sleep(CHECK_PAUSE).await;
                if me.strong_count() == 0 {
                    return;
                }
            };
            let Some(me) = me.upgrade() else { return };
            me.with(|state, _, after| match check {
                Check::Op(tid) => state.op_checked(tid, newest, after),
                Check::Command(tid) => state.command_checked(tid, newest, after),
            });
        });
    }

    pub(super) fn submit(&self, request: OpRequest, done: Done) {
        self.with(|state, env, after| state.submit(env, request, done, after));
    }

    pub(super) async fn wait_for_epoch(&self, epoch: u32) -> Result<(), OsdError> {
        let reached = {
            let mut state = self.state.lock();
            if state.shut {
                return Err(OsdError::ShutDown);
            }
            if state.epoch() >= epoch.max(1) {
                return Ok(());
            }
            let (reach, reached) = oneshot::channel();
            state.map_waiters.push((epoch.max(1), reach));
            reached
        };
        // A newer map comes by itself; should the subscription have been lost, this renews it.
        let have = self.state.lock().epoch();
        self.env.mon.want_maps(if have == 0 { 0 } else { have + 1 });
        reached.await.unwrap_or(Err(OsdError::ShutDown))
    }

    pub(super) async fn wait_for_latest_map(&self) -> Result<(), OsdError> {
        let newest = self.env.mon.clone().newest_epoch().await.map_err(|error| match error {
            MonError::ShutDown => OsdError::ShutDown,
            other => OsdError::Failed {
                errno: crate::errno::Errno::ETIMEDOUT,
                detail: format!("cannot ask for the newest OSD map: {other}"),
            },
        })?;
        self.wait_for_epoch(newest).await
    }

    pub(super) fn set_epoch_barrier(&self, epoch: u32) {
        self.with(|state, _, after| {
            state.barrier = state.barrier.max(epoch);
            if state.epoch() < state.barrier {
                after.want_maps = Some(state.epoch());
            }
        });
    }

    pub(super) fn shutdown(&self) {
        self.with(|state, _, after| state.shut_down(after));
        self.timer.notify_one();
        let _ = self.events.send(Event::End);
    }
}
