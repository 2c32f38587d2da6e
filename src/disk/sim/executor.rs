//! One thread, virtual time, tasks polled in a seeded order. Tasks belong to groups (hosts), and a group can die.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::sync::Mutex;

use crate::disk::testing::Chance;
use crate::env::{BoxFuture, Env};

/// Polls without the virtual clock moving that are taken for a livelock.
const MAX_POLLS: u64 = 500_000;
/// Nothing that is simulated takes so long.
const MAX_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// What happens to a host before one of its tasks is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    Dies,
    /// It stands still, and goes on as if nothing had been.
    Sleeps(Duration),
}

#[derive(Default)]
struct Host {
    alive: bool,
    /// Polls of its tasks so far.
    polls: u64,
    /// What happens at which poll, ascending.
    dooms: Vec<(u64, Doom)>,
    asleep_until: Duration,
}

pub(crate) struct Sim {
    state: Mutex<State>,
    chance: Mutex<Chance>,
}

struct State {
    now: Duration,
    next_task: u64,
    /// Tasks that are not being polled, with their group.
    tasks: BTreeMap<u64, (u64, BoxFuture<()>)>,
    groups: BTreeMap<u64, Host>,
    /// Of all that was decided: which task was polled when, what the network did.
    trace: u64,
    ready: Vec<u64>,
    timers: BTreeMap<(Duration, u64), Waker>,
}

struct TaskWaker {
    sim: Weak<Sim>,
    id: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(sim) = self.sim.upgrade() {
            let mut state = sim.state.lock();
            if !state.ready.contains(&self.id) {
                state.ready.push(self.id);
            }
        }
    }
}

/// A host: the environment of what runs on it.
pub(crate) struct Group {
    sim: Arc<Sim>,
    id: u64,
}

impl Sim {
    pub fn new(seed: u64) -> Arc<Sim> {
        Arc::new(Sim {
            state: Mutex::new(State {
                now: Duration::ZERO,
                next_task: 1,
                tasks: BTreeMap::new(),
                groups: BTreeMap::new(),
                ready: Vec::new(),
                trace: 0,
                timers: BTreeMap::new(),
            }),
            chance: Mutex::new(Chance::new(seed)),
        })
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.chance.lock().below(limit)
    }

    pub fn one_in(&self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    pub fn group(self: &Arc<Self>) -> Arc<Group> {
        let mut state = self.state.lock();
        let id = state.next_task;
        state.next_task += 1;
        state.groups.insert(id, Host { alive: true, ..Host::default() });
        Arc::new(Group { sim: self.clone(), id })
    }

    fn spawn_in(self: &Arc<Self>, group: u64, task: BoxFuture<()>) {
        let mut state = self.state.lock();
        if !state.is_alive(group) {
            return;
        }
        let id = state.next_task;
        state.next_task += 1;
        state.tasks.insert(id, (group, task));
        state.ready.push(id);
    }

    /// Runs until `main` is done. Panics when nothing can go on: a hang.
    pub fn run<T: Send + 'static>(self: &Arc<Self>, main: impl Future<Output = T> + Send + 'static) -> T {
        let result: Arc<Mutex<Option<T>>> = Arc::new(Mutex::new(None));
        let host = self.group();
        let out = result.clone();
        host.spawn(Box::pin(async move {
            let value = main.await;
            *out.lock() = Some(value);
        }));
        let mut polls = 0;
        loop {
            if let Some(value) = result.lock().take() {
                self.kill_all();
                return value;
            }
            let next = {
                let mut state = self.state.lock();
                if state.ready.is_empty() { None } else { Some(self.pick(&mut state)) }
            };
            match next {
                Some(id) => {
                    polls += 1;
                    assert!(polls < MAX_POLLS, "livelock at {:?}", self.state.lock().now);
                    self.poll(id);
                }
                None => {
                    polls = 0;
                    let waker = {
                        let mut state = self.state.lock();
                        let Some(((at, _), waker)) = state.timers.pop_first() else {
                            panic!("hang: {} tasks wait for nothing", state.tasks.len());
                        };
                        state.now = state.now.max(at);
                        assert!(state.now < MAX_TIME, "it never ends");
                        waker
                    };
                    waker.wake();
                }
            }
        }
    }

    fn pick(&self, state: &mut State) -> u64 {
        let at = self.chance.lock().below(state.ready.len() as u64) as usize;
        state.ready.swap_remove(at)
    }

    fn poll(self: &Arc<Self>, id: u64) {
        let waker = Waker::from(Arc::new(TaskWaker { sim: Arc::downgrade(self), id }));
        let doom = self.state.lock().before_poll(id, &waker);
        let (group, mut task) = match doom {
            Before::Poll(group, task) => (group, task),
            Before::Wait => return,
            Before::Die(group) => return Group { sim: self.clone(), id: group }.kill(),
        };
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            let mut state = self.state.lock();
            if state.is_alive(group) {
                state.tasks.insert(id, (group, task));
            }
        }
    }

    /// Brings what was decided into the trace.
    pub fn note(&self, what: u64) {
        self.state.lock().note(what);
    }

    /// A hash of all that has happened: equal for equal seeds.
    pub fn trace(&self) -> u64 {
        self.state.lock().trace
    }

    pub fn kill_all(&self) {
        let tasks = std::mem::take(&mut self.state.lock().tasks);
        drop(tasks);
    }
}

enum Before {
    Poll(u64, BoxFuture<()>),
    Wait,
    Die(u64),
}

impl State {
    fn note(&mut self, what: u64) {
        self.trace = crate::env::splitmix64(self.trace ^ what);
    }

    fn is_alive(&self, group: u64) -> bool {
        self.groups.get(&group).is_some_and(|host| host.alive)
    }

    fn before_poll(&mut self, id: u64, waker: &Waker) -> Before {
        let Some(&(group, _)) = self.tasks.get(&id) else { return Before::Wait };
        let now = self.now;
        self.note(id ^ (now.as_nanos() as u64) << 16);
        if let Some(host) = self.groups.get_mut(&group) {
            if host.asleep_until <= now {
                host.polls += 1;
                if host.dooms.first().is_some_and(|&(at, _)| at <= host.polls) {
                    match host.dooms.remove(0).1 {
                        Doom::Dies => return Before::Die(group),
                        Doom::Sleeps(time) => host.asleep_until = now + time,
                    }
                }
            }
            if host.asleep_until > now {
                let until = host.asleep_until;
                let timer = self.next_task;
                self.next_task += 1;
                self.timers.insert((until, timer), waker.clone());
                return Before::Wait;
            }
        }
        match self.tasks.remove(&id) {
            Some((group, task)) => Before::Poll(group, task),
            None => Before::Wait,
        }
    }
}

impl Group {
    pub fn is_alive(&self) -> bool {
        self.sim.state.lock().is_alive(self.id)
    }

    /// What will happen to it, by the number of the poll, ascending.
    pub fn doom(&self, dooms: Vec<(u64, Doom)>) {
        if let Some(host) = self.sim.state.lock().groups.get_mut(&self.id) {
            host.dooms = dooms;
        }
    }

    /// Polls of its tasks so far: the points at which it could have died.
    pub fn polls(&self) -> u64 {
        self.sim.state.lock().groups.get(&self.id).map_or(0, |host| host.polls)
    }

    /// Tasks of the host that have not ended.
    pub fn tasks(&self) -> usize {
        self.sim.state.lock().tasks.values().filter(|(group, _)| *group == self.id).count()
    }

    /// All tasks of the host end where they are.
    pub fn kill(&self) {
        let dead = {
            let mut state = self.sim.state.lock();
            if let Some(host) = state.groups.get_mut(&self.id) {
                host.alive = false;
            }
            let ids: Vec<u64> =
                state.tasks.iter().filter(|(_, (group, _))| *group == self.id).map(|(&id, _)| id).collect();
            ids.into_iter().filter_map(|id| state.tasks.remove(&id)).collect::<Vec<_>>()
        };
        drop(dead);
    }

    /// Runs a future as a task of the host; `None` if the host dies before it ends.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.spawn(Box::pin(async move {
            let _ = sender.send(future.await);
        }));
        receiver.await.ok()
    }
}

impl Env for Group {
    fn now(&self) -> Duration {
        self.sim.state.lock().now
    }

    fn unix_time_ns(&self) -> u64 {
        1_700_000_000_000_000_000 + self.now().as_nanos() as u64
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let sim = self.sim.clone();
        let mut timer = None;
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = sim.state.lock();
            let until = *timer.get_or_insert(state.now + duration);
            if state.now >= until {
                return Poll::Ready(());
            }
            let id = state.next_task;
            state.next_task += 1;
            state.timers.insert((until, id), context.waker().clone());
            Poll::Pending
        }))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.sim.spawn_in(self.id, task);
    }

    fn random_u64(&self) -> u64 {
        self.sim.chance.lock().next()
    }
}
