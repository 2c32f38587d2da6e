//! Feature bits of an image: names, what we report, what may be asked for.

use super::error::{ImageError, ImageResult, refuse};
use crate::errno::Errno;

pub const LAYERING: u64 = 1 << 0;
pub const STRIPINGV2: u64 = 1 << 1;
pub const EXCLUSIVE_LOCK: u64 = 1 << 2;
pub const OBJECT_MAP: u64 = 1 << 3;
pub const FAST_DIFF: u64 = 1 << 4;
pub const DEEP_FLATTEN: u64 = 1 << 5;
pub const JOURNALING: u64 = 1 << 6;
pub const DATA_POOL: u64 = 1 << 7;
pub const OPERATIONS: u64 = 1 << 8;
pub const MIGRATING: u64 = 1 << 9;
pub const NON_PRIMARY: u64 = 1 << 10;
pub const DIRTY_CACHE: u64 = 1 << 11;

pub const ALL: u64 = (1 << 12) - 1;
/// What `rbd_default_features` is where nobody says otherwise.
pub const DEFAULT: u64 = LAYERING | EXCLUSIVE_LOCK | OBJECT_MAP | FAST_DIFF | DEEP_FLATTEN;
/// May be switched on and off later.
pub const MUTABLE: u64 = EXCLUSIVE_LOCK | OBJECT_MAP | FAST_DIFF | JOURNALING;
/// May be switched off later.
pub const DISABLE_ONLY: u64 = DEEP_FLATTEN;
/// Not accepted by `rbd_features_from_string` as a number.
const BY_NUMBER: u64 = 0xff;

/// Sorted by name, which is the order in which librbd prints them.
const NAMES: [(&str, u64); 12] = [
    ("data-pool", DATA_POOL),
    ("deep-flatten", DEEP_FLATTEN),
    ("dirty-cache", DIRTY_CACHE),
    ("exclusive-lock", EXCLUSIVE_LOCK),
    ("fast-diff", FAST_DIFF),
    ("journaling", JOURNALING),
    ("layering", LAYERING),
    ("migrating", MIGRATING),
    ("non-primary", NON_PRIMARY),
    ("object-map", OBJECT_MAP),
    ("operations", OPERATIONS),
    ("striping", STRIPINGV2),
];

/// Comma-separated names; unknown bits are EINVAL.
pub fn to_string(features: u64) -> ImageResult<String> {
    if features & !ALL != 0 {
        return refuse(Errno::EINVAL, format!("unknown feature bits {:#x}", features & !ALL));
    }
    let names: Vec<&str> =
        NAMES.iter().filter(|(_, bit)| features & bit != 0).map(|(name, _)| *name).collect();
    Ok(names.join(","))
}

/// A number, or comma-separated names; empty means the default. On failure the error comes with the bits that
/// were understood, because librbd stores those.
pub fn from_string(text: &str) -> Result<u64, (ImageError, u64)> {
    let invalid = |what: String, bits: u64| (ImageError::Errno { errno: Errno::EINVAL, what }, bits);
    if text.is_empty() {
        return Ok(DEFAULT);
    }
    let trimmed = text.trim();
    if let Some(number) = number(trimmed) {
        let known = number & BY_NUMBER;
        return if known == number {
            Ok(number)
        } else {
            Err(invalid(format!("feature bits {:#x} cannot be asked for", number & !BY_NUMBER), known))
        };
    }
    let mut bits = 0;
    let mut unknown = Vec::new();
    for word in text.split(',').map(str::trim) {
        match NAMES.iter().find(|(name, _)| *name == word) {
            Some((_, bit)) => bits |= bit,
            None => unknown.push(word),
        }
    }
    if unknown.is_empty() { Ok(bits) } else { Err(invalid(format!("unknown features {unknown:?}"), bits)) }
}

/// As C++ lexical casts read it: a sign is fine, and a negative number wraps around.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            rest.parse::<u64>().ok().map(u64::wrapping_neg)
        }
        _ => text.parse::<u64>().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line was printed by librbd 16.2.15.
    #[test]
    fn as_librbd() {
        assert_eq!(to_string(0).unwrap(), "");
        assert_eq!(to_string(61).unwrap(), "deep-flatten,exclusive-lock,fast-diff,layering,object-map");
        assert_eq!(to_string(450).unwrap(), "data-pool,journaling,operations,striping");
        assert!(to_string(4096).is_err());
        assert!(to_string(4097).is_err());
        let good = [
            ("", 61),
            ("layering", 1),
            (" layering , exclusive-lock", 5),
            ("61", 61),
            ("61 ", 61),
            ("+5", 5),
            ("migrating", 512),
            ("255", 255),
            ("0", 0),
        ];
        for (text, bits) in good {
            assert_eq!(from_string(text).map_err(|(error, _)| error.to_string()), Ok(bits), "{text}");
        }
        let bad = [
            ("bogus", 0),
            ("0x3d", 0),
            ("-1", 255),
            ("layering,", 1),
            ("layering,bogus", 1),
            ("4096", 0),
            ("256", 0),
            ("257", 1),
            ("511", 255),
            ("18446744073709551616", 0),
            (",", 0),
            ("layering,5", 1),
        ];
        for (text, bits) in bad {
            assert_eq!(from_string(text).map_err(|(_, bits)| bits), Err(bits), "{text}");
        }
    }
}
