//! Rules that retry over several steps (MSR: multi-step retry; Squid and later).
//!
//! A rule is a list of settings and then of blocks TAKE, CHOOSE_MSR..., EMIT. A step divides the places that it is to
//! fill into strides; a bucket that serves one stride serves no other. A device that is out leaves its place empty; the
//! whole descent is then done again, so that another bucket may be found on each level.

use super::bucket::Bucket;
use super::mapper::{Exhausted, Fault, Mapper};
use super::{MSR_FIRSTN, NONE, Rule, Step, UNDEF, op};

/// Ceph allows trees of ten levels.
const MAX_STEPS: usize = 16;

/// A block of a rule while it is worked on.
struct Block<'r> {
    steps: &'r [Step],
    size: usize,
    collision_tries: u32,
    firstn: bool,
    /// What each step has chosen, by place of the result.
    chosen: Vec<Vec<i32>>,
    result: Vec<i32>,
    /// Places of the result that are filled.
    filled: usize,
    /// Which descent this is.
    descent: u32,
}

impl<'a> Mapper<'a> {
    pub fn msr(&mut self, number: u32, rule: &Rule, size: usize) -> Result<Vec<i32>, Fault> {
        let mut descents = self.map.tunables.msr_descents;
        let mut collision_tries = self.map.tunables.msr_collision_tries;
        let mut steps = rule.steps.as_slice();
        while let [
            Step { op: code @ (op::SET_MSR_DESCENTS | op::SET_MSR_COLLISION_TRIES), arg1, .. },
            rest @ ..,
        ] = steps
        {
            *(if *code == op::SET_MSR_DESCENTS { &mut descents } else { &mut collision_tries }) =
                *arg1 as u32;
            steps = rest;
        }
        let firstn = rule.kind == MSR_FIRSTN;
        let (mut result, mut filled, mut start) = (vec![NONE; size], 0, 0usize);
        while let Some((take, rest)) = steps.split_first() {
            let emit = rest.iter().position(|step| step.op == op::EMIT).ok_or(Fault::Rule(number))?;
            let chooses = &rest[..emit];
            steps = &rest[emit + 1..];
            let only_chooses = chooses.iter().all(|step| step.op == op::CHOOSE_MSR);
            if take.op != op::TAKE || !only_chooses || chooses.is_empty() || chooses.len() > MAX_STEPS {
                return Err(Fault::Rule(number));
            }
            // Ceph takes a device only in rules that it then does not finish.
            let root = self.map.bucket(take.arg1).ok_or(Fault::Rule(number))?;
            let total = chooses.iter().try_fold(1u32, |total, step| total.checked_mul(strides(step, size)));
            let total = total.filter(|&total| total > 0 || size == 0).ok_or(Fault::Rule(number))?;
            let end = start.saturating_add(total as usize).min(size);
            let limit = filled + (end - start);
            let chosen = vec![vec![UNDEF; size]; chooses.len()];
            let mut block =
                Block { steps: chooses, size, collision_tries, firstn, chosen, result, filled, descent: 0 };
            while block.descent < descents && block.filled < limit {
                self.msr_choose(&mut block, root, total, start, end, 0)
                    .map_err(|Exhausted| Fault::Budget(number))?;
                block.descent += 1;
            }
            (result, filled) = (block.result, block.filled);
            start = end;
        }
        if firstn {
            result.truncate(filled);
        }
        Ok(result)
    }

    /// One descent for the places from `start` to `end`, of which `total` are one stride of the step before. How many
    /// places it filled.
    fn msr_choose(
        &mut self,
        block: &mut Block,
        bucket: &'a Bucket,
        total: u32,
        start: usize,
        end: usize,
        level: usize,
    ) -> Result<usize, Exhausted> {
        let step = block.steps[level];
        let last = block.steps.len() - 1;
        let length = (total / strides(&step, block.size)) as usize;
        let mut filled = 0;
        // Buckets that led to nothing count as taken until this descent is over.
        let mut undo: Vec<(usize, usize, i32)> = Vec::new();
        for (index, from) in (start..end).step_by(length.max(1)).enumerate() {
            self.pay(bucket)?;
            let to = (from + length).min(end);
            if block.chosen[last][from..to].iter().all(|&item| item != UNDEF) {
                continue;
            }
            let Some(item) =
                self.msr_candidate(block, bucket, &step, level, index, (start, end), (from, to))?
            else {
                continue;
            };
            if step.arg2 == 0 {
                // A device must be what the last step asks for, one for each place.
                if length != 1 || level != last || self.is_out(item) {
                    continue;
                }
                push(&mut block.chosen[level][from..to], item);
                let place = if block.firstn { block.filled } else { from };
                block.result[place] = item;
                block.filled += 1;
                filled += 1;
            } else {
                let (true, Some(child)) = (level < last, self.map.bucket(item)) else { continue };
                let below = self.msr_choose(block, child, length as u32, from, to, level + 1)?;
                if push(&mut block.chosen[level][from..to], item) && below == 0 {
                    undo.push((from, to, item));
                }
                filled += below;
            }
        }
        for (from, to, item) in undo {
            let places = &mut block.chosen[level][from..to];
            if let Some(place) = places.iter_mut().rev().find(|place| **place != UNDEF) {
                debug_assert_eq!(*place, item);
                *place = UNDEF;
            }
        }
        Ok(filled)
    }

    /// An item for one stride that no other stride has: one of the stride's own, or a new one.
    #[expect(clippy::too_many_arguments, reason = "the terms of the algorithm")]
    fn msr_candidate(
        &mut self,
        block: &Block,
        bucket: &'a Bucket,
        step: &Step,
        level: usize,
        stride: usize,
        (start, end): (usize, usize),
        (from, to): (usize, usize),
    ) -> Result<Option<i32>, Exhausted> {
        for attempt in 0..block.collision_tries {
            let Some(item) = self.msr_descend(block, bucket, step.arg2, attempt, stride)? else { continue };
            let holder = (start..end).find(|&place| block.chosen[level][place] == item);
            if holder.is_none_or(|place| (from..to).contains(&place)) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Down to a device or a bucket of the type. `None`: there is none on this way.
    fn msr_descend(
        &mut self,
        block: &Block,
        mut bucket: &'a Bucket,
        kind: i32,
        attempt: u32,
        stride: usize,
    ) -> Result<Option<i32>, Exhausted> {
        let map = self.map;
        let number = block.descent.wrapping_mul(block.size as u32).wrapping_add(stride as u32);
        let attempt = (number << 16).wrapping_add(attempt) as i32;
        loop {
            self.pay(bucket)?;
            let Some(item) = self.choose(bucket, attempt, stride) else { return Ok(None) };
            if item >= 0 {
                return Ok(Some(item));
            }
            let Some(below) = map.bucket(item) else { return Ok(None) };
            if i32::from(below.kind) == kind {
                return Ok(Some(item));
            }
            bucket = below;
        }
    }
}

/// Into how many strides a step divides its places; 0 stands for as many as the result has places.
fn strides(step: &Step, size: usize) -> u32 {
    if step.arg1 == 0 { size as u32 } else { step.arg1 as u32 }
}

/// Notes an item among a stride's; false if it is there already.
fn push(places: &mut [i32], item: i32) -> bool {
    for place in places {
        if *place == item {
            return false;
        }
        if *place == UNDEF {
            *place = item;
            return true;
        }
    }
    false
}
