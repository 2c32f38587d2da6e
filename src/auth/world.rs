//! Time and chance for authentication, injected so that exchanges replay.

use std::time::Duration;

pub trait World: Send + Sync + 'static {
    /// A clock that never goes back and that runs while the machine sleeps: tickets expire meanwhile.
    fn now(&self) -> Duration;
    /// A number that nobody can guess.
    fn random(&self) -> u64;
}

/// The kernel's CLOCK_BOOTTIME and its random numbers.
pub struct SystemWorld;

impl World for SystemWorld {
    fn now(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
    }

    fn random(&self) -> u64 {
        getrandom::u64().expect("Linux has random numbers once it has booted")
    }
}
