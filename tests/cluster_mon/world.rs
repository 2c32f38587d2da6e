//! A client of a cluster, as `rados_connect` would make it.

use std::future::Future;
use std::sync::Arc;

use logrbd::auth::{AuthOptions, ClientAuth, SystemWorld};
use logrbd::conf::{Config, Process};
use logrbd::mon::{MonClient, MonError, MonOptions, MonSink};
use logrbd::net::{Net, Options};
use logrbd::wire::Message;

use crate::cluster::Cluster;

pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = logrbd::runtime::start(2).unwrap();
    logrbd::runtime::block_on(&runtime, work)
}

pub fn config(cluster: &Cluster, changed: &[(&str, &str)]) -> Config {
    let mut config = Config::new("admin", &Process);
    config.read_file(Some(cluster.conf.to_str().unwrap())).unwrap();
    for (key, value) in changed {
        config.set(key, value).unwrap();
    }
    config
}

pub fn client_of(config: &Config) -> Result<Arc<MonClient>, MonError> {
    let runtime = logrbd::runtime::start(2).unwrap();
    let auth = ClientAuth::new(AuthOptions::from_conf(config)?, Arc::new(SystemWorld));
    let nonce = getrandom::u32().unwrap();
    let net = Arc::new(Net::new(Options::of(config), nonce, runtime.clone()));
    Ok(MonClient::new(MonOptions::from_conf(config), net, auth, runtime))
}

/// A connected client.
pub fn connected(cluster: &Cluster, changed: &[(&str, &str)]) -> Arc<MonClient> {
    let client = client_of(&config(cluster, changed)).unwrap();
    run(client.connect()).unwrap();
    client
}

/// Passes on what it gets.
pub struct Sink(pub tokio::sync::mpsc::UnboundedSender<Got>);

#[derive(Debug)]
pub enum Got {
    Message(Message),
    Session,
}

impl MonSink for Sink {
    fn message(&self, message: Message) {
        let _ = self.0.send(Got::Message(message));
    }

    fn session(&self) {
        let _ = self.0.send(Got::Session);
    }
}
