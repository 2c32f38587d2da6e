//! What both sides say before the first frame: that they speak msgr2, and which features of it.

use super::error::WireError;

const PREFIX: &[u8] = b"ceph v2\n";
/// What msgr1 says at this place: "ceph v027".
const LEGACY: &[u8] = b"ceph v0";
const PAYLOAD_BYTES: usize = 16;
/// Later versions may say more; this much is read of it.
const MAX_PAYLOAD_BYTES: usize = 4096;

/// CEPH_MSGR2_FEATURE_REVISION_1: frames of revision 1 (Nautilus 14.2.11 and later have it).
pub const REVISION_1: u64 = 1;

/// Ours: revision 1, which is required, and `offered`.
pub fn encode(offered: u64) -> Vec<u8> {
    let mut out = PREFIX.to_vec();
    out.extend((PAYLOAD_BYTES as u16).to_le_bytes());
    out.extend((REVISION_1 | offered).to_le_bytes());
    out.extend(REVISION_1.to_le_bytes());
    out
}

/// The peer's banner, once all of it is there: its length and what the peer supports. `known` is what is not refused when it is
/// required.
pub fn decode(input: &[u8], known: u64) -> Result<Option<(usize, u64)>, WireError> {
    let head = &input[..input.len().min(LEGACY.len())];
    if head == LEGACY {
        return Err(WireError::Legacy);
    }
    if !PREFIX.starts_with(&input[..input.len().min(PREFIX.len())]) && !LEGACY.starts_with(head) {
        return Err(WireError::NoBanner);
    }
    let Some((length, rest)) = input.get(PREFIX.len()..).and_then(|rest| rest.split_first_chunk()) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_le_bytes(*length));
    if !(PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&length) {
        return Err(WireError::NoBanner);
    }
    if rest.len() < length {
        return Ok(None);
    }
    let word =
        |at: usize| rest[at..at + 8].iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    let (supported, required) = (word(0), word(8));
    if supported & REVISION_1 == 0 {
        return Err(WireError::Revision0);
    }
    let missing = required & !(REVISION_1 | known);
    if missing != 0 {
        return Err(WireError::BannerFeatures { missing });
    }
    Ok(Some((PREFIX.len() + 2 + length, supported)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_taken_and_others_are_told_apart() {
        let ours = encode(0);
        for cut in 0..ours.len() {
            assert!(matches!(decode(&ours[..cut], 0), Ok(None)), "{cut}");
        }
        assert!(matches!(decode(&ours, 0), Ok(Some((26, REVISION_1)))));
        assert!(matches!(decode(&encode(2), 0), Ok(Some((26, 3)))));
        assert!(matches!(decode(b"ceph v027\0\0", 0), Err(WireError::Legacy)));
        assert!(matches!(decode(b"SSH-2.0", 0), Err(WireError::NoBanner)));
        let mut old = ours.clone();
        old[10] = 0;
        assert!(matches!(decode(&old, 0), Err(WireError::Revision0)));
        let mut new = ours;
        new[18] = 5;
        assert!(matches!(decode(&new, 2), Err(WireError::BannerFeatures { missing: 4 })));
        new[18] = 3;
        assert!(matches!(decode(&new, 0), Err(WireError::BannerFeatures { missing: 2 })));
        assert!(matches!(decode(&new, 2), Ok(Some(_))));
    }
}
