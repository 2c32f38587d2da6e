//! Subscriptions: what is wanted, from which version on, and what a session has been told of it.

use std::collections::BTreeMap;

use super::messages::Wanted;

#[derive(Default)]
pub struct Subs {
    all: BTreeMap<String, Sub>,
}

struct Sub {
    wanted: Wanted,
    /// The session knows.
    sent: bool,
}

impl Subs {
    /// Replaces an earlier subscription to the same; one that says the same is left as it is.
    pub fn want(&mut self, what: &str, wanted: Wanted) {
        match self.all.get_mut(what) {
            Some(sub) if sub.wanted == wanted => {}
            Some(sub) => *sub = Sub { wanted, sent: false },
            None => {
                self.all.insert(what.to_owned(), Sub { wanted, sent: false });
            }
        }
    }

    /// Unless there is a subscription to it already, from whichever version on.
    pub fn want_if_new(&mut self, what: &str, wanted: Wanted) {
        if !self.all.contains_key(what) {
            self.want(what, wanted);
        }
    }

    /// Version `have` came: the next session asks for what comes after it. Ends one that wanted one answer.
    pub fn got(&mut self, what: &str, have: u64) {
        let Some(sub) = self.all.get_mut(what) else { return };
        if have < sub.wanted.start {
            return;
        }
        if sub.wanted.once {
            self.all.remove(what);
        } else {
            sub.wanted.start = have + 1;
        }
    }

    pub fn unwant(&mut self, what: &str) {
        self.all.remove(what);
    }

    /// A new session knows of nothing.
    pub fn forget_sent(&mut self) {
        for sub in self.all.values_mut() {
            sub.sent = false;
        }
    }

    /// What the session has not been told yet; counts as told from now on.
    pub fn take_unsent(&mut self) -> Vec<(String, Wanted)> {
        let unsent = self.all.iter_mut().filter(|(_, sub)| !sub.sent);
        unsent
            .map(|(what, sub)| {
                sub.sent = true;
                (what.clone(), sub.wanted)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn from(start: u64) -> Wanted {
        Wanted { start, once: false }
    }

    #[test]
    fn a_session_is_told_once_and_a_new_one_again_from_where_things_stand() {
        let mut subs = Subs::default();
        subs.want("osdmap", from(5));
        assert_eq!(subs.take_unsent(), [("osdmap".into(), from(5))]);
        subs.want("osdmap", from(5));
        assert_eq!(subs.take_unsent(), []);
        subs.got("osdmap", 7);
        assert_eq!(subs.take_unsent(), []);
        subs.got("osdmap", 6); // an old one that came late
        subs.want("monmap", from(0));
        subs.forget_sent();
        assert_eq!(subs.take_unsent(), [("monmap".into(), from(0)), ("osdmap".into(), from(8))]);
        subs.unwant("monmap");
        subs.forget_sent();
        assert_eq!(subs.take_unsent(), [("osdmap".into(), from(8))]);
    }

    #[test]
    fn one_answer_ends_what_was_wanted_once() {
        let mut subs = Subs::default();
        subs.want("osdmap", Wanted { start: 9, once: true });
        subs.got("osdmap", 8);
        assert_eq!(subs.take_unsent().len(), 1);
        subs.got("osdmap", 9);
        subs.forget_sent();
        assert_eq!(subs.take_unsent(), []);
        subs.got("nothing", 1);
    }
}
