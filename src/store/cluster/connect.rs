//! Connecting to a cluster as the configuration says.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::ClusterStore;
use crate::auth::{AuthOptions, ClientAuth, SystemWorld};
use crate::conf::Config;
use crate::mon::{ConfigSink, MonClient, MonError, MonOptions, MonSink, OpTimeout};
use crate::net::{Net, Options};
use crate::osd::{self, OsdClient, OsdError, OsdOptions};
use crate::store::StoreError;
use crate::wire::compress::Compression;

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

/// A client that is not connected yet: it has read what it needs of the configuration to talk to monitors.
pub struct Connector {
    mon: Arc<MonClient>,
    net: Arc<Net>,
    runtime: Handle,
    options: LateOptions,
}

/// What is of use once there is a monitor, which may have said more about it.
pub struct LateOptions {
    osd: OsdOptions,
    compression: Option<Compression>,
}

impl LateOptions {
    /// `rados_osd_op_timeout` is what this says from now on, whenever requests begin.
    pub fn with_op_timeout(mut self, op_timeout: osd::OpTimeout) -> LateOptions {
        self.osd.op_timeout = op_timeout;
        self
    }

    pub fn from_conf(conf: &Config) -> LateOptions {
        let compression = Compression::of(
            &conf.str("ms_osd_compress_mode"),
            &conf.str("ms_osd_compression_algorithm"),
            conf.u64("ms_osd_compress_min_size"),
            conf.bool("ms_compress_secure"),
        );
        LateOptions { osd: OsdOptions::from_conf(conf), compression }
    }
}

/// `rados_mon_op_timeout`; zero: for ever.
pub fn mon_op_timeout(conf: &Config) -> Duration {
    MonOptions::op_timeout_of(conf)
}

impl Connector {
    /// Reads the configuration, the keyring included; opens no connection.
    pub fn new(conf: &Config, runtime: Handle) -> Result<Connector, ConnectError> {
        let auth = AuthOptions::from_conf(conf).map_err(MonError::from)?;
        let auth = ClientAuth::new(auth, Arc::new(SystemWorld));
        let nonce = getrandom::u32().unwrap_or_else(|_| std::process::id());
        let net = Arc::new(Net::new(Options::of(conf), nonce, runtime.clone()));
        let mon = MonClient::new(MonOptions::from_conf(conf), net.clone(), auth, runtime.clone());
        Ok(Connector { mon, net, runtime, options: LateOptions::from_conf(conf) })
    }

    /// Who receives what `ceph config set` has for this client: first before the connect is done, then whenever it changes.
    pub fn on_config(&self, sink: Arc<ConfigSink>) {
        self.mon.set_config_sink(sink);
    }

    /// Who knows `rados_mon_op_timeout`, which may change at any time; asked with no lock held.
    pub fn on_op_timeout(&self, limit: Arc<OpTimeout>) {
        self.mon.set_op_timeout(limit);
    }

    /// Finds a monitor, authenticates, and waits for the first map.
    pub async fn connect(self) -> Result<Arc<ClusterStore>, ConnectError> {
        self.connect_with(|as_before| as_before).await
    }

    /// The same; `late` gives the options anew once the monitors have told what they have of the configuration.
    pub async fn connect_with(
        self,
        late: impl FnOnce(LateOptions) -> LateOptions,
    ) -> Result<Arc<ClusterStore>, ConnectError> {
        let Connector { mon, net, runtime, options } = self;
        mon.connect().await?;
        let options = late(options);
        net.set_compression(options.compression);
        let osd = OsdClient::new(options.osd, net, mon.clone(), runtime);
        let sink: Weak<dyn MonSink> = Arc::downgrade(&osd) as Weak<dyn MonSink>;
        mon.set_sink(sink);
        if let Err(error) = osd.start().await {
            osd.shutdown().await;
            mon.shutdown().await;
            return Err(error.into());
        }
        Ok(ClusterStore::new(mon, osd))
    }
}
