//! What waits for the writer, and the order in which it may go.
//!
//! Lists to one object keep their order: a list that is not ready yet (its data is still being staged, or earlier
//! reads of the object are running) holds back the later ones to the same object and nobody else.

use std::collections::{HashMap, HashSet, VecDeque};

use super::answer::Answer;
use super::apply::Staged;
use super::files::FileId;
use super::writer::Transaction;
use crate::store::{Request, StoreError, StoreResult, Target};
use crate::sync::{Condvar, Mutex};

/// The most lists, and bytes of them, that go into one commit.
const BATCH_ITEMS: usize = 128;
const BATCH_BYTES: usize = 32 << 20;

/// So many calls are worth a commit of their own.
const MANY_WITH_OTHERS: usize = 16;

/// An op list for the writer.
pub(super) struct List {
    pub number: u64,
    pub request: Request,
    pub reply: Option<Answer>,
    pub staged: HashMap<usize, Staged>,
    /// The staged files that rows now name.
    pub used: HashSet<FileId>,
    staging: bool,
    after_reads: bool,
}

/// Other work in a transaction. It may be run again if the transaction fails, and is told how it ended.
pub(super) trait Call: Send {
    /// Fenced clients may still do what keeps the store in order.
    fn when_fenced(&self) -> bool;
    fn run(&mut self, tx: &mut Transaction<'_>) -> StoreResult<()>;
    /// The transaction is durable (`Ok`), or did not happen.
    fn done(&mut self, result: StoreResult<()>);
}

pub(super) enum Item {
    List(Box<List>),
    Call(Box<dyn Call>),
}

/// Lists of one object that are under way.
#[derive(Default)]
struct UnderWay {
    reads: usize,
    writes: usize,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Goes with the next other item.
    with_others: Vec<Box<dyn Call>>,
    under_way: HashMap<Target, UnderWay>,
    /// Rows of garbage that was freed.
    cleaned: Vec<i64>,
    next: u64,
    closed: bool,
}

/// What the writer does next.
pub(super) struct Batch {
    pub items: Vec<Item>,
    pub cleaned: Vec<i64>,
    /// Nothing more will come.
    pub last: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// Where a list that was just handed in goes.
pub(super) enum Route {
    /// Read it now; then call [`Queue::read_done`].
    Read,
    /// It is in the writer's queue. `Some`: its data is to be staged, then [`Queue::staged`] called.
    Queued(Option<u64>),
}

impl Queue {
    /// Hands in a list. Reads of an object with writes under way follow these through the writer.
    pub fn submit(
        &self,
        request: &Request,
        is_write: bool,
        stage: bool,
        reply: &mut Option<Answer>,
    ) -> StoreResult<Route> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::ShutDown);
        }
        let number = state.next;
        state.next += 1;
        let under_way = state.under_way.entry(request.target.clone()).or_default();
        if !is_write && under_way.writes == 0 {
            under_way.reads += 1;
            return Ok(Route::Read);
        }
        under_way.writes += 1;
        let after_reads = under_way.reads > 0;
        let list = List {
            number,
            request: request.clone(),
            reply: reply.take(),
            staged: HashMap::new(),
            used: HashSet::new(),
            staging: stage,
            after_reads,
        };
        state.items.push_back(Item::List(Box::new(list)));
        self.changed.notify_one();
        Ok(Route::Queued(stage.then_some(number)))
    }

    pub fn call(&self, call: Box<dyn Call>) -> Result<(), Box<dyn Call>> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(call);
        }
        state.items.push_back(Item::Call(call));
        self.changed.notify_one();
        Ok(())
    }

    /// Work that nobody waits for: it shares the next commit. Dropped when the store is closed.
    pub fn call_with_others(&self, call: Box<dyn Call>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.with_others.push(call);
        if state.with_others.len() >= MANY_WITH_OTHERS {
            self.changed.notify_one();
        }
    }

    pub fn read_done(&self, target: &Target) {
        let mut state = self.state.lock();
        let Some(under_way) = state.under_way.get_mut(target) else { return };
        under_way.reads = under_way.reads.saturating_sub(1);
        if under_way.reads > 0 {
            return;
        }
        if under_way.writes == 0 {
            state.under_way.remove(target);
            return;
        }
        for item in &mut state.items {
            if let Item::List(list) = item
                && list.request.target == *target
            {
                list.after_reads = false;
            }
        }
        self.changed.notify_one();
    }

    /// A list's data is staged, as far as that worked: what is missing is written by the writer.
    pub fn staged(&self, number: u64, staged: HashMap<usize, Staged>) {
        let mut state = self.state.lock();
        for item in &mut state.items {
            if let Item::List(list) = item
                && list.number == number
            {
                list.staging = false;
                list.staged = staged;
                break;
            }
        }
        self.changed.notify_one();
    }

    /// The writer is through with a list.
    pub fn write_done(&self, target: &Target) {
        let mut state = self.state.lock();
        if let Some(under_way) = state.under_way.get_mut(target) {
            under_way.writes = under_way.writes.saturating_sub(1);
            if under_way.writes == 0 && under_way.reads == 0 {
                state.under_way.remove(target);
            }
        }
    }

    pub fn cleaned(&self, rows: Vec<i64>) {
        let mut state = self.state.lock();
        state.cleaned.extend(rows);
        if state.cleaned.len() >= 256 {
            self.changed.notify_one();
        }
    }

    /// Nothing new is taken; what is queued is still done.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for work. In a batch, as in the queue, lists to one object are in order.
    pub fn next_batch(&self) -> Batch {
        let mut state = self.state.lock();
        loop {
            let batch = state.take_ready();
            let last = state.closed && state.items.is_empty();
            if !batch.is_empty() || last || state.cleaned.len() >= 256 {
                return Batch { items: batch, cleaned: std::mem::take(&mut state.cleaned), last };
            }
            state = self.changed.wait(state);
        }
    }
}

impl State {
    fn take_ready(&mut self) -> Vec<Item> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut held: HashSet<Target> = HashSet::new();
        let mut rest = VecDeque::new();
        while let Some(item) = self.items.pop_front() {
            let ready = match &item {
                Item::Call(_) => true,
                Item::List(list) => {
                    let ready = !list.staging && !list.after_reads && !held.contains(&list.request.target);
                    if !ready {
                        held.insert(list.request.target.clone());
                    }
                    ready
                }
            };
            if !ready {
                rest.push_back(item);
                continue;
            }
            if let Item::List(list) = &item {
                bytes += super::stage::data_bytes(&list.request);
            }
            batch.push(item);
            if batch.len() >= BATCH_ITEMS || bytes >= BATCH_BYTES {
                break;
            }
        }
        rest.append(&mut self.items);
        self.items = rest;
        if !batch.is_empty() || self.closed || self.with_others.len() >= MANY_WITH_OTHERS {
            batch.extend(self.with_others.drain(..).map(Item::Call));
        }
        batch
    }
}
