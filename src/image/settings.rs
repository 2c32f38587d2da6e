//! Options of an image: Ceph's names and defaults, as the configuration, the pool and the image itself set them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ImageResult, refuse};
use super::features;
use super::readahead::ReadaheadOptions;
use crate::disk::ssd::{LocalDisk, LocalLogOptions, LocalOptions, SystemDisk};
use crate::disk::{CacheOptions, DEFAULT_SEGMENT_BYTES, DiskOptions};
use crate::errno::Errno;

const CACHE_MODE: &str = "rbd_persistent_cache_mode";

/// Where options come from: the value of a name, if it is set or has a default.
pub type Conf = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A configuration that sets nothing.
pub fn no_conf() -> Conf {
    Arc::new(|_| None)
}

/// Which layer an option's value comes from; the last one that has it wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    Config,
    Pool,
    Image,
}

/// The options of one pool or image.
#[derive(Clone)]
pub struct Layers {
    pub conf: Conf,
    pub pool: BTreeMap<String, String>,
    pub image: BTreeMap<String, String>,
}

impl Layers {
    pub fn of_conf(conf: Conf) -> Layers {
        Layers { conf, pool: BTreeMap::new(), image: BTreeMap::new() }
    }

    pub fn get(&self, name: &str) -> Option<(String, Source)> {
        if let Some(value) = self.image.get(name) {
            return Some((value.clone(), Source::Image));
        }
        if let Some(value) = self.pool.get(name) {
            return Some((value.clone(), Source::Pool));
        }
        (self.conf)(name).map(|value| (value, Source::Config))
    }

    /// The value of a known option with where it comes from; a value that cannot be read counts as not set.
    fn read<T>(&self, name: &str, default: T, parse: impl Fn(&str) -> Option<T>) -> T {
        match self.get(name) {
            None => default,
            Some((text, _)) => parse(text.trim()).unwrap_or_else(|| {
                tracing::warn!("option {name}: cannot read {text:?}, the default holds");
                default
            }),
        }
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.read(name, default, parse_flag)
    }

    fn size(&self, name: &str, default: u64) -> u64 {
        self.read(name, default, parse_size)
    }

    fn seconds(&self, name: &str, default: f64) -> Duration {
        let seconds = self.read(name, default, |text| text.parse::<f64>().ok().filter(|s| *s >= 0.0));
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
    }
}

pub fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Bytes, with an optional binary unit: `64K`, `4M`, `1Gi`.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        "E" => 60,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// What an open image goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    pub disk: DiskOptions,
    /// Discards are cut to whole multiples of this; 0: not at all.
    pub discard_granularity: u64,
    pub blocklist_on_break_lock: bool,
    /// 0: the store's default.
    pub blocklist_expire_s: u32,
    /// How long another opener may take to do something for this one.
    pub request_timeout: Duration,
    pub access_update: Duration,
    pub modify_update: Duration,
    pub readahead: ReadaheadOptions,
}

impl Settings {
    pub fn from_layers(layers: &Layers) -> Settings {
        let defaults = DiskOptions::default();
        let mut cache = CacheOptions {
            enabled: layers.flag("rbd_cache", defaults.cache.enabled),
            size_bytes: layers.size("rbd_cache_size", defaults.cache.size_bytes),
            max_dirty_bytes: layers.size("rbd_cache_max_dirty", defaults.cache.max_dirty_bytes),
            target_dirty_bytes: layers.size("rbd_cache_target_dirty", defaults.cache.target_dirty_bytes),
            max_dirty_age: layers
                .seconds("rbd_cache_max_dirty_age", defaults.cache.max_dirty_age.as_secs_f64()),
            writethrough_until_flush: layers
                .flag("rbd_cache_writethrough_until_flush", defaults.cache.writethrough_until_flush),
        };
        if layers.get("rbd_cache_policy").is_some_and(|(policy, _)| policy == "writethrough") {
            cache.max_dirty_bytes = 0;
        }
        let read_cache_bytes = layers.size("logrbd_read_cache_size", defaults.read_cache_bytes);
        let disk = DiskOptions {
            read_cache_bytes: if cache.enabled { read_cache_bytes } else { 0 },
            cache,
            map_memory_bytes: layers.size("logrbd_map_memory", defaults.map_memory_bytes),
            checkpoint_log_bytes: layers.size("logrbd_checkpoint_log_size", defaults.checkpoint_log_bytes),
            segments_in_flight: layers.read(
                "logrbd_segments_in_flight",
                defaults.segments_in_flight,
                |text| text.parse().ok().filter(|n| (1..=16).contains(n)),
            ),
            gc: layers.flag("logrbd_gc", defaults.gc),
            gc_utilisation_percent: layers.read(
                "logrbd_gc_utilisation_percent",
                defaults.gc_utilisation_percent,
                |text| text.parse().ok().filter(|n| (1..=100).contains(n)),
            ),
            gc_record_bytes: defaults.gc_record_bytes,
            defrag_reads: layers.read("logrbd_defrag_reads", defaults.defrag_reads, |text| text.parse().ok()),
            defrag_range_blocks: defaults.defrag_range_blocks,
            defrag_piece_blocks: defaults.defrag_piece_blocks,
            payload_share: defaults.payload_share,
            local: local_options(layers),
        };
        // Without a cache there is nowhere to read to.
        let readahead_bytes = match disk.read_cache_bytes {
            0 => 0,
            cache => layers.size("rbd_readahead_max_bytes", 512 << 10).min(cache / 8),
        };
        let granularity = layers.size("rbd_discard_granularity_bytes", 65536);
        Settings {
            disk,
            discard_granularity: if layers.flag("rbd_skip_partial_discard", true) { granularity } else { 0 },
            blocklist_on_break_lock: layers.flag("rbd_blocklist_on_break_lock", true),
            blocklist_expire_s: layers.read("rbd_blocklist_expire_seconds", 0, |text| text.parse().ok()),
            request_timeout: layers.seconds("rbd_request_timed_out_seconds", 30.0),
            access_update: layers.seconds("rbd_atime_update_interval", 60.0),
            modify_update: layers.seconds("rbd_mtime_update_interval", 60.0),
            readahead: ReadaheadOptions {
                trigger_requests: layers.read("rbd_readahead_trigger_requests", 10, |text| text.parse().ok()),
                max_bytes: readahead_bytes,
                disable_after_bytes: layers.size("rbd_readahead_disable_after_bytes", 50 << 20),
            },
        }
    }
}

/// Where this host's logs are.
pub(super) fn local_disk(layers: &Layers) -> Arc<dyn LocalDisk> {
    let host_id =
        layers.get("logrbd_host_id").map(|(id, _)| id.trim().to_owned()).filter(|id| !id.is_empty());
    Arc::new(SystemDisk { host_id })
}

fn local_options(layers: &Layers) -> LocalOptions {
    let log = layers.get(CACHE_MODE).filter(|(mode, _)| mode == "ssd").map(|_| LocalLogOptions {
        folder: layers.get("rbd_persistent_cache_path").map_or_else(|| "/tmp".into(), |(path, _)| path),
        // Ceph's option says at least 1 GiB.
        size_bytes: match layers.size("logrbd_local_log_size", 0) {
            0 => layers.size("rbd_persistent_cache_size", 1 << 30),
            bytes => bytes,
        },
    });
    LocalOptions { log, disk: local_disk(layers) }
}

/// EINVAL for a persistent cache of a kind that there is not.
pub(super) fn check_cache_mode(layers: &Layers) -> ImageResult<()> {
    match layers.get(CACHE_MODE) {
        None => Ok(()),
        Some((mode, _)) if matches!(mode.as_str(), "disabled" | "ssd" | "") => Ok(()),
        Some((mode, _)) if mode == "rwl" => {
            refuse(Errno::EINVAL, format!("{CACHE_MODE} = rwl (persistent memory) is not supported, ssd is"))
        }
        Some((mode, _)) => refuse(Errno::EINVAL, format!("{CACHE_MODE} = {mode:?} is none of disabled, ssd")),
    }
}

/// What a new image gets where its creator says nothing.
#[derive(Clone, Debug)]
pub struct CreateDefaults {
    pub order: u8,
    pub features: u64,
    pub stripe_unit: u64,
    pub stripe_count: u64,
    pub data_pool: Option<String>,
    pub segment_bytes: u32,
}

impl CreateDefaults {
    pub fn from_layers(layers: &Layers) -> CreateDefaults {
        CreateDefaults {
            order: layers.read("rbd_default_order", 22, |text| text.parse().ok()),
            features: layers
                .read("rbd_default_features", features::DEFAULT, |text| features::from_string(text).ok()),
            stripe_unit: layers.size("rbd_default_stripe_unit", 0),
            stripe_count: layers.size("rbd_default_stripe_count", 0),
            data_pool: layers.get("rbd_default_data_pool").map(|(name, _)| name).filter(|n| !n.is_empty()),
            segment_bytes: layers.read("logrbd_segment_size", DEFAULT_SEGMENT_BYTES, |text| {
                u32::try_from(parse_size(text)?).ok()
            }),
        }
    }
}

/// Options that can be overridden for a pool or an image (`rbd_config_*_list`), with Ceph's defaults.
/// The names are those of 16.2.15, in its order.
pub fn override_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    super::override_table::OVERRIDES.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_units() {
        let mut layers = Layers::of_conf(Arc::new(|name| match name {
            "rbd_cache" => Some("false".into()),
            "rbd_cache_size" => Some("64Mi".into()),
            "rbd_skip_partial_discard" => Some("rubbish".into()),
            _ => None,
        }));
        let settings = Settings::from_layers(&layers);
        assert!(!settings.disk.cache.enabled);
        assert_eq!(settings.disk.cache.size_bytes, 64 << 20);
        assert_eq!(settings.discard_granularity, 65536);
        layers.pool.insert("rbd_cache".into(), "true".into());
        assert!(Settings::from_layers(&layers).disk.cache.enabled);
        layers.image.insert("rbd_cache".into(), "off".into());
        assert!(!Settings::from_layers(&layers).disk.cache.enabled);
        assert_eq!(parse_size("4K"), Some(4096));
        assert_eq!(parse_size("1 GiB"), Some(1 << 30));
        assert_eq!(parse_size("-1"), None);
    }
}
