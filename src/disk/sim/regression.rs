//! Seeds that have found something, with what they found. They are run with every check.

pub(super) const SEEDS: &[(u64, &str)] = &[];
