//! Commands to OSDs, and to the OSDs that serve a placement group.

use std::collections::BTreeSet;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::state::{Deadline, State};
use super::{After, Check, Env, Objecter};
use crate::errno::Errno;
use crate::osd::map::OsdMap;
use crate::osd::message::{CommandReply, encode_command};
use crate::osd::{CommandTarget, OsdError};

type CommandResult = Result<CommandReply, OsdError>;

pub(super) struct Command {
    target: CommandTarget,
    cmd: Vec<String>,
    input: Bytes,
    /// Where it is, or -1.
    pub(super) osd: i32,
    /// Why it is nowhere by the present map; final once the map is as new as `gone_bound`.
    missing: Option<(Errno, &'static str)>,
    gone_bound: u32,
    deadline: Option<Deadline>,
    done: oneshot::Sender<CommandResult>,
}

impl Command {
    pub(super) fn finish(self, result: CommandResult, after: &mut After) {
        after.calls.push(Box::new(move || drop(self.done.send(result))));
    }

    /// Finds its OSD; whether that is another one than before.
    fn look(&mut self, map: &OsdMap) -> bool {
        let found = match self.target {
            CommandTarget::Osd(osd) if !map.exists(osd) => Err((Errno::ENOENT, "osd dne")),
            CommandTarget::Osd(osd) if !map.is_up(osd) => Err((Errno::ENXIO, "osd down")),
            CommandTarget::Osd(osd) => Ok(osd),
            CommandTarget::Pg(pgid) => match map.raw_pg_to_pg(pgid) {
                None => Err((Errno::ENOENT, "pool dne")),
                Some(pgid) => Ok(map.pg_to_up_acting(pgid).acting_primary),
            },
        };
        let before = self.osd;
        (self.osd, self.missing) = match found {
            Ok(osd) => (osd, None),
            Err(missing) => (-1, Some(missing)),
        };
        self.osd != before
    }
}

impl State {
    fn add_command(&mut self, env: &Env, mut command: Command, after: &mut After) {
        if self.shut || self.blocklisted {
            let error = if self.shut { OsdError::ShutDown } else { OsdError::Blocklisted };
            command.finish(Err(error), after);
            return;
        }
        if let Some(map) = &self.map {
            command.look(map);
        }
        let tid = self.next_tid();
        if command.missing.is_some() {
            after.checks.push(Check::Command(tid));
        }
        let osd = command.osd;
        after.wake_timer |= command.deadline.is_some();
        self.commands.insert(tid, command);
        if osd >= 0 {
            self.send_command_to(env, osd, tid, after);
        } else {
            after.want_maps = Some(self.epoch());
        }
    }

    fn send_command_to(&mut self, env: &Env, osd: i32, tid: u64, after: &mut After) {
        match self.ensure_session(env, osd, after) {
            Ok(()) => self.send_command(env, tid),
            Err(error) => {
                if let Some(command) = self.commands.remove(&tid) {
                    command.finish(Err(error), after);
                }
            }
        }
    }

    pub(super) fn send_command(&mut self, env: &Env, tid: u64) {
        let Some(command) = self.commands.get(&tid) else { return };
        if let Some(connection) = self.sessions.get(&command.osd).and_then(|session| session.connection()) {
            connection.send(encode_command(tid, &env.mon.fsid(), &command.cmd, &command.input));
        }
    }

    pub(super) fn command_answered(&mut self, osd: i32, tid: u64, reply: CommandReply, after: &mut After) {
        if self.commands.get(&tid).is_some_and(|command| command.osd == osd)
            && let Some(command) = self.commands.remove(&tid)
        {
            command.finish(Ok(reply), after);
        }
    }

    pub(super) fn command_checked(&mut self, tid: u64, newest: u32, after: &mut After) {
        if let Some(command) = self.commands.get_mut(&tid) {
            command.gone_bound = newest.max(1);
        }
        self.finish_missing(tid, after);
        if self.epoch() < newest {
            after.want_maps = Some(self.epoch());
        }
    }

    fn finish_missing(&mut self, tid: u64, after: &mut After) {
        let epoch = self.epoch();
        let Some(command) = self.commands.get(&tid) else { return };
        if let Some((errno, detail)) = command.missing
            && command.gone_bound > 0
            && epoch >= command.gone_bound
            && let Some(command) = self.commands.remove(&tid)
        {
            command.finish(Err(OsdError::Failed { errno, detail: detail.into() }), after);
        }
    }

    /// What a new map means for commands.
    pub(super) fn commands_by(&mut self, map: &OsdMap, env: &Env, lost: &BTreeSet<i32>, after: &mut After) {
        for tid in self.commands.keys().copied().collect::<Vec<u64>>() {
            let Some(command) = self.commands.get_mut(&tid) else { continue };
            let was_at = command.osd;
            let moved = command.look(map);
            let osd = command.osd;
            if command.missing.is_some() {
                if command.gone_bound == 0 {
                    after.checks.push(Check::Command(tid));
                }
                self.finish_missing(tid, after);
            } else if osd >= 0 && (moved || lost.contains(&was_at)) {
                self.send_command_to(env, osd, tid, after);
            }
        }
    }

    pub(super) fn expire_commands(&mut self, now: Instant, after: &mut After) {
        let late = |command: &Command| command.deadline.filter(|deadline| deadline.at <= now);
        let late: Vec<_> = self.commands.iter().filter_map(|(tid, c)| Some((*tid, late(c)?))).collect();
        for (tid, deadline) in late {
            if let Some(command) = self.commands.remove(&tid) {
                command.finish(Err(deadline.error()), after);
            }
        }
    }

    /// The earliest deadline of a command.
    pub(super) fn command_deadline(&self) -> Option<Instant> {
        self.commands.values().filter_map(|command| Some(command.deadline?.at)).min()
    }
}

impl Objecter {
    pub(in crate::osd) fn command(
        &self,
        target: CommandTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> oneshot::Receiver<CommandResult> {
        let (done, wait) = oneshot::channel();
        let command = Command {
            target,
            cmd,
            input,
            osd: -1,
            missing: None,
            gone_bound: 0,
            deadline: Deadline::after(self.env.options.op_timeout.get()),
            done,
        };
        self.with(|state, env, after| state.add_command(env, command, after));
        wait
    }
}
