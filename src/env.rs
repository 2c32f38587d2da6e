//! Time, tasks and chance, injected: production runs on tokio, a simulation on one seeded executor.
//!
//! The disk starts tasks, sleeps and draws numbers only through [`Env`], so that a failing run replays from its
//! seed. For everything else it uses primitives that do not care about the executor (`tokio::sync`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A boxed future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A clock, a spawner and a source of random numbers.
pub trait Env: Send + Sync + 'static {
    /// Time since some fixed moment; never goes back.
    fn now(&self) -> Duration;
    /// Nanoseconds since 1970.
    fn unix_time_ns(&self) -> u64;
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
    /// Runs a task beside the caller; it ends by itself.
    fn spawn(&self, task: BoxFuture<()>);
    /// As [`Env::spawn`]; where that is possible the task goes on the caller's thread until it first waits, which saves
    /// waking another one. The caller holds no lock.
    fn spawn_here(&self, task: BoxFuture<()>) {
        self.spawn(task);
    }
    fn random_u64(&self) -> u64;
}

/// The real world: tokio's runtime and the system's clocks.
pub struct TokioEnv {
    handle: tokio::runtime::Handle,
    start: Instant,
    random: AtomicU64,
}

impl TokioEnv {
    /// An environment whose tasks run on `handle`, which must have its time driver enabled.
    pub fn new(handle: tokio::runtime::Handle) -> Arc<TokioEnv> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        let seed = nanos ^ (u64::from(std::process::id()) << 40);
        Arc::new(TokioEnv { handle, start: Instant::now(), random: AtomicU64::new(seed) })
    }

    /// An environment on the runtime that the caller runs on. Panics outside of one, as tokio does.
    pub fn current() -> Arc<TokioEnv> {
        TokioEnv::new(tokio::runtime::Handle::current())
    }
}

impl Env for TokioEnv {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix_time_ns(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        // The timer is made in the runtime's context, whoever calls.
        let _guard = self.handle.enter();
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }

    fn spawn_here(&self, task: BoxFuture<()>) {
        crate::runtime::begin_here(&self.handle, task);
    }

    fn random_u64(&self) -> u64 {
        splitmix64(self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014).
pub fn splitmix64(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
