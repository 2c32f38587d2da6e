//! Which store a configuration means, and opening it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::context::Context;
use super::session::Session;
use crate::errno::Errno;
use crate::runtime;
use crate::store::cluster;
use crate::store::local::{LocalOptions, LocalStore};
use crate::store::{Store, StoreError};

/// Prefix of a `mon_host` that names a local store's folder.
pub(super) const LOCAL: &str = "local:";

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot connect to the cluster: {0}")]
    Cluster(#[from] cluster::ConnectError),
    #[error(
        "mon_host = {mon_host}: a local store is named by the full path of one folder, as in local:/folder"
    )]
    BadFolder { mon_host: String },
    #[error("{place}: {source}")]
    Store { place: String, source: StoreError },
    #[error("cannot start threads: {0}")]
    Threads(String),
}

impl ConnectError {
    pub fn errno(&self) -> Errno {
        match self {
            ConnectError::Cluster(source) => Errno::from(&StoreError::from(source.clone())),
            ConnectError::BadFolder { .. } => Errno::EINVAL,
            ConnectError::Store { source, .. } => Errno::from(source),
            ConnectError::Threads(_) => Errno::EAGAIN,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Local(PathBuf),
    /// Monitors: of `mon_host`, or of where the monitor client looks if that is empty.
    Cluster,
}

/// What `mon_host` means. Nothing falls back from one kind of store to another.
fn place(mon_host: &str) -> Result<Place, ConnectError> {
    let mon_host = mon_host.trim();
    let Some(folder) = mon_host.strip_prefix(LOCAL) else { return Ok(Place::Cluster) };
    if !folder.starts_with('/') {
        return Err(ConnectError::BadFolder { mon_host: mon_host.to_owned() });
    }
    Ok(Place::Local(PathBuf::from(folder)))
}

/// Opens the store that the configuration names.
pub fn open(context: &Arc<Context>) -> Result<Arc<Session>, ConnectError> {
    let place = place(&context.conf.lock().str("mon_host"))?;
    let threads = context.conf.lock().u64("logrbd_op_threads");
    let runtime =
        runtime::start(threads as usize).map_err(|error| ConnectError::Threads(error.to_string()))?;
    let store = match place {
        Place::Local(folder) => open_local(&folder, context)?,
        Place::Cluster => open_cluster(context, &runtime)?,
    };
    Session::new(store, runtime).map_err(|error| ConnectError::Threads(error.to_string()))
}

fn open_local(folder: &std::path::Path, context: &Context) -> Result<Arc<dyn Store>, ConnectError> {
    let name = context.conf.lock().entity_name();
    // The OSDs' in Ceph; here the clients are the store.
    let watch_timeout_s = context.conf.lock().u64("osd_client_watch_timeout").clamp(1, 86_400) as u32;
    let options = LocalOptions { watch_timeout_s, ..LocalOptions::default() };
    match runtime::without_signals(|| LocalStore::open(folder, &name, options)) {
        Ok(store) => Ok(store),
        Err(source) => Err(ConnectError::Store { place: folder.display().to_string(), source }),
    }
}

fn open_cluster(context: &Arc<Context>, runtime: &Handle) -> Result<Arc<dyn Store>, ConnectError> {
    let connector = cluster::Connector::new(&context.conf.lock(), runtime.clone())?;
    let told = Arc::downgrade(context);
    connector.on_config(Arc::new(move |values| {
        if let Some(context) = told.upgrade() {
            context.set_mon_values(values);
        }
    }));
    let asked = Arc::downgrade(context);
    connector.on_op_timeout(Arc::new(move || {
        // Once the handle is gone, nothing of a program's waits.
        asked.upgrade().map_or(Duration::ZERO, |context| cluster::mon_op_timeout(&context.conf.lock()))
    }));
    let late = |_| {
        let conf = context.conf.lock();
        context.osd_op_timeout.read(&conf);
        cluster::LateOptions::from_conf(&conf).with_op_timeout(context.osd_op_timeout.clone())
    };
    Ok(runtime::block_on(runtime, connector.connect_with(late))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monitors_and_folders_are_told_apart() {
        assert_eq!(place("local:/some/folder").unwrap(), Place::Local("/some/folder".into()));
        for monitors in ["10.0.0.1", "[v2:127.0.0.1:3300,v1:127.0.0.1:6789]", "local", "localhost:6789", ""] {
            assert_eq!(place(monitors).unwrap(), Place::Cluster, "{monitors}");
        }
        for bad in ["local:", "local:folder", "local:../x"] {
            assert_eq!(place(bad).unwrap_err().errno(), Errno::EINVAL, "{bad}");
        }
    }
}
