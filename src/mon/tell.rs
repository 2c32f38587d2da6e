//! Asking one certain monitor, over a connection of its own: commands by name or rank, and ping.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::MonError;
use super::client::{MonClient, MonTarget, within};
use super::messages::{self, CommandReply};
use super::monmap::{MonInfo, MonMap};
use super::session::of_net;
use super::state::Phase;
use crate::errno::Errno;
use crate::net::{Connection, Handler, NetError, Ready};
use crate::wire::Message;
use crate::wire::message::MessageType;
use crate::wire::types::{AddrVec, EntityType};

enum Event {
    Message(Message),
    Over(NetError),
}

struct Link(mpsc::UnboundedSender<Event>);

impl Handler for Link {
    fn ready(&self, _: &Arc<dyn Connection>, _: Ready) {}

    fn message(&self, _: &Arc<dyn Connection>, message: Message) {
        // Kept are answers only: a session brings maps, too.
        if matches!(message.kind, MessageType::COMMAND_REPLY | MessageType::PING) {
            let _ = self.0.send(Event::Message(message)); // or nobody waits any more
        }
    }

    fn reset(&self, _: &Arc<dyn Connection>, error: NetError) {
        let _ = self.0.send(Event::Over(error));
    }
}

/// A connection that is closed when it goes out of scope.
struct OneOff {
    connection: Arc<dyn Connection>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Drop for OneOff {
    fn drop(&mut self) {
        self.connection.close();
    }
}

impl OneOff {
    /// The first answer of that kind; an error if the connection ends before.
    async fn answer(&mut self, kind: MessageType) -> Result<Message, MonError> {
        loop {
            match self.events.recv().await {
                Some(Event::Message(message)) if message.kind == kind => return Ok(message),
                Some(Event::Message(_)) => {}
                Some(Event::Over(error)) => return Err(of_net(error)),
                None => return Err(MonError::ShutDown),
            }
        }
    }
}

impl MonClient {
    fn one_off(&self, addrs: &AddrVec) -> Result<OneOff, MonError> {
        let auth = self.credentials.monitor(0)?;
        let (sender, events) = mpsc::unbounded_channel();
        let connection = self.messenger.connect(EntityType::MON, addrs, 0, auth, Arc::new(Link(sender)));
        Ok(OneOff { connection, events })
    }

    /// Sends a command to one monitor, `mon_client_directed_command_retry` times at most, with `mon_client_hunt_interval`
    /// for each.
    pub(super) async fn tell(
        &self,
        target: MonTarget,
        cmd: Vec<String>,
        input: Bytes,
    ) -> Result<CommandReply, MonError> {
        let mut asked = String::new();
        for _ in 0..self.options.directed_retry {
            let (info, fsid, tid) = {
                let mut state = self.state.lock();
                if state.phase != Phase::Running {
                    return Err(MonError::ShutDown);
                }
                let info = find(&state.monmap, &target)?.clone();
                (info, state.monmap.fsid, state.next_tid())
            };
            let mut link = self.one_off(&info.addrs)?;
            let mut message = messages::tell_command(&fsid, &cmd, input.clone());
            message.tid = tid;
            link.connection.send(message);
            match within(self.options.hunt_interval, link.answer(MessageType::COMMAND_REPLY)).await {
                Ok(reply) => {
                    return CommandReply::decode(&reply).map_err(|_| MonError::Malformed("MCommandReply"));
                }
                Err(error @ (MonError::Auth(_) | MonError::Unsupported { .. } | MonError::ShutDown)) => {
                    return Err(error);
                }
                Err(error) => tracing::debug!(mon = info.name, %error, "command not answered"),
            }
            asked = info.name;
        }
        Err(MonError::Unavailable(asked))
    }

    /// What one monitor says of itself (JSON), over a connection of its own. Works before `connect` too.
    ///
    /// `TimedOut` after `mon_client_ping_timeout`; `NoSuchName`; EINVAL for an empty name.
    pub async fn ping(&self, mon: &str) -> Result<String, MonError> {
        if mon.is_empty() {
            return Err(MonError::BadAddress { errno: Errno::EINVAL, detail: "no monitor is named".into() });
        }
        let mut map = self.monmap();
        if map.mons.is_empty() {
            map = self.initial_map().await?;
        }
        // Before the first map there are made-up names only.
        let info = map.mons.get(&format!("noname-{mon}")).or_else(|| map.mons.get(mon));
        let addrs = info.ok_or_else(|| MonError::NoSuchName(mon.to_owned()))?.addrs.clone();
        within(self.options.ping_timeout, async {
            let mut pause = self.options.initial_backoff.max(Duration::from_millis(20));
            loop {
                let mut link = self.one_off(&addrs)?;
                link.connection.send(Message::new(MessageType::PING, 1, 1, Bytes::new()));
                match link.answer(MessageType::PING).await {
                    Ok(reply) => {
                        return messages::decode_ping(&reply).map_err(|_| MonError::Malformed("MPing"));
                    }
                    Err(MonError::SessionReset { detail }) => {
                        tracing::debug!(mon, detail, "ping: not reached yet")
                    }
                    Err(error) => return Err(error),
                }
                drop(link);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(self.options.max_backoff.max(pause));
            }
        })
        .await
    }
}

fn find<'a>(map: &'a MonMap, target: &MonTarget) -> Result<&'a MonInfo, MonError> {
    match target {
        MonTarget::Any => unreachable!("commands to any monitor go over the session"),
        MonTarget::Rank(rank) => map.by_rank(*rank).ok_or(MonError::NoSuchRank(*rank)),
        MonTarget::Name(name) => map.mons.get(name).ok_or_else(|| MonError::NoSuchName(name.clone())),
    }
}
