//! New maps: taken in one epoch after the other, and what each changes for the requests under way.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::state::{Op, Purpose, State};
use super::{After, Env, Objecter};
use crate::osd::OsdError;
use crate::osd::map::OsdMap;
use crate::osd::message::MapMessage;
use crate::osd::target::{Verdict, is_full};
use crate::wire::Message;
use crate::wire::denc::Malformed;

impl Objecter {
    pub(in crate::osd) fn map(&self) -> Option<Arc<OsdMap>> {
        self.state.lock().map.clone()
    }

    /// Maps from a monitor or an OSD.
    pub(in crate::osd) fn take_maps(&self, message: &Message) -> Result<(), Malformed> {
        let news = MapMessage::decode(message)?;
        if news.fsid != self.env.mon.fsid() {
            tracing::warn!("an OSD map of another cluster was ignored");
            return Ok(());
        }
        let _turn = self.map_turn.lock();
        let Some(mut map) = self.map() else {
            self.first_map(&news);
            return Ok(());
        };
        let mut skipped = false;
        let mut epoch = map.epoch() + 1;
        while epoch <= news.last() {
            let next = match (news.incrementals.get(&epoch), news.full.get(&epoch)) {
                (Some(change), _) if map.epoch() + 1 == epoch => map.next(change),
                (_, Some(whole)) => OsdMap::decode(whole),
                _ if epoch > news.oldest => {
                    // There is a gap that the sender could fill.
                    self.env.mon.want_maps(map.epoch() + 1);
                    break;
                }
                _ => {
                    // The sender itself begins later: its oldest map is whole.
                    skipped = true;
                    epoch = news.oldest.max(epoch + 1);
                    continue;
                }
            };
            match next {
                Ok(next) => {
                    map = Arc::new(next);
                    self.with(|state, env, after| state.take_map(env, map.clone(), skipped, after));
                    skipped = false;
                    epoch = map.epoch() + 1;
                }
                Err(error) => {
                    tracing::warn!("OSD map {epoch}: {error}: asking for a whole one");
                    self.env.mon.want_maps(0);
                    break;
                }
            }
        }
        self.env.mon.got_map(map.epoch());
        Ok(())
    }

    fn first_map(&self, news: &MapMessage) {
        let Some(whole) = news.full.get(&news.last()) else {
            self.env.mon.want_maps(0);
            return;
        };
        match OsdMap::decode(whole) {
            Ok(map) => {
                let map = Arc::new(map);
                self.with(|state, env, after| state.take_map(env, map.clone(), false, after));
                self.env.mon.got_map(map.epoch());
            }
            Err(error) => {
                tracing::error!("OSD map {}: {error}", news.last());
                let detail = error.to_string();
                let errno = crate::errno::Errno::EOPNOTSUPP;
                self.with(|state, _, _| {
                    for (_, reach) in state.map_waiters.drain(..) {
                        let _ = reach.send(Err(OsdError::Failed { errno, detail: detail.clone() }));
                    }
                });
            }
        }
    }
}

impl State {
    /// The next map. `skipped`: some before it were never seen, so nobody knows what the OSDs dropped meanwhile.
    pub(super) fn take_map(&mut self, env: &Env, map: Arc<OsdMap>, skipped: bool, after: &mut After) {
        let before = self.map.replace(map.clone());
        let lost = self.close_lost(&map);
        self.blocklisted = env.mon.own_addrs().0.iter().any(|addr| map.is_blocklisted(addr));
        if self.blocklisted {
            tracing::error!("OSD map {}: this client is blocklisted", map.epoch());
            self.fail_all(OsdError::Blocklisted, after);
        }

        let mut again = BTreeSet::new();
        let (barrier, ids) = (self.barrier, self.lingers.keys().copied().collect::<Vec<u64>>());
        for id in ids {
            let Some(linger) = self.lingers.get_mut(&id) else { continue };
            let was_at = linger.target.osd;
            match linger.look(&map, barrier) {
                Verdict::Same if !skipped && !lost.contains(&was_at) => {}
                Verdict::Same | Verdict::Resend => {
                    again.insert(id);
                }
                Verdict::PoolGone | Verdict::PoolEio => self.linger_pool_gone(id, after),
            }
        }

        let mut sends = Vec::new();
        for tid in self.tids() {
            let Some(op) = self.ops.get_mut(&tid) else { continue };
            let was_at = op.target.osd;
            let verdict = op.target.look(&map, &Op::rules(&op.request, env, barrier, tid));
            let pool = op.target.object(&op.request.object).pool;
            // While a pool is full, OSDs drop writes without an answer.
            let was_full = |map: &OsdMap| map.pool(pool).is_some_and(|pool| is_full(map, pool));
            let dropped = op.target.flags & crate::osd::codes::flag::WRITE != 0
                && !op.is_ping()
                && (was_full(&map) || before.as_deref().is_some_and(was_full));
            match verdict {
                Verdict::PoolGone if matches!(op.purpose, Purpose::Caller(_)) => {
                    self.pool_still_gone(tid, after);
                    continue;
                }
                Verdict::PoolEio if matches!(op.purpose, Purpose::Caller(_)) => {
                    self.pool_eio(tid, after);
                    continue;
                }
                Verdict::Same if !skipped && !dropped && !lost.contains(&was_at) => continue,
                _ => {}
            }
            match op.purpose {
                Purpose::Caller(_) => sends.push(tid),
                Purpose::Linger { id, .. } => {
                    self.ops.remove(&tid);
                    again.insert(id);
                }
            }
        }
        for tid in sends {
            self.dispatch(env, tid, after);
        }
        for id in again {
            self.send_linger(env, id, after);
        }
        self.commands_by(&map, env, &lost, after);

        let epoch = map.epoch();
        for (_, reach) in self.map_waiters.extract_if(.., |(wanted, _)| *wanted <= epoch) {
            let _ = reach.send(Ok(()));
        }
    }

    /// Closes sessions whose OSD is down or has another address now.
    fn close_lost(&mut self, map: &OsdMap) -> BTreeSet<i32> {
        let lost: BTreeSet<i32> = self
            .sessions
            .iter()
            .filter(|(osd, session)| !map.is_up(**osd) || map.osd_addrs(**osd) != Some(session.addrs()))
            .map(|(osd, _)| *osd)
            .collect();
        for osd in &lost {
            if let Some(session) = self.sessions.remove(osd) {
                session.close();
            }
        }
        lost
    }
}
