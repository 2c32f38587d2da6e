//! What a request costs in CPU time, on the model store. Not a gate: run with `--ignored` in a release build.

use std::time::Instant;

use super::api_tests::{formatted, open, options};
use super::testing::Chance;
use crate::store::model::ModelCluster;

/// CPU time of this process, in steps of 10 ms.
fn rusage_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 1e4
}

fn report(what: &str, count: u64, begin: Instant, cpu: f64) {
    let elapsed = begin.elapsed().as_secs_f64();
    let cpu = (rusage_us() - cpu) / count as f64;
    eprintln!("{what}: {:.0}/s, {cpu:.2} us CPU each", count as f64 / elapsed);
}

#[test]
#[ignore = "measures, proves nothing"]
fn cost_of_requests() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = ModelCluster::new().client();
        let names = formatted(&store, 1 << 30).await;
        let blocks = (1 << 30) / 4096;
        let disk = open(&store, &names, options()).await;
        disk.acquire().await.unwrap();
        let data = vec![5; 1 << 20];
        let mut chance = Chance::new(1);
        let count = 200_000;
        for what in ["random 4k writes", "again", "sequential 4k writes"] {
            let (begin, cpu) = (Instant::now(), rusage_us());
            for n in 0..count {
                let block = if what.starts_with("seq") { n } else { chance.below(blocks) };
                match disk.try_write(block * 4096, &[&data[..4096]]) {
                    Some(done) => done.unwrap(),
                    None => disk.write(block * 4096, &[&data[..4096]]).await.unwrap(),
                }
            }
            disk.flush().await.unwrap();
            report(what, count, begin, cpu);
        }
        let (begin, cpu) = (Instant::now(), rusage_us());
        for n in 0..1000 {
            disk.write(n << 20, &[&data]).await.unwrap();
        }
        disk.flush().await.unwrap();
        report("1 MiB writes", 1000, begin, cpu);
        let (begin, cpu) = (Instant::now(), rusage_us());
        for _ in 0..20_000 {
            disk.write(chance.below(blocks) * 4096, &[&data[..4096]]).await.unwrap();
            disk.flush().await.unwrap();
        }
        report("4k writes, each flushed", 20_000, begin, cpu);
        for (what, bytes, count) in [("random 4k reads", 4096, 200_000), ("1 MiB reads", 1 << 20, 1000)] {
            let mut out = vec![0; bytes as usize];
            let (begin, cpu) = (Instant::now(), rusage_us());
            for _ in 0..count {
                let offset = chance.below((1 << 30) / bytes) * bytes;
                disk.read(offset, bytes, &mut out).await.unwrap();
            }
            report(what, count, begin, cpu);
        }
        eprintln!("{:?}", disk.stats());
        disk.close().await.unwrap();
    });
}
