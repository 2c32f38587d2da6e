//! The local log end to end on the model store: crashes, other hosts, lost and damaged logs, full and failing ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::frame::{Change, FRAME_BYTES, FrameBuffer, FrameHeader, entries};
use super::volatile::VolatileDisk;
use super::*;
use crate::disk::api_tests::{formatted, open, options, read};
use crate::disk::sabotage::{Sabotage, sabotage};
use crate::disk::testing::{Chance, block_on, with_seeds};
use crate::disk::{Disk, DiskError, DiskNames, DiskOptions, LocalSeq};
use crate::env::TokioEnv;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::model::ModelCluster;
use crate::store::{Op, Request};

const MB: u64 = 1 << 20;

struct World {
    cluster: ModelCluster,
    names: DiskNames,
    ssd: VolatileDisk,
}

impl World {
    async fn new() -> World {
        let cluster = ModelCluster::new();
        let names = formatted(&cluster.client(), 64 * MB).await;
        World { cluster, names, ssd: VolatileDisk::new("one") }
    }

    fn options(&self, ssd: &VolatileDisk) -> DiskOptions {
        let mut options = options();
        // Only what must go to the store goes there.
        options.cache.max_dirty_age = Duration::from_secs(3600);
        let log = LocalLogOptions { folder: "/ssd".into(), size_bytes: 8 * MB };
        options.local = LocalOptions { log: Some(log), disk: Arc::new(ssd.clone()) };
        options
    }

    async fn reader(&self, options: DiskOptions) -> Arc<Disk> {
        open(&self.cluster.client(), &self.names, options).await
    }

    async fn writer(&self) -> Arc<Disk> {
        let disk = self.reader(self.options(&self.ssd)).await;
        disk.acquire().await.unwrap();
        disk
    }

    /// A writer that has flushed a first block.
    async fn writer_with(&self, byte: u8) -> Arc<Disk> {
        let disk = self.writer().await;
        disk.write(0, &[&block(byte)]).await.unwrap();
        disk.flush().await.unwrap();
        disk
    }

    /// A writer whose first block is 1 in the store, and was flushed as 2.
    async fn writer_ahead(&self) -> Arc<Disk> {
        let disk = self.writer_with(1).await;
        disk.release().await.unwrap();
        disk.acquire().await.unwrap();
        disk.write(0, &[&block(2)]).await.unwrap();
        disk.flush().await.unwrap();
        disk
    }

    async fn refused(&self, ssd: &VolatileDisk) -> String {
        let disk = self.reader(self.options(ssd)).await;
        let error = disk.acquire().await.unwrap_err();
        assert!(matches!(error, DiskError::LocalLog { .. }), "{error}");
        error.to_string()
    }

    /// What a reader without any log sees.
    async fn stored(&self, offset: u64, length: u64) -> Vec<u8> {
        read(&*self.reader(options()).await, offset, length).await
    }
}

fn block(byte: u8) -> Vec<u8> {
    vec![byte; 4096]
}

#[test]
fn a_flush_is_local_and_survives_the_loss_of_power() {
    with_seeds(20, |chance| {
        block_on(async {
            let world = World::new().await;
            let disk = world.writer().await;
            assert_eq!(disk.local_mark().await.unwrap(), None, "nothing is only here yet");
            disk.write(0, &[&block(1)]).await.unwrap();
            disk.write(4096 + 100, &[b"part"]).await.unwrap();
            disk.discard(0, 100).await.unwrap();
            let before = disk.stats().appends;
            disk.flush().await.unwrap();
            assert_eq!(disk.stats().appends, before, "a flush costs the store nothing");
            let mark = disk.local_mark().await.unwrap().expect("a mark");
            assert_eq!(mark.host, "one");
            assert_eq!(world.stored(0, 8192).await, vec![0; 8192]);
            disk.write(8192, &[&block(9)]).await.unwrap();
            drop(disk);
            world.ssd.lose_power(chance);

            let disk = world.writer().await;
            let mut wanted = vec![0; 100];
            wanted.extend([1; 3996]);
            wanted.extend([0; 4096]);
            wanted[4196..4200].copy_from_slice(b"part");
            assert_eq!(read(&disk, 0, 8192).await, wanted);
            assert_eq!(disk.local_mark().await.unwrap(), None, "it is in the store");
            assert_eq!(world.stored(0, 8192).await, wanted);
            disk.write(0, &[&block(3)]).await.unwrap();
            disk.flush().await.unwrap();
            disk.close().await.unwrap();
            assert_eq!(world.stored(0, 4096).await, block(3));
            assert!(world.ssd.paths().is_empty(), "a log that is closed leaves no file");
            let reader = world.reader(options()).await;
            assert_eq!(reader.local_mark().await.unwrap(), None);
        });
    });
}

#[test]
fn a_hand_over_leaves_nothing_behind() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer_with(1).await;
        disk.release().await.unwrap();
        assert_eq!(disk.local_mark().await.unwrap(), None);
        let other = VolatileDisk::new("two");
        let next = world.reader(world.options(&other)).await;
        next.acquire().await.unwrap();
        assert_eq!(read(&next, 0, 4096).await, block(1));
        next.write(0, &[&block(2)]).await.unwrap();
        next.flush().await.unwrap();
        next.release().await.unwrap();
        disk.acquire().await.unwrap();
        assert_eq!(read(&disk, 0, 4096).await, block(2));
    });
}

#[test]
fn nobody_else_writes_before_it_is_replayed_or_given_up() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer_ahead().await;
        let said = world.refused(&world.ssd).await;
        assert!(said.contains("another process has it open"), "{said}");
        drop(disk);
        world.ssd.lose_process();

        let said = world.refused(&VolatileDisk::new("two")).await;
        assert!(said.contains("host one") && said.contains("invalidate"), "{said}");
        assert_eq!(world.stored(0, 4096).await, block(1), "it can be read all the same");
        // A host that says that it is the same one, and has no log, or another one.
        let said = world.refused(&VolatileDisk::new("one")).await;
        assert!(said.contains("it is gone"), "{said}");
        let path = world.ssd.paths().remove(0);
        let kept = world.ssd.clone();
        for (at, what) in [(8, "another image"), (24, "another log"), (40, "checksum")] {
            kept.edit(&path, |bytes| {
                bytes[at] ^= 1;
                if at < 40 {
                    let crc = crate::crc::crc32c(&bytes[..60]);
                    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
                }
            });
            let said = world.refused(&kept).await;
            assert!(said.contains(what), "{said}");
            kept.edit(&path, |bytes| {
                bytes[at] ^= 1;
                let crc = crate::crc::crc32c(&bytes[..60]);
                bytes[60..64].copy_from_slice(&crc.to_le_bytes());
            });
        }
        let disk = world.writer().await;
        assert_eq!(read(&disk, 0, 4096).await, block(2));
    });
}

#[test]
fn what_is_given_up_is_gone_and_stays_so() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer_ahead().await;
        drop(disk);
        world.ssd.lose_process();
        let two = VolatileDisk::new("two");
        let other = world.reader(world.options(&two)).await;
        other.acquire_with(LocalChanges::GiveUp).await.unwrap();
        assert_eq!(other.local_mark().await.unwrap(), None);
        assert_eq!(read(&other, 0, 4096).await, block(1));
        other.close().await.unwrap();
        let disk = world.writer().await;
        assert_eq!(read(&disk, 0, 4096).await, block(1));
        disk.write(4096, &[&block(3)]).await.unwrap();
        disk.flush().await.unwrap();
        drop(disk);
        world.ssd.lose_process();
        let disk = world.writer().await;
        assert_eq!(read(&disk, 0, 8192).await, [block(1), block(3)].concat());
    });
}

/// Nobody can tell which log it was: reading goes on, and the changes can only be given up.
#[test]
fn a_mark_that_has_rotted_can_be_given_up() {
    block_on(async {
        let world = World::new().await;
        drop(world.writer_ahead().await);
        world.ssd.lose_process();
        let pairs = [(Bytes::from_static(MARK_KEY.as_bytes()), Bytes::from_static(b"rot"))].into();
        let rot = Request::new(world.names.header(), vec![Op::OmapSet { pairs }]);
        world.cluster.client().operate(rot).await.unwrap().ok().unwrap();
        let disk = world.reader(world.options(&world.ssd)).await;
        assert_eq!(read(&disk, 0, 4096).await, block(1));
        assert!(matches!(disk.local_mark().await, Err(DiskError::Corrupt { .. })));
        assert!(matches!(disk.acquire().await, Err(DiskError::Corrupt { .. })));
        disk.acquire_with(LocalChanges::GiveUp).await.unwrap();
        assert_eq!(disk.local_mark().await.unwrap(), None);
        assert_eq!(read(&disk, 0, 4096).await, block(1));
        disk.close().await.unwrap();
    });
}

#[test]
fn the_log_of_a_removed_image_goes_where_it_is_its_own() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer_ahead().await;
        let mark = disk.local_mark().await.unwrap().unwrap();
        let refused = async |ssd: &VolatileDisk, mark: &LocalMark| remove_left(ssd, mark).await.is_err();
        assert!(refused(&world.ssd, &mark).await, "it is in use");
        drop(disk);
        world.ssd.lose_process();
        assert!(refused(&VolatileDisk::new("two"), &mark).await);
        assert!(refused(&world.ssd, &LocalMark { log: [9; 16], ..mark.clone() }).await);
        assert_eq!(world.ssd.paths(), std::slice::from_ref(&mark.path));
        remove_left(&world.ssd, &mark).await.unwrap();
        assert_eq!(world.ssd.paths(), [""; 0]);
        remove_left(&world.ssd, &mark).await.unwrap();
    });
}

#[test]
fn write_through_waits_for_the_log_alone() {
    block_on(async {
        let world = World::new().await;
        let mut options = world.options(&world.ssd);
        options.cache.enabled = false;
        let disk = world.reader(options).await;
        disk.acquire().await.unwrap();
        let before = disk.stats().appends;
        for n in 0..20 {
            disk.write(n * 4096, &[&block(n as u8 + 1)]).await.unwrap();
        }
        assert_eq!(disk.stats().appends, before);
        drop(disk);
        world.ssd.lose_power(&mut Chance::new(1));
        let disk = world.writer().await;
        for n in 0..20 {
            assert_eq!(read(&disk, n * 4096, 4096).await, block(n as u8 + 1));
        }
    });
}

#[test]
fn many_waiters_share_a_sync() {
    block_on(async {
        let mut world = World::new().await;
        world.ssd.env = Some(TokioEnv::current());
        let disk = world.writer_with(1).await;
        let before = world.ssd.files.lock().syncs;
        let writes = (0..50u64).map(|n| {
            let disk = disk.clone();
            tokio::spawn(async move {
                disk.write(n * 4096, &[&block(7)]).await.unwrap();
                disk.flush().await.unwrap();
            })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap();
        }
        let syncs = world.ssd.files.lock().syncs - before;
        assert!(syncs < 25, "{syncs} syncs for 50 flushes");
    });
}

/// Far more than the log holds: it goes round, and the store is given what it must be given.
#[test]
fn a_full_log_is_drained() {
    with_seeds(5, |chance| {
        block_on(async {
            let world = World::new().await;
            let disk = world.writer().await;
            let mut model = vec![0; 8 * MB as usize];
            for n in 0..600u32 {
                let blocks = 1 + chance.below(100);
                let at = chance.below(2048 - blocks);
                let data = vec![(n % 251) as u8 + 1; (blocks * 4096) as usize];
                disk.write(at * 4096, &[&data]).await.unwrap();
                model[(at * 4096) as usize..][..data.len()].copy_from_slice(&data);
                if chance.one_in(3) {
                    disk.flush().await.unwrap();
                }
            }
            disk.flush().await.unwrap();
            drop(disk);
            world.ssd.lose_power(chance);
            let disk = world.writer().await;
            assert!(read(&disk, 0, 8 * MB).await == model);
        });
    });
}

#[test]
fn a_log_that_fails_is_left_and_nothing_is_lost() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer_with(1).await;
        world.ssd.files.lock().broken = true;
        disk.write(4096, &[&block(2)]).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(world.stored(0, 8192).await, [block(1), block(2)].concat(), "the store has it");
        disk.write(0, &[&block(3)]).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(world.stored(0, 4096).await, block(3));
        while disk.local_mark().await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        drop(disk);
        world.ssd.files.lock().broken = false;
        world.ssd.lose_process();
        // Nothing of the old log is applied over what came later.
        let disk = world.writer().await;
        assert_eq!(read(&disk, 0, 8192).await, [block(3), block(2)].concat());
    });
}

/// What comes after a snapshot in the order of changes is not acknowledged before the snapshot's record is durable: a replay
/// would end before it.
#[test]
fn nothing_is_acknowledged_over_a_barrier() {
    assert!(!is_acknowledged_over_a_barrier());
    sabotage(Some(Sabotage::LocalAckOverBarrier));
    let lost = is_acknowledged_over_a_barrier();
    sabotage(None);
    assert!(lost, "this test would not notice");
}

fn is_acknowledged_over_a_barrier() -> bool {
    block_on(async {
        let world = World::new().await;
        let (held, hung) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (hold, hangs) = (held.clone(), hung.clone());
        let store = FaultyStore::new(world.cluster.client(), TokioEnv::current(), move |call| {
            let segment = call.request.target.oid.starts_with("lsvd_data");
            if !segment || !hold.load(Ordering::SeqCst) {
                return Fault::None;
            }
            hangs.store(true, Ordering::SeqCst);
            Fault::Hang
        });
        let (names, options) = (world.names.clone(), world.options(&world.ssd));
        let disk = Disk::open(store, names, options, TokioEnv::current()).await.unwrap();
        disk.acquire().await.unwrap();
        disk.write(0, &[&block(1)]).await.unwrap();
        disk.flush().await.unwrap();
        held.store(true, Ordering::SeqCst);
        let snapshot = tokio::spawn({
            let disk = disk.clone();
            async move { disk.snap_create("s").await.map(drop) }
        });
        while !hung.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        disk.write(8192, &[&block(3)]).await.unwrap();
        let flushed = tokio::time::timeout(Duration::from_millis(300), disk.flush()).await;
        snapshot.abort();
        drop(disk);
        world.ssd.lose_process();
        let disk = world.writer().await;
        assert_eq!(read(&disk, 0, 4096).await, block(1));
        assert_eq!(read(&disk, 8192, 4096).await, block(0), "replay ends before the barrier");
        flushed.is_ok()
    })
}

#[test]
fn no_log_can_be_had_at_all() {
    block_on(async {
        let world = World::new().await;
        world.ssd.files.lock().broken = true;
        let _disk = world.writer_with(1).await;
        assert_eq!(world.stored(0, 4096).await, block(1));
    });
}

#[test]
fn damage_before_what_was_durable_is_no_torn_end() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer().await;
        for n in 0..4u8 {
            disk.write(u64::from(n) * 4096, &[&block(n + 1)]).await.unwrap();
            disk.flush().await.unwrap();
        }
        drop(disk);
        world.ssd.lose_process();
        let path = world.ssd.paths().remove(0);
        // Each flush wrote a frame of two pages.
        for frame in 0..4usize {
            let at = (PAGE + frame as u64 * 2 * PAGE) as usize + 1000;
            world.ssd.edit(&path, |bytes| bytes[at] ^= 1);
            let disk = world.reader(world.options(&world.ssd)).await;
            let outcome = disk.acquire().await;
            match frame {
                // Nothing tells it from a frame that was never synced.
                3 => outcome.unwrap(),
                _ => assert!(matches!(outcome, Err(DiskError::Corrupt { .. })), "{frame}: {outcome:?}"),
            }
            drop(disk);
            world.ssd.lose_process();
            world.ssd.edit(&path, |bytes| bytes[at] ^= 1);
        }
    });
}

/// Snapshots, resizes and rollbacks between flushes that were local: after a crash the image is as it was flushed.
#[test]
fn random_lives_with_loss_of_power() {
    with_seeds(40, |chance| {
        block_on(async {
            let world = World::new().await;
            let mut model = vec![0u8; 2 * MB as usize];
            let mut snapshots = Vec::new();
            for _ in 0..4 {
                let disk = world.writer().await;
                assert!(read(&disk, 0, 2 * MB).await == model);
                for step in 0..30u64 {
                    let at = chance.below(2 * MB - 40_000);
                    let length = 1 + chance.below(40_000);
                    match chance.below(12) {
                        0 => {
                            let info = disk.snap_create(&format!("{step}")).await.unwrap();
                            snapshots.push((info.id, model.clone()));
                        }
                        1 if !snapshots.is_empty() => {
                            let (id, then) = &snapshots[chance.below(snapshots.len() as u64) as usize];
                            disk.rollback(*id, &|_, _| ()).await.unwrap();
                            model = then.clone();
                        }
                        2 => {
                            disk.discard(at, length).await.unwrap();
                            model[at as usize..][..length as usize].fill(0);
                        }
                        3 => {
                            disk.resize(64 * MB + step * MB).await.unwrap();
                        }
                        4 => disk.release().await.and(disk.acquire().await).unwrap(),
                        _ => {
                            let data = vec![chance.next() as u8; length as usize];
                            disk.write(at, &[&data]).await.unwrap();
                            model[at as usize..][..length as usize].copy_from_slice(&data);
                        }
                    }
                    if chance.one_in(3) {
                        disk.flush().await.unwrap();
                    }
                }
                disk.flush().await.unwrap();
                drop(disk);
                world.ssd.lose_power(chance);
            }
        });
    });
}

/// A crash at some moment within the replay of an earlier one.
#[test]
fn a_replay_that_is_cut_short_goes_on() {
    with_seeds(20, |chance| {
        block_on(async {
            let world = World::new().await;
            let disk = world.writer().await;
            let mut model = vec![0u8; 4 * MB as usize];
            for n in 0..300u64 {
                let at = chance.below(1000) * 4096;
                disk.write(at, &[&block(n as u8)]).await.unwrap();
                model[at as usize..][..4096].fill(n as u8);
            }
            disk.flush().await.unwrap();
            drop(disk);
            world.ssd.lose_power(chance);
            for _ in 0..3 {
                let disk = world.reader(world.options(&world.ssd)).await;
                let steps = chance.below(200);
                let taking = async {
                    tokio::select! {
                        biased;
                        () = async { for _ in 0..steps { tokio::task::yield_now().await } } => {}
                        outcome = disk.acquire() => outcome.unwrap(),
                    }
                };
                taking.await;
                drop(disk);
                world.ssd.lose_power(chance);
            }
            let disk = world.writer().await;
            assert!(read(&disk, 0, 4 * MB).await == model);
        });
    });
}

#[test]
fn an_opener_without_a_log_of_its_own_replays_too() {
    block_on(async {
        let world = World::new().await;
        let disk = world.writer_with(1).await;
        drop(disk);
        world.ssd.lose_process();
        let mut options = options();
        options.local.disk = Arc::new(world.ssd.clone());
        let disk = world.reader(options).await;
        disk.acquire().await.unwrap();
        assert_eq!(read(&disk, 0, 4096).await, block(1));
        disk.write(0, &[&block(2)]).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(world.stored(0, 4096).await, block(2));
    });
}

#[test]
fn files_of_the_system() {
    block_on(async {
        let folder = std::env::temp_dir().join(format!("logrbd-ssd-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("log").to_string_lossy().into_owned();
        let disk = SystemDisk { host_id: Some("me".into()) };
        assert_eq!(disk.host(), "me");
        assert!(!SystemDisk::default().host().is_empty());
        assert_eq!(disk.open(&path, Wanted::Existing).await.map(drop), Err(OpenError::Missing));
        let file = disk.open(&path, Wanted::Any).await.unwrap();
        assert_eq!(file.size_bytes(), 0);
        file.allocate(MB).await.unwrap();
        assert_eq!(file.size_bytes(), MB);
        assert_eq!(disk.open(&path, Wanted::Existing).await.map(drop), Err(OpenError::InUse));
        let data = Bytes::from(block(7));
        file.write(vec![(8192, data.clone()), (MB - 4096, data.clone())], true).await.unwrap();
        assert_eq!(file.read(8192, 4096).await.unwrap(), data);
        assert_eq!(file.read(12288, 4096).await.unwrap(), block(0));
        file.close().await;
        let file = disk.open(&path, Wanted::Existing).await.unwrap();
        assert_eq!(file.read(MB - 4096, 9999).await.unwrap(), data);
        disk.remove(&path).await.unwrap();
        file.close().await;
        let link = folder.join("link").to_string_lossy().into_owned();
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(matches!(disk.open(&link, Wanted::Any).await.map(drop), Err(OpenError::Io(_))));
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

fn changes() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    prop::collection::vec((0u8..3, 0u64..1 << 40, 1u64..=3), 1..20)
}

proptest! {
    #[test]
    fn frames_come_back(changes in changes(), first in 1u64..1 << 60, flip: u32) {
        let mut frame = FrameBuffer::new(LocalSeq(first));
        for (kind, lba, blocks) in &changes {
            match kind {
                0 => frame.push(Change::Data, *lba, *blocks, |out| out.resize(out.len() + *blocks as usize * 4096, 5)),
                1 => frame.push(Change::Hole, *lba, *blocks, |_| ()),
                _ => frame.push(Change::Barrier, 0, 0, |_| ()),
            };
        }
        let last = LocalSeq(first + changes.len() as u64 - 1);
        prop_assert_eq!(frame.last, last);
        let raw = frame.close([3; 16], 8192, LocalSeq(first - 1), LocalSeq(first - 1));
        let header = FrameHeader::decode(&raw).unwrap();
        prop_assert_eq!((header.first, header.last, header.length()), (LocalSeq(first), last, raw.len() as u64));
        let found = entries(&header, &raw).unwrap();
        prop_assert_eq!(found.len(), changes.len());
        let mut bad = raw.to_vec();
        let at = flip as usize % (FRAME_BYTES + header.body_bytes as usize);
        bad[at] ^= 1 << (flip % 8);
        let again = FrameHeader::decode(&bad).map(|header| entries(&header, &bad.into()));
        prop_assert!(!matches!(again, Ok(Ok(_))), "a flipped bit at {}", at);
    }

    #[test]
    fn any_bytes_are_decoded(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = LogHeader::decode(&raw);
        let _ = LocalMark::decode("o", &raw);
        if raw.len() >= FRAME_BYTES {
            let header = FrameHeader {
                log: [0; 16], offset: 0, first: LocalSeq(1), last: LocalSeq(2), drained: LocalSeq(0), synced: LocalSeq(0),
                body_bytes: (raw.len() - FRAME_BYTES) as u32,
                body_crc: crate::crc::crc32c(&raw[FRAME_BYTES..]),
            };
            let _ = entries(&header, &raw.into());
        }
    }

    #[test]
    fn marks_come_back(host in ".{0,40}", path in ".{0,40}", log: [u8; 16]) {
        let mark = LocalMark { log, host, path };
        prop_assert_eq!(LocalMark::decode("o", &mark.encode()).unwrap(), mark);
    }
}
