//! The option set that creating and copying take (`rbd_image_options_t`).

use std::collections::BTreeMap;

use super::error::{ImageResult, refuse};
use crate::errno::Errno;

/// Numbers as in librbd.h.
pub const FORMAT: i32 = 0;
pub const FEATURES: i32 = 1;
pub const ORDER: i32 = 2;
pub const STRIPE_UNIT: i32 = 3;
pub const STRIPE_COUNT: i32 = 4;
pub const JOURNAL_POOL: i32 = 7;
pub const FEATURES_SET: i32 = 8;
pub const FEATURES_CLEAR: i32 = 9;
pub const DATA_POOL: i32 = 10;
const LAST: i32 = 13;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    Number(u64),
    Text(String),
}

#[derive(Clone, Debug, Default)]
pub struct ImageOptions(BTreeMap<i32, Value>);

fn is_text(option: i32) -> bool {
    option == JOURNAL_POOL || option == DATA_POOL
}

fn unknown<T>(option: i32) -> ImageResult<T> {
    refuse(Errno::EINVAL, format!("no such image option: {option}"))
}

fn is_known(option: i32) -> bool {
    (0..=LAST).contains(&option)
}

impl ImageOptions {
    /// EINVAL for an unknown option, or one of the other type.
    pub fn set_number(&mut self, option: i32, value: u64) -> ImageResult<()> {
        if !is_known(option) || is_text(option) {
            return unknown(option);
        }
        self.0.insert(option, Value::Number(value));
        Ok(())
    }

    pub fn set_text(&mut self, option: i32, value: &str) -> ImageResult<()> {
        if !is_known(option) || !is_text(option) {
            return unknown(option);
        }
        self.0.insert(option, Value::Text(value.to_owned()));
        Ok(())
    }

    /// ENOENT if it is not set; EINVAL for an unknown option, or one of the other type.
    pub fn number(&self, option: i32) -> ImageResult<u64> {
        if !is_known(option) || is_text(option) {
            return unknown(option);
        }
        match self.0.get(&option) {
            Some(Value::Number(value)) => Ok(*value),
            Some(Value::Text(_)) | None => refuse(Errno::ENOENT, format!("option {option} is not set")),
        }
    }

    pub fn text(&self, option: i32) -> ImageResult<&str> {
        if !is_known(option) || !is_text(option) {
            return unknown(option);
        }
        match self.0.get(&option) {
            Some(Value::Text(value)) => Ok(value),
            Some(Value::Number(_)) | None => refuse(Errno::ENOENT, format!("option {option} is not set")),
        }
    }

    pub fn is_set(&self, option: i32) -> ImageResult<bool> {
        if is_known(option) { Ok(self.0.contains_key(&option)) } else { unknown(option) }
    }

    /// ENOENT if it was not set.
    pub fn unset(&mut self, option: i32) -> ImageResult<()> {
        if !is_known(option) {
            return unknown(option);
        }
        match self.0.remove(&option) {
            Some(_) => Ok(()),
            None => refuse(Errno::ENOENT, format!("option {option} is not set")),
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get_number(&self, option: i32) -> Option<u64> {
        self.number(option).ok()
    }

    pub(super) fn get_text(&self, option: i32) -> Option<&str> {
        self.text(option).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As librbd 16.2.15 answers.
    #[test]
    fn types_and_errnos() {
        let mut options = ImageOptions::default();
        let errno = |result: ImageResult<()>| result.err().map(|error| error.errno());
        assert_eq!(errno(options.set_number(-1, 1)), Some(Errno::EINVAL));
        assert_eq!(errno(options.set_number(14, 1)), Some(Errno::EINVAL));
        assert_eq!(errno(options.set_number(DATA_POOL, 1)), Some(Errno::EINVAL));
        assert_eq!(errno(options.set_text(ORDER, "7")), Some(Errno::EINVAL));
        assert_eq!(errno(options.unset(ORDER)), Some(Errno::ENOENT));
        assert_eq!(options.number(ORDER).unwrap_err().errno(), Errno::ENOENT);
        options.set_number(ORDER, 5).unwrap();
        options.set_text(DATA_POOL, "abc").unwrap();
        assert_eq!(options.number(ORDER).unwrap(), 5);
        assert_eq!(options.text(DATA_POOL).unwrap(), "abc");
        options.unset(ORDER).unwrap();
        assert!(!options.is_set(ORDER).unwrap());
        options.clear();
        assert!(options.is_empty());
    }
}
