//! What clusters are configured with (`rados_config_t`).

use crate::sync::Mutex;

use std::collections::BTreeMap;

use crate::conf::Config;
use crate::errno::Errno;
use crate::store::cluster::OsdOpTimeout;

/// A configuration, shared by the cluster handles that were made with it.
pub struct Context {
    pub conf: Mutex<Config>,
    /// Follows the configuration once a store was opened with it.
    pub(super) osd_op_timeout: OsdOpTimeout,
}

impl Context {
    pub fn new(conf: Config) -> Context {
        Context { conf: Mutex::new(conf), osd_op_timeout: OsdOpTimeout::default() }
    }

    /// rados_conf_set, connected or not. Errors as [`Config::set`].
    pub fn set(&self, key: &str, value: &str) -> Result<(), Errno> {
        let mut conf = self.conf.lock();
        conf.set(key, value)?;
        self.osd_op_timeout.read(&conf);
        Ok(())
    }

    /// What the monitors have for this client.
    pub(super) fn set_mon_values(&self, values: &BTreeMap<String, String>) {
        let mut conf = self.conf.lock();
        conf.set_mon_values(values);
        self.osd_op_timeout.read(&conf);
    }
}
