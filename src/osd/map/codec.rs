//! What several parts of the encoding are made of: counted lists and maps, bounded by the input, and checksums.

use std::collections::BTreeMap;

use super::MapError;
use crate::wire::denc::{Decoder, Malformed};

/// A number of things that take at least `least` bytes each: no more than the input can hold.
pub(super) fn count(d: &mut Decoder, least: usize) -> Result<usize, Malformed> {
    let count = d.u32()? as usize;
    if count > d.remaining() / least { Err(Malformed) } else { Ok(count) }
}

pub(super) fn list<T, E: From<Malformed>>(
    d: &mut Decoder,
    least: usize,
    mut item: impl FnMut(&mut Decoder) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    (0..count(d, least)?).map(|_| item(d)).collect()
}

pub(super) fn map<K: Ord, V, E: From<Malformed>>(
    d: &mut Decoder,
    least: usize,
    mut item: impl FnMut(&mut Decoder) -> Result<(K, V), E>,
) -> Result<BTreeMap<K, V>, E> {
    (0..count(d, least)?).map(|_| item(d)).collect()
}

/// As a function for any decoder; the method is one of a certain decoder.
pub(super) fn u32_of(d: &mut Decoder) -> Result<u32, Malformed> {
    d.u32()
}

pub(super) fn i32_of(d: &mut Decoder) -> Result<i32, Malformed> {
    Ok(d.u32()? as i32)
}

pub(super) fn i64_of(d: &mut Decoder) -> Result<i64, Malformed> {
    Ok(d.u64()? as i64)
}

pub(super) fn f32_of(d: &mut Decoder) -> Result<f32, Malformed> {
    Ok(f32::from_bits(d.u32()?))
}

/// Names in maps are UTF-8 by custom only: what is not is shown with replacement characters.
pub(super) fn text(d: &mut Decoder) -> Result<String, Malformed> {
    Ok(String::from_utf8_lossy(d.blob()?).into_owned())
}

/// Key and value, as in erasure code profiles.
pub(super) fn texts(d: &mut Decoder) -> Result<BTreeMap<String, String>, Malformed> {
    map(d, 8, |d| Ok((text(d)?, text(d)?)))
}

/// interval_set of snapshots: (first, count).
pub(super) fn intervals(d: &mut Decoder) -> Result<Vec<(u64, u64)>, Malformed> {
    list(d, 16, |d| Ok((d.u64()?, d.u64()?)))
}

/// A pair of sections in an outer one of version 7 or 8, with a checksum after them in version 8.
pub(super) struct Wrapper<'a> {
    whole: &'a [u8],
    pub version: u8,
    pub body: Decoder<'a>,
}

impl<'a> Wrapper<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Wrapper<'a>, MapError> {
        if matches!(bytes.first(), Some(0..7)) {
            return Err(MapError::Unsupported("an encoding from before 2013"));
        }
        let mut outer = Decoder::new(bytes);
        let (version, body) = outer.section(8)?;
        Ok(Wrapper { whole: &bytes[..bytes.len() - outer.remaining()], version, body })
    }

    /// Takes the checksum, which is of all bytes before and after it; what it should be is compared with what it is.
    pub fn checksum(&mut self) -> Result<(), MapError> {
        if self.version < 8 {
            return Ok(());
        }
        let front = &self.whole[..self.whole.len() - self.body.remaining()];
        let found = self.body.u32()?;
        let tail = &self.whole[self.whole.len() - self.body.remaining()..];
        // Ceph neither inverts the result nor begins with 0.
        let expected = !crate::crc::append(crate::crc::crc32c(front), tail);
        if found == expected { Ok(()) } else { Err(MapError::Checksum { found, expected }) }
    }
}
