//! What happens by time: deadlines of requests, confirmation of watches, and a look at what takes long.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::state::State;
use super::{After, Env, Objecter};

pub(super) async fn run(wake: Arc<Notify>, objecter: Weak<Objecter>) {
    let tick = match objecter.upgrade() {
        Some(objecter) => objecter.env.options.tick.max(Duration::from_millis(1)),
        None => return,
    };
    let mut next_tick = Instant::now() + tick;
    loop {
        let deadline = match objecter.upgrade() {
            Some(objecter) => match objecter.state.lock().next_deadline() {
                Some(deadline) => deadline,
                None => return,
            },
            None => return,
        };
        let until = deadline.map_or(next_tick, |deadline| deadline.min(next_tick));
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = wake.notified() => {}
        }
        let Some(objecter) = objecter.upgrade() else { return };
        let now = Instant::now();
        objecter.with(|state, env, after| {
            state.expire(now, after);
            if now >= next_tick {
                state.tick(env, after);
            }
        });
        if now >= next_tick {
            next_tick = now + tick;
        }
    }
}

impl State {
    /// The earliest deadline, if there is one. The outer `None`: the client was shut down.
    #[allow(clippy::option_option)]
    fn next_deadline(&self) -> Option<Option<Instant>> {
        let ops = self.deadlines.front().map(|(deadline, _)| deadline.at);
        (!self.shut).then(|| ops.into_iter().chain(self.command_deadline()).min())
    }

    /// Fails what is past its deadline.
    fn expire(&mut self, now: Instant, after: &mut After) {
        while let Some((deadline, tid)) = self.deadlines.front().copied()
            && (deadline.at <= now || !self.is_timed(tid))
        {
            self.deadlines.pop_front();
            if deadline.at <= now {
                self.finish(tid, Err(deadline.error()), after);
            }
        }
        self.expire_commands(now, after);
    }

    /// Whether anybody still waits for this one.
    fn is_timed(&self, tid: u64) -> bool {
        self.ops.contains_key(&tid)
    }

    fn tick(&mut self, env: &Env, after: &mut After) {
        self.tick += 1;
        let laggy_ticks = (env.options.laggy.as_millis() / env.options.tick.as_millis().max(1)).max(1) as u64;
        let mut busy = BTreeSet::new();
        let mut homeless = false;
        for op in self.ops.values() {
            homeless |= op.target.osd < 0 || op.target.paused;
            if op.target.osd >= 0 && op.attempts > 0 && self.tick - op.sent_at > laggy_ticks {
                busy.insert(op.target.osd);
            }
        }
        let watches: Vec<u64> =
            self.lingers.iter().filter(|(_, l)| l.wants_ping()).map(|(id, _)| *id).collect();
        for id in watches {
            self.ping_linger(env, id, after);
        }
        busy.extend(self.lingers.values().map(|linger| linger.target.osd).filter(|osd| *osd >= 0));
        busy.extend(self.commands.values().map(|command| command.osd).filter(|osd| *osd >= 0));
        if homeless || !busy.is_empty() {
            after.want_maps = Some(self.epoch());
        }
        self.probe(env, &busy, after);
    }
}
