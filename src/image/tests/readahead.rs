//! Readahead over a store that has no short way to its bytes, as a cluster has none.

use super::*;
use crate::store::faulty::{Fault, FaultyStore};

/// A read as a program's asynchronous call does it.
async fn read_as_programs_do(image: &Arc<Image>, offset: u64, length: u64) -> Vec<u8> {
    let mut data = vec![0xee; length as usize];
    let read = match image.try_read(offset, length, &mut data) {
        TriedRead::Done(read) => read.unwrap(),
        TriedRead::Started | TriedRead::No => image.read(offset, length, &mut data).await.unwrap(),
        TriedRead::Fetch(fetch) => {
            let (tell, told) = tokio::sync::oneshot::channel();
            fetch.start(data, |data, read| {
                let _ = tell.send((data, read));
            });
            let (fetched, read) = told.await.unwrap();
            data = fetched;
            read.unwrap()
        }
    };
    assert_eq!(read, length);
    data
}

fn content(block: u64) -> Vec<u8> {
    vec![(block % 251) as u8 + 1; 4096]
}

/// Writes the image in an order of its own, closes it, and reads it in order: how many op lists that took.
async fn lists_for_reading(conf: Conf) -> u64 {
    let cluster = ModelCluster::new();
    let store = FaultyStore::new(cluster.client(), env(), |_| Fault::None);
    let pool = pool_of(store.clone()).await;
    make(&pool, "a", 4 * MIB).await.unwrap();
    let blocks = 4 * MIB / 4096;
    let image = open(&pool, "a").await;
    for n in 0..blocks {
        // Neighbours lie far apart in the log.
        let block = n * 577 % blocks;
        image.write(block * 4096, &[&content(block)]).await.unwrap();
    }
    image.close().await.unwrap();
    let image =
        Image::open(pool.clone(), Which::Name("a"), OpenOptions::default(), conf, env()).await.unwrap();
    // The owner of the lock asks for nothing but data.
    image.acquire_lock().await.unwrap();
    let before = store.calls();
    for block in 0..blocks {
        assert!(read_as_programs_do(&image, block * 4096, 4096).await == content(block), "block {block}");
    }
    let lists = store.calls() - before;
    image.close().await.unwrap();
    lists
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_in_order_is_there_before_it_is_asked_for() {
    let without: Conf = Arc::new(|name| (name == "rbd_readahead_max_bytes").then(|| "0".to_owned()));
    let (without, with) = (lists_for_reading(without).await, lists_for_reading(no_conf()).await);
    assert!(without >= 4 * MIB / 4096, "{without}");
    assert!(with * 4 < without, "{with} op lists in place of {without}");
}
