//! Which block is written next.

use clap::ValueEnum;

use crate::chance::Chance;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Load {
    Uniform,
    Zipf,
    #[value(name = "90/10")]
    Hot,
    Sequential,
    Snapshots,
    Trim,
}

impl Load {
    pub fn name(self) -> &'static str {
        match self {
            Load::Uniform => "uniform",
            Load::Zipf => "zipf 0.99",
            Load::Hot => "90/10",
            Load::Sequential => "sequential",
            Load::Snapshots => "snapshots",
            Load::Trim => "trim",
        }
    }

    /// The most log bytes for each byte that the user writes.
    pub fn goal(self) -> Option<f64> {
        match self {
            Load::Uniform => Some(1.9),
            Load::Zipf => Some(1.65),
            Load::Hot => Some(1.45),
            Load::Sequential | Load::Snapshots | Load::Trim => None,
        }
    }
}

/// Draws blocks of an image.
pub struct Picker {
    load: Load,
    blocks: u64,
    chance: Chance,
    /// Zipf: the sums of the weights of the ranks up to each.
    sums: Vec<f64>,
    /// Zipf: the block of each rank, spread over the image.
    places: Vec<u32>,
    next: u64,
}

impl Picker {
    pub fn new(load: Load, blocks: u64, seed: u64) -> Picker {
        let mut chance = Chance::new(seed);
        let mut sums = Vec::new();
        let mut places = Vec::new();
        if load == Load::Zipf {
            let mut sum = 0.0;
            sums.extend((1..=blocks).map(|rank| {
                sum += (rank as f64).powf(-0.99);
                sum
            }));
            places.extend(0..blocks as u32);
            for i in (1..places.len()).rev() {
                places.swap(i, chance.below(i as u64 + 1) as usize);
            }
        }
        Picker { load, blocks, chance, sums, places, next: 0 }
    }

    pub fn pick(&mut self) -> u64 {
        match self.load {
            Load::Uniform | Load::Snapshots | Load::Trim => self.chance.below(self.blocks),
            Load::Zipf => {
                let at = self.chance.share() * self.sums.last().copied().unwrap_or_default();
                let rank = self.sums.partition_point(|&sum| sum < at).min(self.places.len() - 1);
                u64::from(self.places[rank])
            }
            // 90 % of the writes go to 10 % of the blocks, the others to the rest.
            Load::Hot => {
                let hot = self.blocks / 10;
                match self.chance.below(10) {
                    0 => hot + self.chance.below(self.blocks - hot),
                    _ => self.chance.below(hot),
                }
            }
            Load::Sequential => {
                self.next = (self.next + 1) % self.blocks;
                self.next
            }
        }
    }

    /// A run to be trimmed now, for the load that trims: as many blocks as are written, on the whole.
    pub fn trim(&mut self) -> Option<(u64, u64)> {
        const RUN: u64 = 64;
        let now = self.load == Load::Trim && self.chance.below(4 * RUN) == 0;
        now.then(|| (self.chance.below(self.blocks / RUN) * RUN, RUN))
    }
}
