//! Connects to the store that configuration and arguments name, and finds pools and images.

use std::sync::Arc;

use logrbd::client::{Cluster, Context, Session};
use logrbd::conf::{Config, Process};
use logrbd::env::{Env, TokioEnv};
use logrbd::errno::Errno;
use logrbd::image::{self, Conf, Pool};

use crate::args::Args;

/// A connection.
pub struct Place {
    cluster: Cluster,
    pub session: Arc<Session>,
    pub conf: Conf,
    pub env: Arc<dyn Env>,
}

/// An image as a person writes it.
pub struct Spec {
    pub pool: String,
    pub namespace: String,
    pub image: String,
}

impl Spec {
    /// `IMAGE`, `POOL/IMAGE` or `POOL/NAMESPACE/IMAGE`.
    pub fn parse(text: &str, args: &Args) -> Result<Spec, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (pool, namespace, image) = match parts[..] {
            [image] => (args.pool.as_str(), args.namespace.as_str(), image),
            [pool, image] => (pool, args.namespace.as_str(), image),
            [pool, namespace, image] => (pool, namespace, image),
            _ => return Err(format!("{text}: an image is [POOL/[NAMESPACE/]]IMAGE")),
        };
        if pool.is_empty() || image.is_empty() || image.contains('@') {
            return Err(format!("{text}: an image is [POOL/[NAMESPACE/]]IMAGE"));
        }
        Ok(Spec { pool: pool.into(), namespace: namespace.into(), image: image.into() })
    }
}

impl Place {
    pub fn connect(args: &Args) -> Result<Place, String> {
        let config = configure(args)?;
        let context = Arc::new(Context::new(config));
        let cluster = Cluster::new(context.clone());
        cluster.connect().map_err(|errno| format!("cannot connect: {errno}"))?;
        let session = cluster.session().map_err(|errno| errno.to_string())?;
        let env: Arc<dyn Env> = TokioEnv::new(session.runtime().clone());
        let conf: Conf = Arc::new(move |option| context.conf.lock().get(option).ok());
        Ok(Place { cluster, session, conf, env })
    }

    pub fn pool(&self, pool: &str, namespace: &str) -> Result<Pool, String> {
        let store = self.session.store().clone();
        let id =
            self.session.wait(store.pool_lookup(pool)).map_err(|error| format!("pool {pool}: {error}"))?;
        Ok(Pool::new(store, id, namespace))
    }

    /// The images that `spec` names, or all of the pool and namespace that the arguments name.
    pub fn images(&self, spec: Option<&str>, args: &Args) -> Result<(Pool, String, Vec<String>), String> {
        let Some(text) = spec else {
            let pool = self.pool(&args.pool, &args.namespace)?;
            let images = self.session.wait(image::list(&pool)).map_err(|error| error.to_string())?;
            let names = images.into_iter().map(|(name, _)| name).collect();
            return Ok((pool, place_name(&args.pool, &args.namespace), names));
        };
        let spec = Spec::parse(text, args)?;
        let pool = self.pool(&spec.pool, &spec.namespace)?;
        Ok((pool, place_name(&spec.pool, &spec.namespace), vec![spec.image]))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.cluster.shutdown();
    }
}

fn place_name(pool: &str, namespace: &str) -> String {
    if namespace.is_empty() { pool.to_owned() } else { format!("{pool}/{namespace}") }
}

fn configure(args: &Args) -> Result<Config, String> {
    let said = |what: &str, errno: Errno| format!("{what}: {errno}");
    let mut config = match &args.name {
        Some(name) => Config::named("", name, &Process).map_err(|errno| said(name, errno))?,
        None => Config::new(args.id.as_deref().unwrap_or("admin"), &Process),
    };
    match config.read_file(args.conf.as_deref()) {
        Ok(()) => {}
        // As with Ceph's tools: the usual places may be empty where the arguments say all.
        Err(Errno::ENOENT) if args.conf.is_none() && args.mon_host.is_some() => {}
        Err(Errno::ENOENT) if args.conf.is_none() && std::env::var_os("CEPH_CONF").is_none() => {}
        Err(errno) => return Err(said(args.conf.as_deref().unwrap_or("CEPH_CONF"), errno)),
    }
    config.parse_env("CEPH_ARGS");
    if let Some(mon_host) = &args.mon_host {
        config.set("mon_host", mon_host).map_err(|errno| said("mon_host", errno))?;
    }
    for option in &args.options {
        let (key, value) = option.split_once('=').ok_or(format!("{option}: KEY=VALUE is expected"))?;
        config.set(key, value).map_err(|errno| said(key, errno))?;
    }
    Ok(config)
}
