//! What a caller may choose about a disk: once when it is made, and each time it is opened.

use std::time::Duration;

use super::ssd::LocalOptions;
use super::{DiskError, SLOT_BYTES, SnapshotId};

/// What a new disk is made with.
#[derive(Clone, Debug)]
pub struct FormatParams {
    pub size_bytes: u64,
    /// A power of two from 1 to 64 MiB.
    pub segment_bytes: u32,
    pub uuid: [u8; 16],
    /// The data pool is erasure-coded: whole segments go there, what is appended to stays in the image's own pool.
    pub payloads: bool,
}

/// The segment size when nothing else is asked for.
pub const DEFAULT_SEGMENT_BYTES: u32 = 8 << 20;
/// 2^63 - 1 rounded down to whole blocks: byte offsets stay positive as `i64`.
pub const MAX_SIZE_BYTES: u64 = i64::MAX as u64 & !(super::BLOCK_BYTES - 1);

impl FormatParams {
    pub fn new(size_bytes: u64, uuid: [u8; 16]) -> FormatParams {
        FormatParams { size_bytes, segment_bytes: DEFAULT_SEGMENT_BYTES, uuid, payloads: false }
    }

    pub(crate) fn check(&self) -> Result<(), DiskError> {
        // The simulation has smaller ones, so that all that has to do with segments happens often.
        let least = if cfg!(test) { 128 << 10 } else { 1 << 20 };
        if !self.segment_bytes.is_power_of_two() || !(least..=64 << 20).contains(&self.segment_bytes) {
            return Err(DiskError::Invalid {
                detail: format!("segment size {} is not a power of two from 1 to 64 MiB", self.segment_bytes),
            });
        }
        if self.size_bytes > MAX_SIZE_BYTES {
            return Err(DiskError::Invalid {
                detail: format!("size {} is above {MAX_SIZE_BYTES}", self.size_bytes),
            });
        }
        Ok(())
    }
}

/// The write-back cache, under the meaning of librbd's `rbd_cache*` options.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// `rbd_cache`: false means that a write is acknowledged only when it is durable.
    pub enabled: bool,
    /// `rbd_cache_size`
    pub size_bytes: u64,
    /// `rbd_cache_max_dirty`: 0 means write-through.
    pub max_dirty_bytes: u64,
    /// `rbd_cache_target_dirty`: background writing starts here.
    pub target_dirty_bytes: u64,
    /// `rbd_cache_max_dirty_age`
    pub max_dirty_age: Duration,
    /// `rbd_cache_writethrough_until_flush`
    pub writethrough_until_flush: bool,
}

impl Default for CacheOptions {
    /// Ceph's defaults.
    fn default() -> CacheOptions {
        CacheOptions {
            enabled: true,
            size_bytes: 32 << 20,
            max_dirty_bytes: 24 << 20,
            target_dirty_bytes: 16 << 20,
            max_dirty_age: Duration::from_secs(1),
            writethrough_until_flush: true,
        }
    }
}

/// How an opener wants its disk.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    pub cache: CacheOptions,
    /// Clean blocks that are kept in memory, in bytes of memory; 0: none.
    pub read_cache_bytes: u64,
    /// What the map, the segment table and the tables beside them may take in memory: a ceiling, taken as needed.
    pub map_memory_bytes: u64,
    /// A checkpoint is taken when this much log was written since the last one: it bounds replay.
    pub checkpoint_log_bytes: u64,
    /// Appends to different segments that may be in flight at once, 1 to 16.
    pub segments_in_flight: u32,
    /// Run garbage collection while this opener is the writer.
    pub gc: bool,
    /// GC starts when live data is less than this share of all segments, in percent.
    pub gc_utilisation_percent: u8,
    /// Copies that one Gc record has at most, if a segment holds so much: bounds the memory of GC, and is the
    /// surplus below which it does not begin.
    pub gc_record_bytes: u32,
    /// Times that a fragmented range of the image is read in order until it is put together; 0: never.
    pub defrag_reads: u32,
    /// Blocks of such a range: the image is looked at in aligned ones.
    pub defrag_range_blocks: u64,
    /// A range is fragmented where its pieces in the log have fewer blocks than this on average. Requests of fewer are not
    /// taken for reads in order.
    pub defrag_piece_blocks: u64,
    /// With an erasure-coded data pool a burst of a segment divided by this, or more, goes there; less is appended to a segment
    /// in the image's own pool, from where garbage collection takes it.
    pub payload_share: u64,
    /// The local log.
    pub local: LocalOptions,
}

impl Default for DiskOptions {
    fn default() -> DiskOptions {
        DiskOptions {
            cache: CacheOptions::default(),
            read_cache_bytes: 32 << 20,
            map_memory_bytes: 256 << 20,
            checkpoint_log_bytes: 256 << 20,
            segments_in_flight: 4,
            gc: true,
            gc_utilisation_percent: 70,
            gc_record_bytes: 8 << 20,
            defrag_reads: 2,
            defrag_range_blocks: 256,
            defrag_piece_blocks: 16,
            payload_share: 2,
            local: LocalOptions::default(),
        }
    }
}

impl DiskOptions {
    /// The bound on dirty data that is kept, in bytes: write-through needs room as well, but only for what is on
    /// its way.
    pub(crate) fn dirty_limit(&self) -> u64 {
        let least = 16 * SLOT_BYTES;
        let cache = &self.cache;
        if !cache.enabled || cache.max_dirty_bytes == 0 {
            return cache.size_bytes.max(least);
        }
        cache.max_dirty_bytes.max(least)
    }
}

/// A snapshot as `snap_list` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapInfo {
    pub id: SnapshotId,
    pub name: String,
    /// The image's size at the snapshot.
    pub size_bytes: u64,
    pub lsn: super::Lsn,
    pub timestamp_ns: u64,
    pub protected: bool,
}

/// Counters for tests and tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// All records up to this LSN are durable.
    pub durable_lsn: u64,
    /// All records up to this LSN are in the map.
    pub applied_lsn: u64,
    /// The LSN that the newest checkpoint covers.
    pub checkpoint_lsn: u64,
    /// Records appended by this opener.
    pub records: u64,
    /// Store op lists that appended them.
    pub appends: u64,
    /// Segments created by this opener.
    pub segments: u64,
    /// Bytes appended by this opener, with headers and trailers.
    pub log_bytes: u64,
    /// Of them, those of Gc records, and the blocks that they copied.
    pub gc_bytes: u64,
    pub gc_blocks: u64,
    /// Bytes of the image that defragmentation has copied; the copies are among those of Gc records.
    pub defragmented_bytes: u64,
    /// Bytes and blocks of all segments in the table, and bytes of those of them that are dead and not yet deleted.
    pub segment_bytes: u64,
    pub segment_blocks: u64,
    pub dead_bytes: u64,
    /// Bytes of map objects written by this opener's checkpoints.
    pub map_bytes: u64,
    /// Checkpoints published by this opener.
    pub checkpoints: u64,
    /// Records that the last open or take-over replayed.
    pub replayed_records: u64,
    /// Log bytes of them.
    pub replayed_bytes: u64,
    /// Log bytes since the newest checkpoint: what a replay has to go through.
    pub replay_bytes: u64,
    /// Dirty bytes in the buffer.
    pub dirty_bytes: u64,
}
