//! What can be said on the command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Log-structured images on Ceph, or in a folder: checks them and shows what they use.
///
/// The store is the one that the configuration names, as for every program that uses librbd: CEPH_CONF, CEPH_ARGS and
/// the options below. `mon_host = local:/folder` is a store in a folder.
#[derive(Parser)]
#[command(
    name = "logrbd",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  logrbd -m local:/srv/store check rbd/vm1
  logrbd -c /etc/ceph/ceph.conf check --all --pool rbd
  logrbd -m local:/srv/store check rbd/vm1 --repair
  logrbd -m local:/srv/store du rbd/vm1 --format json"
)]
pub struct Args {
    /// Configuration file (default: CEPH_CONF, or Ceph's usual places).
    #[arg(short = 'c', long = "conf", global = true, value_name = "FILE")]
    pub conf: Option<String>,
    /// Name of the client without its type.
    #[arg(long, global = true, value_name = "ID", conflicts_with = "name")]
    pub id: Option<String>,
    /// Name of the client with its type, such as client.admin.
    #[arg(short = 'n', long, global = true, value_name = "TYPE.ID")]
    pub name: Option<String>,
    /// mon_host: monitors, or local:/folder.
    #[arg(short = 'm', long = "mon-host", global = true, value_name = "HOSTS")]
    pub mon_host: Option<String>,
    /// Any other option of the configuration.
    #[arg(short = 'o', long = "option", global = true, value_name = "KEY=VALUE")]
    pub options: Vec<String>,
    /// Pool of images whose names have none.
    #[arg(short = 'p', long, global = true, default_value = "rbd")]
    pub pool: String,
    /// Namespace of images whose names have none.
    #[arg(long, global = true, default_value = "")]
    pub namespace: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Check(Check),
    Du(Du),
    Ls(Ls),
    #[command(subcommand)]
    PersistentCache(PersistentCache),
}

/// The local log of an image that was opened with rbd_persistent_cache_mode = ssd: changes that were flushed and are not in
/// the store yet.
#[derive(Subcommand)]
pub enum PersistentCache {
    /// Says whether the newest changes of an image are only in a log, and in which one.
    Status(CacheStatus),
    /// Brings what the log has to the store. On the host that has the log.
    Flush(CacheFlush),
    /// Gives up what only the log has: the image becomes what the store has, and can be opened everywhere.
    Invalidate(CacheInvalidate),
}

#[derive(ClapArgs)]
pub struct CacheStatus {
    /// [POOL/[NAMESPACE/]]IMAGE
    pub image: String,
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    pub format: Format,
}

#[derive(ClapArgs)]
pub struct CacheFlush {
    /// [POOL/[NAMESPACE/]]IMAGE
    pub image: String,
}

#[derive(ClapArgs)]
pub struct CacheInvalidate {
    /// [POOL/[NAMESPACE/]]IMAGE
    pub image: String,
    /// Changes that were acknowledged are lost for good: say so.
    #[arg(long)]
    pub force: bool,
}

/// Verifies all that an image has in the store: every checksum, map entry, segment count, snapshot and orphan.
///
/// Takes no lock and changes nothing without --repair. Exit code: 0 clean, 1 all that was found was repaired, 2 only
/// space that was not given back, 4 something is wrong, 8 the check could not be done, 16 bad arguments; the codes of
/// several images are or-ed together.
#[derive(ClapArgs)]
pub struct Check {
    /// [POOL/[NAMESPACE/]]IMAGE
    #[arg(required_unless_present = "all")]
    pub image: Option<String>,
    /// All images of the pool and namespace, and their names.
    #[arg(long, conflicts_with = "image")]
    pub all: bool,
    /// Repairs what can be repaired without inventing data. Nobody else may have the image open.
    #[arg(long)]
    pub repair: bool,
    /// With --repair: says what would be repaired, and does not.
    #[arg(long, requires = "repair")]
    pub dry_run: bool,
    /// Prints nothing but what is wrong.
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    pub format: Format,
}

/// Shows what images may use and what they use, snapshot by snapshot, exactly.
#[derive(ClapArgs)]
pub struct Du {
    /// [POOL/[NAMESPACE/]]IMAGE; without it all images of the pool and namespace.
    pub image: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    pub format: Format,
}

/// Lists the images of a pool and namespace.
#[derive(ClapArgs)]
pub struct Ls {
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    pub format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Plain,
    Json,
}
