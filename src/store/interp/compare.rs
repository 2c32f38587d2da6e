//! Ops that compare stored with given bytes.

use bytes::Bytes;

use super::{Done, Run};
use crate::errno::Errno;
use crate::store::{CmpMode, CmpValue, OpOut};

/// CmpExt answers -(MAX_ERRNO + offset of the first difference).
const MAX_ERRNO: i32 = 4095;

fn holds<T: Ord + ?Sized>(left: &T, mode: CmpMode, right: &T) -> bool {
    match mode {
        CmpMode::Eq => left == right,
        CmpMode::Ne => left != right,
        CmpMode::Gt => left > right,
        CmpMode::Gte => left >= right,
        CmpMode::Lt => left < right,
        CmpMode::Lte => left <= right,
    }
}

/// The number that text begins with, as `strtoull` reads it in base 10.
fn leading_number(text: &[u8]) -> u64 {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let mut value = 0u64;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        match value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0'))) {
            Some(next) => value = next,
            None => return u64::MAX,
        }
    }
    if negative { value.wrapping_neg() } else { value }
}

impl Run<'_> {
    /// Passes if `given MODE stored`; a missing xattr counts as empty. A pass answers 1.
    pub(super) fn cmp_xattr(&mut self, name: &str, mode: CmpMode, value: &CmpValue) -> Done {
        self.must_exist()?;
        let stored = self.view.xattr(name)?.unwrap_or_default();
        let pass = match value {
            CmpValue::Bytes(given) => holds::<[u8]>(given, mode, &stored),
            CmpValue::U64(given) => holds(given, mode, &leading_number(&stored)),
        };
        if pass { Ok((1, OpOut::None)) } else { Err(Errno::ECANCELED.into()) }
    }

    /// Compares with the object as if zeros followed it for ever; one that does not exist is all zeros.
    pub(super) fn cmp_ext(&mut self, offset: u64, data: &Bytes) -> Done {
        if data.is_empty() {
            return Ok((0, OpOut::None));
        }
        let stored = self.read_range(offset, data.len() as u64)?;
        let zeros = std::iter::repeat(&0u8);
        match data.iter().zip(stored.iter().chain(zeros)).position(|(given, stored)| given != stored) {
            None => Ok((0, OpOut::None)),
            Some(index) => Err(super::Stop::Op(-MAX_ERRNO - index as i32)),
        }
    }

    /// Passes if `stored MODE given` (the other way round than [`Run::cmp_xattr`], as on an OSD).
    pub(super) fn omap_cmp(&mut self, key: &Bytes, value: &Bytes, mode: CmpMode) -> Done {
        self.must_exist()?;
        if !matches!(mode, CmpMode::Eq | CmpMode::Lt | CmpMode::Gt) {
            return Err(Errno::EINVAL.into());
        }
        let stored = self.view.omap_value(key)?.unwrap_or_default();
        if holds(&stored, mode, value) { Ok((0, OpOut::None)) } else { Err(Errno::ECANCELED.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_strtoull_does() {
        for (text, value) in [("", 0), ("12", 12), (" 12x", 12), ("x", 0), ("99999999999999999999", u64::MAX)]
        {
            assert_eq!(leading_number(text.as_bytes()), value, "{text:?}");
        }
        assert_eq!(leading_number(b"-1"), u64::MAX);
    }
}
