//! What a reader promises: it sees all that was flushed before its read began, also where it saves itself the look.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::disk::api_tests::read;
use crate::env::Env;

#[test]
fn a_reader_sees_what_was_flushed_and_looks_only_after_a_change() {
    in_sims(seeds(10), work);
}

/// Without waiting, if the reader can.
fn at_once(reader: &Disk, block: u64) -> Option<Vec<u8>> {
    let mut found = vec![0xee; 4096];
    matches!(reader.try_read(block * 4096, 4096, &mut found), Ok(crate::disk::Tried::Done)).then_some(found)
}

async fn work(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let host = sim.group();
    let names = format(&network, 256).await;
    let disk = writer(&network, &host, &names, options(true)).await.unwrap();
    let store = network.client(&host);
    let reader = Disk::open(store.clone(), names.clone(), options(true), host.clone()).await.unwrap();
    let mut hits = 0;
    for round in 1..40u8 {
        let block = sim.below(256);
        disk.write(block * 4096, &[&[round; 4096]]).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(at_once(&reader, block).unwrap_or(vec![round; 4096]), [round; 4096], "round {round}");
        assert_eq!(read(&reader, block * 4096, 4096).await, [round; 4096], "round {round}");
        // What the writer does on its own comes to its end.
        host.sleep(Duration::from_secs(20)).await;
        read(&reader, 0, 1 << 20).await;
        let executed = network.executed.load(Ordering::SeqCst);
        for _ in 0..4 {
            if let Some(found) = at_once(&reader, block) {
                assert_eq!(found, [round; 4096]);
                hits += 1;
            }
        }
        assert_eq!(network.executed.load(Ordering::SeqCst), executed);
    }
    assert!(hits > 39, "where nothing has changed, no look is needed: {hits}");
    // A fenced client reads nothing, not even what it knows.
    network.quiet_client().blocklist_add(&store.addrs(), 3600).await.unwrap();
    for block in 0..8 {
        assert_eq!(at_once(&reader, block), None);
    }
    assert!(reader.read(0, 4096, &mut vec![0; 4096]).await.is_err());
    disk.close().await.unwrap();
}
