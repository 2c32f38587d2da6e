//! CRUSH: which OSDs an input is mapped to, by a tree of buckets and a rule. No I/O; a map is immutable.
//!
//! `decode` reads Ceph's encoding, `bucket` draws one item of a bucket, `mapper` runs the rules, `msr` the rules with
//! retries over several steps (Squid and later). Device classes are plain buckets of the map, "shadows" of others.

mod bucket;
mod decode;
mod ln;
mod mapper;
mod msr;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use decode::CrushError;
pub use mapper::Fault;

use bucket::Bucket;

/// No item (CRUSH_ITEM_NONE).
pub const NONE: i32 = 0x7fff_ffff;
/// Not decided yet (CRUSH_ITEM_UNDEF); never leaves this room.
const UNDEF: i32 = 0x7fff_fffe;

/// Set of replacement weights and ids for pools that have none of their own.
const DEFAULT_CHOOSE_ARGS: i64 = -1;

/// How hard is tried, and how; which values make which profile is said in Ceph's documentation of CRUSH tunables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunables {
    pub choose_local_tries: u32,
    pub choose_local_fallback_tries: u32,
    pub choose_total_tries: u32,
    pub chooseleaf_descend_once: u32,
    pub chooseleaf_vary_r: u8,
    pub chooseleaf_stable: u8,
    pub msr_descents: u32,
    pub msr_collision_tries: u32,
}

impl Tunables {
    /// Profile "legacy" (argonaut): what maps have that say nothing.
    pub const LEGACY: Tunables = Tunables {
        choose_local_tries: 2,
        choose_local_fallback_tries: 5,
        choose_total_tries: 19,
        chooseleaf_descend_once: 0,
        chooseleaf_vary_r: 0,
        chooseleaf_stable: 0,
        msr_descents: 100,
        msr_collision_tries: 100,
    };
}

/// CRUSH_RULE_*: what a step does.
mod op {
    pub const NOOP: u32 = 0;
    pub const TAKE: u32 = 1;
    pub const CHOOSE_FIRSTN: u32 = 2;
    pub const CHOOSE_INDEP: u32 = 3;
    pub const EMIT: u32 = 4;
    pub const CHOOSELEAF_FIRSTN: u32 = 6;
    pub const CHOOSELEAF_INDEP: u32 = 7;
    pub const SET_CHOOSE_TRIES: u32 = 8;
    pub const SET_CHOOSELEAF_TRIES: u32 = 9;
    pub const SET_CHOOSE_LOCAL_TRIES: u32 = 10;
    pub const SET_CHOOSE_LOCAL_FALLBACK_TRIES: u32 = 11;
    pub const SET_CHOOSELEAF_VARY_R: u32 = 12;
    pub const SET_CHOOSELEAF_STABLE: u32 = 13;
    pub const SET_MSR_DESCENTS: u32 = 14;
    pub const SET_MSR_COLLISION_TRIES: u32 = 15;
    pub const CHOOSE_MSR: u32 = 16;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Step {
    op: u32,
    arg1: i32,
    arg2: i32,
}

/// Kinds of rules that are run by `msr` (CRUSH_RULE_TYPE_MSR_*).
const MSR_FIRSTN: u8 = 4;
const MSR_INDEP: u8 = 5;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    /// Before Quincy a rule had a number beside its index, which pools named.
    ruleset: u8,
    kind: u8,
    /// Sizes of pools that it is for; before Quincy, where other pools were mapped to nothing.
    sizes: std::ops::RangeInclusive<u8>,
    steps: Vec<Step>,
}

/// What replaces a straw2 bucket's weights and the ids that are hashed, for placement only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct ChooseArg {
    /// One set of weights for each place of the result; the last one also for those after it. Each is as long as the bucket.
    weights: Vec<Vec<u32>>,
    /// Empty: the items themselves.
    ids: Vec<i32>,
}

/// By index of the bucket.
type ChooseArgs = BTreeMap<u32, ChooseArg>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CrushMap {
    /// At -1 - id. They form no cycle.
    buckets: Vec<Option<Box<Bucket>>>,
    rules: Vec<Option<Rule>>,
    max_devices: i32,
    tunables: Tunables,
    type_names: BTreeMap<i32, String>,
    item_names: BTreeMap<i32, String>,
    rule_names: BTreeMap<i32, String>,
    device_classes: BTreeMap<i32, i32>,
    class_names: BTreeMap<i32, String>,
    choose_args: BTreeMap<i64, ChooseArgs>,
}

impl Default for CrushMap {
    /// The empty map: it maps nothing.
    fn default() -> CrushMap {
        CrushMap {
            buckets: Vec::new(),
            rules: Vec::new(),
            max_devices: 0,
            tunables: Tunables::LEGACY,
            type_names: BTreeMap::new(),
            item_names: BTreeMap::new(),
            rule_names: BTreeMap::new(),
            device_classes: BTreeMap::new(),
            class_names: BTreeMap::new(),
            choose_args: BTreeMap::new(),
        }
    }
}

impl CrushMap {
    fn bucket(&self, id: i32) -> Option<&Bucket> {
        self.buckets.get(usize::try_from(-1 - i64::from(id)).ok()?)?.as_deref()
    }

    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    pub fn rule_name(&self, rule: i32) -> Option<&str> {
        self.rule_names.get(&rule).map(String::as_str)
    }

    pub fn item_name(&self, item: i32) -> Option<&str> {
        self.item_names.get(&item).map(String::as_str)
    }

    pub fn device_class(&self, device: i32) -> Option<&str> {
        self.class_names.get(self.device_classes.get(&device)?).map(String::as_str)
    }

    pub fn has_rule(&self, rule: u32) -> bool {
        self.rules.get(rule as usize).is_some_and(Option::is_some)
    }

    /// The rule for a pool in a cluster of before Quincy: of this number, for such pools and sizes.
    pub fn find_rule(&self, ruleset: u8, kind: u8, size: u8) -> Option<u32> {
        let fits = |rule: &Rule| rule.ruleset == ruleset && rule.kind == kind && rule.sizes.contains(&size);
        self.rules.iter().position(|rule| rule.as_ref().is_some_and(fits)).map(|index| index as u32)
    }

    /// Which type of bucket a device and a place (pairs of a type's and a bucket's name) share, the lowest one: 0 the
    /// device itself. `None`: they share nothing.
    pub fn common_ancestor(&self, device: i32, place: &[(String, String)]) -> Option<i32> {
        let mut ancestors = BTreeMap::new();
        let mut item = device;
        // A map has no cycles, so this ends.
        while let Some(parent) = self.parent(item) {
            if let Some(name) = self.item_name(parent.id) {
                ancestors.insert(self.type_names.get(&i32::from(parent.kind))?.as_str(), name);
            }
            item = parent.id;
        }
        if let (Some(kind), Some(name)) = (self.type_names.get(&0), self.item_name(device)) {
            ancestors.insert(kind, name);
        }
        let shared = |kind: &String| {
            let own = ancestors.get(kind.as_str());
            place.iter().any(|(k, name)| k == kind && own == Some(&name.as_str()))
        };
        self.type_names.iter().find(|(_, kind)| shared(kind)).map(|(&number, _)| number)
    }

    /// The bucket that an item is in, shadows aside.
    fn parent(&self, item: i32) -> Option<&Bucket> {
        let shadow = |id: i32| self.item_name(id).is_some_and(|name| name.contains('~'));
        self.buckets.iter().flatten().map(Box::as_ref).find(|b| b.items.contains(&item) && !shadow(b.id))
    }
}
