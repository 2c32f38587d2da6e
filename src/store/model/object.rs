//! An object of the model store: plain maps.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::store::StoreResult;
use crate::store::interp::{Mutation, ObjectState, ObjectView, OmapPage};

/// Contents and state of one object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub state: ObjectState,
    /// Written ranges by offset; they do not overlap.
    data: BTreeMap<u64, Bytes>,
    xattrs: BTreeMap<String, Bytes>,
    header: Bytes,
    omap: BTreeMap<Bytes, Bytes>,
}

impl Object {
    fn new() -> Object {
        Object {
            state: ObjectState { size: 0, mtime_ns: 0, version: 0 },
            data: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            header: Bytes::new(),
            omap: BTreeMap::new(),
        }
    }

    /// Frees `from..to`, splitting what straddles an end.
    fn punch(&mut self, from: u64, to: u64) {
        let straddling = self.data.range(..from).next_back().map(|(offset, data)| (*offset, data.clone()));
        if let Some((offset, data)) = straddling {
            let end = offset + data.len() as u64;
            if end > from {
                self.data.insert(offset, data.slice(..(from - offset) as usize));
            }
            if end > to {
                self.data.insert(to, data.slice((to - offset) as usize..));
            }
        }
        let inside: Vec<u64> = self.data.range(from..to).map(|(offset, _)| *offset).collect();
        for offset in inside {
            if let Some(data) = self.data.remove(&offset)
                && offset + data.len() as u64 > to
            {
                self.data.insert(to, data.slice((to - offset) as usize..));
            }
        }
    }

    /// The written pieces inside `from..to`.
    fn pieces(&self, from: u64, to: u64) -> Vec<(u64, Bytes)> {
        let first = self.data.range(..=from).next_back().map_or(from, |(offset, _)| *offset);
        let mut pieces = Vec::new();
        for (&offset, data) in self.data.range(first..to) {
            let (start, end) = (offset.max(from), (offset + data.len() as u64).min(to));
            if start < end {
                pieces.push((start, data.slice((start - offset) as usize..(end - offset) as usize)));
            }
        }
        pieces
    }

    fn apply_one(&mut self, mutation: Mutation) {
        match mutation {
            Mutation::Create | Mutation::Remove => {}
            Mutation::Write { offset, data, .. } => {
                self.punch(offset, offset + data.len() as u64);
                // A copy: `data` may be a small part of a large buffer, and would keep all of it.
                self.data.insert(offset, Bytes::copy_from_slice(&data));
            }
            Mutation::Zero { offset, length } => self.punch(offset, offset + length),
            Mutation::Truncate { size } => self.punch(size, u64::MAX),
            Mutation::SetXattr { name, value } => {
                self.xattrs.insert(name, value);
            }
            Mutation::RmXattr { name } => {
                self.xattrs.remove(&name);
            }
            Mutation::OmapHeader { data } => self.header = data,
            Mutation::OmapSet { pairs } => self.omap.extend(pairs),
            Mutation::OmapRmKeys { keys } => {
                for key in keys {
                    self.omap.remove(&key);
                }
            }
            Mutation::OmapRmRange { begin, end } => self.omap.retain(|key, _| *key < begin || *key >= end),
            Mutation::OmapClear => {
                self.omap.clear();
                self.header = Bytes::new();
            }
        }
    }
}

/// Applies a list's changes to an object slot. `size` `None`: the object does not exist afterwards.
pub(super) fn apply(slot: &mut Option<Object>, mutations: Vec<Mutation>, state: Option<ObjectState>) {
    for mutation in mutations {
        if mutation == Mutation::Remove {
            *slot = None;
        } else {
            slot.get_or_insert_with(Object::new).apply_one(mutation);
        }
    }
    match (state, slot.as_mut()) {
        (Some(state), Some(object)) => object.state = state,
        (Some(_), None) | (None, _) => *slot = None,
    }
}

/// What the interpreter sees: the object, if there is one, and who watches it.
pub(super) struct View<'a> {
    pub object: Option<&'a Object>,
    pub watchers: Vec<(String, u64, u64, u32)>,
}

impl ObjectView for View<'_> {
    fn state(&mut self) -> StoreResult<Option<ObjectState>> {
        Ok(self.object.map(|object| object.state))
    }

    fn read(&mut self, offset: u64, length: u64) -> StoreResult<Bytes> {
        let Some(object) = self.object else { return Ok(Bytes::new()) };
        let mut pieces = object.pieces(offset, offset + length);
        if let [(start, piece)] = &mut pieces[..]
            && *start == offset
            && piece.len() as u64 == length
        {
            return Ok(std::mem::take(piece));
        }
        let mut data = vec![0; length as usize];
        for (start, piece) in pieces {
            let at = (start - offset) as usize;
            data[at..at + piece.len()].copy_from_slice(&piece);
        }
        Ok(data.into())
    }

    fn allocated(&mut self, offset: u64, length: u64) -> StoreResult<Vec<(u64, u64)>> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (start, piece) in self.object.map_or(vec![], |object| object.pieces(offset, offset + length)) {
            match ranges.last_mut() {
                Some((from, length)) if *from + *length == start => *length += piece.len() as u64,
                _ => ranges.push((start, piece.len() as u64)),
            }
        }
        Ok(ranges)
    }

    fn xattr(&mut self, name: &str) -> StoreResult<Option<Bytes>> {
        Ok(self.object.and_then(|object| object.xattrs.get(name).cloned()))
    }

    fn xattrs(&mut self) -> StoreResult<Vec<(String, Bytes)>> {
        let Some(object) = self.object else { return Ok(vec![]) };
        Ok(object.xattrs.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn omap_header(&mut self) -> StoreResult<Bytes> {
        Ok(self.object.map(|object| object.header.clone()).unwrap_or_default())
    }

    fn omap_value(&mut self, key: &Bytes) -> StoreResult<Option<Bytes>> {
        Ok(self.object.and_then(|object| object.omap.get(key).cloned()))
    }

    fn omap_page(&mut self, after: &Bytes, prefix: &Bytes, max: u64) -> StoreResult<OmapPage> {
        let Some(object) = self.object else { return Ok((vec![], false)) };
        let from = if prefix > after { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let mut matching = object
            .omap
            .range::<Bytes, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix));
        let pairs: Vec<(Bytes, Bytes)> =
            matching.by_ref().take(max as usize).map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok((pairs, matching.next().is_some()))
    }

    fn watchers(&mut self) -> StoreResult<Vec<(String, u64, u64, u32)>> {
        Ok(self.watchers.clone())
    }
}
