//! Images whose data pool takes whole objects alone: what goes there, what reads it, and what is left of it.

use std::sync::Arc;

use bytes::Bytes;

use super::api_tests::{open, options, read};
use super::check::{Damage, Report, check, repair};
use super::gc::Defrag;
use super::header::Header;
use super::payload::PayloadEpochs;
use super::shared::run;
use super::testing::block_on;
use super::*;
use crate::env::TokioEnv;
use crate::errno::Errno;
use crate::store::model::ModelCluster;
use crate::store::{ListCursor, Op, PoolId, Store, StoreError};

const SEGMENT: u64 = 1 << 20;
const BLOCKS: u64 = 4096;

struct World {
    store: Arc<dyn Store>,
    names: DiskNames,
    /// What each block holds.
    blocks: Vec<u8>,
}

async fn world() -> World {
    let cluster = ModelCluster::new();
    let data_pool = cluster.add_erasure_coded_pool("ec", 8192).unwrap();
    let store = cluster.client();
    let pool = store.pool_lookup("rbd").await.unwrap();
    let names = DiskNames::new(pool, "", "abc", Some(data_pool));
    let params = FormatParams {
        segment_bytes: SEGMENT as u32,
        payloads: true,
        ..FormatParams::new(BLOCKS * BLOCK_BYTES, [7; 16])
    };
    Disk::format(&store, &names, &params).await.unwrap();
    World { store, names, blocks: vec![0; BLOCKS as usize] }
}

impl World {
    async fn writer(&self, options: DiskOptions) -> Arc<Disk> {
        let disk = open(&self.store, &self.names, options).await;
        disk.acquire().await.unwrap();
        disk
    }

    async fn write(&mut self, disk: &Disk, first: u64, blocks: u64, byte: u8) {
        let data = vec![byte; (blocks * BLOCK_BYTES) as usize];
        disk.write(first * BLOCK_BYTES, &[&data]).await.unwrap();
        self.blocks[first as usize..(first + blocks) as usize].fill(byte);
    }

    async fn verify(&self, disk: &Disk) {
        let data = read(disk, 0, BLOCKS * BLOCK_BYTES).await;
        for (block, (data, byte)) in data.chunks(BLOCK_BYTES as usize).zip(&self.blocks).enumerate() {
            assert!(data.iter().all(|found| found == byte), "block {block} is not {byte}");
        }
    }

    async fn list(&self, pool: PoolId) -> Vec<String> {
        let (entries, end) = self.store.list(pool, None, ListCursor::begin(), 100_000).await.unwrap();
        assert_eq!(end, ListCursor::End);
        let mut found: Vec<String> = entries.into_iter().map(|entry| entry.oid.to_string()).collect();
        found.sort();
        found
    }

    async fn payloads(&self) -> Vec<String> {
        self.list(self.names.data_pool).await
    }

    async fn checked(&self) -> Report {
        let (store, names) = (self.store.clone(), self.names.clone());
        check(store, names, options(), TokioEnv::current(), &|_, _| ()).await.unwrap()
    }

    /// Payloads that somebody left who died before he could make their stubs.
    async fn leave(&self, segments: std::ops::Range<u64>, epoch: u32) {
        for seq in segments {
            let target = self.names.payload(SegmentSeq(seq), WriterEpoch(epoch));
            let data = Bytes::from(vec![epoch as u8; 4096]);
            run(&self.store, &target, vec![Op::WriteFull { data }]).await.unwrap();
        }
    }

    async fn next_segment(&self) -> u64 {
        let segments = self.list(self.names.pool).await;
        let last = segments.iter().filter_map(|oid| oid.strip_prefix("lsvd_data.abc.")).next_back().unwrap();
        u64::from_str_radix(last, 16).unwrap() + 1
    }
}

fn quiet() -> DiskOptions {
    DiskOptions { gc: false, ..options() }
}

#[test]
fn bursts_become_payloads_and_small_flushes_do_not() {
    block_on(async {
        let mut world = world().await;
        let disk = world.writer(quiet()).await;
        for n in 0..20 {
            world.write(&disk, n * 7, 1, 1 + n as u8).await;
            disk.flush().await.unwrap();
        }
        assert_eq!(world.payloads().await, [""; 0], "what is flushed in bits is appended");
        world.write(&disk, 1000, 2000, 50).await;
        disk.flush().await.unwrap();
        let payloads = world.payloads().await;
        assert!((6..=8).contains(&payloads.len()), "{payloads:?}");
        world.verify(&disk).await;
        // What follows is appended again, in the image's own pool.
        world.write(&disk, 0, 1, 60).await;
        disk.flush().await.unwrap();
        assert_eq!(world.payloads().await, payloads);
        let snapshot = disk.snap_create("one").await.unwrap();
        let at_snapshot = world.blocks.clone();
        world.write(&disk, 1500, 300, 61).await;
        disk.flush().await.unwrap();
        let diff = disk.diff(Some(snapshot.id), None, 0, BLOCKS * BLOCK_BYTES).await.unwrap();
        let run = DiffRun { offset: 1500 * BLOCK_BYTES, length: 300 * BLOCK_BYTES, exists: true };
        assert_eq!(diff, [run]);
        // A reader beside the writer, and one that comes after its end.
        let reader = open(&world.store, &world.names, quiet()).await;
        world.verify(&reader).await;
        drop(disk);
        let next = world.writer(quiet()).await;
        world.verify(&next).await;
        let (store, names) = (world.store.clone(), world.names.clone());
        let view =
            Disk::open_snapshot(store, names, snapshot.id, quiet(), TokioEnv::current()).await.unwrap();
        let now = std::mem::replace(&mut world.blocks, at_snapshot);
        world.verify(&view).await;
        next.rollback(snapshot.id, &|_, _| ()).await.unwrap();
        world.verify(&next).await;
        drop(now);
        next.close().await.unwrap();
        let report = world.checked().await;
        assert!(report.is_clean(), "{:?}", report.findings);
    });
}

#[test]
fn what_was_appended_moves_to_the_data_pool() {
    block_on(async {
        let mut world = world().await;
        let options = DiskOptions { checkpoint_log_bytes: 1 << 20, gc_record_bytes: 512 << 10, ..options() };
        let disk = world.writer(options).await;
        // Each block once, so that nothing ever dies: 16 MiB in flushes of 8 KiB.
        for n in 0..BLOCKS / 2 {
            world.write(&disk, n * 2, 2, 1 + (n % 251) as u8).await;
            disk.flush().await.unwrap();
        }
        // The collector is woken by what is written.
        let appended = loop {
            world.write(&disk, 0, 1, 7).await;
            disk.flush().await.unwrap();
            let header = Header::read(&world.store, &world.names).await.unwrap();
            let root = RootBlob::decode(&header.root, "header").unwrap();
            let appended = root.totals.bytes - root.totals.payload_bytes;
            if appended <= 12 * SEGMENT && root.totals.payload_bytes >= 4 * SEGMENT {
                break appended;
            }
            tokio::task::yield_now().await;
        };
        assert!(appended > 0);
        world.verify(&disk).await;
        disk.close().await.unwrap();
        let report = world.checked().await;
        assert!(report.is_clean(), "{:?}", report.findings);
        Disk::remove(&world.store, &world.names, &|_, _| ()).await.unwrap();
        assert_eq!(world.payloads().await, [""; 0]);
        assert_eq!(world.list(world.names.pool).await, [""; 0]);
    });
}

/// What is appended and what is in payloads comes into one piece, in a payload.
#[test]
fn what_is_read_in_many_pieces_is_put_together_in_a_payload() {
    block_on(async {
        let mut world = world().await;
        let disk = world.writer(DiskOptions { defrag_reads: 1, ..quiet() }).await;
        world.write(&disk, 0, BLOCKS, 200).await;
        for n in 0..100 {
            world.write(&disk, (n * 97) % 512, 2, 1 + n as u8).await;
            disk.flush().await.unwrap();
            // So that what is near in the image is not near in the log.
            world.write(&disk, 1000 + n * 16, 16, 1 + n as u8).await;
        }
        let writer = disk.writer().unwrap();
        writer.checkpoint().await.unwrap();
        world.verify(&disk).await;
        let defrag = Defrag::new(writer.shared.clone(), writer.head.state.clone());
        let mut copied = 0;
        while writer.fragments().due(std::time::Duration::MAX).is_some() {
            copied += defrag.step(&writer, writer.fragments(), &|| true).await.unwrap();
        }
        assert!(copied >= 512, "{copied}");
        let mut found = Vec::new();
        writer.head.state.map().lookup(Lba(0), 256, &mut found).await.unwrap();
        assert!(found.len() <= 2, "{found:?}");
        assert!(found.iter().all(|extent| writer.shared.offset_of(extent.loc.unwrap()).1));
        world.verify(&disk).await;
        drop((writer, defrag, disk));
        let next = world.writer(quiet()).await;
        world.verify(&next).await;
        next.close().await.unwrap();
        let report = world.checked().await;
        assert!(report.is_clean(), "{:?}", report.findings);
    });
}

/// Payloads without stubs: of the writer before, of older ones, of one that is paused; far from the log's end.
#[test]
fn payloads_without_stubs_are_found_and_removed() {
    block_on(async {
        let mut world = world().await;
        for epoch in 1..=2 {
            let disk = world.writer(quiet()).await;
            assert_eq!(disk.epoch().0, epoch);
            world.write(&disk, u64::from(epoch) * 700, 600, epoch as u8).await;
            disk.flush().await.unwrap();
            if epoch == 1 {
                disk.close().await.unwrap();
            }
        }
        let good = world.payloads().await;
        // Writer 2 had more under way when it died.
        let next = world.next_segment().await;
        world.leave(next..next + 3, 2).await;
        world.leave(next + 15..next + 16, 2).await;
        let report = world.checked().await;
        assert_eq!(report.worst(), Damage::Note, "its writer may come back: {:?}", report.findings);
        // Its successor removes them with its first checkpoint, and touches no other.
        let disk = world.writer(quiet()).await;
        world.write(&disk, 3000, 600, 3).await;
        disk.close().await.unwrap();
        let now = world.payloads().await;
        assert!(good.iter().all(|oid| now.contains(oid)), "{good:?} {now:?}");
        assert!(now.iter().all(|oid| good.contains(oid) || oid.ends_with(".00000003")), "{now:?}");
        // What a paused writer puts there later, at the numbers of its successor, is nobody's.
        world.leave(next..next + 8, 2).await;
        let reader = open(&world.store, &world.names, quiet()).await;
        world.verify(&reader).await;
        let report = world.checked().await;
        assert_eq!((report.worst(), report.findings.len()), (Damage::Space, 8), "{:?}", report.findings);
        // A removal knows the numbers of the log's tail, and probes there.
        let disk = world.writer(quiet()).await;
        world.write(&disk, 0, 600, 4).await;
        disk.flush().await.unwrap();
        drop(disk);
        let next = world.next_segment().await;
        world.leave(next..next + 3, 4).await;
        Disk::remove(&world.store, &world.names, &|_, _| ()).await.unwrap();
        assert!(world.payloads().await.iter().all(|oid| oid.ends_with(".00000002")), "late ones are left");
    });
}

#[test]
fn repair_removes_what_no_stub_names() {
    block_on(async {
        let mut world = world().await;
        let disk = world.writer(quiet()).await;
        world.write(&disk, 100, 600, 9).await;
        disk.close().await.unwrap();
        let good = world.payloads().await;
        let disk = world.writer(quiet()).await;
        disk.close().await.unwrap();
        world.leave(200..203, 1).await;
        world.leave(1..2, 0).await;
        let before = world.checked().await;
        assert_eq!(before.worst(), Damage::Space, "{:?}", before.findings);
        assert_eq!(before.findings.len(), 4, "{:?}", before.findings);
        let disk = world.writer(quiet()).await;
        let (store, names) = (world.store.clone(), world.names.clone());
        let report =
            repair(&disk, store, names, quiet(), TokioEnv::current(), before, &|_, _| ()).await.unwrap();
        assert!(report.findings.iter().all(|finding| finding.repaired), "{:?}", report.findings);
        assert_eq!(world.payloads().await, good);
        world.verify(&disk).await;
        disk.close().await.unwrap();
        assert!(world.checked().await.is_clean());
    });
}

/// Damage of a stub, of a payload, a payload that is missing: found, named, and never read as something else.
#[test]
fn damage_is_found() {
    block_on(async {
        for what in 0..4 {
            let mut world = world().await;
            let disk = world.writer(quiet()).await;
            world.write(&disk, 0, 1200, 5).await;
            disk.close().await.unwrap();
            let oid = world.payloads().await.remove(1);
            let (seq, epoch) = world.names.payload_of(&oid).unwrap();
            let (payload, stub) = (world.names.payload(seq, epoch), world.names.segment(seq));
            let mut reply =
                run(&world.store, &payload, vec![Op::Read { offset: 0, length: 0 }]).await.unwrap();
            let mut raw = super::shared::data_of(&mut reply, 0).to_vec();
            let (target, ops) = match what {
                0 => (&payload, vec![Op::Remove]),
                1 => {
                    raw[5000] ^= 1;
                    (&payload, vec![Op::WriteFull { data: raw.into() }])
                }
                2 => {
                    raw.truncate(raw.len() / 2);
                    (&payload, vec![Op::WriteFull { data: raw.into() }])
                }
                _ => (&stub, vec![Op::Remove]),
            };
            // The image's own pool has the stubs.
            let target = crate::store::Target::new(
                if what == 3 { world.names.pool } else { target.pool },
                "",
                target.oid.clone(),
            );
            run(&world.store, &target, ops).await.unwrap();
            let report = world.checked().await;
            let least = if what == 3 { Damage::Wrong } else { Damage::Lost };
            assert!(report.worst() >= least, "{what}: {:?}", report.findings);
            let found = report.findings.iter().any(|finding| finding.object == *target.oid);
            assert!(found, "{what}: {:?}", report.findings);
            let disk = open(&world.store, &world.names, quiet()).await;
            let mut failed = 0;
            for block in 0..1200 {
                let mut data = vec![0xee; BLOCK_BYTES as usize];
                match disk.read(block * BLOCK_BYTES, BLOCK_BYTES, &mut data).await {
                    Ok(()) => assert_eq!(data, vec![5; BLOCK_BYTES as usize], "{what}: block {block}"),
                    Err(DiskError::Corrupt { .. }) => failed += 1,
                    Err(error) => panic!("{what}: {error}"),
                }
            }
            assert_eq!(failed > 0, what != 3, "{what}: {failed}");
        }
    });
}

/// The pool of this test refuses what a real one refuses; who knows only the first version refuses the image.
#[test]
fn such_images_are_of_a_newer_format() {
    block_on(async {
        let mut world = world().await;
        let payload = world.names.payload(SegmentSeq(1), WriterEpoch(9));
        let write = |offset| Op::Write { offset, data: Bytes::from_static(b"x") };
        run(&world.store, &payload, vec![write(0)]).await.unwrap();
        for op in [write(1), write(0), Op::Truncate { size: 0 }, Op::OmapClear] {
            let refused = world.store.operate(crate::store::Request::new(payload.clone(), vec![op])).await;
            let refused = refused.and_then(crate::store::Reply::ok);
            assert_eq!(refused.map(drop), Err(StoreError::Op(Errno::EOPNOTSUPP)));
        }
        run(&world.store, &payload, vec![Op::Remove]).await.unwrap();
        let disk = world.writer(quiet()).await;
        world.write(&disk, 0, 600, 1).await;
        disk.close().await.unwrap();
        let keys = vec![Bytes::from_static(b"format"), Bytes::from_static(b"root")];
        let mut reply =
            run(&world.store, &world.names.header(), vec![Op::OmapGetValsByKeys { keys }]).await.unwrap();
        let Some(crate::store::OpOut::Pairs { pairs, .. }) = reply.ops.pop().map(|op| op.out) else {
            panic!()
        };
        for (key, value) in pairs {
            let version = if key == "format" { 2 } else { 3 };
            assert_eq!(value[4..6], [version, 0], "version of {key:?}");
        }
        let stub = world.names.with_format(&Header::read(&world.store, &world.names).await.unwrap().format);
        let (seq, _) = world.names.payload_of(&world.payloads().await[0]).unwrap();
        let mut reply =
            run(&world.store, &stub.segment(seq), vec![Op::Read { offset: 0, length: 0 }]).await.unwrap();
        let raw = super::shared::data_of(&mut reply, 0);
        assert_eq!((raw.len(), &raw[4..6]), (64, &[2, 0][..]));
    });
}

#[test]
fn epochs_of_payloads() {
    let epochs = PayloadEpochs::default();
    assert_eq!(epochs.of(SegmentSeq(5)), None);
    for (segment, epoch) in [(3, 1), (5, 1), (9, 2), (10, 2), (20, 7), (21, 7)] {
        epochs.note(SegmentSeq(segment), WriterEpoch(epoch));
    }
    let of = |segment| epochs.of(SegmentSeq(segment)).map(|epoch| epoch.0);
    assert_eq!(
        [2, 3, 8, 9, 19, 20, 99].map(of),
        [None, Some(1), Some(1), Some(2), Some(2), Some(7), Some(7)]
    );
    let mut look = epochs.look();
    look.found(SegmentSeq(5));
    epochs.note(SegmentSeq(30), WriterEpoch(8));
    epochs.forget(&look);
    // 7 was the newest when the look began, and 8 came since.
    let list: Vec<_> = epochs.list().into_iter().map(|(segment, epoch)| (segment.0, epoch.0)).collect();
    assert_eq!(list, [(3, 1), (20, 7), (30, 8)]);
    assert_eq!(epochs.of(SegmentSeq(4)), Some(WriterEpoch(1)));
}
