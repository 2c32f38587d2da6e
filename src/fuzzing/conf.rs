//! ceph.conf and the values in it.

use std::sync::LazyLock;

use super::same;
use crate::conf::file::{Section, parse};
use crate::conf::value::{self, Value};
use crate::conf::{Kind, Opt, all_options};

const KINDS: [Kind; 12] = [
    Kind::Str,
    Kind::Int,
    Kind::Uint,
    Kind::Size,
    Kind::Float,
    Kind::Bool,
    Kind::Secs,
    Kind::Millisecs,
    Kind::Uuid,
    Kind::Addr,
    Kind::AddrVec,
    Kind::Debug,
];

/// In an order that is the same in every process.
static OPTIONS: LazyLock<Vec<&Opt>> = LazyLock::new(|| {
    let mut options: Vec<_> = all_options().collect();
    options.sort_by_key(|opt| opt.name);
    options
});

/// A whole file; what was read is written down plainly and read again.
pub fn conf_file(data: &[u8]) -> bool {
    let Ok(sections) = parse(data) else { return false };
    same(&sections, parse(write(&sections).as_bytes()));
    true
}

fn write(sections: &[Section]) -> String {
    let escape = |text: &str| {
        text.chars().fold(String::new(), |mut out, c| {
            if matches!(c, '\\' | '"' | '\'' | '#' | ';' | ']') {
                out.push('\\');
            }
            out.push(c);
            out
        })
    };
    let mut out = String::new();
    for section in sections {
        out.push_str(&format!("[{}]\n", escape(&section.name)));
        for (key, value) in &section.keys {
            out.push_str(&format!("{key}=\"{}\"\n", escape(value)));
        }
    }
    out
}

/// A value: the first byte is its type, the next two an option that gets the same text.
pub fn conf_value(data: &[u8]) -> bool {
    let Some((&[kind, low, high], text)) = data.split_first_chunk::<3>() else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let at = usize::from(u16::from_le_bytes([low, high]));
    let accepted = OPTIONS[at % OPTIONS.len()].parse(text).is_ok();
    let features = value::features(text, "");
    let Ok(value) = value::parse(kind, text) else { return accepted || features.is_ok() };
    let normal = value.to_string();
    // These print what they read; a number above i64::MAX is not read back (nor does librados).
    let printable = match (kind, &value) {
        (Kind::Uint | Kind::Size | Kind::Secs, Value::Uint(number)) => i64::try_from(*number).is_ok(),
        (Kind::Float | Kind::Addr | Kind::AddrVec, _) => false,
        _ => true,
    };
    if printable {
        same(&value, value::parse(kind, &normal));
    }
    true
}
