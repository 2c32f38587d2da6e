//! Random requests of every kind beside a plain array, reopened now and then, with a reader and snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::disk::api_tests::read;
use crate::disk::{Compared, DiskError, SnapshotId};
use crate::env::Env;

const BLOCKS: u64 = 700;

struct Model {
    image: Vec<u8>,
    snapshots: BTreeMap<SnapshotId, Vec<u8>>,
}

#[test]
fn random_requests_equal_an_array() {
    in_sims(seeds(20), work);
}

async fn work(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let names = format(&network, BLOCKS).await;
    let mut model = Model { image: vec![0; BLOCKS as usize * 4096], snapshots: BTreeMap::new() };
    let host = sim.group();
    let mut options = options(!sim.one_in(4));
    options.segments_in_flight = 1 + sim.below(4) as u32;
    options.map_memory_bytes = if sim.one_in(3) { 96 << 10 } else { 64 << 20 };
    let reader =
        Disk::open(network.quiet_client(), names.clone(), options.clone(), host.clone()).await.unwrap();
    let mut disk = writer(&network, &host, &names, options.clone()).await.unwrap();
    for step in 0..120 {
        let size = model.image.len() as u64;
        match sim.below(100) {
            0..50 if size > 0 => {
                let work = pattern::Work::random(&sim, 0, size, step);
                work.apply(&mut model.image);
                match &work {
                    pattern::Work::Write { offset, data } => {
                        let cut = sim.below(data.len() as u64 + 1) as usize;
                        let pieces = [&data[..cut], &data[cut..]];
                        if disk.try_write(*offset, &pieces).is_none() {
                            disk.write(*offset, &pieces).await.unwrap();
                        }
                    }
                    pattern::Work::Punch { offset, length } if sim.one_in(2) => {
                        disk.discard(*offset, *length).await.unwrap();
                    }
                    pattern::Work::Punch { offset, length } => {
                        disk.write_zeroes(*offset, *length).await.unwrap();
                    }
                }
            }
            50..55 if size > 8192 => {
                let pattern: Vec<u8> =
                    (0..[1, 512, 4096, 700][sim.below(4) as usize]).map(|i| i as u8 | 2).collect();
                let copies = 1 + sim.below((size / 4 / pattern.len() as u64).max(1));
                let length = copies * pattern.len() as u64;
                let offset = sim.below(size - length + 1);
                disk.write_same(offset, length, &pattern).await.unwrap();
                model.image[offset as usize..(offset + length) as usize]
                    .copy_from_slice(&pattern.repeat(copies as usize));
            }
            55..60 if size > 8192 => {
                let length = 1 + sim.below(8192);
                let offset = sim.below(size - length + 1);
                let range = offset as usize..(offset + length) as usize;
                let mut compare = model.image[range.clone()].to_vec();
                let data = vec![step as u8; length as usize];
                if sim.one_in(2) {
                    let at = sim.below(length);
                    compare[at as usize] ^= 1;
                    let done = disk.compare_and_write(offset, &compare, &data).await.unwrap();
                    assert_eq!(done, Compared::Mismatch { offset: offset + at });
                } else {
                    let done = disk.compare_and_write(offset, &compare, &data).await.unwrap();
                    assert_eq!(done, Compared::Written);
                    model.image[range].copy_from_slice(&data);
                }
            }
            60..75 if size > 0 => {
                let length = sim.below(size.min(300_000)) + 1;
                let offset = sim.below(size - length + 1);
                let found = read(&disk, offset, length).await;
                assert!(
                    found == model.image[offset as usize..(offset + length) as usize],
                    "read {offset}+{length}"
                );
            }
            75..80 => {
                disk.flush().await.unwrap();
                let found = read(&reader, 0, size).await;
                assert!(found == model.image, "a reader sees what was flushed");
            }
            80..83 => {
                let bytes = [sim.below(BLOCKS) * 4096, sim.below(BLOCKS * 4096)][sim.below(2) as usize];
                disk.resize(bytes).await.unwrap();
                model.image.resize(bytes as usize, 0);
                reader.refresh().await.unwrap();
                assert_eq!(reader.size_bytes(), bytes);
            }
            83..86 => {
                let snapshot = disk.snap_create(&format!("s{step}")).await.unwrap();
                assert_eq!(snapshot.size_bytes, size);
                model.snapshots.insert(snapshot.id, model.image.clone());
            }
            86..88 => {
                let nth = sim.below(model.snapshots.len() as u64 + 1) as usize;
                if let Some(&id) = model.snapshots.keys().nth(nth) {
                    disk.snap_remove(id).await.unwrap();
                    model.snapshots.remove(&id);
                }
            }
            88..90 => {
                let nth = sim.below(model.snapshots.len() as u64 + 1) as usize;
                if let Some((&id, image)) = model.snapshots.iter().nth(nth) {
                    disk.rollback(id, &|_, _| ()).await.unwrap();
                    model.image = image.clone();
                }
            }
            90..93 => check_snapshots(&network, &names, &model, &host).await,
            93..95 => host.sleep(std::time::Duration::from_millis(sim.below(3000))).await,
            95 => {
                disk.release().await.unwrap();
                assert!(matches!(disk.write(0, &[b"x"]).await, Err(DiskError::ReadOnly)));
                assert!(read(&disk, 0, size).await == model.image);
                disk.acquire().await.unwrap();
            }
            96 => {
                // A crash of the opener after a flush.
                disk.flush().await.unwrap();
                disk = writer(&network, &host, &names, options.clone()).await.unwrap();
                assert!(read(&disk, 0, size).await == model.image, "after a crash");
            }
            _ => {
                disk.close().await.unwrap();
                disk = writer(&network, &host, &names, options.clone()).await.unwrap();
                assert_eq!(disk.size_bytes(), size);
                assert!(read(&disk, 0, size).await == model.image, "after a close");
            }
        }
    }
    check_snapshots(&network, &names, &model, &host).await;
    disk.close().await.unwrap();
    disk_is(&network, &names, &host, &model.image).await;
}

async fn disk_is(network: &Network, names: &DiskNames, host: &Arc<Group>, image: &[u8]) {
    let disk = Disk::open(network.client(host), names.clone(), options(true), host.clone()).await.unwrap();
    assert!(read(&disk, 0, image.len() as u64).await == image, "a new reader");
}

async fn check_snapshots(network: &Network, names: &DiskNames, model: &Model, host: &Arc<Group>) {
    for (&id, image) in &model.snapshots {
        let view = Disk::open_snapshot(network.client(host), names.clone(), id, options(true), host.clone());
        let view = view.await.unwrap();
        assert_eq!(view.size_bytes(), image.len() as u64);
        assert!(read(&view, 0, image.len() as u64).await == *image, "snapshot {}", id.0);
    }
}
