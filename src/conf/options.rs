//! The table of options: Ceph's own (options.tsv), those of later releases that are known here (options_later.tsv), and ours
//! (options_own.tsv).
//!
//! options.tsv holds what `ceph config ls` and `ceph config help OPTION` of 16.2.15 say, and the `debug_*` options that
//! `ceph-conf --show-config` adds; defaults are what rados_conf_get says of a new client. `change` is `startup` where rados_conf_set of another value after rados_connect answers
//! -EPERM (tried on each option). To add one of ours, add a line to options_own.tsv and one to docs/configuration.md; its name begins with `logrbd_`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::value::{self, Value};
use crate::errno::Errno;

/// The type of an option's value, as `ceph config help` names it; `Debug` is the `LOG/GATHER` pair of debug_*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Str,
    Int,
    Uint,
    Size,
    Float,
    Bool,
    Secs,
    Millisecs,
    Uuid,
    Addr,
    AddrVec,
    Debug,
}

/// One option.
#[derive(Debug)]
pub struct Opt {
    pub name: &'static str,
    pub kind: Kind,
    /// As in a file: metavariables are not expanded yet.
    pub default: &'static str,
    min: Option<f64>,
    max: Option<f64>,
    /// Whether rados_conf_set may change it after rados_connect.
    pub runtime: bool,
    /// The allowed values; empty: any.
    values: Vec<&'static str>,
}

impl Opt {
    /// Checks and normalises a value; EINVAL, or ERANGE for debug levels, says that it is none.
    pub fn parse(&self, text: &str) -> Result<Value, Errno> {
        let value = match self.name {
            "rbd_default_features" => value::features(text, self.default)?,
            // No pool is called so; librados takes the default instead.
            "rbd_default_pool" | "rbd_default_data_pool" if text.is_empty() || text.contains(['@', '/']) => {
                Value::Str(self.default.to_string())
            }
            _ => value::parse(self.kind, text)?,
        };
        if !self.values.is_empty() && !self.values.contains(&text) {
            return Err(Errno::EINVAL);
        }
        if let Some(number) = value.as_number()
            && (self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max))
        {
            return Err(Errno::EINVAL);
        }
        Ok(value)
    }
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "str" => Kind::Str,
        "int" => Kind::Int,
        "uint" => Kind::Uint,
        "size" => Kind::Size,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "secs" => Kind::Secs,
        "millisecs" => Kind::Millisecs,
        "uuid" => Kind::Uuid,
        "addr" => Kind::Addr,
        "addrvec" => Kind::AddrVec,
        "debug" => Kind::Debug,
        _ => return None,
    })
}

fn row(line: &'static str) -> Option<Opt> {
    let [name, ty, default, min, max, change, values] =
        line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    Some(Opt {
        name,
        kind: kind(ty)?,
        default,
        min: min.parse().ok(),
        max: max.parse().ok(),
        runtime: change == "runtime",
        values: values.split(',').filter(|_| !values.is_empty()).collect(),
    })
}

static TABLE: LazyLock<HashMap<&'static str, Opt>> = LazyLock::new(|| {
    let texts =
        [include_str!("options.tsv"), include_str!("options_later.tsv"), include_str!("options_own.tsv")];
    let rows = texts.into_iter().flat_map(|text| text.lines().skip(1)).filter_map(row);
    rows.map(|opt| (opt.name, opt)).collect()
});

/// The option of this exact name.
pub fn find(name: &str) -> Option<&'static Opt> {
    TABLE.get(name)
}

/// Every option, in no order.
pub fn all() -> impl Iterator<Item = &'static Opt> {
    TABLE.values()
}

/// A key as people write it in files and in rados_conf_set: blanks around it do not count, blanks inside are one
/// underscore. Dashes are not folded there (only in arguments), and case counts: so does librados.
pub fn fold(key: &str) -> String {
    key.split_ascii_whitespace().collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_option_with_a_good_default() {
        let tables =
            [include_str!("options.tsv"), include_str!("options_later.tsv"), include_str!("options_own.tsv")];
        let lines: usize = tables.iter().map(|table| table.lines().count() - 1).sum();
        assert_eq!(all().count(), lines);
        for opt in all() {
            // Not accepted: empty and unset where the type has no such value, and one range of Ceph's that nothing is in.
            let odd = opt.default.is_empty() || opt.name == "rgw_rados_pool_recovery_priority";
            assert!(odd || opt.parse(opt.default).is_ok(), "{opt:?}");
        }
        let manual = include_str!("../../docs/configuration.md");
        for line in include_str!("options_own.tsv").lines().skip(1) {
            let name = line.split('\t').next().unwrap();
            assert!(name.starts_with("logrbd_"), "{name}");
            assert!(manual.contains(&format!("| `{name}` |")), "{name} is not in docs/configuration.md");
        }
    }

    #[test]
    fn keys_fold_as_in_librados() {
        assert_eq!(fold(" rbd   cache\t"), "rbd_cache");
        assert_eq!(fold("rbd-cache"), "rbd-cache");
        assert!(find("RBD_CACHE").is_none());
    }

    #[test]
    fn ranges_and_lists_bind() {
        let threads = find("ms_async_op_threads").unwrap();
        assert_eq!(["0", "1", "24", "25"].map(|v| threads.parse(v).is_ok()), [false, true, true, false]);
        assert!(find("rbd_cache_policy").unwrap().parse("writethrough").is_ok());
        assert_eq!(find("rbd_cache_policy").unwrap().parse("foo"), Err(Errno::EINVAL));
    }
}
