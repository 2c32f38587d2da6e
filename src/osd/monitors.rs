//! What the OSD client needs of the monitor client.

use std::sync::Arc;

use super::client::BoxFuture;
use crate::auth::{AuthError, Authenticator};
use crate::mon::{MonClient, MonError};
use crate::wire::types::{AddrVec, EntityType};

/// The monitors as far as OSD requests go; a trait, so that tests can be the monitors.
pub(super) trait Monitors: Send + Sync + 'static {
    fn fsid(&self) -> [u8; 16];
    fn global_id(&self) -> u64;
    /// This client's addresses, as the map's blocklist would name them.
    fn own_addrs(&self) -> AddrVec;
    /// Asks for all maps from this epoch on, now and later; 0: the newest one whole.
    fn want_maps(&self, start: u32);
    fn got_map(&self, epoch: u32);
    fn newest_epoch(self: Arc<Self>) -> BoxFuture<Result<u32, MonError>>;
    fn authenticator(&self) -> Result<Box<dyn Authenticator>, AuthError>;
}

impl Monitors for MonClient {
    fn fsid(&self) -> [u8; 16] {
        MonClient::fsid(self)
    }

    fn global_id(&self) -> u64 {
        MonClient::global_id(self)
    }

    fn own_addrs(&self) -> AddrVec {
        MonClient::own_addrs(self)
    }

    fn want_maps(&self, start: u32) {
        self.subscribe("osdmap", start.into(), false);
    }

    fn got_map(&self, epoch: u32) {
        self.subscription_got("osdmap", epoch.into());
    }

    fn newest_epoch(self: Arc<Self>) -> BoxFuture<Result<u32, MonError>> {
        Box::pin(async move { Ok(self.get_version("osdmap").await?.0 as u32) })
    }

    fn authenticator(&self) -> Result<Box<dyn Authenticator>, AuthError> {
        self.service_authenticator(EntityType::OSD)
    }
}
