//! What outlives a connection: numbers of messages, and those that are not known to have arrived.
//!
//! A lossy session keeps nothing that was sent. A lossless one keeps each message until the peer acknowledges it, and
//! sends the rest again, under the same numbers, when it is connected anew.

use std::collections::VecDeque;

use super::Message;

#[derive(Default)]
pub struct Session {
    /// The last number given to a message.
    out_seq: u64,
    /// The last message that came; 0: none yet.
    pub in_seq: u64,
    /// Sent and not acknowledged, with their numbers. Always empty in a lossy session.
    sent: VecDeque<(u64, Message)>,
    /// Not yet sent on this connection; those with a number were sent on an earlier one.
    waiting: VecDeque<(Option<u64>, Message)>,
    pub client_cookie: u64,
    /// 0: there is no session at the server to return to.
    pub server_cookie: u64,
    pub connect_seq: u64,
    pub global_seq: u64,
}

impl Session {
    pub fn new(client_cookie: u64, global_seq: u64) -> Session {
        Session { client_cookie, global_seq, ..Session::default() }
    }

    pub fn queue(&mut self, message: Message) {
        self.waiting.push_back((None, message));
    }

    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next message to be sent, and its number.
    pub fn next(&mut self, lossy: bool) -> Option<(u64, Message)> {
        let (seq, message) = self.waiting.pop_front()?;
        let seq = seq.unwrap_or_else(|| {
            self.out_seq += 1;
            self.out_seq
        });
        if !lossy {
            self.sent.push_back((seq, message.clone()));
        }
        Some((seq, message))
    }

    /// The number of a message that is sent at once, without having been queued.
    pub fn number(&mut self) -> u64 {
        self.out_seq += 1;
        self.out_seq
    }

    /// The peer has all messages up to `seq`.
    pub fn acked(&mut self, seq: u64) {
        while self.sent.front().is_some_and(|(sent, _)| *sent <= seq) {
            self.sent.pop_front();
        }
    }

    /// The connection broke: what is not acknowledged waits again, before all that was not sent yet.
    pub fn requeue(&mut self) {
        for (seq, message) in std::mem::take(&mut self.sent).into_iter().rev() {
            self.waiting.push_front((Some(seq), message));
        }
    }

    /// On reconnection the peer says what it has.
    pub fn drop_up_to(&mut self, seq: u64) {
        while self.waiting.front().is_some_and(|(sent, _)| sent.is_some_and(|sent| sent <= seq)) {
            self.waiting.pop_front();
        }
    }

    /// The peer has forgotten all of it: messages are lost; how many.
    pub fn reset(&mut self) -> usize {
        let lost = self.sent.len() + self.waiting.len();
        *self =
            Session { client_cookie: self.client_cookie, global_seq: self.global_seq, ..Session::default() };
        lost
    }

    /// The peer has no session to return to, but may be given a new one with what waits.
    pub fn forget_server(&mut self) {
        (self.server_cookie, self.connect_seq, self.in_seq) = (0, 0, 0);
    }

    /// Messages that are not known to have arrived, or in a lossy session: that are not sent.
    pub fn pending(&self) -> usize {
        self.sent.len() + self.waiting.len()
    }
}
