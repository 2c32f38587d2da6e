//! What may be deleted: dead segments and map objects that no root, snapshot or replay can reach.

use std::convert::Infallible;

use crate::disk::names::MapObjectNumber;
use crate::disk::pages::{MapObjects, all};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::shared::removal;
use crate::disk::state::{DiskState, Meta};
use crate::disk::{DiskError, DiskNames, Lsn, SegmentSeq};
use crate::errno::Errno;
use crate::store::{Reply, Store};

/// Objects that are removed at the same time.
const AT_ONCE: usize = 32;

/// What a snapshot pins: segments by its LSN, map objects by the number of its checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotPin {
    pub lsn: Lsn,
    pub checkpoint: u64,
}

/// Objects that nothing reaches any more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deletable {
    pub segments: Vec<SegmentSeq>,
    pub objects: Vec<MapObjectNumber>,
}

/// Whether something that was there from `born` on and gone from `died` on is part of one of the sorted `moments`.
pub(crate) fn is_pinned(moments: &[u64], born: u64, died: u64) -> bool {
    let first = moments.partition_point(|&moment| moment < born);
    moments.get(first).is_some_and(|&moment| moment < died)
}

impl Meta {
    /// Of what is known to be dead, all that the published checkpoint does not need and `snapshots` do not pin.
    fn deletable(&mut self, snapshots: &[SnapshotPin]) -> Deletable {
        let Some((mut lsn, mut open)) = self.published else { return Deletable::default() };
        if broken(Sabotage::DeleteBeforeCheckpoint) {
            (lsn, open) = (self.lsn, SegmentSeq(u64::MAX));
        }
        let snapshots = if broken(Sabotage::DropPinned) { &[] } else { snapshots };
        let sorted = |moment: fn(&SnapshotPin) -> u64| {
            let mut moments: Vec<u64> = snapshots.iter().map(moment).collect();
            moments.sort_unstable();
            moments
        };
        let lsns = sorted(|pin| pin.lsn.0);
        let checkpoints = sorted(|pin| pin.checkpoint);
        let mut segments = Vec::new();
        self.pinned_bytes = 0;
        for (&seq, dead) in self.dead.range(..open) {
            if is_pinned(&lsns, dead.born.0, dead.died.0) {
                self.pinned_bytes += u64::from(dead.bytes);
            } else if dead.died <= lsn {
                segments.push(seq);
            }
        }
        let objects = self
            .objects
            .iter()
            .filter(|(_, object)| object.died != 0 && object.died <= self.published_checkpoint)
            .filter(|(_, object)| !is_pinned(&checkpoints, object.born, object.died))
            .map(|(&number, _)| number);
        Deletable { segments, objects: objects.collect() }
    }
}

impl DiskState {
    /// What may be deleted after the last published checkpoint. `snapshots` must be all snapshots that the header
    /// has, read after that publication, and no snapshot may be made between this call and the deletion.
    pub fn deletable(&self, snapshots: &[SnapshotPin]) -> Deletable {
        self.meta.lock().deletable(snapshots)
    }

    /// Removes the objects and then takes them out of the tables. What fails is tried again after a later
    /// checkpoint.
    pub async fn delete(
        &self,
        store: &dyn Store,
        names: &DiskNames,
        deletable: &Deletable,
    ) -> Result<(), DiskError> {
        let mut segments = Vec::with_capacity(deletable.segments.len());
        let mut result = Ok(());
        // Several at once, so that a store can make them durable together.
        for some in deletable.segments.chunks(AT_ONCE) {
            let mut removals = Vec::with_capacity(some.len());
            for &seq in some {
                let target = names.segment(seq);
                let object = target.oid.to_string();
                let removal = store.operate(removal(target, vec![]));
                removals.push(async move {
                    Ok::<_, Infallible>(match removal.await.and_then(Reply::ok) {
                        Err(source) if !source.is(Errno::ENOENT) => Err(DiskError::Store { object, source }),
                        Ok(_) | Err(_) => Ok(seq),
                    })
                });
            }
            let Ok(removed) = all(removals, AT_ONCE).await;
            for outcome in removed {
                match outcome {
                    // The stub first: one without a payload would be damage.
                    Ok(seq) => match self.delete_payload(store, names, seq).await {
                        Ok(()) => segments.push(seq),
                        Err(error) => result = Err(error),
                    },
                    Err(error) => result = Err(error),
                }
            }
            if result.is_err() {
                break;
            }
        }
        self.segments_deleted(&segments).await?;
        result?;
        self.delete_objects(&**self.pages.objects(), &deletable.objects).await
    }

    /// Removes the payload of a segment, if it has one.
    async fn delete_payload(
        &self,
        store: &dyn Store,
        names: &DiskNames,
        seq: SegmentSeq,
    ) -> Result<(), DiskError> {
        if !self.segment(seq).await?.is_some_and(|info| info.payload) {
            return Ok(());
        }
        let Some(epoch) = self.payloads.of(seq) else { return Ok(()) };
        let target = names.payload(seq, epoch);
        let object = target.oid.to_string();
        match store.operate(removal(target, vec![])).await.and_then(Reply::ok) {
            Err(source) if !source.is(Errno::ENOENT) => Err(DiskError::Store { object, source }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(crate) async fn delete_objects(
        &self,
        objects: &dyn MapObjects,
        numbers: &[MapObjectNumber],
    ) -> Result<(), DiskError> {
        for &number in numbers {
            objects.remove(number).await?;
            // A checkpoint under way may bring the entry back; then it is removed once more, which does no harm.
            self.meta.lock().objects.remove(&number);
        }
        Ok(())
    }
}
