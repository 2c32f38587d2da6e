//! Options on command lines: rados_conf_parse_argv and what CEPH_ARGS holds.
//!
//! `--some-option=value`, `--some-option value`, `--some-flag`, `--no-some-flag` for every option, dashes and underscores
//! being one; `--default-some-option` below all else; and the short ones: -m, -k, -K, -M, -r, -d, -f, --bind. `--` ends
//! them. Learnt by calling Ceph's library, which ends the whole process where -m or -k lacks its value: ours is -EINVAL.

use super::options::{self, Kind};
use super::{Config, Level, World};
use crate::errno::Errno;

/// Short options with a value, and the option that each sets over everything else.
const WITH_VALUE: [(&[&str], &str); 6] = [
    (&["--mon_host", "-m"], "mon_host"),
    (&["--keyring", "-k"], "keyring"),
    (&["--keyfile", "-K"], "keyfile"),
    (&["--monmap", "-M"], "monmap"),
    (&["--client_mountpoint", "-r"], "client_mountpoint"),
    (&["--bind"], "public_addr"),
];

/// Takes the options out of `args` and gives the indices of what is left. EINVAL: an option has a bad value or none; those
/// before it are in force.
pub fn parse(
    config: &mut Config,
    args: &[&str],
    level: Level,
    world: &dyn World,
) -> Result<Vec<usize>, Errno> {
    let mut left = Vec::new();
    let mut at = 0;
    while at < args.len() {
        if args[at] == "--" {
            left.extend(at..args.len());
            break;
        }
        match one(config, &args[at..], level, world)? {
            0 => {
                left.push(at);
                at += 1;
            }
            used => at += used,
        }
    }
    Ok(left)
}

/// Handles the first of `args`; how many it took, 0 if it is none of ours.
fn one(config: &mut Config, args: &[&str], level: Level, world: &dyn World) -> Result<usize, Errno> {
    let (name, inline) = match args[0].split_once('=') {
        Some((name, value)) => (name.replace('-', "_"), Some(value)),
        None => (args[0].replace('-', "_"), None),
    };
    let is = |word: &str| name == word.replace('-', "_");
    let value = || inline.map(|v| (v, 1)).or_else(|| args.get(1).map(|v| (*v, 2)));

    let daemon = is("-d") || is("-f") || is("--foreground");
    if daemon && inline.is_none() {
        config.put("daemonize", "false", Level::Override)?;
        if is("-d") {
            config.put("log_file", "", Level::Override)?;
            config.put("log_to_stderr", "true", Level::Override)?;
            config.put("err_to_stderr", "true", Level::Override)?;
        }
        return Ok(1);
    }
    if (is("--mon-config") || is("--no-mon-config")) && inline.is_none() {
        return Ok(1);
    }
    for (words, option) in WITH_VALUE {
        if !words.iter().any(|word| is(word)) {
            continue;
        }
        let Some((value, used)) = value() else {
            tracing::error!(option, "the option needs a value");
            return Err(Errno::EINVAL);
        };
        if option != "keyfile" {
            config.put(option, value, Level::Override)?;
        } else if let Ok(bytes) = world.read(value) {
            // A key file that cannot be read is passed over in silence, as librados does.
            config.put("key", &String::from_utf8_lossy(&bytes), Level::Override)?;
        }
        return Ok(used);
    }

    let Some(word) = name.strip_prefix("__") else { return Ok(0) };
    if let Some(opt) = word.strip_prefix("no_").and_then(options::find)
        && opt.kind == Kind::Bool
    {
        if inline.is_some() {
            return Ok(0);
        }
        config.put(opt.name, "false", level)?;
        return Ok(1);
    }
    let (opt, level) = match (options::find(word), word.strip_prefix("default_").and_then(options::find)) {
        (Some(opt), _) => (opt, level),
        (None, Some(opt)) => (opt, Level::Default),
        (None, None) => return Ok(0),
    };
    if opt.kind == Kind::Bool {
        // On a command line only these four words are values.
        let word = |v: &str| ["true", "false", "1", "0"].contains(&v);
        let (value, used) = match (inline, args.get(1)) {
            (Some(value), _) if word(value) => (value, 1),
            (Some(value), _) => return Err(config.complain(opt.name, value, Errno::EINVAL)),
            (None, Some(next)) if word(next) => (*next, 2),
            (None, _) => ("true", 1),
        };
        config.put(opt.name, value, level)?;
        return Ok(used);
    }
    let (value, used) = value().ok_or(Errno::EINVAL)?;
    config.put(opt.name, value, level)?;
    Ok(used)
}
