//! A pool of the model store.

use std::collections::BTreeMap;

use super::object::Object;
use super::state::ObjectKey;
use crate::errno::Errno;
use crate::store::{Op, PoolStat, Request, StoreError, StoreResult};

pub(super) struct Pool {
    pub name: String,
    /// Bytes of a stripe, if it is an erasure-coded pool without overwrites.
    pub stripe: Option<u64>,
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
            stripe: None,
            objects: BTreeMap::new(),
            applications: BTreeMap::new(),
            version_floor: 0,
            counters: PoolStat::default(),
        }
    }

    /// What an erasure-coded pool without overwrites does not do, as Ceph 16.2.15 answers: whole objects may be written, and whole
    /// stripes appended.
    pub fn check(&self, request: &Request, size: Option<u64>) -> Result<(), Errno> {
        let Some(stripe) = self.stripe else { return Ok(()) };
        let mut size = size.unwrap_or(0);
        for (op, _) in &request.ops {
            let (offset, length) = match op {
                Op::Write { offset, data } => (*offset, data.len() as u64),
                Op::Append { data } => (size, data.len() as u64),
                Op::WriteFull { data } => {
                    size = data.len() as u64;
                    continue;
                }
                Op::WriteSame { .. }
                | Op::Zero { .. }
                | Op::Truncate { .. }
                | Op::OmapSetHeader { .. }
                | Op::OmapSet { .. }
                | Op::OmapRmKeys { .. }
                | Op::OmapRmRange { .. }
                | Op::OmapClear => return Err(Errno::EOPNOTSUPP),
                _ => continue,
            };
            if offset != size || !size.is_multiple_of(stripe) {
                return Err(Errno::EOPNOTSUPP);
            }
            size += length;
        }
        Ok(())
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
