//! Those who wait for one append and are let go together come back one after the other. The first of them must not have a batch
//! closed for itself alone: it would be appended by itself, while the others wait for that append and then for their own.

use std::sync::Arc;
use std::time::Duration;

use super::{State, Writer};
use crate::disk::Lsn;

/// They are waited for a part of the time that their append took, if that is no less than what a timer can do.
const PART: u32 = 4;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(5);
/// Fewer are no crowd.
const LEAST: usize = 4;

/// The crowd that the last append has let go.
#[derive(Default)]
pub(super) struct Crowd {
    size: usize,
    /// Until then it is expected.
    until: Duration,
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
        let patience = (now.saturating_sub(sent) / PART).min(LONGEST);
        state.crowd = Crowd::default();
        if size < LEAST || patience < SHORTEST {
            return;
        }
        // Those of it who wait already have missed that append.
        let late: usize = state.durable_waiters.values().map(Vec::len).sum();
        state.crowd = Crowd { size: size + late, until: now + patience };
        let (writer, env) = (Arc::downgrade(self), self.shared.env.clone());
        self.shared.env.spawn(Box::pin(async move {
            env.sleep(patience).await;
            let Some(writer) = writer.upgrade() else { return };
            let appends = writer.pump(&mut writer.state.lock());
            writer.start(appends);
        }));
    }
}
