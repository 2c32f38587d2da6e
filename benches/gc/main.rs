//! Garbage collection: how much the engine writes and how much space it takes, over many overwrites of an image on the
//! model store; and what a write waits with and without it, on a store in a folder. Prints tables and draws them over
//! time. Ends with 1 if a goal is missed, or if less than the target is live. Docs: docs/space.md.
//!
//! `cargo bench --bench gc -- --plots docs/performance`, then the same with `--latency 1,32`

mod chance;
mod latency;
mod load;
mod plot;
mod run;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use latency::Latencies;
use load::Load;
use run::{Outcome, Plan};

/// What is measured; times in overwrites of the image.
#[derive(Parser, Debug)]
#[command(name = "gc", about = "Write amplification and space of the log-structured disk under overwrites")]
struct Args {
    /// Loads: uniform, zipf, 90/10, sequential, snapshots (uniform, with snapshots made and removed), trim (uniform
    /// writes and trims).
    #[arg(long, value_delimiter = ',', default_value = "uniform,zipf,90/10,snapshots,trim,sequential")]
    loads: Vec<Load>,
    /// Size of the image.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Size of a segment; the image should have some hundreds.
    #[arg(long, default_value_t = 1)]
    segment_mib: u32,
    /// Overwrites before the measured ones, until the state is steady.
    #[arg(long, default_value_t = 10)]
    warm_up: u32,
    #[arg(long, default_value_t = 20)]
    overwrites: u32,
    /// `logrbd_gc_utilisation_percent`
    #[arg(long, default_value_t = 70)]
    percent: u8,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead: latencies of writes at these depths, with GC and without.
    #[arg(long, value_delimiter = ',')]
    latency: Vec<usize>,
    /// Latencies: rounds, of which the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Latencies: where the store is made.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Folder for the plots.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !args.latency.is_empty() {
        return match latencies(&args) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("gc: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let steps = u64::from(args.warm_up + args.overwrites) * args.loads.len() as u64;
    let bar = ProgressBar::new(steps * run::SAMPLES);
    let style = ProgressStyle::with_template("[{bar:30}] {msg:12} {eta} left").expect("a valid template");
    bar.set_style(style.progress_chars("##-"));
    println!("{}", Outcome::HEAD);
    let mut outcomes = Vec::new();
    for &load in &args.loads {
        bar.set_message(load.name());
        let plan = Plan {
            load,
            blocks: args.mib << 8,
            segment_bytes: args.segment_mib << 20,
            warm_up: args.warm_up,
            overwrites: args.overwrites,
            percent: args.percent,
            seed: args.seed,
        };
        let outcome = run::run(&plan, || bar.inc(1));
        bar.suspend(|| println!("{}", outcome.row()));
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    let note = format!(
        "image {} MiB, segments {} MiB, target {} %, {} overwrites after {}",
        args.mib, args.segment_mib, args.percent, args.overwrites, args.warm_up
    );
    if let Some(folder) = &args.plots
        && let Err(error) = plot::write(folder, &note, &outcomes)
    {
        eprintln!("gc: {}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.holds()).map(|o| o.load.name()).collect();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("gc: above the goal: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// A write may take so much longer at the 99th percentile while GC runs.
const LATENCY_GOAL: f64 = 3.0;

/// With GC and without, in turns.
fn latencies(args: &Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let runs = args.latency.len() * args.rounds * 2;
    let bar = ProgressBar::new(runs as u64);
    let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {eta} left")?;
    bar.set_style(style.progress_chars("##-"));
    println!("{}", Latencies::HEAD);
    let (mut lines, mut passed) = (Vec::new(), true);
    for &depth in &args.latency {
        let plan = latency::Plan {
            blocks: args.mib << 8,
            segment_bytes: args.segment_mib << 20,
            depth,
            percent: args.percent,
            warm_up: args.warm_up.into(),
            overwrites: args.overwrites.into(),
            seed: args.seed,
        };
        let mut done: Vec<[Latencies; 2]> = Vec::new();
        for _ in 0..args.rounds {
            let mut round = Vec::new();
            for gc in [false, true] {
                let run = latency::run(&plan, gc, &args.folder)?;
                bar.suspend(|| println!("{}", run.row(depth)));
                bar.inc(1);
                round.push(run);
            }
            done.extend(<[Latencies; 2]>::try_from(round).ok());
        }
        let mut ratios: Vec<f64> = done.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        passed &= median <= LATENCY_GOAL;
        bar.suspend(|| println!("{depth:5}  p99 with GC / without: {median:.2} (median of {ratios:.2?})"));
        // The round that is the median is drawn.
        if let Some([without, with]) = done.iter().find(|round| ratio(round) == median) {
            for (name, run) in [("without GC", without), ("with GC", with)] {
                let name = format!("depth {depth}, {name}");
                lines.push(plot::Line { name, points: run.longest_over_time(), goal: None });
            }
        }
    }
    bar.finish_and_clear();
    if let Some(folder) = &args.plots {
        let note = format!("image {} MiB, segments {} MiB, 4k at random", args.mib, args.segment_mib);
        let title = "Longest write in ms, in each 200th of a run";
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("gc-latency.svg"), plot::svg(title, &note, "seconds", &lines))?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ratio([without, with]: &[Latencies; 2]) -> f64 {
    with.quantile(0.99).as_secs_f64() / without.quantile(0.99).as_secs_f64().max(1e-9)
}
