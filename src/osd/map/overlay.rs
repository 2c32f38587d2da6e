//! Placement groups that do not go where CRUSH sends them: temporary and permanent exceptions.

use std::collections::BTreeMap;

use super::codec::{i32_of, list, map};
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::Pgid;

/// A pgid takes this many bytes.
pub(super) const PGID_BYTES: usize = 17;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Overlay {
    /// While a group moves: who serves it until then.
    pub temp: BTreeMap<Pgid, Vec<i32>>,
    pub primary_temp: BTreeMap<Pgid, i32>,
    /// Instead of what CRUSH says.
    pub upmap: BTreeMap<Pgid, Vec<i32>>,
    /// (from, to): single OSDs of a group that are replaced.
    pub upmap_items: BTreeMap<Pgid, Vec<(i32, i32)>>,
    /// Who is put first (Reef and later).
    pub upmap_primaries: BTreeMap<Pgid, i32>,
}

pub(super) fn lists(d: &mut Decoder) -> Result<BTreeMap<Pgid, Vec<i32>>, Malformed> {
    map(d, PGID_BYTES + 4, |d| Ok::<_, Malformed>((Pgid::decode(d)?, list(d, 4, i32_of)?)))
}

pub(super) fn items(d: &mut Decoder) -> Result<BTreeMap<Pgid, Vec<(i32, i32)>>, Malformed> {
    let pair = |d: &mut Decoder| Ok::<_, Malformed>((i32_of(d)?, i32_of(d)?));
    map(d, PGID_BYTES + 4, |d| Ok::<_, Malformed>((Pgid::decode(d)?, list(d, 8, pair)?)))
}

pub(super) fn singles(d: &mut Decoder) -> Result<BTreeMap<Pgid, i32>, Malformed> {
    map(d, PGID_BYTES + 4, |d| Ok::<_, Malformed>((Pgid::decode(d)?, i32_of(d)?)))
}

pub(super) fn pgids(d: &mut Decoder) -> Result<Vec<Pgid>, Malformed> {
    list(d, PGID_BYTES, Pgid::decode)
}
