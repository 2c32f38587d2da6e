//! Op lists that fail: without effect, with effect and a lost reply, for want of room.

use std::sync::Arc;

use crate::sync::Mutex;

use super::region::{Region, check, work};
use super::*;
use crate::disk::{DiskError, api_tests};
use crate::env::Env;

#[test]
fn errors_end_the_writer_and_lose_nothing_that_was_flushed() {
    in_sims(seeds(20), errors);
}

async fn errors(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let names = format(&network, 80).await;
    let regions = [Region::new(0, 80)];
    let ticks = Arc::new(Mutex::new(0));
    for _ in 0..12 {
        let host = sim.group();
        let faults = Arc::new(Faults::default());
        faults.set(sim.below(40), sim.below(40), 0);
        let mut options = options(!sim.one_in(3));
        options.checkpoint_log_bytes = 256 << sim.below(12);
        let store = network.faulty_client(&host, faults.clone());
        let Ok(disk) = Disk::open(store, names.clone(), options, host.clone()).await else { continue };
        if disk.acquire().await.is_err() {
            continue;
        }
        let (before, after) = (faults.before.load(std::sync::atomic::Ordering::SeqCst), 30);
        faults.set(0, 0, 0);
        check(&disk, &regions).await.unwrap();
        faults.set(before, after, 0);
        let quiet = faults.clone();
        let task = work(sim.clone(), disk.clone(), regions[0].clone(), ticks.clone(), 30);
        // `work` reads, too, and a read may fail by an injected fault: then this opener ends as well.
        let outcome = host.run(task).await;
        quiet.set(0, 0, 0);
        if let Some(Err(error)) = outcome {
            let io = matches!(&error, DiskError::Failed { .. } | DiskError::Store { .. });
            assert!(io, "{error:?}");
            if matches!(error, DiskError::Failed { .. }) {
                // The failure stays.
                assert!(matches!(disk.flush().await, Err(DiskError::Failed { .. })));
                assert!(matches!(disk.write(0, &[&[1]]).await, Err(DiskError::Failed { .. })));
            }
        }
        host.kill();
    }
    let host = sim.group();
    let disk = writer(&network, &host, &names, options(true)).await.unwrap();
    check(&disk, &regions).await.unwrap();
}

#[test]
fn no_room_is_not_for_ever() {
    in_sims(seeds(20), no_room);
}

async fn no_room(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let names = format(&network, 200).await;
    let host = sim.group();
    let faults = Arc::new(Faults::default());
    let write_back = !sim.one_in(3);
    let store = network.faulty_client(&host, faults.clone());
    let disk = Disk::open(store, names.clone(), options(write_back), host.clone()).await.unwrap();
    disk.acquire().await.unwrap();
    let mut image = vec![0; 200 * 4096];
    let mut refused = 0;
    for step in 0..60 {
        if sim.one_in(10) {
            // Full for a while.
            faults.set(0, 0, [0, 0, 1, 2][sim.below(4) as usize]);
        }
        let work = pattern::Work::random(&sim, 0, 200 * 4096, step);
        let outcome = match &work {
            pattern::Work::Write { offset, data } => disk.write(*offset, &[data]).await,
            pattern::Work::Punch { offset, length } => disk.discard(*offset, *length).await,
        };
        let before = image.clone();
        work.apply(&mut image);
        if let Err(error) = outcome {
            refused += 1;
            assert!(error.is_no_space(), "{error}");
            // It may be there or not, but what it is now it stays.
            let found = api_tests::read(&disk, 0, 200 * 4096).await;
            assert!(work.may_be_half_done(0, &before, &found), "a refused request changed something else");
            image = found;
        }
        if sim.one_in(6)
            && let Err(error) = disk.flush().await
        {
            refused += 1;
            assert!(error.is_no_space(), "{error}");
        }
        if sim.one_in(6) {
            assert!(api_tests::read(&disk, 0, 200 * 4096).await == image);
        }
        if sim.one_in(10) {
            host.sleep(std::time::Duration::from_millis(sim.below(4000))).await;
        }
    }
    faults.set(0, 0, 1);
    disk.write(0, &[&[9; 4096]]).await.err();
    image[..4096].copy_from_slice(&api_tests::read(&disk, 0, 4096).await);
    if disk.stats().dirty_bytes > 0 {
        assert!(disk.flush().await.unwrap_err().is_no_space());
        refused += 1;
    }
    assert!(refused > 0);
    faults.set(0, 0, 0);
    disk.write(4096, &[&[7; 4096]]).await.unwrap();
    image[4096..8192].fill(7);
    disk.flush().await.unwrap();
    drop(disk);
    host.kill();
    let host = sim.group();
    let disk = writer(&network, &host, &names, options(true)).await.unwrap();
    assert!(api_tests::read(&disk, 0, 200 * 4096).await == image, "after there was room again");
}
