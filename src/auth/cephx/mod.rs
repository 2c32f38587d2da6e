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
