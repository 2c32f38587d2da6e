//! Stored bytes that rot, are cut off or vanish: an error that names the object, never wrong data, and no silent loss of
//! what had been durable.

use std::sync::Arc;

use bytes::Bytes;

use super::api_tests::{formatted, open, options, read};
use super::shared::{data_of, run};
use super::testing::block_on;
use super::*;
use crate::env::TokioEnv;
use crate::errno::Errno;
use crate::store::model::ModelCluster;
use crate::store::{Op, Store};

async fn content(store: &Arc<dyn Store>, names: &DiskNames, segment: u64) -> Vec<u8> {
    let target = names.segment(SegmentSeq(segment));
    let mut reply = run(store, &target, vec![Op::Read { offset: 0, length: 0 }]).await.unwrap();
    data_of(&mut reply, 0).to_vec()
}

async fn replace(store: &Arc<dyn Store>, names: &DiskNames, segment: u64, data: Vec<u8>) {
    let ops = vec![Op::Truncate { size: 0 }, Op::Write { offset: 0, data: Bytes::from(data) }];
    run(store, &names.segment(SegmentSeq(segment)), ops).await.unwrap();
}

async fn flip(store: &Arc<dyn Store>, names: &DiskNames, segment: u64, at: usize) {
    let mut data = content(store, names, segment).await;
    data[at] ^= 0x40;
    replace(store, names, segment, data).await;
}

/// A disk whose writer died: segment 1 has the EpochStart record (64 to 128) and then records of one block each,
/// 4192 bytes apart, each flushed; block n holds n + 1.
async fn crashed(blocks: u8) -> (Arc<dyn Store>, DiskNames) {
    let store = ModelCluster::new().client();
    let names = formatted(&store, 64 << 20).await;
    let disk = open(&store, &names, options()).await;
    disk.acquire().await.unwrap();
    for n in 0..blocks {
        disk.write(u64::from(n) * 4096, &[&[n + 1; 4096]]).await.unwrap();
        disk.flush().await.unwrap();
    }
    (store, names)
}

const RECORD: usize = 64 + 4112 + 16;

fn record(n: usize) -> usize {
    128 + n * RECORD
}

async fn try_open(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<Arc<Disk>> {
    let disk = Disk::open(store.clone(), names.clone(), options(), TokioEnv::current()).await?;
    disk.acquire().await?;
    Ok(disk)
}

fn is_corrupt(error: &DiskError, object: &str, offset: u64) {
    match error {
        DiskError::Corrupt { object: found, offset: at, .. } => {
            assert_eq!((found.as_str(), *at), (object, offset), "{error}");
        }
        error => panic!("{error}"),
    }
    assert_eq!(Errno::from(error), Errno::EIO);
}

#[test]
fn a_rotten_block_fails_alone() {
    block_on(async {
        let (store, names) = crashed(4).await;
        flip(&store, &names, 1, record(2) + 64 + 100).await;
        for writer in [false, true] {
            let disk = if writer {
                try_open(&store, &names).await.unwrap()
            } else {
                open(&store, &names, options()).await
            };
            let error = disk.read(2 * 4096 + 5, 10, &mut vec![0; 10]).await.unwrap_err();
            is_corrupt(&error, "lsvd_data.abc.0000000000000001", record(2) as u64 + 64);
            assert_eq!(disk.read(0, 4 * 4096, &mut vec![0; 4 * 4096]).await.unwrap_err(), error);
            for n in [0, 1, 3] {
                assert_eq!(read(&disk, n * 4096, 4096).await, vec![n as u8 + 1; 4096]);
            }
            if writer {
                // Part of it cannot be written, because the rest is not known; all of it can.
                let error = disk.write(2 * 4096 + 1, &[b"x"]).await.unwrap_err();
                assert!(matches!(error, DiskError::Corrupt { .. }));
                disk.write(2 * 4096, &[&[9; 4096]]).await.unwrap();
                assert_eq!(read(&disk, 2 * 4096, 4096).await, vec![9; 4096]);
            }
        }
    });
}

#[test]
fn a_block_in_the_wrong_place_is_noticed() {
    block_on(async {
        let (store, names) = crashed(4).await;
        let mut data = content(&store, &names, 1).await;
        let slot = data[record(1) + 64..record(1) + 64 + 4112].to_vec();
        data[record(3) + 64..record(3) + 64 + 4112].copy_from_slice(&slot);
        replace(&store, &names, 1, data).await;
        let disk = try_open(&store, &names).await.unwrap();
        let error = disk.read(3 * 4096, 4096, &mut vec![0; 4096]).await.unwrap_err();
        is_corrupt(&error, "lsvd_data.abc.0000000000000001", record(3) as u64 + 64);
    });
}

#[test]
fn a_torn_tail_ends_the_log() {
    block_on(async {
        for cut in [record(3) + 1, record(3) + 63, record(3) + 64, record(3) + 3000, record(4) - 1] {
            let (store, names) = crashed(4).await;
            let mut data = content(&store, &names, 1).await;
            assert_eq!(data.len(), record(4));
            data.truncate(cut);
            replace(&store, &names, 1, data).await;
            let reader = open(&store, &names, options()).await;
            let disk = try_open(&store, &names).await.unwrap();
            for disk in [&disk, &reader] {
                assert_eq!(read(disk, 0, 4 * 4096).await[2 * 4096..], [[3; 4096], [0; 4096]].concat());
            }
            disk.write(5 * 4096, &[&[6; 4096]]).await.unwrap();
            disk.flush().await.unwrap();
            drop(disk);
            // The log goes on after the torn record.
            let disk = try_open(&store, &names).await.unwrap();
            assert_eq!(read(&disk, 5 * 4096, 4096).await, vec![6; 4096]);
            assert_eq!(read(&reader, 5 * 4096, 4096).await, vec![6; 4096]);
        }
    });
}

#[test]
fn damage_before_later_records_is_no_torn_tail() {
    block_on(async {
        // In the header (LSN, length, checksum) and in the extents of the second of four records.
        for at in [record(1) + 8, record(1) + 28, record(1) + 60, record(2) - 16, record(2) - 5] {
            let (store, names) = crashed(4).await;
            flip(&store, &names, 1, at).await;
            let error = try_open(&store, &names).await.map(drop).unwrap_err();
            is_corrupt(&error, "lsvd_data.abc.0000000000000001", record(1) as u64);
        }
        // The last record of a segment, with another segment behind it.
        let (store, names) = crashed(4).await;
        drop(try_open(&store, &names).await.unwrap());
        flip(&store, &names, 1, record(3) + 10).await;
        let error = try_open(&store, &names).await.map(drop).unwrap_err();
        is_corrupt(&error, "lsvd_data.abc.0000000000000001", record(3) as u64);
        // The header of a segment.
        let (store, names) = crashed(1).await;
        flip(&store, &names, 1, 30).await;
        let error = try_open(&store, &names).await.map(drop).unwrap_err();
        is_corrupt(&error, "lsvd_data.abc.0000000000000001", 0);
    });
}

#[test]
fn a_lost_segment_is_no_end_of_the_log() {
    block_on(async {
        let store = ModelCluster::new().client();
        let names = formatted(&store, 64 << 20).await;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        for n in 0..20 {
            disk.write(n << 18, &[&vec![n as u8 + 1; 1 << 18]]).await.unwrap();
            disk.flush().await.unwrap();
        }
        assert!(disk.stats().segments > 4);
        drop(disk);
        for lost in 1..4 {
            let data = content(&store, &names, lost).await;
            let target = names.segment(SegmentSeq(lost));
            run(&store, &target, vec![Op::Remove]).await.unwrap();
            let error = try_open(&store, &names).await.map(drop).unwrap_err();
            is_corrupt(&error, &target.oid, 0);
            let epoch = shared::set_epoch(WriterEpoch(1));
            run(&store, &target, vec![Op::Create { exclusive: true }, epoch]).await.unwrap();
            replace(&store, &names, lost, data).await;
        }
        let disk = try_open(&store, &names).await.unwrap();
        assert_eq!(read(&disk, 19 << 18, 1 << 18).await, vec![20; 1 << 18]);
    });
}

#[test]
fn headers_that_make_no_sense() {
    block_on(async {
        for (key, found) in [("format", true), ("root", true), ("root", false), ("format", false)] {
            let (store, names) = crashed(1).await;
            let target = names.header();
            let keys = vec![Bytes::from(key)];
            if found {
                let pairs = [(Bytes::from(key), Bytes::from_static(b"LSV nonsense, and some more of it"))];
                run(&store, &target, vec![Op::OmapSet { pairs: pairs.into() }]).await.unwrap();
            } else {
                run(&store, &target, vec![Op::OmapRmKeys { keys }]).await.unwrap();
            }
            let error = try_open(&store, &names).await.map(drop).unwrap_err();
            is_corrupt(&error, &target.oid, 0);
        }
        let (store, names) = crashed(1).await;
        let mut newer =
            header::Format { uuid: [7; 16], segment_bytes: 1 << 20, payloads: false }.encode().to_vec();
        newer[4] = 3;
        let pairs = [(Bytes::from("format"), Bytes::from(newer))];
        run(&store, &names.header(), vec![Op::OmapSet { pairs: pairs.into() }]).await.unwrap();
        let error = try_open(&store, &names).await.map(drop).unwrap_err();
        assert!(matches!(error, DiskError::NewerFormat { found: 3, known: 2, .. }), "{error}");
        let missing = DiskNames::new(names.pool, "", "nobody", None);
        let error = try_open(&store, &missing).await.map(drop).unwrap_err();
        assert_eq!(Errno::from(&error), Errno::ENOENT);
    });
}
