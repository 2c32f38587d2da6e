//! What monitors say.

use super::same;
use crate::mon::messages::{self, AuthReply, CommandReply, PoolOpReply, PoolUsage, Statfs, VersionReply};
use crate::mon::{MgrConfigure, MgrMap, MonMap, decode_log};
use crate::wire::{Message, MessageType};

/// The map of the monitors.
pub fn mon_map(data: &[u8]) -> bool {
    let map = MonMap::decode(data);
    if let Ok(map) = &map {
        same(map, MonMap::decode(&map.encode()));
    }
    map.is_ok()
}

/// Payloads of messages: the first byte chooses which, the second its version.
pub fn mon_message(data: &[u8]) -> bool {
    let [which, version, front @ ..] = data else { return false };
    let kind = if which % 2 == 0 { MessageType::MON_COMMAND_ACK } else { MessageType::COMMAND_REPLY };
    let message = Message::new(kind, (*version).into(), 1, front.to_vec().into());
    match which % 11 {
        0 | 1 => CommandReply::decode(&message).is_ok(),
        2 => VersionReply::decode(&message).is_ok(),
        3 => Statfs::decode(&message).is_ok(),
        4 => PoolOpReply::decode(&message).is_ok(),
        5 => AuthReply::decode(&message).is_ok(),
        6 => messages::decode_config(&message).is_ok(),
        7 => decode_log(&message).is_ok(),
        10 => MgrConfigure::decode(&message).is_ok(),
        9 => PoolUsage::decode(&message, "rbd").is_ok(),
        _ => MgrMap::decode(front).is_ok() | messages::decode_ping(&message).is_ok(),
    }
}

/// `mon_host`, an address list as it is written.
pub fn mon_host(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(crate::mon::is_addresses)
}

/// What a DNS server answers.
pub fn dns_answer(data: &[u8]) -> bool {
    crate::mon::is_dns_answer(data)
}
