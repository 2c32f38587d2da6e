//! Values of options: parsing, range and normal form, as librados 16.2.15 does them.
//!
//! Every rule here was learnt by calling rados_conf_set and rados_conf_get of Ceph's library (capi-tests/conf/values.txt).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::options::Kind;
use crate::errno::Errno;

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Strings and debug levels keep their metavariables until they are asked for.
    Str(String),
    Int(i64),
    /// uint, size, secs, millisecs.
    Uint(u64),
    Float(f64),
    Bool(bool),
    /// uuid, addresses: their normal form.
    Text(String),
}

impl Value {
    /// For the range check.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Uint(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            Value::Str(_) | Value::Bool(_) | Value::Text(_) => None,
        }
    }
}

impl std::fmt::Display for Value {
    /// What rados_conf_get prints.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Str(s) | Value::Text(s) => f.write_str(s),
            Value::Int(n) => write!(f, "{n}"),
            Value::Uint(n) => write!(f, "{n}"),
            Value::Float(n) if n.is_nan() => f.write_str(if n.is_sign_negative() { "-nan" } else { "nan" }),
            Value::Float(n) => write!(f, "{n:.6}"),
            Value::Bool(b) => write!(f, "{b}"),
        }
    }
}

/// Checks a text against a type. EINVAL; ERANGE for debug levels outside 0 to 99.
pub fn parse(kind: Kind, text: &str) -> Result<Value, Errno> {
    let value = match kind {
        Kind::Str => Some(Value::Str(text.to_string())),
        Kind::Int => int(text).map(Value::Int),
        Kind::Uint => uint(text).map(Value::Uint),
        Kind::Size => size(text).map(Value::Uint),
        Kind::Float => float(text).map(Value::Float),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Secs => secs(text).map(Value::Uint),
        Kind::Millisecs => text.parse().ok().map(Value::Uint),
        Kind::Uuid => uuid(text).map(Value::Text),
        Kind::Addr => addr(text).map(|(addr, _)| Value::Text(addr)),
        Kind::AddrVec => addrvec(text).map(Value::Text),
        Kind::Debug => return debug(text).map(Value::Str),
    };
    value.ok_or(Errno::EINVAL)
}

/// Splits at the first character that no number has.
fn number_and_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-' && c != '+').unwrap_or(text.len());
    text.split_at(end)
}

const UNITS: &str = "KMGTPE";

/// The power of the unit: 1 for K to 6 for E.
fn power(unit: char) -> Option<u32> {
    UNITS.find(unit).map(|at| at as u32 + 1)
}

/// A decimal number with an SI unit (1K is 1000): uint and int.
fn si(text: &str) -> Option<i128> {
    let (number, unit) = number_and_unit(text);
    let number = i128::from(number.parse::<i64>().ok()?);
    let mut unit = unit.chars();
    match (unit.next(), unit.next()) {
        (None, _) => Some(number),
        (Some(u), None) => number.checked_mul(1000i128.pow(power(u)?)),
        (Some(_), Some(_)) => None,
    }
}

fn int(text: &str) -> Option<i64> {
    si(text)?.try_into().ok()
}

fn uint(text: &str) -> Option<u64> {
    si(text)?.try_into().ok()
}

/// A number of bytes with an IEC unit (1K is 1024). Of two letters only the first is looked at, so that Ki and KB are K,
/// but Bi is refused.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text);
    let number = i128::from(number.parse::<i64>().ok()?);
    let exponent = match unit.as_bytes() {
        [] | [b'B'] => 0,
        [b'B', second] if *second != b'i' => 0,
        [first] | [first, _] => power(*first as char)?,
        _ => return None,
    };
    number.checked_mul(1024i128.pow(exponent))?.try_into().ok()
}

/// What C's strtod takes, all of it; too large and too small are refused.
fn float(text: &str) -> Option<f64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let magnitude: f64 = match lower.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ if lower.starts_with("nan(") && lower.ends_with(')') => f64::NAN,
        _ if lower.starts_with("0x") => hex_float(&lower[2..])?,
        _ if lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') => lower.parse().ok()?,
        _ => return None,
    };
    let is_zero = || lower.split('e').next().is_some_and(|m| m.bytes().all(|b| !(b'1'..=b'9').contains(&b)));
    let finite = !lower.starts_with(['i', 'n', 'x']) && !lower.starts_with("0x");
    if finite && (magnitude.is_infinite() || (magnitude < f64::MIN_POSITIVE && !is_zero())) {
        return None;
    }
    Some(magnitude.copysign(sign))
}

fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once('p') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(part.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let value = value * 2f64.powi(exponent.checked_sub(4 * i32::try_from(part.len()).ok()?)?);
    value.is_finite().then_some(value)
}

/// true and false in any case, or a number that fits an int: not zero is true.
fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    text.trim_ascii_start().parse::<i32>().ok().map(|n| n != 0)
}

/// Numbers with units of time, added up; the last may lack its unit. Nothing at all is 0.
fn secs(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = u64::try_from(rest[..end].parse::<i64>().ok()?).ok()?;
        rest = rest[end..].trim_ascii_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        let factor = match unit {
            "" if after.is_empty() => 1,
            "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hr" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86400,
            "w" | "wk" | "week" | "weeks" => 7 * 86400,
            "mo" | "month" | "months" => 30 * 86400,
            "y" | "yr" | "year" | "years" => 365 * 86400,
            _ => return None,
        };
        total = total.saturating_add(number.saturating_mul(factor));
        rest = after.trim_ascii_start();
    }
    Some(total)
}

/// 32 hexadecimal digits, with or without the four dashes, with or without braces.
fn uuid(text: &str) -> Option<String> {
    let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let dashed = text.len() == 36 && [8, 13, 18, 23].iter().all(|&at| text.as_bytes()[at] == b'-');
    let digits: String = if dashed { text.replace('-', "") } else { text.to_string() };
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let d = digits.to_ascii_lowercase();
    Some([&d[..8], &d[8..12], &d[12..16], &d[16..20], &d[20..]].join("-"))
}

/// `[v1:|v2:|any:]IP[:PORT][/NONCE]` and what is left of the text; `-` is no address. Only librados's own normal form is used, never a name look-up.
fn addr(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(("-".to_string(), rest));
    }
    let (prefix, text) = if let Some(rest) = text.strip_prefix("v1:") {
        ("v1:", rest)
    } else if let Some(rest) = text.strip_prefix("any:") {
        ("", rest)
    } else {
        ("v2:", text.strip_prefix("v2:").unwrap_or(text))
    };
    let (ip, mut rest) = if let Some(inner) = text.strip_prefix('[') {
        let (ip, rest) = inner.split_once(']')?;
        (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), rest)
    } else {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        match text[..end].parse::<Ipv4Addr>() {
            Ok(ip) => (IpAddr::V4(ip), &text[end..]),
            Err(_) => {
                let end = text.find(|c: char| !c.is_ascii_hexdigit() && c != ':').unwrap_or(text.len());
                (IpAddr::V6(text[..end].parse::<Ipv6Addr>().ok()?), &text[end..])
            }
        }
    };
    let mut number_after = |mark: char, max: u64| -> Option<u64> {
        let Some(after) = rest.strip_prefix(mark) else { return Some(0) };
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let number = if end == 0 { 0 } else { after[..end].parse::<u64>().ok().filter(|&n| n <= max)? };
        rest = &after[end..];
        Some(number)
    };
    let port = number_after(':', u64::from(u16::MAX))?;
    let nonce = number_after('/', u64::from(u32::MAX))?;
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Some((format!("{prefix}{ip}:{port}/{nonce}"), rest))
}

/// One address, or several in brackets.
fn addrvec(text: &str) -> Option<String> {
    let bracketed =
        text.strip_prefix('[').filter(|rest| rest.contains('.') || rest.contains("[") || rest.is_empty());
    let Some(mut rest) = bracketed else { return addr(text).map(|(addr, _)| addr) };
    let mut addrs = Vec::new();
    loop {
        let (one, after) = addr(rest)?;
        addrs.push(one);
        match after.split_at_checked(1)? {
            (",", next) => rest = next,
            ("]", _) => break,
            _ => return None,
        }
    }
    Some(if addrs.len() == 1 { addrs.remove(0) } else { format!("[{}]", addrs.join(",")) })
}

/// `LOG/GATHER` or one number for both, read as C's `sscanf("%d/%d")` reads it; 0 to 99.
fn debug(text: &str) -> Result<String, Errno> {
    let (log, rest) = scan_int(text).ok_or(Errno::EINVAL)?;
    let gather = rest.strip_prefix('/').and_then(scan_int).map(|(gather, _)| gather);
    if !(0..=99).contains(&log) || gather.is_some_and(|g| !(0..=99).contains(&g)) {
        return Err(Errno::ERANGE);
    }
    Ok(if gather.is_some() { text.to_string() } else { format!("{log}/{log}") })
}

fn scan_int(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_ascii_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let end = text[sign..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| at + sign);
    let number = if end == sign { return None } else { text[..end].parse().unwrap_or(i64::MAX) };
    Some((number, &text[end..]))
}

const FEATURES: [(&str, u64); 12] = [
    ("layering", 1),
    ("striping", 2),
    ("exclusive-lock", 4),
    ("object-map", 8),
    ("fast-diff", 16),
    ("deep-flatten", 32),
    ("journaling", 64),
    ("data-pool", 128),
    ("operations", 256),
    ("migrating", 512),
    ("non-primary", 1024),
    ("dirty-cache", 2048),
];

/// rbd_default_features: a number of the features that a user may ask for, or names divided by commas, added up; empty
/// means the default. librados adds a name that is there twice twice; so do we.
pub fn features(text: &str, default: &str) -> Result<Value, Errno> {
    let text = if text.is_empty() { default } else { text };
    if let Ok(number) = text.parse::<u64>() {
        return if number & !0xff == 0 { Ok(Value::Uint(number)) } else { Err(Errno::EINVAL) };
    }
    let mut sum = 0u64;
    for name in text.split(',') {
        let found = FEATURES.iter().find(|(known, _)| *known == name.trim_ascii());
        sum += found.ok_or(Errno::EINVAL)?.1;
    }
    Ok(Value::Uint(sum))
}
