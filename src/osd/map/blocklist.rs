//! Which clients are fenced.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::wire::types::{EntityAddr, Utime};

/// Addresses and networks, each with the time at which its entry ends. The kind of an address is not looked at: Ceph has
/// all entries as "any", and before Nautilus all as "legacy".
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Blocklist {
    /// IP, port, nonce. Port 0 and nonce 0 stand for a whole host.
    clients: BTreeMap<(IpAddr, u16, u32), Utime>,
    /// IP and bits of it that count (Quincy and later).
    networks: BTreeMap<(IpAddr, u32), Utime>,
}

impl Blocklist {
    pub fn insert(&mut self, addr: &EntityAddr, until: Utime) {
        if let Some(key) = client(addr) {
            // As in Ceph: what is there stays, with its time.
            self.clients.entry(key).or_insert(until);
        }
    }

    pub fn remove(&mut self, addr: &EntityAddr) {
        if let Some(key) = client(addr) {
            self.clients.remove(&key);
        }
    }

    /// A network's encoding has the number of bits in the place of the nonce.
    pub fn insert_network(&mut self, addr: &EntityAddr, until: Utime) {
        if let Some(socket) = addr.socket {
            self.networks.entry((socket.ip(), addr.nonce)).or_insert(until);
        }
    }

    pub fn remove_network(&mut self, addr: &EntityAddr) {
        if let Some(socket) = addr.socket {
            self.networks.remove(&(socket.ip(), addr.nonce));
        }
    }

    pub fn covers(&self, addr: &EntityAddr) -> bool {
        let Some((ip, port, nonce)) = client(addr) else { return false };
        self.clients.contains_key(&(ip, port, nonce))
            || self.clients.contains_key(&(ip, 0, 0))
            || self.networks.keys().any(|&(network, bits)| within(ip, network, bits))
    }

    pub fn len(&self) -> usize {
        self.clients.len() + self.networks.len()
    }
}

fn client(addr: &EntityAddr) -> Option<(IpAddr, u16, u32)> {
    addr.socket.map(|socket| (socket.ip(), socket.port(), addr.nonce))
}

fn within(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u32::from(ip) ^ u32::from(network)).leading_zeros() >= bits.min(32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            (u128::from(ip) ^ u128::from(network)).leading_zeros() >= bits.min(128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str, nonce: u32) -> EntityAddr {
        EntityAddr::msgr2(text.parse().unwrap(), nonce)
    }

    #[test]
    fn clients_hosts_and_networks_are_fenced() {
        let mut list = Blocklist::default();
        list.insert(&addr("10.0.0.1:0", 7), Utime::default());
        assert!(list.covers(&addr("10.0.0.1:0", 7)));
        assert!(!list.covers(&addr("10.0.0.1:0", 8)) && !list.covers(&addr("10.0.0.2:0", 7)));
        list.insert(&addr("10.0.0.2:0", 0), Utime::default());
        assert!(list.covers(&addr("10.0.0.2:0", 7)) && list.covers(&addr("10.0.0.2:99", 1)));
        list.insert_network(&addr("10.1.0.0:0", 16), Utime::default());
        assert!(list.covers(&addr("10.1.255.1:0", 3)) && !list.covers(&addr("10.2.0.1:0", 3)));
        list.insert_network(&addr("[fd00::]:0", 8), Utime::default());
        assert!(list.covers(&addr("[fdff::1]:0", 3)) && !list.covers(&addr("[fc00::1]:0", 3)));
        assert_eq!(list.len(), 4);
        list.remove(&addr("10.0.0.1:0", 7));
        list.remove_network(&addr("10.1.0.0:0", 16));
        assert!(!list.covers(&addr("10.0.0.1:0", 7)) && !list.covers(&addr("10.1.255.1:0", 3)));
    }
}
