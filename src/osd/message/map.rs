//! MOSDMap: whole maps and increments, from monitors and from OSDs.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::denc::{Decoder, Malformed};
use crate::wire::message::Message;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapMessage {
    pub fsid: [u8; 16],
    /// By the epoch that they lead to.
    pub incrementals: BTreeMap<u32, Bytes>,
    pub full: BTreeMap<u32, Bytes>,
    /// The oldest and newest epoch that the sender has.
    pub oldest: u32,
    pub newest: u32,
}

impl MapMessage {
    pub fn decode(message: &Message) -> Result<MapMessage, Malformed> {
        let d = &mut Decoder::new(&message.front);
        let fsid = d.raw(16)?.try_into().map_err(|_| Malformed)?;
        let incrementals = maps(d, &message.front)?;
        let full = maps(d, &message.front)?;
        let (oldest, newest) = if message.version >= 2 { (d.u32()?, d.u32()?) } else { (0, 0) };
        Ok(MapMessage { fsid, incrementals, full, oldest, newest })
    }

    /// The newest epoch in it; 0 if there is none.
    pub fn last(&self) -> u32 {
        let last = |maps: &BTreeMap<u32, Bytes>| maps.keys().next_back().copied().unwrap_or(0);
        last(&self.incrementals).max(last(&self.full))
    }
}

fn maps(d: &mut Decoder, front: &Bytes) -> Result<BTreeMap<u32, Bytes>, Malformed> {
    let count = d.u32()?;
    let mut maps = BTreeMap::new();
    for _ in 0..count {
        let epoch = d.u32()?;
        maps.insert(epoch, front.slice_ref(d.blob()?));
    }
    Ok(maps)
}
