//! Trivial maps: an object whose whole content is a header and a sorted map, as programs from before omap keep them.
//!
//! Encoding: header, number of entries, then a key and a value each; a text is a length and its bytes, numbers are 32
//! bits, little endian. An update is a list of steps: a letter (CEPH_OSD_TMAP_* of librados.h), the key or the header,
//! and a value for 's' and 'c'. What an OSD makes of odd updates was seen by capi-tests/rados_deprecated.c: steps in the
//! order of their keys are merged with the entries there are, others go through a map of all entries.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::IoCtx;
use crate::errno::Errno;
use crate::store::{Op, OpFlags, OpOut};

/// EINVAL: what is left is shorter than what it says of itself.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Errno> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Errno::EINVAL)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Errno> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn text(&mut self) -> Result<&'a [u8], Errno> {
        let len = self.number()?;
        self.take(len as usize)
    }

    fn letter(&mut self) -> Result<u8, Errno> {
        Ok(self.take(1)?[0])
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    // Each text comes from a buffer that a 32 bit number measured.
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

type Entry<'a> = (&'a [u8], &'a [u8]);

/// A stored map. Of what another program wrote, keys may be out of order or there twice, and bytes may follow.
#[derive(Default)]
struct Stored<'a> {
    header: &'a [u8],
    entries: Vec<Entry<'a>>,
    rest: &'a [u8],
}

impl<'a> Stored<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Stored<'a>, Errno> {
        let mut input = Input(bytes);
        let header = input.text()?;
        let entries =
            (0..input.number()?).map(|_| Ok((input.text()?, input.text()?))).collect::<Result<_, Errno>>()?;
        Ok(Stored { header, entries, rest: input.0 })
    }

    /// The first of equal keys counts.
    fn sorted(&self) -> BTreeMap<&'a [u8], &'a [u8]> {
        let mut map = BTreeMap::new();
        for (key, value) in &self.entries {
            map.entry(*key).or_insert(*value);
        }
        map
    }
}

fn encode<'a>(header: &[u8], entries: impl ExactSizeIterator<Item = Entry<'a>>, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, header);
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    for (key, value) in entries {
        put_text(&mut out, key);
        put_text(&mut out, value);
    }
    out.extend_from_slice(rest);
    out
}

/// What a put of these bytes stores: sorted, each key once, without what follows.
pub fn normalized(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let stored = Stored::decode(bytes)?;
    Ok(encode(stored.header, stored.sorted().into_iter(), &[]))
}

/// The content after an update.
fn updated(content: &[u8], steps: &[u8]) -> Result<Vec<u8>, Errno> {
    let stored = if content.is_empty() { Stored::default() } else { Stored::decode(content)? };
    match merged(&stored, steps)? {
        Some(content) => Ok(content),
        None => mapped(&stored, steps),
    }
}

/// Steps in the order of their keys; none if they are not. A header may come first. Each step looks at the entries that
/// those before it left: two of one key meet two entries.
fn merged(stored: &Stored, steps: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let mut input = Input(steps);
    let mut header = stored.header;
    if steps.first() == Some(&b'h') {
        input.letter()?;
        header = input.text()?;
    }
    let mut old = stored.entries.iter().copied().peekable();
    let mut entries: Vec<Entry> = Vec::with_capacity(stored.entries.len());
    let mut last: &[u8] = &[];
    while !input.0.is_empty() {
        let (letter, key) = (input.letter()?, input.text()?);
        if key.cmp(last) == Ordering::Less {
            return Ok(None);
        }
        last = key;
        while let Some(entry) = old.next_if(|(there, _)| *there < key) {
            entries.push(entry);
        }
        let there = old.next_if(|(there, _)| *there == key).is_some();
        match letter {
            b's' => entries.push((key, input.text()?)),
            b'c' if there => return Err(Errno::EEXIST),
            b'c' => entries.push((key, input.text()?)),
            b'r' if there => (),
            b'r' => return Err(Errno::ENOENT),
            _ => return Err(Errno::EINVAL),
        }
    }
    entries.extend(old);
    Ok(Some(encode(header, entries.into_iter(), stored.rest)))
}

/// Steps in any order, among them no 'c'. EINVAL if bytes follow the map: they would be lost.
fn mapped(stored: &Stored, steps: &[u8]) -> Result<Vec<u8>, Errno> {
    if !stored.rest.is_empty() {
        return Err(Errno::EINVAL);
    }
    let mut input = Input(steps);
    let mut header = stored.header;
    let mut map = stored.sorted();
    while !input.0.is_empty() {
        match (input.letter()?, input.text()?) {
            (b'h', text) => header = text,
            (b's', key) => drop(map.insert(key, input.text()?)),
            (b'r', key) => drop(map.remove(key).ok_or(Errno::ENOENT)?),
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(encode(header, map.into_iter(), &[]))
}

/// Updates the map atomically: the write is guarded by the version that was read, and both are done again if another
/// writer was in between. An object that is not there is an empty map.
pub fn update(io: &IoCtx, oid: &str, steps: &[u8]) -> Result<(), Errno> {
    if steps.is_empty() {
        return Ok(());
    }
    loop {
        let read =
            io.run(io.request(oid, vec![(Op::Read { offset: 0, length: 0 }, 0)], OpFlags::default()))?;
        let (guard, content) = match (Errno(-read.result), read.ops.into_iter().next().map(|op| op.out)) {
            (Errno::ENOENT, _) => (Op::Create { exclusive: true }, Bytes::new()),
            (Errno(1..), _) => return Err(Errno(-read.result)),
            (_, Some(OpOut::Data(content))) => (Op::AssertVersion(read.version), content),
            _ => return Err(Errno::EIO),
        };
        let creating = matches!(guard, Op::Create { .. });
        let data = Bytes::from(updated(&content, steps)?);
        let request =
            io.write_request(oid, vec![(guard, 0), (Op::WriteFull { data }, 0)], OpFlags::default())?;
        match Errno(-io.run(request)?.result) {
            Errno::EEXIST if creating => (),
            Errno::ENOENT | Errno::ERANGE | Errno::EOVERFLOW if !creating => (),
            failed @ Errno(1..) => return Err(failed),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)], rest: &str) -> Vec<u8> {
        encode(b"h", entries.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())), rest.as_bytes())
    }

    fn steps(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for word in text.split(' ') {
            let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
            out.push(key.as_bytes()[0]);
            put_text(&mut out, &key.as_bytes()[1..]);
            value.into_iter().for_each(|value| put_text(&mut out, value.as_bytes()));
        }
        out
    }

    #[test]
    fn every_prefix_of_a_map_or_update_is_refused() {
        let (map, steps) = (map(&[("a", "1"), ("b", "2")], ""), steps("ca=1"));
        for end in 0..map.len() {
            assert_eq!(normalized(&map[..end]), Err(Errno::EINVAL), "{end}");
        }
        for end in 1..steps.len() {
            assert_eq!(updated(&[], &steps[..end]), Err(Errno::EINVAL), "{end}");
        }
    }

    #[test]
    fn what_follows_a_map_is_never_lost_by_an_update() {
        let odd = map(&[("b", "2"), ("a", "1")], "what follows");
        assert_eq!(
            updated(&odd, &steps("sz=1")),
            Ok(map(&[("b", "2"), ("a", "1"), ("z", "1")], "what follows"))
        );
        assert_eq!(updated(&odd, &steps("sz=1 sa=1")), Err(Errno::EINVAL));
    }

    #[test]
    fn lengths_and_numbers_beyond_the_bytes_are_refused() {
        assert_eq!(normalized(&[0xff; 8]), Err(Errno::EINVAL));
        assert_eq!(normalized(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err(Errno::EINVAL));
        assert_eq!(updated(b"0123456789", &steps("sk=v")), Err(Errno::EINVAL));
    }
}
