//! `mon_host`: which monitors the configuration names.
//!
//! Monitors are divided by commas, spaces or semicolons. Each is an address, all of one monitor's addresses in brackets
//! (`[v2:10.0.0.1:3300,v1:10.0.0.1:6789]`), or a host name with or without a port. An address may begin with `v2:`, `v1:` or
//! `any:` and end with `/NONCE`; an IPv6 address stands in brackets of its own. As soon as one item is a name, all are taken for
//! names or plain addresses, as in Ceph.
//!
//! An address without a type and a port is tried at 3300, the port of msgr2, and so is one with 6789, the port of msgr1: a
//! monitor that has that has mostly both. 6789 itself is tried as well: a monitor that greets there as msgr1 does, and does not
//! listen at 3300, is one that this client cannot speak with, and connecting can say so.

use std::net::{IpAddr, SocketAddr};

use super::MonError;
use super::dns::Resolver;
use super::monmap::{MonInfo, MonMap};
use crate::errno::Errno;
use crate::wire::types::{AddrType, AddrVec, EntityAddr};

/// Ports of monitors: msgr2 (assigned by IANA) and msgr1.
const PORT_MSGR2: u16 = 3300;
const PORT_LEGACY: u16 = 6789;

/// An address as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Written {
    kind: AddrType,
    ip: IpAddr,
    /// 0: none given.
    port: u16,
}

impl Written {
    fn addr(self, kind: AddrType, port: u16) -> EntityAddr {
        EntityAddr { kind, nonce: 0, socket: Some(SocketAddr::new(self.ip, port)) }
    }

    /// One monitor's addresses where this is all that is known of it.
    fn alone(self) -> Vec<AddrVec> {
        let msgr2 = |port| AddrVec(vec![self.addr(AddrType::Msgr2, port)]);
        let legacy = |port| AddrVec(vec![self.addr(AddrType::Legacy, port)]);
        match (self.kind, self.port) {
            (AddrType::Legacy, 0) => vec![legacy(PORT_LEGACY)],
            (AddrType::Legacy, port) => vec![legacy(port)],
            (AddrType::Msgr2, 0) => vec![msgr2(PORT_MSGR2)],
            (AddrType::Msgr2, port) => vec![msgr2(port)],
            (_, 0 | PORT_LEGACY) => vec![msgr2(PORT_MSGR2), msgr2(PORT_LEGACY)],
            (_, port) => vec![msgr2(port)],
        }
    }
}

/// One item of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    One(Written),
    All(AddrVec),
}

/// Where to look for monitors: names (made up, as in Ceph: `noname-a`, and `noname-a-legacy`) and addresses.
pub async fn find(mon_host: &str) -> Result<Vec<(String, AddrVec)>, MonError> {
    let items = match parse(mon_host) {
        Some(items) => items,
        None => resolve(mon_host).await?,
    };
    Ok(expand(&items))
}

/// The monitors that SRV records name, with their priorities and weights. `NoMonitors` if there are none.
pub async fn find_by_dns(resolver: &Resolver, service: &str) -> Result<MonMap, MonError> {
    let mut map = MonMap::default();
    for record in resolver.monitors(service).await {
        let Ok(found) = tokio::net::lookup_host((record.target.as_str(), record.port)).await else {
            tracing::warn!(target = record.target, "an SRV record names a host that has no address");
            continue;
        };
        let label = record.target.split('.').next().unwrap_or_default();
        for (n, at) in found.enumerate() {
            let written = Written { kind: AddrType::Any, ip: at.ip(), port: record.port };
            for (guess, addrs) in written.alone().into_iter().enumerate() {
                let legacy = if guess > 0 { "-legacy" } else { "" };
                let number = if n == 0 { String::new() } else { format!("-{n}") };
                let name = format!("{label}{number}{legacy}");
                let (priority, weight) = (record.priority, record.weight);
                let info = MonInfo { name: name.clone(), addrs, priority, weight, ..MonInfo::default() };
                if map.mons.insert(name.clone(), info).is_none() {
                    map.ranks.push(name);
                }
            }
        }
    }
    if map.mons.is_empty() {
        tracing::error!("unable to get monitor info from DNS SRV with service name: {service}");
        return Err(MonError::NoMonitors);
    }
    Ok(map)
}

fn expand(items: &[Item]) -> Vec<(String, AddrVec)> {
    let mut mons: Vec<(String, AddrVec)> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let name = match u8::try_from(n) {
            Ok(n @ 0..26) => format!("noname-{}", char::from(b'a' + n)),
            _ => format!("noname-{n}"),
        };
        let all = match item {
            Item::One(written) => written.alone(),
            Item::All(addrs) => vec![addrs.clone()],
        };
        for (guess, addrs) in all.into_iter().enumerate() {
            let legacy = guess > 0 || addrs.0.iter().all(|a| a.kind == AddrType::Legacy);
            let suffix = if legacy { "-legacy" } else { "" };
            if !mons.iter().any(|(_, known)| *known == addrs) {
                mons.push((format!("{name}{suffix}"), addrs));
            }
        }
    }
    mons
}

/// Whether all of `mon_host` is addresses, so that nothing has to be looked up.
#[cfg(any(test, feature = "fuzzing"))]
pub fn is_addresses(text: &str) -> bool {
    parse(text).is_some_and(|items| !expand(&items).is_empty())
}

/// All items, if all are addresses.
fn parse(text: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for word in text.split([' ', ';', '\t', '\n']).filter(|word| !word.is_empty()) {
        let mut rest = word;
        while !rest.is_empty() {
            let (item, after) = match address(rest) {
                Some((written, after)) => (Item::One(written), after),
                None => bracketed(rest)?,
            };
            items.push(item);
            rest = match after.strip_prefix(',') {
                Some(next) => next,
                None if after.is_empty() => after,
                None => return None,
            };
        }
    }
    (!items.is_empty()).then_some(items)
}

/// `[ADDRESS,...]`: the addresses of one monitor; those without a type speak msgr2.
fn bracketed(text: &str) -> Option<(Item, &str)> {
    let mut rest = text.strip_prefix('[')?;
    let mut addrs = Vec::new();
    loop {
        let (written, after) = address(rest)?;
        let (kind, usual) = match written.kind {
            AddrType::Legacy => (AddrType::Legacy, PORT_LEGACY),
            _ => (AddrType::Msgr2, PORT_MSGR2),
        };
        addrs.push(written.addr(kind, if written.port == 0 { usual } else { written.port }));
        match after.split_at_checked(1)? {
            (",", next) => rest = next,
            ("]", next) => return Some((Item::All(AddrVec(addrs)), next)),
            _ => return None,
        }
    }
}

/// One address at the front of `text`, and what comes after it.
fn address(text: &str) -> Option<(Written, &str)> {
    let kinds = [("v1:", AddrType::Legacy), ("v2:", AddrType::Msgr2), ("any:", AddrType::Any)];
    let found = kinds.iter().find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
    let (kind, text) = found.unwrap_or((AddrType::Any, text));
    let (ip, rest): (IpAddr, &str) = if let Some(inner) = text.strip_prefix('[') {
        let (ip, after) = inner.split_once(']')?;
        (IpAddr::V6(ip.parse().ok()?), after)
    } else {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        (IpAddr::V4(text[..end].parse().ok()?), &text[end..])
    };
    let (port, rest) = number_after(':', rest)?;
    let (_nonce, rest) = number_after('/', rest)?;
    Some((Written { kind, ip, port: port.map_or(Some(0), |n| u16::try_from(n).ok())? }, rest))
}

/// A number that may follow `mark`.
fn number_after(mark: char, text: &str) -> Option<(Option<u32>, &str)> {
    let Some(digits) = text.strip_prefix(mark) else { return Some((None, text)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    Some((Some(digits[..end].parse().ok()?), &digits[end..]))
}

/// All items where some are names: each of a name's addresses is a monitor.
async fn resolve(text: &str) -> Result<Vec<Item>, MonError> {
    let mut items = Vec::new();
    for word in text.split([' ', ';', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
        if let Some((written, "")) = address(word) {
            items.push(Item::One(written));
            continue;
        }
        let bad = |detail: String| MonError::BadAddress {
            errno: Errno::EINVAL,
            detail: format!("unable to parse addrs in '{text}': {detail}"),
        };
        let (name, port) = match word.split_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| bad(format!("{word}: no port number")))?),
            None => (word, 0),
        };
        let found = tokio::net::lookup_host((name, port)).await;
        let found = found.map_err(|error| bad(format!("server name not found: {name} ({error})")))?;
        items.extend(found.map(|at| Item::One(Written { kind: AddrType::Any, ip: at.ip(), port })));
    }
    if items.is_empty() { Err(MonError::NoMonitors) } else { Ok(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let Some(items) = parse(text) else { return "names".into() };
        let shown = expand(&items).into_iter().map(|(name, addrs)| format!("{name}={addrs}"));
        shown.collect::<Vec<_>>().join(" ").replace("/0", "").replace("noname-", "")
    }

    #[test]
    fn addresses_in_all_forms() {
        assert_eq!(show("10.0.0.1"), "a=v2:10.0.0.1:3300 a-legacy=v2:10.0.0.1:6789");
        assert_eq!(show("10.0.0.1:3300"), "a=v2:10.0.0.1:3300");
        assert_eq!(show("10.0.0.1:6789"), "a=v2:10.0.0.1:3300 a-legacy=v2:10.0.0.1:6789");
        assert_eq!(show("10.0.0.1:77"), "a=v2:10.0.0.1:77");
        assert_eq!(show("v1:10.0.0.1"), "a-legacy=v1:10.0.0.1:6789");
        assert_eq!(show("v2:10.0.0.1"), "a=v2:10.0.0.1:3300");
        assert_eq!(show("v2:10.0.0.1:6789/0"), "a=v2:10.0.0.1:6789");
        assert_eq!(show("any:[::1]:3300/12"), "a=v2:[::1]:3300");
        assert_eq!(show("[2001:db8::1]"), "a=v2:[2001:db8::1]:3300 a-legacy=v2:[2001:db8::1]:6789");
        assert_eq!(
            show("[v2:10.0.0.1:1,v1:10.0.0.1:2],[v2:[::1]:3/0,v1:[::1]] [10.0.0.3]"),
            "a=[v2:10.0.0.1:1,v1:10.0.0.1:2] b=[v2:[::1]:3,v1:[::1]:6789] c=v2:10.0.0.3:3300"
        );
        assert_eq!(show("v2:1.1.1.1, v2:1.1.1.2;v2:1.1.1.3,"), {
            "a=v2:1.1.1.1:3300 b=v2:1.1.1.2:3300 c=v2:1.1.1.3:3300"
        });
        assert_eq!(show("v2:1.1.1.1 v2:1.1.1.1"), "a=v2:1.1.1.1:3300");
    }

    #[test]
    fn what_is_no_address_is_looked_up() {
        for text in [
            "mon1",
            "10.0.0.1,mon1",
            "[v2:10.0.0.1",
            "10.0.0.1:99999",
            "10.0.0",
            "v3:1.1.1.1",
            "1.1.1.1x",
            "[]",
            ",",
        ] {
            assert_eq!(show(text), "names", "{text}");
        }
    }

    #[tokio::test]
    async fn names() {
        let found = find("localhost:77").await.unwrap();
        assert!(found.iter().any(|(_, addrs)| addrs.to_string() == "v2:127.0.0.1:77/0"), "{found:?}");
        for bad in ["no.such.host.invalid", "localhost,no.such.host.invalid", "v2:nothing", "localhost:http"]
        {
            assert_eq!(find(bad).await.unwrap_err().errno(), Errno::EINVAL, "{bad}");
        }
        assert_eq!(find(" , ").await, Err(MonError::NoMonitors));
    }
}
