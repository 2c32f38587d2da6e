//! Connecting to a cluster as the configuration says.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;

use super::ClusterStore;
use crate::auth::{AuthOptions, ClientAuth, SystemWorld};
use crate::conf::Config;
use crate::mon::{MonClient, MonError, MonOptions, MonSink};
use crate::net::{Net, Options};
use crate::osd::{OsdClient, OsdError, OsdOptions};
use crate::store::StoreError;

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Mon(#[from] MonError),
    #[error(transparent)]
    Osd(#[from] OsdError),
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> StoreError {
        match error {
            ConnectError::Mon(source) => source.into(),
            ConnectError::Osd(source) => source.into(),
        }
    }
}

/// A client that is not connected yet: it has read all that it needs of the configuration.
pub struct Connector {
    mon: Arc<MonClient>,
    osd: Arc<OsdClient>,
}

impl Connector {
    /// Reads the configuration, the keyring included; opens no connection.
    pub fn new(conf: &Config, runtime: Handle) -> Result<Connector, ConnectError> {
        let auth = AuthOptions::from_conf(conf).map_err(MonError::from)?;
        let auth = ClientAuth::new(auth, Arc::new(SystemWorld));
        let nonce = getrandom::u32().unwrap_or_else(|_| std::process::id());
        let net = Arc::new(Net::new(Options::of(conf), nonce, runtime.clone()));
        let mon = MonClient::new(MonOptions::from_conf(conf), net.clone(), auth, runtime.clone());
        let osd = OsdClient::new(OsdOptions::from_conf(conf), net, mon.clone(), runtime);
        let sink: Weak<dyn MonSink> = Arc::downgrade(&osd) as Weak<dyn MonSink>;
        mon.set_sink(sink);
        Ok(Connector { mon, osd })
    }

    /// Finds a monitor, authenticates, and waits for the first map.
    pub async fn connect(self) -> Result<Arc<ClusterStore>, ConnectError> {
        let connected = self.try_connect().await;
        if connected.is_err() {
            self.osd.shutdown().await;
            self.mon.shutdown().await;
        }
        connected?;
        Ok(ClusterStore::new(self.mon, self.osd))
    }

    async fn try_connect(&self) -> Result<(), ConnectError> {
        self.mon.connect().await?;
        Ok(self.osd.start().await?)
    }
}
