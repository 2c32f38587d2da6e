//! The cluster log: MLog, which a subscription brings, and how its lines look.

use super::messages::{skip_paxos, text};
use super::monmap::count;
use crate::wire::Message;
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::{AddrVec, EntityName, EntityType, Utime};

/// Which lines are wanted: those of a level and of all that are graver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    Debug,
    Info,
    Sec,
    Warn,
    Error,
}

impl LogLevel {
    /// The names that `rados_monitor_log` takes.
    pub fn named(name: &str) -> Option<LogLevel> {
        Some(match name {
            "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "sec" => LogLevel::Sec,
            "warn" | "warning" => LogLevel::Warn,
            "error" | "err" => LogLevel::Error,
            _ => return None,
        })
    }

    pub(super) fn subscription(self) -> &'static str {
        match self {
            LogLevel::Debug => "log-debug",
            LogLevel::Info => "log-info",
            LogLevel::Sec => "log-sec",
            LogLevel::Warn => "log-warn",
            LogLevel::Error => "log-error",
        }
    }
}

/// One line (LogEntry, struct version 5 and later).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// `client.admin`, `mon.a`
    pub name: String,
    pub rank: EntityName,
    pub addrs: AddrVec,
    pub stamp: Utime,
    pub seq: u64,
    pub priority: u16,
    pub message: String,
    /// `cluster`, `audit`
    pub channel: String,
}

impl LogEntry {
    /// As Ceph prints it: `[INF]`.
    pub fn level(&self) -> &'static str {
        match self.priority {
            0 => "[DBG]",
            1 => "[INF]",
            2 => "[SEC]",
            3 => "[WRN]",
            4 => "[ERR]",
            _ => "[???]",
        }
    }

    /// Who said it: `mon.0 [v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0]`.
    pub fn who(&self) -> String {
        format!("{} {}", self.rank, self.addrs)
    }

    /// The whole line as `ceph -w` shows it; the time in UTC.
    pub fn line(&self) -> String {
        let stamp = crate::log::utc(self.stamp.seconds.into(), self.stamp.nanoseconds / 1000, 6);
        format!("{stamp} {} {} {}", self.name, self.level(), self.message)
    }

    fn decode(d: &mut Decoder) -> Result<LogEntry, Malformed> {
        let (version, mut d) = d.section(6)?;
        if version < 5 {
            return Err(Malformed); // older than Nautilus
        }
        let kind = EntityType(u8::try_from(d.u32()?).map_err(|_| Malformed)?);
        let id = text(&mut d)?;
        Ok(LogEntry {
            name: format!("{}.{id}", kind.name()),
            rank: EntityName::decode(&mut d)?,
            addrs: AddrVec::decode(&mut d)?,
            stamp: Utime::decode(&mut d)?,
            seq: d.u64()?,
            priority: d.u16()?,
            message: text(&mut d)?,
            channel: text(&mut d)?,
        })
    }
}

/// The version of the newest line, and lines.
pub fn decode(message: &Message) -> Result<(u64, Vec<LogEntry>), Malformed> {
    let mut d = Decoder::new(&message.front);
    let version = skip_paxos(&mut d)?;
    d.raw(16)?;
    // An entry's header alone has six bytes.
    let entries = (0..count(&mut d, 6)?).map(|_| LogEntry::decode(&mut d)).collect::<Result<_, _>>()?;
    Ok((version, entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mon::testing::hex;
    use crate::wire::message::MessageType;

    /// What a monitor of 16.2.15 sent after `ceph log hello there`.
    const HELLO: &str = "1300000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f90200000005056a000000080000000500\
        000061646d696e08ffffffffffffffff02010000000101011c00000003000000c65fe37810000000020000007f0000010000\
        0000000000006491096beadf5f09000000000000000001000b00000068656c6c6f20746865726507000000636c7573746572\
        0505f900000001000000010000006101000000000000000002020000000101011c0000000200000000000000100000000200\
        2f627f00000100000000000000000101011c00000001000000000000001000000002002f637f000001000000000000000064\
        91096b5f6a6209820000000000000001007d00000066726f6d3d27636c69656e742e3f203132372e302e302e313a302f3230\
        32383136373131302720656e746974793d27636c69656e742e61646d696e2720636d643d5b7b22707265666978223a20226c\
        6f67222c20226c6f6774657874223a205b2268656c6c6f222c20227468657265225d7d5d3a20646973706174636805000000\
        6175646974";

    #[test]
    fn lines_of_pacific() {
        let message = Message::new(MessageType::LOG, 1, 1, hex(HELLO).into());
        let (version, entries) = decode(&message).unwrap();
        assert_eq!(version, 19);
        let [hello, audit] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!((hello.name.as_str(), hello.message.as_str()), ("client.admin", "hello there"));
        assert_eq!(hello.who(), "client.? 127.0.0.1:0/2028167110");
        assert_eq!((hello.level(), hello.channel.as_str(), hello.seq), ("[INF]", "cluster", 0));
        assert_eq!(hello.line(), "2026-11-27T14:19:16.157278+0000 client.admin [INF] hello there");
        assert_eq!(hello.stamp, Utime { seconds: 1795789156, nanoseconds: 157278186 });
        assert_eq!(audit.who(), "mon.0 [v2:127.0.0.1:12130/0,v1:127.0.0.1:12131/0]");
        assert_eq!((audit.channel.as_str(), audit.seq), ("audit", 130));
    }

    #[test]
    fn levels() {
        let names = ["debug", "info", "sec", "warn", "warning", "err", "error"];
        assert!(names.iter().all(|name| LogLevel::named(name).is_some()));
        assert_eq!(LogLevel::named("loud"), None);
    }
}
