//! Which addresses are fenced: parsing and matching, for stores that keep the list themselves.

use std::net::IpAddr;

use super::{StoreError, StoreResult};
use crate::errno::Errno;
use crate::wire::types::EntityAddr;

/// Default duration of an entry in seconds (mon_osd_blacklist_default_expire).
pub const DEFAULT_EXPIRE_S: u32 = 3600;

/// An address as the blocklist keeps it; port 0 and nonce 0 stand for a whole host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Fenced {
    ip: IpAddr,
    port: u16,
    nonce: u32,
}

impl Fenced {
    /// Parses `[v1:|v2:|any:]IP[:PORT][/NONCE]`; EINVAL if it is none.
    pub fn parse(text: &str) -> StoreResult<Fenced> {
        let text = ["v1:", "v2:", "any:"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
        let whole = if text.contains('/') { text.to_owned() } else { format!("{text}/0") };
        if let Some(EntityAddr { nonce, socket: Some(socket), .. }) = EntityAddr::parse(&whole) {
            return Ok(Fenced { ip: socket.ip(), port: socket.port(), nonce });
        }
        let (ip, nonce) = whole.split_once('/').unwrap_or((&whole, "0"));
        match (ip.trim_matches(['[', ']']).parse(), nonce.parse()) {
            (Ok(ip), Ok(nonce)) => Ok(Fenced { ip, port: 0, nonce }),
            _ => Err(StoreError::Op(Errno::EINVAL)),
        }
    }

    /// Whether the entry fences the client with this address.
    pub fn covers(&self, client: &Fenced) -> bool {
        self == client || (self.ip == client.ip && self.port == 0 && self.nonce == 0)
    }
}

impl std::fmt::Display for Fenced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", std::net::SocketAddr::new(self.ip, self.port), self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_match_with_and_without_a_prefix() {
        let client = Fenced::parse("127.0.0.1:0/77").unwrap();
        for text in ["127.0.0.1:0/77", "v1:127.0.0.1:0/77", "127.0.0.1/77", "127.0.0.1", "127.0.0.1:0/0"] {
            assert!(Fenced::parse(text).unwrap().covers(&client), "{text}");
        }
        for text in ["127.0.0.1:0/78", "127.0.0.2", "127.0.0.1:1/77"] {
            assert!(!Fenced::parse(text).unwrap().covers(&client), "{text}");
        }
        assert!(Fenced::parse("nonsense").is_err());
        assert_eq!(client.to_string(), "127.0.0.1:0/77");
    }
}
