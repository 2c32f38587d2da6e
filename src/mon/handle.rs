//! What a monitor says in a session, and who it is for.

use std::time::Duration;

use tokio::time::Instant;

use super::client::MonClient;
use super::log;
use super::messages::{self, AuthReply, VersionReply};
use super::monmap::MonMap;
use super::state::State;
use crate::wire::Message;
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::message::MessageType;

impl MonClient {
    /// An error: the message makes no sense.
    pub(super) fn handle(&self, message: Message) -> Result<(), Malformed> {
        match message.kind {
            MessageType::MON_MAP => {
                let map = MonMap::decode(Decoder::new(&message.front).blob()?)?;
                self.new_map(map);
            }
            MessageType::MON_SUBSCRIBE_ACK => {
                // Monitors that keep subscriptions for as long as the session lives do not send it.
                let seconds = Decoder::new(&message.front).u32()?;
                let half = Duration::from_secs(u64::from(seconds)) / 2;
                self.state.lock().renew_subs_at = Some(Instant::now() + half.max(Duration::from_secs(1)));
            }
            MessageType::MON_GET_VERSION_REPLY => {
                let handle = VersionReply::decode(&message)?.handle;
                self.answered(handle, message);
            }
            MessageType::MON_COMMAND_ACK
            | MessageType::STATFS_REPLY
            | MessageType::POOLOP_REPLY
            | MessageType::GET_POOL_STATS_REPLY => self.answered(message.tid, message),
            MessageType::CONFIG => {
                let values = messages::decode_config(&message)?;
                let sink = self.sinks.read().config.clone();
                if let Some(sink) = sink {
                    sink(&values);
                }
                self.state.lock().config_seen = true;
                self.changed.notify_waiters();
            }
            MessageType::AUTH_REPLY => self.renewed(&AuthReply::decode(&message)?),
            MessageType::MGR_MAP => self.mgr_map(&message)?,
            MessageType::LOG => self.log_lines(&message)?,
            MessageType::LOG_ACK | MessageType::PING => {}
            _ => self.pass_on(message),
        }
        Ok(())
    }

    fn answered(&self, tid: u64, message: Message) {
        let waiting = self.state.lock().waiting.remove(&tid);
        match waiting {
            // Who gave up does not want to know.
            Some(waiting) => drop(waiting.reply.send(Ok(message))),
            None => tracing::debug!(tid, kind = ?message.kind, "an answer that nobody waits for"),
        }
    }

    fn pass_on(&self, message: Message) {
        match self.sink() {
            // Answers of kinds that are not listed here may be waited for as well.
            _ if self.state.lock().waiting.contains_key(&message.tid) && message.tid != 0 => {
                self.answered(message.tid, message);
            }
            Some(sink) => sink.message(message),
            None => tracing::debug!(kind = ?message.kind, "a message that nobody wants"),
        }
    }

    fn renewed(&self, reply: &AuthReply) {
        match self.credentials.renewal_reply(reply.result, reply.global_id, &reply.payload) {
            Ok(None) => {}
            Ok(Some((method, payload))) => {
                if let State { active: Some(active), .. } = &*self.state.lock() {
                    active.connection.send(messages::auth(method, &payload));
                }
            }
            // A new session brings new tickets, or the reason why there are none.
            Err(error) => {
                tracing::warn!(%error, "tickets were not renewed");
                self.new_session();
            }
        }
    }

    fn log_lines(&self, message: &Message) -> Result<(), Malformed> {
        let (version, entries) = log::decode(message)?;
        let watch = self.sinks.read().log.clone();
        let Some((level, sink)) = watch else { return Ok(()) };
        {
            let mut state = self.state.lock();
            if version <= state.log_seen {
                return Ok(());
            }
            state.log_seen = version;
            state.subs.got(level.subscription(), version);
        }
        entries.iter().for_each(|entry| sink(entry));
        Ok(())
    }
}
