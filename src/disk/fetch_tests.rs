//! Reads that ask the store without a task give what reads with one give, or say that they do not.

use std::sync::Arc;
use std::time::Duration;

use super::api_tests::{formatted, open, options, read};
use super::testing::{Chance, block_on, with_seeds};
use super::*;
use crate::env::TokioEnv;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::model::ModelCluster;
use crate::store::{Op, Request, Store, StoreError};
use crate::sync::Mutex;

const SIZE: u64 = 1 << 20;

/// How a read went.
enum Went {
    /// Without the store.
    AtOnce(Vec<u8>),
    Fetched(Vec<u8>),
    /// Not without a task.
    Not,
}

fn begin(disk: &Disk, offset: u64, length: u64) -> (Vec<u8>, Tried) {
    let mut data = vec![0xee; length as usize];
    let tried = disk.try_read(offset, length, &mut data).unwrap();
    (data, tried)
}

async fn end(fetch: Fetch, data: Vec<u8>) -> Went {
    let (tell, told) = tokio::sync::oneshot::channel();
    fetch.start(data, |data, found| tell.send((data, found)).unwrap());
    match told.await.unwrap() {
        (data, true) => Went::Fetched(data),
        (_, false) => Went::Not,
    }
}

async fn try_read(disk: &Disk, offset: u64, length: u64) -> Went {
    match begin(disk, offset, length) {
        (data, Tried::Done) => Went::AtOnce(data),
        (data, Tried::Fetch(fetch)) => end(fetch, data).await,
        (_, Tried::Started | Tried::No) => Went::Not,
    }
}

/// A disk whose cache is empty, and whose map is in memory.
async fn cold(store: &Arc<dyn Store>, names: &DiskNames) -> Arc<Disk> {
    let disk = open(store, names, options()).await;
    disk.acquire().await.unwrap();
    // Too long to be kept.
    read(&disk, 0, SIZE).await;
    disk
}

fn faulty(cluster: &ModelCluster, fault: impl FnMut(&Request) -> Fault + Send + 'static) -> Arc<dyn Store> {
    let fault = Mutex::new(fault);
    FaultyStore::new(cluster.client(), TokioEnv::current(), move |call| (fault.lock())(call.request))
}

#[test]
fn what_is_fetched_is_what_was_written() {
    with_seeds(20, |chance| {
        block_on(async {
            let cluster = ModelCluster::new();
            let store = faulty(&cluster, |_| Fault::None);
            let names = formatted(&store, SIZE).await;
            let mut model = vec![0; SIZE as usize];
            let (mut at_once, mut fetched) = (0, 0);
            for _ in 0..4 {
                let disk = cold(&store, &names).await;
                for _ in 0..200 {
                    let offset = chance.below(SIZE / 512) * 512;
                    let length = ((1 + chance.below(24)) * 512).min(SIZE - offset);
                    let range = offset as usize..(offset + length) as usize;
                    match chance.below(8) {
                        0 => {
                            let data = vec![chance.below(255) as u8 + 1; length as usize];
                            disk.write(offset, &[&data]).await.unwrap();
                            model[range].copy_from_slice(&data);
                        }
                        1 => {
                            disk.discard(offset, length).await.unwrap();
                            model[range].fill(0);
                        }
                        2 if chance.one_in(4) => disk.flush().await.unwrap(),
                        3 if chance.one_in(16) => disk.invalidate_cache().await.unwrap(),
                        _ => {
                            let got = match try_read(&disk, offset, length).await {
                                Went::AtOnce(data) => {
                                    at_once += 1;
                                    data
                                }
                                Went::Fetched(data) => {
                                    fetched += 1;
                                    data
                                }
                                Went::Not => read(&disk, offset, length).await,
                            };
                            assert!(got == model[range], "{offset}+{length}");
                        }
                    }
                }
                disk.close().await.unwrap();
            }
            assert!(at_once > 0 && fetched > 0, "{at_once} at once, {fetched} fetched");
        });
    });
}

/// Writes blocks 0 to 7 with their numbers, 1 to 8, and closes the disk.
async fn eight_blocks(store: &Arc<dyn Store>) -> DiskNames {
    let names = formatted(store, SIZE).await;
    let disk = cold(store, &names).await;
    for block in 0..8u8 {
        disk.write(u64::from(block) * 4096, &[&[block + 1; 4096]]).await.unwrap();
    }
    disk.close().await.unwrap();
    names
}

#[test]
fn one_op_list_a_read_and_the_cache_is_filled() {
    block_on(async {
        let cluster = ModelCluster::new();
        let lists = Arc::new(Mutex::new(0));
        let counted = lists.clone();
        let store = faulty(&cluster, move |_| {
            *counted.lock() += 1;
            Fault::None
        });
        let names = eight_blocks(&store).await;
        let disk = cold(&store, &names).await;
        let before = *lists.lock();
        let Went::Fetched(data) = try_read(&disk, 4096, 8192).await else { panic!("not fetched") };
        assert!(data == [[2; 4096], [3; 4096]].concat());
        assert_eq!(*lists.lock(), before + 1);
        let Went::AtOnce(data) = try_read(&disk, 4096, 8192).await else { panic!("not in the cache") };
        assert!(data == [[2; 4096], [3; 4096]].concat());
        // Parts of blocks, beside one that is cached.
        let Went::Fetched(data) = try_read(&disk, 8192 + 100, 8192).await else { panic!("not fetched") };
        assert!(data[..3996] == [3; 3996] && data[3996..8092] == [4; 4096] && data[8092..] == [5; 100]);
        let Went::AtOnce(data) = try_read(&disk, SIZE - 4096, 4096).await else { panic!("not a hole") };
        assert!(data == [0; 4096]);
        assert_eq!(*lists.lock(), before + 2);
    });
}

/// What was begun, and answered when its place is another one's or nobody's: never taken for the block.
#[test]
fn what_is_not_as_it_should_be_is_left_to_the_long_way() {
    block_on(async {
        let cluster = ModelCluster::new();
        let store = faulty(&cluster, |_| Fault::None);
        let names = eight_blocks(&store).await;
        let disk = cold(&store, &names).await;
        let begun = |block: u64| match begin(&disk, block * 4096, 4096) {
            (data, Tried::Fetch(fetch)) => (data, fetch),
            _ => panic!("not to be fetched"),
        };
        let other = cluster.client();
        // Damaged: the short way does not have it, the long way says what is wrong.
        let (data, fetch) = begun(0);
        let target = names.segment(fetch.segment());
        let damage = |offset: u64, data: &'static [u8]| {
            Request::new(target.clone(), vec![Op::Write { offset, data: data.into() }])
        };
        let size = {
            let reply = other.operate(Request::new(target.clone(), vec![Op::Stat])).await.unwrap();
            super::shared::size_of(&reply, 0)
        };
        let raw = {
            let ops = vec![Op::Read { offset: 0, length: size }];
            let mut reply = other.operate(Request::new(target.clone(), ops)).await.unwrap();
            super::shared::data_of(&mut reply, 0)
        };
        let at = raw.windows(4096).position(|window| window == [1; 4096]).unwrap() as u64;
        other.operate(damage(at + 77, b"x")).await.unwrap();
        assert!(matches!(end(fetch, data).await, Went::Not));
        let error = disk.read(0, 4096, &mut vec![0; 4096]).await.unwrap_err();
        assert!(matches!(error, DiskError::Corrupt { .. }), "{error}");
        // Nothing damaged has come into the cache.
        other.operate(damage(at + 77, &[1])).await.unwrap();
        let Went::Fetched(data) = try_read(&disk, 0, 4096).await else { panic!("not fetched") };
        assert!(data == [1; 4096]);
        // Another block's slot in its place.
        let (data, fetch) = begun(1);
        let slot = raw.slice(at as usize..at as usize + SLOT_BYTES as usize);
        let ops = vec![Op::Write { offset: at + SLOT_BYTES, data: slot }];
        other.operate(Request::new(target.clone(), ops)).await.unwrap();
        assert!(matches!(end(fetch, data).await, Went::Not));
        // Too short, and gone.
        for ops in [vec![Op::Truncate { size: at + 2 * SLOT_BYTES + 100 }], vec![Op::Remove]] {
            let (data, fetch) = begun(2);
            other.operate(Request::new(target.clone(), ops)).await.unwrap();
            assert!(matches!(end(fetch, data).await, Went::Not));
        }
    });
}

/// Garbage collection moves blocks and deletes their segments while reads are under way.
#[test]
fn beside_the_collector() {
    block_on(async {
        let cluster = ModelCluster::new();
        let store = faulty(&cluster, |_| Fault::None);
        let names = formatted(&store, SIZE).await;
        let disk = cold(&store, &names).await;
        let mut chance = Chance::new(5);
        let mut model = vec![0u8; SIZE as usize];
        let blocks = SIZE / 4096;
        let (mut fetched, mut late) = (0, 0);
        for round in 0..120u64 {
            let mut begun = Vec::new();
            disk.invalidate_cache().await.unwrap();
            for _ in 0..8 {
                let block = chance.below(blocks);
                if let (data, Tried::Fetch(fetch)) = begin(&disk, block * 4096, 4096) {
                    begun.push((block, model[block as usize * 4096], data, fetch));
                }
            }
            for n in 0..blocks / 2 {
                let block = if n % 2 == 0 { n * 2 } else { chance.below(blocks) };
                let value = (round + n) as u8;
                disk.write(block * 4096, &[&[value; 4096]]).await.unwrap();
                model[block as usize * 4096] = value;
            }
            disk.flush().await.unwrap();
            for (block, before, data, fetch) in begun {
                match end(fetch, data).await {
                    // As when it was begun: both orders are right for requests that overlap.
                    Went::Fetched(data) => {
                        assert!(data == [before; 4096], "block {block}");
                        fetched += 1;
                    }
                    Went::AtOnce(_) | Went::Not => late += 1,
                }
                assert_eq!(read(&disk, block * 4096, 4096).await[0], model[block as usize * 4096]);
            }
        }
        assert!(fetched > 0 && late > 0, "{fetched} fetched, {late} too late");
        disk.close().await.unwrap();
    });
}

/// Reads of what one segment has share op lists while others are under way; each gets its own bytes.
#[test]
fn what_is_wanted_of_one_segment_at_once_shares_op_lists() {
    block_on(async {
        let cluster = ModelCluster::new();
        let reads = Arc::new(Mutex::new((0, false)));
        let counted = reads.clone();
        let wait = Duration::from_millis(20);
        let store = faulty(&cluster, move |request| {
            if !request.ops.iter().all(|(op, _)| matches!(op, Op::Read { .. })) {
                return Fault::None;
            }
            let mut reads = counted.lock();
            reads.0 += 1;
            match *reads {
                (3, true) => Fault::ErrorBefore(StoreError::TimedOut),
                _ => Fault::Delay { before: Duration::ZERO, after: wait },
            }
        });
        let names = formatted(&store, SIZE).await;
        let disk = cold(&store, &names).await;
        let blocks = SIZE / 4096;
        // In an order of its own, and with blocks of other numbers between.
        for n in 0..blocks {
            let block = n * 37 % blocks;
            disk.write(block * 4096, &[&[block as u8; 4096]]).await.unwrap();
        }
        disk.close().await.unwrap();
        for fails in [false, true] {
            let disk = cold(&store, &names).await;
            *reads.lock() = (0, fails);
            let mut chance = Chance::new(7);
            let mut waits = Vec::new();
            for _ in 0..100 {
                let offset = chance.below(SIZE - 4096);
                let length = 1 + chance.below(4096 - offset % 4096);
                if let (data, Tried::Fetch(fetch)) = begin(&disk, offset, length) {
                    waits.push((offset / 4096, tokio::spawn(end(fetch, data))));
                    // Begun, and so in its place.
                    tokio::task::yield_now().await;
                }
            }
            let (all, mut fetched) = (waits.len(), 0);
            for (block, wait) in waits {
                if let Went::Fetched(data) = wait.await.unwrap() {
                    fetched += 1;
                    assert!(data.iter().all(|byte| *byte == block as u8), "block {block}");
                }
            }
            let lists = reads.lock().0;
            assert!(lists < 12, "{lists} op lists for {all} reads");
            match fails {
                false => assert_eq!(fetched, all),
                true => assert!(fetched < all && fetched > 2, "{fetched} of {all}"),
            }
            assert!(disk.shared.fetches.is_idle());
            disk.close().await.unwrap();
        }
    });
}

/// Errors of the store, a client that is fenced, and one that was shut down.
#[test]
fn errors_are_the_long_ways_business() {
    block_on(async {
        let cluster = ModelCluster::new();
        let failing = Arc::new(Mutex::new(false));
        let fails = failing.clone();
        let store = faulty(&cluster, move |_| match *fails.lock() {
            true => Fault::ErrorBefore(StoreError::TimedOut),
            false => Fault::None,
        });
        let names = eight_blocks(&store).await;
        let disk = cold(&store, &names).await;
        *failing.lock() = true;
        assert!(matches!(try_read(&disk, 0, 4096).await, Went::Not));
        *failing.lock() = false;
        assert!(matches!(try_read(&disk, 0, 4096).await, Went::Fetched(_)));
        cluster.client().blocklist_add(&store.addrs(), 60).await.unwrap();
        assert!(matches!(try_read(&disk, 4096, 4096).await, Went::Not));
        assert!(disk.read(4096, 4096, &mut vec![0; 4096]).await.is_err());
        store.shutdown().await;
        assert!(matches!(try_read(&disk, 8192, 4096).await, Went::Not));
    });
}

/// A store that has no way without a task says so at once.
#[test]
fn a_store_without_it() {
    block_on(async {
        let store = ModelCluster::new().client();
        let names = eight_blocks(&store).await;
        let disk = cold(&store, &names).await;
        assert!(matches!(try_read(&disk, 0, 4096).await, Went::Not));
        assert!(read(&disk, 0, 4096).await == [1; 4096]);
    });
}
