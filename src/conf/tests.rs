//! The transcripts of Ceph's library (capi-tests/conf/*.txt) played on [`Config`], and what a transcript cannot show.

use std::collections::HashMap;
use std::path::Path;

use crate::sync::Mutex;

use super::*;

/// A process of our own: variables and files by name.
#[derive(Default)]
struct Fake {
    vars: Mutex<HashMap<String, String>>,
    files: Mutex<HashMap<String, Vec<u8>>>,
}

impl Fake {
    fn leaked() -> &'static Fake {
        Box::leak(Box::default())
    }
}

impl World for Fake {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.lock().get(name).cloned()
    }

    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        self.files.lock().get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn host_name(&self) -> String {
        "here".to_string()
    }
}

fn unescape(field: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = field.bytes();
    while let Some(b) = bytes.next() {
        match (b, if b == b'\\' { bytes.next() } else { None }) {
            (_, Some(b't')) => out.push(b'\t'),
            (_, Some(b'n')) => out.push(b'\n'),
            (_, Some(b'r')) => out.push(b'\r'),
            (_, Some(b'x')) => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            (b, None) | (_, Some(b)) => out.push(b),
        }
    }
    out
}

fn say(result: Result<(), Errno>) -> String {
    match result {
        Ok(()) => "0".to_string(),
        Err(errno) => errno.to_string(),
    }
}

/// One command of confsh.c, done on `Config`; what confsh prints.
fn play(config: &mut Option<Config>, world: &'static Fake, line: &str) -> String {
    let fields: Vec<Vec<u8>> = line.split('\t').map(unescape).collect();
    let texts: Vec<&str> = fields.iter().map(|f| std::str::from_utf8(f).unwrap_or("not text")).collect();
    let or_null = |at: usize| texts.get(at).copied().filter(|text| *text != "-");
    let text = |at: usize| texts.get(at).copied().unwrap_or_default();
    macro_rules! conf {
        () => {
            config.as_mut().unwrap()
        };
    }
    match texts[0] {
        "create" => {
            *config = Some(Config::new(or_null(1).unwrap_or("admin"), world));
            "0".to_string()
        }
        "create2" => {
            let made = Config::named(or_null(1).unwrap_or_default(), or_null(2).unwrap_or_default(), world);
            say(made.map(|made| *config = Some(made)))
        }
        "read" => say(conf!().read_file(or_null(1))),
        "set" => say(conf!().set(text(1), text(2))),
        "get" => match (conf!().get(text(1)), text(2).parse::<usize>()) {
            (Ok(value), Err(_)) => format!("[{value}] 0"),
            (Ok(value), Ok(room)) if room > value.len() => format!("[{value}] 0"),
            // The buffer itself is the business of capi: see tests/abi/conf.rs.
            (Ok(_), Ok(_)) => "ENAMETOOLONG".to_string(),
            (Err(errno), _) => errno.to_string(),
        },
        "argv" => say(conf!().parse_args(&texts[1..]).map(|_| ())),
        "bare" => {
            let left = conf!().parse_args(&texts[1..]).unwrap();
            let mut words: Vec<String> = left.iter().map(|&at| format!("[{}]", texts[at + 1])).collect();
            words.resize(texts.len() - 1, "[(null)]".to_string());
            words.join(" ") + " 0"
        }
        "remainder" => match conf!().parse_args(&texts[1..]) {
            Ok(left) => {
                let mut words: Vec<String> = vec![format!("[{}]", texts[0])];
                words.extend(left.iter().map(|&at| format!("[{}]", texts[at + 1])));
                words.resize(texts.len(), "[(null)]".to_string());
                words.join(" ") + " 0"
            }
            Err(errno) => "[untouched] ".repeat(texts.len()) + &errno.to_string(),
        },
        "env" => {
            conf!().parse_env(or_null(1).unwrap_or("CEPH_ARGS"));
            "0".to_string()
        }
        "setenv" => {
            world.vars.lock().insert(text(1).to_string(), text(2).to_string());
            "0".to_string()
        }
        "unsetenv" => {
            world.vars.lock().remove(text(1));
            "0".to_string()
        }
        "write" => {
            world.files.lock().insert(text(1).to_string(), fields.get(2).cloned().unwrap_or_default());
            if let Some(name) = texts.get(1) {
                // ./.ceph and the like are not in the transcripts: one name, one file.
                world.files.lock().insert(format!("./{name}"), fields.get(2).cloned().unwrap_or_default());
            }
            "0".to_string()
        }
        "shutdown" => {
            *config = None;
            "done".to_string()
        }
        other => panic!("{other}: no such command"),
    }
}

fn play_transcript(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("capi-tests/conf").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let (mut config, world, mut wrong, mut played) = (None, Fake::leaked(), Vec::new(), 0);
    let mut lines = text.lines().enumerate();
    let mut context = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let expected = lines.next().unwrap().1.strip_prefix("  ").unwrap();
        let mut got = play(&mut config, world, line);
        if expected.starts_with('(') && got == "ENAMETOOLONG" {
            got = expected.to_string();
        }
        played += 1;
        context.push(line);
        if got != expected {
            let before = &context[context.len().saturating_sub(7)..];
            wrong.push(format!("{name}:{}: {before:?}\n  is {got}\n  not {expected}", number + 1));
        }
    }
    assert!(played > 20 && wrong.is_empty(), "{} of {played} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn values() {
    play_transcript("values.txt");
}

#[test]
fn metavariables() {
    play_transcript("metavariables.txt");
}

#[test]
fn arguments() {
    play_transcript("arguments.txt");
}

#[test]
fn environment() {
    play_transcript("environment.txt");
}

#[test]
fn names() {
    play_transcript("names.txt");
}

#[test]
fn syntax() {
    play_transcript("syntax.txt");
}

#[test]
fn files() {
    play_transcript("files.txt");
}

/// Where librados looks, seen with strace: /etc/ceph, then the home folder, then the working folder.
#[test]
fn the_usual_places_are_searched_in_order() {
    let world = Fake::leaked();
    world.vars.lock().insert("HOME".to_string(), "/home/u".to_string());
    let find = || {
        let mut config = Config::new("x", world);
        config.read_file(None).map(|()| config.str("log_file"))
    };
    assert_eq!(find(), Err(Errno::ENOENT));
    for path in ["ceph.conf", "/home/u/.ceph/ceph.conf", "/etc/ceph/ceph.conf"] {
        let text = format!("[global]\nlog_file = {path}\n");
        world.files.lock().insert(path.to_string(), text.into_bytes());
        assert_eq!(find().as_deref(), Ok(path));
    }
}

/// After rados_connect: seen with a monitor of 16.2.15.
#[test]
fn a_connected_handle_keeps_what_is_fixed_at_start() {
    let mut config = Config::new("admin", Fake::leaked());
    config.set("mon_host", "a").unwrap();
    config.set_connected();
    assert_eq!(config.set("mon_host", "b"), Err(Errno::EPERM));
    assert_eq!(config.set("mon_host", "a"), Ok(()), "no change");
    assert_eq!(config.set("admin_socket", "/x"), Err(Errno::EPERM));
    for (option, value) in
        [("rbd_cache", "false"), ("keyring", "x"), ("log_file", "/x"), ("debug_rados", "5")]
    {
        assert_eq!(config.set(option, value), Ok(()), "{option}");
    }
    assert_eq!(config.set("nosuch", "1"), Err(Errno::ENOENT));
    assert_eq!(config.set("rbd_cache_size", "bad"), Err(Errno::EINVAL));
    assert_eq!(config.read_file(Some("/nonexistent")), Err(Errno::ENOSYS));
    assert_eq!(config.parse_args(&["--rbd_cache=true"]), Err(Errno::ENOSYS));
    config.parse_env("CEPH_ARGS");
    assert!(!config.bool("rbd_cache"));
}

/// librados ends the process here ("requires an argument"); a library must not.
#[test]
fn a_short_option_without_its_value_is_einval() {
    for last in ["-m", "--keyring", "-K"] {
        assert_eq!(Config::new("x", Fake::leaked()).parse_args(&[last]), Err(Errno::EINVAL), "{last}");
    }
}

/// librados aborts on some of these by an assertion of its parser's library.
#[test]
fn text_outside_ascii_is_einval_and_never_a_crash() {
    for bytes in
        [&b"\xef\xbb\xbf[global]\n"[..], "[global]\nlog_file = caf\u{e9}\n".as_bytes(), b"\xff", b"[", b"\\"]
    {
        assert_eq!(file::parse(bytes), Err(Errno::EINVAL), "{bytes:?}");
    }
    assert!(file::parse("[global]\n# caf\u{e9}\n".as_bytes()).is_ok());
}

#[test]
fn typed_getters_follow_what_is_set() {
    let mut config = Config::new("x", Fake::leaked());
    assert!(config.bool("rbd_cache"));
    assert_eq!(config.u64("rbd_cache_size"), 32 << 20);
    assert_eq!(config.f64("rbd_cache_max_dirty_age"), 1.0);
    assert_eq!(config.u64("rados_osd_op_timeout"), 0);
    assert_eq!(config.str("keyring").split(',').count(), 5);
    config.set("rbd_cache_size", "1M").unwrap();
    config.set("rbd_default_features", "layering").unwrap();
    assert_eq!((config.u64("rbd_cache_size"), config.u64("rbd_default_features")), (1 << 20, 1));
    assert_eq!(config.u64("logrbd_segment_size"), 8 << 20);
}

proptest::proptest! {
    /// Decoding is total.
    #[test]
    fn any_bytes_are_a_file_or_an_error(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = file::parse(&bytes);
    }

    #[test]
    fn any_file_like_text_is_a_file_or_an_error(text in r#"([\[\]a-z=#;"'\\ \t\r\n]|\\\n|\[global\]\n){0,60}"#) {
        if let Ok(sections) = file::parse(text.as_bytes()) {
            proptest::prop_assert!(sections.iter().all(|s| s.keys.iter().all(|(key, _)| !key.is_empty())));
        }
    }

    #[test]
    fn any_text_is_a_value_or_an_error(text in r"[-+0-9a-zA-Z.:/\[\],\$\{\} \x00-\x1f\u{e9}]{0,40}") {
        for opt in all_options() {
            let _ = opt.parse(&text);
        }
        let mut config = Config::new("x", Fake::leaked());
        config.set("log_file", &text).unwrap();
        config.get("log_file").unwrap();
    }
}

#[test]
fn monitors_decide_what_nobody_else_does() {
    let world = Fake::leaked();
    world.files.lock().insert("/c".into(), b"[client]\nrbd_cache_size = 3333\n".to_vec());
    let mut config = Config::named("ceph", "client.admin", world).unwrap();
    config.read_file(Some("/c")).unwrap();
    let values = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<BTreeMap<_, _>>()
    };
    let mut theirs = values(&[
        ("rbd_cache_size", "1111"),
        ("rbd_cache_max_dirty", "2222"),
        ("client_mount_timeout", "77"),
        ("rbd_cache_max_dirty_age", "not a number"),
        ("mon_host", "1.2.3.4"),
        ("keyring", "/elsewhere"),
        ("plugin_dir", "/before"),
        ("no_such_option", "1"),
    ]);
    config.set_mon_values(&theirs);
    let get = |config: &Config, name| config.get(name).unwrap();
    assert_eq!(get(&config, "rbd_cache_size"), "3333");
    assert_eq!(get(&config, "rbd_cache_max_dirty"), "2222");
    assert_eq!(get(&config, "client_mount_timeout"), "77");
    assert_eq!(get(&config, "rbd_cache_max_dirty_age"), "1.000000");
    assert_eq!(get(&config, "mon_host"), "");
    assert_ne!(get(&config, "keyring"), "/elsewhere");
    assert_eq!(get(&config, "plugin_dir"), "/before");
    // What is removed there is the default again, what was set by the program stays.
    config.set("rbd_cache_max_dirty", "6666").unwrap();
    config.set_connected();
    theirs.remove("client_mount_timeout");
    theirs.insert("plugin_dir".into(), "/after".into());
    config.set_mon_values(&theirs);
    assert_eq!(get(&config, "rbd_cache_max_dirty"), "6666");
    assert_eq!(get(&config, "client_mount_timeout"), "300");
    assert_eq!(get(&config, "plugin_dir"), "/before");
    config.set_mon_values(&BTreeMap::new());
    assert_eq!(get(&config, "rbd_cache_max_dirty"), "6666");
    assert_eq!(get(&config, "plugin_dir"), "/before");
}
