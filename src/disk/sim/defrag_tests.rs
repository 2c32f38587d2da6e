//! Defragmentation as the writer runs it: beside GC, after reads, at its own pace.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::disk::api_tests::read;
use crate::disk::testing::with_seeds;
use crate::env::Env;

const BLOCKS: u64 = 8192;
const MIB: u64 = 1 << 20;

#[test]
fn a_read_in_order_needs_few_op_lists_the_third_time() {
    with_seeds(3, |chance| {
        let sim = Sim::new(chance.next());
        sim.run(read_thrice(sim.clone(), 2));
        let sim = Sim::new(chance.next());
        sim.run(read_thrice(sim.clone(), 0));
    });
}

async fn read_thrice(sim: Arc<Sim>, defrag_reads: u32) {
    let network = Network::new(&sim);
    let names = format(&network, BLOCKS).await;
    let host = sim.group();
    let options = DiskOptions {
        checkpoint_log_bytes: 64 << 20,
        gc_record_bytes: 8 << 20,
        defrag_reads,
        read_cache_bytes: 0,
        ..options(true)
    };
    let disk = writer(&network, &host, &names, options).await.unwrap();
    let mut order: Vec<u64> = (0..BLOCKS).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, sim.below(i as u64 + 1) as usize);
    }
    let byte = |block: u64| (block % 251) as u8;
    for block in order {
        disk.write(block * 4096, &[&[byte(block); 4096]]).await.unwrap();
    }
    disk.flush().await.unwrap();
    host.sleep(Duration::from_secs(20)).await;
    let mut costs = Vec::new();
    for _ in 0..3 {
        for range in 0..4 {
            let before = network.executed.load(Ordering::SeqCst);
            let data = read(&disk, range * MIB, MIB).await;
            costs.push(network.executed.load(Ordering::SeqCst) - before);
            for (block, data) in (range * 256..).zip(data.chunks(4096)) {
                assert!(data.iter().all(|found| *found == byte(block)), "block {block}");
            }
        }
        // All of it is done long before that.
        host.sleep(Duration::from_secs(60)).await;
    }
    let stats = disk.stats();
    assert!(costs[..8].iter().all(|cost| *cost > 20), "{costs:?}");
    if defrag_reads == 0 {
        assert!(costs.iter().all(|cost| *cost > 20), "{costs:?}");
        assert_eq!(stats.defragmented_bytes, 0);
        return;
    }
    // A segment of 1 MiB has room for 253 blocks.
    assert!(costs[8..].iter().all(|cost| *cost <= 2), "{costs:?}");
    assert_eq!(stats.defragmented_bytes, 4 * MIB);
    assert!(stats.gc_blocks >= 4 * 256);
}
