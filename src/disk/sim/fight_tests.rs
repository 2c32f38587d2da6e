//! Several hosts take the image from each other without any lock: nothing whose flush was acknowledged is lost, and
//! a host that lost the image cannot have a flush acknowledged.

use std::sync::Arc;

use crate::sync::Mutex;

use super::region::{Region, check, work};
use super::*;
use crate::disk::DiskError;
use crate::env::Env;

#[test]
fn writers_fight_and_lose_nothing_that_was_flushed() {
    in_sims(seeds(20), fight);
}

async fn fight(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let names = format(&network, 3 * 40).await;
    let regions: Vec<_> = (0..3).map(|n| Region::new(n * 40, 40)).collect();
    let ticks = Arc::new(Mutex::new(0));
    let mut fighters = Vec::new();
    for region in &regions {
        let host = sim.group();
        let task =
            fighter(sim.clone(), network.clone(), names.clone(), host.clone(), region.clone(), ticks.clone());
        let (done, ended) = tokio::sync::oneshot::channel();
        host.spawn(Box::pin(async move {
            let _ = done.send(task.await);
        }));
        fighters.push(ended);
    }
    let mut rounds = 0;
    for fighter in fighters {
        rounds += fighter.await.unwrap();
    }
    assert!(rounds > 0, "nobody ever got anywhere");
    let host = sim.group();
    let disk = writer(&network, &host, &names, options(true)).await.unwrap();
    // Each region alone: its owner went on from what it found, while the others were taking over.
    for region in regions {
        check(&disk, &[region]).await.unwrap();
    }
}

/// Takes the image again and again; how often it wrote something and could flush it.
async fn fighter(
    sim: Arc<Sim>,
    network: Network,
    names: DiskNames,
    host: Arc<Group>,
    region: Arc<Mutex<Region>>,
    ticks: super::region::Ticks,
) -> u64 {
    let mut rounds = 0;
    for _ in 0..6 {
        let mut options = options(!sim.one_in(3));
        options.checkpoint_log_bytes = 256 << sim.below(12);
        let disk = match writer(&network, &host, &names, options).await {
            Ok(disk) => disk,
            Err(DiskError::Fenced { .. }) => continue,
            // The writer that has lost may have deleted nothing that we need, so all else is a fault.
            Err(error) => panic!("{error}"),
        };
        let outcome = match check(&disk, std::slice::from_ref(&region)).await {
            Ok(()) => work(sim.clone(), disk.clone(), region.clone(), ticks.clone(), 1 + sim.below(20)).await,
            error => error,
        };
        match outcome {
            Ok(()) => rounds += u64::from(disk.flush().await.is_ok()),
            Err(DiskError::Fenced { mine, theirs }) => assert!(mine < theirs),
            Err(error) => panic!("{error}"),
        }
        if sim.one_in(3) {
            host.sleep(std::time::Duration::from_millis(sim.below(2000))).await;
        }
    }
    rounds
}
