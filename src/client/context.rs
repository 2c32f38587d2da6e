//! What clusters are configured with (`rados_config_t`).

use crate::sync::Mutex;

use crate::conf::Config;

/// A configuration, shared by the cluster handles that were made with it.
pub struct Context {
    pub conf: Mutex<Config>,
}

impl Context {
    pub fn new(conf: Config) -> Context {
        Context { conf: Mutex::new(conf) }
    }
}
