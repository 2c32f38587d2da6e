//! What changed between two states of an image, in librbd's words: runs within objects.

use std::sync::Arc;

use super::error::{ImageResult, refuse};
use super::image::Image;
use crate::disk::{DiffRun, SnapshotId};
use crate::errno::Errno;

/// A range of the image that one call of the disk's diff covers, so that memory stays bounded.
const STEP: u64 = 1 << 30;

impl Image {
    /// Runs that differ from snapshot `from` (`None`: from nothing) to what is looked at, ascending, none crossing an
    /// object's end. `whole_objects`: each object that differs is one run. `each` may stop it with an error number.
    ///
    /// ENOENT if `from` does not exist, EINVAL if it is younger than what is looked at or the range begins past the end.
    pub async fn diff(
        self: &Arc<Self>,
        from: Option<&str>,
        offset: u64,
        length: u64,
        whole_objects: bool,
        mut each: impl FnMut(DiffRun) -> Result<(), Errno> + Send,
    ) -> ImageResult<()> {
        let to = self.viewed().map(|snap| snap.id);
        let from = match from {
            Some(name) => Some(self.snapshot(name).await?.id),
            None => None,
        };
        let size = self.size().await?;
        if length == 0 {
            return Ok(());
        }
        if offset >= size {
            return refuse(Errno::EINVAL, format!("offset {offset} is past the image's end at {size}"));
        }
        match (from, to) {
            (Some(from), Some(to)) if from == to => return Ok(()),
            (Some(from), Some(to)) if from > to => {
                return refuse(Errno::EINVAL, "the snapshot is younger than what is looked at");
            }
            _ => {}
        }
        let _permit = match to {
            Some(_) => None,
            None => {
                self.flush().await?;
                self.read_permit().await?
            }
        };
        let end = offset + length.min(size - offset);
        let object = self.object_size();
        let mut at = offset;
        while at < end {
            // Steps end where objects do, so that no object is reported twice.
            let step_end = end.min((at + STEP).next_multiple_of(object));
            let runs = self.head.diff(from, to, at, step_end - at).await?;
            let runs = if whole_objects {
                self.by_object(&runs, to, (at, step_end)).await?
            } else {
                split(&runs, object)
            };
            for run in runs {
                if let Err(errno) = each(run) {
                    return refuse(errno, "stopped by the caller");
                }
            }
            at = step_end;
        }
        Ok(())
    }

    /// One run for each object that differs; it exists if any of the object does.
    async fn by_object(
        &self,
        runs: &[DiffRun],
        to: Option<SnapshotId>,
        (begin, end): (u64, u64),
    ) -> ImageResult<Vec<DiffRun>> {
        let object = self.object_size();
        let mut whole: Vec<DiffRun> = Vec::new();
        for run in split(runs, object) {
            let from = (run.offset - run.offset % object).max(begin);
            match whole.last_mut() {
                Some(last) if last.offset == from => last.exists |= run.exists,
                _ => {
                    let to = (run.offset - run.offset % object + object).min(end);
                    whole.push(DiffRun { offset: from, length: to - from, exists: run.exists });
                }
            }
        }
        for run in whole.iter_mut().filter(|run| !run.exists) {
            run.exists = !self.head.diff(None, to, run.offset, run.length).await?.is_empty();
        }
        Ok(whole)
    }
}

/// Cuts runs at the ends of objects.
fn split(runs: &[DiffRun], object: u64) -> Vec<DiffRun> {
    let mut cut = Vec::with_capacity(runs.len());
    for run in runs {
        let (mut at, end) = (run.offset, run.offset + run.length);
        while at < end {
            let next = end.min(at - at % object + object);
            cut.push(DiffRun { offset: at, length: next - at, exists: run.exists });
            at = next;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_with_objects() {
        let runs = [DiffRun { offset: 10, length: 100, exists: true }];
        let lengths: Vec<_> = split(&runs, 64).iter().map(|run| (run.offset, run.length)).collect();
        assert_eq!(lengths, [(10, 54), (64, 46)]);
    }
}
