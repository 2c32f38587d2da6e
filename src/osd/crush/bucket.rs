//! Buckets: how each kind of them draws one of its items.

use super::ChooseArg;
use super::ln::ln;
use crate::wire::hash::{crush3, crush4};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bucket {
    pub id: i32,
    /// Its type: host, rack and so on; a number above 0 that the map gives names to.
    pub kind: u16,
    /// Devices (0 and above) and buckets (below 0).
    pub items: Vec<i32>,
    pub alg: Algorithm,
}

/// Weights are 16.16 fixed point. All vectors are as long as the bucket's items but where said otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Algorithm {
    /// All items have one weight.
    Uniform,
    /// (weight, sum of the weights up to and with this one)
    List(Vec<(u32, u32)>),
    /// Weights of the nodes of a binary tree in which the leaf of item n is node 2n + 1: a power of two of them.
    Tree(Vec<u32>),
    /// How long each item's straws are, at most.
    Straw(Vec<u32>),
    Straw2(Vec<u32>),
}

/// A permutation of one bucket for one input, as far as it was needed; kept between draws.
#[derive(Default)]
pub(super) struct Permutation {
    bucket: i32,
    input: u32,
    /// So many places of `order` are final; 0: it belongs to no bucket yet.
    done: usize,
    order: Vec<u32>,
}

impl Bucket {
    pub fn is_uniform(&self) -> bool {
        matches!(self.alg, Algorithm::Uniform)
    }

    /// The item for an input and attempt. `None`: the bucket is empty or (a tree with no weight) names no item.
    pub fn choose(
        &self,
        permutation: &mut Permutation,
        input: u32,
        attempt: i32,
        arg: Option<&ChooseArg>,
        position: usize,
    ) -> Option<i32> {
        if self.items.is_empty() {
            return None;
        }
        match &self.alg {
            Algorithm::Uniform => self.permuted(permutation, input, attempt),
            Algorithm::List(weights) => self.list(weights, input, attempt),
            Algorithm::Tree(nodes) => self.tree(nodes, input, attempt),
            Algorithm::Straw(straws) => self.straw(straws, input, attempt),
            Algorithm::Straw2(weights) => {
                let set = arg.and_then(|arg| arg.weights.get(position).or(arg.weights.last()));
                let ids = arg.map(|arg| arg.ids.as_slice()).filter(|ids| !ids.is_empty());
                self.straw2(set.unwrap_or(weights), ids.unwrap_or(&self.items), input, attempt)
            }
        }
    }

    /// The item at place `attempt` (modulo the size) of a random permutation of the bucket.
    pub fn permuted(&self, permutation: &mut Permutation, input: u32, attempt: i32) -> Option<i32> {
        let size = self.items.len();
        if size == 0 {
            return None;
        }
        let place = (attempt as u32 as usize) % size;
        if permutation.done == 0 || permutation.bucket != self.id || permutation.input != input {
            permutation.bucket = self.id;
            permutation.input = input;
            permutation.done = 0;
            permutation.order.clear();
            permutation.order.extend(0..size as u32);
        }
        while permutation.done <= place {
            let at = permutation.done;
            let left = (size - at) as u32;
            if left > 1 {
                let other = crush3(input, self.id as u32, at as u32) % left;
                permutation.order.swap(at, at + other as usize);
            }
            permutation.done += 1;
        }
        self.items.get(permutation.order[place] as usize).copied()
    }

    fn list(&self, weights: &[(u32, u32)], input: u32, attempt: i32) -> Option<i32> {
        for (&item, &(weight, sum)) in self.items.iter().zip(weights).rev() {
            let draw = crush4(input, item as u32, attempt as u32, self.id as u32) & 0xffff;
            if (u64::from(draw) * u64::from(sum)) >> 16 < u64::from(weight) {
                return Some(item);
            }
        }
        self.items.first().copied()
    }

    fn tree(&self, nodes: &[u32], input: u32, attempt: i32) -> Option<i32> {
        // The root; the step to a child halves until a leaf, which is odd, is reached.
        let mut node = nodes.len() >> 1;
        let mut step = node >> 1;
        while step > 0 {
            let hash = crush4(input, node as u32, attempt as u32, self.id as u32);
            let point = (u64::from(hash) * u64::from(nodes[node])) >> 32;
            let left = node - step;
            node = if point < u64::from(nodes[left]) { left } else { node + step };
            step >>= 1;
        }
        self.items.get(node >> 1).copied()
    }

    fn straw(&self, straws: &[u32], input: u32, attempt: i32) -> Option<i32> {
        let draw = |(&item, &straw): (&i32, &u32)| {
            u64::from(crush3(input, item as u32, attempt as u32) & 0xffff) * u64::from(straw)
        };
        longest(&self.items, self.items.iter().zip(straws).map(draw))
    }

    fn straw2(&self, weights: &[u32], ids: &[i32], input: u32, attempt: i32) -> Option<i32> {
        let draw = |(&id, &weight): (&i32, &u32)| match weight {
            0 => i64::MIN,
            // A weight is a signed number to Ceph here.
            weight => (ln(crush3(input, id as u32, attempt as u32)) - (1 << 48)) / i64::from(weight as i32),
        };
        longest(&self.items, ids.iter().zip(weights).map(draw))
    }
}

/// The first item with the greatest draw.
fn longest<T: PartialOrd>(items: &[i32], draws: impl Iterator<Item = T>) -> Option<i32> {
    let mut best: Option<(i32, T)> = None;
    for (&item, draw) in items.iter().zip(draws) {
        if best.as_ref().is_none_or(|(_, high)| draw > *high) {
            best = Some((item, draw));
        }
    }
    best.map(|(item, _)| item)
}
