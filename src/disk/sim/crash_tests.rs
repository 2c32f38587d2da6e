//! Hosts die while they write, while they take over, while they close; what they had sent may still arrive.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::Mutex;

use super::region::{Opener, Region, Snapshots, check, check_snapshots, snapshot, work};
use super::*;
use crate::env::Env;

#[test]
fn a_crash_leaves_a_prefix() {
    in_sims(seeds(20), crashes);
}

async fn crashes(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let tasks = 1 + sim.below(4);
    let blocks = 20 + sim.below(100);
    let names = format(&network, tasks * blocks).await;
    let regions: Vec<_> = (0..tasks).map(|n| Region::new(n * blocks, blocks)).collect();
    let ticks = Arc::new(Mutex::new(0));
    let me = sim.group();
    let snapshots = Snapshots::default();
    for _ in 0..6 {
        let host = sim.group();
        let mut options = options(!sim.one_in(3));
        options.segments_in_flight = 1 + sim.below(4) as u32;
        options.checkpoint_log_bytes = 256 << sim.below(12);
        let life = {
            let (sim, network, names, host) = (sim.clone(), network.clone(), names.clone(), host.clone());
            let (regions, ticks, snapshots) = (regions.clone(), ticks.clone(), snapshots.clone());
            async move {
                let disk = writer(&network, &host, &names, options.clone()).await.unwrap();
                check(&disk, &regions).await.unwrap();
                let opener = Opener { network, names, options, host: host.clone() };
                check_snapshots(&sim, &disk, &opener, &snapshots).await;
                let mut running = Vec::new();
                for region in regions.clone() {
                    let task = work(sim.clone(), disk.clone(), region, ticks.clone(), 15);
                    let host = host.clone();
                    running.push(async move { host.run(task).await });
                }
                let running: Vec<_> =
                    running.into_iter().map(Box::pin).map(|task| spawned(&host, task)).collect();
                for _ in 0..sim.below(3) {
                    host.sleep(Duration::from_millis(sim.below(50))).await;
                    snapshot(&disk, &opener, &regions, &snapshots).await.unwrap();
                }
                for task in running {
                    task.await.unwrap().unwrap().unwrap();
                }
                disk.close().await.unwrap();
            }
        };
        let (done, ended) = tokio::sync::oneshot::channel();
        host.spawn(Box::pin(async move {
            life.await;
            let _ = done.send(());
        }));
        let lifetime =
            Duration::from_micros(sim.below([2_000, 100_000, 2_000_000, 60_000_000][sim.below(4) as usize]));
        tokio::select! {
            biased;
            _ = ended => {}
            () = me.sleep(lifetime) => {}
        }
        host.kill();
    }
    let host = sim.group();
    let disk = writer(&network, &host, &names, options(true)).await.unwrap();
    check(&disk, &regions).await.unwrap();
    disk.close().await.unwrap();
}

/// Starts a future as a task now; the returned one waits for its end.
fn spawned<T: Send + 'static>(
    host: &Arc<Group>,
    future: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Option<T>> + Send {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    host.spawn(Box::pin(async move {
        let _ = sender.send(future.await);
    }));
    async move { receiver.await.ok() }
}
