//! Fixed reads at their worst: each client remembers an object as it was when it first needed it, even if it has been
//! removed or made anew since.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::object::View;
use super::state::object_key;
use super::{ModelStore, Shared};
use crate::env::Env;
use crate::store::Target;
use crate::store::blocklist::Fenced;
use crate::store::fixed::{Fixed, FixedReads, HelperJob, is_helper, run_as_helper};
use crate::store::interp::ObjectView;
use crate::sync::Mutex;

pub(super) struct ModelFixed {
    shared: Arc<Shared>,
    env: Arc<dyn Env>,
    fenced: Option<Fenced>,
    remembered: Mutex<HashMap<Target, Bytes>>,
    reads: AtomicU64,
}

impl ModelStore {
    /// Only where time is simulated: tests that damage objects behind a disk's back have the plain model.
    pub(super) fn make_fixed(&self) -> Option<Arc<dyn FixedReads>> {
        let env = self.shared.env.clone()?;
        Some(Arc::new(ModelFixed {
            shared: self.shared.clone(),
            env,
            fenced: self.fenced,
            remembered: Mutex::default(),
            reads: AtomicU64::new(0),
        }))
    }
}

impl ModelFixed {
    fn now(&self, target: &Target) -> Option<Bytes> {
        let state = self.shared.state.lock();
        let object = state.pools.get(&target.pool)?.objects.get(&object_key(target))?;
        View { object: Some(object), watchers: vec![] }.read(0, object.state.size).ok()
    }
}

impl FixedReads for ModelFixed {
    fn mark(&self) -> Option<u64> {
        let now_ns = self.shared.now_ns();
        let state = self.shared.state.lock();
        if self.fenced.is_some_and(|client| state.is_fenced(&client, now_ns)) {
            return None;
        }
        Some(state.changes)
    }

    fn read(&self, target: &Target, offset: u64, out: &mut [u8]) -> Fixed {
        // Now and then it has to wait.
        if !is_helper() && self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(5) {
            return Fixed::Busy;
        }
        let range = offset as usize..offset as usize + out.len();
        let mut remembered = self.remembered.lock();
        if remembered.get(target).is_none_or(|bytes| bytes.len() < range.end) {
            let Some(bytes) = self.now(target) else { return Fixed::Unknown };
            remembered.insert(target.clone(), bytes);
        }
        match remembered.get(target).and_then(|bytes| bytes.get(range)) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Fixed::Read
            }
            None => Fixed::Unknown,
        }
    }

    fn forget(&self, target: &Target) {
        self.remembered.lock().remove(target);
    }

    fn help(&self, job: HelperJob, _started: bool) -> Result<(), HelperJob> {
        self.env.spawn(Box::pin(async move { run_as_helper(job) }));
        Ok(())
    }
}
