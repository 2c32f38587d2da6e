//! Asking one monitor how it is, without a connected client.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::auth::{AuthOptions, ClientAuth, SystemWorld};
use crate::conf::Config;
use crate::mon::{MonClient, MonError, MonOptions};
use crate::net::{Net, Options};
use crate::store::StoreResult;

/// What the monitor `mon` of the cluster that `conf` names says of itself (JSON). `conf` is read before this returns.
pub fn ping(
    conf: &Config,
    runtime: Handle,
    mon: String,
) -> impl Future<Output = StoreResult<String>> + use<> {
    let client = AuthOptions::from_conf(conf).map_err(MonError::from).map(|auth| {
        let auth = ClientAuth::new(auth, Arc::new(SystemWorld));
        let nonce = getrandom::u32().unwrap_or_else(|_| std::process::id());
        let net = Arc::new(Net::new(Options::of(conf), nonce, runtime.clone()));
        MonClient::new(MonOptions::from_conf(conf), net, auth, runtime)
    });
    async move { Ok(client?.ping(&mon).await?) }
}
