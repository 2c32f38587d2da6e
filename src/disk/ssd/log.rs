//! The local log of a writer: gathers changes into frames, says what is to be written where, and who is to be told.
//!
//! The writer calls `add` under the lock of its state, so entries are in the order in which changes take effect, and
//! `drained` as records become durable in the store. One task at a time (`writer/local.rs`) takes turns and writes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use bytes::Bytes;

use super::file::LocalFile;
use super::frame::{Change, FrameBuffer, LogHeader, MAX_ENTRY_BLOCKS, PAGE};
use crate::disk::buffer::Pieces;
use crate::disk::{BLOCK_BYTES, LocalSeq};
use crate::sync::Mutex;

/// A frame that has so much is closed, and the next one begun.
const FRAME_TARGET: u64 = 1 << 20;
/// What one turn writes at most, about.
const TURN_BYTES: u64 = 8 << 20;
/// Beyond the disk's dirty data so much is gathered before it is written unasked, and twice as much before writers wait:
/// only blocks that are written again and again come to that.
const UNASKED_BYTES: u64 = 8 << 20;

/// Why a change is not durable in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLocal {
    /// The log takes no more.
    Over,
    /// There is no room in it, and the store has none to drain it to.
    Full,
}

type Waiter = oneshot::Sender<Result<(), NotLocal>>;

/// What is to be done now.
pub(crate) enum Turn {
    /// To be written and synced, then told by `written`.
    Write { parts: Vec<(u64, Bytes)>, last: LocalSeq },
    /// There is no room before something is drained.
    Full,
    /// Nothing. The task ends.
    Idle,
}

/// A frame in the file that has something that the store does not have.
struct Placed {
    last: LocalSeq,
    offset: u64,
}

struct Inner {
    /// The newest change that was added.
    newest: LocalSeq,
    gathering: Option<FrameBuffer>,
    closed: VecDeque<FrameBuffer>,
    /// Bytes of both in memory.
    gathered_bytes: u64,
    placed: VecDeque<Placed>,
    /// Where the next frame goes, if there is room.
    head: u64,
    synced: LocalSeq,
    drained: LocalSeq,
    /// Someone waits for this change.
    wanted: LocalSeq,
    running: bool,
    waiters: BTreeMap<LocalSeq, Vec<Waiter>>,
    over: bool,
}

pub(crate) struct LocalLog {
    pub file: Arc<dyn LocalFile>,
    pub uuid: [u8; 16],
    pub path: String,
    size_bytes: u64,
    /// Frames are at most about so large.
    frame_bytes: u64,
    unasked_bytes: u64,
    inner: Mutex<Inner>,
    /// Something was drained, or the log is over, or the store has no room.
    pub moved: Notify,
    /// There is room for gathering.
    room: Notify,
}

impl LocalLog {
    /// A log in which nothing is; the file's header is to be written by `format` first. Its first change has the number
    /// after `drained`.
    pub fn new(
        file: Arc<dyn LocalFile>,
        path: String,
        uuid: [u8; 16],
        drained: LocalSeq,
        dirty_limit: u64,
    ) -> Arc<LocalLog> {
        let size_bytes = file.size_bytes() / PAGE * PAGE;
        let inner = Inner {
            newest: drained,
            gathering: None,
            closed: VecDeque::new(),
            gathered_bytes: 0,
            placed: VecDeque::new(),
            head: PAGE,
            synced: drained,
            drained,
            wanted: LocalSeq(0),
            running: false,
            waiters: BTreeMap::new(),
            over: false,
        };
        Arc::new(LocalLog {
            file,
            uuid,
            path,
            size_bytes,
            frame_bytes: FRAME_TARGET.min(size_bytes / 16),
            unasked_bytes: dirty_limit + UNASKED_BYTES,
            inner: Mutex::new(inner),
            moved: Notify::new(),
            room: Notify::new(),
        })
    }

    /// The least size of a file: some frames of the largest entry.
    pub const MIN_BYTES: u64 = 16 * MAX_ENTRY_BLOCKS * BLOCK_BYTES;

    /// Makes the file this log. What was in it is no part of it, because its uuid is another one.
    pub async fn format(&self, image: [u8; 16]) -> std::io::Result<()> {
        let header = LogHeader { image, log: self.uuid, size_bytes: self.size_bytes };
        self.file.write(vec![(0, header.encode())], true).await
    }

    /// Adds a change, in one entry or several; the number of the last one. The disk's lock on its state is held.
    pub fn add(&self, change: Change, lba: u64, blocks: u64, data: Option<&mut Pieces>) -> LocalSeq {
        let mut inner = self.inner.lock();
        match data {
            None => inner.push(self.frame_bytes, change, lba, blocks, |_| ()),
            Some(data) => {
                for at in (0..blocks).step_by(MAX_ENTRY_BLOCKS as usize) {
                    let n = MAX_ENTRY_BLOCKS.min(blocks - at);
                    inner.push(self.frame_bytes, change, lba + at, n, |out| {
                        data.take((n * BLOCK_BYTES) as usize, |part| out.extend_from_slice(part));
                    });
                }
            }
        }
        inner.newest
    }

    /// Whether so much has been gathered that writers should wait, and whether it should be written although nobody waits
    /// for it.
    pub fn is_behind(&self) -> bool {
        let inner = self.inner.lock();
        !inner.over && inner.gathered_bytes >= self.unasked_bytes + UNASKED_BYTES
    }

    /// Waits while `is_behind`.
    pub async fn catch_up(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if !self.is_behind() {
                return;
            }
            room.await;
        }
    }

    /// Whether the task is to be started that takes turns; true only once until it has ended.
    pub fn should_start(&self) -> bool {
        let mut inner = self.inner.lock();
        let start = !inner.running && inner.has_reason(self.unasked_bytes);
        inner.running |= start;
        start
    }

    /// Whether all changes up to `seq` are durable in the store.
    pub fn is_drained(&self, seq: LocalSeq) -> bool {
        self.inner.lock().drained >= seq
    }

    /// Asks to be told when all changes up to `seq` are durable, here or in the store.
    pub fn want(&self, seq: LocalSeq) -> oneshot::Receiver<Result<(), NotLocal>> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner.lock();
        if inner.synced.max(inner.drained) >= seq {
            // ACK: nothing was added that is not durable already.
            let _ = sender.send(Ok(()));
        } else if inner.over {
            let _ = sender.send(Err(NotLocal::Over));
        } else {
            inner.wanted = inner.wanted.max(seq);
            inner.waiters.entry(seq).or_default().push(sender);
        }
        receiver
    }

    /// What the task does next.
    pub fn turn(&self) -> Turn {
        let mut inner = self.inner.lock();
        if inner.over || !inner.has_reason(self.unasked_bytes) {
            inner.running = false;
            return Turn::Idle;
        }
        if let Some(frame) = inner.gathering.take() {
            inner.closed.push_back(frame);
        }
        let (mut parts, mut bytes, mut last) = (Vec::new(), 0, LocalSeq(0));
        while bytes < TURN_BYTES
            && let Some(frame) = inner.closed.front()
        {
            let length = frame.length();
            if frame.last <= inner.drained {
                inner.drop_front();
                continue;
            }
            let Some(offset) = inner.place(length, self.size_bytes) else { break };
            let Some(frame) = inner.closed.pop_front() else { break };
            inner.gathered_bytes -= length;
            last = frame.last;
            inner.placed.push_back(Placed { last, offset });
            inner.head = offset + length;
            let (drained, synced) = (inner.drained, inner.synced.max(inner.drained));
            parts.push((offset, frame.close(self.uuid, offset, drained, synced)));
            bytes += length;
        }
        if !self.behind(&inner) {
            self.room.notify_waiters();
        }
        match (parts.is_empty(), inner.closed.is_empty()) {
            (false, _) => Turn::Write { parts, last },
            (true, false) => Turn::Full,
            (true, true) => {
                inner.running = false;
                Turn::Idle
            }
        }
    }

    fn behind(&self, inner: &Inner) -> bool {
        inner.gathered_bytes >= self.unasked_bytes + UNASKED_BYTES
    }

    /// A turn's frames are durable.
    pub fn written(&self, last: LocalSeq) {
        let mut inner = self.inner.lock();
        inner.synced = inner.synced.max(last);
        inner.tell();
    }

    /// Whether little room is left, so that the store should be given what is in it.
    pub fn is_tight(&self) -> bool {
        let inner = self.inner.lock();
        let Some(tail) = inner.placed.front() else { return false };
        let ring = self.size_bytes - PAGE;
        let used =
            if inner.head > tail.offset { inner.head - tail.offset } else { ring + inner.head - tail.offset };
        used > ring / 2
    }

    /// All changes up to `seq` are durable in the store.
    pub fn drained(&self, seq: LocalSeq) {
        let mut inner = self.inner.lock();
        if seq <= inner.drained {
            return;
        }
        inner.drained = seq;
        while inner.placed.front().is_some_and(|frame| frame.last <= seq) {
            inner.placed.pop_front();
        }
        while inner.closed.front().is_some_and(|frame| frame.last <= seq) {
            inner.drop_front();
        }
        if inner.gathering.as_ref().is_some_and(|frame| frame.last <= seq)
            && let Some(frame) = inner.gathering.take()
        {
            inner.gathered_bytes -= frame.length();
        }
        inner.tell();
        drop(inner);
        self.moved.notify_waiters();
        self.room.notify_waiters();
    }

    /// The store has no room to drain to: who waits for room here is told so.
    pub fn give_up_waiting(&self) {
        let mut inner = self.inner.lock();
        inner.running = false;
        inner.fail(NotLocal::Full);
        inner.wanted = LocalSeq(0);
    }

    /// Takes no more, for good.
    pub fn end(&self) {
        let mut inner = self.inner.lock();
        inner.over = true;
        inner.fail(NotLocal::Over);
        inner.gathering = None;
        inner.closed.clear();
        inner.gathered_bytes = 0;
        drop(inner);
        self.moved.notify_waiters();
        self.room.notify_waiters();
    }
}

impl Inner {
    fn push(&mut self, target: u64, change: Change, lba: u64, blocks: u64, fill: impl FnOnce(&mut Vec<u8>)) {
        let seq = LocalSeq(self.newest.0 + 1);
        let frame = self.gathering.get_or_insert_with(|| FrameBuffer::new(seq));
        let before = if frame.first == seq { 0 } else { frame.length() };
        self.newest = frame.push(change, lba, blocks, fill);
        let length = frame.length();
        self.gathered_bytes += length - before;
        if length >= target
            && let Some(frame) = self.gathering.take()
        {
            self.closed.push_back(frame);
        }
    }

    fn has_reason(&self, unasked_bytes: u64) -> bool {
        self.wanted > self.synced.max(self.drained) || self.gathered_bytes >= unasked_bytes
    }

    fn drop_front(&mut self) {
        if let Some(frame) = self.closed.pop_front() {
            self.gathered_bytes -= frame.length();
        }
    }

    /// Where a frame has room: never over one that has something that the store does not have.
    fn place(&self, length: u64, size_bytes: u64) -> Option<u64> {
        let Some(tail) = self.placed.front().map(|frame| frame.offset) else {
            return Some(if self.head + length <= size_bytes { self.head } else { PAGE });
        };
        // The head meets the tail only where nothing is placed.
        if self.head > tail {
            if self.head + length <= size_bytes {
                return Some(self.head);
            }
            return (PAGE + length < tail).then_some(PAGE);
        }
        (self.head + length < tail).then_some(self.head)
    }

    fn tell(&mut self) {
        let safe = self.synced.max(self.drained);
        let later = self.waiters.split_off(&LocalSeq(safe.0 + 1));
        for waiter in std::mem::replace(&mut self.waiters, later).into_values().flatten() {
            // ACK (flush, write-through): all changes up to the waiter's are durable in the log, or in the store.
            let _ = waiter.send(Ok(()));
        }
    }

    fn fail(&mut self, why: NotLocal) {
        for waiter in std::mem::take(&mut self.waiters).into_values().flatten() {
            let _ = waiter.send(Err(why));
        }
    }
}
