//! The buffer's rules: when writes are acknowledged, how much may be dirty, how many op lists a flush costs, and that
//! nothing is left running.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::disk::api_tests::read;
use crate::disk::{DiskError, DiskStats};
use crate::env::Env;

fn spawn<T: Send + 'static>(
    host: &Arc<Group>,
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::sync::oneshot::Receiver<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    host.spawn(Box::pin(async move {
        let _ = sender.send(future.await);
    }));
    receiver
}

/// `count` writes of one block each, all at once; the appends that they took.
async fn at_once(host: &Arc<Group>, disk: &Arc<Disk>, count: u64) -> u64 {
    let before = disk.stats().appends;
    let writes: Vec<_> = (0..count)
        .map(|n| {
            let disk = disk.clone();
            spawn(host, async move { disk.write(n * 4096, &[&[n as u8 + 1; 4096]]).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    disk.stats().appends - before
}

/// What is in the buffer when all that was durable has been applied, long before anything is written because of its age.
async fn soon_dirty(host: &Arc<Group>, disk: &Arc<Disk>) -> u64 {
    host.sleep(Duration::from_millis(20)).await;
    disk.stats().dirty_bytes
}

#[test]
fn writers_share_appends() {
    in_sims(5, share);
}

async fn share(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let names = format(&network, 1000).await;
    let host = sim.group();
    let mut options = options(false);
    options.gc = false;
    let disk = writer(&network, &host, &names, options.clone()).await.unwrap();
    for _ in 0..3 {
        let appends = at_once(&host, &disk, 64).await;
        assert!(appends <= 8, "64 durable writes took {appends} appends");
        assert_eq!(soon_dirty(&host, &disk).await, 0, "write-through: acknowledged when durable");
    }
    // Durable at the acknowledgement: nobody flushed, and the host dies.
    host.kill();
    let host = sim.group();
    let disk = writer(&network, &host, &names, options.clone()).await.unwrap();
    assert_eq!(read(&disk, 63 * 4096, 4096).await, vec![64; 4096]);
    // Write-through until the first flush, write-back after it.
    options.cache.enabled = true;
    options.cache.writethrough_until_flush = true;
    let disk = writer(&network, &host, &names, options).await.unwrap();
    assert!(disk.try_write(0, &[&[1; 4096]]).is_none());
    at_once(&host, &disk, 10).await;
    assert_eq!(soon_dirty(&host, &disk).await, 0);
    disk.flush().await.unwrap();
    assert_eq!(at_once(&host, &disk, 10).await, 0);
    assert_eq!(disk.stats().dirty_bytes, 10 * 4096);
    // It is written when it is old enough, although nobody asks.
    host.sleep(Duration::from_secs(8)).await;
    let DiskStats { dirty_bytes, durable_lsn, applied_lsn, .. } = disk.stats();
    assert_eq!((dirty_bytes, durable_lsn), (0, applied_lsn));
    // Nothing dirty: a flush costs nothing.
    let before = network.executed.load(Ordering::SeqCst);
    disk.flush().await.unwrap();
    assert_eq!(network.executed.load(Ordering::SeqCst), before);
}

#[test]
fn dirty_data_is_bounded_and_writers_are_served() {
    in_sims(5, bounded);
}

async fn bounded(sim: Arc<Sim>) {
    let network = Network::new(&sim);
    let names = format(&network, 4000).await;
    let host = sim.group();
    let options = options(true);
    let limit = options.cache.max_dirty_bytes;
    let disk = writer(&network, &host, &names, options).await.unwrap();
    let writes: Vec<_> = (0..40u64)
        .map(|n| {
            let (disk, blocks) = (disk.clone(), 1 + sim.below(90));
            spawn(&host, async move {
                disk.write(n * 90 * 4096, &[&vec![n as u8 + 1; blocks as usize * 4096]]).await
            })
        })
        .collect();
    let watch = {
        let (disk, me) = (disk.clone(), host.clone());
        spawn(&host, async move {
            let mut most = 0;
            for _ in 0..5000 {
                most = most.max(disk.stats().dirty_bytes);
                me.sleep(Duration::from_micros(100)).await;
            }
            most
        })
    };
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let most = watch.await.unwrap();
    assert!(most <= limit, "{most} dirty bytes of {limit}");
    assert!(most > limit / 2, "the limit was never near: {most}");
    for n in 0..40 {
        assert_eq!(read(&disk, n * 90 * 4096, 4096).await, vec![n as u8 + 1; 4096]);
    }
    // Dropped, closed or failed: nothing goes on running.
    let me = sim.group();
    disk.write(0, &[&[1; 100]]).await.unwrap();
    if sim.one_in(2) {
        disk.close().await.unwrap();
        assert!(matches!(disk.write(0, &[&[1]]).await, Err(DiskError::Closed)));
    }
    drop(disk);
    me.sleep(Duration::from_secs(60)).await;
    assert_eq!(host.tasks(), 0);
}
