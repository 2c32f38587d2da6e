//! What random work writes, and how content is compared with what was written.

use super::Sim;

/// A write-like operation.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Write { offset: u64, data: Vec<u8> },
    Punch { offset: u64, length: u64 },
}

impl Work {
    /// A random one within `start..end`, small or large, aligned or not. Data is made of `stamp`.
    pub fn random(sim: &Sim, start: u64, end: u64, stamp: u64) -> Work {
        let align = [1, 512, 4096, 4096, 4096][sim.below(5) as usize];
        let span = (end - start) / align;
        let most = [2 * 4096, 4 * 4096, 64 * 4096][sim.below(3) as usize].min(end - start) / align;
        let length = (1 + sim.below(most.max(1))).min(span) * align;
        let offset = start + sim.below(span - length / align + 1) * align;
        if sim.one_in(5) {
            return Work::Punch { offset, length };
        }
        let data =
            (0..length).map(|at| (stamp.wrapping_mul(31) + (offset + at) / 64 + 1) as u8 | 1).collect();
        Work::Write { offset, data }
    }

    pub fn apply(&self, image: &mut [u8]) {
        match self {
            Work::Write { offset, data } => {
                image[*offset as usize..*offset as usize + data.len()].copy_from_slice(data);
            }
            Work::Punch { offset, length } => {
                image[*offset as usize..(*offset + *length) as usize].fill(0);
            }
        }
    }

    /// Whether `found` is `before` with some of the blocks that this touches already done: what a crash may leave
    /// of a request that took more than one record. `start` is the image offset of the slices.
    pub fn may_be_half_done(&self, start: u64, before: &[u8], found: &[u8]) -> bool {
        let mut after = vec![0; start as usize];
        after.extend_from_slice(before);
        self.apply(&mut after);
        let after = &after[start as usize..];
        let blocks = before.chunks(4096).zip(after.chunks(4096)).zip(found.chunks(4096));
        blocks.into_iter().all(|((before, after), found)| found == before || found == after)
    }
}
