//! What a large image costs: time to open, memory, lookups, checkpoints, replay after a crash. docs/scale.md has its numbers.
//!
//! The image was written once in random blocks of 4 KiB; its map is made directly (`disk::synthetic`), its data are not there.
//! Leaves of the map are either written to the store before (`--written`) or made when they are read. Its inner pages, and the log that
//! is written on top, are real in both cases, in a local store. What opens after a crash is a process of its own, so that its memory is
//! that of a program which does nothing else.

mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use logrbd::disk::checkpoint::ROOT_KEY;
use logrbd::disk::synthetic::Synthetic;
use logrbd::disk::{
    CacheOptions, DEFAULT_SEGMENT_BYTES, Disk, DiskNames, DiskOptions, DiskState, EPOCH_XATTR, FormatParams,
    Lba, Loc, Lsn, MapExtent, Pressure, RecordAt, Replay, RootBlob, SegmentSeq, WriterEpoch,
};
use logrbd::env::{TokioEnv, splitmix64};
use logrbd::store::local::{LocalOptions, LocalStore};
use logrbd::store::{Op, Reply, Request, Store};
use store::ScaleStore;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What a large image costs.
#[derive(Parser)]
struct Arguments {
    /// Size of the image in GiB, a power of two.
    #[arg(long, default_value_t = 16384)]
    gib: u64,
    /// Write the whole map to the store first.
    #[arg(long)]
    written: bool,
    /// Where the store is made; it is removed at the end.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The map's memory option, in MiB.
    #[arg(long, default_value_t = 256)]
    map_memory: u64,
    #[arg(long, default_value_t = 20_000)]
    lookups: u64,
    /// Only what comes after a crash.
    #[arg(long)]
    crashes: bool,
    /// Opens what is in this folder, with this many bytes of log between checkpoints, and says what that took.
    #[arg(long, hide = true)]
    reopen: Option<PathBuf>,
    #[arg(long, hide = true, default_value_t = 0)]
    checkpoint_log_bytes: u64,
    /// What cargo bench passes.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The rows of the table, printed at the end.
struct Report {
    bar: ProgressBar,
    rows: Vec<(String, String)>,
}

impl Report {
    fn row(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.rows.push((what.into(), value.into()));
        self.bar.inc(1);
    }

    fn step(&self, what: &'static str) {
        self.bar.set_message(what);
    }

    fn print(&self) {
        self.bar.finish_and_clear();
        let width = self.rows.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
        for (what, value) in &self.rows {
            println!("{what:width$}  {value}");
        }
    }
}

struct Bench {
    map: Arc<Synthetic>,
    store: Arc<ScaleStore>,
    names: DiskNames,
    options: DiskOptions,
    arguments: Arguments,
    folder: PathBuf,
    report: Report,
    chance: u64,
}

const UUID: [u8; 16] = [7; 16];

/// A field of /proc/self/status in bytes.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Peak memory from here on.
fn reset_peak() -> u64 {
    // Not possible everywhere; the peak is then that of the whole run.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status("VmRSS")
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if arguments.reopen.is_some() {
        return runtime.block_on(reopen(&arguments));
    }
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let bar = ProgressBar::new(29)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}")?);
    runtime.block_on(async {
        let mut bench = Bench::prepare(arguments, folder.path(), bar).await?;
        if !bench.arguments.crashes {
            bench.open().await?;
            bench.lookups().await?;
            bench.checkpoints().await?;
        }
        for spread in [1 << 18, bench.map.size_bytes() >> 12] {
            for log_mib in [16, 64, 256] {
                bench.crash(log_mib << 20, spread).await?;
            }
        }
        bench.report.print();
        bench.store.shutdown().await;
        Ok(())
    })
}

impl Bench {
    async fn prepare(arguments: Arguments, folder: &std::path::Path, bar: ProgressBar) -> Outcome<Bench> {
        let mut report = Report { bar, rows: Vec::new() };
        report.step("laying the map out");
        let map = Arc::new(Synthetic::new(arguments.gib << 30, DEFAULT_SEGMENT_BYTES, 1));
        let (inner, names) = local(folder).await?;
        let params = FormatParams::new(map.size_bytes(), UUID);
        Disk::format(&inner, &names, &params).await?;
        report.step("writing the map");
        let numbers: Vec<_> =
            if arguments.written { map.objects().collect() } else { map.inner_objects().collect() };
        for number in numbers {
            let data = map.read(number, 0, u64::MAX).unwrap_or_default();
            run(&*inner, Request::new(names.map_object(number), vec![Op::WriteFull { data }])).await?;
        }
        let root = map.root();
        let pairs = [(Bytes::from_static(ROOT_KEY.as_bytes()), Bytes::from(root.encode()))].into();
        let epoch = Bytes::from(root.epoch.0.to_string());
        let ops = vec![Op::SetXattr { name: EPOCH_XATTR.into(), value: epoch }, Op::OmapSet { pairs }];
        run(&*inner, Request::new(names.header(), ops)).await?;
        let store = ScaleStore::new(inner, &names, (!arguments.written).then(|| map.clone()));
        let options = arguments.options();
        let how = if arguments.written { "written to the store" } else { "leaves made when read" };
        report.row(
            "image",
            format!("{} GiB, {} regions, {} segments", arguments.gib, map.regions(), map.segments()),
        );
        report.row("map", format!("{} in {} objects, {how}", mib(map.map_bytes()), map.objects().count()));
        report.row("root", format!("{} bytes", root.encode().len()));
        report.row("map memory option", mib(options.map_memory_bytes));
        let folder = folder.to_owned();
        Ok(Bench { map, store, names, options, arguments, folder, report, chance: 1 })
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        splitmix64(self.chance) % limit
    }

    fn dyn_store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Open, take over, be ready for requests.
    async fn open(&mut self) -> Outcome<()> {
        self.report.step("opening");
        let mut times = Vec::new();
        for _ in 0..5 {
            let begin = Instant::now();
            let store: Arc<dyn Store> = self.store.client();
            let disk =
                Disk::open(store, self.names.clone(), self.options.clone(), TokioEnv::current()).await?;
            let reader = begin.elapsed();
            disk.acquire().await?;
            times.push((begin.elapsed(), reader));
            disk.close().await?;
        }
        times.sort();
        let (whole, reader) = times[2];
        self.report.row(
            "open, taken over, ready for writes",
            format!("{whole:.1?} (median of 5; reads after {reader:.1?})"),
        );
        self.report.row("  the slowest", format!("{:.1?}", times[4].0));
        Ok(())
    }

    /// The newest root, opened as a writer does.
    async fn state(&self) -> Outcome<(Arc<DiskState>, RootBlob)> {
        let keys = vec![Bytes::from_static(ROOT_KEY.as_bytes())];
        let mut reply =
            run(&*self.store, Request::new(self.names.header(), vec![Op::OmapGetValsByKeys { keys }]))
                .await?;
        let Some(logrbd::store::OpOut::Pairs { pairs, .. }) = reply.ops.pop().map(|op| op.out) else {
            return Err("no root".into());
        };
        let raw = pairs.into_iter().next().ok_or("no root")?.1;
        let root = RootBlob::decode(&raw, "header")?;
        let limit = self.options.map_memory_bytes as usize;
        Ok((DiskState::open(self.dyn_store(), self.names.clone(), &root, limit).await?, root))
    }

    async fn lookups(&mut self) -> Outcome<()> {
        let begun_with = reset_peak();
        let (state, _) = self.state().await?;
        let blocks = self.map.size_bytes() >> 12;
        self.report.step("lookups before the inner pages are there");
        let cold = self.distribution(&state, 200, blocks).await?;
        self.report.row("store reads of a lookup, inner pages not loaded", cold);
        drop(state);
        let (state, _) = self.state().await?;
        self.report.step("lookups while the inner pages are loaded");
        let (loader, begin) = (state.clone(), Instant::now());
        let loading = tokio::spawn(async move { loader.warm().await.map(|()| begin.elapsed()) });
        let beside = self.distribution(&state, 200, blocks).await?;
        let (took, ended) = (begin.elapsed(), loading.await??);
        self.report.row("store reads of a lookup, inner pages on their way", beside);
        self.report.row("  200 lookups took, the loading took", format!("{took:.1?}, {ended:.1?}"));
        drop(state);
        let (state, _) = self.state().await?;
        self.report.step("loading inner pages");
        let reads = self.store.counters.reads.load(SeqCst);
        let begin = Instant::now();
        state.warm().await?;
        let took = begin.elapsed();
        let reads = self.store.counters.reads.load(SeqCst) - reads;
        self.report.row(
            "inner pages loaded",
            format!("{took:.1?}, {reads} reads, {}", mib(state.memory_bytes() as u64)),
        );
        self.report.step("lookups");
        let begin = Instant::now();
        let lookups = self.arguments.lookups;
        let warm = self.distribution(&state, lookups, blocks).await?;
        self.report.row(format!("store reads of a lookup, {lookups} of them"), warm);
        self.report
            .row("  one after the other", format!("{:.0}/s", lookups as f64 / begin.elapsed().as_secs_f64()));
        let begin = Instant::now();
        let near = self.distribution(&state, lookups, 1 << 20).await?;
        self.report.row("store reads of a lookup within 4 GiB", near);
        self.report
            .row("  one after the other", format!("{:.0}/s", lookups as f64 / begin.elapsed().as_secs_f64()));
        self.report.row("map's pages in memory", mib(state.memory_bytes() as u64));
        let peak = status("VmHWM").saturating_sub(begun_with);
        self.report.row("process: peak above what it was before the open", mib(peak));
        Ok(())
    }

    /// How many store reads how many lookups took; each answer is checked.
    async fn distribution(&mut self, state: &DiskState, lookups: u64, blocks: u64) -> Outcome<String> {
        let mut counts = std::collections::BTreeMap::<u64, u64>::new();
        let mut found = Vec::new();
        // A lookup reads pages; several at once are read by the loading of inner pages beside it.
        let counters = self.store.counters.clone();
        let pages = || counters.page_reads.load(SeqCst);
        for _ in 0..lookups {
            let lba = self.below(blocks);
            let reads = pages();
            found.clear();
            state.map().lookup(Lba(lba), 1, &mut found).await?;
            assert_eq!(found, [MapExtent { lba: Lba(lba), blocks: 1, loc: Some(self.map.place(lba)) }]);
            *counts.entry(pages() - reads).or_default() += 1;
        }
        Ok(counts.iter().map(|(reads, count)| format!("{reads}: {count}")).collect::<Vec<_>>().join(", "))
    }

    /// One block of so many regions changes, at random over the whole image or in neighbours.
    async fn checkpoints(&mut self) -> Outcome<()> {
        self.report.step("checkpoints");
        let (state, root) = self.state().await?;
        let mine = WriterEpoch(root.epoch.0 + 1);
        state.set_epoch(mine);
        let value = Bytes::from(mine.0.to_string());
        let ops = vec![Op::SetXattr { name: EPOCH_XATTR.into(), value }];
        run(&*self.store, Request::new(self.names.header(), ops)).await?;
        state.warm().await?;
        let mut lsn = root.lsn.0;
        for scattered in [false, true] {
            for regions in [1, 10, 100, 1000, 10_000] {
                let before = self.written();
                let base = self.below(self.map.regions().saturating_sub(regions).max(1));
                let (mut checkpoints, mut took) = (0, Duration::ZERO);
                for n in 0..regions {
                    lsn += 1;
                    let at =
                        RecordAt { lsn: Lsn(lsn), segment: root.replay.segment, bytes: 4176, payload: None };
                    let region = if scattered {
                        self.below(self.map.regions())
                    } else {
                        (base + n) % self.map.regions()
                    };
                    let loc = Loc { segment: root.replay.segment, unit: 8 };
                    let lba = Lba(region * 4096 + self.below(4096));
                    state.apply_data(at, &[MapExtent { lba, blocks: 1, loc: Some(loc) }]).await?;
                    // As the engine does when changed pages take half of the map's memory.
                    if n + 1 == regions || state.pressure() >= Pressure::Checkpoint {
                        let begin = Instant::now();
                        self.checkpoint(&state, root.replay.segment).await?;
                        took += begin.elapsed();
                        checkpoints += 1;
                    }
                }
                let after = self.written();
                let (objects, bytes, root) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
                let how = if scattered { "scattered" } else { "neighbours" };
                self.report.row(
                    format!("checkpoint, {regions} regions changed ({how})"),
                    format!("{bytes} bytes in {objects} objects, {:.0} a region; root {root}; {took:.1?}, {checkpoints} checkpoints", bytes as f64 / regions as f64),
                );
            }
        }
        Ok(())
    }

    fn written(&self) -> (u64, u64, u64) {
        let counters = &self.store.counters;
        (counters.objects.load(SeqCst), counters.bytes.load(SeqCst), counters.root_bytes.load(SeqCst))
    }

    async fn checkpoint(&self, state: &Arc<DiskState>, segment: SegmentSeq) -> Outcome<()> {
        let frozen = state.freeze(Replay { segment, offset: 0 })?.ok_or("a checkpoint is under way")?;
        frozen.commit(&self.dyn_store(), &self.names.header(), |_| Default::default()).await?;
        Ok(())
    }

    /// Writes at random, dies, and is opened again.
    async fn crash(&mut self, checkpoint_log_bytes: u64, blocks: u64) -> Outcome<()> {
        self.report.step("crash and replay");
        let options = DiskOptions { checkpoint_log_bytes, ..self.options.clone() };
        let client = self.store.client();
        let disk =
            Disk::open(client.clone(), self.names.clone(), options.clone(), TokioEnv::current()).await?;
        disk.acquire().await?;
        let begun_with = disk.stats().log_bytes;
        let data = [5; 4096];
        // Enough for the bound to be felt, in at most a minute.
        let begin = Instant::now();
        let (mut most, mut written) = (0, 0);
        while written < 5 * checkpoint_log_bytes / 2 && begin.elapsed() < Duration::from_secs(20) {
            let block = self.below(blocks);
            disk.write(block << 12, &[&data]).await?;
            most = most.max(disk.stats().replay_bytes);
            written = disk.stats().log_bytes - begun_with;
        }
        disk.flush().await?;
        client.die();
        drop(disk);
        let mut child = std::process::Command::new(std::env::current_exe()?);
        child
            .arg("--reopen")
            .arg(&self.folder)
            .arg("--checkpoint-log-bytes")
            .arg(checkpoint_log_bytes.to_string());
        child.arg("--gib").arg(self.arguments.gib.to_string());
        child.arg("--map-memory").arg(self.arguments.map_memory.to_string());
        child.args(self.arguments.written.then_some("--written"));
        let output = tokio::task::spawn_blocking(move || child.output()).await??;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let outcome = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        self.report.row(
            format!(
                "crash: checkpoints each {}, writes over {} GiB",
                mib(checkpoint_log_bytes),
                blocks >> 18
            ),
            format!("{} written, {} in no checkpoint; {outcome}", mib(written), mib(most)),
        );
        Ok(())
    }
}

impl Arguments {
    fn options(&self) -> DiskOptions {
        let cache = CacheOptions { writethrough_until_flush: false, ..CacheOptions::default() };
        // GC would read the data, which are not there.
        DiskOptions { gc: false, cache, map_memory_bytes: self.map_memory << 20, ..DiskOptions::default() }
    }
}

async fn local(folder: &std::path::Path) -> Outcome<(Arc<dyn Store>, DiskNames)> {
    let store = LocalStore::open(&folder.join("store"), "scale", LocalOptions::default())?;
    let names = DiskNames::new(store.pool_lookup("rbd").await?, "", "scale", None);
    Ok((store, names))
}

/// Opens the image that another process has left, as a writer; says what that took.
async fn reopen(arguments: &Arguments) -> Outcome<()> {
    let (inner, names) = local(arguments.reopen.as_deref().ok_or("no folder")?).await?;
    let map = Arc::new(Synthetic::new(arguments.gib << 30, DEFAULT_SEGMENT_BYTES, 1));
    let store = ScaleStore::new(inner, &names, (!arguments.written).then_some(map));
    let options = DiskOptions { checkpoint_log_bytes: arguments.checkpoint_log_bytes, ..arguments.options() };
    let before = reset_peak();
    let begin = Instant::now();
    let disk = Disk::open(store.client(), names, options, TokioEnv::current()).await?;
    let read = (begin.elapsed(), status("VmHWM").saturating_sub(before));
    disk.acquire().await?;
    let took = begin.elapsed();
    let (stats, peak) = (disk.stats(), status("VmHWM").saturating_sub(before));
    disk.close().await?;
    println!(
        "replayed {} in {} records, opened in {took:.2?}, of that as a reader {:.2?}; peak memory {}, as a reader {}",
        mib(stats.replayed_bytes),
        stats.replayed_records,
        read.0,
        mib(peak),
        mib(read.1)
    );
    store.shutdown().await;
    Ok(())
}

async fn run(store: &dyn Store, request: Request) -> Outcome<Reply> {
    Ok(store.operate(request).await?.ok()?)
}
