//! The tickets that a client has, how long they hold and when to ask for others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::proto::{Grant, TicketBlob};
use crate::auth::key::CryptoKey;
use crate::wire::types::EntityType;

/// A ticket with what goes with it. Times are of the client's own clock: a ticket's validity counts from its arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub blob: TicketBlob,
    pub session_key: CryptoKey,
    /// `None`: for ever.
    pub lifetime: Option<Lifetime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// A quarter of the validity before it expires, as in librados.
    pub renew_after: Duration,
    pub expires: Duration,
}

/// By service (CEPH_ENTITY_TYPE_*).
#[derive(Clone, Default, Debug)]
pub struct Tickets(BTreeMap<u32, Ticket>);

impl Tickets {
    pub fn add(&mut self, grant: Grant, now: Duration) {
        let validity = Duration::from_nanos(grant.validity.as_ns());
        let lifetime = (!validity.is_zero()).then(|| {
            let expires = now.saturating_add(validity);
            let quarter = Duration::from_secs(validity.as_secs()) / 4;
            Lifetime { renew_after: expires.saturating_sub(quarter), expires }
        });
        let ticket = Ticket { blob: grant.ticket, session_key: grant.session_key, lifetime };
        self.0.insert(grant.service, ticket);
    }

    /// Takes over what `other` has; keeps what only this has.
    pub fn merge(&mut self, other: Tickets) {
        self.0.extend(other.0);
    }

    pub fn get(&self, service: EntityType) -> Option<&Ticket> {
        self.0.get(&u32::from(service.0))
    }

    pub fn session_key(&self, service: u32) -> Option<CryptoKey> {
        self.0.get(&service).map(|ticket| ticket.session_key.clone())
    }

    /// A ticket that has not expired.
    pub fn valid(&self, service: EntityType, now: Duration) -> Option<&Ticket> {
        self.get(service).filter(|ticket| ticket.lifetime.is_none_or(|life| now < life.expires))
    }

    pub fn remove(&mut self, service: EntityType) {
        self.0.remove(&u32::from(service.0));
    }

    /// Which of `wanted` (a mask) are missing or should be renewed.
    pub fn needed(&self, wanted: u32, now: Duration) -> u32 {
        let have =
            self.0.iter().filter(|(_, ticket)| ticket.lifetime.is_none_or(|life| now < life.renew_after));
        have.fold(wanted, |need, (service, _)| need & !service)
    }

    /// When the first of `wanted` is to be renewed; zero if one is missing, `None` if all last for ever.
    pub fn next_renewal(&self, wanted: u32) -> Option<Duration> {
        let each = (0..32).map(|bit| 1 << bit).filter(|service| wanted & service != 0);
        let due = each.filter_map(|service| match self.0.get(&service) {
            None => Some(Duration::ZERO),
            Some(ticket) => ticket.lifetime.map(|life| life.renew_after),
        });
        due.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::types::Utime;

    const OSD: u32 = EntityType::OSD.0 as u32;
    const MGR: u32 = EntityType::MGR.0 as u32;

    fn grant(service: u32, validity_s: u32) -> Grant {
        Grant {
            service,
            session_key: CryptoKey::parse("AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==").unwrap(),
            validity: Utime { seconds: validity_s, nanoseconds: 0 },
            ticket: TicketBlob { secret_id: 1, blob: vec![1] },
        }
    }

    #[test]
    fn a_quarter_of_the_validity_is_left_for_renewal() {
        let s = Duration::from_secs;
        let mut tickets = Tickets::default();
        assert_eq!(tickets.needed(OSD | MGR, s(100)), OSD | MGR);
        assert_eq!(tickets.next_renewal(OSD | MGR), Some(Duration::ZERO));
        tickets.add(grant(OSD, 3600), s(100));
        assert_eq!(tickets.needed(OSD | MGR, s(100)), MGR);
        tickets.add(grant(MGR, 0), s(100));
        assert_eq!(tickets.needed(OSD | MGR, s(2799)), 0);
        assert_eq!(tickets.needed(OSD | MGR, s(2800)), OSD);
        assert_eq!(tickets.next_renewal(OSD | MGR), Some(s(2800)));
        assert_eq!(tickets.next_renewal(MGR), None);
        assert!(tickets.valid(EntityType::OSD, s(3699)).is_some());
        assert!(tickets.valid(EntityType::OSD, s(3700)).is_none());
        assert!(tickets.valid(EntityType::MGR, s(1 << 40)).is_some());
        tickets.remove(EntityType::MGR);
        assert_eq!(tickets.needed(MGR, s(100)), MGR);
    }

    #[test]
    fn the_longest_validity_does_not_overflow() {
        let mut tickets = Tickets::default();
        let mut long = grant(OSD, u32::MAX);
        long.validity.nanoseconds = u32::MAX;
        tickets.add(long, Duration::MAX);
        assert_eq!(tickets.needed(OSD, Duration::ZERO), 0);
    }
}
