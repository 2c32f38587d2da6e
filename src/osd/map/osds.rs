//! The OSDs of a map: states, weights, addresses.

use std::sync::Arc;

use super::MapError;
use super::codec::{i32_of, list, u32_of};
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::AddrVec;

/// CEPH_OSD_*: states of an OSD.
pub mod state {
    pub const EXISTS: u32 = 1 << 0;
    pub const UP: u32 = 1 << 1;
    pub const AUTOOUT: u32 = 1 << 2;
    pub const NEW: u32 = 1 << 3;
    pub const FULL: u32 = 1 << 4;
    pub const NEARFULL: u32 = 1 << 5;
    pub const BACKFILLFULL: u32 = 1 << 6;
    pub const DESTROYED: u32 = 1 << 7;
    pub const STOP: u32 = 1 << 12;
}

/// Primary affinity and weight are 16.16 fixed point; this is 1.
pub(super) const WHOLE: u32 = 0x1_0000;

/// More OSDs than any cluster has (mon_max_osd is 10,000 by default): a number that is only named must not cost memory.
const MAX_OSDS: u32 = 1 << 18;

/// All vectors are as long as `states`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Osds {
    pub states: Vec<u32>,
    /// 0: out.
    pub weights: Vec<u32>,
    /// How readily an OSD is primary.
    pub affinities: Vec<u32>,
    pub addrs: Vec<Option<Arc<AddrVec>>>,
}

impl Osds {
    /// `wide`: states have 32 bits (Luminous and later), not 8.
    pub fn decode(d: &mut Decoder, wide: bool) -> Result<Osds, MapError> {
        let max = d.u32()?;
        let states = if wide { list(d, 4, u32_of)? } else { list(d, 1, |d| d.u8().map(u32::from))? };
        let weights = list(d, 4, u32_of)?;
        let addrs = list(d, 5, |d| AddrVec::decode(d).map(known))?;
        if max > MAX_OSDS || [states.len(), weights.len(), addrs.len()] != [max as usize; 3] {
            return Err(MapError::Invalid("numbers of OSDs that differ or are too large"));
        }
        Ok(Osds { affinities: vec![WHOLE; states.len()], states, weights, addrs })
    }

    /// Not for all OSDs, or for none, where nobody has set one.
    pub fn decode_affinities(&mut self, d: &mut Decoder) -> Result<(), MapError> {
        let affinities = list(d, 4, u32_of)?;
        if affinities.len() > self.affinities.len() {
            return Err(MapError::Invalid("primary affinities of more OSDs than there are"));
        }
        self.affinities[..affinities.len()].copy_from_slice(&affinities);
        Ok(())
    }

    pub fn resize(&mut self, max: i32) -> Result<(), MapError> {
        let max = u32::try_from(max).ok().filter(|max| *max <= MAX_OSDS);
        let max = max.ok_or(MapError::Invalid("too many OSDs"))? as usize;
        self.states.resize(max, 0);
        self.weights.resize(max, 0);
        self.affinities.resize(max, WHOLE);
        self.addrs.resize(max, None);
        Ok(())
    }

    fn has(&self, osd: i32, bit: u32) -> bool {
        self.index(osd).is_some_and(|osd| self.states[osd] & bit != 0)
    }

    fn index(&self, osd: i32) -> Option<usize> {
        usize::try_from(osd).ok().filter(|osd| *osd < self.states.len())
    }

    /// The place of an OSD that an increment names.
    pub fn place(&self, osd: i32) -> Result<usize, MapError> {
        self.index(osd).ok_or(MapError::Invalid("an OSD past the number of OSDs"))
    }

    pub fn exists(&self, osd: i32) -> bool {
        self.has(osd, state::EXISTS)
    }

    pub fn is_up(&self, osd: i32) -> bool {
        self.exists(osd) && self.has(osd, state::UP)
    }

    pub fn state(&self, osd: i32) -> u32 {
        self.index(osd).map_or(0, |osd| self.states[osd])
    }

    /// `None`: no such OSD.
    pub fn weight(&self, osd: i32) -> Option<u32> {
        self.index(osd).map(|osd| self.weights[osd])
    }

    pub fn affinity(&self, osd: i32) -> u32 {
        self.index(osd).map_or(WHOLE, |osd| self.affinities[osd])
    }

    pub fn addrs(&self, osd: i32) -> Option<&AddrVec> {
        self.addrs[self.index(osd)?].as_deref()
    }

    pub fn set_weight(&mut self, osd: i32, weight: u32) -> Result<(), MapError> {
        let osd = self.place(osd)?;
        self.weights[osd] = weight;
        if weight > 0 {
            // Who is marked in exists, and is neither new nor out by itself.
            self.states[osd] |= state::EXISTS;
            self.states[osd] &= !(state::AUTOOUT | state::NEW);
        }
        Ok(())
    }

    /// Flips bits of a state; flipping EXISTS on one that exists destroys it.
    pub fn flip(&mut self, osd: i32, bits: u32) -> Result<(), MapError> {
        let osd = self.place(osd)?;
        let bits = if bits == 0 { state::UP } else { bits };
        if self.states[osd] & bits & state::EXISTS != 0 {
            self.states[osd] = 0;
            self.affinities[osd] = WHOLE;
            self.addrs[osd] = None;
        } else {
            self.states[osd] ^= bits;
        }
        Ok(())
    }

    pub fn boot(&mut self, osd: i32, addrs: AddrVec) -> Result<(), MapError> {
        let osd = self.place(osd)?;
        self.states[osd] |= state::EXISTS | state::UP;
        self.states[osd] &= !state::STOP;
        self.addrs[osd] = known(addrs);
        Ok(())
    }
}

/// OSDs that never were up have an empty vector or a blank address.
fn known(addrs: AddrVec) -> Option<Arc<AddrVec>> {
    addrs.0.iter().any(|addr| addr.socket.is_some()).then(|| Arc::new(addrs))
}

/// OSD and value.
pub(super) fn keyed<T>(
    d: &mut Decoder,
    value: impl Fn(&mut Decoder) -> Result<T, Malformed>,
) -> Result<(i32, T), Malformed> {
    Ok((i32_of(d)?, value(d)?))
}
