//! A pool of the model store.

use std::collections::BTreeMap;

use super::object::Object;
use super::state::ObjectKey;
use crate::errno::Errno;
use crate::store::{Op, PoolStat, Request, StoreError, StoreResult};

pub(super) struct Pool {
    pub name: String,
    pub objects: BTreeMap<ObjectKey, Object>,
    /// Application -> key -> value.
    pub applications: BTreeMap<String, BTreeMap<String, String>>,
    /// The highest version of an object that was removed.
    pub version_floor: u64,
    counters: PoolStat,
}

impl Pool {
    pub fn new(name: &str) -> Pool {
        Pool {
            name: name.to_owned(),
            objects: BTreeMap::new(),
            applications: BTreeMap::new(),
            version_floor: 0,
            counters: PoolStat::default(),
        }
    }

    /// Counts a list for [`Pool::stat`].
    pub fn count(&mut self, request: &Request, modified: bool) {
        if modified {
            self.counters.write_ops += 1;
        } else {
            self.counters.read_ops += 1;
        }
        for (op, _) in &request.ops {
            match op {
                Op::Read { length, .. } => self.counters.read_bytes += length,
                Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => {
                    self.counters.write_bytes += data.len() as u64;
                }
                _ => {}
            }
        }
    }

    pub fn stat(&self) -> PoolStat {
        let bytes = self.objects.values().map(|object| object.state.size).sum();
        PoolStat { bytes, objects: self.objects.len() as u64, ..self.counters }
    }

    pub fn application_enable(&mut self, app: &str, force: bool) -> StoreResult<()> {
        if app.is_empty() {
            return Err(StoreError::Op(Errno::EINVAL));
        }
        if !self.applications.is_empty() && !self.applications.contains_key(app) && !force {
            return Err(StoreError::Op(Errno::EPERM));
        }
        self.applications.entry(app.to_owned()).or_default();
        Ok(())
    }

    pub fn application_metadata(&self, app: &str) -> StoreResult<Vec<(String, String)>> {
        let metadata = self.applications.get(app).ok_or(StoreError::Op(Errno::ENOENT))?;
        Ok(metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    pub fn application_metadata_set(&mut self, app: &str, key: &str, value: Option<&str>) -> StoreResult<()> {
        let metadata = self.applications.get_mut(app).ok_or(StoreError::Op(Errno::ENOENT))?;
        match value {
            Some(value) => metadata.insert(key.to_owned(), value.to_owned()),
            None => metadata.remove(key),
        };
        Ok(())
    }
}
