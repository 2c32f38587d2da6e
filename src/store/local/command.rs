//! The commands that a local store answers, in the monitor's words. All others: EINVAL, "command not known".

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Shared, admin, clients, now_ns};
use crate::errno::Errno;
use crate::store::blocklist::{DEFAULT_EXPIRE_S, Fenced};
use crate::store::{CommandReply, CommandTarget, StoreError, StoreResult};

fn answer(result: i32, output: impl Into<Bytes>, status: impl Into<String>) -> StoreResult<CommandReply> {
    Ok(CommandReply { result, output: output.into(), status: status.into() })
}

fn failed(errno: Errno, status: impl Into<String>) -> StoreResult<CommandReply> {
    answer(errno.negated(), Bytes::new(), status)
}

/// A command's arguments.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn is_true(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text == "true" || text.starts_with("--"),
            _ => false,
        }
    }

    fn is_json(&self) -> bool {
        self.text("format").is_some_and(|format| format.starts_with("json"))
    }
}

impl Shared {
    pub(super) async fn command(
        self: Arc<Shared>,
        target: CommandTarget,
        cmd: Vec<String>,
    ) -> StoreResult<CommandReply> {
        let text = cmd.first().cloned().unwrap_or_default();
        let Ok(Value::Object(arguments)) = serde_json::from_str(&text) else {
            return failed(Errno::EINVAL, format!("unparseable JSON {text}"));
        };
        let arguments = Arguments(arguments);
        let Some(prefix) = arguments.text("prefix") else {
            return failed(Errno::EINVAL, "command prefix not found");
        };
        if !matches!(target, CommandTarget::Mon | CommandTarget::MonNamed(_)) && prefix != "version" {
            return failed(Errno::EINVAL, format!("No handler found for '{prefix}'"));
        }
        let json = arguments.is_json();
        match prefix.as_str() {
            "version" => {
                let version = format!("logrbd version {} (local store)", env!("CARGO_PKG_VERSION"));
                let text = if json { json!({ "version": version }).to_string() } else { version };
                answer(0, format!("{text}\n"), "")
            }
            "fsid" => {
                let fsid = &self.fsid;
                answer(0, if json { json!({ "fsid": fsid }).to_string() } else { format!("{fsid}\n") }, "")
            }
            "osd pool ls" | "osd lspools" => self.pools(&prefix, json).await,
            "osd pool create" => self.create_pool(arguments).await,
            "osd pool delete" | "osd pool rm" => self.delete_pool(arguments).await,
            "df" => self.usage(json).await,
            "osd blocklist ls" | "osd blacklist ls" => self.blocklist(json).await,
            "osd blocklist" | "osd blacklist" => self.change_blocklist(arguments).await,
            _ => failed(Errno::EINVAL, "command not known"),
        }
    }

    async fn pools(self: &Arc<Shared>, prefix: &str, json: bool) -> StoreResult<CommandReply> {
        let pools = self.query(admin::pool_list).await?;
        let text: String = match (prefix, json) {
            ("osd pool ls", true) => {
                json!(pools.iter().map(|(_, name)| name).collect::<Vec<_>>()).to_string()
            }
            ("osd pool ls", false) => pools.iter().map(|(_, name)| format!("{name}\n")).collect(),
            (_, true) => {
                let pools = pools.iter().map(|(id, name)| json!({ "poolnum": id.0, "poolname": name }));
                format!("{}\n", Value::from_iter(pools))
            }
            (_, false) => pools.iter().map(|(id, name)| format!("{} {name}\n", id.0)).collect(),
        };
        answer(0, text, "")
    }

    async fn create_pool(self: &Arc<Shared>, arguments: Arguments) -> StoreResult<CommandReply> {
        let Some(name) = arguments.text("pool") else {
            return failed(Errno::EINVAL, "missing required parameter pool");
        };
        let pool = name.clone();
        match self.transact(false, move |tx| admin::pool_create(tx, &pool, None)).await {
            Ok(_) => answer(0, Bytes::new(), format!("pool '{name}' created")),
            Err(error) if error.is(Errno::EEXIST) => {
                answer(0, Bytes::new(), format!("pool '{name}' already exists"))
            }
            Err(StoreError::Op(errno)) => failed(errno, format!("cannot create pool '{name}'")),
            Err(error) => Err(error),
        }
    }

    async fn delete_pool(self: &Arc<Shared>, arguments: Arguments) -> StoreResult<CommandReply> {
        let Some(name) = arguments.text("pool") else {
            return failed(Errno::EINVAL, "missing required parameter pool");
        };
        let sure = arguments.is_true("yes_i_really_really_mean_it")
            || arguments.text("sure").is_some_and(|sure| sure == "--yes-i-really-really-mean-it");
        if arguments.text("pool2").as_ref() != Some(&name) || !sure {
            let status = format!(
                "WARNING: this destroys all data stored in pool {name} for good. If that is what you want, pass \
                 the pool name twice, followed by --yes-i-really-really-mean-it."
            );
            return failed(Errno::EPERM, status);
        }
        let pool = name.clone();
        match self.transact(false, move |tx| admin::pool_delete(tx, &pool)).await {
            Ok(()) => answer(0, Bytes::new(), format!("pool '{name}' removed")),
            Err(StoreError::NoPool) => answer(0, Bytes::new(), format!("pool '{name}' does not exist")),
            Err(error) => Err(error),
        }
    }

    async fn usage(self: &Arc<Shared>, json: bool) -> StoreResult<CommandReply> {
        let stat = self.stat().await?;
        let pools = self.query(admin::pool_list).await?;
        let mut rows = Vec::new();
        for (pool, name) in pools {
            let (bytes, objects) = self.query(move |db| admin::pool_usage(db, pool)).await?;
            rows.push((pool, name, bytes, objects));
        }
        let (total, available, used) =
            (stat.total_kib * 1024, stat.available_kib * 1024, stat.used_kib * 1024);
        if json {
            let pools = rows.iter().map(|(pool, name, bytes, objects)| {
                let stats = json!({ "stored": bytes, "objects": objects, "kb_used": bytes.div_ceil(1024),
                    "bytes_used": bytes, "max_avail": available });
                json!({ "name": name, "id": pool.0, "stats": stats })
            });
            let stats =
                json!({ "total_bytes": total, "total_avail_bytes": available, "total_used_bytes": used });
            let all = json!({ "stats": stats, "pools": Value::from_iter(pools) });
            return answer(0, all.to_string(), "");
        }
        let mut text = format!("TOTAL {total} AVAIL {available} USED {used}\n\nPOOL ID STORED OBJECTS\n");
        for (pool, name, bytes, objects) in rows {
            text += &format!("{name} {} {bytes} {objects}\n", pool.0);
        }
        answer(0, text, "")
    }

    async fn blocklist(self: &Arc<Shared>, json: bool) -> StoreResult<CommandReply> {
        let mut entries = self.query(|db| clients::blocklist_entries(db, now_ns())).await?;
        entries.sort();
        let status = format!("listed {} entries", entries.len());
        let text = if json {
            let entries = entries.iter().map(|(addr, until)| json!({ "addr": addr, "until": time(*until) }));
            Value::from_iter(entries).to_string()
        } else {
            entries.iter().map(|(addr, until)| format!("{addr} {}\n", time(*until))).collect()
        };
        answer(0, text, status)
    }

    async fn change_blocklist(self: &Arc<Shared>, arguments: Arguments) -> StoreResult<CommandReply> {
        let change = arguments.text("blocklistop").or(arguments.text("blacklistop"));
        let address = arguments.text("addr").unwrap_or_default();
        let Ok(entry) = Fenced::parse(&address) else {
            return failed(Errno::EINVAL, format!("unable to parse address {address}"));
        };
        match change.as_deref() {
            Some("add") => {
                let expire = arguments.0.get("expire").and_then(Value::as_f64).unwrap_or(0.0);
                let expire_s = if expire > 0.0 { expire.ceil() as u32 } else { DEFAULT_EXPIRE_S };
                self.transact(false, move |tx| clients::fence(tx, &address, expire_s)).await?;
                let until = time(now_ns().saturating_add(u64::from(expire_s) * 1_000_000_000));
                answer(0, Bytes::new(), format!("blocklisting {entry} until {until} ({expire_s} sec)"))
            }
            Some("rm") => match self.transact(false, move |tx| clients::unfence(tx, &address)).await {
                Ok(()) => answer(0, Bytes::new(), format!("un-blocklisting {entry}")),
                Err(error) if error.is(Errno::ENOENT) => {
                    answer(0, Bytes::new(), format!("{entry} isn't blocklisted"))
                }
                Err(error) => Err(error),
            },
            _ => failed(Errno::EINVAL, "command not known"),
        }
    }
}

/// A time as the monitor prints it: 2026-11-21T03:59:39.504997+0000.
fn time(ns: u64) -> String {
    let since = (UNIX_EPOCH + Duration::from_nanos(ns)).duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86400, since.as_secs() % 86400);
    // Civil date from days since 1970 (proleptic Gregorian calendar, years from March).
    let shifted = days as i64 + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+0000")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_read_as_the_monitors() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000+0000"),
            (1_709_210_096_000_001_000, "2024-02-29T12:34:56.000001+0000"),
            (1_795_233_579_504_997_000, "2026-11-21T03:59:39.504997+0000"),
        ] {
            assert_eq!(super::time(ns), text);
        }
    }
}
