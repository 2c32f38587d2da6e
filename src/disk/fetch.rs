//! What is missing of a short read, asked for by whoever makes the request and given out by whoever gets the store's answer: no task is
//! made for it. Only the plain case: one run of blocks, and an answer that is as it should be. All else is for
//! [`super::Disk::read`], which begins anew: it knows what it means that a segment is gone.
//!
//! Those that want the same segment while two op lists read it wait and share the next one. The store would have served them one
//! after the other, since a segment is one object; so what was written together and is read together, in whatever order of the image,
//! takes few op lists.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::ReadSink;
use super::gc::Needed;
use super::map::ExtentMap;
use super::read::{List, Run, Slots, Wanted, in_lists, ops_of, put_run, spans_of};
use super::shared::Shared;
use super::writer::Writer;
use crate::store::{Reply, Request, StoreError, StoreResult, Target};
use crate::sync::Mutex;

/// Op lists of one object that may be under way at once: while one is answered, the store has the next.
const AT_ONCE: u32 = 2;
/// The most runs that share an op list.
const SHARE: usize = 32;

/// A read that was served but for one run of blocks.
pub struct Fetch {
    shared: Arc<Shared>,
    target: Target,
    run: Run,
    rest: Rest,
}

/// What is to be done with the answer.
struct Rest {
    offset: u64,
    end: u64,
    keep: bool,
    noted: Option<(Arc<Writer>, Needed)>,
}

impl Fetch {
    /// `noted`: whom to tell that the read was served.
    pub(super) fn new(
        shared: &Arc<Shared>,
        map: &ExtentMap,
        run: Run,
        wanted: &Wanted<'_>,
        noted: Option<(Arc<Writer>, Needed)>,
    ) -> Option<Fetch> {
        let target = shared.object_of(map, run.loc)?;
        let rest = Rest { offset: wanted.offset, end: wanted.end, keep: wanted.is_kept(), noted };
        Some(Fetch { shared: shared.clone(), target, run, rest })
    }

    #[cfg(test)]
    pub(super) fn segment(&self) -> super::SegmentSeq {
        self.run.loc.segment
    }

    /// Asks the store. `done` is told once whether the sink has all of the request now, on whichever thread, also before this
    /// returns: it must not block. If not, the request is to be made again, by [`super::Disk::read`].
    pub fn start<S: ReadSink + 'static>(self, mut sink: S, done: impl FnOnce(S, bool) + Send + 'static) {
        let Fetch { shared, target, run, rest } = self;
        let of = (shared.clone(), target.clone());
        let give = Box::new(move |slots: Option<&[u8]>| {
            let (shared, target) = of;
            // A panic must not take with it who reads for others.
            let put = catch_unwind(AssertUnwindSafe(|| rest.put(&shared, &run, &target, slots, &mut sink)));
            done(sink, put.unwrap_or(false));
        });
        ask(shared, target, Asked { run, give });
    }
}

impl Rest {
    fn put(
        self,
        shared: &Shared,
        run: &Run,
        target: &Target,
        slots: Option<&[u8]>,
        sink: &mut dyn ReadSink,
    ) -> bool {
        let Some(slots) = slots else { return false };
        let mut wanted = Wanted { offset: self.offset, end: self.end, sink };
        let put = &mut |block: u64, data: &[u8]| wanted.put(block, 1, Some(data));
        // Seldom enough bytes that who receives them could sum them up in slots.
        let slots = Slots { bytes: slots, sums: &[] };
        if let Err((block, error)) = put_run(shared, run, target, slots, self.keep, put) {
            // It may be explained by the segment's end. If not, the next one says so aloud.
            tracing::debug!("block {block}: {error}");
            return false;
        }
        if let Some((writer, needed)) = self.noted {
            writer.note(Some(needed));
        }
        true
    }
}

/// Who is given the slots of a run: unchecked, or fewer than it has, or `None` if the store did not give them.
type Give = Box<dyn FnOnce(Option<&[u8]>) + Send>;

/// A run that is wanted.
struct Asked {
    run: Run,
    give: Give,
}

/// The objects from which something is being read.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<HashMap<Target, Lane>>);

#[derive(Default)]
struct Lane {
    under_way: u32,
    waiting: Vec<Asked>,
}

impl Fetches {
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Whether it can be asked for now; if not, it waits.
    fn enter(&self, target: &Target, asked: Asked) -> Option<Asked> {
        let mut lanes = self.0.lock();
        let lane = lanes.entry(target.clone()).or_default();
        if lane.under_way >= AT_ONCE {
            lane.waiting.push(asked);
            return None;
        }
        lane.under_way += 1;
        Some(asked)
    }

    /// An op list was answered: what shares the next one, if anything waits.
    fn next(&self, target: &Target) -> Vec<Asked> {
        let mut lanes = self.0.lock();
        let Some(lane) = lanes.get_mut(target) else { return Vec::new() };
        if lane.waiting.is_empty() {
            lane.under_way -= 1;
            if lane.under_way == 0 {
                lanes.remove(target);
            }
            return Vec::new();
        }
        let share = lane.waiting.len().min(SHARE);
        lane.waiting.drain(..share).collect()
    }
}

fn ask(shared: Arc<Shared>, target: Target, asked: Asked) {
    if let Some(asked) = shared.fetches.enter(&target, asked) {
        send(shared, target, vec![asked]);
    }
}

/// One op list for all of them.
fn send(shared: Arc<Shared>, target: Target, mut asked: Vec<Asked>) {
    asked.sort_unstable_by_key(|asked| asked.run.loc);
    let runs: Vec<Run> = asked.iter().map(|asked| asked.run).collect();
    let mut lists = in_lists(&runs);
    let list = lists.pop().filter(|_| lists.is_empty());
    debug_assert!(list.is_some(), "short runs of one object fit into an op list");
    let Some(list) = list else { return answered(&shared, target, None, asked) };
    let request = Request::new(target.clone(), ops_of(&shared, &list));
    let store = shared.store.clone();
    let done = Box::new(move |reply: StoreResult<Reply>| {
        let read = reply.and_then(Reply::ok).ok().map(|reply| (&list, spans_of(&list, reply)));
        answered(&shared, target, read, asked);
    });
    if let Some((_, done)) = store.submit(request, done) {
        done(Err(StoreError::Unsupported { what: "an answer without a task" }));
    }
}

/// `asked` are the runs of the list, in its order.
fn answered(shared: &Arc<Shared>, target: Target, read: Option<(&List, Vec<Bytes>)>, asked: Vec<Asked>) {
    // First, so that the store has something to do meanwhile.
    let next = shared.fetches.next(&target);
    if !next.is_empty() {
        send(shared.clone(), target, next);
    }
    let Some((list, spans)) = read else {
        return asked.into_iter().for_each(|asked| (asked.give)(None));
    };
    let slots = list
        .ops
        .iter()
        .zip(&spans)
        .flat_map(|(span, raw)| span.runs.iter().map(move |run| span.slots(run, raw)));
    for (asked, slots) in asked.into_iter().zip(slots) {
        (asked.give)(Some(slots));
    }
}
