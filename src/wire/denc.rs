//! Ceph's basic encoding (little-endian integers, length-prefixed strings, versioned sections), for class calls.

use bytes::Bytes;

/// Input that ended early, is too long, or says something that no encoder writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed encoding")]
pub struct Malformed;

/// Appends encoded values.
#[derive(Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub fn new() -> Encoder {
        Encoder::default()
    }

    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    /// A u32 length and the bytes. Lengths over 4 GiB cannot occur: the largest object is far smaller.
    pub fn blob(&mut self, value: &[u8]) -> &mut Self {
        self.u32(value.len() as u32).raw(value)
    }

    pub fn string(&mut self, value: &str) -> &mut Self {
        self.blob(value.as_bytes())
    }

    /// A versioned section: version, oldest version that can read it, length, body.
    pub fn section(&mut self, version: u8, compat: u8, body: impl FnOnce(&mut Encoder)) -> &mut Self {
        self.u8(version).u8(compat).u32(0);
        let start = self.bytes.len();
        body(self);
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start - 4..start].copy_from_slice(&length.to_le_bytes());
        self
    }

    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

/// Takes encoded values from the front of its input; total: any input gives values or [`Malformed`].
#[derive(Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub fn new(input: &'a [u8]) -> Decoder<'a> {
        Decoder { rest: input }
    }

    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        if length > self.rest.len() {
            return Err(Malformed);
        }
        let (head, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.raw(N)?.try_into().map_err(|_| Malformed)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.raw(length as usize)
    }

    pub fn string(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.blob()?.to_vec()).map_err(|_| Malformed)
    }

    /// A versioned section that this reader knows up to `known`: its version and a decoder of its body, which may
    /// hold more than we read.
    pub fn section(&mut self, known: u8) -> Result<(u8, Decoder<'a>), Malformed> {
        let version = self.u8()?;
        let compat = self.u8()?;
        if compat > known {
            return Err(Malformed);
        }
        Ok((version, Decoder::new(self.blob()?)))
    }

    pub fn remaining(&self) -> usize {
        self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_skipped_whole() {
        let mut encoder = Encoder::new();
        encoder.section(3, 1, |e| {
            e.u32(7).string("new field");
        });
        encoder.u8(9);
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        let (version, mut body) = decoder.section(1).unwrap();
        assert_eq!((version, body.u32().unwrap()), (3, 7));
        assert_eq!(decoder.u8().unwrap(), 9);
        assert_eq!(decoder.u8(), Err(Malformed));
    }

    #[test]
    fn lengths_are_bounded_by_the_input() {
        assert_eq!(Decoder::new(&[255, 255, 255, 255, 1]).blob(), Err(Malformed));
        assert!(Decoder::new(&[1, 2, 0, 0, 0, 0]).section(1).is_err());
    }
}
