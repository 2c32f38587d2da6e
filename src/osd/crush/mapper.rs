//! Runs rules: descends from buckets to items and retries where an item is taken already or out.

use super::bucket::{Bucket, Permutation};
use super::{ChooseArgs, CrushMap, DEFAULT_CHOOSE_ARGS, MSR_FIRSTN, MSR_INDEP, NONE, Rule, UNDEF, op};
use crate::wire::hash::crush2;

/// Why a rule could not be run to its end. What was found until then is no mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    #[error("CRUSH rule {0} does not exist")]
    NoRule(u32),
    #[error("CRUSH rule {rule}: operation {op} is not known")]
    Operation { rule: u32, op: u32 },
    #[error("CRUSH rule {0} is not well-formed")]
    Rule(u32),
    #[error("CRUSH rule {0} takes too long")]
    Budget(u32),
}

/// Drawing from one bucket of this many items is what a mapping may cost at most. That is more than fifty tries for each of
/// twenty places cost in one flat bucket of 10,000 devices. Tests and fuzzing, with their small maps, need not wait so long.
const BUDGET: u64 = if cfg!(any(test, feature = "fuzzing")) { 1 << 16 } else { 1 << 25 };

/// Everything that one mapping works with.
pub(super) struct Mapper<'a> {
    pub map: &'a CrushMap,
    /// Of the devices, 16.16 fixed point: 0 is out, 0x10000 and more is in.
    pub weights: &'a [u32],
    pub input: u32,
    pub args: Option<&'a ChooseArgs>,
    pub permutation: Permutation,
    pub budget: u64,
}

/// It ran out of budget.
pub(super) struct Exhausted;

/// How a choose step tries.
#[derive(Clone, Copy)]
struct Tries {
    total: u32,
    leaf: u32,
    local: u32,
    local_fallback: u32,
    vary_r: u32,
    stable: bool,
}

impl CrushMap {
    /// Up to `size` items for an input. `weights` are those of the devices (0: out, 0x10000: in); `set` names the weights
    /// that replace those of the map, if it has such.
    pub fn map(
        &self,
        rule: u32,
        input: u32,
        size: usize,
        weights: &[u32],
        set: i64,
    ) -> Result<Vec<i32>, Fault> {
        let found = self.rules.get(rule as usize).and_then(Option::as_ref).ok_or(Fault::NoRule(rule))?;
        let args = self.choose_args.get(&set).or_else(|| self.choose_args.get(&DEFAULT_CHOOSE_ARGS));
        let mut mapper =
            Mapper { map: self, weights, input, args, permutation: Permutation::default(), budget: BUDGET };
        if matches!(found.kind, MSR_FIRSTN | MSR_INDEP) {
            mapper.msr(rule, found, size)
        } else {
            mapper.run(rule, found, size)
        }
    }
}

impl<'a> Mapper<'a> {
    fn run(&mut self, number: u32, rule: &Rule, size: usize) -> Result<Vec<i32>, Fault> {
        let tunables = &self.map.tunables;
        // The map's number counts retries, without the first try.
        let mut total = tunables.choose_total_tries.wrapping_add(1) as i32;
        let mut leaf = 0;
        let mut local = tunables.choose_local_tries;
        let mut local_fallback = tunables.choose_local_fallback_tries;
        let mut vary_r = u32::from(tunables.chooseleaf_vary_r);
        let mut stable = tunables.chooseleaf_stable != 0;

        let mut result = Vec::with_capacity(size);
        // What the steps work on, what a step finds, and the leaves under that.
        let mut working: Vec<i32> = Vec::with_capacity(size);
        let mut found = vec![0; size];
        let mut leaves = vec![0; size];
        for step in &rule.steps {
            let (arg1, arg2) = (step.arg1, step.arg2);
            match step.op {
                op::NOOP => {}
                op::TAKE => {
                    if (0..self.map.max_devices).contains(&arg1) || self.map.bucket(arg1).is_some() {
                        working.clear();
                        working.push(arg1);
                    }
                }
                op::SET_CHOOSE_TRIES if arg1 > 0 => total = arg1,
                op::SET_CHOOSELEAF_TRIES if arg1 > 0 => leaf = arg1,
                op::SET_CHOOSE_LOCAL_TRIES if arg1 >= 0 => local = arg1 as u32,
                op::SET_CHOOSE_LOCAL_FALLBACK_TRIES if arg1 >= 0 => local_fallback = arg1 as u32,
                op::SET_CHOOSELEAF_VARY_R if arg1 >= 0 => vary_r = arg1 as u32,
                op::SET_CHOOSELEAF_STABLE if arg1 >= 0 => stable = arg1 != 0,
                op::SET_CHOOSE_TRIES..=op::SET_CHOOSELEAF_STABLE => {}
                op::CHOOSE_FIRSTN | op::CHOOSE_INDEP | op::CHOOSELEAF_FIRSTN | op::CHOOSELEAF_INDEP => {
                    if working.is_empty() {
                        continue;
                    }
                    let firstn = matches!(step.op, op::CHOOSE_FIRSTN | op::CHOOSELEAF_FIRSTN);
                    let to_leaf = matches!(step.op, op::CHOOSELEAF_FIRSTN | op::CHOOSELEAF_INDEP);
                    let want = if arg1 > 0 { i64::from(arg1) } else { i64::from(arg1) + size as i64 };
                    let Ok(want @ 1..) = u32::try_from(want) else {
                        working.clear();
                        continue;
                    };
                    let leaf_tries = match (leaf, firstn) {
                        (1.., _) => leaf as u32,
                        (_, false) => 1,
                        (_, true) if tunables.chooseleaf_descend_once != 0 => 1,
                        (_, true) => total as u32,
                    };
                    let tries = Tries {
                        total: total as u32,
                        leaf: leaf_tries,
                        local,
                        local_fallback,
                        vary_r,
                        stable,
                    };
                    let mut have = 0;
                    for &item in &working {
                        // Also not one: CRUSH_ITEM_NONE.
                        let Some(bucket) = self.map.bucket(item) else { continue };
                        let (out, out2) = (&mut found[have..], &mut leaves[have..]);
                        have += if firstn {
                            let room = out.len();
                            let out2 = to_leaf.then_some(out2);
                            self.firstn(bucket, want, arg2, out, 0, room, tries, out2, 0)
                        } else {
                            let places = (want as usize).min(out.len());
                            let out2 = to_leaf.then_some(out2);
                            self.indep(bucket, places, want, arg2, out, 0, tries, out2, 0).map(|()| places)
                        }
                        .map_err(|Exhausted| Fault::Budget(number))?;
                    }
                    working.clear();
                    working.extend_from_slice(if to_leaf { &leaves[..have] } else { &found[..have] });
                }
                op::EMIT => {
                    result.extend(working.drain(..).take(size - result.len()));
                }
                other => return Err(Fault::Operation { rule: number, op: other }),
            }
        }
        Ok(result)
    }

    pub fn choose(&mut self, bucket: &Bucket, attempt: i32, position: usize) -> Option<i32> {
        let arg = self.args.and_then(|args| args.get(&((-1 - i64::from(bucket.id)) as u32)));
        bucket.choose(&mut self.permutation, self.input, attempt, arg, position)
    }

    /// Whatever looks into a bucket pays for it first.
    pub fn pay(&mut self, bucket: &Bucket) -> Result<(), Exhausted> {
        self.budget = self.budget.checked_sub(1 + bucket.items.len() as u64).ok_or(Exhausted)?;
        Ok(())
    }

    /// Whether a device does not get this input: out, or reweighted to less than its share.
    pub fn is_out(&self, device: i32) -> bool {
        match usize::try_from(device).ok().and_then(|device| self.weights.get(device)) {
            None | Some(0) => true,
            Some(0x1_0000..) => false,
            Some(&weight) => crush2(self.input, device as u32) & 0xffff >= weight,
        }
    }

    /// An item's type; `None` if it is none: a device or bucket that the map does not have.
    fn kind(&self, item: i32) -> Option<i32> {
        if item >= 0 {
            (item < self.map.max_devices).then_some(0)
        } else {
            self.map.bucket(item).map(|bucket| i32::from(bucket.kind))
        }
    }

    /// Fills `out` from `at` on with up to `want` distinct items of a type, and at most `room`; with `leaves`, also with
    /// a device below each. Items that cannot be had are left out. The number of items in `out` then.
    #[expect(clippy::too_many_arguments, reason = "the terms of the algorithm")]
    fn firstn(
        &mut self,
        from: &Bucket,
        want: u32,
        kind: i32,
        out: &mut [i32],
        mut at: usize,
        mut room: usize,
        tries: Tries,
        mut leaves: Option<&mut [i32]>,
        parent_attempt: i32,
    ) -> Result<usize, Exhausted> {
        let mut place = if tries.stable { 0 } else { at as u32 };
        'places: while place < want && room > 0 {
            let mut failed: u32 = 0;
            let item = 'descents: loop {
                let mut bucket = from;
                let mut failed_here: u32 = 0;
                loop {
                    let attempt = (place as i32).wrapping_add(parent_attempt).wrapping_add(failed as i32);
                    let size = bucket.items.len() as u32;
                    self.pay(bucket)?;
                    let mut collides = false;
                    if size > 0 {
                        let fallback = tries.local_fallback > 0
                            && failed_here >= size >> 1
                            && failed_here > tries.local_fallback;
                        let item = if fallback {
                            bucket.permuted(&mut self.permutation, self.input, attempt)
                        } else {
                            self.choose(bucket, attempt, at)
                        };
                        let Some((item, found)) = item.and_then(|item| Some((item, self.kind(item)?))) else {
                            place += 1;
                            continue 'places;
                        };
                        if found != kind {
                            let Some(below) = self.map.bucket(item) else {
                                place += 1;
                                continue 'places;
                            };
                            bucket = below;
                            continue;
                        }
                        collides = out[..at].contains(&item);
                        let mut no_leaf = false;
                        if let (false, Some(leaves)) = (collides, leaves.as_deref_mut()) {
                            match self.map.bucket(item) {
                                None => leaves[at] = item,
                                Some(below) => {
                                    let inner = if tries.vary_r > 0 {
                                        attempt >> (tries.vary_r - 1).min(31)
                                    } else {
                                        0
                                    };
                                    let want = if tries.stable { 1 } else { at as u32 + 1 };
                                    let tries = Tries { total: tries.leaf, leaf: 0, ..tries };
                                    let got =
                                        self.firstn(below, want, 0, leaves, at, room, tries, None, inner)?;
                                    no_leaf = got <= at;
                                }
                            }
                        }
                        let is_out = found == 0 && self.is_out(item);
                        if !collides && !no_leaf && !is_out {
                            break 'descents item;
                        }
                    }
                    failed = failed.wrapping_add(1);
                    failed_here += 1;
                    if collides && failed_here <= tries.local {
                        continue;
                    }
                    if tries.local_fallback > 0 && failed_here <= size.saturating_add(tries.local_fallback) {
                        continue;
                    }
                    if failed < tries.total {
                        continue 'descents;
                    }
                    place += 1;
                    continue 'places;
                }
            };
            out[at] = item;
            at += 1;
            room -= 1;
            place += 1;
        }
        Ok(at)
    }

    /// Fills `places` places of `out` from `at` on with distinct items of a type, each place independently of what
    /// happens at the others; places for which none can be had become [`NONE`].
    #[expect(clippy::too_many_arguments, reason = "the terms of the algorithm")]
    fn indep(
        &mut self,
        from: &Bucket,
        places: usize,
        want: u32,
        kind: i32,
        out: &mut [i32],
        at: usize,
        tries: Tries,
        mut leaves: Option<&mut [i32]>,
        parent_attempt: i32,
    ) -> Result<(), Exhausted> {
        let end = at + places;
        out[at..end].fill(UNDEF);
        if let Some(leaves) = leaves.as_deref_mut() {
            leaves[at..end].fill(UNDEF);
        }
        let mut left = places;
        let mut round: u32 = 0;
        while left > 0 && round < tries.total {
            for place in at..end {
                if out[place] != UNDEF {
                    continue;
                }
                let mut bucket = from;
                // Down to an item of the type, or to a reason to try this place again in the next round.
                let impossible = loop {
                    self.pay(bucket)?;
                    if bucket.items.is_empty() {
                        break false;
                    }
                    let regular = bucket.is_uniform() && (bucket.items.len() as u32).is_multiple_of(want);
                    let stride = if regular { want.wrapping_add(1) } else { want };
                    let attempt = (place as u32)
                        .wrapping_add(parent_attempt as u32)
                        .wrapping_add(stride.wrapping_mul(round)) as i32;
                    let item = self.choose(bucket, attempt, at);
                    let Some((item, found)) = item.and_then(|item| Some((item, self.kind(item)?))) else {
                        break true;
                    };
                    if found != kind {
                        let Some(below) = self.map.bucket(item) else { break true };
                        bucket = below;
                        continue;
                    }
                    if out[at..end].contains(&item) {
                        break false;
                    }
                    if let Some(leaves) = leaves.as_deref_mut() {
                        match self.map.bucket(item) {
                            None => leaves[place] = item,
                            Some(below) => {
                                let tries = Tries { total: tries.leaf, leaf: 0, ..tries };
                                self.indep(below, 1, want, 0, leaves, place, tries, None, attempt)?;
                                if leaves[place] == NONE {
                                    break false;
                                }
                            }
                        }
                    }
                    if found == 0 && self.is_out(item) {
                        break false;
                    }
                    out[place] = item;
                    left -= 1;
                    break false;
                };
                if impossible {
                    out[place] = NONE;
                    if let Some(leaves) = leaves.as_deref_mut() {
                        leaves[place] = NONE;
                    }
                    left -= 1;
                }
            }
            round += 1;
        }
        for place in at..end {
            if out[place] == UNDEF {
                out[place] = NONE;
            }
            if let Some(leaves) = leaves.as_deref_mut().filter(|leaves| leaves[place] == UNDEF) {
                leaves[place] = NONE;
            }
        }
        Ok(())
    }
}
