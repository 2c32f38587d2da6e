//! Ceph's configuration: options, their values by source, conf files, arguments, environment.
//!
//! A [`Config`] belongs to one cluster handle. What was set by a stronger source stays whatever a weaker one says later:
//! defaults, then the monitors' configuration (`ceph config set`), then the conf file, then CEPH_ARGS and CEPH_KEYRING, then arguments, then rados_conf_set. Facts come from
//! Ceph's documentation (rados/configuration/ceph-conf) and from what librados 16.2.15 answers; capi-tests/conf holds the
//! calls that were compared.

mod args;
pub(crate) mod file;
mod meta;
mod options;
pub(crate) mod value;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

pub use options::{Kind, Opt, all as all_options};
pub use value::Value;

use crate::errno::Errno;

/// Where a value came from; a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Default,
    /// `ceph config set`: what the monitors send.
    Mon,
    File,
    Env,
    Args,
    Override,
}

const LEVELS: usize = 6;

/// Options that monitors cannot set, by `ceph config help` (flag no_mon_update): those that say where the cluster is and who
/// one is, and those of daemons.
const NOT_OF_MONITORS: &[&str] = &[
    "chdir",
    "client_use_faked_inos",
    "daemonize",
    "fsid",
    "fuse_debug",
    "host",
    "key",
    "keyfile",
    "keyring",
    "lockdep",
    "mds_data",
    "mempool_debug",
    "mgr_data",
    "mgr_initial_modules",
    "mon_cache_target_full_warn_ratio",
    "mon_data",
    "mon_host",
    "mon_host_override",
    "mon_initial_members",
    "mon_osd_backfillfull_ratio",
    "mon_osd_full_ratio",
    "mon_osd_initial_require_min_compat_client",
    "mon_osd_nearfull_ratio",
    "monmap",
    "no_config_file",
    "osd_data",
    "osd_journal",
    "rgw_data",
];

/// What the configuration needs of the process around it, so that tests can give their own.
pub trait World: Sync {
    fn var(&self, name: &str) -> Option<String>;
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;
    fn host_name(&self) -> String;
}

/// The real process.
pub struct Process;

impl World for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn host_name(&self) -> String {
        let full = rustix::system::uname().nodename().to_string_lossy().into_owned();
        full.split('.').next().unwrap_or_default().to_string()
    }
}

/// The configuration of one cluster handle.
pub struct Config {
    /// Empty until it is given or a conf file is read.
    cluster: String,
    /// `client` nearly always.
    entity_type: String,
    id: String,
    /// A number for `$cctid`, different for each configuration of the process.
    serial: u64,
    set: HashMap<&'static str, [Option<Value>; LEVELS]>,
    /// After rados_connect: options that are not changed at run time are fixed.
    connected: bool,
    file_read: bool,
    world: &'static dyn World,
}

impl Config {
    /// The configuration of rados_create: type client, no cluster name yet. Reads CEPH_ARGS and CEPH_KEYRING, as librados
    /// does there.
    pub fn new(id: &str, world: &'static dyn World) -> Config {
        Config::with_entity("", "client", id, world)
    }

    /// The configuration of rados_create2. EINVAL: `name` is not TYPE.ID with a type that Ceph knows.
    pub fn named(cluster: &str, name: &str, world: &'static dyn World) -> Result<Config, Errno> {
        let (entity_type, id) = name.split_once('.').ok_or(Errno::EINVAL)?;
        if !["auth", "mon", "osd", "mds", "mgr", "client"].contains(&entity_type) {
            return Err(Errno::EINVAL);
        }
        Ok(Config::with_entity(cluster, entity_type, id, world))
    }

    fn with_entity(cluster: &str, entity_type: &str, id: &str, world: &'static dyn World) -> Config {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let mut config = Config {
            cluster: cluster.to_string(),
            entity_type: entity_type.to_string(),
            id: id.to_string(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            set: HashMap::new(),
            connected: false,
            file_read: false,
            world,
        };
        config.parse_env("CEPH_ARGS");
        config
    }

    /// What most programs use: the file of CEPH_CONF or of the usual places, then CEPH_ARGS. Errors as `named` and
    /// `read_file`.
    pub fn of_process(name: &str, world: &'static dyn World) -> Result<Config, Errno> {
        let mut config = Config::named("", name, world)?;
        config.read_file(None)?;
        config.parse_env("CEPH_ARGS");
        Ok(config)
    }

    /// Empty if neither a name nor a conf file gave one.
    pub fn cluster_name(&self) -> &str {
        &self.cluster
    }

    /// `client.admin`.
    pub fn entity_name(&self) -> String {
        format!("{}.{}", self.entity_type, self.id)
    }

    /// The part after the dot.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// This host's name up to its first dot.
    pub fn short_host_name(&self) -> String {
        self.world.host_name()
    }

    /// To be called once the handle is connected.
    pub fn set_connected(&mut self) {
        self.connected = true;
    }

    /// rados_conf_set. ENOENT: no such option. EINVAL (ERANGE for debug levels): a bad value. EPERM: fixed since the connect.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Errno> {
        let opt = named(key)?;
        let parsed = opt.parse(value)?;
        if self.connected && !opt.runtime && self.raw(opt) != parsed {
            return Err(Errno::EPERM);
        }
        self.store(opt, parsed, Level::Override);
        Ok(())
    }

    /// What the monitors have for this client: all of it, so what they had before and is not in it is not theirs any more.
    /// Options that are fixed since the connect stay as they are. Never fails: bad values are told in the log.
    pub fn set_mon_values(&mut self, values: &BTreeMap<String, String>) {
        let fixed = |config: &Config, opt: &Opt| config.connected && !opt.runtime;
        let gone: Vec<&'static str> = self
            .set
            .iter()
            .filter(|(name, levels)| levels[Level::Mon as usize].is_some() && !values.contains_key(**name))
            .map(|(name, _)| *name)
            .collect();
        for name in gone {
            if options::find(name).is_some_and(|opt| !fixed(self, opt)) {
                self.set.entry(name).or_default()[Level::Mon as usize] = None;
            }
        }
        for (name, value) in values {
            let Some(opt) = options::find(name).filter(|opt| !NOT_OF_MONITORS.contains(&opt.name)) else {
                tracing::debug!(
                    option = name,
                    "the monitors set an option that is not theirs to set, or unknown"
                );
                continue;
            };
            if fixed(self, opt) {
                tracing::debug!(
                    option = name,
                    "the monitors changed an option that is fixed since the connect"
                );
                continue;
            }
            // A bad value is told in the log and changes nothing.
            let _ = self.put(name, value, Level::Mon);
        }
    }

    /// rados_conf_get: the value's normal form, metavariables expanded. ENOENT: no such option.
    pub fn get(&self, key: &str) -> Result<String, Errno> {
        let opt = named(key)?;
        Ok(self.expanded(opt, &[]))
    }

    /// rados_conf_read_file. `paths` may be several, divided by commas or semicolons: the first that can be read is
    /// used. None means CEPH_CONF, else the usual places. ENOENT: none can be read. EINVAL: one is no configuration
    /// file. ENOSYS: connected already. A key that is unknown, or that has a bad value, is passed over.
    pub fn read_file(&mut self, paths: Option<&str>) -> Result<(), Errno> {
        if self.connected {
            return Err(Errno::ENOSYS);
        }
        let named = paths.is_some();
        let list = match paths {
            Some(paths) => paths.to_string(),
            None => self.world.var("CEPH_CONF").unwrap_or_else(|| {
                "/etc/ceph/$cluster.conf,$home/.ceph/$cluster.conf,$cluster.conf".to_string()
            }),
        };
        if !named && self.cluster.is_empty() {
            self.cluster = "ceph".to_string();
        }
        let paths = list.split([',', ';']).filter(|path| !path.is_empty());
        let paths: Vec<String> = paths.map(|path| meta::expand(path, &[], self)).collect();
        if paths.is_empty() && self.file_read {
            return Ok(()); // librados keeps what it read last
        }
        let Some((path, bytes)) = paths.iter().find_map(|path| Some((path, self.world.read(path).ok()?)))
        else {
            tracing::error!(tried = ?paths, "no configuration file can be read");
            return Err(Errno::ENOENT);
        };
        let sections =
            file::parse(&bytes).inspect_err(|_| tracing::error!(path, "not a configuration file"))?;
        if self.cluster.is_empty() {
            let file_name = path.rsplit('/').next().unwrap_or_default();
            self.cluster = file_name.strip_suffix(".conf").unwrap_or("ceph").to_string();
        }
        self.file_read = true;
        // The strongest section that has a key decides it, by its last line for it, even where that value is bad.
        let mut decided: HashMap<&str, &str> = HashMap::new();
        for name in ["global", &self.entity_type, &self.entity_name()] {
            let of_name = sections.iter().filter(|section| section.name == name);
            decided.extend(of_name.flat_map(|section| &section.keys).map(|(key, value)| (&**key, &**value)));
        }
        for (key, value) in decided.into_iter().filter(|(key, _)| options::find(key).is_some()) {
            // A bad value is told in the log and changes nothing.
            let _ = self.put(key, value, Level::File);
        }
        Ok(())
    }

    /// rados_conf_parse_argv and its `_remainder`: gives the indices of the arguments that are no options. EINVAL: a bad or
    /// missing value. ENOSYS: connected already. The first argument is one like the
    /// others: callers keep the program's name out where there is one.
    pub fn parse_args(&mut self, args: &[&str]) -> Result<Vec<usize>, Errno> {
        if self.connected {
            return Err(Errno::ENOSYS);
        }
        let world = self.world;
        args::parse(self, args, Level::Args, world)
    }

    /// rados_conf_parse_env: CEPH_KEYRING, CEPH_LIB, and arguments divided by spaces in the variable `name`. Never fails: bad
    /// values are told in the log. (librados keeps the first such variable of the process for good; we read it each time.)
    pub fn parse_env(&mut self, name: &str) {
        if self.connected {
            return;
        }
        for (variable, option) in [("CEPH_KEYRING", "keyring"), ("CEPH_LIB", "plugin_dir")] {
            if let Some(value) = self.world.var(variable) {
                let _ = self.put(option, &value, Level::Env);
            }
        }
        if let Some(line) = self.world.var(name) {
            let args: Vec<&str> = line.split(' ').filter(|arg| !arg.is_empty()).collect();
            let world = self.world;
            let _ = args::parse(self, &args, Level::Env, world);
        }
    }

    /// A string option, metavariables expanded.
    pub fn str(&self, name: &str) -> String {
        self.known(name).map(|opt| self.expanded(opt, &[])).unwrap_or_default()
    }

    /// A flag.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.known(name).map(|opt| self.raw(opt)), Some(Value::Bool(true)))
    }

    /// A uint, size, secs or millisecs option, or an int that is not negative (0 if it is).
    pub fn u64(&self, name: &str) -> u64 {
        match self.known(name).map(|opt| self.raw(opt)) {
            Some(Value::Uint(number)) => number,
            Some(Value::Int(number)) => u64::try_from(number).unwrap_or(0),
            _ => 0,
        }
    }

    /// An int option.
    pub fn i64(&self, name: &str) -> i64 {
        match self.known(name).map(|opt| self.raw(opt)) {
            Some(Value::Int(number)) => number,
            _ => 0,
        }
    }

    /// A float option.
    pub fn f64(&self, name: &str) -> f64 {
        match self.known(name).map(|opt| self.raw(opt)) {
            Some(Value::Float(number)) => number,
            _ => 0.0,
        }
    }

    /// For names that stand in our own code.
    fn known(&self, name: &str) -> Option<&'static Opt> {
        let found = options::find(name);
        debug_assert!(found.is_some(), "no option is called {name}");
        found
    }

    /// The strongest value, not expanded.
    fn raw(&self, opt: &'static Opt) -> Value {
        let set = self.set.get(opt.name).and_then(|levels| levels.iter().rev().flatten().next());
        set.cloned().unwrap_or_else(|| {
            // Empty and `-` defaults of types that have no such value stand as text.
            opt.parse(self.default_of(opt)).unwrap_or_else(|_| Value::Text(opt.default.to_string()))
        })
    }

    /// Daemons have other defaults for the keyring (seen with rados_create2 and rados_conf_get).
    fn default_of(&self, opt: &'static Opt) -> &'static str {
        match (opt.name, self.entity_type.as_str()) {
            ("keyring", "osd") => "$osd_data/keyring",
            ("keyring", "mds") => "$mds_data/keyring",
            _ => opt.default,
        }
    }

    fn expanded(&self, opt: &'static Opt, within: &[&str]) -> String {
        match self.raw(opt) {
            Value::Str(text) => {
                let mut within = within.to_vec();
                within.push(opt.name);
                meta::expand(&text, &within, self)
            }
            other => other.to_string(),
        }
    }

    /// Options that are set, in the order of their names, with what each source says (0 default, 1 monitors, 2 file,
    /// 3 environment, 4 arguments, 5 rados_conf_set), not expanded; without `key`, which is secret.
    pub fn set_by_source(&self) -> Vec<(String, Vec<(u32, String)>)> {
        let told = |levels: &[Option<Value>; LEVELS]| -> Vec<(u32, String)> {
            let levels = (0..).zip(levels);
            levels.filter_map(|(level, value)| Some((level, value.as_ref()?.to_string()))).collect()
        };
        let mut all: Vec<_> = self
            .set
            .iter()
            .filter(|(name, _)| **name != "key")
            .map(|(name, levels)| (name.to_string(), told(levels)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        all.sort();
        all
    }

    /// Ceph's options with their defaults in normal form.
    pub fn defaults(&self) -> Vec<(String, String)> {
        let normal =
            |opt: &Opt| opt.parse(opt.default).map_or_else(|_| opt.default.to_owned(), |v| v.to_string());
        let of_ceph = options::all().filter(|opt| !opt.name.starts_with("logrbd_"));
        of_ceph.map(|opt| (opt.name.to_owned(), normal(opt))).collect()
    }

    fn store(&mut self, opt: &'static Opt, value: Value, level: Level) {
        self.set.entry(opt.name).or_default()[level as usize] = Some(value);
    }

    /// Sets an option of a known name; a bad value is told in the log.
    fn put(&mut self, name: &str, value: &str, level: Level) -> Result<(), Errno> {
        let opt = options::find(name).ok_or(Errno::ENOENT)?;
        let parsed = opt.parse(value).map_err(|errno| self.complain(name, value, errno))?;
        self.store(opt, parsed, level);
        Ok(())
    }

    fn complain(&self, option: &str, value: &str, errno: Errno) -> Errno {
        tracing::warn!(option, value, "bad value of an option");
        errno
    }
}

impl meta::Lookup for Config {
    fn lookup(&self, word: &str, within: &[&str]) -> Option<meta::Found> {
        use meta::Found;
        let text = match word {
            "cluster" => self.cluster.clone(),
            "type" => self.entity_type.clone(),
            "id" | "num" => self.id.clone(),
            "name" => self.entity_name(),
            "pid" => std::process::id().to_string(),
            "cctid" => self.serial.to_string(),
            "home" => return Some(Found::Home(self.world.var("HOME").unwrap_or_default())),
            "host" if within.contains(&"host") => return Some(Found::Circle),
            "host" => match self.str("host") {
                name if name.is_empty() => self.world.host_name(),
                name => name,
            },
            _ => {
                let opt = options::find(word)?;
                if within.contains(&word) {
                    return Some(Found::Circle);
                }
                self.expanded(opt, within)
            }
        };
        Some(Found::Text(text))
    }
}

/// The option that a program names. EINVAL: it names none at all. ENOENT: there is none of that name.
fn named(key: &str) -> Result<&'static options::Opt, Errno> {
    if key.is_empty() {
        return Err(Errno::EINVAL);
    }
    options::find(&options::fold(key)).ok_or(Errno::ENOENT)
}

/// Whether an option can have a value, wherever it is kept. ENOENT: no such option. EINVAL: not that value.
pub fn check(name: &str, value: &str) -> Result<(), Errno> {
    options::find(name).ok_or(Errno::ENOENT)?.parse(value).map(drop)
}

#[cfg(test)]
mod tests;
