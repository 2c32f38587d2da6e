//! Compression of messages on the wire (Ceph: doc/dev/msgr2.rst, "Compression", Quincy and later).
//!
//! Both sides say in their banners that they know of it; the client says after authentication what it wants, and the server
//! what becomes of that. A compressed frame has a flag in its preamble, each of its segments is compressed by itself, and lengths
//! and checksums are those of what is sent. (The documentation says no more than that frames are compressed.)
//!
//! What the two algorithms make of a segment is what OSDs of 16.2.15 write into their stores with the same compressors
//! (docs/ceph-behaviour.md). zlib and lz4 are left out: one needs a value that goes beside its bytes, the other divides what it is
//! given in a way that was not seen. How a frame carries segments is in [`super::codec`].

use bytes::Bytes;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::CompressionLevel;

use super::frame::FrameError;

/// CEPH_MSGR2_FEATURE_COMPRESSION, in the banner.
pub const FEATURE: u64 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Snappy,
    Zstd,
}

/// A snappy element makes no more than this of a byte.
const SNAPPY_FACTOR: usize = 64;
/// What a zstd decoder must be able to keep (RFC 8878).
const ZSTD_WINDOW: u64 = 8 << 20;
/// Decoded between two looks at how much came out.
const STEP: usize = 256 << 10;

impl Algorithm {
    pub const ALL: [Algorithm; 2] = [Algorithm::Snappy, Algorithm::Zstd];

    /// COMP_ALG_*
    pub fn number(self) -> u32 {
        match self {
            Algorithm::Snappy => 1,
            Algorithm::Zstd => 3,
        }
    }

    pub fn of(number: u32) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    pub fn named(name: &str) -> Option<Algorithm> {
        match name {
            "snappy" => Some(Algorithm::Snappy),
            "zstd" => Some(Algorithm::Zstd),
            _ => None,
        }
    }

    /// It may come out longer. `None`: it is too long for the algorithm (4 GiB).
    pub fn compress(self, plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Algorithm::Snappy => snap::raw::Encoder::new().compress_vec(plain).ok(),
            Algorithm::Zstd => {
                let mut made = u32::try_from(plain.len()).ok()?.to_le_bytes().to_vec();
                ruzstd::encoding::compress(plain, &mut made, CompressionLevel::Fastest);
                Some(made)
            }
        }
    }

    /// `limit` bounds what comes out; memory is taken in proportion to what is there, and to that at most.
    pub fn decompress(self, made: &[u8], limit: usize) -> Result<Bytes, FrameError> {
        let within = |length: usize| match length > limit {
            true => Err(FrameError::TooLong { bytes: length as u64, limit }),
            false => Ok(length),
        };
        let plain = match self {
            Algorithm::Snappy => {
                let length = snap::raw::decompress_len(made).map_err(|_| FrameError::Compressed)?;
                if within(length)? > made.len().saturating_mul(SNAPPY_FACTOR) {
                    return Err(FrameError::Compressed);
                }
                snap::raw::Decoder::new().decompress_vec(made).map_err(|_| FrameError::Compressed)?
            }
            Algorithm::Zstd => {
                let (length, frame) = made.split_first_chunk().ok_or(FrameError::Compressed)?;
                let length = within(u32::from_le_bytes(*length) as usize)?;
                unzstd(frame, length).ok_or(FrameError::Compressed)?
            }
        };
        Ok(plain.into())
    }
}

/// One frame of exactly `length` bytes.
fn unzstd(mut frame: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ZSTD_WINDOW.max(2 * length as u64));
    decoder.init(&mut frame).ok()?;
    let mut plain = Vec::new();
    while !decoder.is_finished() {
        decoder.decode_blocks(&mut frame, BlockDecodingStrategy::UptoBytes(STEP)).ok()?;
        if plain.len() + decoder.can_collect() > length {
            return None;
        }
        plain.extend(decoder.collect().unwrap_or_default());
    }
    // What was kept back for later blocks to refer to.
    plain.extend(decoder.collect().unwrap_or_default());
    (plain.len() == length && frame.is_empty()).then_some(plain)
}

/// What a client offers to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compression {
    /// Which algorithms, the most wanted first.
    pub algorithms: Vec<Algorithm>,
    /// Shorter messages are sent as they are.
    pub min_bytes: usize,
    /// In secure mode too, where it tells who listens how well messages compress.
    pub secure: bool,
}

impl Compression {
    /// Ceph's options: `mode` of `none` and `force`, a list of algorithms divided by blanks, commas or semicolons. `None`: not wanted, or
    /// none of the algorithms is known here.
    pub fn of(mode: &str, algorithms: &str, min_bytes: u64, secure: bool) -> Option<Compression> {
        if mode != "force" {
            return None;
        }
        let words = algorithms.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty());
        let mut known: Vec<Algorithm> = Vec::new();
        for word in words {
            match Algorithm::named(word) {
                Some(algorithm) if !known.contains(&algorithm) => known.push(algorithm),
                Some(_) => {}
                None => tracing::warn!(algorithm = word, "not known for compression on the wire"),
            }
        }
        let min_bytes = usize::try_from(min_bytes).unwrap_or(usize::MAX);
        (!known.is_empty()).then_some(Compression { algorithms: known, min_bytes, secure })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_osds_made_is_understood() {
        let fixtures = include_str!("fixtures/compressed.txt").lines().filter(|line| !line.starts_with('#'));
        let mut seen = Vec::new();
        for line in fixtures {
            let (number, hex) = line.split_once(' ').unwrap();
            let made: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            let algorithm = Algorithm::of(number.parse().unwrap()).unwrap();
            let plain = algorithm.decompress(&made, 8192).unwrap();
            assert_eq!(plain.len(), 8192);
            assert!(plain[300..] == plain[..8192 - 300] && plain[..150] != plain[150..300]);
            assert_eq!(plain[..4], [0x82, 0xb7, 0x0e, 0xee]);
            let error = Err(FrameError::TooLong { bytes: 8192, limit: 8191 });
            assert_eq!(algorithm.decompress(&made, 8191), error);
            for cut in 0..made.len() {
                assert!(algorithm.decompress(&made[..cut], 8192).is_err(), "{algorithm:?} {cut}");
            }
            seen.push(algorithm);
        }
        assert_eq!(seen, Algorithm::ALL);
    }

    #[test]
    fn bombs_do_not_go_off() {
        let plain = vec![0; 64 << 20];
        let zstd = Algorithm::Zstd.compress(&plain).unwrap();
        assert!(zstd.len() < 64 << 10);
        let limit = 1 << 20;
        assert!(matches!(Algorithm::Zstd.decompress(&zstd, limit), Err(FrameError::TooLong { .. })));
        // It says less than it holds.
        let mut liar = zstd.clone();
        liar[..4].copy_from_slice(&1000u32.to_le_bytes());
        assert_eq!(Algorithm::Zstd.decompress(&liar, limit), Err(FrameError::Compressed));
        // It says more.
        let mut liar = Algorithm::Zstd.compress(&plain[..5000]).unwrap();
        liar[..4].copy_from_slice(&(limit as u32).to_le_bytes());
        assert_eq!(Algorithm::Zstd.decompress(&liar, limit), Err(FrameError::Compressed));
        // 512 MiB in five bytes.
        let liar = [0x80, 0x80, 0x80, 0x80, 0x02];
        assert_eq!(Algorithm::Snappy.decompress(&liar, 1 << 30), Err(FrameError::Compressed));
    }

    #[test]
    fn options_choose() {
        let of = |mode: &str, list: &str| Compression::of(mode, list, 1024, false).map(|c| c.algorithms);
        assert_eq!(of("none", "snappy"), None);
        assert_eq!(of("", "snappy"), None);
        assert_eq!(of("force", "zlib lz4"), None);
        assert_eq!(of("force", "snappy"), Some(vec![Algorithm::Snappy]));
        let both = Some(vec![Algorithm::Zstd, Algorithm::Snappy]);
        assert_eq!(of("force", "zstd, lz4 snappy;zstd"), both);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_goes_in_comes_out(
            unit in prop::collection::vec(any::<u8>(), 1..300),
            count in 1usize..200,
        ) {
            let plain = unit.repeat(count);
            for algorithm in Algorithm::ALL {
                let made = algorithm.compress(&plain).unwrap();
                // What comes again must be more than what the format itself takes.
                prop_assert!(made.len() < plain.len() || plain.len() < unit.len() + 64);
                prop_assert_eq!(&algorithm.decompress(&made, plain.len()).unwrap()[..], &plain[..]);
                prop_assert!(algorithm.decompress(&made, plain.len() - 1).is_err());
            }
        }

        #[test]
        fn anything_gives_an_answer(made in prop::collection::vec(any::<u8>(), 0..400)) {
            for algorithm in Algorithm::ALL {
                if let Ok(plain) = algorithm.decompress(&made, 1 << 16) {
                    prop_assert!(plain.len() <= 1 << 16);
                }
            }
        }
    }
}
