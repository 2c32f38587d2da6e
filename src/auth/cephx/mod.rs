//! cephx: shared secrets with the monitors, tickets for the other daemons. Pure protocol: bytes in, bytes out.

mod monitor;
mod proto;
mod service;
mod tickets;

#[cfg(test)]
mod tests;

pub use monitor::{MonExchange, decode_service_grants, service_tickets_request};
pub use service::ServiceExchange;
pub use tickets::{Ticket, Tickets};

/// For tests and fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub mod testing {
    use super::Ticket;
    use super::proto::TicketBlob;
    use crate::auth::key::CryptoKey;

    /// A ticket that holds for ever.
    pub fn ticket() -> Ticket {
        let session_key = CryptoKey::parse("AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==").expect("a key");
        Ticket { blob: TicketBlob { secret_id: 1, blob: vec![1, 2, 3] }, session_key, lifetime: None }
    }
}
