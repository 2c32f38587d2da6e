//! Small versioned byte strings: values in the header's omap and notifications.
//!
//! Layout: version u8, fields little-endian, CRC32C of all before it. A reader refuses what it does not know.

use super::error::{ImageResult, refuse};
use crate::errno::Errno;

/// Builds a value.
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn new(version: u8) -> Writer {
        Writer(vec![version])
    }

    pub fn u8(mut self, value: u8) -> Writer {
        self.0.push(value);
        self
    }

    pub fn u32(mut self, value: u32) -> Writer {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Writer {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Length u32, text.
    pub fn text(mut self, text: &str) -> Writer {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self = self.u32(length);
        self.0.extend(&text.as_bytes()[..length as usize]);
        self
    }

    pub fn finish(mut self) -> Vec<u8> {
        let crc = crate::crc::crc32c(&self.0);
        self.0.extend(crc.to_le_bytes());
        self.0
    }
}

/// Takes a value apart. `what` names it in errors.
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'a str,
}

impl<'a> Reader<'a> {
    /// Checks the checksum and the version.
    pub fn new(bytes: &'a [u8], newest: u8, what: &'a str) -> ImageResult<Reader<'a>> {
        let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
            return refuse(Errno::EIO, format!("{what} is corrupt: too short"));
        };
        if crate::crc::crc32c(body) != u32::from_le_bytes(*crc) {
            return refuse(Errno::EIO, format!("{what} is corrupt: wrong checksum"));
        }
        match body.split_first() {
            Some((&version, rest)) if (1..=newest).contains(&version) => Ok(Reader { rest, what }),
            Some((version, _)) => {
                refuse(Errno::EINVAL, format!("{what}: format {version} is newer than {newest}"))
            }
            None => refuse(Errno::EIO, format!("{what} is corrupt: empty")),
        }
    }

    fn take<const N: usize>(&mut self) -> ImageResult<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) => {
                self.rest = rest;
                Ok(*first)
            }
            None => refuse(Errno::EIO, format!("{} is corrupt: it ends too soon", self.what)),
        }
    }

    pub fn u8(&mut self) -> ImageResult<u8> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    pub fn u32(&mut self) -> ImageResult<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> ImageResult<u64> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    pub fn text(&mut self) -> ImageResult<String> {
        let length = self.u32()? as usize;
        let Some((first, rest)) = self.rest.split_at_checked(length) else {
            return refuse(Errno::EIO, format!("{} is corrupt: it ends too soon", self.what));
        };
        self.rest = rest;
        match std::str::from_utf8(first) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => refuse(Errno::EIO, format!("{} is corrupt: not text", self.what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() {
        let bytes = Writer::new(1).u8(7).u32(8).u64(9).text("ten").finish();
        let mut reader = Reader::new(&bytes, 1, "test").unwrap();
        assert_eq!((reader.u8().unwrap(), reader.u32().unwrap(), reader.u64().unwrap()), (7, 8, 9));
        assert_eq!(reader.text().unwrap(), "ten");
        assert!(reader.u8().is_err(), "nothing is left");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(Reader::new(&damaged, 1, "test").is_err(), "flip at {at}");
        }
        assert!(Reader::new(&Writer::new(2).finish(), 1, "test").is_err(), "a newer version");
        assert!(Reader::new(b"abc", 1, "test").is_err());
    }
}
