//! Which monitors to try next, and how long to give them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::MonOptions;
use super::monmap::{MonInfo, MonMap};

/// What is remembered between rounds of trying.
#[derive(Debug)]
pub struct Hunt {
    /// Names that had their turn since all had one.
    tried: BTreeSet<String>,
    /// What the interval is multiplied with.
    multiple: f64,
    had_session: bool,
}

impl Hunt {
    pub fn new(options: &MonOptions) -> Hunt {
        Hunt { tried: BTreeSet::new(), multiple: options.hunt_min_multiple, had_session: false }
    }

    /// Up to `mon_client_hunt_parallel` monitors of the lowest priority that were not tried lately, by chance as their weights
    /// say. Empty: none of the map speaks msgr2. `random` gives any u64.
    pub fn next(
        &mut self,
        map: &MonMap,
        options: &MonOptions,
        random: &mut dyn FnMut() -> u64,
    ) -> Vec<String> {
        let mut candidates = self.untried(map);
        if candidates.is_empty() {
            self.tried.clear();
            candidates = self.untried(map);
        }
        let limit = if options.hunt_parallel == 0 { candidates.len() } else { options.hunt_parallel };
        let mut chosen = Vec::new();
        while chosen.len() < limit && !candidates.is_empty() {
            let total: u64 = candidates.iter().map(|info| u64::from(info.weight)).sum();
            let at = if total == 0 {
                (random() % candidates.len() as u64) as usize
            } else {
                let mut left = random() % total;
                let hit = candidates.iter().position(|info| {
                    let weight = u64::from(info.weight);
                    let here = left < weight;
                    left = left.saturating_sub(weight);
                    here
                });
                hit.unwrap_or(0)
            };
            chosen.push(candidates.swap_remove(at).name.clone());
        }
        self.tried.extend(chosen.iter().cloned());
        chosen
    }

    /// Whether a monitor is left that was not tried since all were.
    pub fn has_untried(&self, map: &MonMap) -> bool {
        !self.untried(map).is_empty()
    }

    fn untried<'a>(&self, map: &'a MonMap) -> Vec<&'a MonInfo> {
        let usable = map.mons.values().filter(|info| info.addrs.msgr2().is_some());
        let mut all: Vec<&MonInfo> = usable.filter(|info| !self.tried.contains(&info.name)).collect();
        let lowest = all.iter().map(|info| info.priority).min();
        all.retain(|info| Some(info.priority) == lowest);
        all
    }

    /// Names may mean others in another map.
    pub fn new_map(&mut self) {
        self.tried.clear();
    }

    /// A round begins. Patience grows only once there was a session: a first connect is never slowed down.
    pub fn begin_round(&mut self, options: &MonOptions) {
        if self.had_session {
            self.multiple = (self.multiple * options.hunt_backoff).min(options.hunt_max_multiple);
        }
    }

    pub fn found(&mut self, options: &MonOptions) {
        self.had_session = true;
        self.calm(options);
    }

    /// One step back from `begin_round`: after a session was found, and for as long as it lives.
    pub fn calm(&mut self, options: &MonOptions) {
        self.multiple = (self.multiple / options.hunt_backoff).max(options.hunt_min_multiple);
    }

    /// How long the round's monitors have.
    pub fn interval(&self, options: &MonOptions) -> Duration {
        // Nobody is to be asked without a pause.
        options.hunt_interval.mul_f64(self.multiple).max(Duration::from_millis(50))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mon::testing::{map_of, options};

    fn random() -> impl FnMut() -> u64 {
        let mut state = 7u64;
        move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        }
    }

    #[test]
    fn all_have_their_turn_before_one_has_a_second() {
        let options = MonOptions { hunt_parallel: 2, ..options() };
        let map = map_of(&["a", "b", "c", "d", "e"]);
        let mut hunt = Hunt::new(&options);
        let mut random = random();
        let mut seen = BTreeSet::new();
        for round in [2, 2, 1] {
            assert!(hunt.has_untried(&map));
            let names = hunt.next(&map, &options, &mut random);
            assert_eq!(names.len(), round);
            assert!(names.into_iter().all(|name| seen.insert(name)));
        }
        assert!(!hunt.has_untried(&map));
        assert_eq!(hunt.next(&map, &options, &mut random).len(), 2);
        hunt.new_map();
        let all = MonOptions { hunt_parallel: 0, ..options };
        assert_eq!(hunt.next(&map, &all, &mut random).len(), 5);
    }

    #[test]
    fn priority_decides_then_weight() {
        let options = MonOptions { hunt_parallel: 1, ..options() };
        let mut map = map_of(&["a", "b", "c"]);
        map.mons.get_mut("a").unwrap().priority = 3;
        map.mons.get_mut("b").unwrap().weight = 99;
        map.mons.get_mut("c").unwrap().weight = 1;
        let mut random = random();
        let mut first = |map: &MonMap| Hunt::new(&options).next(map, &options, &mut random).remove(0);
        let b = (0..1000).filter(|_| first(&map) == "b").count();
        assert!((960..1000).contains(&b), "{b}");
        assert!((0..100).all(|_| first(&map) != "a"));
        // Those of higher priority come when the others were tried.
        let mut hunt = Hunt::new(&options);
        let order: Vec<String> = (0..3).map(|_| hunt.next(&map, &options, &mut || 0).remove(0)).collect();
        assert_eq!(order[2], "a");
    }

    #[test]
    fn patience_grows_after_a_first_session_and_shrinks_with_the_next() {
        let options = options();
        let mut hunt = Hunt::new(&options);
        for _ in 0..5 {
            hunt.begin_round(&options);
        }
        assert_eq!(hunt.interval(&options), Duration::from_secs(3));
        hunt.found(&options);
        hunt.begin_round(&options);
        assert_eq!(hunt.interval(&options), Duration::from_millis(4500));
        for _ in 0..50 {
            hunt.begin_round(&options);
        }
        assert_eq!(hunt.interval(&options), Duration::from_secs(30));
        hunt.found(&options);
        assert_eq!(hunt.interval(&options), Duration::from_secs(20));
        for _ in 0..50 {
            hunt.calm(&options);
        }
        assert_eq!(hunt.interval(&options), Duration::from_secs(3));
    }

    #[test]
    fn monitors_of_msgr1_alone_are_none() {
        let mut map = map_of(&["a"]);
        map.mons.get_mut("a").unwrap().addrs.0[0].kind = crate::wire::types::AddrType::Legacy;
        assert!(Hunt::new(&options()).next(&map, &options(), &mut || 0).is_empty());
    }
}
