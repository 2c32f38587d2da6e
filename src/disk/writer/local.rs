//! The local log beside the writer: what goes into it, who waits for it, its mark in the header, its replay.
//!
//! What makes a local acknowledgement safe, in this order: what only the store's log has is durable there as far as it
//! comes before; the mark is in the header; the log is synced. What makes a replay right: each record says up to which
//! change the image then goes, so no change is ever applied over a newer one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::requests::Blocks;
use super::{State, Writer};
use crate::disk::buffer::Pieces;
use crate::disk::header::Header;
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::ssd::{
    Change, Entry, Left, LocalFile, LocalLog, LocalLogOptions, LocalMark, LogHeader, MARK_KEY, NotLocal,
    PAGE, Turn, Wanted,
};
use crate::disk::{DiskError, DiskResult, LocalSeq, Lsn};

/// What the header says of a log.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    None,
    /// An update was sent and its outcome is not known, or an older writer's mark is there.
    Maybe,
    /// This writer's mark is there.
    Set,
}

#[derive(Default)]
pub(super) struct Local {
    mark: tokio::sync::Mutex<Mark>,
    /// The file, also of a log that is over.
    file: crate::sync::Mutex<Option<(Arc<dyn LocalFile>, String)>>,
}

impl State {
    /// A change was accepted into the open batch.
    pub(super) fn log_change(&mut self, change: Change, lba: u64, blocks: u64, data: Option<&mut Pieces>) {
        if let Some(log) = &self.local {
            self.local_newest = log.add(change, lba, blocks, data);
        }
    }
}

impl Writer {
    /// A record that only the store's log has is about to be made.
    pub(super) fn log_barrier(&self, state: &mut State, lsn: Lsn) {
        if state.local.is_some() {
            state.log_change(Change::Barrier, 0, 0, None);
            state.barrier = lsn;
        }
    }

    /// Waits until all that was accepted so far is durable: in the store up to `lsn`, or in the local log.
    pub async fn wait_safe(self: &Arc<Self>, lsn: Lsn) -> DiskResult<()> {
        let (log, seq, barrier) = {
            let state = self.state.lock();
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            (state.local.clone(), state.local_newest, state.barrier)
        };
        let Some(log) = log else { return self.wait_durable(lsn).await };
        match self.wait_local(&log, seq, barrier).await? {
            // What was accepted is durable, but a writer that has failed acknowledges nothing more.
            Ok(()) => self.failure().map_or(Ok(()), Err),
            Err(NotLocal::Full | NotLocal::Over) => self.wait_durable(lsn).await,
        }
    }

    async fn wait_local(
        self: &Arc<Self>,
        log: &Arc<LocalLog>,
        seq: LocalSeq,
        barrier: Lsn,
    ) -> DiskResult<Result<(), NotLocal>> {
        if log.is_drained(seq) {
            return Ok(Ok(()));
        }
        // Replay goes on after what only the store has if that is there, and ends before it otherwise.
        if !broken(Sabotage::LocalAckOverBarrier) {
            self.wait_durable(barrier).await?;
        }
        if !broken(Sabotage::LocalAckBeforeMark) {
            // From here on nobody writes to the image without what the log has, unless somebody says so.
            match self.set_mark(log).await {
                Ok(true) => {}
                Ok(false) => return Ok(Err(NotLocal::Over)),
                Err(error @ DiskError::Fenced { .. }) => {
                    self.fail(&mut self.state.lock(), error.clone());
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!("no mark for the log {}: {error}; the store is flushed", log.path);
                    return Ok(Err(NotLocal::Over));
                }
            }
        }
        let answer = log.want(seq);
        self.start_local(Some(log));
        Ok(answer.await.unwrap_or(Err(NotLocal::Over)))
    }

    /// False: the log is not to be used any more.
    async fn set_mark(&self, log: &LocalLog) -> DiskResult<bool> {
        let mut mark = self.local.mark.lock().await;
        {
            // A writer that ends removes the mark, and it must not come back: the file may be gone by then.
            let state = self.state.lock();
            if state.draining || state.local.as_ref().is_none_or(|used| used.uuid != log.uuid) {
                return Ok(false);
            }
        }
        if *mark == Mark::Set {
            return Ok(true);
        }
        *mark = Mark::Maybe;
        let host = self.shared.options.local.disk.host();
        let value = LocalMark { log: log.uuid, host, path: log.path.clone() }.encode();
        let set = BTreeMap::from([(Bytes::from_static(MARK_KEY.as_bytes()), value)]);
        Header::update(&self.shared.store, &self.shared.names, self.epoch, set, Vec::new()).await?;
        *mark = Mark::Set;
        Ok(true)
    }

    /// All that a log had is durable in the store. The caller has seen to it that nothing is acknowledged because of the
    /// log that was accepted later.
    async fn clear_mark(&self) -> DiskResult<()> {
        let mut mark = self.local.mark.lock().await;
        if *mark == Mark::None {
            return Ok(());
        }
        *mark = Mark::Maybe;
        let remove = vec![Bytes::from_static(MARK_KEY.as_bytes())];
        Header::update(&self.shared.store, &self.shared.names, self.epoch, BTreeMap::new(), remove).await?;
        *mark = Mark::None;
        Ok(())
    }

    /// Starts the task that writes to the log, if there is something to do.
    pub(super) fn start_local(self: &Arc<Self>, log: Option<&Arc<LocalLog>>) {
        let Some(log) = log.filter(|log| log.should_start()) else { return };
        let (writer, log) = (self.clone(), log.clone());
        self.shared.env.spawn_here(Box::pin(async move { writer.run_local(&log).await }));
    }

    async fn run_local(self: &Arc<Self>, log: &Arc<LocalLog>) {
        loop {
            let moved = log.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            match log.turn() {
                Turn::Idle => return,
                Turn::Write { parts, last } => {
                    let sync = !broken(Sabotage::LocalAckBeforeSync);
                    let written = log.file.write(parts, sync).await;
                    if self.failure().is_some() {
                        return;
                    }
                    if let Err(error) = written {
                        return self.local_failed(log, &error.to_string());
                    }
                    log.written(last);
                    if log.is_tight() {
                        self.push_out();
                    }
                }
                Turn::Full => {
                    if self.push_out() {
                        return log.give_up_waiting();
                    }
                    moved.await;
                }
            }
        }
    }

    /// Brings on its way to the store what was accepted. True: the store has no room.
    fn push_out(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        state.wanted = state.wanted.max(state.newest());
        let appends = self.pump(&mut state);
        let full = state.no_space.is_some();
        drop(state);
        self.start(appends);
        full
    }

    /// The log cannot be written to. What was acknowledged because of it is on its way to the store as before; from now on
    /// the store is what a flush waits for.
    fn local_failed(self: &Arc<Self>, log: &Arc<LocalLog>, error: &str) {
        tracing::error!("local log {}: {error}; flushes go to the store from now on", log.path);
        // `local_newest` stays, and so the records that follow say that all of the log is in them.
        self.state.lock().local = None;
        log.end();
        let writer = self.clone();
        self.shared.env.spawn(Box::pin(async move {
            if let Err(error) = writer.drain().await {
                tracing::warn!("the mark of a local log stays until the image is closed: {error}");
            }
        }));
    }

    /// All that was accepted before the call is durable in the store, and, unless something was accepted meanwhile, no log
    /// is needed any more.
    pub async fn drain(self: &Arc<Self>) -> DiskResult<()> {
        let lsn = self.state.lock().newest();
        self.wait_durable(lsn).await?;
        let cleared = self.clear_mark().await;
        if let Err(error @ DiskError::Fenced { .. }) = &cleared {
            self.fail(&mut self.state.lock(), error.clone());
        }
        cleared
    }

    /// Lets others have the log's file, once this writer has failed.
    pub(super) fn let_go_of_log(&self) {
        if let Some((file, _)) = self.local.file.lock().take() {
            self.shared.env.spawn(Box::pin(async move { file.close().await }));
        }
    }

    /// Ends the log of a writer that ends, after `drain`. `remove`: its file goes.
    pub async fn close_local(&self, remove: bool) {
        let log = self.state.lock().local.take();
        if let Some(log) = log {
            log.end();
        }
        let Some((file, path)) = self.local.file.lock().take() else { return };
        if remove && let Err(error) = self.shared.options.local.disk.remove(&path).await {
            tracing::warn!("local log {path}: {error}");
        }
        file.close().await;
    }

    /// Called before anything is accepted: replays what an older writer has left in its log, and begins the own one.
    pub async fn begin_local(self: &Arc<Self>, left: Option<Left>) -> DiskResult<()> {
        if let Some(left) = left {
            *self.local.mark.lock().await = Mark::Maybe;
            self.replay_local(&left).await?;
            self.drain().await?;
            let local = &self.shared.options.local;
            if local.log.is_none()
                && let Err(error) = local.disk.remove(&left.mark.path).await
            {
                tracing::warn!("local log {}: {error}", left.mark.path);
            }
            left.file.close().await;
        }
        let Some(options) = &self.shared.options.local.log else { return Ok(()) };
        match self.open_log(options).await? {
            Ok(log) => {
                let mut state = self.state.lock();
                state.local_newest = state.local_newest.max(self.head.state.local());
                state.local = Some(log);
            }
            Err(why) => {
                let image = self.shared.names.header().oid;
                tracing::error!("{image}: no local log, flushes go to the store: {why}");
            }
        }
        Ok(())
    }

    async fn replay_local(self: &Arc<Self>, left: &Left) -> DiskResult<()> {
        let reached = match broken(Sabotage::LocalReplayFromStart) {
            true => LocalSeq(0),
            false => self.head.state.local(),
        };
        self.state.lock().local_newest = reached;
        let (mut changes, begun) = (0u64, self.shared.env.now());
        'replay: for frame in left.frames(reached).await? {
            for entry in left.entries(&frame).await? {
                let newest = self.state.lock().local_newest;
                if entry.seq <= newest {
                    continue;
                }
                if entry.change == Change::Barrier {
                    // What it stands for is not in the store, so nothing after it was acknowledged.
                    break 'replay;
                }
                self.replay_entry(&entry).await?;
                changes += 1;
            }
        }
        tracing::info!(
            "{}: {changes} changes from the local log {}, read in {:.3} s",
            self.shared.names.header().oid,
            left.mark.path,
            self.shared.env.now().saturating_sub(begun).as_secs_f64()
        );
        Ok(())
    }

    async fn replay_entry(self: &Arc<Self>, entry: &Entry) -> DiskResult<()> {
        let data: [&[u8]; 1] = [&entry.data];
        let (what, room) = match entry.change {
            Change::Data => (Blocks::Data(&data), entry.blocks as u32),
            Change::Hole | Change::Barrier => (Blocks::Hole, 1),
        };
        let permit = self.wait_for_room(room).await?;
        let mut state = self.state.lock();
        super::requests::check(&state, entry.lba, entry.blocks)?;
        permit.forget();
        self.put(&mut state, entry.lba, entry.blocks, &what, room);
        // Not before: a record that was closed on the way has only a part of it.
        state.local_newest = entry.seq;
        let appends = self.pump(&mut state);
        drop(state);
        self.start(appends);
        Ok(())
    }

    /// Makes a log, empty, in the image's file. The inner error says why there is none; the outer one ends the take-over.
    async fn open_log(&self, options: &LocalLogOptions) -> DiskResult<Result<Arc<LocalLog>, String>> {
        let uuid = self.shared.format.uuid;
        let names = &self.shared.names;
        let part: String = uuid[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("{}/logrbd-ssd.{}.{}.{part}", options.folder, names.pool.0, names.image_id);
        let file = match self.shared.options.local.disk.open(&path, Wanted::Any).await {
            Ok(file) => file,
            Err(error) => return Ok(Err(format!("{path}: {error}"))),
        };
        // Nothing of the file is touched before this: a newcomer may have had a log in it, acknowledged changes, and died, while
        // this take-over was asleep. From here on a newcomer finds the file in use.
        match self.shared.read_epoch(&names.header()).await? {
            Some(epoch) if epoch == self.epoch || broken(Sabotage::LocalLogOfZombie) => {}
            found => {
                let theirs = found.unwrap_or_default();
                return Err(DiskError::Fenced { mine: self.epoch.0, theirs: theirs.0 });
            }
        }
        let log = self.make_log(options, &file, &path).await;
        if log.is_ok() {
            *self.local.file.lock() = Some((file, path));
        }
        Ok(log)
    }

    async fn make_log(
        &self,
        options: &LocalLogOptions,
        file: &Arc<dyn LocalFile>,
        path: &str,
    ) -> Result<Arc<LocalLog>, String> {
        let uuid = self.shared.format.uuid;
        let said = |error: std::io::Error| format!("{path}: {error}");
        let raw = file.read(0, PAGE).await.map_err(said)?;
        if LogHeader::decode(&raw).is_ok_and(|header| header.image != uuid) {
            return Err(format!("{path} is the log of another image"));
        }
        let size = options.size_bytes.max(LocalLog::MIN_BYTES).next_multiple_of(PAGE);
        if let Err(error) = file.allocate(size).await {
            if raw.is_empty() {
                // It was made for this, and takes what little room there is.
                let _ = self.shared.options.local.disk.remove(path).await;
            }
            return Err(said(error));
        }
        let mut log = [0; 16];
        log[..8].copy_from_slice(&self.shared.env.random_u64().to_le_bytes());
        log[8..].copy_from_slice(&self.shared.env.random_u64().to_le_bytes());
        let reached = self.state.lock().local_newest.max(self.head.state.local());
        let dirty_limit = self.shared.options.dirty_limit();
        let log = LocalLog::new(file.clone(), path.to_owned(), log, reached, dirty_limit);
        log.format(uuid).await.map_err(said)?;
        Ok(log)
    }
}
