//! What one seed stands for: options, workload, faults, how many openers and how they end.

use std::time::Duration;

use super::{Doom, Faults};
use crate::disk::ssd::LocalLogOptions;
use crate::disk::testing::Chance;
use crate::disk::{CacheOptions, DiskOptions};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub segment_bytes: u32,
    pub options: DiskOptions,
    /// Parts of the image, each written to by one task, and their blocks.
    pub regions: u64,
    pub region_blocks: u64,
    /// Openers that take the image from each other, and how often each does.
    pub openers: u64,
    pub lives: u64,
    pub requests: u64,
    /// Openers that read without a lock.
    pub readers: u64,
    pub snapshots: bool,
    pub resizes: bool,
    /// Once in so many op lists.
    pub errors_before: u64,
    pub errors_after: u64,
    pub slow_us: u64,
    pub stuck: u64,
    pub torn: u64,
    /// Machines with local logs on which openers live; 0: there are no such logs.
    pub machines: u64,
    /// The data pool is erasure-coded.
    pub payloads: bool,
    /// What happens to the first opener's first host, instead of what chance says.
    pub first_doom: Option<Vec<(u64, Doom)>>,
}

impl Plan {
    pub fn draw(seed: u64) -> Plan {
        let mut chance = Chance::new(seed ^ 0x776f_726c_6400);
        let c = &mut chance;
        let old = super::regression::SEEDS.iter().any(|(old, _)| *old == seed);
        let write_back = !c.one_in(3);
        let max_dirty_bytes = (64 << 10) << c.below(4);
        let cache = CacheOptions {
            enabled: write_back,
            size_bytes: 256 << 10 << c.below(3),
            max_dirty_bytes,
            target_dirty_bytes: max_dirty_bytes / 2,
            writethrough_until_flush: c.one_in(4),
            max_dirty_age: Duration::from_millis(10 << c.below(8)),
        };
        let options = DiskOptions {
            cache,
            checkpoint_log_bytes: 256 << c.below(13),
            segments_in_flight: 1 + c.below(4) as u32,
            gc: !c.one_in(4),
            gc_utilisation_percent: [50, 70, 90, 95][c.below(4) as usize],
            gc_record_bytes: 16 << 10 << c.below(3),
            payload_share: 8,
            // Not drawn, and off for old seeds: they stay what they were.
            read_cache_bytes: if old { 0 } else { [64 << 10, 4 << 20, 0][(seed % 3) as usize] },
            defrag_reads: if old || (seed / 16).is_multiple_of(2) { 0 } else { 1 + (seed % 2) as u32 },
            // Half the worlds put together what is read, and two places are many: the images are small.
            defrag_range_blocks: 8 << (seed % 3),
            defrag_piece_blocks: 6 << (seed % 3),
            local: crate::disk::ssd::LocalOptions::default(),
            // All pages that a small image has take 100 KiB: in some worlds with little memory each record waits until the
            // one before it is applied, once something is changed.
            map_memory_bytes: match c.one_in(3) {
                true if old || (seed / 3).is_multiple_of(2) => 120 << 10,
                true => 96 << 10,
                false => 64 << 20,
            },
        };
        let openers = [1, 1, 2, 3][c.below(4) as usize];
        let (errors_before, errors_after) =
            if c.one_in(4) { (20 + c.below(100), 20 + c.below(100)) } else { (0, 0) };
        let torn = if options.segments_in_flight == 1 && c.one_in(2) { 1 } else { 0 };
        Plan {
            segment_bytes: (128 << 10) << [0, 0, 0, 1, 3][c.below(5) as usize],
            options,
            regions: 1 + c.below(3),
            region_blocks: 8 + c.below(60),
            openers,
            lives: 1 + c.below(4),
            requests: 6 + c.below(40),
            readers: u64::from(c.one_in(2)),
            snapshots: c.one_in(2),
            resizes: c.one_in(4),
            errors_before,
            errors_after,
            slow_us: [0, 0, 200, 20_000, 1_000_000][c.below(5) as usize],
            stuck: [0, 0, 20, 100][c.below(4) as usize],
            torn,
            machines: 0,
            payloads: false,
            first_doom: None,
        }
    }

    /// A world whose openers have local logs.
    pub fn draw_local(seed: u64) -> Plan {
        let mut plan = Plan::draw(seed);
        let mut chance = Chance::new(seed ^ 0x6c6f_6361_6c00);
        plan.machines = 1 + chance.below(2);
        // Few openers: who finds another's log is refused.
        plan.openers = 1 + chance.below(2);
        plan.lives = 3 + chance.below(4);
        // What only the log has stays there for some time.
        let ages = [10, 1000, 100_000][chance.below(3) as usize];
        plan.options.cache.max_dirty_age = Duration::from_millis(ages);
        let log = LocalLogOptions { folder: "/ssd".into(), size_bytes: 0 };
        plan.options.local.log = Some(log);
        plan
    }

    /// As `draw`, with an erasure-coded data pool.
    pub fn with_payloads(seed: u64) -> Plan {
        Plan { payloads: true, ..Plan::draw(seed) }
    }

    /// A small one for a crash at every step.
    pub fn small(seed: u64) -> Plan {
        let mut plan = Plan::draw(seed);
        (plan.openers, plan.lives, plan.readers) = (1, 1, 0);
        plan.requests = plan.requests.min(12);
        plan.regions = 1;
        (plan.errors_before, plan.errors_after) = (0, 0);
        plan
    }

    pub fn blocks(&self) -> u64 {
        self.regions * self.region_blocks
    }

    /// Whether ranges that are read in many pieces are put together.
    pub fn defragments(&self) -> bool {
        self.options.gc && self.options.defrag_reads > 0
    }

    pub fn has_errors(&self) -> bool {
        self.errors_before + self.errors_after > 0
    }

    /// The way to the store of one host.
    pub fn faults(&self) -> Faults {
        let faults = Faults::default();
        faults.set(self.errors_before, self.errors_after, 0);
        faults.slow.store(self.slow_us, std::sync::atomic::Ordering::SeqCst);
        faults.stuck.store(self.stuck, std::sync::atomic::Ordering::SeqCst);
        faults.torn.store(self.torn, std::sync::atomic::Ordering::SeqCst);
        faults
    }
}
