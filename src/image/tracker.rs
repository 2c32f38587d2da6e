//! Requests under way: what a flush and a close wait for.
//!
//! Each request holds a ticket of the current generation. Who waits ends the generation and waits until all tickets of
//! it and of those before are gone; requests that come later hold tickets of the next one and do not delay it.

use std::sync::Arc;

use crate::sync::Mutex;
use tokio::sync::watch;

/// Held by a request until it has completed. Never read: its drop is the message, as it ends the watch channel.
#[derive(Clone)]
pub struct Ticket(#[allow(dead_code)] Arc<watch::Sender<()>>);

pub struct Tracker(Mutex<Generations>);

struct Generations {
    current: Arc<watch::Sender<()>>,
    /// Generations that have ended but may still have tickets out.
    ended: Vec<watch::Receiver<()>>,
}

impl Default for Tracker {
    fn default() -> Tracker {
        let current = Arc::new(watch::Sender::new(()));
        Tracker(Mutex::new(Generations { current, ended: Vec::new() }))
    }
}

impl Tracker {
    pub fn ticket(&self) -> Ticket {
        Ticket(self.0.lock().current.clone())
    }

    /// A ticket, if no other one is out: what [`Tracker::all`] waits for has happened.
    pub fn ticket_if_idle(&self) -> Option<Ticket> {
        let mut generations = self.0.lock();
        generations.ended.retain(|generation| generation.has_changed().is_ok());
        let idle = generations.ended.is_empty() && Arc::strong_count(&generations.current) == 1;
        idle.then(|| Ticket(generations.current.clone()))
    }

    /// Completes when every ticket that was given out before the call is gone.
    pub fn all(&self) -> impl Future<Output = ()> + Send + 'static {
        let waits = {
            let mut generations = self.0.lock();
            generations.ended.retain(|generation| generation.has_changed().is_ok());
            if Arc::strong_count(&generations.current) > 1 {
                let old = std::mem::replace(&mut generations.current, Arc::new(watch::Sender::new(())));
                generations.ended.push(old.subscribe());
            }
            generations.ended.clone()
        };
        async move {
            for mut generation in waits {
                // Nothing is ever sent: the end of this is that the last sender, the last ticket, is dropped.
                while generation.changed().await.is_ok() {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_earlier_tickets_only() {
        let tracker = Tracker::default();
        tracker.all().await;
        drop(tracker.ticket_if_idle().unwrap());
        let first = tracker.ticket();
        let one = tokio::spawn(tracker.all());
        let second = tracker.ticket();
        let both = tokio::spawn(tracker.all());
        let third = tracker.ticket();
        tokio::task::yield_now().await;
        assert!(!one.is_finished());
        drop(first);
        one.await.unwrap();
        tokio::task::yield_now().await;
        assert!(!both.is_finished());
        drop(third);
        assert!(tracker.ticket_if_idle().is_none());
        drop(second);
        both.await.unwrap();
        assert!(tracker.ticket_if_idle().is_some());
    }
}
