//! Deletes an image's objects: segments, map objects, and the header last.
//!
//! The image's own tables say which objects there are, so the work follows the image and not the pool. What no table
//! has (the log's tail, appends and checkpoints that a crash cut off) has numbers that follow those in the tables and
//! is probed for. Where the tables cannot be read, because they are damaged or because an interrupted removal has got
//! so far, the pool is listed instead. The header goes last, so every step may be done again.

use std::sync::Arc;

use super::header::Header;
use super::log::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::pages::all;
use super::replay::MAX_IN_FLIGHT;
use super::shared::{self, run, store_error};
use super::{
    DiskError, DiskNames, DiskResult, DiskState, MapObjectNumber, RootBlob, SegmentSeq, WriterEpoch,
};
use crate::store::{ListCursor, Op, PoolId, Store, Target};

/// Names listed at once.
const PAGE: usize = 1000;
/// Removals under way at once, and between two calls of `progress`.
const AT_ONCE: usize = 16;
const STEP: usize = 64;
/// So many numbers without an object end the search for more. Beyond the log's end a writer has at most
/// `MAX_IN_FLIGHT` segments; a checkpoint that failed has removed what it wrote, and its numbers are missing.
const SEGMENT_GAP: u64 = 2 * MAX_IN_FLIGHT as u64;
const OBJECT_GAP: u32 = 64;
/// With more take-overs since the last checkpoint than this, listing is cheaper than probing.
const MOST_EPOCHS: u32 = 256;
/// Epochs whose payloads without a stub are probed for.
const MOST_PAYLOAD_EPOCHS: usize = 16;
/// Memory for the segment table while it is read.
const MEMORY_BYTES: usize = 8 << 20;
const EPOCH_ATTEMPTS: u32 = 16;

/// Told of objects removed: done, and all there are as far as is known.
pub type RemoveProgress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

pub(super) async fn remove(
    store: &Arc<dyn Store>,
    names: &DiskNames,
    progress: RemoveProgress<'_>,
) -> DiskResult<()> {
    let header = names.header();
    run(store, &header, vec![Op::AssertExists]).await?;
    if let Err(error) = by_tables(store, names, progress).await {
        tracing::info!("{}: its objects are found by listing the pool: {error}", header.oid);
        by_listing(store, names, names.pool).await?;
        if names.data_pool != names.pool {
            by_listing(store, names, names.data_pool).await?;
        }
    }
    shared::remove(store, &header, vec![]).await.map(drop)
}

/// Everything but the header.
pub(super) async fn by_tables(
    store: &Arc<dyn Store>,
    names: &DiskNames,
    progress: RemoveProgress<'_>,
) -> DiskResult<()> {
    let epoch = take_epoch(store, names).await?;
    // From here on no older writer publishes a checkpoint, so this root is the last one.
    let header = Header::read(store, names).await?;
    let root = RootBlob::decode(&header.root, &names.header().oid)?;
    if epoch.0 - root.epoch.0.min(epoch.0) > MOST_EPOCHS {
        return Err(DiskError::Invalid { detail: format!("epoch {}, its root's {}", epoch.0, root.epoch.0) });
    }
    let names = &names.with_format(&header.format);
    let state = DiskState::open_reader(store.clone(), names.clone(), &root, MEMORY_BYTES).await?;
    let (mut segments, mut payloads) = (Vec::new(), Vec::new());
    state
        .each_segment(|seq, info| {
            segments.push(names.segment(seq));
            let epoch = state.payloads.of(seq).filter(|_| info.payload);
            payloads.extend(epoch.map(|epoch| names.payload(seq, epoch)));
        })
        .await?;
    // Stubs first: one without a payload would be damage.
    segments.append(&mut payloads);
    let objects: Vec<Target> = root.objects.keys().map(|&number| names.map_object(number)).collect();
    let total = (segments.len() + objects.len()) as u64;
    progress(0, total);
    // The table is in map objects: as long as there are segments in it, it can be read again.
    let mut done = 0;
    for step in segments.chunks(STEP) {
        remove_all(store, step).await?;
        done += step.len() as u64;
        progress(done, total);
    }
    if header.format.payloads {
        remove_tail_payloads(store, names, &root, epoch).await?;
    }
    remove_tail(store, names, root.replay.segment).await?;
    remove_interrupted(store, names, &root, epoch).await?;
    for step in objects.chunks(STEP) {
        remove_all(store, step).await?;
        done += step.len() as u64;
        progress(done, total);
    }
    Ok(())
}

async fn take_epoch(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<WriterEpoch> {
    for _ in 0..EPOCH_ATTEMPTS {
        let header = Header::read(store, names).await?;
        if let Some(mine) = Header::take_epoch(store, names, header.epoch).await? {
            return Ok(mine);
        }
    }
    Err(DiskError::Failed { reason: format!("{}: others keep taking the image over", names.header().oid) })
}

/// Segments that the last checkpoint does not know of: the log after it, and orphans past its end.
async fn remove_tail(store: &Arc<dyn Store>, names: &DiskNames, first: SegmentSeq) -> DiskResult<()> {
    let mut at = first.0;
    loop {
        let targets: Vec<Target> =
            (at..at.saturating_add(SEGMENT_GAP)).map(|seq| names.segment(SegmentSeq(seq))).collect();
        if remove_all(store, &targets).await? == 0 {
            return Ok(());
        }
        at = at.saturating_add(SEGMENT_GAP);
    }
}

/// Payloads of segments that the last checkpoint does not know of, and those that never got a stub. Before the stubs, which say
/// whose payloads they have; nobody opens the image any more.
async fn remove_tail_payloads(
    store: &Arc<dyn Store>,
    names: &DiskNames,
    root: &RootBlob,
    last: WriterEpoch,
) -> DiskResult<()> {
    // Who may have left one without a stub: all since the one that the checkpoint is of. Others are known by their stubs.
    let epochs: Vec<WriterEpoch> =
        (root.epoch.0..last.0).rev().take(MOST_PAYLOAD_EPOCHS).map(WriterEpoch).collect();
    let mut at = root.replay.segment.0;
    loop {
        let numbers = (at..at.saturating_add(SEGMENT_GAP)).map(SegmentSeq);
        let looks = numbers.clone().map(|seq| async move {
            let target = names.segment(seq);
            let read = vec![Op::Read { offset: 0, length: SEGMENT_HEADER_BYTES as u64 }];
            match run(store, &target, read).await {
                Ok(mut reply) => Ok(Some((seq, SegmentHeader::decode(&shared::data_of(&mut reply, 0)).ok()))),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        });
        let stubs: Vec<_> = all(looks, AT_ONCE).await?.into_iter().flatten().collect();
        let mut targets: Vec<Target> =
            numbers.flat_map(|seq| epochs.iter().map(move |epoch| names.payload(seq, *epoch))).collect();
        let named =
            stubs.iter().filter_map(|(seq, header)| Some(names.payload(*seq, header.as_ref()?.epoch)));
        targets.extend(named);
        if remove_all(store, &targets).await? == 0 && stubs.is_empty() {
            return Ok(());
        }
        at = at.saturating_add(SEGMENT_GAP);
    }
}

/// Map objects of checkpoints that were never published.
async fn remove_interrupted(
    store: &Arc<dyn Store>,
    names: &DiskNames,
    root: &RootBlob,
    last: WriterEpoch,
) -> DiskResult<()> {
    for epoch in root.epoch.0..=last.0 {
        let mut at = if epoch == root.epoch.0 { root.last_object.saturating_add(1) } else { 1 };
        loop {
            let numbers = at..at.saturating_add(OBJECT_GAP);
            let number = |counter| MapObjectNumber(u64::from(epoch) << 32 | u64::from(counter));
            let targets: Vec<Target> = numbers.map(|counter| names.map_object(number(counter))).collect();
            if remove_all(store, &targets).await? == 0 {
                break;
            }
            at = at.saturating_add(OBJECT_GAP);
        }
    }
    Ok(())
}

/// Removes objects, whether they exist or not; how many did.
async fn remove_all(store: &Arc<dyn Store>, targets: &[Target]) -> DiskResult<usize> {
    let removals = targets.iter().cloned().map(|target| async move {
        match shared::remove(store, &target, vec![]).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    });
    Ok(all(removals, AT_ONCE).await?.into_iter().filter(|existed| *existed).count())
}

async fn by_listing(store: &Arc<dyn Store>, names: &DiskNames, pool: PoolId) -> DiskResult<()> {
    let prefixes = [names.segment_prefix(), names.map_prefix()];
    let mut cursor = ListCursor::begin();
    while cursor != ListCursor::End {
        let (entries, next) = store
            .list(pool, Some(names.namespace.clone()), cursor, PAGE)
            .await
            .map_err(|error| store_error(&names.header(), error))?;
        let ours = |oid: &str| prefixes.iter().any(|prefix| oid.starts_with(prefix.as_str()));
        let found = entries.into_iter().filter(|entry| ours(&entry.oid));
        let targets: Vec<Target> =
            found.map(|entry| Target::new(pool, names.namespace.clone(), entry.oid)).collect();
        remove_all(store, &targets).await?;
        cursor = next;
    }
    Ok(())
}
