//! What the handles of librbd stand for, and how calls are made through them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_void};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;

use crate::capi::arg::{self, Cookie, OutBuf, OutBufs};
use crate::capi::handle::{self, Handle, Shared, Tagged};
use crate::capi::rados::handles::IoCtxHandle;
use crate::capi::types::{
    librbd_progress_fn_t, rados_ioctx_t, rbd_callback_t, rbd_completion_t, rbd_image_options_t, rbd_image_t,
    rbd_pool_stats_t,
};
use crate::client::{Completion, Session};
use crate::disk::ReadSink;
use crate::env::{Env, TokioEnv};
use crate::errno::Errno;
use crate::finisher::{Finish, Job};
use crate::image::{Conf, Image, ImageOptions, ImageResult, OpenOptions, Pool, Which};

/// `rbd_image_t`.
pub struct ImageHandle {
    pub image: Arc<Image>,
    pub session: Arc<Session>,
    pub events: Arc<Events>,
}

impl Handle for ImageHandle {
    const TAG: [u8; 8] = *b"image\0\0\0";
}

impl ImageHandle {
    /// Runs an operation and waits for it.
    pub fn wait<T>(&self, operation: impl Future<Output = ImageResult<T>>) -> Result<T, Errno> {
        Ok(self.session.wait(operation)?)
    }

    /// Closes the image; completions of all its requests have been called back when it returns.
    pub fn close(&self) -> Result<(), Errno> {
        let closed = self.wait(self.image.close());
        self.session.callbacks().flush();
        closed
    }
}

/// # Safety
/// As for [`handle::borrow`].
pub unsafe fn image<'a>(image: rbd_image_t) -> Result<&'a ImageHandle, Errno> {
    // SAFETY: the caller's promise.
    unsafe { handle::borrow(image) }
}

/// # Safety
/// As for [`handle::shared`].
pub unsafe fn shared_image(image: rbd_image_t) -> Result<Shared<ImageHandle>, Errno> {
    // SAFETY: the caller's promise.
    unsafe { handle::shared(image) }
}

/// After a panic: the image takes no more writes.
pub fn poison(raw: rbd_image_t) {
    // SAFETY: called by `entry!` while the call with this handle is still running.
    if let Ok(handle) = unsafe { image(raw) } {
        handle.image.poison();
    }
}

/// `rados_ioctx_t`, as image functions see it.
pub struct Place {
    pub pool: Pool,
    pub conf: Conf,
    pub env: Arc<dyn Env>,
    pub session: Arc<Session>,
}

/// # Safety
/// As for [`handle::borrow`].
pub unsafe fn place(io: rados_ioctx_t) -> Result<Place, Errno> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::borrow::<IoCtxHandle>(io)? };
    let session = handle.io.session().clone();
    let context = handle.cluster.cluster.context().clone();
    let mut store = session.store().clone();
    if handle.io.settings().full_try {
        store = store.full_try().unwrap_or(store);
    }
    Ok(Place {
        pool: Pool::new(store, handle.io.pool(), handle.io.namespace()),
        conf: Arc::new(move |option| context.conf.lock().get(option).ok()),
        env: TokioEnv::new(session.runtime().clone()),
        session,
    })
}

impl Place {
    pub fn wait<T>(&self, operation: impl Future<Output = ImageResult<T>>) -> Result<T, Errno> {
        Ok(self.session.wait(operation)?)
    }

    /// Opens an image; the handle is not yet given to C.
    pub async fn open(self, which: Which<'_>, options: OpenOptions) -> Result<Shared<ImageHandle>, Errno> {
        let image = Image::open(self.pool, which, options, self.conf, self.env).await?;
        Ok(handle::share(ImageHandle { image, session: self.session, events: Arc::default() }))
    }
}

/// `rbd_image_options_t`.
pub struct OptionsHandle(pub Mutex<ImageOptions>);

impl Handle for OptionsHandle {
    const TAG: [u8; 8] = *b"options\0";
}

/// # Safety
/// As for [`handle::borrow`].
pub unsafe fn options<'a>(options: rbd_image_options_t) -> Result<&'a Mutex<ImageOptions>, Errno> {
    // SAFETY: the caller's promise.
    Ok(unsafe { &handle::borrow::<OptionsHandle>(options)?.0 })
}

/// `rbd_pool_stats_t`: which statistics go where.
#[derive(Default)]
pub struct StatsHandle(pub Mutex<Vec<(c_int, arg::Later<u64>)>>);

impl Handle for StatsHandle {
    const TAG: [u8; 8] = *b"stats\0\0\0";
}

/// # Safety
/// As for [`handle::borrow`].
pub unsafe fn stats<'a>(stats: rbd_pool_stats_t) -> Result<&'a StatsHandle, Errno> {
    // SAFETY: the caller's promise.
    unsafe { handle::borrow(stats) }
}

/// `rbd_completion_t`.
pub struct CompletionHandle {
    pub core: Completion,
    pub arg: Cookie,
    callback: rbd_callback_t,
    /// Where the outcome is announced once the callback has returned: who polls relies on what the callback did.
    announce: Mutex<Option<Arc<Events>>>,
}

impl Handle for CompletionHandle {
    const TAG: [u8; 8] = *b"rbd done";
}

impl CompletionHandle {
    pub fn new(arg: *mut c_void, callback: rbd_callback_t) -> CompletionHandle {
        CompletionHandle {
            core: Completion::new(callback.is_some()),
            arg: Cookie(arg),
            callback,
            announce: Mutex::new(None),
        }
    }
}

thread_local! {
    /// This thread is running a completion's callback.
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

impl CompletionHandle {
    /// Waits until the request is complete and its callback has returned, as in librbd. Inside of a callback only the
    /// request is waited for: the callback might be waiting for itself.
    pub fn wait(&self) {
        if IN_CALLBACK.get() { self.core.wait() } else { self.core.wait_called() }
    }
}

impl Finish for Tagged<CompletionHandle> {
    fn finish(self: Arc<Self>) {
        if let Some(callback) = self.callback {
            let outer = IN_CALLBACK.replace(true);
            // SAFETY: C gave this function for this purpose, and `self` keeps the handle valid while it runs.
            unsafe { callback(handle::raw(&self), self.arg.0) };
            IN_CALLBACK.set(outer);
        }
        // Before the waiters are told: they may close the image and its descriptor.
        let events = self.announce.lock().take();
        if let Some(events) = events {
            events.push(self.clone());
        }
        self.core.called();
    }
}

/// # Safety
/// As for [`handle::shared`].
pub unsafe fn completion(c: rbd_completion_t) -> Result<Shared<CompletionHandle>, Errno> {
    // SAFETY: the caller's promise.
    unsafe { handle::shared(c) }
}

/// Publishes a request's outcome. The callback runs on the finisher's thread, never on this one.
pub fn finish(handle: &ImageHandle, completion: Shared<CompletionHandle>, outcome: Result<i64, Errno>) {
    if !handle.events.wanted() {
        return complete(&handle.session, completion, outcome);
    }
    if completion.callback.is_some() {
        *completion.announce.lock() = Some(handle.events.clone());
        return complete(&handle.session, completion, outcome);
    }
    complete(&handle.session, completion.clone(), outcome);
    handle.events.push(completion);
}

/// [`finish`] for completions that no image's events are asked for.
pub fn complete(session: &Session, completion: Shared<CompletionHandle>, outcome: Result<i64, Errno>) {
    if !completion.core.claim() {
        return tracing::error!(target: "logrbd::capi", "a completion was used for two requests");
    }
    let result = outcome.unwrap_or_else(|errno| i64::from(errno.negated()));
    if completion.core.complete(result, 0) {
        session.callbacks().queue(Job::Finish(completion));
    }
}

/// Runs an image's request in the background, then completes it. `Err` of `operation` is the request's outcome.
pub fn start<F>(handle: Shared<ImageHandle>, completion: Shared<CompletionHandle>, operation: F)
where
    F: Future<Output = Result<i64, Errno>> + Send + 'static,
{
    let ticket = handle.image.ticket();
    start_untracked(handle, completion, async move {
        let outcome = operation.await;
        (outcome, Some(ticket))
    });
}

/// [`start`] for reads: a helper thread of the store's, which may wait for the disk, runs it as far as it goes
/// without waiting for anything else; mostly that is to its end. `started`: what it reads is being loaded.
pub fn start_reading<F>(
    handle: Shared<ImageHandle>,
    completion: Shared<CompletionHandle>,
    started: bool,
    operation: F,
) where
    F: Future<Output = Result<i64, Errno>> + Send + 'static,
{
    let Some(helpers) = handle.image.helpers().cloned() else {
        return start(handle, completion, operation);
    };
    let (session, ticket) = (handle.session.clone(), handle.image.ticket());
    // Counts as a call under way from now on.
    let call = session.begin();
    let mut request = Box::pin(async move {
        let outcome = caught(operation).await;
        if outcome.is_err() {
            handle.image.poison();
        }
        finish(&handle, completion, outcome.unwrap_or(Err(Errno::EIO)));
        drop(ticket);
    });
    let job = Box::new(move || {
        let _context = session.runtime().enter();
        let mut nobody = Context::from_waker(Waker::noop());
        if request.as_mut().poll(&mut nobody).is_pending() {
            // Polled again there, so that whatever it waits for knows whom to wake.
            session.spawn(request);
        }
        drop(call);
    });
    if let Err(job) = helpers.help(job, started) {
        job();
    }
}

/// [`start`] for requests that wait for others: what they hand back is dropped when they have completed.
pub fn start_untracked<F, T>(handle: Shared<ImageHandle>, completion: Shared<CompletionHandle>, operation: F)
where
    F: Future<Output = (Result<i64, Errno>, T)> + Send + 'static,
    T: Send + 'static,
{
    let session = handle.session.clone();
    session.spawn(to_its_end(handle, completion, operation));
}

/// [`start_untracked`], on the caller's thread until the request first waits.
pub fn start_here<F, T>(handle: Shared<ImageHandle>, completion: Shared<CompletionHandle>, operation: F)
where
    F: Future<Output = (Result<i64, Errno>, T)> + Send + 'static,
    T: Send + 'static,
{
    let session = handle.session.clone();
    session.spawn_here(to_its_end(handle, completion, operation));
}

async fn to_its_end<F, T>(handle: Shared<ImageHandle>, completion: Shared<CompletionHandle>, operation: F)
where
    F: Future<Output = (Result<i64, Errno>, T)>,
{
    match caught(operation).await {
        Ok((outcome, held)) => {
            finish(&handle, completion, outcome);
            drop(held);
        }
        Err(()) => {
            handle.image.poison();
            finish(&handle, completion, Err(Errno::EIO));
        }
    }
}

/// A future whose panic is an error.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, ()> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).map_or_else(
            |panic| {
                let what = crate::capi::entry::panic_message(panic.as_ref());
                tracing::error!(target: "logrbd::capi", panic = what, "panic in a request");
                Poll::Ready(Err(()))
            },
            |poll| poll.map(Ok),
        )
    })
    .await
}

/// `rbd_set_image_notification`: a descriptor that is told of completions, and those that it was told of.
#[derive(Default)]
pub struct Events {
    state: Mutex<EventState>,
}

#[derive(Default)]
struct EventState {
    notify: Option<(c_int, EventType)>,
    completed: VecDeque<Shared<CompletionHandle>>,
}

#[derive(Clone, Copy)]
enum EventType {
    Pipe,
    EventFd,
}

impl Events {
    /// EINVAL for a type that is none.
    pub fn set(&self, fd: c_int, kind: c_int) -> Result<(), Errno> {
        let kind = match kind {
            1 => EventType::Pipe,
            2 => EventType::EventFd,
            _ => return Err(Errno::EINVAL),
        };
        if fd < 0 {
            return Err(Errno::EINVAL);
        }
        self.state.lock().notify = Some((fd, kind));
        Ok(())
    }

    fn wanted(&self) -> bool {
        self.state.lock().notify.is_some()
    }

    fn push(&self, completion: Shared<CompletionHandle>) {
        let mut state = self.state.lock();
        let Some((fd, kind)) = state.notify else { return };
        state.completed.push_back(completion);
        drop(state);
        let one = 1u64.to_ne_bytes();
        let message: &[u8] = match kind {
            EventType::Pipe => b"i",
            EventType::EventFd => &one,
        };
        // SAFETY: C keeps the descriptor open until the image is closed; at worst the write fails.
        let written = unsafe { libc::write(fd, message.as_ptr().cast(), message.len()) };
        if written < 0 {
            tracing::debug!(target: "logrbd::capi", "event descriptor {fd}: {}", std::io::Error::last_os_error());
        }
    }

    /// At most `max` completed requests, oldest first.
    pub fn poll(&self, max: usize) -> Vec<Shared<CompletionHandle>> {
        let mut state = self.state.lock();
        let count = max.min(state.completed.len());
        state.completed.drain(..count).collect()
    }
}

/// C's progress callback, called on the thread that waits.
pub fn progress(cb: librbd_progress_fn_t, data: *mut c_void) -> impl Fn(u64, u64) + Send + Sync {
    let data = Cookie(data);
    move |done, total| {
        let data = &data;
        if let Some(cb) = cb {
            // SAFETY: C gave this function and its argument for this purpose; the call that got them still runs.
            unsafe { cb(done, total, data.0) };
        }
    }
}

/// C's memory as the target of a read.
pub struct Sink {
    pub bufs: OutBufs,
    /// The disk gave bytes outside of the range: never to be taken for success.
    pub failed: bool,
}

impl Sink {
    pub fn new(bufs: impl Into<OutBufs>) -> Sink {
        Sink { bufs: bufs.into(), failed: false }
    }

    pub fn outcome(&self, read: u64) -> Result<i64, Errno> {
        if self.failed { Err(Errno::EIO) } else { i64::try_from(read).map_err(|_| Errno::EOVERFLOW) }
    }
}

impl ReadSink for Sink {
    fn put(&mut self, offset: u64, data: &[u8]) {
        self.failed |= self.bufs.write(offset as usize, data).is_err();
    }

    fn zero(&mut self, offset: u64, length: u64) {
        self.failed |= self.bufs.zero(offset as usize, length as usize).is_err();
    }
}

/// [`fill_value`], and `size` says how much the text takes when it fits too.
///
/// # Safety
/// As for [`fill_value`].
pub unsafe fn fill_text(buf: *mut c_char, size: *mut usize, text: &[u8]) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        fill_value(buf, size, text)?;
        arg::out(size, text.len() + 1)
    }
}

/// Copies a text with its NUL. Too little room: ERANGE, and `size` says how much it takes.
///
/// # Safety
/// `size` is null or readable and writable, `buf` writable for `*size` bytes.
pub unsafe fn fill_value(buf: *mut c_char, size: *mut usize, text: &[u8]) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        let room = arg::read(size)?;
        if room < text.len() + 1 {
            arg::out(size, text.len() + 1)?;
            return Err(Errno::ERANGE);
        }
        OutBuf::new(buf, room)?.write_cstr(text)
    }
}

/// Texts one after the other, each with its NUL.
pub fn join<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for text in texts {
        joined.extend_from_slice(text);
        joined.push(0);
    }
    joined
}

/// Copies joined texts; how many bytes they take. Too little room: ERANGE, and `size` says how much it takes.
///
/// # Safety
/// As for [`fill_text`].
pub unsafe fn fill_joined(buf: *mut c_char, size: *mut usize, joined: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        let room = arg::read(size)?;
        if room < joined.len() {
            arg::out(size, joined.len())?;
            return Err(Errno::ERANGE);
        }
        OutBuf::new(buf, joined.len())?.write(0, joined)?;
    }
    Ok(joined.len())
}

/// Keys and values, each joined. Both sizes are told; ERANGE if either has too little room.
///
/// # Safety
/// As for [`fill_text`], for both pairs.
pub unsafe fn fill_pairs(
    (keys, key_size): (*mut c_char, *mut usize),
    (values, value_size): (*mut c_char, *mut usize),
    pairs: &[(bytes::Bytes, bytes::Bytes)],
) -> Result<(), Errno> {
    let joined_keys = join(pairs.iter().map(|(key, _)| &key[..]));
    let joined_values = join(pairs.iter().map(|(_, value)| &value[..]));
    // SAFETY: the caller's promise.
    unsafe {
        let room = (arg::read(key_size)?, arg::read(value_size)?);
        arg::out(key_size, joined_keys.len())?;
        arg::out(value_size, joined_values.len())?;
        if room.0 < joined_keys.len() || room.1 < joined_values.len() {
            return Err(Errno::ERANGE);
        }
        OutBuf::new(keys, joined_keys.len())?.write(0, &joined_keys)?;
        OutBuf::new(values, joined_values.len())?.write(0, &joined_values)
    }
}
