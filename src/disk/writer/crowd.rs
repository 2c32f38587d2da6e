//! Those who wait for one append and are let go together come back one after the other. The first of them must not have a batch
//! closed for itself alone: it would be appended by itself, while the others wait for that append and then for their own.
//!
//! So a batch gathers until most of a crowd are back. Whether they come back is not known: a batch that gathered in vain has lost a
//! moment, and after that crowds are let go without being expected, twice as many each time.

use std::sync::Arc;
use std::time::Duration;

use super::{State, Writer};
use crate::disk::Lsn;

/// They are waited for a part of the time that their append took, but no less than what a timer can do.
const PART: u32 = 4;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(5);
/// Fewer are no crowd.
const LEAST: usize = 4;
/// The most crowds that are not expected after one that did not come.
const MOST_DOUBTED: u32 = 255;

/// The crowd that the last append has let go.
#[derive(Default)]
pub(super) struct Crowd {
    /// 0: nobody is expected.
    size: usize,
    /// Until then it is expected.
    until: Duration,
    /// Crowds to come that are not expected.
    doubted: u32,
    /// How many were doubted since one came back, or are.
    doubts: u32,
}

impl State {
    /// Whether a batch that somebody waits for is to gather more of them first.
    pub(super) fn gathers(&self, lsn: Lsn, now: Duration) -> bool {
        // Most of them: half would soon be two crowds that take turns.
        now < self.crowd.until && self.durable_waiters.get(&lsn).map_or(0, Vec::len) < self.crowd.size * 7 / 8
    }
}

impl Writer {
    /// An append that was sent at `sent` has let so many go.
    pub(super) fn let_go(self: &Arc<Self>, state: &mut State, size: usize, sent: Duration) {
        let now = self.shared.env.now();
        let crowd = &mut state.crowd;
        if crowd.size > 0 {
            // Nothing has waited for the last one in vain.
            crowd.doubts = 0;
        }
        (crowd.size, crowd.until) = (0, Duration::ZERO);
        if size < LEAST {
            return;
        }
        if crowd.doubted > 0 {
            crowd.doubted -= 1;
            return;
        }
        let patience = (now.saturating_sub(sent) / PART).clamp(SHORTEST, LONGEST);
        // Those of it who wait already have missed that append.
        let late: usize = state.durable_waiters.values().map(Vec::len).sum();
        let until = now + patience;
        (crowd.size, crowd.until) = (size + late, until);
        let (writer, env) = (Arc::downgrade(self), self.shared.env.clone());
        self.shared.env.spawn(Box::pin(async move {
            env.sleep(patience).await;
            let Some(writer) = writer.upgrade() else { return };
            let appends = {
                let mut state = writer.state.lock();
                let appends = writer.pump(&mut state);
                if !appends.is_empty() && state.crowd.until == until {
                    state.crowd.did_not_come();
                }
                appends
            };
            writer.start(appends);
        }));
    }
}

impl Crowd {
    fn did_not_come(&mut self) {
        self.size = 0;
        self.doubts = (self.doubts * 2 + 1).min(MOST_DOUBTED);
        self.doubted = self.doubts;
    }
}
