//! The model store's state: pools with their objects, watches, fenced addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::object::{self, Object, View};
use super::pools::Pool;
use super::watch::{Pending, Watch};
use crate::errno::Errno;
use crate::store::blocklist::{DEFAULT_EXPIRE_S, Fenced};
use crate::store::interp::{self, Caller, ObjectState};
use crate::store::{
    ClusterStat, ListCursor, ListEntry, Op, PoolId, Reply, Request, SnapId, StoreError, StoreResult, Target,
};
use crate::wire::hash;

/// An object's place in its pool: reversed hash, namespace, locator key, name. This is the order of listings.
pub(super) type ObjectKey = (u32, Arc<str>, Arc<str>, Arc<str>);

pub(super) fn object_key(target: &Target) -> ObjectKey {
    let hash = hash::placement_hash(&target.namespace, &target.key, &target.oid);
    (hash.reverse_bits(), target.namespace.clone(), target.key.clone(), target.oid.clone())
}

pub(super) struct State {
    pub pools: BTreeMap<PoolId, Pool>,
    pub next_pool: i64,
    next_gid: u64,
    pub watches: Vec<Watch>,
    /// (gid, cookie) of watches that ended with their object.
    pub lost: BTreeSet<(u64, u64)>,
    pub next_cookie: u64,
    pub notifies: HashMap<u64, Pending>,
    pub next_notify: u64,
    /// Op lists that changed something.
    pub changes: u64,
    /// Until when (nanoseconds since 1970).
    blocklist: HashMap<Fenced, u64>,
}

impl State {
    pub fn new() -> State {
        let mut state = State {
            pools: BTreeMap::new(),
            next_pool: 1,
            next_gid: 4100,
            watches: Vec::new(),
            lost: BTreeSet::new(),
            next_cookie: 1,
            notifies: HashMap::new(),
            next_notify: 1,
            changes: 0,
            blocklist: HashMap::new(),
        };
        let mut rbd = Pool::new("rbd");
        rbd.applications.insert("rbd".to_owned(), BTreeMap::new());
        state.pools.insert(PoolId(1), rbd);
        state.next_pool = 2;
        state
    }

    pub fn new_gid(&mut self) -> u64 {
        self.next_gid += 1;
        self.next_gid
    }

    /// Runs a list: the answer, and the watches that ended because the object is gone.
    pub fn operate(&mut self, request: &Request, caller: &Caller) -> StoreResult<(Reply, Vec<Watch>)> {
        if request.read_snap != SnapId::HEAD || !request.snapc.snaps.is_empty() {
            return Err(StoreError::Unsupported { what: "an object's snapshot" });
        }
        let watchers = if request.ops.iter().any(|(op, _)| *op == Op::ListWatchers) {
            self.watchers_of(&request.target)
        } else {
            vec![]
        };
        let pool = self.pool_mut(request.target.pool)?;
        let key = object_key(&request.target);
        let existing = pool.objects.get(&key);
        if let Err(errno) = pool.check(request, existing.map(|object| object.state.size)) {
            return Ok((Reply { result: errno.negated(), ..Reply::default() }, vec![]));
        }
        let mut view = View { object: existing, watchers };
        let outcome = interp::execute(request, &mut view, caller)?;
        pool.count(request, outcome.modified);
        if !outcome.modified {
            return Ok((outcome.into_reply(0), vec![]));
        }
        self.changes += 1;
        let pool = self.pool_mut(request.target.pool)?;
        let mut slot: Option<Object> = pool.objects.remove(&key);
        let existed = slot.is_some();
        let version = slot.as_ref().map_or(0, |object| object.state.version).max(pool.version_floor) + 1;
        let mtime_ns = request.mtime_ns.unwrap_or(caller.now_ns);
        let after = outcome.size_after.map(|size| ObjectState { size, mtime_ns, version });
        let mut outcome = outcome;
        object::apply(&mut slot, std::mem::take(&mut outcome.mutations), after);
        match slot {
            Some(object) => {
                pool.objects.insert(key, object);
            }
            // Versions never come back, so that an object made anew differs from the one that was removed.
            None => pool.version_floor = version,
        }
        let lost = if existed && after.is_none() { self.drop_watches_of(&request.target) } else { vec![] };
        Ok((outcome.into_reply(version), lost))
    }

    pub fn list(
        &self,
        pool: PoolId,
        namespace: Option<&str>,
        cursor: ListCursor,
        max: usize,
    ) -> StoreResult<(Vec<ListEntry>, ListCursor)> {
        let pool = self.pool(pool)?;
        let ListCursor::At { hash_reversed, namespace: from_namespace, key, oid } = cursor else {
            return Ok((vec![], ListCursor::End));
        };
        let mut matching = pool
            .objects
            .range((hash_reversed, from_namespace, key, oid)..)
            .map(|(key, _)| key)
            .filter(|(_, ns, _, _)| namespace.is_none_or(|wanted| wanted == &**ns));
        let entries = matching.by_ref().take(max);
        let entries = entries
            .map(|(hash, namespace, key, oid)| ListEntry {
                namespace: namespace.clone(),
                oid: oid.clone(),
                key: key.clone(),
                hash: hash.reverse_bits(),
            })
            .collect();
        let next = matching.next().map_or(ListCursor::End, |(hash, namespace, key, oid)| ListCursor::At {
            hash_reversed: *hash,
            namespace: namespace.clone(),
            key: key.clone(),
            oid: oid.clone(),
        });
        Ok((entries, next))
    }

    pub fn is_fenced(&self, client: &Fenced, now_ns: u64) -> bool {
        self.blocklist.iter().any(|(entry, until)| *until > now_ns && entry.covers(client))
    }

    /// Fences an address; returns the watches that ended with it.
    pub fn blocklist_add(&mut self, address: &str, expire_s: u32, now_ns: u64) -> StoreResult<Vec<Watch>> {
        let entry = Fenced::parse(address)?;
        let expire_s = if expire_s == 0 { DEFAULT_EXPIRE_S } else { expire_s };
        self.blocklist.insert(entry, now_ns.saturating_add(u64::from(expire_s) * 1_000_000_000));
        Ok(self.drop_watches(|watch| Fenced::parse(&watch.address).is_ok_and(|client| entry.covers(&client))))
    }

    pub fn cluster_stat(&self) -> ClusterStat {
        let (mut bytes, mut objects) = (0, 0);
        for pool in self.pools.values() {
            bytes += pool.stat().bytes;
            objects += pool.objects.len() as u64;
        }
        let total_kib = 1 << 30;
        let used_kib = bytes.div_ceil(1024);
        ClusterStat { total_kib, used_kib, available_kib: total_kib - used_kib.min(total_kib), objects }
    }

    pub fn pool(&self, pool: PoolId) -> StoreResult<&Pool> {
        self.pools.get(&pool).ok_or(StoreError::NoPool)
    }

    pub fn pool_mut(&mut self, pool: PoolId) -> StoreResult<&mut Pool> {
        self.pools.get_mut(&pool).ok_or(StoreError::NoPool)
    }

    pub fn pool_list(&self) -> Vec<(PoolId, String)> {
        self.pools.iter().map(|(id, pool)| (*id, pool.name.clone())).collect()
    }

    pub fn pool_lookup(&self, name: &str) -> StoreResult<PoolId> {
        let found = self.pools.iter().find(|(_, pool)| pool.name == name);
        found.map(|(id, _)| *id).ok_or(StoreError::NoPool)
    }

    pub fn pool_create(&mut self, name: &str, crush_rule: Option<u8>) -> StoreResult<PoolId> {
        if name.is_empty() {
            return Err(StoreError::Op(Errno::EINVAL));
        }
        // There is one rule, number 0.
        if crush_rule.is_some_and(|rule| rule != 0) {
            return Err(StoreError::Op(Errno::ENOENT));
        }
        if self.pool_lookup(name).is_ok() {
            return Err(StoreError::Op(Errno::EEXIST));
        }
        let id = PoolId(self.next_pool);
        self.next_pool += 1;
        self.pools.insert(id, Pool::new(name));
        Ok(id)
    }

    pub fn pool_delete(&mut self, name: &str) -> StoreResult<()> {
        let id = self.pool_lookup(name)?;
        self.pools.remove(&id);
        Ok(())
    }
}
