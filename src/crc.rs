//! CRC32C, and how the sums of parts make the sum of the whole.

use crc_fast::{CrcAlgorithm, Digest};

/// The polynomial without its highest term, lowest bit first.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^0: bit 31 is the lowest power.
const ONE: u32 = 1 << 31;

/// CRC-32C (Castagnoli; iSCSI): inverted at begin and end.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The sum of what has the sum `crc`, followed by `bytes`.
pub(crate) fn append(crc: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    digest.finalize() as u32
}

/// The sum of so many bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sum {
    pub crc: u32,
    pub bytes: u64,
}

impl Sum {
    pub const EMPTY: Sum = Sum { crc: 0, bytes: 0 };

    pub fn of(bytes: &[u8]) -> Sum {
        Sum { crc: crc32c(bytes), bytes: bytes.len() as u64 }
    }

    /// Of what this is the sum of, followed by what the other one is.
    pub fn then(self, next: Sum) -> Sum {
        Sum { crc: shift(self.crc, next.bytes) ^ next.crc, bytes: self.bytes + next.bytes }
    }

    /// Of so many parts in a row that all have this sum.
    pub fn times(self, parts: u64) -> Sum {
        let (mut all, mut doubled, mut left) = (Sum::EMPTY, self, parts);
        while left > 0 {
            if left & 1 == 1 {
                all = all.then(doubled);
            }
            doubled = doubled.then(doubled);
            left >>= 1;
        }
        all
    }
}

/// What a sum turns into when so many bytes follow it, their own sum aside: times x^(8 * bytes).
fn shift(crc: u32, bytes: u64) -> u32 {
    // Squares of squares of x^8; they come round after 31, because x^(2^31 - 1) is 1.
    const POWERS: [u32; 31] = powers();
    let (mut power, mut left, mut at) = (ONE, bytes, 0);
    while left > 0 {
        if left & 1 == 1 {
            power = multiplied(POWERS[at % 31], power);
        }
        left >>= 1;
        at += 1;
    }
    multiplied(power, crc)
}

const fn powers() -> [u32; 31] {
    let mut powers = [ONE >> 8; 31];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = multiplied(powers[at - 1], powers[at - 1]);
        at += 1;
    }
    powers
}

/// The product of two polynomials, modulo CRC32C's.
const fn multiplied(a: u32, mut b: u32) -> u32 {
    let (mut product, mut bit) = (0, ONE);
    while bit > 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = if b & 1 == 1 { (b >> 1) ^ POLYNOMIAL } else { b >> 1 };
        bit >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bit by bit, as the definition has it.
    fn slow(crc: u32, bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!crc, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg()))
        })
    }

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn it_is_castagnolis() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(append(crc32c(b"1234"), b"56789"), 0xe306_9283);
    }

    /// All short lengths at all alignments, and what lies around the widths that processors work in.
    #[test]
    fn it_is_the_definition_for_each_length_and_alignment() {
        let data = noise(5000, 7);
        for at in 0..17 {
            for length in (0..600).chain([1023, 1024, 1025, 2047, 2048, 4095, 4096, 4108, 4112]) {
                let bytes = &data[at..at + length];
                assert_eq!(crc32c(bytes), slow(0, bytes), "{length} bytes at {at}");
            }
        }
    }

    #[test]
    fn many_equal_parts() {
        let part = noise(4112, 3);
        for parts in [0, 1, 2, 3, 17, 64] {
            let whole = part.repeat(parts);
            assert_eq!(Sum::of(&part).times(parts as u64), Sum::of(&whole), "{parts}");
        }
    }

    #[test]
    fn lengths_past_four_gib_are_combined_too() {
        // A GiB of zeroes is doubled three times, and shifted by all of it at once.
        let gib = Sum::of(&vec![0; 1 << 20]).times(1 << 10);
        let (one, many) = (Sum::of(b"x"), gib.times(8));
        let step = (0..8).fold(one, |sum, _| sum.then(gib));
        assert_eq!(one.then(many), step);
        assert_eq!(many.bytes, 8 << 30);
    }

    proptest! {
        #[test]
        fn sums_of_parts_make_the_sum_of_the_whole(
            length in 0usize..20_000, seed: u64, mut cuts in prop::collection::vec(0usize..20_000, 0..12)
        ) {
            let data = noise(length, seed);
            cuts.retain(|cut| *cut <= length);
            cuts.extend([0, length]);
            cuts.sort_unstable();
            let parts = || cuts.windows(2).map(|cut| &data[cut[0]..cut[1]]);
            let whole = Sum { crc: slow(0, &data), bytes: length as u64 };
            prop_assert_eq!(Sum::of(&data), whole);
            prop_assert_eq!(parts().fold(Sum::EMPTY, |sum, part| sum.then(Sum::of(part))), whole);
            prop_assert_eq!(parts().fold(0, append), whole.crc);
        }
    }
}
