//! Where the tests break a promise of the engine on purpose, to prove that the simulation finds it, and where they
//! listen to what the engine accepts. Without cfg(test) every point is a constant `false` and nobody listens.

use super::log::RecordKind;
use super::{Lsn, WriterEpoch};

/// A promise, broken. docs/simulation.md says of each what finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Appends do not compare the segment's epoch.
    AppendWithoutEpoch,
    /// Publishing a root does not compare the header's epoch.
    PublishWithoutEpoch,
    /// A created segment counts although a newer writer has begun.
    CreationUnconfirmed,
    /// A take-over does not seal the segments that it replays.
    TakeOverWithoutSeal,
    /// A take-over goes on with what its opener read from an older root.
    HandOverOfOldRoot,
    /// An append that was refused because of a newer epoch is taken for done.
    FencedAcknowledges,
    /// Who waits for durability is told at once.
    AckBeforeDurable,
    /// The durable LSN jumps over records that are still in flight.
    FlushOverGap,
    /// Data leaves the buffer when it is sent, not when it is in the map.
    BufferDroppedEarly,
    /// Reads look in the map alone.
    ReadWithoutBuffer,
    /// Reads do not check slots.
    ReadUnchecked,
    /// A segment that continues the log is accepted although records before it are missing.
    ReplayPastHole,
    /// Replay leaves out the last record of a segment.
    ReplayStopsEarly,
    /// Replay does not apply holes.
    ReplayForgetsDiscard,
    /// Replay does not check the extents' checksum.
    ReplayTornRecord,
    /// A checkpoint's replay position is that of what was accepted, not of what was applied.
    CheckpointAheadOfLog,
    /// A root is published while its pages are on their way.
    CheckpointBeforePages,
    /// What snapshots pin is deleted.
    DropPinned,
    /// Dead segments are deleted before a checkpoint without them is published.
    DeleteBeforeCheckpoint,
    /// A copy replaces what was written after its source.
    GcMovesOverwritten,
    /// Defragmentation says of a copy that it is of where the block is, not of where it was read.
    DefragNamesNewest,
    /// A diff takes for written what GC has moved.
    DiffByPlaces,
    /// A diff takes for a copy of the older block whatever GC has moved.
    DiffTrustsCopies,
    /// A snapshot is taken of what is applied, without what is in the buffer.
    SnapshotWithoutBuffer,
    /// A snapshot is removed while a rollback to it may still be replayed.
    SnapshotRemovedEarly,
    /// A rollback changes the size alone.
    RollbackKeepsNewer,
    /// A smaller image keeps what was cut off.
    ResizeKeepsCutOff,
    /// A flush is acknowledged by the local log before the header has its mark.
    LocalAckBeforeMark,
    /// What was written to the local log counts as durable although it was not synced.
    LocalAckBeforeSync,
    /// Replay of the local log begins before what the store has.
    LocalReplayFromStart,
    /// A late take-over makes its log of a file without asking whether it is still the newest.
    LocalLogOfZombie,
    /// What was accepted after a record that only the store has is acknowledged before that one is durable.
    LocalAckOverBarrier,
    /// A stub is created while its payload is on its way.
    StubBeforePayload,
    /// Payloads of all epochs have the same names.
    PayloadsWithoutEpoch,
}

#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn broken(_: Sabotage) -> bool {
    false
}

/// What the engine takes upon itself, told at the moment at which it does.
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) enum Accepted<'a> {
    /// Blocks in the record `lsn`; `data` and where in it they begin. `None`: a hole.
    Blocks { lba: u64, blocks: u64, data: Option<(&'a [&'a [u8]], u64)> },
    /// A record without data.
    Record(RecordKind),
    /// A writer is about to begin the log after the record `last` of epoch `after`.
    Epoch { last: Lsn, after: WriterEpoch },
}

#[cfg(not(test))]
#[inline(always)]
pub(crate) fn accepted(_: WriterEpoch, _: Lsn, _: Accepted<'_>) {}

#[cfg(test)]
pub(crate) use testing::{Listener, accepted, broken, listen, sabotage};

#[cfg(test)]
mod testing {
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;

    use super::*;

    pub(crate) trait Listener: Send + Sync {
        fn accepted(&self, epoch: WriterEpoch, lsn: Lsn, what: Accepted<'_>);
    }

    thread_local! {
        static BROKEN: Cell<Option<Sabotage>> = const { Cell::new(None) };
        static LISTENER: RefCell<Option<Arc<dyn Listener>>> = const { RefCell::new(None) };
    }

    /// For this thread, from now on.
    pub(crate) fn sabotage(what: Option<Sabotage>) {
        BROKEN.set(what);
    }

    pub(crate) fn broken(what: Sabotage) -> bool {
        BROKEN.get() == Some(what)
    }

    pub(crate) fn listen(listener: Option<Arc<dyn Listener>>) {
        LISTENER.replace(listener);
    }

    pub(crate) fn accepted(epoch: WriterEpoch, lsn: Lsn, what: Accepted<'_>) {
        if let Some(listener) = LISTENER.with_borrow(Clone::clone) {
            listener.accepted(epoch, lsn, what);
        }
    }
}
