//! The log: events of all rooms, written where Ceph's log options say and in Ceph's line format.
//!
//! There is no subscriber before the first connect. Errors (level -1) go to stderr, as a Ceph client's do although its
//! `log_to_stderr` and `err_to_stderr` read `false`; `logrbd_log_errors = false` is for those who want silence.
//! `log_to_stderr = true` sends everything there; `log_file` names a file (unless `log_to_file = false`). How much:
//! `debug_rbd` for the image and disk rooms, `debug_rados` for all others, as `N` or `N/M`, where warnings are 0,
//! information 5, debugging 10, traces 20.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sync::{Mutex, RwLock};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

use crate::client::Context;

/// Applies a context's log options; the newest connect of the process decides. The first one installs the
/// subscriber (unless the program that we are linked into as a Rust crate has its own).
pub fn start(context: &Context) {
    let target = Target::of(context);
    LEVELS[IMAGE].store(rank(target.image), Ordering::Relaxed);
    LEVELS[OTHER].store(rank(target.other), Ordering::Relaxed);
    *TARGET.write() = target;
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock();
    if *installed {
        tracing_core::callsite::rebuild_interest_cache();
    } else {
        *installed = true;
        // Fails only if there is one already: then it is not ours to replace.
        let _ = tracing::subscriber::set_global_default(Lines);
    }
}

const IMAGE: usize = 0;
const OTHER: usize = 1;

/// Ranks of the most verbose levels that are wanted anywhere.
static LEVELS: [AtomicU8; 2] = [AtomicU8::new(1), AtomicU8::new(1)];

static TARGET: RwLock<Target> = RwLock::new(Target {
    all_to_stderr: false,
    errors_to_stderr: true,
    file: None,
    path: None,
    image: LevelFilter::WARN,
    other: LevelFilter::WARN,
});

struct Target {
    all_to_stderr: bool,
    errors_to_stderr: bool,
    file: Option<File>,
    path: Option<PathBuf>,
    image: LevelFilter,
    other: LevelFilter,
}

impl Target {
    fn of(context: &Context) -> Target {
        let conf = context.conf.lock();
        let path = Some(conf.str("log_file")).filter(|path| !path.is_empty() && conf.bool("log_to_file"));
        let path = path.map(PathBuf::from);
        // A log that cannot be opened is no reason to fail the client: Ceph's goes on without, too.
        let file =
            path.as_ref().and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok());
        let all_to_stderr = conf.bool("log_to_stderr");
        let nowhere = file.is_none() && !all_to_stderr;
        let level = |option| if nowhere { LevelFilter::ERROR } else { level_of(&conf.str(option)) };
        let (image, other) = (level("debug_rbd"), level("debug_rados"));
        let errors_to_stderr = conf.bool("logrbd_log_errors");
        Target { all_to_stderr, errors_to_stderr, file, path, image, other }
    }

    fn write(&self, level: Level, line: &str) {
        if self.all_to_stderr || (self.errors_to_stderr && level == Level::ERROR) {
            // Nobody is left to tell if this fails.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        if let Some(mut file) = self.file.as_ref()
            && let Err(error) = file.write_all(line.as_bytes())
            && self.errors_to_stderr
        {
            let path = self.path.as_deref().unwrap_or("log".as_ref()).display();
            let _ = writeln!(std::io::stderr(), "{path}: {error}: {line}");
        }
    }
}

/// `N` or `N/M`: what is written is N's, M is about Ceph's in-memory log, which there is none of.
fn level_of(value: &str) -> LevelFilter {
    match value.split('/').next().unwrap_or("").trim().parse::<i32>() {
        Ok(..=-1) | Err(_) => LevelFilter::ERROR,
        Ok(0..5) => LevelFilter::WARN,
        Ok(5..10) => LevelFilter::INFO,
        Ok(10..20) => LevelFilter::DEBUG,
        Ok(20..) => LevelFilter::TRACE,
    }
}

fn rank(level: LevelFilter) -> u8 {
    match level.into_level() {
        None => 0,
        Some(level) => rank_of(level),
    }
}

fn rank_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn number_of(level: Level) -> i32 {
    match level {
        Level::ERROR => -1,
        Level::WARN => 0,
        Level::INFO => 5,
        Level::DEBUG => 10,
        Level::TRACE => 20,
    }
}

fn is_wanted(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target.starts_with("logrbd");
    let room =
        if target.starts_with("logrbd::image") || target.starts_with("logrbd::disk") { IMAGE } else { OTHER };
    ours && metadata.is_event() && rank_of(*metadata.level()) <= LEVELS[room].load(Ordering::Relaxed)
}

/// Writes each event as a line. Spans are not used.
struct Lines;

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_wanted(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_wanted(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let target = TARGET.read();
        Some(target.image.max(target.other))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut text = Text::default();
        event.record(&mut text);
        let module = event.metadata().target().trim_start_matches("logrbd::").replace("::", ".");
        let line = format!(
            "{} {} {:>2} {module}: {}{}\n",
            Timestamp(SystemTime::now()),
            thread_id(),
            number_of(level),
            text.message,
            text.fields
        );
        TARGET.read().write(level, &line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

fn thread_id() -> String {
    // A number that `gdb` and `/proc/PID/task` show, unlike the pointer that Ceph prints.
    rustix::thread::gettid().as_raw_nonzero().to_string()
}

/// `2026-11-21T02:59:43.529+0000`: always UTC, so that no time zone file is read behind the program's back.
struct Timestamp(SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        f.write_str(&utc(since.as_secs(), since.subsec_millis(), 3))
    }
}

/// A time as Ceph prints it, in UTC: seconds since 1970, and a fraction of `digits` decimals.
pub fn utc(seconds: u64, fraction: u32, digits: usize) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:0digits$}+0000")
}

/// The date that is `days` after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::conf::{Config, Process};

    #[test]
    fn timestamps() {
        let at =
            |s, ms| Timestamp(UNIX_EPOCH + Duration::from_secs(s) + Duration::from_millis(ms)).to_string();
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000+0000");
        assert_eq!(at(951_782_399, 7), "2000-02-28T23:59:59.007+0000");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000+0000");
        assert_eq!(at(1_795_230_000, 529), "2026-11-21T03:00:00.529+0000");
        assert_eq!(at(4_107_542_399, 0), "2100-02-28T23:59:59.000+0000");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000+0000");
    }

    #[test]
    fn levels_as_ceph_writes_them() {
        assert_eq!(level_of("0/5"), LevelFilter::WARN);
        assert_eq!(level_of("20"), LevelFilter::TRACE);
        assert_eq!(level_of("10/0"), LevelFilter::DEBUG);
        assert_eq!(level_of("nonsense"), LevelFilter::ERROR);
    }

    #[test]
    fn one_process_logs_to_the_newest_file() {
        let folder = tempfile::tempdir().unwrap();
        let log_to = |name: &str, debug: &str| {
            let mut conf = Config::new("admin", &Process);
            let path = folder.path().join(name);
            conf.set("log_file", path.to_str().unwrap()).unwrap();
            conf.set("debug_rados", debug).unwrap();
            start(&Context::new(conf));
            path
        };
        let first = log_to("first", "5");
        tracing::info!(target: "logrbd::tests", object = "o", "heard once");
        tracing::debug!(target: "logrbd::tests", "not asked for");
        let second = log_to("second", "20");
        tracing::trace!(target: "logrbd::tests", "heard twice");
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert!(read(&first).contains(" 5 tests: heard once object=\"o\"\n"), "{}", read(&first));
        assert!(!read(&first).contains("not asked for") && !read(&first).contains("heard twice"));
        assert!(read(&second).contains("20 tests: heard twice\n"));
    }
}
